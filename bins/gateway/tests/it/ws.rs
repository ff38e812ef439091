//! `graphql-transport-ws`, from the first byte to the close code.

use std::time::Duration;

use chrono::TimeDelta;
use domain::identity::{Role, TokenText};
use futures_util::{SinkExt, StreamExt};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, handshake::client::Response},
};

use crate::support::{Server, eventually};

const QUERY: &str = "{ __typename }";
const EVENTS: &str = "subscription { eventLogged(eventType: \"test\") { eventType } }";

struct Socket(WebSocketStream<TcpStream>);

async fn handshake(
    server: &Server,
    headers: &[(&'static str, &str)],
) -> Result<(Socket, Response), u16> {
    let url = format!("ws://{}/graphql", server.running.address);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    match client_async(request, server.connect().await).await {
        Ok((stream, response)) => Ok((Socket(stream), response)),
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

async fn open(server: &Server) -> Socket {
    let (socket, response) = handshake(server, &[PROTOCOL]).await.unwrap();
    assert_eq!(response.headers()[PROTOCOL.0], PROTOCOL.1);
    socket
}

async fn acknowledged(server: &Server, token: Option<&str>) -> Socket {
    let mut socket = open(server).await;
    socket.init(token).await;
    assert_eq!(socket.next().await, json!({ "type": "connection_ack" }));
    socket
}

impl Socket {
    async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn init(&mut self, token: Option<&str>) {
        let payload = token.map(|it| json!({ "authorization": format!("Bearer {it}") }));
        self.say(json!({ "type": "connection_init", "payload": payload }))
            .await;
    }

    async fn subscribe(&mut self, id: &str, query: &str) {
        let payload = json!({ "query": query });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The next message.
    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code it is closed with, whatever is said before.
    async fn close_code(&mut self) -> u16 {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn queries_mutations_and_subscriptions_over_one_socket() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    socket.subscribe("q", "{ viewer { role } }").await;
    assert_eq!(
        socket.next().await,
        json!({ "type": "next", "id": "q", "payload": { "data": { "viewer": { "role": "ADMIN" } } } })
    );
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "q" })
    );
    socket
        .subscribe(
            "m",
            "mutation { entityCreate(input: { name: \"Frank\" }) { entity { name } } }",
        )
        .await;
    let answer = socket.next().await;
    assert_eq!(
        answer["payload"]["data"]["entityCreate"]["entity"]["name"], "Frank",
        "{answer}"
    );
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "m" })
    );

    socket.subscribe("s \"1\"", EVENTS).await;
    socket
        .say(json!({ "type": "ping", "payload": { "a": 1 } }))
        .await;
    assert_eq!(
        socket.next().await,
        json!({ "type": "pong", "payload": { "a": 1 } })
    );
    server.log_event("test").await;
    let answer = socket.next().await;
    assert_eq!(answer["id"], "s \"1\"");
    assert_eq!(
        answer["payload"]["data"]["eventLogged"]["eventType"],
        "test"
    );
    // Ended by the client, the id is free, and nothing more comes.
    socket
        .say(json!({ "type": "complete", "id": "s \"1\"" }))
        .await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong" }));
    server.log_event("test").await;
    socket.subscribe("s \"1\"", QUERY).await;
    assert_eq!(
        socket.next().await["payload"]["data"]["__typename"],
        "Query"
    );
}

#[tokio::test]
async fn what_is_no_message_closes_with_4400() {
    let server = Server::start(&[]).await;
    let texts = [
        "nonsense",
        "[]",
        "{}",
        r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
        r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":[]}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
        r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"ping","payload":"x"}"#,
    ];
    for text in texts {
        let mut socket = acknowledged(&server, None).await;
        socket.0.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.close_code().await, 4400, "{text}");
    }
    let mut socket = acknowledged(&server, None).await;
    socket
        .0
        .send(Message::binary(b"{}".to_vec()))
        .await
        .unwrap();
    assert_eq!(socket.close_code().await, 4400);
    let mut socket = open(&server).await;
    socket
        .say(json!({ "type": "connection_init", "payload": { "authorization": 5 } }))
        .await;
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test]
async fn a_socket_without_a_valid_init_is_4401() {
    let server = Server::start(&[]).await;
    let mut socket = open(&server).await;
    socket.subscribe("1", QUERY).await;
    assert_eq!(socket.close_code().await, 4401);
    let forged = TokenText::from_random([1; 5], [2; 32]).reveal();
    for token in [forged.as_str(), "nonsense", ""] {
        let mut socket = open(&server).await;
        socket.init(Some(token)).await;
        assert_eq!(socket.close_code().await, 4401, "{token}");
    }
}

#[tokio::test]
async fn no_init_in_three_seconds_is_4408() {
    let server = Server::start(&[]).await;
    let mut socket = open(&server).await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong" }));
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    assert_eq!(socket.close_code().await, 4408);
    assert!(
        begun.elapsed() > Duration::from_millis(2_500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn an_id_twice_is_4409_and_an_init_twice_4429() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    socket.subscribe("1", EVENTS).await;
    socket.subscribe("1", EVENTS).await;
    assert_eq!(socket.close_code().await, 4409);
    let mut socket = acknowledged(&server, Some(&admin)).await;
    socket.init(Some(&admin)).await;
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test]
async fn a_document_that_does_not_validate_is_an_error_frame() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    for query in [
        "{ nothing }",
        "subscription { nothing }",
        "{",
        "subscription { a: __typename b: __typename }",
    ] {
        socket.subscribe("1", query).await;
        let answer = socket.next().await;
        assert_eq!(answer["type"], "error", "{answer}");
        assert_eq!(answer["id"], "1");
        let extensions = &answer["payload"][0]["extensions"];
        assert_eq!(extensions["code"], "BAD_USER_INPUT", "{answer}");
        assert!(extensions["requestId"].is_string(), "{answer}");
    }
    // The socket lives, and the id is free.
    socket.subscribe("1", QUERY).await;
    assert_eq!(socket.next().await["type"], "next");
}

#[tokio::test]
async fn a_refused_subscription_says_so_and_is_complete() {
    let server = Server::start(&[]).await;
    let mut socket = acknowledged(&server, None).await;
    socket.subscribe("1", EVENTS).await;
    let answer = socket.next().await;
    assert_eq!(
        answer["payload"]["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
        "{answer}"
    );
    assert_eq!(
        socket.next().await,
        json!({ "type": "complete", "id": "1" })
    );
}

#[tokio::test]
async fn a_revoked_token_closes_its_sockets_with_4403() {
    let server = Server::start(&[]).await;
    let (root, other) = server.person("Root", Role::Admin).await;
    let (token, text) = server.token(&root, None).await;
    let mut socket = acknowledged(&server, Some(&text)).await;
    let mut spared = acknowledged(&server, Some(&other)).await;
    socket.subscribe("1", EVENTS).await;
    let cx = server.services.system_cx();
    app::identity::token_revoke(&cx, token.id).await.unwrap();
    let code = tokio::time::timeout(Duration::from_secs(1), socket.close_code()).await;
    assert_eq!(code, Ok(4403));
    spared.subscribe("1", QUERY).await;
    assert_eq!(spared.next().await["type"], "next");
}

#[tokio::test]
async fn a_token_that_ends_or_is_revoked_elsewhere_closes_its_sockets_with_4403() {
    let server = Server::start(&[]).await;
    let (root, _) = server.person("Root", Role::Admin).await;
    let soon = server.services.clock.now() + TimeDelta::seconds(1);
    let (_, ends) = server.token(&root, Some(soon)).await;
    let mut socket = acknowledged(&server, Some(&ends)).await;
    assert_eq!(socket.close_code().await, 4403);

    let (token, text) = server.token(&root, None).await;
    let mut socket = acknowledged(&server, Some(&text)).await;
    // As another process would: in the database, without a word in this one.
    let row = sea_orm::Statement::from_sql_and_values(
        sea_orm::DbBackend::Sqlite,
        "UPDATE access_tokens SET revoked_at = created_at WHERE prefix = $1",
        [token.prefix.into()],
    );
    server.services.db.writer().execute_raw(row).await.unwrap();
    server.services.sessions.forget_all();
    assert_eq!(socket.close_code().await, 4403);
}

#[tokio::test]
async fn sockets_of_a_person_and_streams_of_a_socket_are_so_many() {
    let server = Server::start(&[
        "--max-sockets-per-principal=2",
        "--max-streams-per-socket=2",
    ])
    .await;
    let admin = server.admin().await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    let second = acknowledged(&server, Some(&admin)).await;
    let mut third = open(&server).await;
    third.init(Some(&admin)).await;
    assert_eq!(third.close_code().await, 1013);
    drop(second);
    eventually(async || {
        let mut again = open(&server).await;
        again.init(Some(&admin)).await;
        matches!(again.0.next().await, Some(Ok(Message::Text(_))))
    })
    .await;

    for id in ["1", "2", "3"] {
        socket.subscribe(id, EVENTS).await;
    }
    let answer = socket.next().await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("error"), &json!("3")),
        "{answer}"
    );
    assert_eq!(answer["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    socket.say(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("4", QUERY).await;
    assert_eq!(socket.next().await["type"], "next");
}

#[tokio::test]
async fn a_page_of_another_origin_opens_no_socket() {
    let server = Server::start(&["--cors-origin=https://app.example.org"]).await;
    let own = format!("http://{}", server.running.address);
    for (origin, status) in [
        (own.as_str(), None),
        ("https://app.example.org", None),
        ("https://evil.test", Some(403)),
        ("null", Some(403)),
        ("http://127.0.0.1:1", Some(403)),
    ] {
        let opened = handshake(&server, &[PROTOCOL, ("origin", origin)]).await;
        assert_eq!(opened.err(), status, "{origin}");
    }
}

#[tokio::test]
async fn another_subprotocol_is_refused() {
    let server = Server::start(&[]).await;
    for protocols in [vec![], vec![("sec-websocket-protocol", "graphql-ws")]] {
        assert_eq!(handshake(&server, &protocols).await.err(), Some(400));
    }
    let both = ("sec-websocket-protocol", "graphql-ws, graphql-transport-ws");
    let (_, response) = handshake(&server, &[both]).await.unwrap();
    assert_eq!(response.headers()[both.0], "graphql-transport-ws");
}

#[tokio::test]
async fn a_message_past_the_limit_ends_the_socket() {
    let server = Server::start(&["--max-body=64KiB"]).await;
    let mut socket = acknowledged(&server, None).await;
    let long = "x".repeat(100_000);
    let _ = socket.0.send(Message::text(long)).await;
    let end = socket.0.next().await;
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    assert_eq!(server.query(QUERY).await.status, 200);
}

#[tokio::test]
async fn a_bomb_over_a_socket_is_refused_as_over_http() {
    let server = Server::start(&[]).await;
    let mut socket = acknowledged(&server, None).await;
    let mut bomb = "{ viewer { ...F0 } }".to_owned();
    for i in 0..30 {
        let next = format!("...F{} ", i + 1).repeat(8);
        bomb.push_str(&format!("fragment F{i} on Viewer {{ {next} }} "));
    }
    bomb.push_str("fragment F30 on Viewer { role }");
    socket.subscribe("1", &bomb).await;
    let answer = socket.next().await;
    assert_eq!(
        answer["payload"][0]["extensions"]["code"], "QUERY_TOO_COMPLEX",
        "{answer}"
    );
}

#[tokio::test]
async fn a_consumer_that_falls_behind_is_told_so_and_nothing_is_kept_for_it() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    socket
        .subscribe("1", "subscription { eventLogged { eventType payload } }")
        .await;
    socket.subscribe("ready", QUERY).await;
    assert_eq!(socket.next().await["id"], "ready");
    // More than the feed keeps, in one go, while nobody reads.
    let cx = server.services.system_cx();
    let txn = cx.begin().await.unwrap();
    for _ in 0..3000 {
        let event = app::audit::event(&cx, "flood");
        app::audit::log(&cx, &txn, event).await.unwrap();
    }
    txn.commit().await.unwrap();
    let mut received = 0;
    loop {
        let message = socket.next().await;
        if message["payload"].get("errors").is_some() {
            assert_eq!(
                message["payload"]["errors"][0]["extensions"]["code"],
                "CONFLICT"
            );
            break;
        }
        received += 1;
        assert!(received < 3000, "nothing was missed");
    }
}

#[tokio::test]
async fn a_stop_closes_sockets_with_1001() {
    let server = Server::start(&[]).await;
    let admin = server.admin().await;
    let mut waiting = open(&server).await;
    let mut socket = acknowledged(&server, Some(&admin)).await;
    socket.subscribe("1", EVENTS).await;
    let stopping = tokio::spawn(server.running.stop());
    assert_eq!(socket.close_code().await, 1001);
    assert_eq!(waiting.close_code().await, 1001);
    drop((socket, waiting));
    assert!(stopping.await.unwrap());
}
