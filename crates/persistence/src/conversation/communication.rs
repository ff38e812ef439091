//! What entities tell each other, and the friendship that grows by it.

use domain::{
    conversation::{Communication, CommunicationId, CommunicationStatus, strengthened},
    dna::{Entity, EntityId, EntityRelationship, KinshipKind},
};
use sea_orm::{Condition, QueryOrder, QuerySelect, entity::prelude::*, sea_query::LockType};

use super::inter_entity_communications;
use crate::{
    Result,
    dna::{entities, entity_relationships},
    engine,
    page::Children,
    scope::EntityScope,
};

/// Those of the ids of which either end is in scope.
pub async fn communications_by_ids(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: &[CommunicationId],
) -> Result<Vec<Communication>> {
    use inter_entity_communications::Column;
    let id = (inter_entity_communications::Entity, Column::Id);
    let rows = inter_entity_communications::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .filter(
            Condition::any()
                .add(scope.covers(db, Column::FromEntityId))
                .add(scope.covers(db, Column::ToEntityId)),
        )
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Communication::from).collect())
}

/// What was told to an entity in scope, held until the transaction ends.
pub async fn communication_to_change(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: CommunicationId,
) -> Result<Option<Communication>> {
    use inter_entity_communications::Column;
    let row = inter_entity_communications::Entity::find_by_id(id)
        .filter(scope.covers(db, Column::ToEntityId))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Communication::from))
}

/// Notes that something was handed over to an entity in scope: it has now been delivered, if it
/// was not before.
pub async fn communication_deliver(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: CommunicationId,
    now: DateTimeUtc,
) -> Result<bool> {
    use inter_entity_communications::Column;
    let updated = inter_entity_communications::Entity::update_many()
        .col_expr(Column::Status, Expr::value(CommunicationStatus::Delivered))
        .col_expr(Column::DeliveredAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.eq(CommunicationStatus::Sent))
        .filter(scope.covers(db, Column::ToEntityId))
        .exec(db)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// What was told to an entity in scope and not handed over yet, the oldest first.
pub async fn undelivered(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    to: EntityId,
    limit: u64,
) -> Result<Vec<CommunicationId>> {
    use inter_entity_communications::Column;
    let ids = inter_entity_communications::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::ToEntityId.eq(to))
        .filter(scope.covers(db, Column::ToEntityId))
        .filter(Column::Status.eq(CommunicationStatus::Sent))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids)
}

/// On which side of something told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommunicationParent {
    /// The one who told it.
    From,
    /// The one who was told.
    To,
}

/// What each entity in scope told, or was told, the newest first.
pub fn communications_under(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    parent: CommunicationParent,
    status: Option<CommunicationStatus>,
) -> Children<inter_entity_communications::Entity> {
    use inter_entity_communications::Column;
    let parent = match parent {
        CommunicationParent::From => Column::FromEntityId,
        CommunicationParent::To => Column::ToEntityId,
    };
    let condition = Condition::all()
        .add(scope.covers(db, parent))
        .add_option(status.map(|it| Column::Status.eq(it)));
    Children {
        select: inter_entity_communications::Entity::find().filter(condition),
        parent,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: true,
    }
}

/// An entity, whoever owns it: the caller sees to it that only related ones are told.
pub async fn entity_to_tell(db: &impl ConnectionTrait, id: EntityId) -> Result<Option<Entity>> {
    let row = entities::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(Entity::from))
}

/// What two entities are to each other, in either direction, held until the transaction ends.
pub async fn bonds_between(
    db: &impl ConnectionTrait,
    one: EntityId,
    other: EntityId,
) -> Result<Vec<EntityRelationship>> {
    use entity_relationships::Column;
    let way = |from: EntityId, to: EntityId| {
        Condition::all()
            .add(Column::FromEntityId.eq(from))
            .add(Column::ToEntityId.eq(to))
    };
    let rows = entity_relationships::Entity::find()
        .filter(Condition::any().add(way(one, other)).add(way(other, one)))
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(EntityRelationship::from).collect())
}

/// Strengthens the friendships among these bonds by one exchange.
pub async fn befriend(
    db: &impl ConnectionTrait,
    bonds: &[EntityRelationship],
    now: DateTimeUtc,
) -> Result<()> {
    for bond in bonds.iter().filter(|it| it.kind == KinshipKind::Friend) {
        let bond = EntityRelationship {
            strength: strengthened(bond.strength),
            updated_at: now,
            ..bond.clone()
        };
        entity_relationships::Entity::replace(db, bond).await?;
    }
    Ok(())
}
