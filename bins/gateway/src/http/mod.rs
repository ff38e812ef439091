//! GraphQL over HTTP: `POST` and `GET /graphql`, as the specification has them.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade},
    http::{HeaderMap, Method, Response, StatusCode, header, request::Parts},
};
use graphql::code;

use crate::{
    caller::COST,
    model::Kind,
    operation::{Answer, Caller, Incoming},
    refusal::Refusal,
    serve::Gateway,
    sse, ws,
};

mod answer;
mod around;
mod incoming;
mod media;

pub use around::{RequestId, around};
pub use media::Media;

/// Everything that is asked of `/graphql`.
pub async fn graphql(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let request_id = RequestId::of(&parts.extensions);
    if parts.method == Method::GET && is_upgrade(&parts.headers) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => ws::upgrade(&gateway, upgrade, &parts, peer, &request_id),
            Err(_) => Refusal::bad_request("not a WebSocket handshake of version 13")
                .into_http(Media::Json, &request_id),
        };
    }
    // What cannot be accepted is explained in JSON all the same.
    let media = media::accepted(&parts.headers);
    let answered = match media {
        None => Err(Refusal::new(
            StatusCode::NOT_ACCEPTABLE,
            code::BAD_USER_INPUT,
            "answers are application/graphql-response+json, application/json or \
             text/event-stream, in UTF-8",
        )),
        Some(media) => answer(&gateway, &parts, body, peer, media, &request_id).await,
    };
    answered.unwrap_or_else(|refusal| {
        refusal.into_http(media.unwrap_or(Media::GraphqlResponse), &request_id)
    })
}

async fn answer(
    gateway: &Arc<Gateway>,
    parts: &Parts,
    body: Body,
    peer: SocketAddr,
    media: Media,
    request_id: &str,
) -> Result<Response<Body>, Refusal> {
    let post = match parts.method {
        Method::POST => true,
        Method::GET => false,
        _ => {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                code::BAD_USER_INPUT,
                "use GET or POST",
            ));
        }
    };
    if post && !media::is_json(&parts.headers) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code::BAD_USER_INPUT,
            "the body must be application/json in UTF-8",
        ));
    }
    let address = gateway.client_address(&parts.headers, peer.ip());
    let viewer = gateway.viewer(&parts.headers, address).await?;
    let permit = gateway.limits.admit()?;
    let incoming = if post {
        Incoming::from_json(&gateway.body(body).await?)?
    } else {
        Incoming::from_query_string(parts.uri.query().unwrap_or_default())?
    };
    let caller = Caller {
        viewer,
        address,
        request_id: request_id.to_owned(),
        wants_cost: parts
            .headers
            .get(COST)
            .is_some_and(|it| it == "1" || it == "true"),
    };
    let prepared = gateway.prepare(incoming, caller.clone())?;
    if !post && prepared.kind == Kind::Mutation {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            code::BAD_USER_INPUT,
            "a mutation must be sent by POST",
        ));
    }
    if media == Media::EventStream {
        drop(permit);
        let token = parts.headers.get(header::AUTHORIZATION).cloned();
        return sse::respond(gateway, prepared, caller, token);
    }
    if prepared.kind == Kind::Subscription {
        return Err(Refusal {
            of_document: true,
            ..Refusal::bad_request(
                "a subscription needs a WebSocket (graphql-transport-ws) or \
                 accept: text/event-stream",
            )
        });
    }
    let answer: Answer = gateway.execute(prepared).await;
    Ok(answer.into_http(media, request_id))
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
