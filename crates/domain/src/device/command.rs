//! Commands to devices: structured, never read out of text that merely contains a word.
//!
//! A command is kept as an event of the type `device_command`; what it says is the payload.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{Device, DeviceGroupId, DeviceId, DeviceStatus, MAX_DOCUMENT_BYTES};
use crate::{
    audit::{Event, EventId, check_event_type},
    check::{Check, Invalid, UserErrorCode},
    values::Json,
};

/// The type of the events that commands are kept as.
pub const DEVICE_COMMAND: &str = "device_command";
/// A broadcast reaches at most so many devices.
pub const MAX_BROADCAST: usize = 1_000;
/// So far back a device may ask for the commands it missed.
pub const COMMANDS_KEPT: TimeDelta = TimeDelta::hours(24);

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// `[a-z_]{1,50}`, such as `set_brightness`.
    pub command: String,
    /// Its arguments: a JSON object of at most 16 KiB.
    pub payload: Value,
}

impl Order {
    /// The same, seen to be well-formed.
    ///
    /// # Errors
    /// Every fault, with its field: `type`, `payload`.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut check = Check::new();
        if check_event_type(&self.command).is_err() {
            let message = "type must be 1 to 50 characters of a–z and _";
            check.fail(UserErrorCode::Invalid, "type", message);
        }
        if self.payload.is_object() {
            check.document("payload", &self.payload, MAX_DOCUMENT_BYTES);
        } else {
            let message = "payload must be a JSON object";
            check.fail(UserErrorCode::Invalid, "payload", message);
        }
        check.done()?;
        Ok(self)
    }
}

/// A command that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceCommand {
    /// Of the event that keeps it.
    pub id: EventId,
    /// What is to be done.
    pub order: Order,
    /// The hub that sent it; none for a broadcast.
    pub hub: Option<DeviceId>,
    /// The group it was broadcast to.
    pub group: Option<DeviceGroupId>,
    /// Who it was sent to.
    pub devices: Vec<DeviceId>,
    /// Who was meant by a broadcast, and offline: it was not sent to them.
    pub offline: Vec<DeviceId>,
    /// When.
    pub sent_at: DateTime<Utc>,
}

/// What the payload of the event says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    command: String,
    payload: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hub: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<DeviceGroupId>,
    devices: Vec<DeviceId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    offline: Vec<DeviceId>,
}

impl DeviceCommand {
    /// A broadcast to those of the devices that are not offline.
    pub fn broadcast(
        id: EventId,
        order: Order,
        group: Option<DeviceGroupId>,
        devices: &[Device],
        now: DateTime<Utc>,
    ) -> Self {
        let (offline, online): (Vec<&Device>, Vec<&Device>) = devices
            .iter()
            .partition(|it| it.status_at(now) == DeviceStatus::Offline);
        let ids = |devices: Vec<&Device>| devices.iter().map(|it| it.id).collect();
        Self {
            id,
            order,
            hub: None,
            group,
            devices: ids(online),
            offline: ids(offline),
            sent_at: now,
        }
    }

    /// As the event that keeps it; whom it concerns besides is to be said with struct update.
    pub fn event(&self) -> Event {
        let Self {
            id,
            order,
            hub,
            group,
            devices,
            offline,
            sent_at,
        } = self;
        let kept = Kept {
            command: order.command.clone(),
            payload: order.payload.clone(),
            hub: *hub,
            group: *group,
            devices: devices.clone(),
            offline: offline.clone(),
        };
        // Ids, texts and a JSON value: always JSON.
        let payload = serde_json::to_value(kept).unwrap_or_else(|_| Value::Object(Map::new()));
        Event {
            // A broadcast concerns no device more than the others.
            device_id: devices.first().copied().filter(|_| hub.is_some()),
            payload: Json(payload),
            ..Event::new(*id, DEVICE_COMMAND, *sent_at)
        }
    }

    /// Out of the event that keeps it; none when it keeps none, as after a person was erased.
    pub fn of(event: Event) -> Option<Self> {
        if event.event_type != DEVICE_COMMAND {
            return None;
        }
        let kept: Kept = serde_json::from_value(event.payload.0).ok()?;
        Some(Self {
            id: event.id,
            order: Order {
                command: kept.command,
                payload: kept.payload,
            },
            hub: kept.hub,
            group: kept.group,
            devices: kept.devices,
            offline: kept.offline,
            sent_at: event.occurred_at,
        })
    }
}

/// Whether a hub may send a device of the same owner a command now.
///
/// # Errors
/// When the sender is not of tier 1 (`hubId`), the receiver not of tier 2, or offline
/// (`deviceId`): a command to a device that does not listen would be lost.
pub fn check_command(hub: &Device, device: &Device, now: DateTime<Utc>) -> Result<(), Invalid> {
    let mut check = Check::new();
    if hub.tier != 1 {
        let message = "only a hub (tier 1) sends commands, and this device is of tier 2";
        check.fail(UserErrorCode::Conflict, "hubId", message);
    }
    if device.tier != 2 {
        let message = "only an actuator (tier 2) takes commands, and this device is of tier 1";
        check.fail(UserErrorCode::Conflict, "deviceId", message);
    } else if device.status_at(now) == DeviceStatus::Offline {
        let heard = match device.last_heartbeat_at {
            Some(at) => format!("unheard for {} seconds", (now - at).num_seconds()),
            None => "never heard".to_owned(),
        };
        let message = format!("the device is offline ({heard}): nothing was sent");
        check.fail(UserErrorCode::Conflict, "deviceId", message);
    }
    check.done()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn command(hub: Option<DeviceId>) -> DeviceCommand {
        DeviceCommand {
            id: EventId(Uuid::from_u128(1)),
            order: Order {
                command: "set_brightness".to_owned(),
                payload: json!({ "percent": 40 }),
            },
            hub,
            group: None,
            devices: vec![DeviceId(Uuid::from_u128(2)), DeviceId(Uuid::from_u128(3))],
            offline: Vec::new(),
            sent_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_command_is_kept_and_found_again() {
        for hub in [None, Some(DeviceId(Uuid::from_u128(9)))] {
            let sent = command(hub);
            let event = sent.event();
            assert_eq!(event.device_id.is_some(), hub.is_some());
            assert_eq!(DeviceCommand::of(event), Some(sent));
        }
        let other = Event::new(EventId(Uuid::nil()), "brewed", DateTime::UNIX_EPOCH);
        assert_eq!(DeviceCommand::of(other), None);
        let emptied = Event {
            payload: Json(json!({})),
            ..command(None).event()
        };
        assert_eq!(DeviceCommand::of(emptied), None);
    }

    #[test]
    fn an_order_is_structured() {
        let order = |command: &str, payload| Order {
            command: command.to_owned(),
            payload,
        };
        assert!(order("on", json!({})).checked().is_ok());
        for (command, payload) in [
            ("turn the lamp on", json!({})),
            ("", json!({})),
            ("on", json!("on")),
            ("on", json!({ "a": "x".repeat(MAX_DOCUMENT_BYTES) })),
        ] {
            assert!(order(command, payload).checked().is_err(), "{command}");
        }
    }
}
