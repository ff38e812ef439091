//! Tables of dna: entities and their origins; predispositions, lineage and search below.

use domain::{
    device::DeviceId,
    dna::{Entity as EntityRow, EntityId, EntityKind, EntityOrigin, EntityOriginId},
    identity::UserId,
    persona::PersonaDefinitionId,
    values::Json,
};
use sea_orm::{QuerySelect, entity::prelude::*};

use crate::{Result, Rows, engine, scope::EntityScope};

mod genome;
mod lineage;
mod search;

pub use genome::*;
pub use lineage::*;
pub use search::*;

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
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(EntityRow::from).collect())
}

/// One entity in scope.
pub async fn entity_in_scope(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: EntityId,
) -> Result<Option<EntityRow>> {
    let row = scope
        .entities(db)
        .filter(entities::Column::Id.eq(id))
        .one(db)
        .await?;
    Ok(row.map(EntityRow::from))
}

/// One entity in scope, locked until the transaction ends, so that of two writers the second
/// sees what the first wrote. (On SQLite a transaction that writes is alone anyway.)
pub async fn entity_locked(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: EntityId,
) -> Result<Option<EntityRow>> {
    let select = scope.entities(db).filter(entities::Column::Id.eq(id));
    Ok(select.lock_exclusive().one(db).await?.map(EntityRow::from))
}

/// The origin of an entity that the caller has in scope.
pub async fn origin_of(
    db: &impl ConnectionTrait,
    entity: EntityId,
) -> Result<Option<EntityOrigin>> {
    let row = entity_origins::Entity::find()
        .filter(entity_origins::Column::EntityId.eq(entity))
        .one(db)
        .await?;
    Ok(row.map(EntityOrigin::from))
}

/// The origins of those entities that are in scope; one statement with constant text.
pub async fn origins_of(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    entities: &[EntityId],
) -> Result<Vec<EntityOrigin>> {
    let entity = (entity_origins::Entity, entity_origins::Column::EntityId);
    let rows = entity_origins::Entity::find()
        .filter(engine::one_of(db, entity, entities.iter().copied()))
        .filter(scope.covers(db, entity_origins::Column::EntityId))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(EntityOrigin::from).collect())
}

/// Removes an origin.
pub async fn origin_remove(db: &impl ConnectionTrait, entity: EntityId) -> Result<()> {
    entity_origins::Entity::delete_many()
        .filter(entity_origins::Column::EntityId.eq(entity))
        .exec(db)
        .await?;
    Ok(())
}

/// Removes an entity that the caller has in scope, with all that is its own. Its children
/// stay, without this parent.
pub async fn entity_remove(db: &impl ConnectionTrait, id: EntityId) -> Result<()> {
    entities::Entity::delete_many()
        .filter(entities::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}
