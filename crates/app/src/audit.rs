//! The event log: every mutation and audited read, and what others report.
//!
//! It is append-only: nothing here changes or removes an entry. Administrators read it.

use std::sync::Arc;

use domain::{
    audit::{Event, EventId, check_event_type},
    check::{Check, UserErrorCode},
    identity::UserId,
    values::Json,
};
use persistence::{
    audit::{EventFilter, events_by_ids, events_count, events_page},
    page::{Page, Slice},
};
use serde_json::{Map, Value};

use crate::{Change, Cx, Principal, Result, Txn};

/// Adds an event to the log within a transaction; subscribers hear of it after commit.
pub async fn log(cx: &Cx, txn: &Txn, event: Event) -> Result<()> {
    let event = Event {
        correlation_id: cx.request.id.clone(),
        ..event
    };
    persistence::audit::events::Entity::add(&**txn, event.clone()).await?;
    txn.publish(Change::EventLogged(Arc::new(event)));
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
