//! Heartbeats: what a device says of itself every 30 seconds, and what follows from silence.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Event, Severity},
    check::{Check, UserErrorCode},
    device::{Device, DeviceHealth, DeviceId, DeviceStatus},
    values::Json,
};
use persistence::{
    device::{Heartbeat, device_to_change, devices_silent, heartbeat_again, heartbeat_replace},
    scope::DeviceScope,
};
use serde_json::json;

use super::{changed, itself};
use crate::{Access, Cx, Error, Result, audit};

/// What a device says, by its own token or through its owner.
#[derive(Clone, Debug, Default)]
pub struct DeviceHeartbeat {
    /// Which; a device that does not say means itself.
    pub id: Option<DeviceId>,
    /// Busy or faulty; online when not said.
    pub status: Option<DeviceStatus>,
    /// Its health, in place of what it said before. When it said so is filled in.
    pub health: Option<DeviceHealth>,
}

/// Notes that a device was heard. Nearly always that is one statement: another status, or the
/// first sign of life after 300 seconds, takes a transaction, is told to subscribers, and the
/// latter is logged as `device_connect`.
///
/// A heartbeat is no `api_call`: it changes nothing but the time it was heard, and the log
/// would hold little else.
pub async fn device_heartbeat(cx: &Cx, input: DeviceHeartbeat) -> Result<Device> {
    let scope = cx.viewer.devices(Access::Write)?;
    let DeviceHeartbeat { id, status, health } = input;
    let id = itself(cx, id, "id")?;
    let mut check = Check::new();
    if status == Some(DeviceStatus::Offline) {
        let message = "a device that is heard is not offline: say nothing, and it is";
        check.fail(UserErrorCode::Invalid, "status", message);
    }
    let health = health.map(|it| DeviceHealth {
        reported_at: cx.now(),
        ..it
    });
    let health = health.and_then(|it| check.nested("health", it.checked()));
    check.done()?;
    let heartbeat = Heartbeat {
        status: status.unwrap_or(DeviceStatus::Online),
        health,
        at: cx.now(),
    };
    match heartbeat_again(cx.writer(), scope, id, &heartbeat).await? {
        Some(device) => Ok(device),
        None => heard_anew(cx, scope, id, heartbeat).await,
    }
}

/// A heartbeat that changes how a device is.
async fn heard_anew(
    cx: &Cx,
    scope: DeviceScope,
    id: DeviceId,
    heartbeat: Heartbeat,
) -> Result<Device> {
    let Heartbeat { status, health, at } = heartbeat;
    let txn = cx.begin().await?;
    let before = device_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let mut events = Vec::new();
    if let Some(since) = before.unnoticed_since(at) {
        // It was away, and the sweep had not come round.
        events.push(disconnect(cx, &before, since));
    }
    if before.status_at(at) == DeviceStatus::Offline {
        events.push(Event {
            device_id: Some(id),
            user_id: Some(before.owner_id),
            payload: Json(json!({ "status": status })),
            ..audit::event(cx, "device_connect")
        });
    }
    if before.status_at(at) != status {
        changed(&txn, &before);
    }
    let device = Device {
        status,
        health: health.map(Json).or(before.health),
        last_heartbeat_at: Some(at),
        updated_at: at,
        ..before
    };
    heartbeat_replace(&*txn, &device).await?;
    audit::log_all(cx, &txn, events).await?;
    txn.commit().await?;
    Ok(device)
}

fn disconnect(cx: &Cx, device: &Device, since: DateTime<Utc>) -> Event {
    Event {
        device_id: Some(device.id),
        user_id: Some(device.owner_id),
        severity: Severity::Warning,
        payload: Json(json!({ "lastHeartbeatAt": device.last_heartbeat_at })),
        created_at: cx.now(),
        ..Event::new(cx.id(), "device_disconnect", since)
    }
}

/// So many devices are found silent at once.
const AT_ONCE: u64 = 200;

/// Makes what silence says true of the rows as well: devices that were not heard for 300
/// seconds are offline, and each is logged as `device_disconnect` once, of the time when it
/// became so. For a sweep; gives how many there were.
pub async fn devices_gone(cx: &Cx) -> Result<u64> {
    let mut gone = 0;
    loop {
        let now = cx.now();
        let txn = cx.begin().await?;
        let silent = devices_silent(&*txn, now, AT_ONCE).await?;
        let events = silent.iter().map(|it| {
            let since = it.unnoticed_since(now).unwrap_or(now);
            disconnect(cx, it, since)
        });
        audit::log_all(cx, &txn, events.collect()).await?;
        for device in &silent {
            changed(&txn, device);
        }
        txn.commit().await?;
        let found = u64::try_from(silent.len()).unwrap_or(AT_ONCE);
        gone += found;
        if found < AT_ONCE {
            return Ok(gone);
        }
    }
}
