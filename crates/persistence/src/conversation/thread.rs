//! Finding, beginning, continuing and ending threads.

use domain::{
    conversation::{
        Conversation, ConversationId, ConversationState, Place, Platform, SessionLimits,
    },
    device::Device,
    dna::EntityId,
    identity::UserId,
    values::Json,
};
use sea_orm::{
    Condition, FromQueryResult, QueryOrder, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, Func, LockBehavior, LockType},
};

use super::{conversations, messages};
use crate::{Result, device::devices, engine, scope::ConversationScope};

/// Who talks with whom, and where: of each there is at most one open thread that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadKey {
    /// Who talks.
    pub user: UserId,
    /// With whom.
    pub entity: Option<EntityId>,
    /// Where.
    pub place: Place,
}

impl ThreadKey {
    pub(super) fn condition(&self) -> Condition {
        use conversations::Column;
        let Self {
            user,
            entity,
            place:
                Place {
                    platform,
                    device,
                    guild,
                    channel,
                },
        } = self;
        let all = Condition::all()
            .add(Column::UserId.eq(*user))
            .add(match entity {
                Some(it) => Column::EntityId.eq(*it),
                None => Column::EntityId.is_null(),
            })
            .add(Column::Platform.eq(*platform));
        if *platform == Platform::Device {
            return all.add(Column::DeviceId.eq(*device));
        }
        all.add(match guild {
            Some(it) => Column::GuildId.eq(*it),
            None => Column::GuildId.is_null(),
        })
        .add(match channel {
            Some(it) => Column::ChannelId.eq(it.as_str()),
            None => Column::ChannelId.is_null(),
        })
    }
}

/// A conversation with what is needed to continue it.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// The conversation.
    pub conversation: Conversation,
    /// How long it goes on, as its persona definition says.
    pub limits: SessionLimits,
    /// Whose the entity is.
    pub entity_owner: Option<UserId>,
    /// What its device holds to be the conversation that goes on there.
    pub active_there: Option<ConversationId>,
}

#[derive(FromQueryResult)]
struct ThreadRow {
    #[sea_orm(nested)]
    conversation: conversations::Model,
    behavior: Option<Json<serde_json::Value>>,
    entity_owner: Option<UserId>,
    active_there: Option<ConversationId>,
}

impl From<ThreadRow> for Thread {
    fn from(row: ThreadRow) -> Self {
        Self {
            conversation: row.conversation.into(),
            limits: SessionLimits::of(row.behavior.as_ref().map(|it| &it.0)),
            entity_owner: row.entity_owner,
            active_there: row.active_there,
        }
    }
}

/// The conversations with what [`Thread`] wants besides.
fn threads(select: Select<conversations::Entity>) -> Select<conversations::Entity> {
    let beside = |what: &str, table: &str, key: &str| {
        Expr::cust(format!(
            "(SELECT {what} FROM {table} WHERE {table}.id = conversations.{key})"
        ))
    };
    select
        .expr_as(
            beside(
                "behavior_config",
                "persona_definitions",
                "persona_definition_id",
            ),
            "behavior",
        )
        .expr_as(beside("owner_id", "entities", "entity_id"), "entity_owner")
        .expr_as(
            beside("active_conversation_id", "devices", "device_id"),
            "active_there",
        )
}

/// A conversation in scope with what is needed to continue it.
pub async fn thread_in_scope(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    id: ConversationId,
) -> Result<Option<Thread>> {
    let select = scope
        .conversations(db)
        .filter(conversations::Column::Id.eq(id));
    let row = threads(select).into_model::<ThreadRow>().one(db).await?;
    Ok(row.map(Thread::from))
}

/// The newest thread of this key in scope that was not paused or ended, whether or not it has
/// expired.
pub async fn newest_thread(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    key: &ThreadKey,
) -> Result<Option<Thread>> {
    use conversations::Column;
    let select = scope
        .conversations(db)
        .filter(key.condition())
        .filter(Column::State.is_in([ConversationState::Active, ConversationState::HandedOff]))
        .order_by_desc(Column::LastMessageAt)
        .order_by_desc(Column::Id)
        .limit(1);
    let row = threads(select).into_model::<ThreadRow>().one(db).await?;
    Ok(row.map(Thread::from))
}

/// What a persona definition says of the length of conversations.
pub async fn session_limits(
    db: &impl ConnectionTrait,
    definition: Option<domain::persona::PersonaDefinitionId>,
) -> Result<SessionLimits> {
    let Some(definition) = definition else {
        return Ok(SessionLimits::default());
    };
    let backend = db.get_database_backend();
    let sql = "SELECT behavior_config FROM persona_definitions WHERE id = $1";
    let row = db
        .query_one_raw(engine::statement(backend, sql, [definition.into()]))
        .await?;
    let behavior: Option<Json<serde_json::Value>> = match row {
        Some(row) => Some(row.try_get("", "behavior_config")?),
        None => None,
    };
    Ok(SessionLimits::of(behavior.as_ref().map(|it| &it.0)))
}

/// Counts one more message said at `at`, after which the conversation lives until `expires_at`.
/// False when it does not go on any more: nothing is changed.
pub async fn thread_continue(
    db: &impl ConnectionTrait,
    id: ConversationId,
    at: DateTimeUtc,
    expires_at: DateTimeUtc,
) -> Result<bool> {
    use conversations::Column;
    let updated = conversations::Entity::update_many()
        .col_expr(Column::MessageCount, Expr::col(Column::MessageCount).add(1))
        .col_expr(Column::LastMessageAt, Expr::value(at))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .col_expr(Column::UpdatedAt, Expr::value(at))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in([ConversationState::Active, ConversationState::HandedOff]))
        .filter(Column::ExpiresAt.gt(at))
        .exec(db)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Counts one message less, and says anew when the last one was said.
pub async fn thread_lessen(db: &impl ConnectionTrait, id: ConversationId) -> Result<()> {
    use conversations::Column;
    let mut newest = messages::Entity::find()
        .select_only()
        .expr(messages::Column::CreatedAt.max())
        .filter(messages::Column::ConversationId.eq(id));
    let newest = QuerySelect::query(&mut newest).to_owned();
    conversations::Entity::update_many()
        .col_expr(Column::MessageCount, Expr::col(Column::MessageCount).sub(1))
        .col_expr(
            Column::LastMessageAt,
            Func::coalesce([
                Expr::SubQuery(None, Box::new(newest.into())),
                Expr::col(Column::StartedAt),
            ])
            .into(),
        )
        .filter(Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Conversations that have expired and are not ended yet, at most so many, held until the
/// transaction ends; those that somebody else holds are left to them.
pub async fn expired_conversations(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    limit: u64,
) -> Result<Vec<Conversation>> {
    use conversations::Column;
    let rows = conversations::Entity::find()
        .filter(Column::State.ne(ConversationState::Ended))
        .filter(Column::ExpiresAt.lte(now))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Conversation::from).collect())
}

/// Makes this the conversation that goes on on the device; gives the device as it is now.
pub async fn hold_on_device(
    db: &impl ConnectionTrait,
    device: domain::device::DeviceId,
    conversation: ConversationId,
    now: DateTimeUtc,
) -> Result<Vec<Device>> {
    let changed = devices::Entity::update_many()
        .col_expr(
            devices::Column::ActiveConversationId,
            Expr::value(conversation),
        )
        .col_expr(devices::Column::UpdatedAt, Expr::value(now))
        .filter(devices::Column::Id.eq(device))
        .exec_with_returning(db)
        .await?;
    Ok(changed.into_iter().map(Device::from).collect())
}

/// No device holds these conversations to be what goes on there any more; gives those that did.
pub async fn release_devices(
    db: &impl ConnectionTrait,
    conversations: &[ConversationId],
    now: DateTimeUtc,
) -> Result<Vec<Device>> {
    let column = devices::Column::ActiveConversationId;
    let changed = devices::Entity::update_many()
        .col_expr(column, Expr::value(Option::<ConversationId>::None))
        .col_expr(devices::Column::UpdatedAt, Expr::value(now))
        .filter(engine::one_of(
            db,
            (devices::Entity, column),
            conversations.iter().copied(),
        ))
        .exec_with_returning(db)
        .await?;
    Ok(changed.into_iter().map(Device::from).collect())
}
