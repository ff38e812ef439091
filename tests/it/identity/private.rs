//! Preferences, consents and communities.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{id_of, user_id};

const SET: &str = "mutation($key: String!, $value: JSON!) {
    userPreferenceSet(input: { key: $key, value: $value }) { preference { key value } userErrors { code field message } }
}";
const GRANT: &str = "mutation($kind: ConsentKind!) {
    consentGrant(input: { kind: $kind }) { consent { id kind grantedAt revokedAt policyVersion } userErrors { code field message } }
}";
const REVOKE: &str = "mutation($kind: ConsentKind!) {
    consentRevoke(input: { kind: $kind }) { consent { id revokedAt } userErrors { code field message } }
}";

on_both_engines! {
    async fn preferences_are_set_merged_and_removed(world: World) {
        let ann = world.person("Ann").await;
        for (key, value) in [("theme", json!("dark")), ("quiet_hours", json!({ "from": "22:00" })), ("theme", json!(["light", 1, null])), ("a.b", json!(true))] {
            assert_eq!(world.run(&ann, SET, json!({ "key": key, "value": value })).await.user_errors(), "");
        }
        let seen = async || world.run(&ann, "{ viewer { user { preferences preferenceList { key } } } }", json!({})).await.at("/viewer/user").clone();
        assert_snapshot!(seen().await, @r#"{"preferenceList":[{"key":"a.b"},{"key":"quiet_hours"},{"key":"theme"}],"preferences":{"a.b":true,"quiet_hours":{"from":"22:00"},"theme":["light",1,null]}}"#);
        let merge = "mutation($it: JSON!) { userPreferencesSet(input: { preferences: $it }) { user { preferences } userErrors { code field message } } }";
        let merged = world.run(&ann, merge, json!({ "it": { "theme": null, "new": 1, "a.b": false } })).await;
        assert_snapshot!(merged.at("/userPreferencesSet/user/preferences"), @r#"{"a.b":false,"new":1,"quiet_hours":{"from":"22:00"}}"#);
        let no = world.run(&ann, merge, json!({ "it": [1] })).await;
        assert_snapshot!(no.user_errors(), @"INVALID preferences: preferences must be a JSON object: its keys are the preferences' keys");
        let delete = "mutation($key: String!) { userPreferenceDelete(input: { key: $key }) { deleted userErrors { code field message } } }";
        assert_eq!(world.run(&ann, delete, json!({ "key": "new" })).await.at("/userPreferenceDelete/deleted"), true);
        assert_eq!(world.run(&ann, delete, json!({ "key": "new" })).await.at("/userPreferenceDelete/deleted"), false);
    }

    async fn preferences_have_limits(world: World) {
        let ann = world.person("Ann").await;
        let set = async |key: String, value: Value| world.run(&ann, SET, json!({ "key": key, "value": value })).await.user_errors();
        assert_eq!(set("k".repeat(100), json!("x".repeat(16 * 1024 - 2))).await, "");
        assert_snapshot!(set("k".repeat(101), json!(1)).await, @"TOO_LONG key: key has 101 characters: expected 1 to 100");
        assert_snapshot!(set("k".to_owned(), json!("x".repeat(16 * 1024 - 1))).await, @"TOO_LONG value: value takes 16385 bytes as JSON: expected at most 16384");
        assert_snapshot!(set("k\u{0}".to_owned(), json!({ "a": "\u{0}" })).await, @r#"
        INVALID key: key contains a NUL character: remove it
        INVALID value: value contains a NUL character or is nested deeper than 32
        "#);
        assert_snapshot!(set(" ".to_owned(), json!(1)).await, @"REQUIRED key: key must not be blank: give 1 to 100 characters");
        let many: serde_json::Map<String, Value> = (0..199).map(|i| (format!("p{i}"), json!(i))).collect();
        let merge = "mutation($it: JSON!) { userPreferencesSet(input: { preferences: $it }) { userErrors { code field message } } }";
        assert_eq!(world.run(&ann, merge, json!({ "it": many })).await.user_errors(), "");
        assert_snapshot!(set("one more".to_owned(), json!(1)).await, @"INVALID key: that makes 201 preferences: expected at most 200");
        for metacharacters in ["'; --", "%", "$1", "{{x}}"] {
            let delete = "mutation($key: String!) { userPreferenceDelete(input: { key: $key }) { deleted } }";
            assert_eq!(world.run(&ann, delete, json!({ "key": metacharacters })).await.at("/userPreferenceDelete/deleted"), false);
        }
    }

    async fn a_consent_is_given_withdrawn_and_remembered(world: World) {
        let ann = world.person("Ann").await;
        let kind = json!({ "kind": "EMOTION_ANALYSIS" });
        let never = world.run(&ann, REVOKE, kind.clone()).await;
        assert!(never.at("/consentRevoke/consent").is_null());
        let first = world.run(&ann, GRANT, kind.clone()).await;
        let id = id_of(&first, "/consentGrant/consent/id");
        world.clock.advance(chrono::TimeDelta::hours(1));
        assert_eq!(id_of(&world.run(&ann, GRANT, kind.clone()).await, "/consentGrant/consent/id"), id);
        let gone = world.run(&ann, REVOKE, kind.clone()).await;
        assert_eq!(gone.text("/consentRevoke/consent/revokedAt"), "2026-09-01T13:00:00+00:00");
        world.clock.advance(chrono::TimeDelta::hours(1));
        let again = world.run(&ann, REVOKE, kind.clone()).await;
        assert_eq!(again.text("/consentRevoke/consent/revokedAt"), "2026-09-01T13:00:00+00:00");
        assert_ne!(id_of(&world.run(&ann, GRANT, kind).await, "/consentGrant/consent/id"), id);
        let history = world.run(&ann, "{ viewer { user { consents { totalCount nodes { kind grantedAt revokedAt policyVersion } } } } }", json!({})).await;
        assert_snapshot!(history.at("/viewer/user/consents"), @r#"{"nodes":[{"grantedAt":"2026-09-01T14:00:00+00:00","kind":"EMOTION_ANALYSIS","policyVersion":"1","revokedAt":null},{"grantedAt":"2026-09-01T12:00:00+00:00","kind":"EMOTION_ANALYSIS","policyVersion":"1","revokedAt":"2026-09-01T13:00:00+00:00"}],"totalCount":2}"#);
    }

    async fn a_consent_given_ten_times_at_once_is_open_once(world: World) {
        let ann = world.person("Ann").await;
        let grants = (0..10).map(|_| world.run(&ann, GRANT, json!({ "kind": "RESEARCH" })));
        let mut ids: Vec<String> = join_all(grants).await.iter().map(|it| id_of(it, "/consentGrant/consent/id")).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }

    async fn a_community_and_its_members(world: World) {
        let service = world.service().await;
        let (ann, bob, eve) = (world.person("Ann").await, world.person("Bob").await, world.person("Eve").await);
        let upsert = "mutation($name: String!) { guildUpsert(input: { provider: \"discord\", externalId: \"77\", name: $name }) { guild { id name isActive } userErrors { code field message } } }";
        let first = world.run(&service, upsert, json!({ "name": "Old" })).await;
        let guild = id_of(&first, "/guildUpsert/guild/id");
        let second = world.run(&service, upsert, json!({ "name": "'; DROP TABLE guilds --" })).await;
        assert_eq!(id_of(&second, "/guildUpsert/guild/id"), guild);
        let no = world.run(&service, upsert, json!({ "name": "\u{0}" })).await;
        assert_snapshot!(no.user_errors(), @"INVALID name: name contains a NUL character: remove it");
        let update = "mutation($input: GuildUpdateInput!) { guildUpdate(input: $input) { guild { name isActive settings } userErrors { code field message } } }";
        let updated = world.run(&service, update, json!({ "input": { "guild": guild, "name": "G", "settings": { "a": 1 }, "isActive": false } })).await;
        assert_snapshot!(updated.at("/guildUpdate/guild"), @r#"{"isActive":false,"name":"G","settings":{"a":1}}"#);
        let no = world.run(&service, update, json!({ "input": { "guild": guild, "settings": [] } })).await;
        assert_snapshot!(no.user_errors(), @"INVALID settings: settings must be a JSON object");
        let join = "mutation($input: GuildMemberUpsertInput!) { guildMemberUpsert(input: $input) { member { id nickname roles user { name } } userErrors { code field message } } }";
        for (who, nickname) in [(&ann, "Annie"), (&bob, "B"), (&ann, "A")] {
            let input = json!({ "guild": guild, "user": user_id(who), "nickname": nickname, "roles": ["mod", "admin"] });
            assert_eq!(world.run(&service, join, json!({ "input": input })).await.user_errors(), "");
        }
        let no = world.run(&service, join, json!({ "input": { "guild": "guild_01h455vb4pex5vsknk084sn02q", "user": user_id(&ann) } })).await;
        assert_snapshot!(no.user_errors(), @"NOT_FOUND guild: guild names nothing that you can see");

        let see = "query($id: ID!, $after: String) { guild(id: $id) { name settings members(first: 1, after: $after) { totalCount nodes { nickname roles user { name } } pageInfo { hasNextPage endCursor } } } }";
        let all = world.run(&service, see, json!({ "id": guild })).await;
        let next = world.run(&service, see, json!({ "id": guild, "after": all.text("/guild/members/pageInfo/endCursor") })).await;
        assert_eq!(all.at("/guild/members/totalCount"), 2);
        assert_snapshot!(all.at("/guild/members/nodes"), @r#"[{"nickname":"A","roles":["mod","admin"],"user":{"name":"Ann"}}]"#);
        assert_snapshot!(next.at("/guild/members/nodes"), @r#"[{"nickname":"B","roles":["mod","admin"],"user":{"name":"Bob"}}]"#);
        assert_eq!(next.at("/guild/members/pageInfo/hasNextPage"), false);
        // A member sees the community and themself in it; somebody else sees nothing.
        let own = "query($id: ID!) { guild(id: $id) { name settings members { totalCount nodes { nickname user { name } } } } guilds { totalCount } node(id: $id) { id } }";
        assert_snapshot!(world.run(&bob, own, json!({ "id": guild })).await.at("/guild"), @r#"{"members":{"nodes":[{"nickname":"B","user":{"name":"Bob"}}],"totalCount":1},"name":"G","settings":null}"#);
        let none = world.run(&eve, own, json!({ "id": guild })).await;
        assert_snapshot!(none.data(), @r#"{"guild":null,"guilds":{"totalCount":0},"node":null}"#);
        let memberships = world.run(&bob, "{ viewer { user { guildMemberships { totalCount nodes { nickname guild { name } } } } } }", json!({})).await;
        assert_snapshot!(memberships.at("/viewer/user/guildMemberships"), @r#"{"nodes":[{"guild":{"name":"G"},"nickname":"B"}],"totalCount":1}"#);

        let leave = "mutation($g: ID!, $u: ID!) { guildMemberRemove(input: { guild: $g, user: $u }) { deletedId userErrors { code field message } } }";
        let variables = json!({ "g": guild, "u": user_id(&bob) });
        assert_eq!(world.run(&service, leave, variables.clone()).await.user_errors(), "");
        assert_snapshot!(world.run(&service, leave, variables).await.user_errors(), @"NOT_FOUND user: user names nothing that you can see");
    }
}
