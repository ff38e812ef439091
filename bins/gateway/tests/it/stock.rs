//! The stock handler of `async-graphql-axum` as an oracle: on requests that both take, ours
//! says the same, to the byte of the body.

use async_graphql_axum::{GraphQLRequest, GraphQLResponse};
use axum::{Router, routing::post};
use domain::identity::Role;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Answer, Server};

#[tokio::test]
async fn ours_answers_what_the_stock_handler_answers() {
    let server = Server::start(&[]).await;
    let (_, token) = server.person("Ann", Role::User).await;
    let services = server.services.clone();
    let viewer = app::identity::authenticate(&services, &token)
        .await
        .unwrap();
    let schema = graphql::schema();
    let stock = Router::new().route(
        "/graphql",
        post(async move |request: GraphQLRequest| {
            let cx = services.cx(viewer.clone(), app::Request::default());
            let request = graphql::prepare(request.into_inner(), cx);
            GraphQLResponse::from(schema.execute(request).await)
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, stock).await });

    for (query, variables) in [
        (
            "{ viewer { role scopes user { name displayName } } }",
            json!({}),
        ),
        (
            "query($a: Int) { entities(first: $a) { totalCount nodes { name } pageInfo { hasNextPage } } }",
            json!({ "a": 3 }),
        ),
        (
            "{ b: __typename a: viewer { role ...on Viewer { scopes } } voices(gender: MALE, accent: \"Welsh\") { speaker } }",
            json!({}),
        ),
        (
            "{ __type(name: \"Entity\") { fields { name type { kind ofType { name } } } } }",
            json!({}),
        ),
    ] {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let ours = server
            .send("POST /graphql", &headers, body.as_bytes())
            .await;
        let theirs = raw_post(address, &body).await;
        assert_eq!(ours.body, theirs.body, "{query}");
        assert_eq!(ours.status, theirs.status, "{query}");
    }
}

async fn raw_post(address: std::net::SocketAddr, body: &str) -> Answer {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: stock\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}
