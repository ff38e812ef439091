//! What personas know.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Engine, World, database::postgres_url, on_both_engines};

use super::{create, read};
use crate::device::mutate;

const DOCUMENT: &str = "knowledgeDocument { id title definition { slug } createdBy { name } chunks { position content } }";

on_both_engines! {
    async fn a_document_is_kept_in_parts(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, "nurse", json!({ "adaptationMode": "INSTRUCTION_RAG" })).await;
        let sentences = (1..=20).map(|n| format!("Sentence {n} is about the blue box and nothing else at all. "));
        let content = sentences.collect::<Vec<_>>().concat();
        let input = json!({ "definition": { "slug": "nurse" }, "title": " Boxes ", "content": content, "idempotencyKey": "k" });
        let answer = mutate(&world, &admin, "knowledgeDocumentAdd", input.clone(), DOCUMENT).await;
        assert_eq!(answer.user_errors(), "");
        let parts = answer.at("/knowledgeDocumentAdd/knowledgeDocument/chunks").as_array().unwrap();
        for (i, part) in parts.iter().enumerate() {
            assert_eq!(part["position"], i);
            let content = part["content"].as_str().unwrap();
            assert!(content.chars().count() <= 500 && content.ends_with('.'), "{content}");
        }
        assert_eq!(parts.len(), 3);
        assert!(parts[1]["content"].as_str().unwrap().starts_with("8 is about the blue box and nothing else at all. Sentence 9"), "{}", parts[1]);
        let again = mutate(&world, &admin, "knowledgeDocumentAdd", input, DOCUMENT).await;
        assert_eq!(again.0, answer.0);

        let everybody = json!({ "title": "House", "content": "The kettle is on the left." });
        let house = mutate(&world, &admin, "knowledgeDocumentAdd", everybody, DOCUMENT).await;
        let own = read(&world, &admin, "nurse", "knowledgeDocuments { totalCount nodes { title content definition { slug } } }").await;
        assert_eq!(own.text("/personaDefinition/knowledgeDocuments/nodes/0/content"), content.trim());
        let own = read(&world, &admin, "nurse", "knowledgeDocuments { totalCount nodes { title definition { slug } } }").await;
        assert_snapshot!(own.at("/personaDefinition/knowledgeDocuments"), @r#"{"nodes":[{"definition":{"slug":"nurse"},"title":"Boxes"}],"totalCount":1}"#);
        let global = world.run(&admin, "{ knowledgeDocuments { totalCount nodes { title definition { slug } } } }", json!({})).await;
        assert_snapshot!(global.at("/knowledgeDocuments"), @r#"{"nodes":[{"definition":null,"title":"House"}],"totalCount":1}"#);

        let remove = "mutation($id: ID!) { knowledgeDocumentRemove(id: $id) { removedKnowledgeDocumentId userErrors { code } } }";
        let id = json!({ "id": house.text("/knowledgeDocumentAdd/knowledgeDocument/id") });
        assert_eq!(world.run(&admin, remove, id.clone()).await.at("/knowledgeDocumentRemove/removedKnowledgeDocumentId"), &id["id"]);
        let gone = world.run(&admin, remove, id.clone()).await;
        assert_eq!(gone.at("/knowledgeDocumentRemove/userErrors/0/code"), "NOT_FOUND");
        let node = world.run(&admin, "query($id: ID!) { node(id: $id) { id } }", id).await;
        assert_eq!(node.at("/node"), &Value::Null);
    }

    async fn what_is_no_document_is_refused(world: World) {
        let admin = world.admin().await;
        let mut told = String::new();
        for input in [
            json!({ "title": "", "content": " " }),
            json!({ "title": "x".repeat(201), "content": "y".repeat(200_001) }),
            json!({ "title": "a\u{0}", "content": "b" }),
            json!({ "title": "a", "content": "b", "definition": { "slug": "nobody" } }),
            json!({ "title": "a", "content": "b", "definition": { "slug": "../\u{0}" } }),
        ] {
            let answer = mutate(&world, &admin, "knowledgeDocumentAdd", input, DOCUMENT).await;
            told.push_str(&answer.user_errors());
            told.push('\n');
        }
        assert_snapshot!(told, @r"
        REQUIRED title: title must not be blank: give 1 to 200 characters
        REQUIRED content: content must not be blank: give 1 to 200000 characters
        TOO_LONG title: title has 201 characters: expected 1 to 200
        TOO_LONG content: content has 200001 characters: expected 1 to 200000
        INVALID title: title contains a NUL character: remove it
        NOT_FOUND definition: definition names nothing that you can see
        NOT_FOUND definition: definition names nothing that you can see
        ");
    }
}

/// A list reads titles; the texts, up to 200 000 characters each, only where they are asked for.
async fn lists_leave_the_content_out(engine: Engine) {
    let (world, statements) = World::watched(engine).await;
    let admin = world.admin().await;
    create(
        &world,
        &admin,
        "nurse",
        json!({ "adaptationMode": "INSTRUCTION_RAG" }),
    )
    .await;
    let input = json!({ "definition": { "slug": "nurse" }, "title": "Boxes", "content": "Blue." });
    mutate(
        &world,
        &admin,
        "knowledgeDocumentAdd",
        input,
        "knowledgeDocument { id }",
    )
    .await
    .data();
    for (asked, reads) in [("title", false), ("title content", true)] {
        statements.take();
        let asked = format!("knowledgeDocuments {{ nodes {{ {asked} }} }}");
        let answer = read(&world, &admin, "nurse", &asked).await;
        assert_eq!(
            answer.text("/personaDefinition/knowledgeDocuments/nodes/0/title"),
            "Boxes"
        );
        let column = "\"knowledge_documents\".\"content\"";
        let sent = statements.take().join("\n");
        assert_eq!(sent.contains(column), reads, "{sent}");
    }
}

#[tokio::test]
async fn lists_leave_the_content_out_sqlite() {
    lists_leave_the_content_out(Engine::Sqlite).await;
}

#[tokio::test]
async fn lists_leave_the_content_out_postgres() {
    if postgres_url().is_some() {
        lists_leave_the_content_out(Engine::Postgres).await;
    }
}
