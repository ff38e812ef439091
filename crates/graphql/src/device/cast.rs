//! Casting entities onto devices.

use app::device::{Cast, CastTarget, entity_cast, entity_uncast};
use async_graphql::{Context, InputObject, Object, OneofObject};
use domain::{device::DeviceId, dna::EntityId};

use super::Device;
use crate::{Result, cx, dna::Entity, payload, payload::answer};

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

/// Mutations of casts.
#[derive(Debug, Default)]
pub struct CastMutation;

#[Object]
impl CastMutation {
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
