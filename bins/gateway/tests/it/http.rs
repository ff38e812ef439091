//! GraphQL over HTTP: media types, status codes, tokens, ids, headers.

use domain::identity::{Role, TokenText};
use serde_json::json;

use crate::support::Server;

const VIEWER: &str = "{ __typename viewer { role } }";

#[tokio::test]
async fn a_query_by_post_and_by_get() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let answer = server.query_as(&admin, VIEWER).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["data"]["viewer"]["role"], "ADMIN");
    assert_eq!(
        answer.header("content-type"),
        "application/graphql-response+json; charset=utf-8"
    );
    let answer = server
        .send(
            "GET /graphql?query=query+A%7Ba:__typename%7Dquery+B%7Bb:__typename%7D&operationName=B",
            &[],
            b"",
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, r#"{"data":{"b":"Query"}}"#);
    assert_eq!(
        answer.header("content-type"),
        "application/json; charset=utf-8"
    );
    let answer = server
        .send("GET /graphql?query=query(%24a:Boolean!)%7Bviewer@skip(if:%24a)%7Brole%7Da:__typename%7D&variables=%7B%22a%22:true%7D", &[], b"")
        .await;
    assert_eq!(answer.body, r#"{"data":{"a":"Query"}}"#);
}

#[tokio::test]
async fn a_mutation_by_get_is_405() {
    let server = Server::start(&[]).await;
    let answer = server
        .send("GET /graphql?query=mutation%7B__typename%7D", &[], b"")
        .await;
    answer.assert_refused(405, "BAD_USER_INPUT");
    assert_eq!(answer.header("allow"), "GET, POST");
    let answer = server.send("DELETE /graphql", &[], b"").await;
    answer.assert_refused(405, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_post_that_a_foreign_page_could_send_is_415() {
    let server = Server::start(&[]).await;
    let body = br#"{"query":"{__typename}"}"#;
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ] {
        let headers = [("content-type", kind), ("accept", "application/json")];
        let answer = server.send("POST /graphql", &headers, body).await;
        answer.assert_refused(415, "BAD_USER_INPUT");
    }
    let answer = server.send("POST /graphql", &[], body).await;
    answer.assert_refused(415, "BAD_USER_INPUT");
}

#[tokio::test]
async fn what_graphql_finds_wrong_is_400_or_the_legacy_200_without_data() {
    let server = Server::start(&[]).await;
    for query in [
        "{",
        "{ noSuchField }",
        "query($id: ID!) { node(id: $id) { id } }",
        "query A { __typename } query B { __typename }",
    ] {
        server
            .query(query)
            .await
            .assert_refused(400, "BAD_USER_INPUT");
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json"),
        ];
        let body = json!({ "query": query }).to_string();
        let answer = server
            .send("POST /graphql", &headers, body.as_bytes())
            .await;
        answer.assert_refused(200, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn what_execution_finds_wrong_is_200_with_data() {
    let server = Server::start(&[]).await;
    let answer = server.query("{ __typename node(id: \"x\") { id } }").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert!(json.get("data").is_some(), "{answer:?}");
    assert_eq!(json["errors"][0]["path"], json!(["node"]));
    assert_eq!(answer.code(), "UNAUTHENTICATED");
    assert_eq!(
        json["errors"][0]["extensions"]["requestId"],
        answer.header("x-request-id")
    );
}

#[tokio::test]
async fn a_body_that_is_no_request_is_400() {
    let server = Server::start(&[]).await;
    let deep = format!(
        r#"{{"query":"{{__typename}}","variables":{{"a":{}1{}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    let bodies: Vec<&[u8]> = vec![
        b"",
        b"   ",
        b"nonsense",
        b"null",
        b"\"text\"",
        b"{",
        br#"[{"query":"{__typename}"}]"#,
        b"[]",
        br#"{"query":{"a":1}}"#,
        br#"{"query":1}"#,
        b"{}",
        br#"{"query":null}"#,
        br#"{"query":"{__typename}","query":"{__typename}"}"#,
        br#"{"query":"{__typename}","operationName":[]}"#,
        br#"{"query":"{__typename}","variables":"{}"}"#,
        br#"{"query":"{__typename}","variables":[1]}"#,
        br#"{"query":"{__typename}","extensions":"x"}"#,
        b"{\"query\":\"{__typename \xff\xfe}\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let answer = server.post(&[], body).await;
        assert_eq!(
            answer.status,
            400,
            "{} {answer:?}",
            String::from_utf8_lossy(body)
        );
        if !body.is_empty() {
            answer.assert_refused(400, "BAD_USER_INPUT");
        }
    }
    let answer = server.post(&[], br#"[{"query":"{__typename}"}]"#).await;
    assert!(answer.message().contains("batching is off"), "{answer:?}");
}

#[tokio::test]
async fn members_that_nobody_knows_are_ignored_and_nulls_are_nothing() {
    let server = Server::start(&[]).await;
    for body in [
        r#"{"query":"{__typename}","somethingElse":[1,{"a":2}]}"#,
        r#"{"query":"{__typename}","variables":null,"operationName":null,"extensions":null}"#,
        r#"{"query":"{__typename}","operationName":"","extensions":{"mine":1}}"#,
    ] {
        let answer = server.post(&[], body.as_bytes()).await;
        assert_eq!(answer.body, r#"{"data":{"__typename":"Query"}}"#, "{body}");
    }
}

#[tokio::test]
async fn nul_characters_go_no_further() {
    let server = Server::start(&[]).await;
    for body in [
        r#"{"query":"query($a: ID!) { node(id: $a) { id } }","variables":{"a":"x\u0000y"}}"#,
        r#"{"query":"query($a: ID!) { node(id: $a) { id } }","variables":{"a":["\u0000"]}}"#,
        r#"{"query":"{ node(id: \"a\\u0000b\") { id } }"}"#,
        r#"{"query":"{ \u0000__typename }"}"#,
    ] {
        let answer = server.post(&[], body.as_bytes()).await;
        answer.assert_refused(400, "BAD_USER_INPUT");
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_413() {
    let server = Server::start(&[]).await;
    let mut body = br#"{"query":"{__typename}","x":""#.to_vec();
    body.resize(10 << 20, b'a');
    // Its length is told: the answer comes before it is read.
    let answer = server.post(&[], &body).await;
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut chunked = head.as_bytes().to_vec();
    chunked.extend_from_slice(b"110000\r\n");
    chunked.extend_from_slice(&body[..0x0011_0000]);
    let answer = server.raw(&chunked).await;
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[tokio::test]
async fn a_million_characters_are_one_string() {
    let server = Server::start(&["--max-body=3MiB"]).await;
    let long = "x".repeat(1_000_000);
    let answer = server
        .query(&format!("{{ node(id: \"{long}\") {{ id }} }}"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (200, "UNAUTHENTICATED")
    );
}

#[tokio::test]
async fn a_wrong_token_is_401_and_says_how() {
    let server = Server::start(&[]).await;
    let (_, good) = server.person("Ann", Role::User).await;
    let forged = TokenText::from_random([1; 5], [2; 32]).reveal();
    let mut altered = good.clone();
    let last = if altered.ends_with('a') { 'q' } else { 'a' };
    altered.pop();
    altered.push(last);
    let wrong = [
        forged.as_str(),
        &good[..good.len() - 1],
        &good[..14],
        altered.as_str(),
        &good.to_uppercase(),
        "anima__",
        "x",
    ]
    .map(|it| format!("Bearer {it}"));
    let others = ["Bearer", "Bearer ", "Basic YTpi", "token", &good];
    for value in wrong.iter().map(String::as_str).chain(others) {
        let answer = server
            .post(&[("authorization", value)], br#"{"query":"{__typename}"}"#)
            .await;
        answer.assert_refused(401, "UNAUTHENTICATED");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"anima\"");
    }
    let twice = format!("Bearer {good}");
    let headers = [
        ("authorization", twice.as_str()),
        ("authorization", twice.as_str()),
    ];
    let answer = server.post(&headers, br#"{"query":"{__typename}"}"#).await;
    answer.assert_refused(401, "UNAUTHENTICATED");
    assert_eq!(server.query_as(&good, VIEWER).await.status, 200);
}

#[tokio::test]
async fn a_cookie_signs_nobody_in() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let cookie = format!("token={admin}; authorization=Bearer {admin}");
    let body = json!({ "query": VIEWER }).to_string();
    let answer = server.post(&[("cookie", &cookie)], body.as_bytes()).await;
    assert_eq!(answer.json()["data"]["viewer"]["role"], json!(null));
}

#[tokio::test]
async fn a_token_in_an_address_is_refused_everywhere() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    for path in ["/graphql", "/graphiql", "/health/live", "/nowhere"] {
        for query in [format!("token={admin}"), format!("a=1&x=Bearer%20{admin}")] {
            let answer = server.send(&format!("GET {path}?{query}"), &[], b"").await;
            answer.assert_refused(400, "BAD_USER_INPUT");
            assert!(answer.message().contains("revoke"), "{answer:?}");
            assert!(!answer.body.contains(&admin), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_request_id_comes_back() {
    let server = Server::start(&[]).await;
    let ask = async |id: &str| {
        let answer = server
            .post(&[("x-request-id", id)], br#"{"query":"{__typename}"}"#)
            .await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("trace-1.2_3").await, "trace-1.2_3");
    for unfit in ["", "with space", "quote\"", &"x".repeat(129)] {
        let id = ask(unfit).await;
        assert_ne!(id, unfit);
        assert_eq!(id.len(), 36, "{id}");
    }
    assert_ne!(ask("").await, ask("").await);
}

#[tokio::test]
async fn a_service_may_act_for_a_person_and_nobody_else_may() {
    let server = Server::start(&[]).await;
    let (ann, ann_token) = server.person("Ann", Role::User).await;
    let (_, service) = server.person("Bot", Role::Service).await;
    let admin = server.admin().await;
    let act = async |token: &str, person: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("x-anima-act-as", person),
        ];
        let body = json!({ "query": VIEWER }).to_string();
        server.post(&headers, body.as_bytes()).await
    };
    let id = ann.id.to_string();
    assert_eq!(act(&service, &id).await.status, 200);
    for token in [&ann_token, &admin] {
        act(token, &id).await.assert_refused(403, "FORBIDDEN");
    }
    act(&service, "nobody")
        .await
        .assert_refused(400, "BAD_USER_INPUT");
    let stranger = "user_01h45ytscbebyvny4gc8cr8ma2";
    act(&service, stranger)
        .await
        .assert_refused(400, "BAD_USER_INPUT");
    let anonymous = server
        .post(&[("x-anima-act-as", &id)], br#"{"query":"{__typename}"}"#)
        .await;
    anonymous.assert_refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn every_answer_protects() {
    let server = Server::start(&[]).await;
    for head in [
        "GET /graphql?query=%7B__typename%7D",
        "GET /graphql",
        "GET /graphiql",
        "GET /graphiql/graphiql-start.js",
        "GET /health/live",
        "GET /metrics",
        "GET /nowhere",
        "POST /health/live",
        "OPTIONS /graphql",
    ] {
        let answer = server.send(head, &[], b"").await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{head}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{head}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{head}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{head}");
        assert!(!answer.header("x-request-id").is_empty(), "{head}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{head}");
    }
}

#[tokio::test]
async fn cors_is_off_unless_an_origin_is_configured() {
    let preflight = [
        ("origin", "https://app.example.org"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let server = Server::start(&[]).await;
    let answer = server.send("OPTIONS /graphql", &preflight, b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let server = Server::start(&["--cors-origin=https://app.example.org"]).await;
    let answer = server.send("OPTIONS /graphql", &preflight, b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        "https://app.example.org"
    );
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let foreign = [("origin", "https://evil.test"), preflight[1]];
    let answer = server.send("OPTIONS /graphql", &foreign, b"").await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn what_nobody_can_accept_is_406() {
    let server = Server::start(&[]).await;
    let answer = server
        .send(
            "GET /graphql?query=%7B__typename%7D",
            &[("accept", "image/png")],
            b"",
        )
        .await;
    answer.assert_refused(406, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_subscription_needs_a_stream() {
    let server = Server::start(&[]).await;
    let answer = server.query("subscription { eventLogged { id } }").await;
    answer.assert_refused(400, "BAD_USER_INPUT");
    assert!(answer.message().contains("WebSocket"), "{answer:?}");
}

#[tokio::test]
async fn graphiql_can_be_left_out_and_introspection_too() {
    let server = Server::start(&[]).await;
    assert_eq!(server.send("GET /graphiql", &[], b"").await.status, 200);
    let answer = server.query("{ __schema { queryType { name } } }").await;
    assert_eq!(
        answer.json()["data"]["__schema"]["queryType"]["name"],
        "Query"
    );
    let misspelt = server.query("{ viewr { role } }").await;
    assert!(misspelt.message().contains("Did you mean"), "{misspelt:?}");

    let server = Server::start(&["--no-graphiql", "--no-introspection"]).await;
    assert_eq!(server.send("GET /graphiql", &[], b"").await.status, 404);
    let answer = server.query("{ __schema { queryType { name } } }").await;
    assert!(
        !answer.body.contains("queryType\":{\"name\":\"Query\""),
        "{answer:?}"
    );
    let misspelt = server.query("{ viewr { role } }").await;
    assert!(!misspelt.message().contains("Did you mean"), "{misspelt:?}");
}
