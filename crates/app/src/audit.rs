//! The event log: every mutation and audited read, and what others report.
//!
//! It is append-only: nothing here changes or removes an entry. Administrators read it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::{Event, EventId, Severity, check_event_type, check_own_event_type},
    check::{Check, UserErrorCode},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    outbox::{OutboxTaskId, Task},
    values::Json,
};
use persistence::{
    audit::{EventFilter, events_by_ids, events_count, events_page},
    page::{Page, Slice},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Access, Change, Cx, Error, Principal, Result, Txn,
    feed::Logged,
    outbox::{self, Enqueue},
};

/// Adds an event to the log within a transaction; subscribers hear of it after commit.
pub async fn log(cx: &Cx, txn: &Txn, event: Event) -> Result<()> {
    let event = Event {
        correlation_id: cx.request.id.clone(),
        ..event
    };
    add(txn, event).await
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

/// At most so many types in a filter.
const MAX_TYPES: usize = 50;

/// One page of the log, with its length when it is wanted. Administrators only.
pub async fn events(
    cx: &Cx,
    filter: &EventFilter,
    newest_first: bool,
    page: &Page,
    wants_total: bool,
) -> Result<(Slice<Event>, Option<i64>)> {
    cx.viewer.require_admin()?;
    let mut check = Check::new();
    let types = filter.types.as_deref().unwrap_or_default();
    if types.len() > MAX_TYPES {
        let message = format!("{} types: expected at most {MAX_TYPES}", types.len());
        check.fail(UserErrorCode::TooLong, "filter.types", message);
    }
    for event_type in types.iter().take(MAX_TYPES) {
        check.nested("filter.types", check_event_type(event_type));
    }
    if let Some(id) = &filter.correlation_id {
        check.text("filter.correlationId", id, 0..=200);
    }
    check.done()?;
    let slice = events_page(cx.reader(), filter, newest_first, page).await?;
    let total = if wants_total {
        Some(i64::try_from(events_count(cx.reader(), filter).await?).unwrap_or(i64::MAX))
    } else {
        None
    };
    Ok((slice, total))
}

/// The entries with these ids; for administrators, and for others nothing.
pub async fn by_ids(cx: &Cx, ids: &[EventId]) -> Result<Vec<Event>> {
    if cx.viewer.is_admin() {
        Ok(events_by_ids(cx.reader(), ids).await?)
    } else {
        Ok(Vec::new())
    }
}

/// What a caller reports.
#[derive(Clone, Debug, Default)]
pub struct EventRecord {
    /// `[a-z_]{1,50}`, and none of the system's own.
    pub event_type: String,
    /// How much it matters.
    pub severity: Severity,
    /// The device it concerns; a device's own reports concern itself.
    pub device: Option<DeviceId>,
    /// The entity it concerns.
    pub entity: Option<EntityId>,
    /// What else there is to say: a JSON object of at most 16 KiB.
    pub payload: Option<Value>,
    /// When it happened, at most an hour ahead; now when not said.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// Adds what a caller reports of what is theirs.
///
/// # Errors
/// When the type is the system's own, the payload is too large, the time lies ahead, or the
/// device or entity is not one the viewer can see.
pub async fn record(cx: &Cx, input: EventRecord) -> Result<Event> {
    cx.viewer.require(Access::Write)?;
    let EventRecord {
        event_type,
        severity,
        device,
        entity,
        payload,
        occurred_at,
    } = input;
    let payload = payload.unwrap_or_else(|| Value::Object(Map::new()));
    let mut check = Check::new();
    check.nested("", check_own_event_type(&event_type));
    if payload.is_object() {
        check.document("payload", &payload, 16 * 1_024);
    } else {
        check.fail(
            UserErrorCode::Invalid,
            "payload",
            "payload must be a JSON object",
        );
    }
    if occurred_at.is_some_and(|at| at > cx.now() + TimeDelta::hours(1)) {
        let message = "occurredAt lies more than an hour ahead: check the reporter's clock";
        check.fail(UserErrorCode::OutOfRange, "occurredAt", message);
    }
    check.done()?;
    let device = match (cx.viewer.principal, device) {
        (Principal::Device { id, .. }, None) => Some(id),
        (_, device) => device,
    };
    if let Some(id) = device {
        let scope = cx.viewer.devices(Access::Read)?;
        let found = persistence::device::devices_by_ids(cx.reader(), scope, &[id]).await?;
        found.first().ok_or_else(|| Error::not_found("device"))?;
    }
    if let Some(id) = entity {
        let scope = cx.viewer.entities(Access::Read)?;
        let found = persistence::dna::entity_in_scope(cx.reader(), &scope, id).await?;
        found.ok_or_else(|| Error::not_found("entity"))?;
    }
    let occurred_at = occurred_at.unwrap_or_else(|| cx.now());
    let event = Event {
        device_id: device,
        entity_id: entity,
        user_id: cx.viewer.person(),
        severity,
        payload: Json(payload),
        created_at: cx.now(),
        ..Event::new(cx.id(), &event_type, occurred_at)
    };
    let txn = cx.begin().await?;
    log(cx, &txn, event.clone()).await?;
    txn.commit().await?;
    Ok(Event {
        correlation_id: cx.request.id.clone(),
        ..event
    })
}
