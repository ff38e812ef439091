//! The outbox: work asked for in a transaction, done after it by a worker, once.
//!
//! [`enqueue`] inserts the task in the caller's transaction: there is a task if and only if
//! there is the write it belongs to. A [`Worker`] leases it, and commits what its handler
//! writes together with the mark that it is done: killing a process at any moment loses no
//! task and repeats no effect.
//!
//! # Recipe: a new kind of task
//!
//! 1. A constant with its name beside the use case that asks for it, and
//!    `outbox::enqueue(cx, &txn, Enqueue::new(MESSAGE_APPENDED, json!({ "message": id })))`.
//! 2. A function that does it, of one of two shapes:
//!
//!    ```ignore
//!    // Writes alone. Many such tasks share a transaction.
//!    async fn message_appended(cx: &Cx, txn: &Txn, task: &Task) -> Result<()> {
//!        let Appended { message } = outbox::payload(task)?;
//!        …
//!    }
//!
//!    // Slow, or outside: first without a transaction; what it gives is run in one.
//!    async fn narrative_curate(cx: &Cx, task: &Task) -> Result<Store> {
//!        let text = cx.llm…answer(…).await?;
//!        outbox::store(move |cx, txn| Box::pin(async move { … Ok(()) }))
//!    }
//!    ```
//! 3. A line in [`Handlers::built_in`]: `Handler::quick(MESSAGE_APPENDED, 2, |cx, txn, task|
//!    Box::pin(message_appended(cx, txn, task)))`, or `Handler::slow(…)`.
//!
//! A handler that finds that there is nothing to do any more (the row is gone) gives `Ok`.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::Severity,
    check::Check,
    outbox::{OutboxError, OutboxTaskId, Task},
    values::Json,
};
use persistence::{
    outbox::{TaskFilter, outbox_tasks, tasks_by_ids, tasks_count, tasks_page},
    page::{Page, Slice},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Cx, Error, Result, Txn, audit};

mod handler;
mod worker;

pub use handler::{Handler, Handlers, Store, Work, store};
pub use worker::{Options, Worker};

/// Done tasks are kept so long.
const KEPT: TimeDelta = TimeDelta::days(7);
/// So many rows are deleted by one statement, which holds the write lock of SQLite.
const PRUNED_AT_ONCE: u64 = 1_000;

/// Work to ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Enqueue {
    /// Its kind, by which its handler is found.
    pub task_type: &'static str,
    /// What the handler needs to know: a JSON object, of ids rather than contents, so that what
    /// is erased meanwhile is not kept here.
    pub payload: Value,
    /// Not before; at once when not said.
    pub run_after: Option<DateTime<Utc>>,
    /// Folds into the open task of the same key, if there is one. What the payload says must
    /// then follow from the key, since the first one's stays.
    pub dedupe_key: Option<String>,
}

impl Enqueue {
    /// Work to be done at once; say more with struct update.
    pub fn new(task_type: &'static str, payload: Value) -> Self {
        Self {
            task_type,
            payload,
            run_after: None,
            dedupe_key: None,
        }
    }
}

/// Asks for work, in the transaction of the write it belongs to; wakes a worker after commit.
///
/// Gives the id of the task, or of the open one that it was folded into. One that waits then
/// runs at the earlier of both times; one that is running runs once more.
pub async fn enqueue(cx: &Cx, txn: &Txn, task: Enqueue) -> Result<OutboxTaskId> {
    let Enqueue {
        task_type,
        payload,
        run_after,
        dedupe_key,
    } = task;
    let now = cx.now();
    let task = Task {
        run_after: run_after.unwrap_or(now),
        dedupe_key,
        ..Task::new(cx.id(), task_type, payload, now)
    };
    let id = persistence::outbox::enqueue(&**txn, task).await?;
    txn.wake_worker();
    Ok(id)
}

/// What the payload of a task says.
///
/// # Errors
/// When it is not of this shape.
pub fn payload<T: DeserializeOwned>(task: &Task) -> Result<T> {
    T::deserialize(&task.payload.0)
        .map_err(|error| Error::Internal(format!("payload of {}: {error}", task.task_type)))
}

/// Does everything that is due, as a worker would, with the built-in handlers; gives how many
/// tasks were tried. For tests.
pub async fn drain(cx: &Cx) -> Result<u64> {
    Worker::new(cx.services(), Handlers::built_in(), Options::default())
        .drain()
        .await
}

/// Forgets tasks that were done over a week ago, for a sweep; gives how many. What failed
/// stays.
pub async fn prune(cx: &Cx) -> Result<u64> {
    let before = cx.now() - KEPT;
    let mut pruned = 0;
    loop {
        let rows = persistence::outbox::prune(cx.writer(), before, PRUNED_AT_ONCE).await?;
        pruned += rows;
        if rows < PRUNED_AT_ONCE {
            return Ok(pruned);
        }
    }
}

/// At most so many types in a filter.
const MAX_TYPES: usize = 50;

/// One page of the tasks, with their number when it is wanted. Administrators only.
pub async fn tasks(
    cx: &Cx,
    filter: &TaskFilter,
    latest_first: bool,
    page: &Page,
    wants_total: bool,
) -> Result<(Slice<Task>, Option<i64>)> {
    cx.viewer.require_admin()?;
    let mut check = Check::new();
    let types = filter.types.as_deref().unwrap_or_default();
    if types.len() > MAX_TYPES {
        let message = format!("{} types: expected at most {MAX_TYPES}", types.len());
        check.fail(
            domain::check::UserErrorCode::TooLong,
            "filter.types",
            message,
        );
    }
    for it in types.iter().take(MAX_TYPES) {
        check.text("filter.types", it, 0..=100);
    }
    if let Some(key) = &filter.dedupe_key {
        check.text("filter.dedupeKey", key, 0..=500);
    }
    check.done()?;
    let slice = tasks_page(cx.reader(), filter, latest_first, page).await?;
    let total = if wants_total {
        tasks_count(cx.reader(), filter).await?
    } else {
        None
    };
    Ok((slice, total))
}

/// The tasks with these ids; for administrators, and for others nothing.
pub async fn by_ids(cx: &Cx, ids: &[OutboxTaskId]) -> Result<Vec<Task>> {
    if cx.viewer.is_admin() {
        Ok(tasks_by_ids(cx.reader(), ids).await?)
    } else {
        Ok(Vec::new())
    }
}

/// Tries a task again that failed, at once and with all its attempts, or one that waits.
/// Administrators only.
///
/// # Errors
/// When it runs or is done, or its key belongs to another open task.
pub async fn task_retry(cx: &Cx, id: OutboxTaskId) -> Result<Task> {
    let task = change(cx, "taskRetry", id, |it| it.retry(cx.now())).await;
    task.map_err(|error| match error {
        Error::Persistence(persistence::Error::Taken(_)) => {
            let message = "the same was asked for again meanwhile, and is open: retry that one";
            Error::conflict("task", message)
        }
        other => other,
    })
}

/// Gives up a task that is open. One that just runs writes nothing. Administrators only.
///
/// # Errors
/// When it is done, or failed.
pub async fn task_cancel(cx: &Cx, id: OutboxTaskId) -> Result<Task> {
    let reason = "cancelled by an administrator";
    change(cx, "taskCancel", id, |it| it.cancel(reason, cx.now())).await
}

async fn change(
    cx: &Cx,
    operation: &'static str,
    id: OutboxTaskId,
    change: impl FnOnce(Task) -> Result<Task, OutboxError>,
) -> Result<Task> {
    cx.viewer.require(crate::Access::Write)?;
    cx.viewer.require_admin()?;
    let txn = cx.begin().await?;
    let task = persistence::outbox::locked(&*txn, id)
        .await?
        .ok_or_else(|| Error::not_found("task"))?;
    let task = change(task).map_err(|error| Error::conflict("task", error.to_string()))?;
    outbox_tasks::Entity::replace(&*txn, task.clone()).await?;
    audit::call(cx, &txn, operation, Some(id.to_string()), None).await?;
    txn.wake_worker();
    txn.commit().await?;
    Ok(task)
}

/// Notes in the log that a task was given up: somebody must look.
async fn log_dead(cx: &Cx, txn: &Txn, task: &Task) -> Result<()> {
    let event = domain::audit::Event {
        severity: Severity::Error,
        payload: Json(json!({
            "operation": "outbox",
            "object": task.id.to_string(),
            "taskType": task.task_type,
            "attempts": task.attempts,
        })),
        ..audit::event(cx, "error")
    };
    audit::log(cx, txn, event).await
}
