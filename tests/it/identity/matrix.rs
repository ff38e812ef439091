//! Who may do what: every principal, every query and mutation, with another person's id.

use app::{Principal, Viewer, identity::act_as};
use domain::{
    device::DeviceId,
    dna::EntityId,
    identity::{Role, Scope, UserId},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, on_both_engines};
use uuid::Uuid;

use super::{id_of, user_id};

/// Each with `$ann` (a person), `$token` (hers), `$guild` and `$key` (a text of each call's
/// own).
const OPERATIONS: &[(&str, &str)] = &[
    (
        "user",
        "query { user(id: $ann) { name email displayName } }",
    ),
    ("node", "query { node(id: $ann) { id } }"),
    (
        "users",
        "query { users(filter: { search: \"Ann\" }) { nodes { id } } }",
    ),
    (
        "identities",
        "query { user(id: $ann) { identities { id } } }",
    ),
    ("preferences", "query { user(id: $ann) { preferences } }"),
    (
        "preferenceList",
        "query { user(id: $ann) { preferenceList { key } } }",
    ),
    (
        "consents",
        "query { user(id: $ann) { consents { nodes { id } } } }",
    ),
    (
        "tokens",
        "query { user(id: $ann) { tokens { nodes { id } } } }",
    ),
    ("guild", "query { guild(id: $guild) { id } }"),
    ("guild.settings", "query { guild(id: $guild) { settings } }"),
    (
        "guild.members",
        "query { guild(id: $guild) { members { nodes { id } } } }",
    ),
    (
        "userCreate",
        "mutation { userCreate(input: { name: $key }) { userErrors { code } } }",
    ),
    (
        "userUpdate",
        "mutation { userUpdate(input: { user: $ann, customName: $key }) { userErrors { code } } }",
    ),
    (
        "userUpdate email",
        "mutation { userUpdate(input: { user: $ann, email: \"ann@example.org\" }) { userErrors { code } } }",
    ),
    (
        "userDeactivate",
        "mutation { userDeactivate(user: $ann) { userErrors { code } } }",
    ),
    (
        "userActivate",
        "mutation { userActivate(user: $ann) { userErrors { code } } }",
    ),
    (
        "userRoleSet",
        "mutation { userRoleSet(input: { user: $ann, role: USER }) { userErrors { code } } }",
    ),
    (
        "userPasswordSet",
        "mutation { userPasswordSet(input: { user: $ann, currentPassword: \"correct horse\", password: \"correct horse\" }) { userErrors { code } } }",
    ),
    (
        "userGetOrCreate",
        "mutation { userGetOrCreate(input: { provider: \"discord\", externalId: \"1\" }) { userErrors { code } } }",
    ),
    (
        "userIdentityLink",
        "mutation { userIdentityLink(input: { user: $ann, provider: \"discord\", externalId: \"1\" }) { userErrors { code } } }",
    ),
    (
        "userPreferenceSet",
        "mutation { userPreferenceSet(input: { user: $ann, key: \"theme\", value: 1 }) { userErrors { code } } }",
    ),
    (
        "userPreferencesSet",
        "mutation { userPreferencesSet(input: { user: $ann, preferences: { theme: 1 } }) { userErrors { code } } }",
    ),
    (
        "userPreferenceDelete",
        "mutation { userPreferenceDelete(input: { user: $ann, key: $key }) { userErrors { code } } }",
    ),
    (
        "consentGrant",
        "mutation { consentGrant(input: { user: $ann, kind: RESEARCH }) { userErrors { code } } }",
    ),
    (
        "consentRevoke",
        "mutation { consentRevoke(input: { user: $ann, kind: CRISIS_INTERVENTION }) { userErrors { code } } }",
    ),
    (
        "tokenCreate",
        "mutation { tokenCreate(input: { user: $ann, name: \"k\", scopes: [\"read\"] }) { userErrors { code } } }",
    ),
    (
        "tokenRevoke",
        "mutation { tokenRevoke(token: $token) { userErrors { code } } }",
    ),
    (
        "guildUpsert",
        "mutation { guildUpsert(input: { provider: \"discord\", externalId: \"1\", name: \"G\" }) { userErrors { code } } }",
    ),
    (
        "guildUpdate",
        "mutation { guildUpdate(input: { guild: $guild, name: \"G\" }) { userErrors { code } } }",
    ),
    (
        "guildMemberUpsert",
        "mutation { guildMemberUpsert(input: { guild: $guild, user: $ann }) { userErrors { code } } }",
    ),
    (
        "dataExport",
        "mutation { dataExport(user: $ann) { userErrors { code } } }",
    ),
    (
        "userErase",
        "mutation { userErase(input: { user: $ann, dryRun: true }) { userErrors { code } } }",
    ),
    (
        "userMerge",
        "mutation { userMerge(input: { from: $ann, into: $ann }) { userErrors { code } } }",
    ),
];

/// The answer in a word.
fn outcome(answer: &Answer) -> String {
    if let Some(code) = answer.0.pointer("/errors/0/extensions/code") {
        return code.as_str().unwrap().to_lowercase();
    }
    let codes = answer.0["data"]
        .as_object()
        .and_then(|it| it.values().next());
    match codes.and_then(|it| it["userErrors"].as_array()) {
        Some(errors) if errors.is_empty() => "ok".to_owned(),
        Some(errors) => errors[0]["code"].as_str().unwrap().to_lowercase(),
        None if shows(&answer.0["data"]) => "ok".to_owned(),
        None => "-".to_owned(),
    }
}

/// Whether anything is in there.
fn shows(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => items.iter().any(shows),
        Value::Object(members) => members.values().any(shows),
        _ => true,
    }
}

on_both_engines! {
    async fn who_may_do_what(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let service = world.service().await;
        let run = async |viewer: &Viewer, query: &str, variables| world.run(viewer, query, variables).await;
        let prepare = "mutation($ann: ID!) {
            userPasswordSet(input: { user: $ann, password: \"correct horse\" }) { userErrors { code } }
            userIdentityLink(input: { user: $ann, provider: \"discord\", externalId: \"1\" }) { userErrors { code } }
            userPreferenceSet(input: { user: $ann, key: \"theme\", value: 1 }) { userErrors { code } }
            consentGrant(input: { user: $ann, kind: RESEARCH }) { userErrors { code } }
            tokenCreate(input: { user: $ann, name: \"k\", scopes: [\"read\"] }) { token { id } }
            guildUpsert(input: { provider: \"discord\", externalId: \"1\", name: \"G\" }) { guild { id } }
        }";
        let made = run(&admin, prepare, json!({ "ann": user_id(&ann) })).await;
        let token = id_of(&made, "/tokenCreate/token/id");
        let guild = id_of(&made, "/guildUpsert/guild/id");
        let settings = "mutation($g: ID!) { guildUpdate(input: { guild: $g, settings: { a: 1 } }) { userErrors { code } } }";
        run(&admin, settings, json!({ "g": guild })).await.data();
        let join = "mutation($g: ID!, $u: ID!) { guildMemberUpsert(input: { guild: $g, user: $u }) { userErrors { code } } }";
        run(&admin, join, json!({ "g": guild, "u": user_id(&ann) })).await.data();

        let Principal::User { id: ann_id, .. } = ann.principal else { panic!() };
        let own = Principal::User { id: ann_id, role: Role::User };
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        let device = Principal::Device { id: DeviceId(Uuid::from_u128(1)), owner: ann_id };
        let fence = Scope::Entity(EntityId(Uuid::from_u128(1)));
        let Principal::User { id: admin_id, .. } = admin.principal else { panic!() };
        let principals: [(&str, Viewer); 11] = [
            ("anonymous", Viewer::anonymous()),
            ("another", world.person("Bob").await),
            ("counselor", world.with_role("Cem", Role::Counselor).await),
            ("her device", world.viewer(device, &all)),
            ("her fenced key", world.viewer(own, &[Scope::Read, Scope::Write, fence.clone()])),
            ("admin, fenced", world.viewer(Principal::User { id: admin_id, role: Role::Admin }, &[Scope::Read, Scope::Write, Scope::Admin, fence])),
            ("her reading key", world.viewer(own, &[Scope::Read])),
            ("herself", world.viewer(own, &[Scope::Read, Scope::Write])),
            ("service", service.clone()),
            ("service for her", act_as(&world.cx(&service), ann_id).await.unwrap()),
            ("admin", admin.clone()),
        ];
        let mut table = String::new();
        for (name, query) in OPERATIONS {
            let mut line = format!("{name}:");
            for (i, (who, viewer)) in principals.iter().enumerate() {
                let key = format!("\"{name} {i}\"");
                let query = query
                    .replace("$ann", &format!("\"{}\"", UserId(ann_id.0)))
                    .replace("$token", &format!("\"{token}\""))
                    .replace("$guild", &format!("\"{guild}\""))
                    .replace("$key", &key);
                let answer = run(viewer, &query, json!({})).await;
                line.push_str("\n    ");
                line.push_str(who);
                line.push_str(": ");
                line.push_str(&outcome(&answer));
                assert!(!matches!(outcome(&answer).as_str(), "internal_server_error"), "{who} {name}: {:#}", answer.0);
                // A closed account is opened for the next.
                let open = format!("mutation {{ userActivate(user: \"{ann_id}\") {{ userErrors {{ code }} }} }}");
                run(&admin, &open, json!({})).await.data();
            }
            table.push_str(&line);
            table.push('\n');
        }
        assert_snapshot!(table, @r#"
        user:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        node:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        users:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        identities:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        preferences:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: -
            service for her: ok
            admin: ok
        preferenceList:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: -
            service for her: ok
            admin: ok
        consents:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: -
            service for her: ok
            admin: ok
        tokens:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: -
            service for her: -
            admin: ok
        guild:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        guild.settings:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: -
            herself: -
            service: ok
            service for her: ok
            admin: ok
        guild.members:
            anonymous: unauthenticated
            another: -
            counselor: -
            her device: -
            her fenced key: -
            admin, fenced: -
            her reading key: ok
            herself: ok
            service: ok
            service for her: ok
            admin: ok
        userCreate:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: forbidden
            admin: ok
        userUpdate:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        userUpdate email:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: forbidden
            admin: ok
        userDeactivate:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: forbidden
            admin: ok
        userActivate:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: forbidden
            admin: ok
        userRoleSet:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: forbidden
            admin: ok
        userPasswordSet:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: forbidden
            admin: ok
        userGetOrCreate:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: ok
            service for her: ok
            admin: ok
        userIdentityLink:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: ok
            admin: ok
        userPreferenceSet:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        userPreferencesSet:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        userPreferenceDelete:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        consentGrant:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        consentRevoke:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: ok
            admin: ok
        tokenCreate:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: forbidden
            admin: ok
        tokenRevoke:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: not_found
            service for her: not_found
            admin: ok
        guildUpsert:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: ok
            service for her: ok
            admin: ok
        guildUpdate:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: ok
            service for her: ok
            admin: ok
        guildMemberUpsert:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: ok
            service for her: ok
            admin: ok
        dataExport:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: forbidden
            admin: ok
        userErase:
            anonymous: unauthenticated
            another: not_found
            counselor: not_found
            her device: not_found
            her fenced key: not_found
            admin, fenced: not_found
            her reading key: forbidden
            herself: ok
            service: forbidden
            service for her: forbidden
            admin: ok
        userMerge:
            anonymous: unauthenticated
            another: forbidden
            counselor: forbidden
            her device: forbidden
            her fenced key: forbidden
            admin, fenced: forbidden
            her reading key: forbidden
            herself: forbidden
            service: forbidden
            service for her: forbidden
            admin: invalid
        "#);
    }
}
