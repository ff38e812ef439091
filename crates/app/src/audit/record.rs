//! What others report: one event, or many at once.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::{Event, EventId, Severity, check_own_event_type},
    check::{Check, FieldError, Invalid, UserErrorCode},
    device::DeviceId,
    dna::EntityId,
    values::Json,
};
use persistence::{audit::events_by_ids, scope::EventScope};
use serde_json::{Map, Value};

use super::{call, log, log_all};
use crate::{
    Access, Cx, Error, Principal, Result,
    idempotency::{self, Claim, Once},
};

/// So many events can be reported at once.
pub const MAX_BATCH: usize = 1_000;

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

impl EventRecord {
    /// The event it makes, seen to be well-formed by itself.
    fn checked(self, cx: &Cx) -> Result<Event, Invalid> {
        let Self {
            event_type,
            severity,
            device,
            entity,
            payload,
            occurred_at,
        } = self;
        let payload = payload.unwrap_or_else(|| Value::Object(Map::new()));
        let mut check = Check::new();
        check.nested("", check_own_event_type(&event_type));
        if payload.is_object() {
            check.document("payload", &payload, 16 * 1_024);
        } else {
            let message = "payload must be a JSON object";
            check.fail(UserErrorCode::Invalid, "payload", message);
        }
        if occurred_at.is_some_and(|at| at > cx.now() + TimeDelta::hours(1)) {
            let message = "occurredAt lies more than an hour ahead: check the reporter's clock";
            check.fail(UserErrorCode::OutOfRange, "occurredAt", message);
        }
        check.done()?;
        let device_id = match (cx.viewer.principal, device) {
            (Principal::Device { id, .. }, None) => Some(id),
            (_, device) => device,
        };
        Ok(Event {
            device_id,
            entity_id: entity,
            user_id: cx.viewer.person(),
            severity,
            payload: Json(payload),
            created_at: cx.now(),
            ..Event::new(
                cx.id(),
                &event_type,
                occurred_at.unwrap_or_else(|| cx.now()),
            )
        })
    }
}

/// The devices and entities that events concern, as far as the viewer can see them: two
/// statements, however many events there are.
struct Seen {
    devices: HashSet<DeviceId>,
    entities: HashSet<EntityId>,
}

impl Seen {
    async fn of(cx: &Cx, events: &[Event]) -> Result<Self> {
        let devices: HashSet<_> = events.iter().filter_map(|it| it.device_id).collect();
        let entities: HashSet<_> = events.iter().filter_map(|it| it.entity_id).collect();
        let mut seen = Self {
            devices: HashSet::new(),
            entities: HashSet::new(),
        };
        if !devices.is_empty() {
            let ids: Vec<_> = devices.into_iter().collect();
            let scope = cx.viewer.devices(Access::Read)?;
            let found = persistence::device::devices_by_ids(cx.reader(), scope, &ids).await?;
            seen.devices.extend(found.iter().map(|it| it.id));
        }
        if !entities.is_empty() {
            let ids: Vec<_> = entities.into_iter().collect();
            let scope = cx.viewer.entities(Access::Read)?;
            let found = persistence::dna::entities_by_ids(cx.reader(), &scope, &ids).await?;
            seen.entities.extend(found.iter().map(|it| it.id));
        }
        Ok(seen)
    }

    fn check(&self, event: &Event) -> Result<(), Invalid> {
        let fault = |field: &str| {
            let message = format!("{field} names nothing that you can see");
            FieldError::new(UserErrorCode::NotFound, field, message)
        };
        let device = event.device_id.filter(|it| !self.devices.contains(it));
        let entity = event.entity_id.filter(|it| !self.entities.contains(it));
        let faults = [
            device.map(|_| fault("device")),
            entity.map(|_| fault("entity")),
        ];
        let faults: Vec<_> = faults.into_iter().flatten().collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Invalid(faults))
        }
    }
}

/// Adds what a caller reports of what is theirs.
///
/// # Errors
/// When the type is the system's own, the payload is too large, the time lies ahead, or the
/// device or entity is not one the viewer can see.
pub async fn record(cx: &Cx, once: Option<String>, input: EventRecord) -> Result<Event> {
    cx.viewer.require(Access::Write)?;
    let once = Once::new(once, "eventRecord", &input);
    let event = input.checked(cx)?;
    Seen::of(cx, std::slice::from_ref(&event))
        .await?
        .check(&event)?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<EventId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let found = events_by_ids(&*txn, EventScope::All, &[id]).await?.pop();
            return found.ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    log(cx, &txn, event.clone()).await?;
    claim.keep(&txn, event.id).await?;
    // No `api_call` beside it: the entry says itself who reported what, and when.
    txn.commit().await?;
    Ok(Event {
        correlation_id: cx.request.id.clone(),
        ..event
    })
}

/// Adds what a caller reports of what is theirs, in one transaction and one statement: all of
/// it, or nothing when anything is wrong. Gives how many events there were.
///
/// # Errors
/// Every fault of every event, its field beginning with `events` and the event's place in the
/// list, at most 100 of them; see [`record`].
pub async fn record_batch(cx: &Cx, once: Option<String>, input: Vec<EventRecord>) -> Result<usize> {
    cx.viewer.require(Access::Write)?;
    let once = Once::new(once, "eventRecordBatch", &input);
    let count = input.len();
    if !(1..=MAX_BATCH).contains(&count) {
        let code = match count {
            0 => UserErrorCode::TooShort,
            _ => UserErrorCode::TooLong,
        };
        let message = format!("{count} events: expected 1 to {MAX_BATCH}");
        return Err(Invalid::one(code, "events", message).into());
    }
    let mut check = Check::new();
    let place = |n: usize| format!("events.{n}");
    let events: Vec<Option<Event>> = (0..)
        .zip(input)
        .map(|(n, it)| check.nested(&place(n), it.checked(cx)))
        .collect();
    let well_formed: Vec<Event> = events.iter().flatten().cloned().collect();
    let seen = Seen::of(cx, &well_formed).await?;
    for (n, event) in events.iter().enumerate() {
        if let Some(event) = event {
            check.nested(&place(n), seen.check(event));
        }
    }
    check.done().map_err(|Invalid(mut faults)| {
        faults.sort_by_key(|it| it.field.get(1).and_then(|it| it.parse::<usize>().ok()));
        faults.truncate(MAX_FAULTS);
        Error::Invalid(Invalid(faults))
    })?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<usize>(cx, &txn, once).await? {
        Claim::Again(count) => return Ok(count),
        Claim::First(claim) => claim,
    };
    log_all(cx, &txn, well_formed).await?;
    claim.keep(&txn, count).await?;
    call(cx, &txn, "eventRecordBatch", None, None).await?;
    txn.commit().await?;
    Ok(count)
}

/// So many faults of a batch are told.
const MAX_FAULTS: usize = 100;
