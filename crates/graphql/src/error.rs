//! The only place that knows error codes and messages for clients.

use app::Error;
use async_graphql::ErrorExtensionValues;

/// The result of a resolver.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What a client may be told.
///
/// Deliberately not `Display`: async-graphql converts every `Display` error by itself,
/// message and all. This way `?` only accepts an [`app::Error`].
#[derive(Clone, Debug)]
pub struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<persistence::Error> for Failure {
    fn from(error: persistence::Error) -> Self {
        Self(error.into())
    }
}

/// Codes of top-level errors, always in `extensions.code`.
pub mod code {
    /// The request does not parse, validate, or hold sensible values.
    pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
    /// No token, or one that is not valid.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// The principal may never do this.
    pub const FORBIDDEN: &str = "FORBIDDEN";
    /// What was named is not there for this viewer.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// Somebody else was first.
    pub const CONFLICT: &str = "CONFLICT";
    /// Too many requests, or too costly ones; see `retryAfterSeconds`.
    pub const RATE_LIMITED: &str = "RATE_LIMITED";
    /// The query asks for too much at once.
    pub const QUERY_TOO_COMPLEX: &str = "QUERY_TOO_COMPLEX";
    /// The hash of a persisted query is not known: send the text along.
    pub const PERSISTED_QUERY_NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
    /// Our fault; the cause is in the log under the request id.
    pub const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";
}

impl From<Failure> for async_graphql::Error {
    fn from(Failure(error): Failure) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        let (code, message) = match &error {
            Error::Unauthenticated => (code::UNAUTHENTICATED, error.to_string()),
            Error::Forbidden(_) => (code::FORBIDDEN, error.to_string()),
            Error::NotFound(_) => (code::NOT_FOUND, error.to_string()),
            Error::Conflict { .. } | Error::Taken { .. } => (code::CONFLICT, error.to_string()),
            Error::Invalid(_) => (code::BAD_USER_INPUT, error.to_string()),
            Error::RateLimited {
                retry_after_seconds,
            } => {
                extensions.set("retryAfterSeconds", *retry_after_seconds);
                (code::RATE_LIMITED, error.to_string())
            }
            Error::Persistence(persistence::Error::Cursor) => {
                (code::BAD_USER_INPUT, error.to_string())
            }
            Error::Persistence(persistence::Error::Unavailable(cause)) => {
                tracing::error!(?cause, "the database is not available");
                extensions.set("retryAfterSeconds", 1);
                let message = "the database is not available: try again";
                (code::INTERNAL_SERVER_ERROR, message.to_owned())
            }
            Error::Persistence(cause) => {
                tracing::error!(?cause, "the database failed");
                (code::INTERNAL_SERVER_ERROR, "internal error".to_owned())
            }
            Error::Internal(cause) => {
                tracing::error!(cause, "internal failure");
                (code::INTERNAL_SERVER_ERROR, "internal error".to_owned())
            }
        };
        extensions.set("code", code);
        Self {
            message,
            source: None,
            extensions: Some(extensions),
        }
    }
}
