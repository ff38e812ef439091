//! Devices, the zones and groups they stand in, and the entities cast onto them.
//!
//! What people do with their devices. What a device does by itself, by its own token, is its
//! first start ([`onboarding_complete`]), its heartbeat, and, of a hub, commands; it manages
//! nothing, not even itself.

mod cast;
mod command;
mod group;
mod heartbeat;
mod pattern;
mod zone;

use domain::{
    check::{Invalid, UserErrorCode},
    device::{
        Device, DeviceGroupId, DeviceId, DeviceProfile, DeviceStatus, DeviceType, ZoneId,
        checked_onboarding,
    },
    identity::{Scope, TokenText, UserId},
    values::Json,
};
use persistence::{
    device::{self as rows, devices},
    scope::DeviceScope,
};
use sea_orm::ConnectionTrait;
use serde_json::Value;

use crate::{
    Access, Change, Cx, Error, Patch, Principal, Result, Txn, audit,
    idempotency::{self, Claim, Once},
    identity::{Holder, NewToken, mint, revoke},
};

pub use cast::{Cast, CastTarget, entity_cast, entity_uncast};
pub(crate) use command::send;
pub use command::{
    CommandListener, DeviceBroadcast, DeviceCommandSend, device_broadcast, device_command, listen,
};
pub use group::{
    DeviceGroupCreate, DeviceGroupUpdate, device_group_create, device_group_delete,
    device_group_update,
};
pub use heartbeat::{DeviceHeartbeat, device_heartbeat, devices_gone};
pub(crate) use pattern::patterns_learn;
pub use pattern::{PATTERNS_LEARN, patterns_refresh, patterns_sweep};
pub use zone::{ZoneCreate, ZoneUpdate, zone_create, zone_delete, zone_update};

/// The devices, zones and groups that the viewer manages.
fn managed(cx: &Cx) -> Result<DeviceScope> {
    match cx.viewer.devices(Access::Write)? {
        DeviceScope::Itself(_) => Err(Error::Forbidden(
            "a device does not manage devices: use a token of its owner",
        )),
        DeviceScope::None => Err(Error::Forbidden("this token reaches no devices")),
        scope @ (DeviceScope::OwnedBy(_) | DeviceScope::All) => Ok(scope),
    }
}

/// The device named, or the one that asks. `field` is the input field that names it.
fn itself(cx: &Cx, named: Option<DeviceId>, field: &str) -> Result<DeviceId> {
    let own = match cx.viewer.principal {
        Principal::Device { id, .. } => Some(id),
        _ => None,
    };
    named.or(own).ok_or_else(|| {
        let message = format!("say which device: {field} is required here");
        Invalid::one(UserErrorCode::Required, field, message).into()
    })
}

/// Tells subscribers that a device is not as it was.
pub(crate) fn changed(txn: &Txn, device: &Device) {
    txn.publish(Change::DeviceChanged {
        device: device.id,
        owner: device.owner_id,
    });
}

/// A device to be registered.
#[derive(Clone, Debug)]
pub struct DeviceRegister {
    /// Whose; oneself when not said.
    pub owner: Option<UserId>,
    /// What is said of it.
    pub profile: DeviceProfile,
    /// Where it stands: a zone of the same owner.
    pub zone: Option<ZoneId>,
    /// With which it is coordinated: a group of the same owner.
    pub group: Option<DeviceGroupId>,
}

/// Registers a device, offline until it is heard, and makes its token. The token's text is
/// there the first time only: a repeat with the same key of idempotency gives the device
/// without it.
///
/// # Errors
/// [`Error::Taken`] for a serial number that any device has; it does not say whose.
pub async fn device_register(
    cx: &Cx,
    once: Option<String>,
    input: DeviceRegister,
) -> Result<(Device, Option<TokenText>)> {
    let scope = managed(cx)?;
    let once = Once::new(once, "deviceRegister", &input);
    let DeviceRegister {
        owner,
        profile,
        zone,
        group,
    } = input;
    let owner = cx.viewer.owner(owner)?;
    let profile = profile.checked()?;

    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<DeviceId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let device = rows::device_to_change(&*txn, scope, id).await?;
            return Ok((device.ok_or_else(idempotency::gone)?, None));
        }
        Claim::First(claim) => claim,
    };
    check_place(&*txn, scope, owner, zone, group).await?;
    let device = profiled(
        Device {
            id: cx.id(),
            owner_id: owner,
            name: String::new(),
            device_type: DeviceType::Custom,
            model: None,
            status: DeviceStatus::Offline,
            serial_number: None,
            ble_address: None,
            led_count: 0,
            tier: 1,
            location: None,
            zone_id: zone,
            group_id: group,
            capabilities: Json(Vec::new()),
            first_boot_complete: false,
            onboarding: Json(Value::Null),
            health: None,
            last_heartbeat_at: None,
            active_persona_definition_id: None,
            active_conversation_id: None,
            created_at: cx.now(),
            updated_at: cx.now(),
        },
        profile,
    );
    devices::Entity::add(&*txn, device.clone())
        .await
        .map_err(serial_number_taken)?;
    let text = mint_for(cx, &txn, &device).await?;
    claim.keep(&txn, device.id).await?;
    changed(&txn, &device);
    let object = Some(device.id.to_string());
    audit::call(cx, &txn, "deviceRegister", object, Some(owner)).await?;
    txn.commit().await?;
    Ok((device, Some(text)))
}

/// The device with what is said of it.
fn profiled(device: Device, profile: DeviceProfile) -> Device {
    let DeviceProfile {
        name,
        device_type,
        model,
        serial_number,
        ble_address,
        led_count,
        tier,
        location,
        capabilities,
        onboarding,
    } = profile;
    Device {
        name,
        device_type,
        model,
        serial_number,
        ble_address,
        led_count,
        tier,
        location,
        capabilities: Json(capabilities),
        onboarding: Json(onboarding),
        ..device
    }
}

/// Whether zone and group are there, and the owner's.
async fn check_place(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    owner: UserId,
    zone: Option<ZoneId>,
    group: Option<DeviceGroupId>,
) -> Result<()> {
    if let Some(id) = zone {
        let found = rows::zones_by_ids(db, scope, &[id]).await?;
        if !found.iter().any(|it| it.owner_id == owner) {
            return Err(Error::not_found("zoneId"));
        }
    }
    if let Some(id) = group {
        let found = rows::device_groups_by_ids(db, scope, &[id]).await?;
        if !found.iter().any(|it| it.owner_id == owner) {
            return Err(Error::not_found("groupId"));
        }
    }
    Ok(())
}

/// The only unique value of a device is its serial number.
fn serial_number_taken(error: persistence::Error) -> Error {
    match error {
        persistence::Error::Taken(_) => Error::taken(
            "serialNumber",
            "serialNumber is taken: a device with it is registered already",
        ),
        other => other.into(),
    }
}

/// A token by which the device speaks for itself.
async fn mint_for(cx: &Cx, txn: &Txn, device: &Device) -> Result<TokenText> {
    let new = NewToken {
        holder: Holder::Device(device.id),
        name: device.name.clone(),
        scopes: vec![Scope::Read, Scope::Write],
        expires_at: None,
    };
    let (_, text) = mint(cx, txn, new).await?;
    Ok(text)
}

/// Changes to a device. What has a default goes back to it when cleared.
#[derive(Clone, Debug)]
pub struct DeviceUpdate {
    /// Which.
    pub id: DeviceId,
    /// Cannot be cleared.
    pub name: Patch<String>,
    /// `custom` when cleared.
    pub device_type: Patch<DeviceType>,
    /// The maker's model name.
    pub model: Patch<String>,
    /// Unique in the installation.
    pub serial_number: Patch<String>,
    /// Bluetooth Low Energy address.
    pub ble_address: Patch<String>,
    /// Number of status LEDs.
    pub led_count: Patch<i32>,
    /// 1 or 2.
    pub tier: Patch<i32>,
    /// In the owner's words.
    pub location: Patch<String>,
    /// A zone of the same owner.
    pub zone: Patch<ZoneId>,
    /// A group of the same owner.
    pub group: Patch<DeviceGroupId>,
    /// What it can do.
    pub capabilities: Patch<Vec<String>>,
    /// What the first start gathered.
    pub onboarding: Patch<Value>,
}

/// Changes what is said of a device, or where it stands.
pub async fn device_update(cx: &Cx, input: DeviceUpdate) -> Result<Device> {
    let scope = managed(cx)?;
    let DeviceUpdate {
        id,
        name,
        device_type,
        model,
        serial_number,
        ble_address,
        led_count,
        tier,
        location,
        zone,
        group,
        capabilities,
        onboarding,
    } = input;
    let txn = cx.begin().await?;
    let device = rows::device_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let default = DeviceProfile::new("", DeviceType::Custom);
    let before = device.clone();
    let profile = DeviceProfile {
        name: name.or(before.name, default.name),
        device_type: device_type.or(before.device_type, default.device_type),
        model: model.apply(before.model),
        serial_number: serial_number.apply(before.serial_number),
        ble_address: ble_address.apply(before.ble_address),
        led_count: led_count.or(before.led_count, default.led_count),
        tier: tier.or(before.tier, default.tier),
        location: location.apply(before.location),
        capabilities: capabilities.or(before.capabilities.0, default.capabilities),
        onboarding: onboarding.or(before.onboarding.0, default.onboarding),
    };
    let profile = profile.checked()?;
    let zone_id = zone.apply(device.zone_id);
    let group_id = group.apply(device.group_id);
    check_place(&*txn, scope, device.owner_id, zone_id, group_id).await?;
    let device = Device {
        zone_id,
        group_id,
        updated_at: cx.now(),
        ..profiled(device, profile)
    };
    devices::Entity::replace(&*txn, device.clone())
        .await
        .map_err(serial_number_taken)?;
    changed(&txn, &device);
    let object = Some(device.id.to_string());
    audit::call(cx, &txn, "deviceUpdate", object, Some(device.owner_id)).await?;
    txn.commit().await?;
    Ok(device)
}

/// Removes a device. The entity cast there lives on, on none; its tokens end at once; its
/// conversations stay with their people.
pub async fn device_delete(cx: &Cx, id: DeviceId) -> Result<DeviceId> {
    let scope = managed(cx)?;
    let txn = cx.begin().await?;
    let device = rows::device_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let tokens = rows::device_tokens(&*txn, id).await?;
    revoke(cx, &txn, tokens.clone()).await?;
    rows::device_delete(&*txn, id).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "deviceDelete", object, Some(device.owner_id)).await?;
    txn.commit().await?;
    for token in tokens {
        cx.sessions.forget(&token.prefix);
    }
    Ok(id)
}

/// Makes a new token for a device; the old one is refused at once in this process and within
/// 30 seconds in others. The text is to be shown once.
pub async fn device_token_rotate(cx: &Cx, id: DeviceId) -> Result<(Device, TokenText)> {
    let scope = managed(cx)?;
    let txn = cx.begin().await?;
    // Holding the device keeps two rotations from leaving two live tokens.
    let device = rows::device_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let tokens = rows::device_tokens(&*txn, id).await?;
    revoke(cx, &txn, tokens.clone()).await?;
    let text = mint_for(cx, &txn, &device).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "deviceTokenRotate", object, Some(device.owner_id)).await?;
    txn.commit().await?;
    for token in tokens {
        cx.sessions.forget(&token.prefix);
    }
    Ok((device, text))
}

/// Notes that a device's first start has been gone through, with what it gathered. The device
/// itself or its owner says so; saying it again changes what was gathered, if that is given.
pub async fn onboarding_complete(
    cx: &Cx,
    id: DeviceId,
    onboarding: Option<Value>,
) -> Result<Device> {
    let scope = cx.viewer.devices(Access::Write)?;
    let onboarding = onboarding.map(checked_onboarding).transpose()?;
    let txn = cx.begin().await?;
    let device = rows::device_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let device = Device {
        first_boot_complete: true,
        onboarding: onboarding.map_or(device.onboarding, Json),
        updated_at: cx.now(),
        ..device
    };
    devices::Entity::replace(&*txn, device.clone()).await?;
    changed(&txn, &device);
    let object = Some(id.to_string());
    let owner = Some(device.owner_id);
    audit::call(cx, &txn, "deviceOnboardingComplete", object, owner).await?;
    txn.commit().await?;
    Ok(device)
}
