//! Tables of dna: entities, origins, predispositions.

use domain::{
    device::DeviceId,
    dna::{Entity as EntityRow, EntityId, EntityKind, EntityOrigin, EntityOriginId},
    identity::UserId,
    persona::PersonaDefinitionId,
    values::Json,
};
use sea_orm::entity::prelude::*;

use crate::{Result, engine, scope::EntityScope};

/// Table `entities`.
pub mod entities {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entities")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityId,
        pub owner_id: UserId,
        pub kind: EntityKind,
        pub name: String,
        pub device_id: Option<DeviceId>,
        pub personality: Option<String>,
        pub interests: Json<Vec<String>>,
        pub personality_config: Json<serde_json::Value>,
        pub voice_config: Json<serde_json::Value>,
        pub personality_template: Option<String>,
        pub personality_tokens: i32,
        pub persona_definition_id: Option<PersonaDefinitionId>,
        pub is_active: bool,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entities => EntityRow {
    id, owner_id, kind, name, device_id, personality, interests, personality_config, voice_config, personality_template, personality_tokens, persona_definition_id, is_active, created_at, updated_at
});
table!(entities => EntityRow);

/// Table `entity_origins`.
pub mod entity_origins {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_origins")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityOriginId,
        pub entity_id: EntityId,
        pub origin_story: String,
        pub narrative_context: Option<String>,
        pub themes: Json<Vec<String>>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entity_origins => EntityOrigin {
    id, entity_id, origin_story, narrative_context, themes, created_at, updated_at
});
table!(entity_origins => EntityOrigin);

/// Those of the ids that are in scope; one statement with constant text.
pub async fn entities_by_ids(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: &[EntityId],
) -> Result<Vec<EntityRow>> {
    let id = (entities::Entity, entities::Column::Id);
    let rows = scope
        .entities(db)
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(EntityRow::from).collect())
}
