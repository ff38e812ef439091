//! What must fail, and cheaply.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use app::{Ids, Services};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Server};

#[tokio::test]
async fn documents_that_multiply_are_too_complex() {
    let server = Server::start(&[]).await;
    let mut bomb = "{ viewer { ...F0 } }".to_owned();
    for i in 0..30 {
        let next = format!("...F{} ", i + 1).repeat(8);
        bomb.push_str(&format!("fragment F{i} on Viewer {{ {next} }} "));
    }
    bomb.push_str("fragment F30 on Viewer { role }");
    let aliases: String = (0..1000).map(|i| format!("a{i}: __typename ")).collect();
    let attacks = [
        bomb,
        format!("{{ {aliases} }}"),
        format!("{{ {} }}", "__typename ".repeat(1000)),
        format!("{{ __typename {} }}", "@include(if: true) ".repeat(1000)),
        format!("{{ __typename {} }}", "@nothing ".repeat(1000)),
        format!(
            "query Q {} {{ __typename }}",
            "@skip(if: true) ".repeat(1000)
        ),
        format!(
            "{{ __schema {{ types {{ {} name {} }} }} }}",
            "fields { type { ".repeat(6),
            "} } ".repeat(6)
        ),
        format!(
            "{{ {} __typename {} }}",
            "... { ".repeat(100),
            "} ".repeat(100)
        ),
        format!("{} a {}", "{ a ".repeat(5000), "}".repeat(5000)),
        format!(
            "{{ node(id: {}1{}) {{ id }} }}",
            "[".repeat(9000),
            "]".repeat(9000)
        ),
        format!(
            "{{ node(id: {}1{}) {{ id }} }}",
            "{a:".repeat(9000),
            "}".repeat(9000)
        ),
        format!(
            "query($a: {}Int{}) {{ __typename }}",
            "[".repeat(9000),
            "]".repeat(9000)
        ),
        "a ".repeat(100_000),
    ];
    for attack in attacks {
        let answer = server.query(&attack).await;
        assert_eq!(answer.status, 400, "{}: {answer:?}", &attack[..60]);
        answer.assert_refused(400, "QUERY_TOO_COMPLEX");
    }
    // It is still there.
    assert_eq!(server.query("{ __typename }").await.status, 200);
}

#[tokio::test]
async fn fragments_that_contain_themselves_do_not_validate() {
    let server = Server::start(&[]).await;
    let answer = server
        .query("{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }")
        .await;
    answer.assert_refused(400, "BAD_USER_INPUT");
    assert!(answer.message().contains("contains itself"), "{answer:?}");
}

#[tokio::test]
async fn a_page_of_a_million_is_refused() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let answer = server
        .query_as(&admin, "{ entities(first: 1000000) { nodes { id } } }")
        .await;
    assert_eq!(answer.code(), "QUERY_TOO_COMPLEX", "{answer:?}");
    let answer = server
        .query_as(&admin, "{ entities(first: -1) { nodes { id } } }")
        .await;
    assert_eq!(answer.code(), "BAD_USER_INPUT", "{answer:?}");
}

#[tokio::test]
async fn the_tools_own_introspection_passes() {
    let server = Server::start(&[]).await;
    // GraphiQL 4 asks so: graphql-js with all options on.
    let query = "query IntrospectionQuery { __schema { description queryType { name kind }
        mutationType { name kind } subscriptionType { name kind } types { ...FullType }
        directives { name description isRepeatable locations args(includeDeprecated: true)
        { ...InputValue } } } }
        fragment FullType on __Type { kind name description specifiedByURL isOneOf
        fields(includeDeprecated: true) { name description args(includeDeprecated: true)
        { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
        inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        possibleTypes { ...TypeRef } }
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue
        isDeprecated deprecationReason }
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind
        name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name } } } } } } } } } }";
    let answer = server.query(query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.json()["data"]["__schema"]["types"]
            .as_array()
            .unwrap()
            .len()
            > 10
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408_and_a_head_is_dropped() {
    let server = Server::start(&[]).await;
    let mut body = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    body.write_all(head.as_bytes()).await.unwrap();
    let mut head = server.connect().await;
    head.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-slow: ")
        .await
        .unwrap();
    // Time passes at once when nothing else happens.
    tokio::time::pause();
    let mut answer = Vec::new();
    body.read_to_end(&mut answer).await.unwrap();
    let answer = Answer::parse(&answer);
    answer.assert_refused(408, "BAD_USER_INPUT");
    let mut rest = Vec::new();
    let _ = head.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
}

#[tokio::test]
async fn a_panic_in_a_resolver_is_an_internal_error_that_tells_nothing() {
    let armed = Arc::new(AtomicBool::new(false));
    let trigger = Arc::clone(&armed);
    let server = Server::over(&[], |services| Services {
        ids: Ids::new(move |_| {
            assert!(!trigger.load(Ordering::SeqCst), "secret of the house");
            #[expect(clippy::disallowed_methods, reason = "any id will do")]
            uuid::Uuid::now_v7()
        }),
        ..services
    })
    .await;
    let admin = server.admin().await;
    let authorization = format!("Bearer {admin}");
    let body = json!({
        "query": "mutation { entityCreate(input: { name: \"Frank\" }) { entity { id } } }",
    });
    let ask = async || {
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-request-id", "mine"),
        ];
        server.post(&headers, body.to_string().as_bytes()).await
    };
    assert_eq!(ask().await.status, 200);
    armed.store(true, Ordering::SeqCst);
    let answer = ask().await;
    answer.assert_refused(500, "INTERNAL_SERVER_ERROR");
    assert_eq!(answer.message(), "internal error");
    assert!(!answer.body.contains("secret"), "{answer:?}");
    armed.store(false, Ordering::SeqCst);
    assert_eq!(ask().await.status, 200);
}
