//! Passwords: Argon2id with the library's defaults, on threads that may block.

use std::{num::NonZero, sync::LazyLock, thread::available_parallelism};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use domain::check::Check;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{Cx, Error, Result};

/// What is verified when there is nothing to verify, so that it takes as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| derive("nobody has this password", [0; 16]).unwrap_or_default());

/// A password as it came. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Keeps a flood of logins from taking all memory: a hash takes 19 MiB.
#[derive(Debug)]
pub(crate) struct Passwords(Semaphore);

impl Passwords {
    pub fn new() -> Self {
        Self(Semaphore::new(
            available_parallelism().map_or(2, NonZero::get),
        ))
    }
}

/// A new password has 10 to 256 characters; nothing else is asked of it.
pub(crate) fn check(check: &mut Check, path: &str, password: &Password) {
    // As `Check::text`, but blanks at the ends belong to the password.
    let count = password.0.chars().count();
    if !(10..=256).contains(&count) {
        let code = if count < 10 {
            domain::check::UserErrorCode::TooShort
        } else {
            domain::check::UserErrorCode::TooLong
        };
        check.fail(
            code,
            path,
            format!("the password has {count} characters: expected 10 to 256"),
        );
    }
}

/// The hash of a password, in PHC string form.
pub(crate) async fn hash(cx: &Cx, password: Password) -> Result<String> {
    let salt = cx.random.bytes();
    blocking(cx, move || derive(&password.0, salt)).await?
}

/// Whether the password is the one of the hash. Takes as long when there is no hash.
pub(crate) async fn verify(cx: &Cx, password: Password, hash: Option<String>) -> Result<bool> {
    blocking(cx, move || {
        let stored = hash.as_deref().unwrap_or(&NOBODY);
        let same = PasswordHash::new(stored).is_ok_and(|stored| {
            Argon2::default()
                .verify_password(password.0.as_bytes(), &stored)
                .is_ok()
        });
        same && hash.is_some()
    })
    .await
}

fn derive(password: &str, salt: [u8; 16]) -> Result<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| Error::Internal(format!("argon2: {error}")))?;
    Ok(hash.to_string())
}

async fn blocking<T: Send + 'static>(
    cx: &Cx,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let permit = cx.sessions.passwords.0.acquire().await;
    let done = spawn_blocking(work).await;
    drop(permit);
    done.map_err(|error| Error::Internal(format!("password thread: {error}")))
}
