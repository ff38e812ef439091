//! One socket's conversation.
//!
//! One task holds the socket and everything that runs on it: while a message waits to leave,
//! nothing more is made, so nothing is buffered. A client that does not read makes its
//! subscriptions fall behind the change feed, which ends them with an error, and is dropped
//! when a single message does not leave in time.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use app::{Error, Viewer};
use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket},
    http::StatusCode,
};
use futures_util::{
    StreamExt,
    stream::{self, AbortHandle, BoxStream, SelectAll, abortable},
};
use serde_json::{Map, Value as Json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{
    protocol::{self, End, FromClient},
    send,
};
use crate::{
    caller::strip_bearer,
    model::Kind,
    operation::{Answer, Caller, Incoming},
    refusal::Refusal,
    serve::Gateway,
    sockets::{Counted, RECHECK, Socket},
};

/// `connection_init` must come within this.
const INIT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the peer is asked whether it is there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// A peer that says nothing for so long is not.
const SILENCE: Duration = Duration::from_secs(65);

/// One socket's conversation.
pub struct Session {
    gateway: Arc<Gateway>,
    address: IpAddr,
    /// Of the handshake, for programs that can set headers.
    header_token: Option<String>,
    request_id: Arc<str>,
    operations: u64,
    running: HashMap<String, AbortHandle>,
    frames: SelectAll<BoxStream<'static, (String, Frame)>>,
}

/// Who opened the socket.
struct Opened {
    viewer: Viewer,
    token: Option<String>,
    socket: Socket,
}

/// What an operation has to say.
enum Frame {
    Next(Vec<u8>),
    Error(Vec<u8>),
    Complete,
}

impl Session {
    /// Nothing said yet.
    pub fn new(
        gateway: Arc<Gateway>,
        address: IpAddr,
        header_token: Option<String>,
        request_id: Arc<str>,
    ) -> Self {
        Self {
            gateway,
            address,
            header_token,
            request_id,
            operations: 0,
            running: HashMap::new(),
            frames: SelectAll::new(),
        }
    }

    /// The whole conversation; gives how it ended.
    pub async fn talk(&mut self, socket: &mut WebSocket) -> End {
        match self.open(socket).await {
            Ok(opened) => self.converse(socket, opened).await,
            Err(end) => end,
        }
    }

    /// Until the acknowledgement.
    async fn open(&mut self, socket: &mut WebSocket) -> Result<Opened, End> {
        let deadline = Instant::now() + INIT_TIMEOUT;
        let closing = self.gateway.closing.clone();
        loop {
            let message = tokio::select! {
                () = closing.cancelled() => return Err(going_away()),
                () = sleep_until(deadline) => {
                    let reason = "Connection initialisation timeout";
                    return Err(End::close(protocol::INIT_TIMEOUT, reason));
                }
                it = socket.recv() => read(it)?,
            };
            match message {
                None | Some(FromClient::Pong { .. } | FromClient::Complete { .. }) => {}
                Some(FromClient::Ping { payload }) => {
                    tell(socket, protocol::pong(payload)).await?;
                }
                Some(FromClient::Subscribe { .. }) => {
                    return Err(End::close(protocol::UNAUTHORIZED, "Unauthorized"));
                }
                Some(FromClient::ConnectionInit { payload }) => {
                    let opened = self.authenticate(payload.unwrap_or_default()).await?;
                    tell(socket, protocol::ack()).await?;
                    return Ok(opened);
                }
            }
        }
    }

    async fn authenticate(&mut self, payload: Map<String, Json>) -> Result<Opened, End> {
        let text = |names: [&str; 2]| -> Result<Option<String>, End> {
            match names.iter().find_map(|it| payload.get(*it)) {
                None | Some(Json::Null) => Ok(None),
                Some(Json::String(it)) => Ok(Some(it.clone())),
                Some(_) => Err(End::close(
                    protocol::BAD_MESSAGE,
                    format!("{} must be a text", names[0]),
                )),
            }
        };
        let token = match text(["authorization", "Authorization"])? {
            None => self.header_token.clone(),
            Some(it) => {
                let reason = "authorization must be \"Bearer\" and an access token";
                let token =
                    strip_bearer(&it).ok_or_else(|| End::close(protocol::UNAUTHORIZED, reason))?;
                Some(token.to_owned())
            }
        };
        let act_as = text(["actAs", "X-Anima-Act-As"])?;
        let viewer = self
            .viewer(token.as_deref(), act_as.as_deref())
            .await
            .map_err(|refusal| end_of(&refusal))?;
        let socket = self
            .gateway
            .sockets
            .open(&viewer, self.address, "websocket")
            .map_err(|refusal| End::close(protocol::TRY_AGAIN_LATER, first_message(&refusal)))?;
        Ok(Opened {
            viewer,
            token,
            socket,
        })
    }

    async fn viewer(
        &mut self,
        token: Option<&str>,
        act_as: Option<&str>,
    ) -> Result<Viewer, Refusal> {
        let viewer = match token {
            None => Viewer::anonymous(),
            Some(token) => self.gateway.viewer_of_token(token, self.address).await?,
        };
        match act_as {
            None => Ok(viewer),
            Some(person) => self.gateway.acting_for(viewer, person).await,
        }
    }

    /// After the acknowledgement.
    async fn converse(&mut self, socket: &mut WebSocket, opened: Opened) -> End {
        let closing = self.gateway.closing.clone();
        let start = Instant::now();
        let mut recheck = interval_at(start + RECHECK, RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heartbeat = interval_at(start + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = start;
        loop {
            let step = tokio::select! {
                () = closing.cancelled() => Err(going_away()),
                () = opened.socket.revoked.cancelled() => Err(revoked()),
                _ = recheck.tick() => self.recheck(&opened).await,
                _ = heartbeat.tick() => {
                    if heard.elapsed() > SILENCE {
                        Err(End::Gone)
                    } else {
                        tell(socket, Message::Ping(Bytes::new())).await
                    }
                }
                Some((id, frame)) = self.frames.next(), if !self.frames.is_empty() => {
                    self.pass_on(socket, &id, frame).await
                }
                message = socket.recv() => {
                    heard = Instant::now();
                    match read(message) {
                        Ok(None) => Ok(()),
                        Ok(Some(message)) => self.hear(socket, message, &opened).await,
                        Err(end) => Err(end),
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Looks whether the token still makes the viewer. A database that is away closes nothing.
    async fn recheck(&mut self, opened: &Opened) -> Result<(), End> {
        let Some(token) = &opened.token else {
            return Ok(());
        };
        match app::identity::authenticate(&self.gateway.services, token).await {
            Ok(mut viewer) => {
                viewer.acts_for = opened.viewer.acts_for;
                if viewer == opened.viewer {
                    return Ok(());
                }
                // Another role, or fewer scopes: what runs was allowed to somebody else.
                let reason = "Forbidden: what this token may do has changed";
                Err(End::close(protocol::FORBIDDEN, reason))
            }
            Err(Error::Unauthenticated) => Err(revoked()),
            Err(_) => Ok(()),
        }
    }

    async fn pass_on(&mut self, socket: &mut WebSocket, id: &str, frame: Frame) -> Result<(), End> {
        let message = match frame {
            Frame::Next(payload) => protocol::with_payload("next", id, &payload),
            Frame::Error(payload) => {
                // Nothing follows an error, not even a complete.
                self.forget(id);
                protocol::with_payload("error", id, &payload)
            }
            Frame::Complete => {
                self.forget(id);
                protocol::complete(id)
            }
        };
        tell(socket, message).await
    }

    fn forget(&mut self, id: &str) {
        if let Some(running) = self.running.remove(id) {
            running.abort();
        }
    }

    async fn hear(
        &mut self,
        socket: &mut WebSocket,
        message: FromClient,
        opened: &Opened,
    ) -> Result<(), End> {
        match message {
            FromClient::ConnectionInit { .. } => Err(End::close(
                protocol::TOO_MANY_INITS,
                "Too many initialisation requests",
            )),
            FromClient::Ping { payload } => tell(socket, protocol::pong(payload)).await,
            FromClient::Pong { .. } => Ok(()),
            FromClient::Complete { id } => {
                self.forget(&id);
                Ok(())
            }
            FromClient::Subscribe { id, payload } => {
                if self.running.contains_key(&id) {
                    let reason = format!("Subscriber for {id} already exists");
                    return Err(End::close(protocol::DUPLICATE_ID, reason));
                }
                let incoming = Incoming::from_value(Json::Object(payload)).map_err(|refusal| {
                    End::close(protocol::BAD_MESSAGE, first_message(&refusal))
                })?;
                self.operations += 1;
                let caller = Caller {
                    viewer: opened.viewer.clone(),
                    address: self.address,
                    request_id: format!("{}.{}", self.request_id, self.operations),
                    wants_cost: false,
                };
                let request_id = caller.request_id.clone();
                match self.start(&id, incoming, caller) {
                    Ok(()) => Ok(()),
                    Err(refusal) => {
                        let payload = errors(&refusal, &request_id);
                        tell(socket, protocol::with_payload("error", &id, &payload)).await
                    }
                }
            }
        }
    }

    fn start(&mut self, id: &str, incoming: Incoming, caller: Caller) -> Result<(), Refusal> {
        let max = self.gateway.config.max_streams_per_socket.0;
        if self.running.len() >= max {
            metrics::counter!("anima_refused_total", "reason" => "streams").increment(1);
            return Err(Refusal::rate_limited(
                StatusCode::TOO_MANY_REQUESTS,
                Duration::from_secs(1),
                format!("{max} operations run on this socket already"),
            ));
        }
        let request_id = caller.request_id.clone();
        let prepared = self.gateway.prepare(incoming, caller)?;
        let answers: BoxStream<'static, Answer> = if prepared.kind == Kind::Subscription {
            let counted = Counted::new();
            self.gateway
                .subscribe(prepared)
                .inspect(move |_| {
                    let _ = &counted;
                })
                .boxed()
        } else {
            let permit = self.gateway.limits.admit()?;
            let gateway = Arc::clone(&self.gateway);
            stream::once(async move {
                let answer = gateway.execute(prepared).await;
                drop(permit);
                answer
            })
            .boxed()
        };
        let frames = answers
            .map(move |answer| match answer {
                Answer::Executed(_) => Frame::Next(answer.to_json(&request_id)),
                Answer::Refused(refusal) => Frame::Error(errors(&refusal, &request_id)),
            })
            .chain(stream::once(std::future::ready(Frame::Complete)));
        let (frames, handle) = abortable(frames);
        let name = id.to_owned();
        self.frames
            .push(frames.map(move |frame| (name.clone(), frame)).boxed());
        self.running.insert(id.to_owned(), handle);
        Ok(())
    }
}

/// What a peer said, if it is for us.
fn read(received: Option<Result<Message, axum::Error>>) -> Result<Option<FromClient>, End> {
    match received {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Err(error)) => {
            tracing::debug!(%error, "a socket broke off");
            Err(End::Gone)
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(End::close(protocol::BAD_MESSAGE, "messages are text")),
        Some(Ok(Message::Text(text))) => serde_json::from_str(&text).map(Some).map_err(|error| {
            End::close(protocol::BAD_MESSAGE, format!("Invalid message: {error}"))
        }),
    }
}

async fn tell(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    if send(socket, message).await {
        Ok(())
    } else {
        Err(End::Gone)
    }
}

fn errors(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    serde_json::to_vec(&refusal.errors_with_id(request_id)).unwrap_or_else(|_| b"[]".to_vec())
}

fn first_message(refusal: &Refusal) -> String {
    refusal
        .errors
        .first()
        .map(|it| it.message.clone())
        .unwrap_or_default()
}

/// How a refused `connection_init` ends the socket.
fn end_of(refusal: &Refusal) -> End {
    let code = match refusal.status {
        StatusCode::UNAUTHORIZED => protocol::UNAUTHORIZED,
        StatusCode::FORBIDDEN => protocol::FORBIDDEN,
        StatusCode::BAD_REQUEST => protocol::BAD_MESSAGE,
        _ => protocol::TRY_AGAIN_LATER,
    };
    End::close(code, first_message(refusal))
}

fn going_away() -> End {
    End::close(protocol::GOING_AWAY, "the server is stopping")
}

fn revoked() -> End {
    End::close(
        protocol::FORBIDDEN,
        "Forbidden: the access token is expired or revoked",
    )
}
