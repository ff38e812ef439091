//! Passwords, logging in and out, and the limits on guessing.

use app::{Request, Viewer, identity::authenticate};
use async_graphql::Variables;
use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::json;
use testkit::{Answer, World, on_both_engines};

use super::user_id;

const LOGIN: &str = "mutation($user: String!, $password: String!) {
    login(input: { user: $user, password: $password }) {
        secret user { name lastLoginAt } token { kind scopes expiresAt }
        userErrors { code field message }
    }
}";
const SET: &str = "mutation($input: UserPasswordSetInput!) {
    userPasswordSet(input: $input) { user { id } userErrors { code field message } }
}";

/// Ann, who can log in as `ann` or by e-mail.
async fn ann(world: &World) -> Viewer {
    let ann = world.person("Ann").await;
    let admin = world.admin().await;
    let update = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { user { id } } }";
    let input = json!({ "user": user_id(&ann), "userName": "ann", "email": "Ann@Example.org" });
    world
        .run(&admin, update, json!({ "input": input }))
        .await
        .data();
    let input = json!({ "user": user_id(&ann), "password": "correct horse" });
    world
        .run(&admin, SET, json!({ "input": input }))
        .await
        .data();
    ann
}

async fn login_from(world: &World, address: &str, user: &str, password: &str) -> Answer {
    let request = async_graphql::Request::new(LOGIN).variables(Variables::from_json(
        json!({ "user": user, "password": password }),
    ));
    let from = Request {
        address: Some(address.parse().unwrap()),
        ..Request::default()
    };
    let cx = world.services.cx(Viewer::anonymous(), from);
    let response = world.schema().execute(graphql::prepare(request, cx)).await;
    Answer(serde_json::to_value(response).unwrap())
}

async fn login(world: &World, user: &str, password: &str) -> Answer {
    login_from(world, "192.0.2.1", user, password).await
}

on_both_engines! {
    async fn a_person_logs_in_and_out(world: World) {
        ann(&world).await;
        for user in ["ann", " ANN@example.ORG "] {
            let done = login(&world, user, "correct horse").await;
            assert_eq!(*done.at("/login/token"), json!({ "expiresAt": "2026-09-02T00:00:00+00:00", "kind": "LOGIN", "scopes": ["read", "write"] }));
            assert_eq!(*done.at("/login/user"), json!({ "lastLoginAt": "2026-09-01T12:00:00+00:00", "name": "Ann" }));
            let secret = done.text("/login/secret");
            let viewer = authenticate(&world.services, secret).await.unwrap();
            let out = "mutation { logout { token { revokedAt } userErrors { code field message } } }";
            assert_eq!(world.run(&viewer, out, json!({})).await.user_errors(), "");
            assert!(authenticate(&world.services, secret).await.is_err());
        }
        let key = world.person("Bob").await;
        let out = world.run(&key, "mutation { logout { userErrors { code field message } } }", json!({})).await;
        assert_snapshot!(out.user_errors(), @"CONFLICT : this request did not come by a login: revoke an API key with tokenRevoke");
    }

    async fn a_login_slides_and_ends_twelve_hours_after_its_last_use(world: World) {
        ann(&world).await;
        let done = login(&world, "ann", "correct horse").await;
        let secret = done.text("/login/secret");
        for _ in 0..3 {
            world.clock.advance(TimeDelta::hours(11));
            assert!(authenticate(&world.services, secret).await.is_ok());
            // The use is noted behind the request's back.
            let noted = world.clock.now();
            let mut seen = None;
            for _ in 0..200 {
                seen = crate::identity::last_used(&world, secret).await;
                if seen == Some(noted) { break; }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!(seen, Some(noted));
        }
        world.clock.advance(TimeDelta::hours(12));
        assert!(authenticate(&world.services, secret).await.is_err());
    }

    async fn whoever_is_refused_learns_nothing(world: World) {
        let ann = ann(&world).await;
        let bob = world.person("Bob").await;
        let admin = world.admin().await;
        let refused = "INVALID password: this user and password do not match";
        for (user, password) in [
            ("ann", "wrong horse"),
            ("ann", ""),
            ("nobody", "correct horse"),
            ("", ""),
            ("ann\u{0}", "correct horse"),
            ("' OR 1=1 --", "correct horse"),
            ("%", "correct horse"),
            (&"a".repeat(100_000), "correct horse"),
            (&user_id(&bob), "correct horse"),
        ] {
            let from = "198.51.100.1";
            assert_eq!(login_from(&world, from, user, password).await.user_errors(), refused, "{user:?}");
        }
        let close = "mutation($user: ID!) { userDeactivate(user: $user) { userErrors { message } } }";
        world.run(&admin, close, json!({ "user": user_id(&ann) })).await.data();
        assert_eq!(login(&world, "ann", "correct horse").await.user_errors(), refused);
    }

    async fn five_failures_lock_the_account_from_there_for_fifteen_minutes(world: World) {
        ann(&world).await;
        for _ in 0..4 {
            login(&world, "ann", "wrong horse").await.data();
        }
        // A success between starts the count afresh.
        login(&world, "ann", "correct horse").await.data();
        for _ in 0..5 {
            assert!(!login(&world, "ann", "wrong horse").await.user_errors().is_empty());
        }
        let locked = login(&world, "ann", "correct horse").await;
        assert_snapshot!(locked.error(), @"RATE_LIMITED: too many attempts: try again in 900 seconds");
        assert_snapshot!(locked.0["errors"][0]["extensions"]["retryAfterSeconds"], @"900");
        // The e-mail address is the same account; another address is not locked.
        assert!(login(&world, "ann@example.org", "correct horse").await.error().starts_with("RATE_LIMITED"));
        assert_eq!(login_from(&world, "192.0.2.2", "ann", "correct horse").await.user_errors(), "");
        world.clock.advance(TimeDelta::seconds(899));
        assert!(login(&world, "ann", "correct horse").await.error().starts_with("RATE_LIMITED"));
        world.clock.advance(TimeDelta::seconds(1));
        assert_eq!(login(&world, "ann", "correct horse").await.user_errors(), "");
        let warned = crate::identity::events(&world).await.into_iter()
            .filter(|it| it.severity == domain::audit::Severity::Warning).count();
        assert_eq!(warned, 1);
    }

    async fn guesses_at_once_get_no_further(world: World) {
        ann(&world).await;
        let guesses = (0..20).map(|_| login(&world, "ann", "wrong horse"));
        let answers = futures_util::future::join_all(guesses).await;
        let verified = answers.iter().filter(|it| it.0.get("errors").is_none()).count();
        assert_eq!(verified, 5);
    }

    async fn an_unknown_account_locks_as_a_known_one_does(world: World) {
        for _ in 0..5 {
            login(&world, "nobody", "wrong horse").await.data();
        }
        assert!(login(&world, "nobody", "wrong horse").await.error().starts_with("RATE_LIMITED"));
    }

    async fn a_password_is_changed_by_who_knows_it(world: World) {
        let ann = ann(&world).await;
        let old = login(&world, "ann", "correct horse").await;
        let run = async |input| world.run(&ann, SET, json!({ "input": input })).await.user_errors();
        assert_snapshot!(run(json!({ "password": "battery staple" })).await, @"INVALID currentPassword: give the current password, to set another");
        assert_snapshot!(run(json!({ "password": "battery staple", "currentPassword": "wrong horse" })).await, @"INVALID currentPassword: this is not the current password");
        assert_snapshot!(run(json!({ "password": "short", "currentPassword": "correct horse" })).await, @"TOO_SHORT password: the password has 5 characters: expected 10 to 256");
        let long = "x".repeat(257);
        assert_snapshot!(run(json!({ "password": long, "currentPassword": "correct horse" })).await, @"TOO_LONG password: the password has 257 characters: expected 10 to 256");
        assert_snapshot!(run(json!({ "password": "battery staple", "currentPassword": "correct horse" })).await, @"");
        assert!(!login(&world, "ann", "correct horse").await.user_errors().is_empty());
        assert_eq!(login(&world, "ann", "battery staple").await.user_errors(), "");
        // The login made with the old one has ended.
        assert!(authenticate(&world.services, old.text("/login/secret")).await.is_err());
        let bob = world.person("Bob").await;
        let no = world.run(&bob, SET, json!({ "input": { "user": user_id(&ann), "password": "battery staple" } })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND user: user names nothing that you can see");
    }

    async fn a_password_is_neither_stored_nor_logged(world: World) {
        let ann = ann(&world).await;
        login(&world, "ann", "correct horse").await.data();
        let row = crate::identity::row(&world, &ann).await;
        assert!(row.password_hash.unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{:?}", crate::identity::events(&world).await).contains("horse"));
    }
}
