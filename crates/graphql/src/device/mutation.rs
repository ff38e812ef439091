//! Mutations of device.

use app::device::{
    Cast, CastTarget, DeviceGroupCreate, DeviceGroupUpdate, DeviceRegister, DeviceUpdate,
    ZoneCreate, ZoneUpdate, device_delete, device_group_create, device_group_delete,
    device_group_update, device_register, device_token_rotate, device_update, entity_cast,
    entity_uncast, onboarding_complete, zone_create, zone_delete, zone_update,
};
use async_graphql::{Context, InputObject, MaybeUndefined, Object, OneofObject};
use domain::{
    device::{
        DeviceGroupId, DeviceGroupProfile, DeviceId, DeviceProfile, DeviceType, ZoneId, ZoneProfile,
    },
    dna::EntityId,
    identity::UserId,
};
use serde_json::json;

use super::{Device, DeviceGroup, Zone};
use crate::{
    Result, cx,
    dna::Entity,
    payload,
    payload::{answer, patch},
    scalar::Json,
};

/// A device to be registered.
#[derive(Debug, InputObject)]
pub struct DeviceRegisterInput {
    /// Whose; yourself when not said. Administrators register for others.
    owner_id: Option<UserId>,
    /// What to call it, 1–100 characters.
    name: String,
    /// What kind of hardware it is.
    device_type: DeviceType,
    /// The maker's model name, at most 100 characters.
    model: Option<String>,
    /// The hardware's serial number, unique in the installation: 1–100 letters, digits or
    /// `. _ : / -`.
    serial_number: Option<String>,
    /// Bluetooth Low Energy address, as in `A4:C1:38:00:11:22`.
    ble_address: Option<String>,
    /// Number of status LEDs, 0–1024; 5 when not said.
    led_count: Option<i32>,
    /// 1, a hub that acts by itself, or 2, an actuator that takes commands; 1 when not said.
    tier: Option<i32>,
    /// Where it stands, in your words, at most 200 characters.
    location: Option<String>,
    /// The zone it stands in, of the same owner.
    zone_id: Option<ZoneId>,
    /// The group it is coordinated with, of the same owner.
    group_id: Option<DeviceGroupId>,
    /// What it can do, at most 32 of `[a-z0-9_]{1,50}`; `audio_input` and `audio_output` when
    /// not said.
    capabilities: Option<Vec<String>>,
    /// What the first start gathered: a JSON object of at most 16 KiB.
    onboarding: Option<Json>,
    /// The same key again gives the same device, without its token; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `deviceRegister`.
    DeviceRegisterPayload {
        /// The new device.
        device: Device,
        /// The device's token, with the scopes read and write. It is shown here and never
        /// again; empty for a repeated request.
        token: String,
    }
}

/// Changes to a device: what is left out stays; what is null is cleared, or goes back to its
/// default.
#[derive(Debug, InputObject)]
pub struct DeviceUpdateInput {
    /// Which device.
    id: DeviceId,
    /// What to call it, 1–100 characters; cannot be cleared.
    name: MaybeUndefined<String>,
    /// What kind of hardware it is; null: custom.
    device_type: MaybeUndefined<DeviceType>,
    /// The maker's model name, at most 100 characters.
    model: MaybeUndefined<String>,
    /// The hardware's serial number, unique in the installation.
    serial_number: MaybeUndefined<String>,
    /// Bluetooth Low Energy address, as in `A4:C1:38:00:11:22`.
    ble_address: MaybeUndefined<String>,
    /// Number of status LEDs, 0–1024; null: 5.
    led_count: MaybeUndefined<i32>,
    /// 1 or 2; null: 1.
    tier: MaybeUndefined<i32>,
    /// Where it stands, in your words, at most 200 characters.
    location: MaybeUndefined<String>,
    /// The zone it stands in, of the same owner.
    zone_id: MaybeUndefined<ZoneId>,
    /// The group it is coordinated with, of the same owner.
    group_id: MaybeUndefined<DeviceGroupId>,
    /// What it can do; null: `audio_input` and `audio_output`.
    capabilities: MaybeUndefined<Vec<String>>,
    /// What the first start gathered: a JSON object of at most 16 KiB; null: nothing.
    onboarding: MaybeUndefined<Json>,
}

payload! {
    /// Answer of `deviceUpdate`.
    DeviceUpdatePayload {
        /// The device as it is now.
        device: Device,
    }
}

/// A device to be removed.
#[derive(Debug, InputObject)]
pub struct DeviceDeleteInput {
    /// Which device.
    id: DeviceId,
}

payload! {
    /// Answer of `deviceDelete`.
    DeviceDeletePayload {
        /// The id of the device that is gone.
        deleted_device_id: DeviceId,
    }
}

/// A device whose token is to be replaced.
#[derive(Debug, InputObject)]
pub struct DeviceTokenRotateInput {
    /// Which device.
    id: DeviceId,
}

payload! {
    /// Answer of `deviceTokenRotate`.
    DeviceTokenRotatePayload {
        /// The device.
        device: Device,
        /// The device's new token. It is shown here and never again.
        token: String,
    }
}

/// A first start that has been gone through.
#[derive(Debug, InputObject)]
pub struct DeviceOnboardingCompleteInput {
    /// Which device.
    id: DeviceId,
    /// What it gathered, in place of what was there: a JSON object of at most 16 KiB.
    onboarding: Option<Json>,
}

payload! {
    /// Answer of `deviceOnboardingComplete`.
    DeviceOnboardingCompletePayload {
        /// The device as it is now.
        device: Device,
    }
}

/// A zone to be made.
#[derive(Debug, InputObject)]
pub struct ZoneCreateInput {
    /// Whose; yourself when not said. Administrators make zones for others.
    owner_id: Option<UserId>,
    /// Its name, 1–100 characters, unique for the owner.
    name: String,
    /// What it is like, at most 500 characters.
    description: Option<String>,
    /// The zone it lies within, of the same owner; zones nest at most 8 deep.
    parent_id: Option<ZoneId>,
    /// The same key again gives the same zone; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `zoneCreate`.
    ZoneCreatePayload {
        /// The new zone.
        zone: Zone,
    }
}

/// Changes to a zone: what is left out stays; what is null is cleared.
#[derive(Debug, InputObject)]
pub struct ZoneUpdateInput {
    /// Which zone.
    id: ZoneId,
    /// Its name, 1–100 characters, unique for the owner; cannot be cleared.
    name: MaybeUndefined<String>,
    /// What it is like, at most 500 characters.
    description: MaybeUndefined<String>,
    /// The zone it lies within, of the same owner; neither itself nor one within it.
    parent_id: MaybeUndefined<ZoneId>,
}

payload! {
    /// Answer of `zoneUpdate`.
    ZoneUpdatePayload {
        /// The zone as it is now.
        zone: Zone,
    }
}

/// A zone to be removed.
#[derive(Debug, InputObject)]
pub struct ZoneDeleteInput {
    /// Which zone.
    id: ZoneId,
}

payload! {
    /// Answer of `zoneDelete`.
    ZoneDeletePayload {
        /// The id of the zone that is gone.
        deleted_zone_id: ZoneId,
    }
}

/// A device group to be made.
#[derive(Debug, InputObject)]
pub struct DeviceGroupCreateInput {
    /// Whose; yourself when not said. Administrators make groups for others.
    owner_id: Option<UserId>,
    /// Its name, 1–100 characters.
    name: String,
    /// What it is for, at most 500 characters.
    description: Option<String>,
    /// Settings shared by the group: a JSON object of at most 16 KiB.
    settings: Option<Json>,
    /// The same key again gives the same group; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `deviceGroupCreate`.
    DeviceGroupCreatePayload {
        /// The new group.
        device_group: DeviceGroup,
    }
}

/// Changes to a device group: what is left out stays; what is null is cleared.
#[derive(Debug, InputObject)]
pub struct DeviceGroupUpdateInput {
    /// Which group.
    id: DeviceGroupId,
    /// Its name, 1–100 characters; cannot be cleared.
    name: MaybeUndefined<String>,
    /// What it is for, at most 500 characters.
    description: MaybeUndefined<String>,
    /// Settings, in place of all that were there: a JSON object of at most 16 KiB; null: none.
    settings: MaybeUndefined<Json>,
}

payload! {
    /// Answer of `deviceGroupUpdate`.
    DeviceGroupUpdatePayload {
        /// The group as it is now.
        device_group: DeviceGroup,
    }
}

/// A device group to be removed.
#[derive(Debug, InputObject)]
pub struct DeviceGroupDeleteInput {
    /// Which group.
    id: DeviceGroupId,
}

payload! {
    /// Answer of `deviceGroupDelete`.
    DeviceGroupDeletePayload {
        /// The id of the group that is gone.
        deleted_device_group_id: DeviceGroupId,
    }
}

/// Onto which device: one of these.
#[derive(Debug, OneofObject)]
pub enum CastTargetInput {
    /// The one with this id.
    DeviceId(DeviceId),
    /// The one with this serial number.
    SerialNumber(String),
}

/// An entity to be cast onto a device.
#[derive(Debug, InputObject)]
pub struct EntityCastInput {
    /// Which entity.
    entity_id: EntityId,
    /// Onto which device, of the same owner.
    target: CastTargetInput,
}

payload! {
    /// Answer of `entityCast`.
    EntityCastPayload {
        /// The entity as it is now.
        entity: Entity,
        /// The device it lives on now.
        device: Device,
    }
}

/// An entity to be taken off its device.
#[derive(Debug, InputObject)]
pub struct EntityUncastInput {
    /// Which entity.
    entity_id: EntityId,
}

payload! {
    /// Answer of `entityUncast`.
    EntityUncastPayload {
        /// The entity as it is now.
        entity: Entity,
        /// The device that is free now; empty when the entity was on none.
        device: Device,
    }
}

/// Mutations of device.
#[derive(Debug, Default)]
pub struct DeviceMutation;

#[Object]
impl DeviceMutation {
    /// Registers a device and makes its token, which is shown once.
    async fn device_register(
        &self,
        ctx: &Context<'_>,
        input: DeviceRegisterInput,
    ) -> Result<DeviceRegisterPayload> {
        let DeviceRegisterInput {
            owner_id,
            name,
            device_type,
            model,
            serial_number,
            ble_address,
            led_count,
            tier,
            location,
            zone_id,
            group_id,
            capabilities,
            onboarding,
            idempotency_key,
        } = input;
        let default = DeviceProfile::new(name, device_type);
        let input = DeviceRegister {
            owner: owner_id,
            profile: DeviceProfile {
                model,
                serial_number,
                ble_address,
                led_count: led_count.unwrap_or(default.led_count),
                tier: tier.unwrap_or(default.tier),
                location,
                capabilities: capabilities.unwrap_or(default.capabilities),
                onboarding: onboarding.map_or(default.onboarding, |it| it.0),
                name: default.name,
                device_type,
            },
            zone: zone_id,
            group: group_id,
        };
        let done = device_register(cx(ctx), idempotency_key, input).await;
        answer(done.map(|(device, token)| DeviceRegisterPayload {
            device: Some(device.into()),
            token: token.map(|it| it.reveal()),
            user_errors: Vec::new(),
        }))
    }

    /// Changes what is said of a device, or where it stands.
    async fn device_update(
        &self,
        ctx: &Context<'_>,
        input: DeviceUpdateInput,
    ) -> Result<DeviceUpdatePayload> {
        let DeviceUpdateInput {
            id,
            name,
            device_type,
            model,
            serial_number,
            ble_address,
            led_count,
            tier,
            location,
            zone_id,
            group_id,
            capabilities,
            onboarding,
        } = input;
        let input = DeviceUpdate {
            id,
            name: patch(name),
            device_type: patch(device_type),
            model: patch(model),
            serial_number: patch(serial_number),
            ble_address: patch(ble_address),
            led_count: patch(led_count),
            tier: patch(tier),
            location: patch(location),
            zone: patch(zone_id),
            group: patch(group_id),
            capabilities: patch(capabilities),
            onboarding: patch(onboarding).map(|it| it.0),
        };
        let done = device_update(cx(ctx), input).await;
        answer(done.map(|it| DeviceUpdatePayload::of(it.into())))
    }

    /// Removes a device: its entity lives on, on none, and its tokens end at once.
    async fn device_delete(
        &self,
        ctx: &Context<'_>,
        input: DeviceDeleteInput,
    ) -> Result<DeviceDeletePayload> {
        let done = device_delete(cx(ctx), input.id).await;
        answer(done.map(DeviceDeletePayload::of))
    }

    /// Makes a new token for a device, which is shown once; the old one is refused from now on.
    async fn device_token_rotate(
        &self,
        ctx: &Context<'_>,
        input: DeviceTokenRotateInput,
    ) -> Result<DeviceTokenRotatePayload> {
        let done = device_token_rotate(cx(ctx), input.id).await;
        answer(
            done.map(|(device, token)| DeviceTokenRotatePayload::of(device.into(), token.reveal())),
        )
    }

    /// Notes that a device's first start has been gone through; for the device itself or its
    /// owner.
    async fn device_onboarding_complete(
        &self,
        ctx: &Context<'_>,
        input: DeviceOnboardingCompleteInput,
    ) -> Result<DeviceOnboardingCompletePayload> {
        let DeviceOnboardingCompleteInput { id, onboarding } = input;
        let done = onboarding_complete(cx(ctx), id, onboarding.map(|it| it.0)).await;
        answer(done.map(|it| DeviceOnboardingCompletePayload::of(it.into())))
    }

    /// Makes a zone.
    async fn zone_create(
        &self,
        ctx: &Context<'_>,
        input: ZoneCreateInput,
    ) -> Result<ZoneCreatePayload> {
        let ZoneCreateInput {
            owner_id,
            name,
            description,
            parent_id,
            idempotency_key,
        } = input;
        let input = ZoneCreate {
            owner: owner_id,
            profile: ZoneProfile { name, description },
            parent: parent_id,
        };
        let done = zone_create(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| ZoneCreatePayload::of(it.into())))
    }

    /// Changes a zone, or moves it with all that lies within it.
    async fn zone_update(
        &self,
        ctx: &Context<'_>,
        input: ZoneUpdateInput,
    ) -> Result<ZoneUpdatePayload> {
        let ZoneUpdateInput {
            id,
            name,
            description,
            parent_id,
        } = input;
        let input = ZoneUpdate {
            id,
            name: patch(name),
            description: patch(description),
            parent: patch(parent_id),
        };
        let done = zone_update(cx(ctx), input).await;
        answer(done.map(|it| ZoneUpdatePayload::of(it.into())))
    }

    /// Removes a zone and the zones within it; devices that stood there stand in none.
    async fn zone_delete(
        &self,
        ctx: &Context<'_>,
        input: ZoneDeleteInput,
    ) -> Result<ZoneDeletePayload> {
        let done = zone_delete(cx(ctx), input.id).await;
        answer(done.map(ZoneDeletePayload::of))
    }

    /// Makes a device group, with no device in it.
    async fn device_group_create(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupCreateInput,
    ) -> Result<DeviceGroupCreatePayload> {
        let DeviceGroupCreateInput {
            owner_id,
            name,
            description,
            settings,
            idempotency_key,
        } = input;
        let input = DeviceGroupCreate {
            owner: owner_id,
            profile: DeviceGroupProfile {
                name,
                description,
                settings: settings.map_or_else(|| json!({}), |it| it.0),
            },
        };
        let done = device_group_create(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| DeviceGroupCreatePayload::of(it.into())))
    }

    /// Changes a device group.
    async fn device_group_update(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupUpdateInput,
    ) -> Result<DeviceGroupUpdatePayload> {
        let DeviceGroupUpdateInput {
            id,
            name,
            description,
            settings,
        } = input;
        let input = DeviceGroupUpdate {
            id,
            name: patch(name),
            description: patch(description),
            settings: patch(settings).map(|it| it.0),
        };
        let done = device_group_update(cx(ctx), input).await;
        answer(done.map(|it| DeviceGroupUpdatePayload::of(it.into())))
    }

    /// Removes a device group; its devices are in none.
    async fn device_group_delete(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupDeleteInput,
    ) -> Result<DeviceGroupDeletePayload> {
        let done = device_group_delete(cx(ctx), input.id).await;
        answer(done.map(DeviceGroupDeletePayload::of))
    }

    /// Casts an entity onto a device, and off the one it was on. Again onto the same one:
    /// nothing changes. One entity lives on a device; a second is a `CONFLICT`.
    async fn entity_cast(
        &self,
        ctx: &Context<'_>,
        input: EntityCastInput,
    ) -> Result<EntityCastPayload> {
        let EntityCastInput { entity_id, target } = input;
        let target = match target {
            CastTargetInput::DeviceId(id) => CastTarget::Device(id),
            CastTargetInput::SerialNumber(serial) => CastTarget::SerialNumber(serial),
        };
        let done = entity_cast(cx(ctx), entity_id, target).await;
        answer(done.map(|Cast { entity, device }| EntityCastPayload {
            entity: Some(entity.into()),
            device: device.map(Device::from),
            user_errors: Vec::new(),
        }))
    }

    /// Takes an entity off the device it is cast onto; the device's conversations stay where
    /// they are. On none already: nothing changes.
    async fn entity_uncast(
        &self,
        ctx: &Context<'_>,
        input: EntityUncastInput,
    ) -> Result<EntityUncastPayload> {
        let done = entity_uncast(cx(ctx), input.entity_id).await;
        answer(done.map(|Cast { entity, device }| EntityUncastPayload {
            entity: Some(entity.into()),
            device: device.map(Device::from),
            user_errors: Vec::new(),
        }))
    }
}
