//! The event log.

use chrono::NaiveDateTime;
use domain::{
    audit::{Event, EventId, Severity},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    values::Json,
};
use sea_orm::{
    Condition, DbBackend, DbErr, QueryOrder, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{Asterisk, Func, NullOrdering},
};
use serde_json::json;

use crate::{
    Result, Rows, engine,
    page::{self, Children, Page, Slice},
    scope::EventScope,
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

/// The log is append-only: nothing here changes an entry, and none is removed but by
/// [`events_prune`], when it is too old.
impl events::Entity {
    /// Adds an entry.
    pub async fn add(db: &impl ConnectionTrait, it: Event) -> Result<()> {
        <Self as EntityTrait>::insert(events::ActiveModel::from(it))
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// Adds many entries in one statement with constant text, whose only parameter is a JSON
    /// array of them: any number of rows within the limits of parameters, and prepared once.
    pub async fn add_all(db: &impl ConnectionTrait, all: &[Event]) -> Result<()> {
        const COLUMNS: &str = "id, event_type, device_id, entity_id, user_id, conversation_id, \
             payload, severity, correlation_id, occurred_at, partition_key, created_at";
        if all.is_empty() {
            return Ok(());
        }
        let rows = serde_json::Value::Array(all.iter().map(row).collect());
        let backend = db.get_database_backend();
        let select = match backend {
            DbBackend::Sqlite => {
                "SELECT unhex(value ->> 'id'), value ->> 'event_type', \
                 unhex(value ->> 'device_id'), unhex(value ->> 'entity_id'), \
                 unhex(value ->> 'user_id'), unhex(value ->> 'conversation_id'), \
                 value -> 'payload', value ->> 'severity', value ->> 'correlation_id', \
                 value ->> 'occurred_at', value ->> 'partition_key', value ->> 'created_at' \
                 FROM json_each($1)"
            }
            _ => {
                "SELECT * FROM jsonb_to_recordset($1) AS it (id uuid, event_type text, \
                 device_id uuid, entity_id uuid, user_id uuid, conversation_id uuid, \
                 payload jsonb, severity text, correlation_id text, occurred_at timestamptz, \
                 partition_key integer, created_at timestamptz)"
            }
        };
        let sql = format!("INSERT INTO events ({COLUMNS}) {select}");
        db.execute_raw(engine::statement(backend, &sql, [rows.into()]))
            .await?;
        Ok(())
    }
}

/// An entry as both engines read it.
fn row(it: &Event) -> serde_json::Value {
    let Event {
        id,
        event_type,
        device_id,
        entity_id,
        user_id,
        conversation_id,
        payload,
        severity,
        correlation_id,
        occurred_at,
        partition_key,
        created_at,
    } = it;
    let hex = |id: Uuid| id.simple().to_string();
    json!({
        "id": hex(id.0),
        "event_type": event_type,
        "device_id": device_id.map(|it| hex(it.0)),
        "entity_id": entity_id.map(|it| hex(it.0)),
        "user_id": user_id.map(|it| hex(it.0)),
        "conversation_id": conversation_id.map(|it| hex(it.0)),
        "payload": payload.0,
        "severity": severity.as_str(),
        "correlation_id": correlation_id,
        "occurred_at": engine::time_text(*occurred_at),
        "partition_key": partition_key,
        "created_at": engine::time_text(*created_at),
    })
}

/// Which entries of the log; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventFilter {
    /// Of one of these types.
    pub types: Option<Vec<String>>,
    /// Of one of these severities.
    pub severities: Option<Vec<Severity>>,
    /// Of this severity or one that matters more.
    pub severity_at_least: Option<Severity>,
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
    /// Those of the entries that it lets through.
    pub fn of(&self, entries: Select<events::Entity>) -> Select<events::Entity> {
        let Self {
            types,
            severities,
            severity_at_least,
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
            severity_at_least.map(|it| events::Column::Severity.is_in(it.and_above())),
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
        entries.filter(condition)
    }
}

/// One page of entries, by time.
pub async fn events_page(
    db: &impl ConnectionTrait,
    select: Select<events::Entity>,
    newest_first: bool,
    page: &Page,
) -> Result<Slice<Event>> {
    let place = (events::Column::OccurredAt, events::Column::Id);
    let slice = page::fetch(db, select, place, newest_first, page).await?;
    Ok(slice.map(Event::from))
}

/// The entries that concern each device.
pub fn events_under(
    select: Select<events::Entity>,
    newest_first: bool,
) -> Children<events::Entity> {
    Children {
        select,
        parent: events::Column::DeviceId,
        key: events::Column::OccurredAt,
        id: events::Column::Id,
        descending: newest_first,
    }
}

/// The entries with these ids that are in scope.
pub async fn events_by_ids(
    db: &impl ConnectionTrait,
    scope: EventScope,
    ids: &[EventId],
) -> Result<Vec<Event>> {
    let id = (events::Entity, events::Column::Id);
    let rows = scope
        .events()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// By what entries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountBy {
    /// Their type.
    Type,
    /// The hour they happened in.
    Hour,
    /// The device they concern.
    Device,
}

/// What entries have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountKey {
    /// This type.
    Type(String),
    /// The hour that begins then.
    Hour(DateTimeUtc),
    /// This device; none concern none.
    Device(Option<DeviceId>),
}

/// How many of the entries have what in common: the most frequent first, hours the newest
/// first, at most so many.
pub async fn events_count_by(
    db: &impl ConnectionTrait,
    select: Select<events::Entity>,
    by: CountBy,
    limit: u64,
) -> Result<Vec<(CountKey, i64)>> {
    let key = match by {
        CountBy::Type => Expr::col((events::Entity, events::Column::EventType)),
        CountBy::Hour => engine::hour_text(db, (events::Entity, events::Column::OccurredAt)),
        CountBy::Device => Expr::col((events::Entity, events::Column::DeviceId)),
    };
    let mut query = sea_orm::QueryTrait::into_query(select);
    query
        .clear_selects()
        .expr_as(key, "what")
        .expr_as(Func::count(Expr::col(Asterisk)), "entries")
        .add_group_by([Expr::col("what")])
        .limit(limit);
    if by != CountBy::Hour {
        query.order_by("entries", sea_orm::Order::Desc);
    }
    query.order_by_with_nulls("what", sea_orm::Order::Desc, NullOrdering::Last);
    let mut counts = Vec::new();
    for row in db.query_all(&query).await? {
        let key = match by {
            CountBy::Type => CountKey::Type(row.try_get("", "what")?),
            CountBy::Hour => CountKey::Hour(hour(&row.try_get::<String>("", "what")?)?),
            CountBy::Device => CountKey::Device(row.try_get("", "what")?),
        };
        counts.push((key, row.try_get("", "entries")?));
    }
    Ok(counts)
}

/// Reads what [`engine::hour_text`] wrote.
fn hour(text: &str) -> Result<DateTimeUtc> {
    NaiveDateTime::parse_from_str(&format!("{text}:00"), "%Y-%m-%dT%H:%M")
        .map(|it| it.and_utc())
        .map_err(|error| DbErr::Type(format!("{text}: {error}")).into())
}

/// Removes entries of before that time, the oldest first and at most so many; critical ones
/// stay. Gives how many. What another transaction is removing is left to it.
pub async fn events_prune(
    db: &impl ConnectionTrait,
    before: DateTimeUtc,
    limit: u64,
) -> Result<u64> {
    let backend = db.get_database_backend();
    let skip = match backend {
        DbBackend::Sqlite => "",
        _ => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE occurred_at < $1 \
         AND severity <> 'critical' ORDER BY occurred_at LIMIT $2 {skip})"
    );
    let values = [
        before.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let done = db
        .execute_raw(engine::statement(backend, &sql, values))
        .await?;
    Ok(done.rows_affected())
}

/// The entries of one type that concern a person, oldest first, at most so many: for commands
/// to the person's devices, since a time.
pub async fn events_since(
    db: &impl ConnectionTrait,
    event_type: &str,
    user: UserId,
    since: DateTimeUtc,
    limit: u64,
) -> Result<Vec<Event>> {
    let rows = events::Entity::find()
        .filter(events::Column::UserId.eq(user))
        .filter(events::Column::EventType.eq(event_type))
        .filter(events::Column::OccurredAt.gte(since))
        .order_by_asc(events::Column::OccurredAt)
        .order_by_asc(events::Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}
