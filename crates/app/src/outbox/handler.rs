//! Who does which kind of task, and how many at once.

use std::{collections::BTreeMap, fmt, sync::Arc};

use domain::outbox::Task;
use futures_util::future::BoxFuture;

use crate::{Cx, Result, Txn, audit, conversation};

/// Writes that are committed with the mark that their task is done.
pub type Store = Box<dyn for<'a> FnOnce(&'a Cx, &'a Txn) -> BoxFuture<'a, Result<()>> + Send>;

/// A handler of writes alone.
pub type Quick =
    dyn for<'a> Fn(&'a Cx, &'a Txn, &'a Task) -> BoxFuture<'a, Result<()>> + Send + Sync;
/// A handler of outside work; it gives the writes.
pub type Slow = dyn for<'a> Fn(&'a Cx, &'a Task) -> BoxFuture<'a, Result<Store>> + Send + Sync;

/// How a kind of task is done.
#[derive(Clone)]
pub enum Work {
    /// By writes alone, which take no longer than a mutation: many tasks share a transaction.
    /// It touches nothing but the transaction, since it may be undone and run again.
    Quick(Arc<Quick>),
    /// By something slow or outside, without a transaction; then by the writes that gives. What
    /// it does outside may be done again when the process ends before the writes.
    Slow(Arc<Slow>),
}

/// Does one kind of task.
#[derive(Clone)]
pub struct Handler {
    /// The kind.
    pub task_type: &'static str,
    /// How many at once in a process: batches of quick tasks, or slow ones.
    pub concurrency: usize,
    /// How.
    pub work: Work,
}

impl Handler {
    /// Of writes alone. See [`Work::Quick`].
    pub fn quick(
        task_type: &'static str,
        concurrency: usize,
        work: impl for<'a> Fn(&'a Cx, &'a Txn, &'a Task) -> BoxFuture<'a, Result<()>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            task_type,
            concurrency,
            work: Work::Quick(Arc::new(work)),
        }
    }

    /// Of slow or outside work. See [`Work::Slow`].
    pub fn slow(
        task_type: &'static str,
        concurrency: usize,
        work: impl for<'a> Fn(&'a Cx, &'a Task) -> BoxFuture<'a, Result<Store>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            task_type,
            concurrency,
            work: Work::Slow(Arc::new(work)),
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("task_type", &self.task_type)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// The writes of a slow handler.
///
/// # Errors
/// None: it is the last line of a handler.
pub fn store(
    writes: impl for<'a> FnOnce(&'a Cx, &'a Txn) -> BoxFuture<'a, Result<()>> + Send + 'static,
) -> Result<Store> {
    Ok(Box::new(writes))
}

/// Who does which kind of task.
#[derive(Clone, Debug, Default)]
pub struct Handlers(BTreeMap<&'static str, Handler>);

impl Handlers {
    /// Every kind of task there is. A context adds its own by a line here.
    pub fn built_in() -> Self {
        Self::of([
            Handler::quick(audit::RECORD_EVENT, 2, |cx, txn, task| {
                Box::pin(audit::record_event(cx, txn, task))
            }),
            Handler::quick(conversation::MESSAGE_APPENDED, 2, |cx, txn, task| {
                Box::pin(conversation::message_appended(cx, txn, task))
            }),
        ])
    }

    /// These alone.
    pub fn of(handlers: impl IntoIterator<Item = Handler>) -> Self {
        let by_type = handlers.into_iter().map(|it| (it.task_type, it));
        Self(by_type.collect())
    }

    /// The one for a kind of task.
    pub fn get(&self, task_type: &str) -> Option<&Handler> {
        self.0.get(task_type)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Handler> {
        self.0.values()
    }
}
