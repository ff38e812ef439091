//! Documents by hash: automatic persisted queries, trusted documents, and that a document
//! known to validate answers as one that is new.

use gateway::documents::{hash_of, show_hash};
use serde_json::{Value, json};

use crate::support::{Answer, Server};

const QUERY: &str = "{ __typename }";

async fn post(server: &Server, body: &Value) -> Answer {
    server.post(&[], body.to_string().as_bytes()).await
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[tokio::test]
async fn an_automatic_persisted_query_is_sent_once() {
    let server = Server::start(&[]).await;
    let hash = show_hash(&hash_of(QUERY));
    let by_hash = json!({ "extensions": persisted(&hash) });
    let answer = post(&server, &by_hash).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
    // Clients look for this text.
    assert_eq!(answer.message(), "PersistedQueryNotFound");
    let both = json!({ "query": QUERY, "extensions": persisted(&hash) });
    assert_eq!(post(&server, &both).await.status, 200);
    let answer = post(&server, &by_hash).await;
    assert_eq!(answer.body, r#"{"data":{"__typename":"Query"}}"#);
    let path = format!("GET /graphql?extensions={}", persisted(&hash)).replace('"', "%22");
    assert_eq!(server.send(&path, &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_hash_that_is_not_the_querys_is_refused() {
    let server = Server::start(&[]).await;
    let other = show_hash(&hash_of("{ viewer { role } }"));
    let answer = post(
        &server,
        &json!({ "query": QUERY, "extensions": persisted(&other) }),
    )
    .await;
    answer.assert_refused(400, "BAD_USER_INPUT");
    // And nothing was kept under it.
    let answer = post(&server, &json!({ "extensions": persisted(&other) })).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
    for odd in [
        json!({ "persistedQuery": { "version": 2, "sha256Hash": other } }),
        json!({ "persistedQuery": { "version": 1 } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": "abc" } }),
        json!({ "persistedQuery": true }),
    ] {
        let answer = post(&server, &json!({ "query": QUERY, "extensions": odd })).await;
        answer.assert_refused(400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_document_that_does_not_validate_is_not_kept() {
    let server = Server::start(&[]).await;
    let wrong = "{ nothing }";
    let hash = show_hash(&hash_of(wrong));
    let answer = post(
        &server,
        &json!({ "query": wrong, "extensions": persisted(&hash) }),
    )
    .await;
    answer.assert_refused(400, "BAD_USER_INPUT");
    let answer = post(&server, &json!({ "extensions": persisted(&hash) })).await;
    answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn only_trusted_documents_where_so_configured() {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("documents.json");
    let hash = show_hash(&hash_of(QUERY));
    std::fs::write(&file, json!({ hash.clone(): QUERY }).to_string()).unwrap();
    let flag = format!("--trusted-documents={}", file.display());
    let server = Server::start(&[&flag]).await;
    assert_eq!(
        post(&server, &json!({ "extensions": persisted(&hash) }))
            .await
            .status,
        200
    );
    assert_eq!(post(&server, &json!({ "query": QUERY })).await.status, 200);
    for query in ["{ viewer { role } }", "{__typename}"] {
        let hash = show_hash(&hash_of(query));
        let answer = post(
            &server,
            &json!({ "query": query, "extensions": persisted(&hash) }),
        )
        .await;
        answer.assert_refused(400, "PERSISTED_QUERY_NOT_FOUND");
    }
}

/// Asks the same twice of a server that knows the document to validate, and once of one that
/// has never seen it: the three must be alike but for the request's id.
async fn alike(query: &str, proving: &Value, asked: &Value, operation: Option<&str>) -> Value {
    let body = |variables: &Value| json!({ "query": query, "variables": variables, "operationName": operation });
    let bare = |answer: &Answer| {
        let mut json = answer.json();
        if let Some(errors) = json.get_mut("errors").and_then(Value::as_array_mut) {
            for error in errors {
                error["extensions"]
                    .as_object_mut()
                    .unwrap()
                    .remove("requestId");
            }
        }
        json!({ "status": answer.status, "body": json })
    };
    let known = Server::start(&[]).await;
    let token = known.admin().await;
    let fresh = Server::start(&[]).await;
    let other = fresh.admin().await;
    let ask = async |server: &Server, token: &str, variables: &Value| {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        server
            .post(&headers, body(variables).to_string().as_bytes())
            .await
    };
    let proof = ask(&known, &token, proving).await;
    assert!(
        proof.json().get("data").is_some(),
        "it does not prove: {proof:?}"
    );
    let first = bare(&ask(&known, &token, asked).await);
    let second = bare(&ask(&known, &token, asked).await);
    let uncached = bare(&ask(&fresh, &other, asked).await);
    assert_eq!(first, uncached);
    assert_eq!(second, uncached);
    uncached
}

#[tokio::test]
async fn a_known_document_refuses_wrong_variables_as_a_new_one_does() {
    let by_id = "query($id: ID!) { node(id: $id) { id } }";
    let fine = json!({ "id": "event_01h45ytscbebyvny4gc8cr8ma2" });
    for wrong in [
        json!({}),
        json!({ "id": null }),
        json!({ "id": true }),
        json!({ "id": ["a", "b"] }),
        json!({ "id": { "a": 1 } }),
    ] {
        let answer = alike(by_id, &fine, &wrong, None).await;
        assert_eq!(answer["status"], 400, "{wrong} {answer}");
        assert!(answer["body"].get("data").is_none(), "{answer}");
    }
    let page = "query($n: Int, $filter: EntityFilter) {
        entities(first: $n, filter: $filter) { nodes { id } } }";
    for wrong in [
        json!({ "n": "3" }),
        json!({ "n": 1.5 }),
        json!({ "n": 1, "filter": 5 }),
        json!({ "n": 1, "filter": { "noSuchField": 1 } }),
        json!({ "n": 1, "filter": { "dna": { "anxietyThreshold": { "gt": "high" } } } }),
    ] {
        let answer = alike(page, &json!({ "n": 1, "filter": {} }), &wrong, None).await;
        assert_eq!(answer["status"], 400, "{wrong} {answer}");
    }
    // Another set of variables than those it was proven with.
    for other in [
        json!({}),
        json!({ "n": 2 }),
        json!({ "filter": null }),
        json!({ "n": 500 }),
    ] {
        alike(page, &json!({ "n": 1, "filter": {} }), &other, None).await;
    }
}

#[tokio::test]
async fn a_fault_that_only_some_variables_uncover_is_found_all_the_same() {
    // The library checks an argument only when all its variables are there.
    let query = "query($gt: Float) {
        entities(first: 1, filter: { dna: { anxietyThreshold: { gt: $gt, lt: \"high\" } } }) {
            nodes { id } } }";
    let without = json!({});
    let with = json!({ "gt": 0.5 });
    let known = Server::start(&[]).await;
    let token = known.admin().await;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    for variables in [&without, &with, &without, &with] {
        let body = json!({ "query": query, "variables": variables });
        let answer = known.post(&headers, body.to_string().as_bytes()).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
    }
}

#[tokio::test]
async fn a_null_where_a_default_made_it_fit_is_found_all_the_same() {
    let query = "query($if: Boolean = true) { __typename viewer @include(if: $if) { role } }";
    let answer = alike(query, &json!({}), &json!({ "if": null }), None).await;
    assert_ne!(answer["body"].get("errors"), None, "{answer}");
}

#[tokio::test]
async fn the_operation_that_is_named_decides() {
    let query = "query A($id: ID!) { node(id: $id) { id } }
        query B($n: Int) { entities(first: $n) { nodes { id } } }";
    let id = "event_01h45ytscbebyvny4gc8cr8ma2";
    alike(query, &json!({ "id": id }), &json!({ "id": id }), Some("A")).await;
    let wrong = alike(query, &json!({ "n": 1 }), &json!({ "n": "x" }), Some("B")).await;
    assert_eq!(wrong["status"], 400, "{wrong}");
    // What is wrong for another operation is nobody's business.
    let fine = alike(
        query,
        &json!({ "n": 1 }),
        &json!({ "n": 1, "id": 5 }),
        Some("B"),
    )
    .await;
    assert_eq!(fine["status"], 200, "{fine}");
}
