//! Persons, their accounts, tokens and consents.

mod attempts;
mod password;
mod session;
mod token;

pub use password::Password;
pub(crate) use session::hash;
pub use session::{Sessions, authenticate, check_token};
pub(crate) use token::revoke;
pub use token::{Holder, NewToken, TokenCreate, mint, token_create, token_revoke};
