//! Buckets of points, what they cost, and room for so many at once.

use domain::identity::Role;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Server, eventually};

#[tokio::test]
async fn an_empty_bucket_is_429_with_when_to_come_again() {
    let server = Server::start(&["--rate-limit=3/1"]).await;
    let (_, ann) = server.person("Ann", Role::User).await;
    let (_, ben) = server.person("Ben", Role::User).await;
    let admin = server.admin().await;
    let mut last = server.query_as(&ann, "{ __typename }").await;
    for _ in 0..5 {
        last = server.query_as(&ann, "{ __typename }").await;
    }
    last.assert_refused(429, "RATE_LIMITED");
    let seconds = &last.json()["errors"][0]["extensions"]["retryAfterSeconds"];
    assert_eq!(last.header("retry-after"), seconds.to_string());
    assert!(seconds.as_u64().unwrap() >= 1, "{last:?}");
    // Another person has another bucket, an address too, and an administrator none.
    assert_eq!(server.query_as(&ben, "{ __typename }").await.status, 200);
    assert_eq!(server.query("{ __typename }").await.status, 200);
    for _ in 0..8 {
        assert_eq!(server.query_as(&admin, "{ __typename }").await.status, 200);
    }
}

#[tokio::test]
async fn services_and_administrators_have_a_bucket_when_they_are_given_one() {
    let server = Server::start(&["--rate-limit=off", "--service-rate-limit=2/1"]).await;
    let (_, ann) = server.person("Ann", Role::User).await;
    let (_, bot) = server.person("Bot", Role::Service).await;
    for _ in 0..6 {
        assert_eq!(server.query_as(&ann, "{ __typename }").await.status, 200);
    }
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(server.query_as(&bot, "{ __typename }").await.status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn the_cost_is_told_when_asked() {
    let server = Server::start(&["--rate-limit=1000/1"]).await;
    let (_, ann) = server.person("Ann", Role::User).await;
    let authorization = format!("Bearer {ann}");
    let body = json!({ "query": "{ entities(first: 100) { nodes { id } } }" }).to_string();
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-anima-cost", "1"),
    ];
    let answer = server.post(&headers, body.as_bytes()).await;
    let cost = &answer.json()["extensions"]["cost"];
    // One, and 101 objects by twenty; there were none but the page.
    assert_eq!(cost["requested"], 6, "{answer:?}");
    assert_eq!(cost["actual"], 1, "{answer:?}");
    assert_eq!(cost["remaining"], 994, "{answer:?}");
    let answer = server.post(&headers[..1], body.as_bytes()).await;
    assert!(answer.json().get("extensions").is_none(), "{answer:?}");
}

#[tokio::test]
async fn past_capacity_requests_are_refused_early() {
    let server = Server::start(&["--max-in-flight=1"]).await;
    // Takes the only place, and keeps it: its body does not come.
    let mut slow = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    eventually(async || server.query("{ __typename }").await.status == 503).await;
    let answer = server.query("{ __typename }").await;
    answer.assert_refused(503, "RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), "1");
    // Health is not an operation.
    assert_eq!(server.send("GET /health/live", &[], b"").await.status, 200);
    slow.write_all(br#"{"query":"{__typename}"}"#)
        .await
        .unwrap();
    let mut bytes = Vec::new();
    slow.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(Answer::parse(&bytes).status, 200);
    assert_eq!(server.query("{ __typename }").await.status, 200);
}

#[tokio::test]
async fn wrong_tokens_are_counted_by_address() {
    let server = Server::start(&[]).await;
    let mut statuses = Vec::new();
    for i in 0..130_u8 {
        let token = domain::identity::TokenText::from_random([i; 5], [i; 32]).reveal();
        statuses.push(server.query_as(&token, "{ __typename }").await.status);
    }
    assert_eq!(statuses[0], 401);
    assert_eq!(statuses.last(), Some(&429));
    // Who sends none is not concerned.
    assert_eq!(server.query("{ __typename }").await.status, 200);
}

#[tokio::test]
async fn a_request_past_its_time_is_504() {
    let server = Server::start(&["--request-timeout=200ms"]).await;
    let admin = server.admin().await;
    // Holds the one writer, so that a mutation waits.
    let cx = server.services.system_cx();
    let txn = cx.begin().await.unwrap();
    let answer = server
        .query_as(
            &admin,
            "mutation { entityCreate(input: { name: \"Frank\" }) { entity { id } } }",
        )
        .await;
    answer.assert_refused(504, "INTERNAL_SERVER_ERROR");
    assert!(answer.message().contains("0.2 s"), "{answer:?}");
    txn.rollback().await.unwrap();
}
