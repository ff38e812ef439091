//! The worker: leases tasks, runs their handlers, writes how they ended.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use domain::outbox::{OutboxTaskId, Task, TaskStatus};
use futures_util::FutureExt;
use persistence::outbox::{self as rows, Claim};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Handlers, Store, Work,
    handler::{Quick, Slow},
    log_dead,
};
use crate::{Cx, Error, Result, Services, Txn};

/// So many quick tasks share a transaction, at most.
const BATCH: u64 = 64;
/// The net under the wake-ups: so often a worker looks by itself.
const POLL: Duration = Duration::from_secs(5);
/// No try takes longer, so that one that hangs does not hold its place for ever.
const LONGEST_TRY: Duration = Duration::from_mins(15);
/// A pause after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a lease lasts; while the task runs it is extended at every third of that.
    pub lease: Duration,
    /// How many transactions at once, so that requests find connections too.
    pub transactions: usize,
    /// What is slow may go on so long after a stop was asked for; then it is given back.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            transactions: 4,
            grace: Duration::from_secs(5),
        }
    }
}

/// Leases tasks and does them.
#[derive(Debug)]
pub struct Worker {
    cx: Cx,
    handlers: Handlers,
    options: Options,
    /// The leases that are held, to be extended.
    leases: Arc<Mutex<HashSet<Uuid>>>,
    /// How many more of each kind may run.
    places: HashMap<&'static str, Arc<Semaphore>>,
    unknown: Arc<Semaphore>,
    transactions: Semaphore,
    closing: CancellationToken,
}

/// What was leased together.
struct Lane {
    lease: Lease,
    /// Of one kind.
    tasks: Vec<Task>,
    /// There may be more.
    is_full: bool,
}

/// A lease that is extended until this is dropped.
struct Lease {
    token: Uuid,
    held: Arc<Mutex<HashSet<Uuid>>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.held).remove(&self.token);
    }
}

fn lock(held: &Mutex<HashSet<Uuid>>) -> MutexGuard<'_, HashSet<Uuid>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Retried,
    Failed,
    /// Somebody else has it: nothing was written.
    Lost,
    /// Given back untried.
    Released,
}

impl Outcome {
    fn failed(dead: bool) -> Self {
        if dead { Self::Failed } else { Self::Retried }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Released => "released",
        }
    }
}

impl Worker {
    /// A worker with these handlers, at rest.
    pub fn new(services: &Arc<Services>, handlers: Handlers, options: Options) -> Self {
        let places = handlers
            .iter()
            .map(|it| (it.task_type, Arc::new(Semaphore::new(it.concurrency))))
            .collect();
        Self {
            cx: services.system_cx(),
            handlers,
            options,
            leases: Arc::default(),
            places,
            unknown: Arc::new(Semaphore::new(1)),
            transactions: Semaphore::new(options.transactions),
            closing: CancellationToken::new(),
        }
    }

    /// Works until `closing`: then what runs may finish, what does not finish soon is given
    /// back, and nothing is leased any more when this returns.
    pub async fn run(mut self, closing: CancellationToken) {
        self.closing = closing.clone();
        let worker = Arc::new(self);
        let heartbeat = tokio::spawn(Arc::clone(&worker).keep_leases());
        let mut lanes = JoinSet::new();
        let mut look_around = Instant::now();
        while !closing.is_cancelled() {
            if Instant::now() >= look_around {
                look_around = Instant::now() + POLL;
                worker.expire().await;
            }
            let pause = match worker.lease_round(&mut lanes).await {
                Ok(next) => next.min(look_around.saturating_duration_since(Instant::now())),
                Err(error) => {
                    tracing::warn!(error = reason(&error), "no tasks could be leased");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = closing.cancelled() => {}
                () = worker.cx.bus.work() => {}
                Some(_) = lanes.join_next() => {}
                () = sleep(pause) => {}
            }
            while lanes.try_join_next().is_some() {}
        }
        while lanes.join_next().await.is_some() {}
        heartbeat.abort();
    }

    /// Does everything that is due, one after the other; gives how many tasks were tried. For
    /// tests, whose clock stands still.
    pub async fn drain(self) -> Result<u64> {
        self.expire().await;
        let mut tried = 0;
        loop {
            let before = tried;
            for it in rows::waiting(self.cx.reader()).await? {
                while let Some(lane) = self.lease(&it.task_type).await? {
                    tried += lane.tasks.len() as u64;
                    self.work(lane).await;
                }
            }
            if tried == before {
                return Ok(tried);
            }
        }
    }

    /// Leases what is due and has a place, and sets it going; gives how long until something
    /// else is due.
    async fn lease_round(self: &Arc<Self>, lanes: &mut JoinSet<()>) -> Result<Duration> {
        let mut pause = POLL;
        for it in rows::waiting(self.cx.reader()).await? {
            let until = it.run_after - self.cx.now();
            if until > TimeDelta::zero() {
                pause = pause.min(until.to_std().unwrap_or(POLL));
                continue;
            }
            let places = self.places.get(it.task_type.as_str());
            while let Ok(place) = Arc::clone(places.unwrap_or(&self.unknown)).try_acquire_owned() {
                let Some(lane) = self.lease(&it.task_type).await? else {
                    break;
                };
                let (worker, is_full) = (Arc::clone(self), lane.is_full);
                lanes.spawn(async move {
                    worker.work(lane).await;
                    drop(place);
                });
                if !is_full {
                    break;
                }
            }
        }
        Ok(pause)
    }

    /// Leases what one lane does: a batch of quick tasks, or one slow one.
    async fn lease(&self, task_type: &str) -> Result<Option<Lane>> {
        let limit = match self.handlers.get(task_type).map(|it| &it.work) {
            Some(Work::Slow(_)) => 1,
            Some(Work::Quick(_)) | None => BATCH,
        };
        let token = self.cx.id();
        let now = self.cx.now();
        let claim = Claim {
            task_type,
            limit,
            token,
            until: now + self.lease_time(),
            now,
        };
        let tasks = rows::claim(self.cx.writer(), claim).await?;
        if tasks.is_empty() {
            return Ok(None);
        }
        lock(&self.leases).insert(token);
        let held = Arc::clone(&self.leases);
        Ok(Some(Lane {
            is_full: tasks.len() as u64 >= limit,
            lease: Lease { token, held },
            tasks,
        }))
    }

    fn lease_time(&self) -> TimeDelta {
        TimeDelta::from_std(self.options.lease).unwrap_or(TimeDelta::MAX)
    }

    /// Does what was leased, and writes how it ended.
    async fn work(&self, lane: Lane) {
        let Lane { lease, tasks, .. } = lane;
        let token = lease.token;
        let handler = tasks
            .first()
            .and_then(|it| self.handlers.get(&it.task_type));
        match handler.map(|it| &it.work) {
            None => {
                for task in tasks {
                    let why = format!("unknown task type {}: no handler does it", task.task_type);
                    let failed = task.give_up(&why, self.cx.now());
                    let outcome = self.write_failure(token, &failed).await;
                    self.note(&failed, outcome);
                }
            }
            Some(Work::Slow(work)) => {
                for task in tasks {
                    self.timed(&task, self.slow(token, &task, work.as_ref()))
                        .await;
                }
            }
            Some(Work::Quick(work)) => {
                let begun = Instant::now();
                if tasks.len() > 1
                    && let Ok(done) = self.together(token, &tasks, work.as_ref()).await
                {
                    let each = begun.elapsed() / u32::try_from(tasks.len()).unwrap_or(u32::MAX);
                    for task in &tasks {
                        let held = done.contains(&task.id);
                        self.note(task, if held { Outcome::Done } else { Outcome::Lost });
                        self.measure(task, each);
                    }
                    return;
                }
                // One that fails is found by running each by itself.
                for task in tasks {
                    self.timed(&task, self.quick(token, &task, work.as_ref()))
                        .await;
                }
            }
        }
    }

    async fn timed(&self, task: &Task, work: impl Future<Output = Outcome>) {
        let begun = Instant::now();
        let outcome = work.await;
        self.measure(task, begun.elapsed());
        self.note(task, outcome);
    }

    /// Many tasks in one transaction; gives those that were still ours.
    async fn together(
        &self,
        token: Uuid,
        tasks: &[Task],
        work: &Quick,
    ) -> Result<HashSet<OutboxTaskId>> {
        let _permit = self.transactions.acquire().await;
        let txn = self.cx.begin().await?;
        let ids = tasks.iter().map(|it| it.id);
        let held = rows::done(&*txn, token, ids, self.cx.now()).await?;
        let held: HashSet<OutboxTaskId> = held.into_iter().collect();
        for task in tasks.iter().filter(|it| held.contains(&it.id)) {
            caught(async { work(&self.cx, &txn, task).await }).await?;
        }
        txn.commit().await?;
        Ok(held)
    }

    async fn quick(&self, token: Uuid, task: &Task, work: &Quick) -> Outcome {
        let writes = async |cx: &Cx, txn: &Txn| work(cx, txn, task).await;
        self.finish(token, task, writes).await
    }

    async fn slow(&self, token: Uuid, task: &Task, work: &Slow) -> Outcome {
        let stopped = async {
            self.closing.cancelled().await;
            sleep(self.options.grace).await;
        };
        let prepared = tokio::select! {
            it = timeout(LONGEST_TRY, caught(async { work(&self.cx, task).await })) => it,
            () = stopped => return self.release(token).await,
        };
        let store: Result<Store> = prepared.unwrap_or_else(|_| {
            let limit = LONGEST_TRY.as_secs();
            Err(Error::Internal(format!("it took longer than {limit} s")))
        });
        match store {
            Ok(store) => {
                let writes = async |cx: &Cx, txn: &Txn| store(cx, txn).await;
                self.finish(token, task, writes).await
            }
            Err(error) => self.failed(token, task, &error).await,
        }
    }

    /// Commits the writes of one task with the mark that it is done, or how it failed.
    async fn finish(
        &self,
        token: Uuid,
        task: &Task,
        writes: impl AsyncFnOnce(&Cx, &Txn) -> Result<()>,
    ) -> Outcome {
        let committed = async {
            let _permit = self.transactions.acquire().await;
            let txn = self.cx.begin().await?;
            let held = rows::done(&*txn, token, [task.id], self.cx.now()).await?;
            if held.is_empty() {
                txn.rollback().await?;
                return Ok(Outcome::Lost);
            }
            caught(writes(&self.cx, &txn)).await?;
            txn.commit().await?;
            Ok(Outcome::Done)
        };
        match committed.await {
            Ok(outcome) => outcome,
            Err(error) => self.failed(token, task, &error).await,
        }
    }

    async fn failed(&self, token: Uuid, task: &Task, error: &Error) -> Outcome {
        if let Error::Persistence(persistence::Error::Unavailable(_)) = error {
            // Not the task's fault.
            return self.release(token).await;
        }
        let failed = task
            .clone()
            .fail(&reason(error), self.cx.now(), self.cx.random.number());
        self.write_failure(token, &failed).await
    }

    /// Under the lease, so that a task which somebody else has stays theirs.
    async fn write_failure(&self, token: Uuid, task: &Task) -> Outcome {
        let written = async {
            let txn = self.cx.begin().await?;
            if !rows::fail(&*txn, token, task).await? {
                txn.rollback().await?;
                return Ok(Outcome::Lost);
            }
            let dead = task.status == TaskStatus::Failed;
            if dead {
                log_dead(&self.cx, &txn, task).await?;
            }
            txn.commit().await?;
            Ok(Outcome::failed(dead))
        };
        written.await.unwrap_or_else(|error: Error| {
            // The lease runs out, and then it is tried again.
            tracing::warn!(task = %task.id, error = reason(&error), "a failure could not be written");
            Outcome::Lost
        })
    }

    async fn release(&self, token: Uuid) -> Outcome {
        if let Err(error) = rows::release(self.cx.writer(), token, self.cx.now()).await {
            tracing::warn!(%error, "a lease could not be given back: it runs out by itself");
        }
        Outcome::Released
    }

    /// Takes back leases that ran out.
    async fn expire(&self) {
        let expired = async {
            let txn = self.cx.begin().await?;
            let tasks = rows::expire(&*txn, self.cx.now()).await?;
            for task in tasks.iter().filter(|it| it.status == TaskStatus::Failed) {
                log_dead(&self.cx, &txn, task).await?;
            }
            txn.commit().await?;
            Ok::<_, Error>(tasks)
        };
        match expired.await {
            Ok(tasks) => {
                for task in &tasks {
                    let dead = task.status == TaskStatus::Failed;
                    self.note(task, Outcome::failed(dead));
                }
            }
            Err(error) => {
                tracing::warn!(error = reason(&error), "leases could not be looked through");
            }
        }
    }

    /// Counts a try, and logs one that went wrong.
    fn note(&self, task: &Task, outcome: Outcome) {
        let kind = self.handlers.kind(&task.task_type);
        metrics::counter!("anima_outbox_attempts_total", "type" => kind, "outcome" => outcome.as_str())
            .increment(1);
        if outcome != Outcome::Done {
            tracing::warn!(
                task = %task.id,
                task_type = task.task_type,
                attempts = task.attempts,
                outcome = outcome.as_str(),
                "a task was not done"
            );
        }
    }

    fn measure(&self, task: &Task, lasted: Duration) {
        let kind = self.handlers.kind(&task.task_type);
        metrics::histogram!("anima_outbox_seconds", "type" => kind).record(lasted.as_secs_f64());
    }

    /// Extends the leases of what runs.
    async fn keep_leases(self: Arc<Self>) {
        loop {
            sleep(self.options.lease / 3).await;
            let tokens: Vec<Uuid> = lock(&self.leases).iter().copied().collect();
            if tokens.is_empty() {
                continue;
            }
            let until = self.cx.now() + self.lease_time();
            if let Err(error) = rows::extend(self.cx.writer(), &tokens, until).await {
                tracing::warn!(%error, "leases could not be extended");
            }
        }
    }
}

/// What a handler gives, where a panic is a failure like any other.
async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("no text");
            Err(Error::Internal(format!("the handler panicked: {text}")))
        })
}

/// An error with its causes, for `last_error` and the log.
fn reason(error: &Error) -> String {
    let mut text = match error {
        Error::Internal(cause) => cause.clone(),
        other => other.to_string(),
    };
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
