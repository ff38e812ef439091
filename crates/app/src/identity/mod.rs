//! Persons, their accounts, tokens and consents.

mod session;

pub use session::{Sessions, authenticate};
