//! Tables of device: hardware, zones, groups.

use domain::{
    conversation::ConversationId,
    device::{
        Device, DeviceGroup, DeviceGroupId, DeviceId, DeviceStatus, DeviceType, Zone, ZoneId,
    },
    identity::UserId,
    persona::PersonaDefinitionId,
    values::Json,
};
use domain::{
    device::OFFLINE_AFTER,
    dna::{Entity, EntityId},
    identity::AccessToken,
};
use sea_orm::{
    Condition, DbBackend, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, LockType},
};

use crate::{
    Result, Rows,
    dna::entities,
    engine,
    identity::access_tokens,
    page::{self, Children, Page, Slice},
    scope::{DeviceScope, EntityScope},
};

/// Table `devices`.
pub mod devices {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "devices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: DeviceId,
        pub owner_id: UserId,
        pub name: String,
        pub device_type: DeviceType,
        pub model: Option<String>,
        pub status: DeviceStatus,
        pub serial_number: Option<String>,
        pub ble_address: Option<String>,
        pub led_count: i32,
        pub tier: i32,
        pub location: Option<String>,
        pub zone_id: Option<ZoneId>,
        pub group_id: Option<DeviceGroupId>,
        pub capabilities: Json<Vec<String>>,
        pub first_boot_complete: bool,
        pub onboarding: Json<serde_json::Value>,
        pub health: Option<Json<serde_json::Value>>,
        pub last_heartbeat_at: Option<DateTimeUtc>,
        pub active_persona_definition_id: Option<PersonaDefinitionId>,
        pub active_conversation_id: Option<ConversationId>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(devices => Device {
    id, owner_id, name, device_type, model, status, serial_number, ble_address, led_count, tier, location, zone_id, group_id, capabilities, first_boot_complete, onboarding, health, last_heartbeat_at, active_persona_definition_id, active_conversation_id, created_at, updated_at
});
table!(devices => Device);

/// Table `zones`.
pub mod zones {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "zones")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ZoneId,
        pub owner_id: UserId,
        pub name: String,
        pub parent_id: Option<ZoneId>,
        pub description: Option<String>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(zones => Zone {
    id, owner_id, name, parent_id, description, created_at, updated_at
});
table!(zones => Zone);

/// Table `device_groups`.
pub mod device_groups {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "device_groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: DeviceGroupId,
        pub owner_id: UserId,
        pub name: String,
        pub description: Option<String>,
        pub settings: Json<serde_json::Value>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(device_groups => DeviceGroup {
    id, owner_id, name, description, settings, created_at, updated_at
});
table!(device_groups => DeviceGroup);

/// Those of the ids that are in scope; one statement with constant text.
pub async fn devices_by_ids(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    ids: &[DeviceId],
) -> Result<Vec<Device>> {
    let id = (devices::Entity, devices::Column::Id);
    let rows = scope
        .devices()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Device::from).collect())
}

/// Those of the ids that are in scope.
pub async fn zones_by_ids(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    ids: &[ZoneId],
) -> Result<Vec<Zone>> {
    let id = (zones::Entity, zones::Column::Id);
    let rows = scope
        .zones()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Zone::from).collect())
}

/// Those of the ids that are in scope.
pub async fn device_groups_by_ids(
    db: &impl ConnectionTrait,
    scope: DeviceScope,
    ids: &[DeviceGroupId],
) -> Result<Vec<DeviceGroup>> {
    let id = (device_groups::Entity, device_groups::Column::Id);
    let rows = scope
        .device_groups()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(DeviceGroup::from).collect())
}

/// The entities in scope that are cast onto these devices.
pub async fn entities_cast_on(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: &[DeviceId],
) -> Result<Vec<Entity>> {
    let device = (entities::Entity, entities::Column::DeviceId);
    let rows = scope
        .entities(db)
        .filter(engine::one_of(db, device, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Entity::from).collect())
}

/// Which devices; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceFilter {
    /// Of one of these kinds.
    pub types: Option<Vec<DeviceType>>,
    /// With this status at the time of asking.
    pub status: Option<DeviceStatus>,
    /// In this zone, or in a zone within it.
    pub zone: Option<ZoneId>,
    /// In this group.
    pub group: Option<DeviceGroupId>,
    /// Whose name contains this text.
    pub search: Option<String>,
}

/// The order of a list of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceOrder {
    /// By name.
    #[default]
    Name,
    /// By name, backwards.
    NameDescending,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedDescending,
}

impl DeviceOrder {
    fn descending(self) -> bool {
        matches!(self, Self::NameDescending | Self::CreatedDescending)
    }

    /// The one column or the other.
    fn key<T>(self, name: T, created: T) -> T {
        match self {
            Self::Name | Self::NameDescending => name,
            Self::Created | Self::CreatedDescending => created,
        }
    }
}

impl DeviceFilter {
    /// The devices in scope that it lets through at `now`.
    pub fn select(
        &self,
        db: &impl ConnectionTrait,
        scope: DeviceScope,
        now: DateTimeUtc,
    ) -> Select<devices::Entity> {
        let Self {
            types,
            status,
            zone,
            group,
            search,
        } = self;
        let mut condition = Condition::all();
        if let Some(types) = types {
            condition = condition.add(devices::Column::DeviceType.is_in(types.iter().copied()));
        }
        if let Some(status) = status {
            condition = condition.add(has_status(*status, now));
        }
        if let Some(zone) = zone {
            condition = condition.add(lies_within(db, *zone));
        }
        if let Some(group) = group {
            condition = condition.add(devices::Column::GroupId.eq(*group));
        }
        if let Some(search) = search {
            let name = (devices::Entity, devices::Column::Name);
            condition = condition.add(engine::contains(db, name, search));
        }
        scope.devices().filter(condition)
    }
}

/// What `Device::status_at` says, as a condition.
fn has_status(status: DeviceStatus, now: DateTimeUtc) -> Condition {
    let heard = devices::Column::LastHeartbeatAt.gte(now - OFFLINE_AFTER);
    match status {
        DeviceStatus::Offline => Condition::any()
            .add(devices::Column::Status.eq(DeviceStatus::Offline))
            .add(devices::Column::LastHeartbeatAt.is_null())
            .add(heard.not()),
        DeviceStatus::Online | DeviceStatus::Busy | DeviceStatus::Error => Condition::all()
            .add(devices::Column::Status.eq(status))
            .add(heard),
    }
}

/// In the zone or in any zone within it. `UNION` ends on a cycle, should there be one.
fn lies_within(db: &impl ConnectionTrait, zone: ZoneId) -> Expr {
    let (column, root) = match db.get_database_backend() {
        DbBackend::Sqlite => ("?", "?"),
        _ => ("$1", "$2"),
    };
    let sql = format!(
        "{column} IN (WITH RECURSIVE inside (id) AS (SELECT {root} UNION SELECT zones.id \
         FROM zones JOIN inside ON zones.parent_id = inside.id) SELECT id FROM inside)"
    );
    let column = Expr::col((devices::Entity, devices::Column::ZoneId));
    Expr::cust_with_exprs(sql, [column, Expr::val(zone)])
}

/// One page of devices.
pub async fn devices_page(
    db: &impl ConnectionTrait,
    select: Select<devices::Entity>,
    order: DeviceOrder,
    page: &Page,
) -> Result<Slice<Device>> {
    let key = order.key(devices::Column::Name, devices::Column::CreatedAt);
    let place = (key, devices::Column::Id);
    let slice = page::fetch(db, select, place, order.descending(), page).await?;
    Ok(slice.map(Device::from))
}

/// One page of zones, by name.
pub async fn zones_page(
    db: &impl ConnectionTrait,
    select: Select<zones::Entity>,
    page: &Page,
) -> Result<Slice<Zone>> {
    let place = (zones::Column::Name, zones::Column::Id);
    let slice = page::fetch(db, select, place, false, page).await?;
    Ok(slice.map(Zone::from))
}

/// One page of device groups, by name.
pub async fn device_groups_page(
    db: &impl ConnectionTrait,
    select: Select<device_groups::Entity>,
    page: &Page,
) -> Result<Slice<DeviceGroup>> {
    let place = (device_groups::Column::Name, device_groups::Column::Id);
    let slice = page::fetch(db, select, place, false, page).await?;
    Ok(slice.map(DeviceGroup::from))
}

/// What a device can be listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceParent {
    /// Its owner.
    Owner,
    /// The zone it stands in, not a zone around that.
    Zone,
    /// Its group.
    Group,
}

/// The devices of each parent.
pub fn devices_under(
    select: Select<devices::Entity>,
    parent: DeviceParent,
    order: DeviceOrder,
) -> Children<devices::Entity> {
    Children {
        select,
        parent: match parent {
            DeviceParent::Owner => devices::Column::OwnerId,
            DeviceParent::Zone => devices::Column::ZoneId,
            DeviceParent::Group => devices::Column::GroupId,
        },
        key: order.key(devices::Column::Name, devices::Column::CreatedAt),
        id: devices::Column::Id,
        descending: order.descending(),
    }
}

/// What a zone can be listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZoneParent {
    /// Its owner.
    Owner,
    /// The zone right around it.
    Zone,
}

/// The zones of each parent, by name.
pub fn zones_under(select: Select<zones::Entity>, parent: ZoneParent) -> Children<zones::Entity> {
    Children {
        select,
        parent: match parent {
            ZoneParent::Owner => zones::Column::OwnerId,
            ZoneParent::Zone => zones::Column::ParentId,
        },
        key: zones::Column::Name,
        id: zones::Column::Id,
        descending: false,
    }
}

/// The device groups of each owner, by name.
pub fn device_groups_under(
    select: Select<device_groups::Entity>,
) -> Children<device_groups::Entity> {
    Children {
        select,
        parent: device_groups::Column::OwnerId,
        key: device_groups::Column::Name,
        id: device_groups::Column::Id,
        descending: false,
    }
}

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
        .rows(db)
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
