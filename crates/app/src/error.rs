//! Everything that can go wrong in a use case.

use domain::check::{FieldError, Invalid, UserErrorCode};

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a use case did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No principal, where one is needed.
    #[error("not signed in: send an access token as `Authorization: Bearer anima_…`")]
    Unauthenticated,
    /// The principal may never do this, whatever the arguments.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    /// What an id names is not there, or must look as if it were not.
    #[error("{} not found", .0.as_deref().unwrap_or("it was"))]
    NotFound(Option<String>),
    /// Somebody else was first, or the state of things forbids it.
    #[error("{message}")]
    Conflict {
        /// The input field to blame.
        field: String,
        /// What is in the way and what would help.
        message: String,
    },
    /// A unique value is in use.
    #[error("{message}")]
    Taken {
        /// The input field to blame.
        field: String,
        /// What is taken; never by whom.
        message: String,
    },
    /// The input is faulty.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Too many attempts.
    #[error("too many attempts: try again in {retry_after_seconds} seconds")]
    RateLimited {
        /// How long to wait.
        retry_after_seconds: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Persistence(#[from] persistence::Error),
    /// Something of ours failed; the text is for the log.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl Error {
    /// The thing that input field `field` names is not there for this viewer.
    pub fn not_found(field: impl Into<String>) -> Self {
        Self::NotFound(Some(field.into()))
    }

    /// A fault of one input field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(Invalid::one(UserErrorCode::Invalid, field, message))
    }

    /// Something in the way.
    pub fn conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Conflict {
            field: field.into(),
            message: message.into(),
        }
    }

    /// A unique value in use.
    pub fn taken(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Taken {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The expected refusals, which are data for the client. `None` for faults of the client
    /// as a whole (not signed in, not allowed) and of the system.
    pub fn user_errors(&self) -> Option<Vec<FieldError>> {
        match self {
            Self::Invalid(Invalid(errors)) => Some(errors.clone()),
            Self::NotFound(Some(field)) => {
                let name = field.rsplit('.').next().unwrap_or(field);
                let message = format!("{name} names nothing that you can see");
                Some(vec![FieldError::new(
                    UserErrorCode::NotFound,
                    field,
                    message,
                )])
            }
            Self::Conflict { field, message } => Some(vec![FieldError::new(
                UserErrorCode::Conflict,
                field,
                message,
            )]),
            Self::Taken { field, message } => {
                Some(vec![FieldError::new(UserErrorCode::Taken, field, message)])
            }
            Self::NotFound(None)
            | Self::Unauthenticated
            | Self::Forbidden(_)
            | Self::RateLimited { .. }
            | Self::Persistence(_)
            | Self::Internal(_) => None,
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Persistence(error.into())
    }
}
