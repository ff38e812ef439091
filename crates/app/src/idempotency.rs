//! The same request twice has one effect: `idempotencyKey` of the mutations that create or act.
//!
//! The key is claimed inside the transaction of the effect, so a repeat waits for the first to
//! commit, and a first that failed leaves no trace. Kept: the id of what was made, never its
//! content, never a secret. After 24 hours a key is free again.
//!
//! # Recipe
//!
//! ```ignore
//! pub async fn zone_create(cx: &Cx, once: Option<String>, input: ZoneCreate) -> Result<Zone> {
//!     let owner = cx.viewer.owner(input.owner)?;             // authorize and check first
//!     let once = Once::new(once, "zoneCreate", &input);      // `input: Debug` is the fingerprint
//!     let txn = cx.begin().await?;
//!     let claim = match idempotency::claim(cx, &txn, once).await? {
//!         Claim::Again(id) => {                              // id: ZoneId
//!             let zone = zone_by_id(&*txn, id).await?.ok_or_else(idempotency::gone)?;
//!             return Ok(zone);
//!         }
//!         Claim::First(claim) => claim,
//!     };
//!     let zone = …;
//!     zones::Entity::add(&*txn, zone.clone()).await?;
//!     claim.keep(&txn, zone.id).await?;                      // what a repeat is answered with
//!     audit::call(cx, &txn, "zoneCreate", Some(zone.id.to_string()), Some(owner)).await?;
//!     txn.commit().await?;
//!     Ok(zone)
//! }
//! ```

use std::{
    fmt::{Debug, Display},
    marker::PhantomData,
    str::FromStr,
};

use chrono::TimeDelta;
use domain::{check::Check, values::Json};
use persistence::idempotency::{self, Response, idempotency_keys};
use uuid::Uuid;

use crate::{Cx, Error, Principal, Result, Txn, identity::hash};

/// So long a key is remembered.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// A wish to be done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The client's key, 1–200 characters.
    pub key: String,
    /// The mutation, as the API names it.
    pub mutation: &'static str,
    /// SHA-256 of the input, in hexadecimal.
    pub fingerprint: String,
}

impl Once {
    /// The wish that comes with `key`, if there is one. Two inputs are the same when `Debug`
    /// shows them the same; what `Debug` hides (a password) does not count.
    pub fn new(key: Option<String>, mutation: &'static str, input: &impl Debug) -> Option<Self> {
        Some(Self {
            key: key?,
            mutation,
            fingerprint: hash(format!("{input:?}").as_bytes()),
        })
    }
}

/// Whether the request is new.
#[derive(Debug)]
pub enum Claim<T> {
    /// Do it, and [`First::keep`] the answer.
    First(First<T>),
    /// It was done, and made this.
    Again(T),
}

/// A claimed key, or no key at all.
#[derive(Debug)]
#[must_use = "keep the answer, or a repeat has none"]
pub struct First<T> {
    row: Option<(Uuid, String)>,
    of: PhantomData<T>,
}

impl<T: Display> First<T> {
    /// Keeps what was made, for whoever repeats the request.
    pub async fn keep(self, txn: &Txn, answer: T) -> Result<()> {
        if let Some((id, fingerprint)) = self.row {
            let response = Response {
                fingerprint,
                answer: Some(answer.to_string()),
            };
            idempotency::keep(&**txn, id, response).await?;
        }
        Ok(())
    }
}

/// Claims the key for the viewer, within the transaction of the effect.
///
/// # Errors
/// [`Error::Invalid`] for a key that is not 1–200 characters, [`Error::Conflict`] when the
/// viewer used it for something else, both of field `idempotencyKey`.
pub async fn claim<T: FromStr>(cx: &Cx, txn: &Txn, once: Option<Once>) -> Result<Claim<T>> {
    let Some(once) = once else {
        return Ok(Claim::First(First {
            row: None,
            of: PhantomData,
        }));
    };
    let Once {
        key,
        mutation,
        fingerprint,
    } = once;
    let mut check = Check::new();
    let key = check.text("idempotencyKey", &key, 1..=200);
    check.done()?;
    let row = idempotency_keys::Model {
        id: cx.id(),
        principal: principal(cx)?,
        key,
        mutation: mutation.to_owned(),
        response: Json(Response {
            fingerprint: fingerprint.clone(),
            answer: None,
        }),
        expires_at: cx.now() + KEPT,
        created_at: cx.now(),
    };
    if idempotency::claim(&**txn, row.clone()).await? {
        return Ok(Claim::First(First {
            row: Some((row.id, fingerprint)),
            of: PhantomData,
        }));
    }
    let before = idempotency::find(&**txn, &row.principal, &row.key)
        .await?
        .filter(|it| it.mutation == mutation && it.response.fingerprint == fingerprint)
        .ok_or_else(|| {
            let message = "this key was used for another request: take a new one";
            Error::conflict("idempotencyKey", message)
        })?;
    let answer = before.response.0.answer.and_then(|it| it.parse().ok());
    answer.map(Claim::Again).ok_or_else(gone)
}

/// What a repeat is told when what it made is there no longer.
pub fn gone() -> Error {
    Error::conflict(
        "idempotencyKey",
        "what this key made is there no longer: take a new one",
    )
}

/// Forgets expired keys, for a sweeper; gives how many.
pub async fn prune(cx: &Cx) -> Result<u64> {
    Ok(idempotency::prune(cx.writer(), cx.now()).await?)
}

/// Whose key it is. A service has a set of keys for each person it acts for.
fn principal(cx: &Cx) -> Result<String> {
    let own = match cx.viewer.principal {
        Principal::User { id, .. } | Principal::Service { id } => id.to_string(),
        Principal::Device { id, .. } => id.to_string(),
        Principal::System => "system".to_owned(),
        Principal::Anonymous => return Err(Error::Unauthenticated),
    };
    Ok(match cx.viewer.acts_for {
        Some(person) => format!("{own}:{person}"),
        None => own,
    })
}
