//! Server-sent events: the distinct-connections mode of graphql-sse.

use domain::identity::Role;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::Server;

/// A stream of events, read as it comes.
pub struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    async fn open(server: &Server, token: &str, body: &Value) -> Self {
        Self::over(server.connect().await, token, body).await
    }

    /// On a connection.
    pub async fn over(mut stream: TcpStream, token: &str, body: &Value) -> Self {
        let body = body.to_string();
        let length = body.len();
        // 1.0: no chunks in between.
        let head = format!(
            "POST /graphql HTTP/1.0\r\nhost: x\r\naccept: text/event-stream\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut events = Self {
            stream,
            text: String::new(),
        };
        events.until("\r\n\r\n").await;
        events
    }

    /// Reads until the text is there, gives all that was read, and forgets it.
    pub async fn until(&mut self, text: &str) -> String {
        while !self.text.contains(text) {
            let mut buffer = [0; 4096];
            let n = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0, "the stream ended: {}", self.text);
            self.text
                .push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
        std::mem::take(&mut self.text)
    }

    async fn rest(mut self) -> String {
        let mut rest = self.text.clone();
        self.stream.read_to_string(&mut rest).await.unwrap();
        rest
    }
}

#[tokio::test]
async fn a_query_is_one_result_and_complete() {
    let server = Server::start(&[]).await;
    let headers = [
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
    ];
    let body = json!({ "query": "{ __typename }" }).to_string();
    for answer in [
        server
            .send("POST /graphql", &headers, body.as_bytes())
            .await,
        server
            .send("GET /graphql?query=%7B__typename%7D", &headers[..1], b"")
            .await,
    ] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            "text/event-stream; charset=utf-8"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        let events: String = answer.body.lines().filter(|it| it.contains(": ")).collect();
        assert_eq!(
            events,
            "event: nextdata: {\"data\":{\"__typename\":\"Query\"}}event: completedata: "
        );
    }
    let answer = server
        .send(
            "GET /graphql?query=mutation%7B__typename%7D",
            &headers[..1],
            b"",
        )
        .await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_subscription_tells_what_happens() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let body = json!({ "query": "subscription { eventLogged(eventType: \"one\") { eventType } }" });
    let mut events = Events::open(&server, &admin, &body).await;
    server.log_event("other").await;
    server.log_event("one").await;
    let text = events.until("\n\n").await;
    assert_eq!(
        text,
        "event: next\ndata: {\"data\":{\"eventLogged\":{\"eventType\":\"one\"}}}\n\n"
    );
    server.running.gateway.closing.cancel();
    // Without a complete: the client is to come back.
    assert_eq!(events.rest().await, "");
}

#[tokio::test]
async fn what_does_not_begin_has_a_status() {
    let server = Server::start(&[]).await;
    let post = async |query: &str| {
        let headers = [("accept", "text/event-stream")];
        let body = json!({ "query": query }).to_string();
        let all = [("content-type", "application/json"), headers[0]];
        server.send("POST /graphql", &all, body.as_bytes()).await
    };
    for query in ["subscription { nothing }", "subscription {", "{ nothing"] {
        post(query).await.assert_refused(400, "BAD_USER_INPUT");
    }
    // Allowed to nobody: a field's error, so the stream begins, says so and is complete.
    let answer = post("subscription { eventLogged { id } }").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("UNAUTHENTICATED"), "{answer:?}");
    assert!(answer.body.contains("event: complete"), "{answer:?}");
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams() {
    let server = Server::start(&[]).await;
    let (root, _) = server.person("Root", Role::Admin).await;
    let (token, text) = server.token(&root, None).await;
    let body = json!({ "query": "subscription { eventLogged { id } }" });
    let events = Events::open(&server, &text, &body).await;
    let cx = server.services.system_cx();
    app::identity::token_revoke(&cx, token.id).await.unwrap();
    let rest = events.rest().await;
    assert!(rest.contains("UNAUTHENTICATED"), "{rest}");
    assert!(rest.ends_with("event: complete\ndata: \n\n"), "{rest}");
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let body = json!({ "query": "subscription { eventLogged(eventType: \"never\") { id } }" });
    let mut events = Events::open(&server, &admin, &body).await;
    assert_eq!(events.until("\n\n").await, ":\n\n");
}

#[tokio::test]
async fn streams_of_one_person_are_so_many() {
    let server = Server::start(&["--max-sockets-per-principal=1"]).await;
    let admin = server.admin().await;
    let body = json!({ "query": "subscription { eventLogged(eventType: \"never\") { id } }" });
    let first = Events::open(&server, &admin, &body).await;
    let authorization = format!("Bearer {admin}");
    let headers = [
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
    ];
    let second = server
        .send("POST /graphql", &headers, body.to_string().as_bytes())
        .await;
    second.assert_refused(429, "RATE_LIMITED");
    drop(first);
}
