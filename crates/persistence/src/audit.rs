//! The event log.

use domain::{
    audit::{Event, EventId, Severity},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    values::Json,
};
use sea_orm::{Condition, Select, entity::prelude::*};

use crate::{
    Result, Rows, engine,
    page::{self, Page, Slice},
};

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

/// The log is append-only: there is nothing here that changes or removes an entry.
impl events::Entity {
    /// Adds an entry.
    pub async fn add(db: &impl ConnectionTrait, it: Event) -> Result<()> {
        <Self as EntityTrait>::insert(events::ActiveModel::from(it))
            .exec_without_returning(db)
            .await?;
        Ok(())
    }
}

/// Which entries of the log; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFilter {
    /// Of one of these types.
    pub types: Option<Vec<String>>,
    /// Of one of these severities.
    pub severities: Option<Vec<Severity>>,
    /// Concerning this device.
    pub device: Option<DeviceId>,
    /// Concerning this entity.
    pub entity: Option<EntityId>,
    /// Concerning this person.
    pub user: Option<UserId>,
    /// Concerning this conversation.
    pub conversation: Option<ConversationId>,
    /// Of this request.
    pub correlation_id: Option<String>,
    /// At this time or later.
    pub from: Option<DateTimeUtc>,
    /// Before this time.
    pub to: Option<DateTimeUtc>,
}

impl EventFilter {
    fn select(&self) -> Select<events::Entity> {
        let Self {
            types,
            severities,
            device,
            entity,
            user,
            conversation,
            correlation_id,
            from,
            to,
        } = self;
        let conditions = [
            types.as_ref().map(|it| events::Column::EventType.is_in(it)),
            severities
                .as_ref()
                .map(|it| events::Column::Severity.is_in(it.iter().copied())),
            device.map(|it| events::Column::DeviceId.eq(it)),
            entity.map(|it| events::Column::EntityId.eq(it)),
            user.map(|it| events::Column::UserId.eq(it)),
            conversation.map(|it| events::Column::ConversationId.eq(it)),
            correlation_id
                .as_ref()
                .map(|it| events::Column::CorrelationId.eq(it)),
            from.map(|it| events::Column::OccurredAt.gte(it)),
            to.map(|it| events::Column::OccurredAt.lt(it)),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(Condition::all(), Condition::add);
        events::Entity::find().filter(condition)
    }
}

/// One page of the log by time. Only administrators may ask; `app` sees to that.
pub async fn events_page(
    db: &impl ConnectionTrait,
    filter: &EventFilter,
    newest_first: bool,
    page: &Page,
) -> Result<Slice<Event>> {
    let place = (events::Column::OccurredAt, events::Column::Id);
    let slice = page::fetch(db, filter.select(), place, newest_first, page).await?;
    Ok(slice.map(Event::from))
}

/// How many entries the filter lets through.
pub async fn events_count(db: &impl ConnectionTrait, filter: &EventFilter) -> Result<u64> {
    Ok(filter.select().count(db).await?)
}

/// The entries with these ids. Only administrators may ask; `app` sees to that.
pub async fn events_by_ids(db: &impl ConnectionTrait, ids: &[EventId]) -> Result<Vec<Event>> {
    let id = (events::Entity, events::Column::Id);
    let rows = events::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}
