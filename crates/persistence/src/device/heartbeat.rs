//! Heartbeats: the row of a device that is heard, and of those that are heard no longer.

use domain::{
    device::{Device, DeviceGroupId, DeviceHealth, DeviceId, DeviceStatus, OFFLINE_AFTER},
    values::Json,
};
use sea_orm::{
    Condition, FromQueryResult, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{LockBehavior, LockType, Query},
};

use super::devices;
use crate::{Result, engine, scope::DeviceScope};

/// What a device says.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// How it is; never offline.
    pub status: DeviceStatus,
    /// Its health; what it said before stays when it says nothing.
    pub health: Option<DeviceHealth>,
    /// When.
    pub at: DateTimeUtc,
}

/// Notes the heartbeat of a device in scope that has this status anyway and was heard within
/// 300 seconds: nearly every heartbeat, in one statement. None for any other, which takes
/// [`heartbeat_replace`] in a transaction.
pub async fn heartbeat_again(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    id: DeviceId,
    heartbeat: &Heartbeat,
) -> Result<Option<Device>> {
    let Heartbeat { status, health, at } = heartbeat;
    let mut query = Query::update();
    query
        .table(devices::Entity)
        .value(devices::Column::LastHeartbeatAt, *at)
        .cond_where(scope.condition())
        .and_where(devices::Column::Id.eq(id))
        .and_where(devices::Column::Status.eq(*status))
        .and_where(devices::Column::LastHeartbeatAt.gte(*at - OFFLINE_AFTER))
        .returning_all();
    if let Some(health) = health {
        query.value(devices::Column::Health, Json(health.clone()));
    }
    let statement = db.get_database_backend().build(&query);
    let row = devices::Model::find_by_statement(statement).one(db).await?;
    Ok(row.map(Device::from))
}

/// Notes what a heartbeat left of a device, and nothing else of it.
pub async fn heartbeat_replace(db: &impl ConnectionTrait, device: &Device) -> Result<()> {
    devices::Entity::update_many()
        .col_expr(devices::Column::Status, Expr::value(device.status))
        .col_expr(
            devices::Column::LastHeartbeatAt,
            Expr::value(device.last_heartbeat_at),
        )
        .col_expr(devices::Column::Health, Expr::value(device.health.clone()))
        .col_expr(devices::Column::UpdatedAt, Expr::value(device.updated_at))
        .filter(devices::Column::Id.eq(device.id))
        .exec(db)
        .await?;
    Ok(())
}

/// Takes devices that were not heard for 300 seconds, though their rows do not say so, and
/// makes the rows say so; gives them as they were, those silent longest first. Each is taken
/// by one transaction only, however many ask at once.
pub async fn devices_silent(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    limit: u64,
) -> Result<Vec<Device>> {
    let silent = Condition::any()
        .add(devices::Column::LastHeartbeatAt.is_null())
        .add(devices::Column::LastHeartbeatAt.lt(now - OFFLINE_AFTER));
    let rows = devices::Entity::find()
        // Said so rather than "not offline", which no index finds.
        .filter(devices::Column::Status.is_in([
            DeviceStatus::Online,
            DeviceStatus::Busy,
            DeviceStatus::Error,
        ]))
        .filter(silent)
        .order_by_asc(devices::Column::LastHeartbeatAt)
        .limit(limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(db)
        .await?;
    let id = (devices::Entity, devices::Column::Id);
    devices::Entity::update_many()
        .col_expr(devices::Column::Status, Expr::value(DeviceStatus::Offline))
        .col_expr(devices::Column::UpdatedAt, Expr::value(now))
        .filter(engine::one_of(db, id, rows.iter().map(|it| it.id)))
        .exec(db)
        .await?;
    Ok(rows.into_iter().map(Device::from).collect())
}

/// The devices of a group that are in scope, at most so many, in the order of their ids.
pub async fn devices_of_group(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    group: DeviceGroupId,
    limit: u64,
) -> Result<Vec<Device>> {
    let rows = scope
        .devices()
        .filter(devices::Column::GroupId.eq(group))
        .order_by_asc(devices::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Device::from).collect())
}
