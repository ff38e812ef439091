//! How platforms know persons: found or made, linked and unlinked.

use app::identity::act_as;
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::{id_of, user_id};

const GET: &str = "mutation($input: UserGetOrCreateInput!) {
    userGetOrCreate(input: $input) {
        user { id name displayName locale timeZone firstSeenAt lastSeenAt identities { provider externalId username displayName } }
        userErrors { code field message }
    }
}";
const LINK: &str = "mutation($input: UserIdentityLinkInput!) {
    userIdentityLink(input: $input) { identity { id provider externalId username } userErrors { code field message } }
}";

on_both_engines! {
    async fn a_platforms_person_is_made_once_and_updated_after(world: World) {
        let service = world.service().await;
        let run = async |input| world.run(&service, GET, json!({ "input": input })).await;
        let first = run(json!({ "provider": "discord", "externalId": "42", "username": "ann_b", "displayName": "Ann", "locale": "de", "timeZone": "Europe/Berlin" })).await;
        let id = id_of(&first, "/userGetOrCreate/user/id");
        world.clock.advance(chrono::TimeDelta::hours(1));
        let again = run(json!({ "provider": "discord", "externalId": "42", "displayName": "Annie", "locale": "fr" })).await;
        assert_eq!(id_of(&again, "/userGetOrCreate/user/id"), id);
        let mut user = again.at("/userGetOrCreate/user").clone();
        user.as_object_mut().unwrap().remove("id");
        assert_snapshot!(user, @r#"{"displayName":"Annie","firstSeenAt":"2026-09-01T12:00:00+00:00","identities":[{"displayName":"Annie","externalId":"42","provider":"discord","username":"ann_b"}],"lastSeenAt":"2026-09-01T13:00:00+00:00","locale":"de","name":"Ann","timeZone":"Europe/Berlin"}"#);
        let other = run(json!({ "provider": "telegram", "externalId": "42" })).await;
        assert_ne!(id_of(&other, "/userGetOrCreate/user/id"), id);
        assert_eq!(other.text("/userGetOrCreate/user/name"), "42");
        let no = run(json!({ "provider": "Discord!", "externalId": "\u{0}", "username": "x".repeat(256), "locale": "?", "timeZone": "?" })).await;
        assert_snapshot!(no.user_errors(), @r#"
        INVALID provider: provider must be 1 to 50 characters of a–z, 0–9, _ -
        INVALID externalId: externalId contains a NUL character: remove it
        TOO_LONG username: username has 256 characters: expected 1 to 255
        INVALID locale: not a language tag: expected BCP 47, such as en or sw-KE
        INVALID timeZone: not a time zone: expected an IANA name, such as Africa/Nairobi or UTC
        "#);
        let metacharacters = run(json!({ "provider": "discord", "externalId": "' OR 1=1 --%_" })).await;
        assert_eq!(metacharacters.text("/userGetOrCreate/user/identities/0/externalId"), "' OR 1=1 --%_");
    }

    async fn twenty_at_once_make_one_person(world: World) {
        let service = world.service().await;
        let input = json!({ "input": { "provider": "discord", "externalId": "42", "displayName": "Ann" } });
        let calls = (0..20).map(|_| world.run(&service, GET, input.clone()));
        let mut ids: Vec<String> = join_all(calls).await.iter().map(|it| id_of(it, "/userGetOrCreate/user/id")).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1);
        let everybody = world.run(&service, "{ users { totalCount } }", json!({})).await;
        // The service itself, and Ann.
        assert_eq!(everybody.at("/users/totalCount"), 2);
    }

    async fn an_account_is_linked_to_one_person_only(world: World) {
        let admin = world.admin().await;
        let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
        let link = async |whose: &app::Viewer| {
            let input = json!({ "user": user_id(whose), "provider": "discord", "externalId": "42", "username": "a" });
            world.run(&admin, LINK, json!({ "input": input })).await
        };
        let linked = link(&ann).await;
        let identity = id_of(&linked, "/userIdentityLink/identity/id");
        assert_eq!(link(&ann).await.user_errors(), "");
        assert_snapshot!(link(&bob).await.user_errors(), @"TAKEN externalId: this account belongs to a person already");
        let unlink = "mutation($id: ID!) { userIdentityUnlink(identity: $id) { deletedId userErrors { code field message } } }";
        let no = world.run(&bob, unlink, json!({ "id": identity })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND identity: identity names nothing that you can see");
        assert_eq!(world.run(&ann, unlink, json!({ "id": identity })).await.text("/userIdentityUnlink/deletedId"), identity);
        assert_eq!(link(&bob).await.user_errors(), "");
        let own = world.run(&ann, LINK, json!({ "input": { "provider": "discord", "externalId": "43" } })).await;
        assert_snapshot!(own.error(), @"FORBIDDEN: not allowed: this takes a service or an administrator");
    }

    async fn a_service_acts_for_a_person_and_is_named_with_them(world: World) {
        let service = world.service().await;
        let ann = world.person("Ann").await;
        let app::Principal::User { id: ann_id, .. } = ann.principal else { panic!() };
        let acting = act_as(&world.cx(&service), ann_id).await.unwrap();
        let seen = world.run(&acting, "{ viewer { role actsFor { name } user { name } } }", json!({})).await;
        assert_snapshot!(seen.at("/viewer"), @r#"{"actsFor":{"name":"Ann"},"role":"SERVICE","user":{"name":"Adapter"}}"#);
        let set = "mutation { userPreferenceSet(input: { key: \"theme\", value: \"dark\" }) { preference { key value } userErrors { code field message } } }";
        assert_eq!(world.run(&acting, set, json!({})).await.user_errors(), "");
        let event = crate::identity::events(&world).await.pop().unwrap();
        assert_eq!(event.user_id, Some(ann_id));
        assert_eq!(event.payload.0["actsFor"], json!(ann_id));
        assert_eq!(event.payload.0["operation"], "userPreferenceSet");
        // Not acting, it has to say for whom.
        assert_snapshot!(world.run(&service, set, json!({})).await.user_errors(), @"INVALID user: say whose: user is required here");

        let nobody = act_as(&world.cx(&service), domain::identity::UserId(uuid::Uuid::nil())).await.unwrap_err();
        assert_snapshot!(nobody, @"actAs not found");
        let no = act_as(&world.cx(&ann), ann_id).await.unwrap_err();
        assert_snapshot!(no, @"not allowed: only a service acts for a person");
        let admin = world.admin().await;
        let close = "mutation($user: ID!) { userDeactivate(user: $user) { userErrors { code } } }";
        world.run(&admin, close, json!({ "user": ann_id })).await.data();
        assert!(act_as(&world.cx(&service), ann_id).await.is_err());
    }
}
