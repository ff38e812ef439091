//! Relationship: how an entity is: its mood, and what it has lived through so far.

use chrono::{DateTime, Utc};

use crate::{dna::EntityId, identity::GuildId, values::Json};

id!(
    /// How an entity is in one community, or outside of any.
    EntityStateId, "state"
);

/// How an entity is in one community, or outside of any.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityState {
    /// Stable identifier.
    pub id: EntityStateId,
    /// Which entity.
    pub entity_id: EntityId,
    /// In which community; none for everywhere else.
    pub guild_id: Option<GuildId>,
    /// How pleasant it feels, from −1 to 1.
    pub mood_valence: f64,
    /// How excited it is, from −1 to 1.
    pub mood_arousal: f64,
    /// When its mood last changed.
    pub mood_updated_at: DateTime<Utc>,
    /// How many messages it has said.
    pub total_messages_sent: i32,
    /// How many facts it has learned.
    pub total_facts_learned: i32,
    /// How many persons it knows.
    pub total_users_known: i32,
    /// When it first took part in a conversation.
    pub first_activated_at: DateTime<Utc>,
    /// What it keeps of its own: any JSON object.
    pub preferences: Json<serde_json::Value>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl EntityState {
    /// One that has lived through nothing yet and feels neutral.
    pub fn new(
        id: EntityStateId,
        entity_id: EntityId,
        guild_id: Option<GuildId>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            entity_id,
            guild_id,
            mood_valence: 0.0,
            mood_arousal: 0.0,
            mood_updated_at: now,
            total_messages_sent: 0,
            total_facts_learned: 0,
            total_users_known: 0,
            first_activated_at: now,
            preferences: Json(serde_json::json!({})),
            created_at: now,
            updated_at: now,
        }
    }
}
