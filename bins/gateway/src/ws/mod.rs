//! GraphQL over WebSocket: `/graphql` upgraded, subprotocol `graphql-transport-ws`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts},
};
use graphql::code;

use crate::{
    caller::strip_bearer,
    http::Media,
    refusal::Refusal,
    serve::{Gateway, Place},
    value::Origin,
};

mod protocol;
mod session;

use session::Session;

/// How long a message may take to leave: a consumer slower than that is dropped.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How long a peer may take to answer a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Answers the handshake.
pub fn upgrade(
    gateway: &Arc<Gateway>,
    upgrade: WebSocketUpgrade,
    parts: &Parts,
    peer: SocketAddr,
    request_id: &Arc<str>,
) -> Response<Body> {
    if let Err(refusal) = may_upgrade(gateway, &upgrade, &parts.headers) {
        return refusal.into_http(Media::GraphqlResponse, request_id);
    }
    let address = gateway.client_address(&parts.headers, peer.ip());
    let header_token = parts
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|it| strip_bearer(it.to_str().ok()?))
        .map(str::to_owned);
    let session = Session::new(
        Arc::clone(gateway),
        address,
        header_token,
        Arc::clone(request_id),
    );
    // Held as long as the socket: a stop waits for it, and it counts as a connection.
    let held = (
        gateway.tasks.token(),
        parts.extensions.get::<Place>().cloned(),
    );
    upgrade
        .protocols([protocol::NAME])
        .max_message_size(gateway.config.max_body)
        .max_frame_size(gateway.config.max_body)
        .on_upgrade(move |socket| async move {
            converse(session, socket).await;
            drop(held);
        })
}

fn may_upgrade(
    gateway: &Gateway,
    upgrade: &WebSocketUpgrade,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if gateway.closing.is_cancelled() {
        return Err(Refusal::unavailable("the server is stopping"));
    }
    if !origin_is_ours(&gateway.config.cors_origin, headers) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            code::FORBIDDEN,
            "pages of this origin may not open a socket here: see --cors-origin",
        ));
    }
    if !upgrade.requested_protocols().any(|it| it == protocol::NAME) {
        return Err(Refusal::bad_request(
            "the subprotocol must be graphql-transport-ws",
        ));
    }
    Ok(())
}

/// Whether the page that opens the socket is the gateway's own, or of a configured origin.
/// Browsers apply no same-origin policy to sockets; programs send no `Origin`.
fn origin_is_ours(allowed: &[Origin], headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    if origins.next().is_some() {
        return false;
    }
    let same_host = || {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let (_, authority) = origin.to_str().ok()?.split_once("://")?;
        Some(authority.eq_ignore_ascii_case(host))
    };
    same_host() == Some(true)
        || allowed.iter().any(|it| match it {
            Origin::Any => true,
            Origin::One(it) => same_origin(it, origin),
        })
}

fn same_origin(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}

async fn converse(mut session: Session, mut socket: WebSocket) {
    let end = session.talk(&mut socket).await;
    drop(session);
    tracing::debug!(?end, "a socket ended");
    let Some(frame) = end.frame() else { return };
    if send(&mut socket, frame).await {
        let peer_closes = async { while let Some(Ok(_)) = socket.recv().await {} };
        let _ = tokio::time::timeout(CLOSE_PATIENCE, peer_closes).await;
    }
}

/// Whether a message left in time.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    if let Ok(sent) = tokio::time::timeout(SEND_PATIENCE, socket.send(message)).await {
        return sent.is_ok();
    }
    metrics::counter!("anima_refused_total", "reason" => "slow").increment(1);
    tracing::warn!("a socket was dropped: its client does not read");
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_host_and_configured_origins_open_sockets() {
        let with = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8000".parse().unwrap());
            if !origin.is_empty() {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            headers
        };
        let allowed: Vec<Origin> = vec!["https://app.example.org".parse().unwrap()];
        for ours in ["", "http://127.0.0.1:8000", "https://APP.example.org"] {
            assert!(origin_is_ours(&allowed, &with(ours)), "{ours}");
        }
        for foreign in [
            "http://127.0.0.1:8001",
            "http://127.0.0.1",
            "https://app.example.org.evil.test",
            "https://evil.test",
            "null",
        ] {
            assert!(!origin_is_ours(&allowed, &with(foreign)), "{foreign}");
        }
        assert!(origin_is_ours(&[Origin::Any], &with("https://evil.test")));
        let mut two = with("http://127.0.0.1:8000");
        two.append(header::ORIGIN, "https://evil.test".parse().unwrap());
        assert!(!origin_is_ours(&allowed, &two));
    }
}
