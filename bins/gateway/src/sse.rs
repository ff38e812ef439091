//! Server-sent events: the distinct-connections mode of the graphql-sse protocol, for clients
//! behind proxies that do not let web sockets through.
//!
//! Nothing is buffered: the next event is made when the connection takes it. A client that
//! does not read falls behind the change feed, and is told so by the subscription itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use app::Error;
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, StatusCode, header},
};
use futures_util::{FutureExt, StreamExt, stream, stream::BoxStream};
use graphql::code;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::{
    caller::strip_bearer,
    http::Media,
    model::Kind,
    operation::{Answer, Caller, Prepared},
    refusal::Refusal,
    serve::Gateway,
    sockets::{Counted, RECHECK, Socket},
};

/// How often a comment is sent, so that no proxy takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// Answers with a stream of events.
///
/// # Errors
/// What is refused before the stream begins is answered like any other request.
pub fn respond(
    gateway: &Arc<Gateway>,
    prepared: Prepared,
    caller: Caller,
    authorization: Option<HeaderValue>,
) -> Result<Response<Body>, Refusal> {
    let socket = gateway
        .sockets
        .open(&caller.viewer, caller.address, "sse")?;
    let mut first = None;
    let answers: BoxStream<'static, Answer> = if prepared.kind == Kind::Subscription {
        let counted = Counted::new();
        let mut answers = gateway
            .subscribe(prepared)
            .inspect(move |_| {
                let _ = &counted;
            })
            .boxed();
        // A document that does not validate says so at once, and can still have a status.
        match answers.next().now_or_never() {
            Some(Some(Answer::Refused(refusal))) => return Err(refusal),
            Some(Some(answer)) => first = Some(answer),
            Some(None) | None => {}
        }
        answers
    } else {
        let permit = gateway.limits.admit()?;
        let gateway = Arc::clone(gateway);
        stream::once(async move {
            let answer = gateway.execute(prepared).await;
            drop(permit);
            answer
        })
        .boxed()
    };
    let start = Instant::now();
    let events = Events {
        gateway: Arc::clone(gateway),
        answers: stream::iter(first).chain(answers).boxed(),
        token: authorization
            .and_then(|it| it.to_str().ok().and_then(strip_bearer).map(str::to_owned)),
        caller,
        socket,
        recheck: every(start, RECHECK),
        keep_alive: every(start, KEEP_ALIVE),
    };
    let body = stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        let (bytes, more) = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), more.then_some(events)))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, Media::EventStream.content_type());
    // nginx buffers what it is not told not to.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn every(start: Instant, period: Duration) -> Interval {
    let mut interval = interval_at(start + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

struct Events {
    gateway: Arc<Gateway>,
    answers: BoxStream<'static, Answer>,
    token: Option<String>,
    caller: Caller,
    socket: Socket,
    recheck: Interval,
    keep_alive: Interval,
}

impl Events {
    /// What to send next, and whether anything follows; `None` when the gateway stops: the
    /// client then sees a stream that broke off, and tries again.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        loop {
            tokio::select! {
                () = self.gateway.closing.cancelled() => return None,
                () = self.socket.revoked.cancelled() => return Some((self.revoked(), false)),
                _ = self.recheck.tick() => {
                    if self.is_refused().await {
                        return Some((self.revoked(), false));
                    }
                }
                _ = self.keep_alive.tick() => return Some((Bytes::from_static(b":\n\n"), true)),
                answer = self.answers.next() => return Some(match answer {
                    Some(answer) => {
                        let last = matches!(answer, Answer::Refused(_));
                        let mut text = event("next", &answer.to_json(&self.caller.request_id));
                        if last {
                            text.extend(event("complete", b""));
                        }
                        (text.into(), !last)
                    }
                    None => (event("complete", b"").into(), false),
                }),
            }
        }
    }

    /// Whether the token no longer makes a viewer. A database that is away refuses nobody.
    async fn is_refused(&mut self) -> bool {
        let Some(token) = &self.token else {
            return false;
        };
        let viewer = app::identity::authenticate(&self.gateway.services, token).await;
        matches!(viewer, Err(Error::Unauthenticated))
    }

    fn revoked(&self) -> Bytes {
        let refusal = Refusal::new(
            StatusCode::UNAUTHORIZED,
            code::UNAUTHENTICATED,
            "the access token is expired or revoked",
        );
        let mut text = event("next", &refusal.to_json(&self.caller.request_id));
        text.extend(event("complete", b""));
        text.into()
    }
}

/// One event. JSON has no raw line break, so one `data` line holds it.
fn event(name: &str, data: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len() + data.len() + 16);
    text.extend_from_slice(b"event: ");
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b"\ndata: ");
    text.extend_from_slice(data);
    text.extend_from_slice(b"\n\n");
    text
}
