//! Every mutation is in the log: who, for whom, what.

use std::{collections::HashMap, fs, path::Path};

use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use crate::device::heard;

/// Mutations that write no `api_call`, and why.
const EXCEPT: &[(&str, &str)] = &[
    (
        "deviceHeartbeat",
        "every 30 seconds from every device: the log would hold little else; coming and going is logged",
    ),
    (
        "eventRecord",
        "adds an entry of the log, which says itself who reported what, and when",
    ),
];

/// Mutations that write an entry of a type of their own in place of an `api_call`.
const OWN_TYPE: &[(&str, &str)] = &[
    ("dataExport", "data_exported"),
    ("userErase", "user_erased"),
];

/// A mutation that succeeds after those before it: its name, its arguments with `$names` of
/// what was made before, its selection, and the name and place in the payload of what it makes.
type Example = (
    &'static str,
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
);

const EXAMPLES: &[Example] = &[
    (
        "userCreate",
        "input: { name: \"Ann\", userName: \"ann\" }",
        "user { id }",
        Some(("$ann", "/user/id")),
    ),
    (
        "userPasswordSet",
        "input: { user: $ann, password: \"correct horse\" }",
        "",
        None,
    ),
    (
        "userUpdate",
        "input: { user: $ann, customName: \"Annie\" }",
        "",
        None,
    ),
    (
        "userRoleSet",
        "input: { user: $ann, role: COUNSELOR }",
        "",
        None,
    ),
    ("userRoleSet", "input: { user: $ann, role: USER }", "", None),
    ("userDeactivate", "user: $ann", "", None),
    ("userActivate", "user: $ann", "", None),
    (
        "userGetOrCreate",
        "input: { provider: \"discord\", externalId: \"1\" }",
        "user { id }",
        Some(("$ben", "/user/id")),
    ),
    (
        "userIdentityLink",
        "input: { user: $ann, provider: \"discord\", externalId: \"2\" }",
        "identity { id }",
        Some(("$identity", "/identity/id")),
    ),
    ("userIdentityUnlink", "identity: $identity", "", None),
    (
        "userPreferenceSet",
        "input: { user: $ann, key: \"theme\", value: 1 }",
        "",
        None,
    ),
    (
        "userPreferencesSet",
        "input: { user: $ann, preferences: { theme: 2 } }",
        "",
        None,
    ),
    (
        "userPreferenceDelete",
        "input: { user: $ann, key: \"theme\" }",
        "",
        None,
    ),
    (
        "consentGrant",
        "input: { user: $ann, kind: RESEARCH }",
        "",
        None,
    ),
    (
        "consentRevoke",
        "input: { user: $ann, kind: RESEARCH }",
        "",
        None,
    ),
    (
        "tokenCreate",
        "input: { user: $ann, name: \"k\", scopes: [\"read\"] }",
        "token { id }",
        Some(("$token", "/token/id")),
    ),
    ("tokenRevoke", "token: $token", "", None),
    (
        "guildUpsert",
        "input: { provider: \"discord\", externalId: \"1\", name: \"G\" }",
        "guild { id }",
        Some(("$guild", "/guild/id")),
    ),
    (
        "guildUpdate",
        "input: { guild: $guild, name: \"H\" }",
        "",
        None,
    ),
    (
        "guildMemberUpsert",
        "input: { guild: $guild, user: $ann }",
        "",
        None,
    ),
    (
        "guildMemberRemove",
        "input: { guild: $guild, user: $ann }",
        "",
        None,
    ),
    (
        "zoneCreate",
        "input: { name: \"Kitchen\", ownerId: $ann }",
        "zone { id }",
        Some(("$zone", "/zone/id")),
    ),
    (
        "zoneUpdate",
        "input: { id: $zone, name: \"Bath\" }",
        "",
        None,
    ),
    ("zoneDelete", "input: { id: $zone }", "", None),
    (
        "deviceGroupCreate",
        "input: { name: \"Morning\", ownerId: $ann }",
        "deviceGroup { id }",
        Some(("$group", "/deviceGroup/id")),
    ),
    (
        "deviceGroupUpdate",
        "input: { id: $group, name: \"Evening\" }",
        "",
        None,
    ),
    (
        "deviceRegister",
        "input: { name: \"Hub\", deviceType: TABLET, ownerId: $ann }",
        "device { id }",
        Some(("$hub", "/device/id")),
    ),
    (
        "deviceRegister",
        "input: { name: \"Lamp\", deviceType: LAMP, tier: 2, ownerId: $ann }",
        "device { id }",
        Some(("$lamp", "/device/id")),
    ),
    (
        "deviceUpdate",
        "input: { id: $lamp, groupId: $group }",
        "",
        None,
    ),
    ("deviceTokenRotate", "input: { id: $lamp }", "", None),
    ("deviceOnboardingComplete", "input: { id: $lamp }", "", None),
    (
        "deviceCommand",
        "input: { hubId: $hub, deviceId: $lamp, type: \"on\" }",
        "",
        None,
    ),
    (
        "deviceBroadcast",
        "input: { groupId: $group, type: \"on\" }",
        "",
        None,
    ),
    ("deviceGroupDelete", "input: { id: $group }", "", None),
    (
        "entityCreate",
        "input: { name: \"Frank\", ownerId: $ann }",
        "entity { id }",
        Some(("$frank", "/entity/id")),
    ),
    (
        "entityUpdate",
        "input: { id: $frank, name: \"Francis\" }",
        "",
        None,
    ),
    (
        "entityCast",
        "input: { entityId: $frank, target: { deviceId: $lamp } }",
        "",
        None,
    ),
    ("entityUncast", "input: { entityId: $frank }", "", None),
    (
        "originTell",
        "input: { entity: $frank, story: \"Frank's mom was a tired waitress who worked doubles.\" }",
        "",
        None,
    ),
    (
        "dnaAdjust",
        "input: { entity: $frank, values: { resilience: 0.9 } }",
        "",
        None,
    ),
    ("dnaRestore", "input: { entity: $frank, to: 1 }", "", None),
    ("voiceAssign", "input: { entity: $frank }", "", None),
    (
        "entityDescend",
        "input: { parent: $frank, name: \"Junior\" }",
        "",
        None,
    ),
    (
        "learnedPatternsRefresh",
        "input: { entity: $frank }",
        "",
        None,
    ),
    (
        "eventRecordBatch",
        "input: { events: [{ eventType: \"rang\", device: $lamp }] }",
        "",
        None,
    ),
    ("deviceDelete", "input: { id: $hub }", "", None),
    ("entityDelete", "id: $frank", "", None),
    ("dataExport", "user: $ann", "", None),
    ("userMerge", "input: { from: $ben, into: $ann }", "", None),
    (
        "login",
        "input: { user: \"ann\", password: \"correct horse\" }",
        "secret",
        Some(("$login", "/secret")),
    ),
    ("logout", "", "", None),
    ("userErase", "input: { user: $ann }", "", None),
];

/// The mutations of the schema.
fn mutations() -> Vec<String> {
    let contract = graphql::sdl();
    let of_type = contract.split("type Mutation {").nth(1).unwrap();
    let fields = of_type.split("\n}").next().unwrap();
    // A field is indented once, and its name ends with its arguments or its type.
    let names = fields.lines().filter_map(|line| {
        let line = line.strip_prefix('\t')?;
        let end = line.find(['(', ':'])?;
        let name = &line[..end];
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        (is_name && line.contains(['(', ':']) && !line.starts_with('"')).then(|| name.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.dedup();
    names
}

/// How often the log says that this was done.
async fn called(world: &World, operation: &str) -> usize {
    let own_type = OWN_TYPE.iter().find(|it| it.0 == operation);
    let events = world.events().await.into_iter();
    let calls = events.filter(|it| match own_type {
        Some((_, own)) => it.event_type == *own,
        None => it.event_type == "api_call" && it.payload.0["operation"] == operation,
    });
    calls.filter(|it| it.payload.0["by"].is_string()).count()
}

/// Whether a use case notes an `api_call` of this name.
fn is_noted(operation: &str, folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_noted(operation, &path);
        }
        let text = fs::read_to_string(&path).unwrap();
        let name = format!("\"{operation}\"");
        // As an argument of the call, not of the key of idempotency, which is named alike.
        text.match_indices(&name).any(|(at, _)| {
            let before = &text[..at];
            let statement = before
                .rfind([';', '{', '}'])
                .map_or(before, |it| &before[it..]);
            !statement.contains("Once::new(")
        })
    })
}

on_both_engines! {
    async fn every_mutation_is_logged(world: World) {
        let admin = world.admin().await;
        let mut known: HashMap<&str, String> = HashMap::new();
        for (name, arguments, selection, makes) in EXAMPLES {
            if *name == "deviceCommand" {
                // Who takes commands is awake.
                heard(&world, &known["$lamp"], world.clock.now(), "online").await;
            }
            let viewer = match *name {
                "logout" => app::identity::authenticate(&world.services, &known["$login"]).await.unwrap(),
                _ => admin.clone(),
            };
            let mut arguments = (*arguments).to_owned();
            for (placeholder, value) in &known {
                arguments = arguments.replace(placeholder, &format!("\"{value}\""));
            }
            let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
            let query = format!("mutation {{ {name}{arguments} {{ {selection} userErrors {{ message }} }} }}");
            let before = called(&world, name).await;
            let answer = world.run(&viewer, &query, json!({})).await;
            let payload = &answer.data()[*name];
            assert_eq!(payload["userErrors"], json!([]), "{name}");
            assert_eq!(called(&world, name).await, before + 1, "{name} is not in the log, or not once");
            if let Some((placeholder, place)) = makes {
                let made = payload.pointer(place).and_then(Value::as_str).unwrap();
                known.insert(placeholder, made.to_owned());
            }
        }
    }
}

#[test]
fn no_mutation_is_forgotten() {
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/app/src"));
    let all = mutations();
    assert!(all.len() > 40, "{all:?}");
    for (name, _) in EXCEPT {
        assert!(all.iter().any(|it| it == name), "{name} is no mutation");
    }
    for (name, ..) in EXAMPLES {
        assert!(all.iter().any(|it| it == name), "{name} is no mutation");
    }
    let missing: Vec<&String> = all
        .iter()
        .filter(|name| {
            let excepted = EXCEPT.iter().any(|it| it.0 == *name);
            let tried = EXAMPLES.iter().any(|it| it.0 == *name);
            !excepted && !tried && !is_noted(name, sources)
        })
        .collect();
    assert!(
        missing.is_empty(),
        "no `audit::call` for {missing:?}: note them, or say in EXCEPT why not"
    );
}
