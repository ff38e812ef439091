//! Writing the event log: every mutation and audited read, and what others report.

use std::sync::Arc;

use domain::{
    audit::{Event, EventId},
    identity::UserId,
    values::Json,
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
