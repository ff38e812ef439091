//! Casting: which entity lives on which device, one on each.

use domain::{
    device::{Device, DeviceId},
    dna::{Entity, EntityId},
};
use persistence::{
    device::{self as rows, device_with_serial_number, devices_by_ids, entities_cast_on},
    dna::entities_by_ids,
    engine,
};

use super::{changed, managed};
use crate::{Access, Change, Cx, Error, Result, audit};

/// Onto which device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CastTarget {
    /// The one with this id.
    Device(DeviceId),
    /// The one with this serial number.
    SerialNumber(String),
}

/// Where an entity lives now.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// The entity.
    pub entity: Entity,
    /// The device it was cast onto, or taken off.
    pub device: Option<Device>,
}

/// Casts an entity onto a device of the same owner, and off the one it was on. Again onto the
/// same one: nothing changes.
///
/// # Errors
/// [`Error::Conflict`] when another entity lives there, named if the viewer may see it; when
/// the entity is inactive; when entity and device belong to different persons.
pub async fn entity_cast(cx: &Cx, id: EntityId, target: CastTarget) -> Result<Cast> {
    let entities = cx.viewer.entities(Access::Write)?;
    let devices = managed(cx)?;
    let txn = cx.begin().await?;
    // The owner first: two moves that swap devices would otherwise wait for each other.
    let owner = entities_by_ids(&*txn, &entities, &[id])
        .await?
        .pop()
        .ok_or_else(|| Error::not_found("entityId"))?
        .owner_id;
    engine::lock(&*txn, "cast", owner).await?;
    let entity = rows::entity_to_cast(&*txn, &entities, id)
        .await?
        .ok_or_else(|| Error::not_found("entityId"))?;
    let (field, device) = match target {
        CastTarget::Device(id) => (
            "target.deviceId",
            rows::device_to_change(&*txn, devices, id).await?,
        ),
        CastTarget::SerialNumber(serial) => (
            "target.serialNumber",
            match serial.trim() {
                // What no device can have; PostgreSQL refuses NUL as a parameter.
                serial if serial.contains('\0') => None,
                serial => device_with_serial_number(&*txn, devices, serial).await?,
            },
        ),
    };
    let device = device.ok_or_else(|| Error::not_found(field))?;
    if device.owner_id != entity.owner_id {
        return Err(Error::conflict(
            field,
            "entity and device belong to different persons: cast onto a device of the entity's owner",
        ));
    }
    if entity.device_id == Some(device.id) {
        return Ok(Cast {
            entity,
            device: Some(device),
        });
    }
    if !entity.is_active {
        return Err(Error::conflict(
            "entityId",
            "this entity is inactive: activate it first",
        ));
    }
    match rows::entity_cast(&*txn, id, Some(device.id), cx.now()).await {
        Ok(()) => {}
        Err(persistence::Error::Taken(_)) => {
            txn.rollback().await?;
            return Err(occupied(cx, field, device.id).await?);
        }
        Err(other) => return Err(other.into()),
    }
    changed(&txn, &device);
    if let Some(before) = entity.device_id {
        let owner = entity.owner_id;
        txn.publish(Change::DeviceChanged {
            device: before,
            owner,
        });
    }
    let object = Some(id.to_string());
    audit::call(cx, &txn, "entityCast", object, Some(entity.owner_id)).await?;
    txn.commit().await?;
    Ok(Cast {
        entity: Entity {
            device_id: Some(device.id),
            updated_at: cx.now(),
            ..entity
        },
        device: Some(device),
    })
}

/// Another entity lives there; which, if the viewer may know.
async fn occupied(cx: &Cx, field: &str, device: DeviceId) -> Result<Error> {
    let scope = cx.viewer.entities(Access::Read)?;
    let occupant = entities_cast_on(cx.reader(), &scope, &[device])
        .await?
        .pop();
    Ok(Error::conflict(
        field,
        match occupant {
            Some(Entity { id, name, .. }) => {
                format!("{name} ({id}) lives on this device: uncast it first")
            }
            None => "another entity lives on this device".to_owned(),
        },
    ))
}

/// Takes an entity off the device it is cast onto; on none already: nothing changes. The
/// device's conversations stay where they are.
pub async fn entity_uncast(cx: &Cx, id: EntityId) -> Result<Cast> {
    let entities = cx.viewer.entities(Access::Write)?;
    let devices = managed(cx)?;
    let txn = cx.begin().await?;
    let entity = rows::entity_to_cast(&*txn, &entities, id)
        .await?
        .ok_or_else(|| Error::not_found("entityId"))?;
    let Some(device) = entity.device_id else {
        return Ok(Cast {
            entity,
            device: None,
        });
    };
    let device = devices_by_ids(&*txn, devices, &[device]).await?.pop();
    rows::entity_cast(&*txn, id, None, cx.now()).await?;
    if let Some(device) = &device {
        changed(&txn, device);
    }
    let object = Some(id.to_string());
    audit::call(cx, &txn, "entityUncast", object, Some(entity.owner_id)).await?;
    txn.commit().await?;
    Ok(Cast {
        entity: Entity {
            device_id: None,
            updated_at: cx.now(),
            ..entity
        },
        device,
    })
}
