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
use sea_orm::entity::prelude::*;

use crate::{Result, engine, scope::DeviceScope};

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
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Device::from).collect())
}
