//! The event log: every mutation and audited read, and what others report.
//!
//! It is append-only: nothing changes an entry, and none is removed but by age ([`prune`]).
//! Administrators read it; what a device lives through, its owner reads too.

mod read;
mod record;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Event, EventId, Severity},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    outbox::{OutboxTaskId, Task},
    values::Json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Change, Cx, Error, Principal, Result, Txn,
    feed::{EVENTS_AT_ONCE, Logged},
    outbox::{self, Enqueue},
};

pub use read::{EventCount, by_ids, event_counts, event_filter, event_scope, events, prune};
pub use record::{EventRecord, MAX_BATCH, record, record_batch};

/// Adds an event to the log within a transaction; subscribers hear of it after commit.
pub async fn log(cx: &Cx, txn: &Txn, event: Event) -> Result<()> {
    let event = Event {
        correlation_id: cx.request.id.clone(),
        ..event
    };
    add(txn, event).await
}

/// Adds many events to the log within a transaction, in one statement.
pub async fn log_all(cx: &Cx, txn: &Txn, all: Vec<Event>) -> Result<()> {
    let all = all.into_iter().map(|event| Event {
        correlation_id: cx.request.id.clone(),
        ..event
    });
    let mut all: Vec<Event> = all.collect();
    persistence::audit::events::Entity::add_all(&**txn, &all).await?;
    while !all.is_empty() {
        let rest = all.split_off(all.len().min(EVENTS_AT_ONCE));
        let told = all.into_iter().map(Logged::from).collect();
        txn.publish(Change::EventsLogged(told));
        all = rest;
    }
    Ok(())
}

/// A new event of this moment, to be completed with struct update.
pub fn event(cx: &Cx, event_type: &str) -> Event {
    Event::new(cx.id::<EventId>(), event_type, cx.now())
}

/// Notes a mutation or an audited read as an `api_call`: who, for whom, what; never content.
///
/// `object` is the TypeID of what it was done to.
pub async fn call(
    cx: &Cx,
    txn: &Txn,
    operation: &'static str,
    object: Option<String>,
    user: Option<UserId>,
) -> Result<()> {
    let mut payload = Map::new();
    payload.insert("operation".to_owned(), operation.into());
    payload.insert("outcome".to_owned(), "ok".into());
    if let Some(object) = object {
        payload.insert("object".to_owned(), object.into());
    }
    let by = match cx.viewer.principal {
        Principal::User { id, .. } | Principal::Service { id } => Some(id.to_string()),
        Principal::Device { id, .. } => Some(id.to_string()),
        Principal::System => Some("system".to_owned()),
        Principal::Anonymous => None,
    };
    if let Some(by) = by {
        payload.insert("by".to_owned(), by.into());
    }
    if let Some(person) = cx.viewer.acts_for {
        payload.insert("actsFor".to_owned(), person.to_string().into());
    }
    let device_id = match cx.viewer.principal {
        Principal::Device { id, .. } => Some(id),
        _ => None,
    };
    let event = Event {
        user_id: user.or(cx.viewer.person()),
        device_id,
        payload: Json(Value::Object(payload)),
        ..event(cx, "api_call")
    };
    log(cx, txn, event).await
}

/// The task that writes an event which was asked for by [`log_later`].
pub const RECORD_EVENT: &str = "record_event";

/// What [`RECORD_EVENT`] writes.
#[derive(Debug, Serialize, Deserialize)]
struct RecordEvent {
    event_type: String,
    device: Option<DeviceId>,
    entity: Option<EntityId>,
    user: Option<UserId>,
    conversation: Option<ConversationId>,
    payload: Value,
    severity: Severity,
    correlation_id: Option<String>,
    occurred_at: DateTime<Utc>,
}

/// Adds an event to the log soon after the transaction rather than within it: for those who
/// report much at once, and for whom an entry of the log is not worth waiting for. It gets an
/// id of its own when it is written.
pub async fn log_later(cx: &Cx, txn: &Txn, event: Event) -> Result<OutboxTaskId> {
    let Event {
        id: _,
        event_type,
        device_id,
        entity_id,
        user_id,
        conversation_id,
        payload,
        severity,
        correlation_id,
        occurred_at,
        partition_key: _,
        created_at: _,
    } = event;
    let record = RecordEvent {
        event_type,
        device: device_id,
        entity: entity_id,
        user: user_id,
        conversation: conversation_id,
        payload: payload.0,
        severity,
        correlation_id: correlation_id.or_else(|| cx.request.id.clone()),
        occurred_at,
    };
    let record =
        serde_json::to_value(record).map_err(|error| Error::Internal(error.to_string()))?;
    outbox::enqueue(cx, txn, Enqueue::new(RECORD_EVENT, record)).await
}

/// Writes an event that was asked for by [`log_later`].
pub(crate) async fn record_event(cx: &Cx, txn: &Txn, task: &Task) -> Result<()> {
    let RecordEvent {
        event_type,
        device,
        entity,
        user,
        conversation,
        payload,
        severity,
        correlation_id,
        occurred_at,
    } = outbox::payload(task)?;
    let event = Event {
        device_id: device,
        entity_id: entity,
        user_id: user,
        conversation_id: conversation,
        payload: Json(payload),
        severity,
        correlation_id,
        created_at: cx.now(),
        ..Event::new(cx.id(), &event_type, occurred_at)
    };
    add(txn, event).await
}

async fn add(txn: &Txn, event: Event) -> Result<()> {
    persistence::audit::events::Entity::add(&**txn, event.clone()).await?;
    txn.publish(Change::EventLogged(Logged::from(event)));
    Ok(())
}
