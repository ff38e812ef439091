//! Whether the gateway lives, and whether it can serve.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::serve::Gateway;

/// How long an answer is good for: asking more often costs the database nothing.
const GOOD_FOR: Duration = Duration::from_millis(500);
/// A database that does not answer for so long is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last answer.
#[derive(Debug, Default)]
pub struct Readiness {
    last: Mutex<Option<(Instant, Result<(), NotReady>)>>,
}

/// Why a gateway is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It was asked to stop.
    #[error("stopping")]
    Stopping,
    /// The database does not answer.
    #[error("the database does not answer")]
    Database,
    /// The database does not have this version's schema.
    #[error("the database's schema is not this version's")]
    Schema,
}

impl Gateway {
    /// Whether requests can be served.
    ///
    /// # Errors
    /// Why not.
    pub async fn readiness(&self) -> Result<(), NotReady> {
        if self.closing.is_cancelled() {
            return Err(NotReady::Stopping);
        }
        let mut last = self.readiness.last.lock().await;
        if let Some((at, answer)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return answer;
        }
        let state = migration::state(self.services.db.reader());
        let answer = match tokio::time::timeout(PATIENCE, state).await {
            Ok(Ok(state)) if state.is_current() => Ok(()),
            Ok(Ok(_)) => Err(NotReady::Schema),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the database does not answer");
                Err(NotReady::Database)
            }
            Err(_) => Err(NotReady::Database),
        };
        *last = Some((Instant::now(), answer));
        answer
    }
}

/// `GET /health/live`: the process answers.
pub async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// `GET /health/ready`: the database answers and has this version's schema.
pub async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.readiness().await {
        Ok(()) => Json(json!({ "status": "ready" })).into_response(),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "1")],
            Json(json!({ "status": "not ready", "reason": reason.to_string() })),
        )
            .into_response(),
    }
}
