//! Access tokens: made, checked, fenced, revoked.

use app::{
    Change, Error, Principal,
    identity::{authenticate, check_token},
};
use chrono::TimeDelta;
use domain::identity::{Role, Scope, TokenText};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use super::{id_of, user_id};

const CREATE: &str = "mutation($input: TokenCreateInput!, $key: String) {
    tokenCreate(input: $input, idempotencyKey: $key) {
        secret token { id kind name prefix scopes expiresAt revokedAt user { name } device { id } }
        userErrors { code field message }
    }
}";
const REVOKE: &str = "mutation($token: ID!) {
    tokenRevoke(token: $token) { token { revokedAt } userErrors { code field message } }
}";

async fn key(world: &World, viewer: &app::Viewer, input: Value) -> (String, String) {
    let made = world.run(viewer, CREATE, json!({ "input": input })).await;
    (
        made.text("/tokenCreate/secret").to_owned(),
        made.text("/tokenCreate/token/id").to_owned(),
    )
}

on_both_engines! {
    async fn a_person_makes_a_key_uses_it_and_revokes_it(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "script", "scopes": ["read", "write", "read"] });
        let (secret, id) = key(&world, &ann, input).await;
        let viewer = authenticate(&world.services, &secret).await.unwrap();
        let seen = world.run(&viewer, "{ viewer { role scopes user { name } } }", json!({})).await;
        assert_snapshot!(seen.at("/viewer"), @r#"{"role":"USER","scopes":["read","write"],"user":{"name":"Ann"}}"#);

        let mut feed = world.services.bus.subscribe();
        world.run(&ann, REVOKE, json!({ "token": id })).await.data();
        let refused = authenticate(&world.services, &secret).await;
        assert!(matches!(refused, Err(Error::Unauthenticated)), "{refused:?}");
        let mut told = Vec::new();
        while let Ok(change) = feed.try_recv() {
            told.push(change);
        }
        assert!(told.iter().any(|it| matches!(it, Change::TokenRevoked(it) if it.to_string() == id)));
        let again = world.run(&ann, REVOKE, json!({ "token": id })).await;
        assert_snapshot!(again.user_errors(), @"");
        assert_snapshot!(again.text("/tokenRevoke/token/revokedAt"), @"2026-09-01T12:00:00+00:00");
    }

    async fn a_revocation_reaches_another_process_within_thirty_seconds(world: World) {
        let ann = world.person("Ann").await;
        let (secret, id) = key(&world, &ann, json!({ "name": "k", "scopes": ["read"] })).await;
        let other = World::over(testkit::Database::new(world.database().engine()).await, world.database().connect().await);
        assert!(authenticate(&other.services, &secret).await.is_ok());
        world.run(&ann, REVOKE, json!({ "token": id })).await.data();
        other.clock.advance(TimeDelta::seconds(30));
        assert!(authenticate(&other.services, &secret).await.is_err());
    }

    async fn a_key_ends_when_it_was_told_to(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "k", "scopes": ["read"], "expiresAt": "2026-09-01T13:00:00Z" });
        let (secret, _) = key(&world, &ann, input).await;
        assert!(authenticate(&world.services, &secret).await.is_ok());
        world.clock.advance(TimeDelta::seconds(3599));
        assert!(authenticate(&world.services, &secret).await.is_ok());
        world.clock.advance(TimeDelta::seconds(1));
        assert!(authenticate(&world.services, &secret).await.is_err());
    }

    async fn what_a_key_may_not_be(world: World) {
        let ann = world.person("Ann").await;
        let Principal::User { id, .. } = ann.principal else { panic!() };
        let reader = world.viewer(Principal::User { id, role: Role::User }, &[Scope::Read]);
        let plain = world.viewer(Principal::User { id, role: Role::User }, &[Scope::Read, Scope::Write]);
        let run = async |viewer: &app::Viewer, input: Value| {
            world.run(viewer, CREATE, json!({ "input": input })).await
        };
        let no = run(&reader, json!({ "name": "k", "scopes": ["read"] })).await;
        assert_snapshot!(no.error(), @r#"FORBIDDEN: not allowed: this token does not have the scope "write""#);
        let no = run(&plain, json!({ "name": " ", "scopes": ["read", "admin", "all"], "expiresAt": "2026-09-01T12:00:00Z" })).await;
        assert_snapshot!(no.user_errors(), @r#"
        REQUIRED name: name must not be blank: give 1 to 100 characters
        INVALID scopes: the token you use does not have the scope admin itself
        INVALID scopes: not a scope: expected read, write, admin or entity:ID
        OUT_OF_RANGE expiresAt: expiresAt has passed: expected a time to come, or none
        "#);
        let no = run(&plain, json!({ "name": "k", "scopes": [] })).await;
        assert_snapshot!(no.user_errors(), @"REQUIRED scopes: scopes must not be empty: give read, write or admin");
        let no = run(&plain, json!({ "name": "k\u{0}", "scopes": ["entity:entity_01h455vb4pex5vsknk084sn02q"] })).await;
        assert_snapshot!(no.user_errors(), @r#"
        INVALID name: name contains a NUL character: remove it
        INVALID scopes: an entity alone allows nothing: add read or write
        NOT_FOUND scopes: scopes names an entity that you cannot see
        "#);
        let no = run(&plain, json!({ "name": "k", "scopes": ["read", "entity:entity_01h455vb4pex5vsknk084sn02q"] })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND scopes: scopes names an entity that you cannot see");
        let no = run(&ann, json!({ "name": "k", "scopes": ["admin"] })).await;
        assert_snapshot!(no.user_errors(), @"INVALID scopes: the scope admin is for administrators");
        let admin = world.admin().await;
        let no = run(&plain, json!({ "name": "k", "scopes": ["read"], "user": user_id(&admin) })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND user: user names nothing that you can see");
        let yes = run(&admin, json!({ "name": "k", "scopes": ["read"], "user": user_id(&ann) })).await;
        assert_eq!(yes.text("/tokenCreate/token/user/name"), "Ann");
        let service = world.service().await;
        let no = run(&service, json!({ "name": "k", "scopes": ["read"], "user": user_id(&ann) })).await;
        assert_snapshot!(no.error(), @"FORBIDDEN: not allowed: a service cannot see to a person's account");
    }

    async fn forged_and_truncated_tokens_are_refused(world: World) {
        let ann = world.person("Ann").await;
        let (secret, _) = key(&world, &ann, json!({ "name": "k", "scopes": ["read"] })).await;
        let (other, _) = key(&world, &ann, json!({ "name": "l", "scopes": ["read"] })).await;
        let prefix = &secret[..15];
        let forged = [
            String::new(),
            secret[..secret.len() - 1].to_owned(),
            format!("{secret}a"),
            secret.to_uppercase(),
            format!("{prefix}{}", &other[15..]),
            TokenText::from_random([1; 5], [2; 32]).reveal(),
            format!("{prefix}{}", "a".repeat(52)),
            format!("{secret}\u{0}"),
            "anima_' OR 1=1 --_x".to_owned(),
        ];
        for text in forged {
            let refused = authenticate(&world.services, &text).await;
            assert!(matches!(refused, Err(Error::Unauthenticated)), "{text:?} was taken");
        }
        // Also once the true one is remembered.
        assert!(authenticate(&world.services, &secret).await.is_ok());
        let forged = format!("{prefix}{}", &other[15..]);
        assert!(authenticate(&world.services, &forged).await.is_err());
    }

    async fn failed_checks_are_limited_by_address(world: World) {
        let ann = world.person("Ann").await;
        let (secret, _) = key(&world, &ann, json!({ "name": "k", "scopes": ["read"] })).await;
        let here = Some("192.0.2.7".parse().unwrap());
        for _ in 0..100 {
            let refused = check_token(&world.services, "anima_guess", here).await;
            assert!(matches!(refused, Err(Error::Unauthenticated)));
        }
        let refused = check_token(&world.services, &secret, here).await;
        assert!(matches!(refused, Err(Error::RateLimited { retry_after_seconds: 60 })), "{refused:?}");
        let elsewhere = Some("192.0.2.8".parse().unwrap());
        assert!(check_token(&world.services, &secret, elsewhere).await.is_ok());
        world.clock.advance(TimeDelta::seconds(60));
        assert!(check_token(&world.services, &secret, here).await.is_ok());
    }

    async fn making_and_revoking_is_logged_without_the_secret(world: World) {
        let ann = world.person("Ann").await;
        let (secret, id) = key(&world, &ann, json!({ "name": "k", "scopes": ["read"] })).await;
        world.run(&ann, REVOKE, json!({ "token": id })).await.data();
        let told = crate::identity::events(&world).await;
        let types: Vec<_> = told.iter().map(|it| it.event_type.as_str()).collect();
        assert_eq!(types, ["token_created", "api_call", "token_revoked", "api_call"]);
        assert!(told.iter().all(|it| it.user_id.map(|it| it.to_string()) == Some(user_id(&ann))));
        let (_, hidden) = secret.rsplit_once('_').unwrap();
        assert!(!format!("{told:?}").contains(hidden));
    }

    async fn another_persons_token_is_not_there(world: World) {
        let ann = world.person("Ann").await;
        let bob = world.person("Bob").await;
        let (_, id) = key(&world, &ann, json!({ "name": "k", "scopes": ["read"] })).await;
        let no = world.run(&bob, REVOKE, json!({ "token": id })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND token: token names nothing that you can see");
        let no = world.run(&bob, REVOKE, json!({ "token": "user_01h455vb4pex5vsknk084sn02q" })).await;
        assert_snapshot!(no.0["errors"][0]["message"], @r#""Failed to parse \"ID\": expected an id that starts with \"token_\", got one that starts with \"user_\"""#);
        let seen = world.run(&world.admin().await, "query($id: ID!) { user(id: $id) { tokens(first: 1) { totalCount nodes { id } } } }", json!({ "id": user_id(&ann) })).await;
        assert_eq!(id_of(&seen, "/user/tokens/nodes/0/id"), id);
    }
}
