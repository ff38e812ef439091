//! Hand-offs: the pending one, the history, and what is looked up for them.

use domain::{
    conversation::{
        Conversation, ConversationHandoff, ConversationId, ConversationState, HandoffId,
        HandoffState,
    },
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
};
use sea_orm::{
    QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{LockBehavior, LockType},
};

use super::{conversation_handoffs, conversations};
use crate::{Result, engine, page::Children, scope::ConversationScope};

/// The pending hand-off of a conversation that the caller holds.
pub async fn pending_handoff(
    db: &impl ConnectionTrait,
    conversation: ConversationId,
) -> Result<Option<ConversationHandoff>> {
    use conversation_handoffs::Column;
    let row = conversation_handoffs::Entity::find()
        .filter(Column::ConversationId.eq(conversation))
        .filter(Column::State.eq(HandoffState::Pending))
        .one(db)
        .await?;
    Ok(row.map(ConversationHandoff::from))
}

/// The stored pending hand-offs of these conversations, which the caller has in scope.
pub async fn pending_handoffs(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    conversations: &[ConversationId],
) -> Result<Vec<ConversationHandoff>> {
    use conversation_handoffs::Column;
    let of = (conversation_handoffs::Entity, Column::ConversationId);
    let rows = conversation_handoffs::Entity::find()
        .filter(engine::one_of(db, of, conversations.iter().copied()))
        .filter(Column::State.eq(HandoffState::Pending))
        .filter(Column::ConversationId.in_subquery(scope.ids(db)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(ConversationHandoff::from).collect())
}

/// Those of the ids whose conversation is in scope.
pub async fn handoffs_by_ids(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    ids: &[HandoffId],
) -> Result<Vec<ConversationHandoff>> {
    use conversation_handoffs::Column;
    let id = (conversation_handoffs::Entity, Column::Id);
    let rows = conversation_handoffs::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .filter(Column::ConversationId.in_subquery(scope.ids(db)))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(ConversationHandoff::from).collect())
}

/// The hand-offs of each conversation in scope, the newest first.
pub fn handoffs_under(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
) -> Children<conversation_handoffs::Entity> {
    use conversation_handoffs::Column;
    Children {
        select: conversation_handoffs::Entity::find()
            .filter(Column::ConversationId.in_subquery(scope.ids(db))),
        parent: Column::ConversationId,
        key: Column::RequestedAt,
        id: Column::Id,
        descending: true,
    }
}

/// Conversations whose hand-off nobody accepted in time, at most so many, held until the
/// transaction ends; those that somebody else holds are left to them.
pub async fn late_handoffs(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    limit: u64,
) -> Result<Vec<Conversation>> {
    use conversations::Column;
    let rows = conversations::Entity::find()
        .filter(Column::State.eq(ConversationState::HandedOff))
        .filter(Column::HandoffExpiresAt.lt(now))
        .order_by_asc(Column::HandoffExpiresAt)
        .limit(limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Conversation::from).collect())
}

/// The priority of the persona definition that speaks in the conversation a device holds to be
/// going on there, if it still does.
pub async fn priority_on(
    db: &impl ConnectionTrait,
    device: DeviceId,
    now: DateTimeUtc,
) -> Result<Option<i32>> {
    let sql = "SELECT MAX(priority) AS priority FROM (\
               SELECT persona_definitions.priority AS priority FROM devices \
               JOIN conversations ON conversations.id = devices.active_conversation_id \
               JOIN persona_definitions \
               ON persona_definitions.id = conversations.persona_definition_id \
               WHERE devices.id = $1 AND conversations.state IN ('active', 'handed_off') \
               AND conversations.expires_at > $2 \
               UNION ALL SELECT priority FROM persona_emergencies \
               WHERE device_id = $1 AND resolved_at IS NULL) AS there";
    let backend = db.get_database_backend();
    let statement = engine::statement(backend, sql, [device.into(), now.into()]);
    let row = db.query_one_raw(statement).await?;
    Ok(row
        .map(|it| it.try_get("", "priority"))
        .transpose()?
        .flatten())
}

/// The name of a persona definition.
pub async fn definition_name(
    db: &impl ConnectionTrait,
    id: domain::persona::PersonaDefinitionId,
) -> Result<Option<String>> {
    let sql = "SELECT name FROM persona_definitions WHERE id = $1";
    let backend = db.get_database_backend();
    let row = db
        .query_one_raw(engine::statement(backend, sql, [id.into()]))
        .await?;
    Ok(row.map(|it| it.try_get("", "name")).transpose()?)
}

/// The titles of what a person and an entity have ahead of them, the next first, at most five.
pub async fn ahead_of(
    db: &impl ConnectionTrait,
    user: UserId,
    entity: Option<EntityId>,
) -> Result<Vec<String>> {
    let sql = "SELECT title FROM scheduled_events WHERE user_id = $1 AND status = 'pending' \
               AND (entity_id = $2 OR entity_id IS NULL) ORDER BY trigger_at, id LIMIT 5";
    let backend = db.get_database_backend();
    let statement = engine::statement(backend, sql, [user.into(), entity.into()]);
    let mut titles = Vec::new();
    for row in db.query_all_raw(statement).await? {
        titles.push(row.try_get("", "title")?);
    }
    Ok(titles)
}
