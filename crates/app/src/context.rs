//! `Cx`: everything a use case may touch, handed in.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::dna::voice::Catalogue;
use inference::{llm::Llm, tokens::Tokenizer};
use persistence::{Db, Reader};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use uuid::{ContextV7, Timestamp, Uuid};

use crate::{Bus, Change, Result, Viewer, dna::ExtractorChoice, identity::Sessions};

/// What one request works with: the services of the process, and who asks.
#[derive(Clone, Debug)]
pub struct Cx {
    services: Arc<Services>,
    reader: Reader,
    /// Who is asking, and what that allows.
    pub viewer: Viewer,
    /// Where the request came from.
    pub request: Request,
}

/// What is known of a request besides its text.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Ties log lines and audit events of one request together.
    pub id: Option<String>,
    /// The client's address, for limits.
    pub address: Option<std::net::IpAddr>,
}

/// What lives as long as the process.
#[derive(Debug)]
pub struct Services {
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// New identifiers.
    pub ids: Ids,
    /// Randomness: secrets and seeds.
    pub random: Random,
    /// The change feed.
    pub bus: Bus,
    /// Verified tokens and failed logins, in memory.
    pub sessions: Sessions,
    /// The large language model, where one is configured.
    pub llm: Option<Arc<dyn Llm>>,
    /// What the operator chose.
    pub settings: Settings,
}

/// What the operator can choose and use cases heed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version of the consent policy in force.
    pub policy_version: String,
    /// Who reads a story when the request does not say.
    pub extractor: ExtractorChoice,
    /// The voices to choose from.
    pub voices: Arc<Catalogue>,
    /// How long one try of the language model may take.
    pub llm_timeout: Duration,
    /// How long entries of the log are kept that are not critical; without end when not said.
    pub events_kept: Option<TimeDelta>,
    /// Counts the tokens of messages; a quarter of the characters where there is none.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy_version: "1".to_owned(),
            extractor: ExtractorChoice::Lexicon,
            voices: Arc::new(Catalogue::built_in().clone()),
            llm_timeout: Duration::from_secs(30),
            events_kept: Some(TimeDelta::days(90)),
            tokenizer: None,
        }
    }
}

impl Services {
    /// The real ones over `db`: the system's clock and randomness.
    pub fn system(db: Db, settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            db,
            clock: Clock::system(),
            ids: Ids::system(),
            random: Random::system(),
            bus: Bus::new(),
            sessions: Sessions::new(),
            llm: None,
            settings,
        })
    }

    /// A context for `viewer`.
    pub fn cx(self: &Arc<Self>, viewer: Viewer, request: Request) -> Cx {
        Cx {
            services: Arc::clone(self),
            reader: self.db.read(),
            viewer,
            request,
        }
    }

    /// A context for the system itself, such as first start and sweepers.
    pub fn system_cx(self: &Arc<Self>) -> Cx {
        self.cx(Viewer::system(), Request::default())
    }
}

impl Cx {
    /// The services, to make another context.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The same services and request, for another viewer.
    #[must_use]
    pub fn with_viewer(&self, viewer: Viewer) -> Self {
        Self {
            viewer,
            ..self.clone()
        }
    }

    /// The time, to the microsecond, which is what both engines keep.
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// A new identifier, in order of time.
    pub fn id<T: From<Uuid>>(&self) -> T {
        self.services.ids.next(self.now()).into()
    }

    /// For reading outside a transaction.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// For reading what may lag behind a little: from the replica, where there is one.
    pub fn lagging_reader(&self) -> &DatabaseConnection {
        self.services.db.lagging_reader()
    }

    /// The pool that writes, for a single statement; anything more takes [`Cx::begin`].
    pub fn writer(&self) -> &DatabaseConnection {
        self.services.db.writer()
    }

    /// A transaction that writes; what is published in it is told after commit only.
    pub async fn begin(&self) -> Result<Txn> {
        Ok(Txn {
            inner: self.services.db.begin().await?,
            bus: self.services.bus.clone(),
            changes: Mutex::default(),
            has_work: AtomicBool::new(false),
        })
    }
}

impl Deref for Cx {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

/// A transaction, and what to tell the world when it has been committed.
#[derive(Debug)]
pub struct Txn {
    inner: DatabaseTransaction,
    bus: Bus,
    changes: Mutex<Vec<Change>>,
    has_work: AtomicBool,
}

impl Txn {
    /// Tells subscribers, once the transaction is committed.
    pub fn publish(&self, change: Change) {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(change);
    }

    /// Wakes a worker, once the transaction is committed.
    pub(crate) fn wake_worker(&self) {
        self.has_work.store(true, Ordering::Relaxed);
    }

    /// Commits, then publishes.
    pub async fn commit(self) -> Result<()> {
        let Self {
            inner,
            bus,
            changes,
            has_work,
        } = self;
        inner.commit().await?;
        let changes = changes.into_inner().unwrap_or_else(PoisonError::into_inner);
        bus.tell(changes, has_work.into_inner());
        Ok(())
    }

    /// Undoes everything; nothing is published. Dropping does the same, a little later.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.inner.rollback().await?)
    }
}

impl Deref for Txn {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.inner
    }
}

/// A change to an optional value: an update tells "leave it" from "clear it".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not mentioned.
    #[default]
    Keep,
    /// Set to nothing.
    Clear,
    /// Set to a value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the change.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(it) => Some(it),
        }
    }

    /// The value after the change of something that always has one: `default` when cleared.
    pub fn or(self, before: T, default: T) -> T {
        match self {
            Self::Keep => before,
            Self::Clear => default,
            Self::Set(it) => it,
        }
    }

    /// The same change of something made from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(it) => Patch::Set(f(it)),
        }
    }

    /// The same change of something that may fail to be made from the value.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(it) => Patch::Set(f(it)?),
        })
    }
}

/// Where the time comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the real time"
        )]
        Self::new(Utc::now)
    }

    /// Any other.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time, to the microsecond.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)().trunc_subsecs(6)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Where identifiers come from: `UUIDv7`, in order within a process.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn(DateTime<Utc>) -> Uuid + Send + Sync>);

impl Ids {
    /// Random ones, counting up within a millisecond (RFC 9562, section 6.2, method 1).
    pub fn system() -> Self {
        let context = Mutex::new(ContextV7::new());
        Self::new(move |now| {
            let context = context.lock().unwrap_or_else(PoisonError::into_inner);
            let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
            Uuid::new_v7(Timestamp::from_unix(
                &*context,
                seconds,
                now.timestamp_subsec_nanos(),
            ))
        })
    }

    /// Any other.
    pub fn new(next: impl Fn(DateTime<Utc>) -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    fn next(&self, now: DateTime<Utc>) -> Uuid {
        (self.0)(now)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

/// Where randomness comes from.
#[derive(Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// A cryptographic generator seeded by the operating system.
    pub fn system() -> Self {
        let mut seed = [0; 32];
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that draws real randomness"
        )]
        rand::rng().fill_bytes(&mut seed);
        Self::seeded(seed)
    }

    /// The same sequence for the same seed, for tests and the demo world.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_seed(seed))))
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(&mut bytes);
        bytes
    }

    /// A random number, for a seed that is stored.
    pub fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
