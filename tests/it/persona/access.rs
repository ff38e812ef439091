//! Who may do what with personas.

use app::{Principal, Viewer};
use domain::{
    device::DeviceId,
    dna::EntityId,
    identity::{Role, Scope},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, on_both_engines};
use uuid::Uuid;

use super::{create, read};
use crate::device::{mutate, person};

const OPERATIONS: [(&str, &str); 16] = [
    (
        "read",
        "{ personaDefinition(by: { slug: \"bard\" }) { slug systemPrompt prompt { system } versionInForce { export characterCardPng } } }",
    ),
    ("node", "{ node(id: $id) { id } }"),
    ("list", "{ personaDefinitions { nodes { slug } } }"),
    (
        "inactive",
        "{ personaDefinition(by: { slug: \"off\" }) { slug } }",
    ),
    ("inactive node", "{ node(id: $off) { id } }"),
    (
        "versions",
        "{ personaDefinition(by: { slug: \"bard\" }) { versions { nodes { version } } } }",
    ),
    ("version node", "{ node(id: $version) { id } }"),
    (
        "diff",
        "{ personaDefinitionDiff(definition: { slug: \"bard\" }, from: \"1.0.0\", to: \"1.0.1\") { path } }",
    ),
    (
        "documents",
        "{ personaDefinition(by: { slug: \"bard\" }) { knowledgeDocuments { nodes { title } } } }",
    ),
    ("document node", "{ node(id: $document) { id } }"),
    (
        "create",
        "mutation { personaDefinitionCreate(input: { slug: $new, name: \"N\" }) { userErrors { code } } }",
    ),
    (
        "update",
        "mutation { personaDefinitionUpdate(input: { definition: { slug: \"bard\" }, baseVersion: \"0.0.0\" }) { userErrors { code } } }",
    ),
    (
        "publish",
        "mutation { personaDefinitionPublish(input: { definition: { slug: \"bard\" }, version: \"1.0.0\" }) { userErrors { code } } }",
    ),
    (
        "import",
        "mutation { personaDefinitionImport(input: { source: { json: {} } }) { userErrors { code } } }",
    ),
    (
        "deactivate",
        "mutation { personaDefinitionDeactivate(definition: { slug: \"off\" }) { userErrors { code } } }",
    ),
    (
        "document add",
        "mutation { knowledgeDocumentAdd(input: { title: \"t\", content: \"c\" }) { userErrors { code } } }",
    ),
];

/// The answer in a word: what is shown, the code of an error, or nothing.
fn outcome(answer: &Answer) -> String {
    if let Some(code) = answer.0.pointer("/errors/0/extensions/code") {
        return code.as_str().unwrap().to_lowercase();
    }
    let shown = answer.0["data"]
        .as_object()
        .and_then(|it| it.values().next())
        .cloned()
        .unwrap_or_default();
    match shown["userErrors"].as_array() {
        Some(errors) if errors.is_empty() => "ok".to_owned(),
        Some(errors) => errors[0]["code"].as_str().unwrap().to_lowercase(),
        None if shown == Value::Null => "-".to_owned(),
        None => "ok".to_owned(),
    }
}

on_both_engines! {
    async fn who_may_do_what_with_definitions(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let made = create(&world, &admin, "bard", json!({})).await;
        let off = create(&world, &admin, "off", json!({})).await;
        let update = json!({ "definition": { "slug": "bard" }, "baseVersion": "1.0.0", "name": "Draft" });
        let version = mutate(&world, &admin, "personaDefinitionUpdate", update, "version { id }").await;
        let add = json!({ "title": "t", "content": "c", "definition": { "slug": "bard" } });
        let document = mutate(&world, &admin, "knowledgeDocumentAdd", add, "knowledgeDocument { id }").await;
        world.run(&admin, "mutation { personaDefinitionDeactivate(definition: { slug: \"off\" }) { userErrors { code } } }", json!({})).await.data();
        let ids = [
            ("$id", made.text("/personaDefinitionCreate/personaDefinition/id")),
            ("$off", off.text("/personaDefinitionCreate/personaDefinition/id")),
            ("$version", version.text("/personaDefinitionUpdate/version/id")),
            ("$document", document.text("/knowledgeDocumentAdd/knowledgeDocument/id")),
        ];
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        let fence = Scope::Entity(EntityId(Uuid::from_u128(1)));
        let device = Principal::Device { id: DeviceId(Uuid::from_u128(1)), owner: person(&ann) };
        let admins = Principal::User { id: person(&admin), role: Role::Admin };
        let principals = [
            ("anonymous", Viewer::anonymous()),
            ("person", ann.clone()),
            ("counselor", world.with_role("Cem", Role::Counselor).await),
            ("device", world.viewer(device, &all)),
            ("service", world.service().await),
            ("admin, fenced", world.viewer(admins, &[Scope::Read, Scope::Write, Scope::Admin, fence])),
            ("admin, reading", world.viewer(admins, &[Scope::Read])),
            ("admin", admin.clone()),
        ];
        let mut table = String::new();
        for (name, query) in OPERATIONS {
            table.push_str(name);
            table.push(':');
            for (i, (who, viewer)) in principals.iter().enumerate() {
                let mut query = query.replace("$new", &format!("\"new{i}\""));
                for (key, id) in ids {
                    query = query.replace(key, &format!("\"{id}\""));
                }
                let answer = world.run(viewer, &query, json!({})).await;
                table.push_str(&format!(" {who} {},", outcome(&answer)));
            }
            table.push('\n');
        }
        assert_snapshot!(table, @r"
        read: anonymous unauthenticated, person ok, counselor ok, device ok, service ok, admin, fenced ok, admin, reading ok, admin ok,
        node: anonymous unauthenticated, person ok, counselor ok, device ok, service ok, admin, fenced ok, admin, reading ok, admin ok,
        list: anonymous unauthenticated, person ok, counselor ok, device ok, service ok, admin, fenced ok, admin, reading ok, admin ok,
        inactive: anonymous unauthenticated, person -, counselor -, device -, service -, admin, fenced -, admin, reading -, admin ok,
        inactive node: anonymous unauthenticated, person -, counselor -, device -, service -, admin, fenced -, admin, reading -, admin ok,
        versions: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        version node: anonymous unauthenticated, person -, counselor -, device -, service -, admin, fenced -, admin, reading -, admin ok,
        diff: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        documents: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        document node: anonymous unauthenticated, person -, counselor -, device -, service -, admin, fenced -, admin, reading -, admin ok,
        create: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        update: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin conflict,
        publish: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        import: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin invalid,
        deactivate: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        document add: anonymous unauthenticated, person forbidden, counselor forbidden, device forbidden, service forbidden, admin, fenced forbidden, admin, reading forbidden, admin ok,
        ");
        // A draft is not what anybody goes by.
        let seen = read(&world, &ann, "bard", "name currentVersion").await;
        assert_snapshot!(seen.at("/personaDefinition"), @r#"{"currentVersion":"1.0.0","name":"bard"}"#);
    }
}
