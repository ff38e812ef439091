//! Why a request was not executed: the errors a client is told, and the HTTP status they make.

use std::time::Duration;

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use axum::http::StatusCode;
use graphql::code;

/// A request that ends before execution. It never carries `data`.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the client is told.
    pub errors: Vec<ServerError>,
    /// The status where the media type has real ones.
    pub status: StatusCode,
    /// Whether the fault is in the GraphQL text: such answers are 200 as `application/json`.
    pub of_document: bool,
    /// When to come again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// One error.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            errors: vec![coded(ServerError::new(message, None), code)],
            status,
            of_document: false,
            retry_after: None,
        }
    }

    /// A request that is not one.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::BAD_USER_INPUT, message)
    }

    /// A document that does not parse, validate or fit its variables.
    pub fn of_document(errors: Vec<ServerError>) -> Self {
        let errors = errors
            .into_iter()
            .map(|it| match code_of(&it) {
                Some(_) => it,
                None => coded(it, code::BAD_USER_INPUT),
            })
            .collect();
        Self {
            errors,
            status: StatusCode::BAD_REQUEST,
            of_document: true,
            retry_after: None,
        }
    }

    /// One fault of the document.
    pub fn document(error: ServerError) -> Self {
        Self::of_document(vec![error])
    }

    /// A document that asks for too much.
    pub fn too_complex(message: impl Into<String>) -> Self {
        Self::document(coded(
            ServerError::new(message, None),
            code::QUERY_TOO_COMPLEX,
        ))
    }

    /// Too often, or too many at once.
    pub fn rate_limited(status: StatusCode, after: Duration, message: impl Into<String>) -> Self {
        // Whole seconds, rounded up: a client that comes back early is refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let seconds = seconds.max(1);
        let mut error = coded(ServerError::new(message, None), code::RATE_LIMITED);
        error
            .extensions
            .get_or_insert_default()
            .set("retryAfterSeconds", seconds);
        Self {
            errors: vec![error],
            status,
            of_document: false,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    /// The database is away.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code::INTERNAL_SERVER_ERROR,
                message,
            )
        }
    }

    /// Our fault; the cause is in the log.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            code::INTERNAL_SERVER_ERROR,
            "internal error",
        )
    }

    /// The code of the first error, for counting.
    pub fn code(&self) -> &str {
        self.errors
            .first()
            .and_then(code_of)
            .unwrap_or(code::INTERNAL_SERVER_ERROR)
    }
}

/// What a use case refused before anything was executed.
impl From<app::Error> for Refusal {
    fn from(error: app::Error) -> Self {
        use app::Error;
        match error {
            Error::Unauthenticated => Self::new(
                StatusCode::UNAUTHORIZED,
                code::UNAUTHENTICATED,
                error.to_string(),
            ),
            Error::Forbidden(_) => {
                Self::new(StatusCode::FORBIDDEN, code::FORBIDDEN, error.to_string())
            }
            Error::RateLimited {
                retry_after_seconds,
            } => Self::rate_limited(
                StatusCode::TOO_MANY_REQUESTS,
                Duration::from_secs(retry_after_seconds),
                error.to_string(),
            ),
            Error::Persistence(persistence::Error::Unavailable(ref cause)) => {
                tracing::error!(?cause, "the database is not available");
                Self::unavailable("the database is not available: try again")
            }
            Error::Persistence(ref cause) => {
                tracing::error!(?cause, "the database failed");
                Self::internal()
            }
            Error::Internal(ref cause) => {
                tracing::error!(cause, "internal failure");
                Self::internal()
            }
            Error::NotFound(_)
            | Error::Conflict { .. }
            | Error::Taken { .. }
            | Error::Invalid(_) => Self::bad_request(error.to_string()),
        }
    }
}

/// The error with a code.
pub fn coded(mut error: ServerError, code: &str) -> ServerError {
    let extensions: &mut ErrorExtensionValues = error.extensions.get_or_insert_default();
    extensions.set("code", code);
    error
}

/// The code of an error.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}
