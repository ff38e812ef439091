//! The messages of `graphql-transport-ws`, as the graphql-ws protocol document has them.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// The name of the subprotocol.
pub const NAME: &str = "graphql-transport-ws";

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromClient {
    /// Opens the conversation.
    ConnectionInit {
        /// Where the token is.
        payload: Option<Map<String, Json>>,
    },
    /// Starts an operation.
    Subscribe {
        /// Its id, unique among those that run.
        id: String,
        /// A GraphQL request.
        payload: Map<String, Json>,
    },
    /// Ends an operation.
    Complete {
        /// Which.
        id: String,
    },
    /// Wants a pong.
    Ping {
        /// Comes back with it.
        payload: Option<Map<String, Json>>,
    },
    /// Answers a ping.
    Pong {
        #[expect(dead_code, reason = "checked to be an object, and ignored")]
        /// Whatever.
        payload: Option<Map<String, Json>>,
    },
}

/// How a conversation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a code and a reason.
    Close(u16, String),
    /// Without a word: there is nobody to tell.
    Gone,
}

/// The server stops.
pub const GOING_AWAY: u16 = 1001;
/// There are too many sockets: come again later.
pub const TRY_AGAIN_LATER: u16 = 1013;
/// A message that is none.
pub const BAD_MESSAGE: u16 = 4400;
/// No `connection_init` before, or one with a wrong token.
pub const UNAUTHORIZED: u16 = 4401;
/// The token no longer holds, or does not allow what was asked.
pub const FORBIDDEN: u16 = 4403;
/// No `connection_init` in time.
pub const INIT_TIMEOUT: u16 = 4408;
/// An id that is in use.
pub const DUPLICATE_ID: u16 = 4409;
/// A second `connection_init`.
pub const TOO_MANY_INITS: u16 = 4429;

impl End {
    /// A close frame's content. A reason has at most 123 bytes.
    pub fn close(code: u16, reason: impl Into<String>) -> Self {
        let mut reason: String = reason.into();
        if reason.len() > 123 {
            let end = reason.floor_char_boundary(123);
            reason.truncate(end);
        }
        Self::Close(code, reason)
    }

    /// The close frame, if one is to be sent.
    pub fn frame(&self) -> Option<Message> {
        match self {
            Self::Close(code, reason) => Some(Message::Close(Some(CloseFrame {
                code: *code,
                reason: Utf8Bytes::from(reason.as_str()),
            }))),
            Self::Gone => None,
        }
    }
}

/// `connection_ack`
pub fn ack() -> Message {
    Message::text(r#"{"type":"connection_ack"}"#)
}

/// `pong`, with what came with the ping.
pub fn pong(payload: Option<Map<String, Json>>) -> Message {
    Message::text(match payload {
        None => r#"{"type":"pong"}"#.to_owned(),
        Some(payload) => {
            format!(r#"{{"type":"pong","payload":{}}}"#, Json::Object(payload))
        }
    })
}

/// `next` or `error`, with a payload that is JSON already.
pub fn with_payload(kind: &str, id: &str, payload: &[u8]) -> Message {
    let id = Json::String(id.to_owned());
    let payload = String::from_utf8_lossy(payload);
    Message::text(format!(
        r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#
    ))
}

/// `complete`
pub fn complete(id: &str) -> Message {
    let id = Json::String(id.to_owned());
    Message::text(format!(r#"{{"type":"complete","id":{id}}}"#))
}
