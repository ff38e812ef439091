//! Rows that are about to change, held until the transaction ends; casting and removing.

use domain::{
    device::{Device, DeviceGroup, DeviceGroupId, DeviceId, Zone, ZoneId},
    dna::{Entity, EntityId},
    identity::{AccessToken, UserId},
};
use sea_orm::{QuerySelect, entity::prelude::*, sea_query::LockType};

use super::{device_groups, devices, zones};
use crate::{
    Result,
    dna::entities,
    engine,
    identity::access_tokens,
    scope::{DeviceScope, EntityScope},
};

/// The device in scope, held until the transaction ends: another writer of the row waits,
/// rows that refer to it do not.
pub async fn device_to_change(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    id: DeviceId,
) -> Result<Option<Device>> {
    let row = scope
        .devices()
        .filter(devices::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Device::from))
}

/// The device in scope with this serial number, held until the transaction ends.
pub async fn device_with_serial_number(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    serial_number: &str,
) -> Result<Option<Device>> {
    let row = scope
        .devices()
        .filter(devices::Column::SerialNumber.eq(serial_number))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Device::from))
}

/// The zone in scope, held until the transaction ends.
pub async fn zone_to_change(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    id: ZoneId,
) -> Result<Option<Zone>> {
    let row = scope
        .zones()
        .filter(zones::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Zone::from))
}

/// The device group in scope, held until the transaction ends.
pub async fn device_group_to_change(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    id: DeviceGroupId,
) -> Result<Option<DeviceGroup>> {
    let row = scope
        .device_groups()
        .filter(device_groups::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(DeviceGroup::from))
}

/// How an owner's zones lie within each other, with nobody changing that until the
/// transaction ends.
pub async fn lock_zone_tree(
    db: &impl ConnectionTrait,
    owner: UserId,
) -> Result<Vec<(ZoneId, Option<ZoneId>)>> {
    engine::lock(db, "zones", owner).await?;
    let rows = zones::Entity::find()
        .select_only()
        .column(zones::Column::Id)
        .column(zones::Column::ParentId)
        .filter(zones::Column::OwnerId.eq(owner))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows)
}

/// Removes a device; what refers to it is freed or goes with it.
pub async fn device_delete(db: &impl ConnectionTrait, id: DeviceId) -> Result<()> {
    devices::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// Removes a zone and the zones within it; devices there stand in none.
pub async fn zone_delete(db: &impl ConnectionTrait, id: ZoneId) -> Result<()> {
    zones::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// Removes a device group; its devices are in none.
pub async fn device_group_delete(db: &impl ConnectionTrait, id: DeviceGroupId) -> Result<()> {
    device_groups::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// The tokens of a device that are not revoked.
pub async fn device_tokens(db: &impl ConnectionTrait, id: DeviceId) -> Result<Vec<AccessToken>> {
    let rows = access_tokens::Entity::find()
        .filter(access_tokens::Column::DeviceId.eq(id))
        .filter(access_tokens::Column::RevokedAt.is_null())
        .all(db)
        .await?;
    Ok(rows.into_iter().map(AccessToken::from).collect())
}

/// Revokes every token of a device.
pub async fn device_tokens_revoke(
    db: &impl ConnectionTrait,
    id: DeviceId,
    now: DateTimeUtc,
) -> Result<()> {
    access_tokens::Entity::update_many()
        .col_expr(access_tokens::Column::RevokedAt, Expr::value(now))
        .col_expr(access_tokens::Column::UpdatedAt, Expr::value(now))
        .filter(access_tokens::Column::DeviceId.eq(id))
        .filter(access_tokens::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// The entity in scope, held until the transaction ends.
pub async fn entity_to_cast(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: EntityId,
) -> Result<Option<Entity>> {
    let row = scope
        .entities(db)
        .filter(entities::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Entity::from))
}

/// Casts an entity onto a device, or off any.
///
/// # Errors
/// [`crate::Error::Taken`] when another entity is cast there.
pub async fn entity_cast(
    db: &impl ConnectionTrait,
    id: EntityId,
    device: Option<DeviceId>,
    now: DateTimeUtc,
) -> Result<()> {
    entities::Entity::update_many()
        .col_expr(entities::Column::DeviceId, Expr::value(device))
        .col_expr(entities::Column::UpdatedAt, Expr::value(now))
        .filter(entities::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}
