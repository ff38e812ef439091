//! Tables of conversation: threads, messages, hand-offs, and what entities tell each other.

use domain::{
    conversation::{
        Communication, CommunicationId, CommunicationStatus, Conversation, ConversationHandoff,
        ConversationId, ConversationState, HandoffId, HandoffState, Intimacy, Message, MessageId,
        MessageRole, Platform,
    },
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
    persona::PersonaDefinitionId,
    values::Json,
};
use sea_orm::{QuerySelect, entity::prelude::*, sea_query::LockType};

use crate::{Result, engine, scope::ConversationScope};

mod communication;
mod handoff;
mod history;
mod message;
mod thread;

pub use communication::*;
pub use handoff::*;
pub use history::*;
pub use message::*;
pub use thread::*;

/// Table `conversations`.
pub mod conversations {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "conversations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ConversationId,
        pub user_id: UserId,
        pub entity_id: Option<EntityId>,
        pub device_id: Option<DeviceId>,
        pub guild_id: Option<GuildId>,
        pub channel_id: Option<String>,
        pub persona_definition_id: Option<PersonaDefinitionId>,
        pub platform: Platform,
        pub intimacy: Intimacy,
        pub state: ConversationState,
        pub title: Option<String>,
        pub message_count: i32,
        pub context_snapshot: Json<serde_json::Value>,
        pub metadata: Json<serde_json::Value>,
        pub context_reset_at: Option<DateTimeUtc>,
        pub started_at: DateTimeUtc,
        pub last_message_at: Option<DateTimeUtc>,
        pub expires_at: DateTimeUtc,
        pub ended_at: Option<DateTimeUtc>,
        pub handoff_expires_at: Option<DateTimeUtc>,
        pub version: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(conversations => Conversation {
    id, user_id, entity_id, device_id, guild_id, channel_id, persona_definition_id, platform, intimacy, state, title, message_count, context_snapshot, metadata, context_reset_at, started_at, last_message_at, expires_at, ended_at, handoff_expires_at, version, created_at, updated_at
});
table!(conversations => Conversation);

/// Table `conversation_handoffs`.
pub mod conversation_handoffs {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "conversation_handoffs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: HandoffId,
        pub conversation_id: ConversationId,
        pub user_id: UserId,
        pub from_device_id: Option<DeviceId>,
        pub to_device_id: Option<DeviceId>,
        pub state: HandoffState,
        pub reason: Option<String>,
        pub requested_at: DateTimeUtc,
        pub resolved_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(conversation_handoffs => ConversationHandoff {
    id, conversation_id, user_id, from_device_id, to_device_id, state, reason, requested_at, resolved_at, created_at, updated_at
});
table!(conversation_handoffs => ConversationHandoff);

/// Table `messages`.
pub mod messages {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "messages")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: MessageId,
        pub conversation_id: ConversationId,
        pub user_id: UserId,
        pub entity_id: Option<EntityId>,
        pub device_id: Option<DeviceId>,
        pub role: MessageRole,
        pub content: String,
        pub persona_definition_id: Option<PersonaDefinitionId>,
        pub external_id: Option<String>,
        pub image_urls: Json<Vec<String>>,
        pub audio_url: Option<String>,
        pub duration_ms: Option<i32>,
        pub device_state: Option<Json<serde_json::Value>>,
        pub token_count: Option<i32>,
        pub response_latency_ms: Option<i32>,
        pub sentiment: Option<f64>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(messages => Message {
    id, conversation_id, user_id, entity_id, device_id, role, content, persona_definition_id, external_id, image_urls, audio_url, duration_ms, device_state, token_count, response_latency_ms, sentiment, created_at, updated_at
});
table!(messages => Message);

/// Table `inter_entity_communications`.
pub mod inter_entity_communications {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "inter_entity_communications")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CommunicationId,
        pub from_entity_id: EntityId,
        pub to_entity_id: EntityId,
        pub kind: String,
        pub content: String,
        pub payload: Json<serde_json::Value>,
        pub status: CommunicationStatus,
        pub delivered_at: Option<DateTimeUtc>,
        pub read_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(inter_entity_communications => Communication {
    id, from_entity_id, to_entity_id, kind, content, payload, status, delivered_at, read_at, created_at, updated_at
});
table!(inter_entity_communications => Communication);

/// Those of the ids that are in scope; one statement with constant text.
pub async fn conversations_by_ids(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    ids: &[ConversationId],
) -> Result<Vec<Conversation>> {
    let id = (conversations::Entity, conversations::Column::Id);
    let rows = scope
        .conversations(db)
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Conversation::from).collect())
}

/// The conversation in scope, held until the transaction ends: another writer of the row waits,
/// rows that refer to it do not.
pub async fn conversation_to_change(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    id: ConversationId,
) -> Result<Option<Conversation>> {
    let row = scope
        .conversations(db)
        .filter(conversations::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Conversation::from))
}
