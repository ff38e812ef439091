//! The export of a person's data, streamed.

use domain::identity::Role;
use serde_json::Value;

use crate::support::Server;

#[tokio::test]
async fn a_person_takes_their_data_along_and_nobody_elses() {
    let server = Server::start(&[]).await;
    let (ann, hers) = server.person("Ann", Role::User).await;
    let (_, his) = server.person("Bob", Role::User).await;
    let path = format!("GET /export/{}", ann.id);
    let with = |token: &str| format!("Bearer {token}");

    let answer = server
        .send(&path, &[("authorization", &with(&hers))], b"")
        .await;
    assert_eq!(answer.status, 200);
    let document: Value = serde_json::from_str(&joined(&answer.body)).unwrap();
    assert_eq!(document["tables"]["users"][0]["name"], "Ann");
    assert!(!answer.body.contains("secret_hash"), "{}", answer.body);

    let answer = server
        .send(&path, &[("authorization", &with(&his))], b"")
        .await;
    answer.assert_refused(404, "NOT_FOUND");
    let answer = server.send(&path, &[], b"").await;
    answer.assert_refused(401, "UNAUTHENTICATED");
    let answer = server
        .send(
            "GET /export/..%2Fusers",
            &[("authorization", &with(&hers))],
            b"",
        )
        .await;
    answer.assert_refused(400, "BAD_USER_INPUT");
}

/// The chunks of a body in one piece (RFC 9112, section 7.1).
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        if size == 0 {
            break;
        }
        body = &rest[size + 2..];
    }
    whole
}
