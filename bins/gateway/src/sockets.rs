//! The sockets and event streams that are open: how many a principal may have, and which to
//! close when a token is revoked.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use app::{Change, Viewer};
use axum::http::StatusCode;
use domain::identity::AccessTokenId;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{limits::Key, refusal::Refusal};

/// How often an open socket's token is checked again. A revocation in this process is told at
/// once; one in another process, or an end by time, is found so.
pub const RECHECK: Duration = Duration::from_secs(2);

/// What is open.
#[derive(Debug)]
pub struct Sockets {
    max_per_principal: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: HashMap<u64, Entry>,
    per_key: HashMap<Key, usize>,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    token: Option<AccessTokenId>,
    revoked: CancellationToken,
}

/// An open socket's place; dropping it frees the place.
#[derive(Debug)]
pub struct Socket {
    sockets: Arc<Sockets>,
    id: u64,
    transport: &'static str,
    /// Its token was revoked.
    pub revoked: CancellationToken,
}

impl Sockets {
    /// None open.
    pub fn new(max_per_principal: usize) -> Arc<Self> {
        Arc::new(Self {
            max_per_principal,
            open: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more.
    ///
    /// # Errors
    /// `RATE_LIMITED` when the principal has as many as it may.
    pub fn open(
        self: &Arc<Self>,
        viewer: &Viewer,
        address: IpAddr,
        transport: &'static str,
    ) -> Result<Socket, Refusal> {
        let key = Key::of(viewer, address);
        let revoked = CancellationToken::new();
        let id = {
            let mut open = self.lock();
            let count = open.per_key.entry(key).or_default();
            if *count >= self.max_per_principal {
                drop(open);
                metrics::counter!("anima_refused_total", "reason" => "sockets").increment(1);
                return Err(Refusal::rate_limited(
                    StatusCode::TOO_MANY_REQUESTS,
                    Duration::from_secs(10),
                    format!(
                        "{} sockets and streams are open already",
                        self.max_per_principal
                    ),
                ));
            }
            *count += 1;
            open.next += 1;
            let id = open.next;
            let entry = Entry {
                key,
                token: viewer.token,
                revoked: revoked.clone(),
            };
            open.entries.insert(id, entry);
            id
        };
        metrics::gauge!("anima_sockets", "transport" => transport).increment(1);
        Ok(Socket {
            sockets: Arc::clone(self),
            id,
            transport,
            revoked,
        })
    }

    /// Tells sockets of revoked tokens, until the gateway stops.
    pub async fn watch(self: Arc<Self>, mut changes: Receiver<Change>, closing: CancellationToken) {
        loop {
            let change = tokio::select! {
                () = closing.cancelled() => return,
                it = changes.recv() => it,
            };
            match change {
                Ok(Change::TokenRevoked(token)) => self.revoke(token),
                // What was missed is found when the tokens are checked again.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn revoke(&self, token: AccessTokenId) {
        for entry in self.lock().entries.values() {
            if entry.token == Some(token) {
                entry.revoked.cancel();
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut open = self.sockets.lock();
        if let Some(entry) = open.entries.remove(&self.id)
            && let Some(count) = open.per_key.get_mut(&entry.key)
        {
            *count -= 1;
            if *count == 0 {
                open.per_key.remove(&entry.key);
            }
        }
        drop(open);
        metrics::gauge!("anima_sockets", "transport" => self.transport).decrement(1);
    }
}

/// Counts a subscription while it lives.
#[derive(Debug)]
pub struct Counted(());

impl Counted {
    /// One more.
    pub fn new() -> Self {
        metrics::gauge!("anima_streams").increment(1);
        Self(())
    }
}

impl Default for Counted {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("anima_streams").decrement(1);
    }
}
