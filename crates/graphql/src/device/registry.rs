//! Mutations of the registry of devices.

use app::device::{
    DeviceRegister, DeviceUpdate, device_delete, device_register, device_token_rotate,
    device_update, onboarding_complete,
};
use async_graphql::{Context, InputObject, MaybeUndefined, Object};
use domain::{
    device::{DeviceGroupId, DeviceId, DeviceProfile, DeviceType, ZoneId},
    identity::UserId,
};

use super::Device;
use crate::{
    Result, cx, payload,
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

/// Mutations of the registry.
#[derive(Debug, Default)]
pub struct RegistryMutation;

#[Object]
impl RegistryMutation {
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
}
