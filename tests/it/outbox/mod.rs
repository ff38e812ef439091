//! The outbox: tasks, leases, handlers, the worker, and the feed between processes.

mod admin;
pub mod feed;
mod rules;
mod sweeps;
mod working;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app::{
    Cx, Error, Result, Txn, Viewer, audit,
    outbox::{Enqueue, Handler, Handlers, Options, Worker, enqueue},
};
use domain::{
    audit::Event,
    outbox::{OutboxTaskId, Task},
    values::Json,
};
use persistence::outbox::{self as rows, Claim};
use serde_json::{Value, json};
use testkit::World;
use uuid::Uuid;

/// The type of the task that writes an event of its payload.
pub const NOTE: &str = "note";

/// Asks for work in a transaction of its own.
pub async fn ask(world: &World, task: Enqueue) -> OutboxTaskId {
    let cx = world.cx(&Viewer::system());
    let txn = cx.begin().await.unwrap();
    let id = enqueue(&cx, &txn, task).await.unwrap();
    txn.commit().await.unwrap();
    id
}

/// A note with a number.
pub fn note(n: usize) -> Enqueue {
    Enqueue::new(NOTE, json!({ "n": n }))
}

/// The effect of a note: an event of its number.
pub async fn write_note(cx: &Cx, txn: &Txn, payload: &Value) -> Result<()> {
    let event = Event {
        payload: Json(payload.clone()),
        ..audit::event(cx, "noted")
    };
    audit::log(cx, txn, event).await
}

/// Writes notes.
pub fn notes() -> Handler {
    Handler::quick(NOTE, 2, |cx, txn, task| {
        Box::pin(write_note(cx, txn, &task.payload.0))
    })
}

/// Fails whatever it is asked; counts how often.
pub fn failing(task_type: &'static str, message: &'static str) -> (Handler, Arc<AtomicUsize>) {
    let tried = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tried);
    let handler = Handler::quick(task_type, 1, move |_, _, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Err(Error::Internal(message.to_owned())) })
    });
    (handler, tried)
}

/// A worker with these handlers.
pub fn worker(world: &World, handlers: impl IntoIterator<Item = Handler>) -> Worker {
    let handlers = Handlers::of(handlers);
    Worker::new(&world.services, handlers, Options::default())
}

/// Does everything that is due with these handlers; gives how many tasks were tried.
pub async fn drain(world: &World, handlers: impl IntoIterator<Item = Handler>) -> u64 {
    worker(world, handlers).drain().await.unwrap()
}

/// The task as it is stored.
pub async fn stored(world: &World, id: OutboxTaskId) -> Task {
    let db = world.services.db.reader();
    let mut found = rows::tasks_by_ids(db, &[id]).await.unwrap();
    found.pop().unwrap()
}

/// The numbers that were noted, in order.
pub async fn noted(world: &World) -> Vec<u64> {
    let events = world.events().await;
    let mut numbers: Vec<u64> = events
        .iter()
        .filter(|it| it.event_type == "noted")
        .map(|it| it.payload.0["n"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Leases tasks as a worker does that is never heard of again.
pub async fn lease(world: &World, task_type: &str, limit: u64) -> (Uuid, Vec<Task>) {
    let cx = world.cx(&Viewer::system());
    let token: Uuid = cx.id();
    let claim = Claim {
        task_type,
        limit,
        token,
        until: cx.now() + chrono::TimeDelta::seconds(60),
        now: cx.now(),
    };
    let tasks = rows::claim(cx.writer(), claim).await.unwrap();
    (token, tasks)
}
