//! Payloads of mutations: what was made, or why it was refused, as data.

use app::Patch;
use async_graphql::{MaybeUndefined, SimpleObject};
use domain::check::{FieldError, UserErrorCode};

use crate::Result;

/// One thing wrong with the input of a mutation. Nothing was changed.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// What kind of fault it is.
    pub code: UserErrorCode,
    /// Where in the input, from the outside in.
    pub field: Vec<String>,
    /// What was wrong and what would be right.
    pub message: String,
}

impl From<FieldError> for UserError {
    fn from(
        FieldError {
            code,
            field,
            message,
        }: FieldError,
    ) -> Self {
        Self {
            code,
            field,
            message,
        }
    }
}

/// What a mutation answers; made by [`payload!`](crate::payload).
pub trait Payload: Sized {
    /// Nothing but the reasons.
    fn refused(errors: Vec<UserError>) -> Self;
}

/// The payload of a use case's outcome: expected refusals become `userErrors`, everything
/// else a top-level error.
pub fn answer<P: Payload>(result: app::Result<P>) -> Result<P> {
    result.or_else(|error| match error.user_errors() {
        Some(errors) => Ok(P::refused(
            errors.into_iter().map(UserError::from).collect(),
        )),
        None => Err(error.into()),
    })
}

/// An optional field of an update: left out, `null`, or a value.
pub fn patch<T>(it: MaybeUndefined<T>) -> Patch<T> {
    match it {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(it) => Patch::Set(it),
    }
}

/// Declares the payload of a mutation. Every field is nullable: empty when it was refused.
///
/// ```ignore
/// payload! {
///     /// Answer of `entityCreate`.
///     EntityCreatePayload {
///         /// The new entity.
///         entity: Entity,
///     }
/// }
/// // answer(app::dna::create(…).await.map(|it| EntityCreatePayload::of(Entity::from(it))))
/// ```
#[macro_export]
macro_rules! payload {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(async_graphql::SimpleObject)]
        pub struct $name {
            $($(#[$fmeta])* pub $field: Option<$ty>,)+
            /// Why it was refused; empty when it was done.
            pub user_errors: Vec<$crate::payload::UserError>,
        }

        impl $name {
            /// It was done.
            pub fn of($($field: $ty),+) -> Self {
                Self { $($field: Some($field),)+ user_errors: Vec::new() }
            }
        }

        impl $crate::payload::Payload for $name {
            fn refused(user_errors: Vec<$crate::payload::UserError>) -> Self {
                Self { $($field: None,)+ user_errors }
            }
        }
    };
}
