//! Use cases: authorize, load, decide, store. One function per command.
//!
//! Everything a use case may touch is in [`Cx`]; who asks is its [`Viewer`], and what that
//! viewer may reach comes out of the viewer as a scope, which the queries demand.
//!
//! # Recipe: a new use case
//!
//! ```ignore
//! pub async fn rename(cx: &Cx, id: ZoneId, input: ZoneRename) -> Result<Zone> {
//!     let scope = cx.viewer.devices(Access::Write)?;         // authorize
//!     let ZoneRename { name } = input;                       // destructure: no field forgotten
//!     let mut check = Check::new();
//!     let name = check.text("name", &name, 1..=100);
//!     check.done()?;
//!     let txn = cx.begin().await?;
//!     let zone = persistence::device::zone_in_scope(&txn, scope, id).await?  // load
//!         .ok_or(Error::not_found("id"))?;
//!     let zone = Zone { name, updated_at: cx.now(), ..zone };                // decide (domain)
//!     persistence::device::zones::replace(&txn, zone.clone()).await?;        // store
//!     audit::mutation(cx, &txn, "zoneUpdate", …).await?;
//!     txn.commit().await?;
//!     Ok(zone)
//! }
//! ```
//!
//! An expected refusal is an [`Error`] whose [`Error::user_errors`] is not empty; it becomes
//! `userErrors` of the payload. Whatever else goes wrong becomes a top-level error, whose
//! cause is logged and never sent. What need not be waited for is an outbox task, inserted
//! in the same transaction.

pub mod audit;
pub mod context;
pub mod conversation;
pub mod demo;
pub mod device;
pub mod dna;
pub mod error;
pub mod feed;
pub mod idempotency;
pub mod identity;
pub mod outbox;
pub mod persona;
pub mod sweep;
pub mod viewer;

pub use context::{Clock, Cx, Ids, Patch, Random, Request, Services, Settings, Txn};
pub use error::{Error, Result};
pub use feed::{Bus, Change};
pub use viewer::{Access, Principal, Viewer};
