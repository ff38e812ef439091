//! The event log.

use domain::{
    audit::{Event, EventId, Severity},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    values::Json,
};
use sea_orm::entity::prelude::*;

/// Table `events`.
pub mod events {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EventId,
        pub event_type: String,
        pub device_id: Option<DeviceId>,
        pub entity_id: Option<EntityId>,
        pub user_id: Option<UserId>,
        pub conversation_id: Option<ConversationId>,
        pub payload: Json<serde_json::Value>,
        pub severity: Severity,
        pub correlation_id: Option<String>,
        pub occurred_at: DateTimeUtc,
        pub partition_key: i32,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(events => Event {
    id, event_type, device_id, entity_id, user_id, conversation_id, payload, severity, correlation_id, occurred_at, partition_key, created_at
});
table!(events => Event);
