//! Tables of relationship: how an entity is, in a community and everywhere else.

use domain::{
    dna::EntityId,
    identity::GuildId,
    relationship::{EntityState, EntityStateId},
    values::Json,
};
use sea_orm::{
    entity::prelude::*,
    sea_query::{ExprTrait, OnConflict},
};

use crate::Result;

/// Table `entity_states`.
pub mod entity_states {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_states")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityStateId,
        pub entity_id: EntityId,
        pub guild_id: Option<GuildId>,
        pub mood_valence: f64,
        pub mood_arousal: f64,
        pub mood_updated_at: DateTimeUtc,
        pub total_messages_sent: i32,
        pub total_facts_learned: i32,
        pub total_users_known: i32,
        pub first_activated_at: DateTimeUtc,
        pub preferences: Json<serde_json::Value>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entity_states => EntityState {
    id, entity_id, guild_id, mood_valence, mood_arousal, mood_updated_at, total_messages_sent, total_facts_learned, total_users_known, first_activated_at, preferences, created_at, updated_at
});
table!(entity_states => EntityState);

/// Adds the state, or the messages it counts to those of the one that is there. Two at once
/// are both counted.
pub async fn count_messages(db: &impl ConnectionTrait, state: EntityState) -> Result<()> {
    use entity_states::Column;
    let mut conflict = if state.guild_id.is_some() {
        OnConflict::columns([Column::EntityId, Column::GuildId])
    } else {
        let mut conflict = OnConflict::column(Column::EntityId);
        conflict.target_and_where(Column::GuildId.is_null());
        conflict
    };
    let counted = Expr::col((entity_states::Entity, Column::TotalMessagesSent));
    conflict
        .value(
            Column::TotalMessagesSent,
            counted.add(state.total_messages_sent),
        )
        .update_column(Column::UpdatedAt);
    entity_states::Entity::insert(entity_states::ActiveModel::from(state))
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// How an entity is in a community, or outside of any.
pub async fn state_of(
    db: &impl ConnectionTrait,
    entity: EntityId,
    guild: Option<GuildId>,
) -> Result<Option<EntityState>> {
    use entity_states::Column;
    let row = entity_states::Entity::find()
        .filter(Column::EntityId.eq(entity))
        .filter(match guild {
            Some(it) => Column::GuildId.eq(it),
            None => Column::GuildId.is_null(),
        })
        .one(db)
        .await?;
    Ok(row.map(EntityState::from))
}
