//! Commands: from a hub to an actuator, and to many devices at once.
//!
//! A command is an event of the type `device_command`. A device hears it by a subscription; one
//! that comes back asks for what it missed since a time. To a device that is offline nothing
//! is sent, and the sender is told.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Event, EventId},
    check::{Check, FieldError, Invalid, UserErrorCode},
    device::{
        COMMANDS_KEPT, DEVICE_COMMAND, Device, DeviceCommand, DeviceGroupId, DeviceId,
        MAX_BROADCAST, Order, check_command,
    },
    identity::UserId,
};
use persistence::{
    audit::{events_by_ids, events_since},
    device::{device_groups_by_ids, devices_by_ids, devices_of_group},
    scope::{DeviceScope, EventScope},
};

use super::{itself, managed};
use crate::{
    Access, Change, Cx, Error, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A command from a hub to an actuator.
#[derive(Clone, Debug)]
pub struct DeviceCommandSend {
    /// The hub, of tier 1; a hub that does not say means itself.
    pub hub: Option<DeviceId>,
    /// The actuator, of tier 2 and of the same owner.
    pub device: DeviceId,
    /// What is to be done.
    pub order: Order,
}

/// Sends a command, by the hub's own token or for its owner.
///
/// # Errors
/// When the sender is no hub, the receiver no actuator or offline; see [`check_command`].
pub async fn device_command(
    cx: &Cx,
    once: Option<String>,
    input: DeviceCommandSend,
) -> Result<DeviceCommand> {
    let scope = cx.viewer.devices(Access::Write)?;
    let once = Once::new(once, "deviceCommand", &input);
    let DeviceCommandSend { hub, device, order } = input;
    let hub = itself(cx, hub, "hubId")?;
    let order = order.checked()?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<EventId>(cx, &txn, once).await? {
        Claim::Again(id) => return sent_before(&txn, id).await,
        Claim::First(claim) => claim,
    };
    let hub = devices_by_ids(&*txn, scope, &[hub])
        .await?
        .pop()
        .ok_or_else(|| Error::not_found("hubId"))?;
    // A hub reaches further than its own token: to what its owner has.
    let own = DeviceScope::OwnedBy(hub.owner_id);
    let device = devices_by_ids(&*txn, own, &[device])
        .await?
        .pop()
        .ok_or_else(|| Error::not_found("deviceId"))?;
    check_command(&hub, &device, cx.now())?;
    let command = DeviceCommand {
        id: cx.id(),
        order,
        hub: Some(hub.id),
        group: None,
        devices: vec![device.id],
        offline: Vec::new(),
        sent_at: cx.now(),
    };
    send(cx, &txn, &command, hub.owner_id).await?;
    claim.keep(&txn, command.id).await?;
    let object = Some(device.id.to_string());
    audit::call(cx, &txn, "deviceCommand", object, Some(hub.owner_id)).await?;
    txn.commit().await?;
    Ok(command)
}

/// A command to many devices of one owner.
#[derive(Clone, Debug)]
pub struct DeviceBroadcast {
    /// To this group.
    pub group: Option<DeviceGroupId>,
    /// To these; of the group, if one is named: all of it when none are.
    pub devices: Option<Vec<DeviceId>>,
    /// What is to be done.
    pub order: Order,
}

/// Sends a command to all devices of a group, or to some devices, that are not offline; the
/// answer says which are. One entry of the log, however many devices there are.
///
/// # Errors
/// When a device is not the owner's or not of the group, or all of them are offline.
pub async fn device_broadcast(
    cx: &Cx,
    once: Option<String>,
    input: DeviceBroadcast,
) -> Result<DeviceCommand> {
    let scope = managed(cx)?;
    let once = Once::new(once, "deviceBroadcast", &input);
    let DeviceBroadcast {
        group,
        devices,
        order,
    } = input;
    let order = order.checked()?;
    let mut check = Check::new();
    match (&group, &devices) {
        (None, None) => {
            let message = "say to whom: groupId, deviceIds or both";
            check.fail(UserErrorCode::Required, "groupId", message);
        }
        (_, Some(devices)) if !(1..=MAX_BROADCAST).contains(&devices.len()) => {
            let message = format!(
                "{} devices: expected 1 to {MAX_BROADCAST}, or none said for all of a group",
                devices.len()
            );
            check.fail(UserErrorCode::OutOfRange, "deviceIds", message);
        }
        _ => {}
    }
    check.done()?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<EventId>(cx, &txn, once).await? {
        Claim::Again(id) => return sent_before(&txn, id).await,
        Claim::First(claim) => claim,
    };
    let Meant { owner, devices } = meant(&txn, scope, group, devices).await?;
    let command = DeviceCommand::broadcast(cx.id(), order, group, &devices, cx.now());
    let (field, whose) = match group {
        Some(_) => ("groupId", "the group"),
        None => ("deviceIds", "the list"),
    };
    if command.devices.is_empty() {
        let message = format!("no device of {whose} is online: nothing was sent");
        return Err(Error::conflict(field, message));
    }
    send(cx, &txn, &command, owner).await?;
    claim.keep(&txn, command.id).await?;
    let object = group.map(|it| it.to_string());
    audit::call(cx, &txn, "deviceBroadcast", object, Some(owner)).await?;
    txn.commit().await?;
    Ok(command)
}

/// Whom a broadcast means.
struct Meant {
    owner: UserId,
    devices: Vec<Device>,
}

async fn meant(
    txn: &Txn,
    scope: DeviceScope,
    group: Option<DeviceGroupId>,
    named: Option<Vec<DeviceId>>,
) -> Result<Meant> {
    let whole = match group {
        Some(id) => device_groups_by_ids(&**txn, scope, &[id])
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("groupId"))
            .map(Some)?,
        None => None,
    };
    let scope = whole
        .as_ref()
        .map_or(scope, |it| DeviceScope::OwnedBy(it.owner_id));
    let Some(named) = named else {
        let Some(group) = whole else {
            return Err(Error::not_found("groupId"));
        };
        let limit = u64::try_from(MAX_BROADCAST).unwrap_or(u64::MAX);
        let devices = devices_of_group(&**txn, scope, group.id, limit + 1).await?;
        if devices.len() > MAX_BROADCAST {
            let message = format!(
                "the group has more than {MAX_BROADCAST} devices: broadcast to parts of it"
            );
            return Err(Error::conflict("groupId", message));
        }
        let owner = group.owner_id;
        return Ok(Meant { owner, devices });
    };
    let mut found = devices_by_ids(&**txn, scope, &named).await?;
    found.retain(|it| group.is_none() || it.group_id == group);
    let known: HashSet<DeviceId> = found.iter().map(|it| it.id).collect();
    let faults = named.iter().enumerate().filter_map(|(n, id)| {
        let message = "names no device that you can see, or none of the group";
        let fault = FieldError::new(UserErrorCode::NotFound, &format!("deviceIds.{n}"), message);
        (!known.contains(id)).then_some(fault)
    });
    let faults: Vec<FieldError> = faults.collect();
    if !faults.is_empty() {
        return Err(Invalid(faults).into());
    }
    found.sort_by_key(|it| it.id);
    let owner = found.first().map(|it| it.owner_id);
    let owner = owner.ok_or_else(|| Error::not_found("deviceIds"))?;
    if found.iter().any(|it| it.owner_id != owner) {
        let message = "the devices belong to different persons: broadcast to each by itself";
        return Err(Error::conflict("deviceIds", message));
    }
    Ok(Meant {
        owner,
        devices: found,
    })
}

/// Logs a command, and tells the devices that it is for.
pub(crate) async fn send(cx: &Cx, txn: &Txn, command: &DeviceCommand, owner: UserId) -> Result<()> {
    let event = Event {
        user_id: Some(owner),
        ..command.event()
    };
    audit::log(cx, txn, event).await?;
    let event = command.id;
    txn.publish(Change::DeviceCommanded { event, owner });
    Ok(())
}

/// What a repeated request sent the first time.
async fn sent_before(txn: &Txn, id: EventId) -> Result<DeviceCommand> {
    let event = events_by_ids(&**txn, EventScope::All, &[id]).await?.pop();
    event
        .and_then(DeviceCommand::of)
        .ok_or_else(idempotency::gone)
}

/// Somebody who hears the commands to a device: the device itself, or its owner in its place.
#[derive(Clone, Debug)]
pub struct CommandListener {
    cx: Cx,
    scope: DeviceScope,
    device: DeviceId,
    owner: UserId,
}

/// A listener for a device; a device that does not say which means itself.
///
/// # Errors
/// When the viewer does not see the device.
pub async fn listen(cx: &Cx, device: Option<DeviceId>) -> Result<CommandListener> {
    let scope = cx.viewer.devices(Access::Read)?;
    let device = itself(cx, device, "device")?;
    let found = devices_by_ids(cx.reader(), scope, &[device]).await?.pop();
    let owner = found.ok_or_else(|| Error::not_found("device"))?.owner_id;
    Ok(CommandListener {
        cx: cx.clone(),
        scope,
        device,
        owner,
    })
}

/// So many missed commands are told.
const MAX_MISSED: u64 = 1_000;

impl CommandListener {
    /// The commands sent to the device since that time, the oldest first.
    ///
    /// # Errors
    /// When that is over 24 hours ago, or the owner's devices were sent over 1000 commands
    /// since: nothing is left out in silence.
    pub async fn missed(&self, since: DateTime<Utc>) -> Result<Vec<DeviceCommand>> {
        if self.cx.now() - since > COMMANDS_KEPT {
            let message = "since lies over 24 hours back: a command is not kept so long";
            return Err(Invalid::one(UserErrorCode::OutOfRange, "since", message).into());
        }
        let limit = MAX_MISSED + 1;
        let db = self.cx.reader();
        let events = events_since(db, DEVICE_COMMAND, self.owner, since, limit).await?;
        if u64::try_from(events.len()).is_ok_and(|it| it > MAX_MISSED) {
            let message = format!("over {MAX_MISSED} commands were sent since: say a later time");
            return Err(Invalid::one(UserErrorCode::OutOfRange, "since", message).into());
        }
        let commands = events.into_iter().filter_map(DeviceCommand::of);
        Ok(commands
            .filter(|it| it.devices.contains(&self.device))
            .collect())
    }

    /// The command that a change tells of, if it is one to the device, and the viewer still
    /// sees the device.
    pub async fn heard(&self, change: &Change) -> Result<Option<DeviceCommand>> {
        let Change::DeviceCommanded { event, owner } = change else {
            return Ok(None);
        };
        if *owner != self.owner {
            return Ok(None);
        }
        let db = self.cx.reader();
        let event = events_by_ids(db, EventScope::All, &[*event]).await?.pop();
        let command = event
            .and_then(DeviceCommand::of)
            .filter(|it| it.devices.contains(&self.device));
        let Some(command) = command else {
            return Ok(None);
        };
        let seen = devices_by_ids(db, self.scope, &[self.device]).await?;
        Ok((!seen.is_empty()).then_some(command))
    }
}
