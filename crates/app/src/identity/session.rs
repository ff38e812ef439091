//! Checking access tokens: by prefix, in constant time, and remembered for at most 30 seconds.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::identity::{AccessTokenId, Role, TokenKind, TokenText};
use moka::sync::Cache;
use persistence::identity::{TokenOwner, token_by_prefix, touch_token};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{attempts::Limits, password::Passwords};
use crate::{Error, Principal, Result, Services, Viewer};

/// How long a verified token is believed without asking the database again; so long may a
/// revocation take to reach another process.
const BELIEVED_FOR: TimeDelta = TimeDelta::seconds(30);
/// `last_used_at` is written at most so often.
const TOUCHED_EVERY: TimeDelta = TimeDelta::seconds(60);
/// A login token ends so long after its last use.
pub(crate) const LOGIN_LASTS: TimeDelta = TimeDelta::hours(12);

/// What this process remembers of tokens.
#[derive(Debug)]
pub struct Sessions {
    verified: Cache<String, Verified>,
    /// Counts what was forgotten, so that a check that began before does not remember after.
    forgotten: AtomicU64,
    pub(crate) limits: Limits,
    pub(crate) passwords: Passwords,
}

#[derive(Clone, Debug)]
struct Verified {
    secret_hash: String,
    viewer: Viewer,
    expires_at: Option<DateTime<Utc>>,
    believed_until: DateTime<Utc>,
}

impl Sessions {
    /// Nothing remembered. Bounded: at most 10 000 tokens.
    pub fn new() -> Self {
        let verified = Cache::builder()
            .max_capacity(10_000)
            .time_to_live(Duration::from_secs(30))
            .build();
        Self {
            verified,
            forgotten: AtomicU64::new(0),
            limits: Limits::new(),
            passwords: Passwords::new(),
        }
    }

    /// Forgets a token at once, after it was revoked or its owner changed.
    pub fn forget(&self, prefix: &str) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.verified.invalidate(prefix);
    }

    /// Forgets a token of which only the id is known, after another process revoked it.
    pub fn forget_token(&self, id: AccessTokenId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for (prefix, verified) in &self.verified {
            if verified.viewer.token == Some(id) {
                self.verified.invalidate(&*prefix);
            }
        }
    }

    /// Forgets everything, after a change that may touch many tokens.
    pub fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.verified.invalidate_all();
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

/// SHA-256 of a secret, in hexadecimal, as it is stored.
pub(crate) fn hash(secret: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(secret))
}

/// The viewer that a bearer token makes.
///
/// # Errors
/// [`Error::Unauthenticated`] for a text that is no token, an unknown, expired or revoked
/// one, or one whose owner is inactive: all alike.
pub async fn authenticate(services: &Arc<Services>, bearer: &str) -> Result<Viewer> {
    let now = services.clock.now();
    let token: TokenText = bearer.parse().map_err(|_| Error::Unauthenticated)?;
    let prefix = token.prefix.0.as_str();
    let offered = hash(token.secret.as_bytes());
    let same = |stored: &str| bool::from(stored.as_bytes().ct_eq(offered.as_bytes()));

    if let Some(known) = services.sessions.verified.get(prefix)
        && now < known.believed_until
        && known.expires_at.is_none_or(|at| now < at)
        && same(&known.secret_hash)
    {
        return Ok(known.viewer);
    }

    let forgotten = services.sessions.forgotten.load(Ordering::SeqCst);
    let found = token_by_prefix(services.db.reader(), prefix).await?;
    let found = found
        .filter(|it| same(&it.token.secret_hash))
        .ok_or(Error::Unauthenticated)?;
    let viewer = viewer_of(&found, now).ok_or(Error::Unauthenticated)?;
    let expires_at = note_use(services, &found, now);
    let verified = Verified {
        secret_hash: offered,
        viewer: viewer.clone(),
        expires_at,
        believed_until: now + BELIEVED_FOR,
    };
    let sessions = &services.sessions;
    sessions.verified.insert(prefix.to_owned(), verified);
    if sessions.forgotten.load(Ordering::SeqCst) != forgotten {
        // Revoked meanwhile, perhaps: not remembered, and the next check asks again.
        sessions.verified.invalidate(prefix);
    }
    Ok(viewer)
}

/// As [`authenticate`], with a limit on failures from one address: for the edge, where tokens
/// of strangers arrive.
///
/// # Errors
/// [`Error::RateLimited`] after 100 failures in a minute.
pub async fn check_token(
    services: &Arc<Services>,
    bearer: &str,
    address: Option<IpAddr>,
) -> Result<Viewer> {
    let Some(address) = address else {
        return authenticate(services, bearer).await;
    };
    let limits = &services.sessions.limits;
    limits.token_check(address, services.clock.now())?;
    let viewer = authenticate(services, bearer).await;
    if matches!(viewer, Err(Error::Unauthenticated)) {
        limits.token_failed(address, services.clock.now());
    }
    viewer
}

fn viewer_of(found: &TokenOwner, now: DateTime<Utc>) -> Option<Viewer> {
    let TokenOwner {
        token,
        user,
        device_owner,
    } = found;
    if !token.is_live(now) {
        return None;
    }
    let principal = match (user, token.device_id, device_owner) {
        (Some(user), None, _) if !user.is_active => return None,
        (Some(user), None, _) if user.role == Role::Service => Principal::Service { id: user.id },
        (Some(user), None, _) => Principal::User {
            id: user.id,
            role: user.role,
        },
        (None, Some(id), Some(owner)) => Principal::Device { id, owner: *owner },
        _ => return None,
    };
    Some(Viewer::by_token(principal, token.id, &token.scopes))
}

/// Writes `last_used_at` at most once a minute, and slides the end of a login. The request
/// does not wait for it. Gives the token's end.
fn note_use(
    services: &Arc<Services>,
    found: &TokenOwner,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let token = &found.token;
    let fresh = token
        .last_used_at
        .is_some_and(|at| now - at < TOUCHED_EVERY);
    if fresh {
        return token.expires_at;
    }
    let expires_at = match token.kind {
        TokenKind::Login => Some(now + LOGIN_LASTS),
        TokenKind::ApiKey | TokenKind::Device => token.expires_at,
    };
    let services = Arc::clone(services);
    let id: AccessTokenId = token.id;
    tokio::spawn(async move {
        if let Err(error) = touch_token(services.db.writer(), id, now, expires_at).await {
            tracing::warn!(?error, token = %id, "could not note the use of a token");
        }
    });
    expires_at
}
