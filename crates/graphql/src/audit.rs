//! The event log.

use std::collections::HashMap;

use app::{Access, Change, Cx, audit::EventRecord, feed::Logged};
use async_graphql::{
    ComplexObject, Context, Enum, InputObject, Object, SimpleObject, Subscription,
    dataloader::Loader,
};
use chrono::{DateTime, Utc};
use domain::{
    audit::{self, EventId, Severity},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
};
use futures_util::{Stream, StreamExt, stream};
use persistence::{
    audit::{self as rows, CountKey},
    page::{self, Key, Slice},
    scope::EventScope,
};

use crate::{
    Failure, Result,
    connection::{PageArgs, wants_total},
    cx,
    device::Device,
    dna::Entity,
    feed,
    identity::User,
    loader::{self, Children, Loaders},
    payload,
    payload::answer,
    scalar::Json,
};

/// One entry of the append-only log of what happened.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Event {
    /// The row.
    #[graphql(flatten)]
    pub row: audit::Event,
}

#[ComplexObject]
impl Event {
    /// What else there is to say; never anybody's words.
    async fn payload(&self) -> Json {
        Json(self.row.payload.0.clone())
    }

    /// The device it concerns, if that is still there.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.device_id).await
    }

    /// The entity it concerns, if that is still there.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::maybe(ctx, self.row.entity_id).await
    }

    /// The person it concerns, if they are still there.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::maybe(ctx, self.row.user_id).await
    }
}

impl Loader<EventId> for Loaders {
    type Value = Event;
    type Error = Failure;

    async fn load(&self, ids: &[EventId]) -> Result<HashMap<EventId, Event>> {
        let found = app::audit::by_ids(&self.cx, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, Event { row }))
            .collect())
    }
}

/// Which entries of the log; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EventFilter {
    /// Of one of these types, at most 50.
    types: Option<Vec<String>>,
    /// Of one of these severities.
    severity: Option<Vec<Severity>>,
    /// Of this severity or one that matters more.
    severity_at_least: Option<Severity>,
    /// Concerning this device.
    device: Option<DeviceId>,
    /// Concerning this entity.
    entity: Option<EntityId>,
    /// Concerning this person.
    user: Option<UserId>,
    /// Concerning this conversation.
    conversation: Option<ConversationId>,
    /// Of this request.
    correlation_id: Option<String>,
    /// At this time or later.
    from: Option<DateTime<Utc>>,
    /// Before this time.
    to: Option<DateTime<Utc>>,
}

impl EventFilter {
    /// As the database is asked.
    fn row(self) -> persistence::audit::EventFilter {
        let Self {
            types,
            severity,
            severity_at_least,
            device,
            entity,
            user,
            conversation,
            correlation_id,
            from,
            to,
        } = self;
        persistence::audit::EventFilter {
            types,
            severities: severity,
            severity_at_least,
            device,
            entity,
            user,
            conversation,
            correlation_id,
            from,
            to,
        }
    }
}

/// The order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum EventOrder {
    /// The newest first.
    #[default]
    OccurredAtDesc,
    /// The oldest first.
    OccurredAtAsc,
}

crate::connection!(EventConnection, EventEdge, Event, "the event log");

/// Queries of audit.
#[derive(Debug, Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// An entry of the log; administrators only. What your devices lived through is among
    /// their `events`.
    async fn event(&self, ctx: &Context<'_>, id: EventId) -> Result<Option<Event>> {
        cx(ctx).viewer.require_admin()?;
        loader::one(ctx, id).await
    }

    /// The log of what happened, newest first unless asked otherwise; administrators only. It
    /// may lag behind a little.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        filter: Option<EventFilter>,
        order_by: Option<EventOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EventConnection> {
        let filter = filter.unwrap_or_default().row();
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let newest_first = order_by.unwrap_or_default() == EventOrder::OccurredAtDesc;
        let page = args.page()?;
        let (slice, total) =
            app::audit::events(cx(ctx), filter, newest_first, &page, wants_total(ctx)).await?;
        Ok(connection(slice, total))
    }

    /// How many entries of the log have something in common: the most frequent first, hours the
    /// newest first. Of the last 7 days when the filter does not say since when. Administrators
    /// only. It may lag behind a little.
    async fn event_counts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What they have in common.")] by: EventCountBy,
        filter: Option<EventFilter>,
        #[graphql(desc = "How many groups at most, 1–1000.", default = 100)] first: i32,
    ) -> Result<Vec<EventCount>> {
        let filter = filter.unwrap_or_default().row();
        let counts = app::audit::event_counts(cx(ctx), by.into(), filter, first.into()).await?;
        Ok(counts.into_iter().map(EventCount).collect())
    }
}

/// A page of the log.
fn connection(slice: Slice<audit::Event>, total: Option<i64>) -> EventConnection {
    let slice = slice.map(|row| Event { row });
    EventConnection::of(slice, total, |it| {
        (Key::Time(it.row.occurred_at), it.row.id.0)
    })
}

/// What the devices of a level lived through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OfDevice {
    filter: persistence::audit::EventFilter,
    newest_first: bool,
}

impl Children for OfDevice {
    type Table = rows::events::Entity;
    type Row = audit::Event;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = EventScope::OfDevices(cx.viewer.devices(Access::Read)?);
        let select = self.filter.of(scope.events());
        Ok(rows::events_under(select, self.newest_first))
    }
}

/// What a device lived through.
pub(crate) async fn of_device(
    ctx: &Context<'_>,
    device: DeviceId,
    filter: Option<EventFilter>,
    order: Option<EventOrder>,
    args: PageArgs,
) -> Result<EventConnection> {
    let filter = app::audit::event_filter(filter.unwrap_or_default().row())?;
    let newest_first = order.unwrap_or_default() == EventOrder::OccurredAtDesc;
    let list = OfDevice {
        filter,
        newest_first,
    };
    let (slice, total) = loader::page_of(ctx, device, list, args).await?;
    Ok(connection(slice, total))
}

/// By what entries of the log are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "rows::CountBy")]
pub enum EventCountBy {
    /// Their type.
    Type,
    /// The hour they happened in.
    Hour,
    /// The device they concern.
    Device,
}

/// How many entries of the log have something in common.
#[derive(Clone, Debug)]
pub struct EventCount(app::audit::EventCount);

/// How many entries of the log have something in common.
#[Object]
impl EventCount {
    /// Their type, counted by type.
    async fn event_type(&self) -> Option<&str> {
        match &self.0.key {
            CountKey::Type(it) => Some(it),
            _ => None,
        }
    }

    /// When the hour they happened in began, counted by hour.
    async fn hour(&self) -> Option<DateTime<Utc>> {
        match self.0.key {
            CountKey::Hour(it) => Some(it),
            _ => None,
        }
    }

    /// The device they concern, counted by device, if they concern one.
    async fn device_id(&self) -> Option<DeviceId> {
        match self.0.key {
            CountKey::Device(it) => it,
            _ => None,
        }
    }

    /// The device they concern, counted by device, if it is still there.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match self.0.key {
            CountKey::Device(it) => loader::maybe(ctx, it).await,
            _ => Ok(None),
        }
    }

    /// How many.
    async fn count(&self) -> i64 {
        self.0.count
    }
}

/// What a caller reports.
#[derive(Clone, Debug, InputObject)]
pub struct EventRecordInput {
    /// What happened, `[a-z_]{1,50}`; the types that the system writes itself are refused.
    pub event_type: String,
    /// How much it matters; `INFO` when not said.
    pub severity: Option<Severity>,
    /// The device it concerns; a device's own reports concern itself.
    pub device: Option<DeviceId>,
    /// The entity it concerns.
    pub entity: Option<EntityId>,
    /// What else there is to say: a JSON object of at most 16 KiB.
    pub payload: Option<Json>,
    /// When it happened, at most an hour ahead; now when not said.
    pub occurred_at: Option<DateTime<Utc>>,
    /// The same key again adds nothing, and gives the same event; kept 24 hours.
    pub idempotency_key: Option<String>,
}

/// One event of many.
#[derive(Clone, Debug, InputObject)]
pub struct EventRecordBatchItem {
    /// What happened, `[a-z_]{1,50}`; the types that the system writes itself are refused.
    pub event_type: String,
    /// How much it matters; `INFO` when not said.
    pub severity: Option<Severity>,
    /// The device it concerns; a device's own reports concern itself.
    pub device: Option<DeviceId>,
    /// The entity it concerns.
    pub entity: Option<EntityId>,
    /// What else there is to say: a JSON object of at most 16 KiB.
    pub payload: Option<Json>,
    /// When it happened, at most an hour ahead; now when not said.
    pub occurred_at: Option<DateTime<Utc>>,
}

/// Many events at once.
#[derive(Clone, Debug, InputObject)]
pub struct EventRecordBatchInput {
    /// The events, 1–1000.
    pub events: Vec<EventRecordBatchItem>,
    /// The same key again adds nothing, and gives the same answer; kept 24 hours.
    pub idempotency_key: Option<String>,
}

impl From<EventRecordBatchItem> for EventRecord {
    fn from(item: EventRecordBatchItem) -> Self {
        let EventRecordBatchItem {
            event_type,
            severity,
            device,
            entity,
            payload,
            occurred_at,
        } = item;
        Self {
            event_type,
            severity: severity.unwrap_or_default(),
            device,
            entity,
            payload: payload.map(|it| it.0),
            occurred_at,
        }
    }
}

payload! {
    /// Answer of `eventRecordBatch`.
    EventRecordBatchPayload {
        /// How many events were added.
        recorded: i32,
    }
}

payload! {
    /// Answer of `eventRecord`.
    EventRecordPayload {
        /// The event as it was logged.
        event: Event,
    }
}

/// Mutations of the log, which only grows.
#[derive(Debug, Default)]
pub struct AuditMutation;

#[Object]
impl AuditMutation {
    /// Adds an event of your own to the log.
    async fn event_record(
        &self,
        ctx: &Context<'_>,
        input: EventRecordInput,
    ) -> Result<EventRecordPayload> {
        let EventRecordInput {
            event_type,
            severity,
            device,
            entity,
            payload,
            occurred_at,
            idempotency_key,
        } = input;
        let item = EventRecordBatchItem {
            event_type,
            severity,
            device,
            entity,
            payload,
            occurred_at,
        };
        let event = app::audit::record(cx(ctx), idempotency_key, item.into()).await;
        answer(event.map(|row| EventRecordPayload::of(Event { row })))
    }

    /// Adds many events of your own to the log: all of them, or none when anything is wrong
    /// with one. The `field` of an error says which: `events`, its place from 0, and its field.
    async fn event_record_batch(
        &self,
        ctx: &Context<'_>,
        input: EventRecordBatchInput,
    ) -> Result<EventRecordBatchPayload> {
        let EventRecordBatchInput {
            events,
            idempotency_key,
        } = input;
        let events = events.into_iter().map(EventRecord::from).collect();
        let count = app::audit::record_batch(cx(ctx), idempotency_key, events).await;
        let count = count.map(|it| i32::try_from(it).unwrap_or(i32::MAX));
        answer(count.map(EventRecordBatchPayload::of))
    }
}

/// Subscriptions of the log.
#[derive(Debug, Default)]
pub struct AuditSubscription;

#[Subscription]
impl AuditSubscription {
    /// Every event as it is logged, from now on; administrators only. A subscriber that
    /// falls behind is dropped with an error rather than buffered without end.
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn event_logged(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only events of this type.")] event_type: Option<String>,
    ) -> Result<impl Stream<Item = async_graphql::Result<Event>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx);
        cx.viewer.require(Access::Read)?;
        cx.viewer.require_admin()?;
        let (changes, cx) = (feed::changes(cx), cx.clone());
        Ok(changes.flat_map(move |change| {
            let cx = cx.clone();
            let logged = match change {
                Ok(Change::EventLogged(it)) => Ok(vec![it]),
                Ok(Change::EventsLogged(all)) => Ok(all),
                Ok(_) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            let logged = logged.map(|mut it| {
                it.retain(|it| event_type.as_ref().is_none_or(|ty| *ty == it.event_type));
                it
            });
            stream::once(async move { rows_of(&cx, logged?).await }).flat_map(|rows| {
                stream::iter(match rows {
                    Ok(rows) => rows.into_iter().map(|row| Ok(Event { row })).collect(),
                    Err(error) => vec![Err(error)],
                })
            })
        }))
    }
}

/// The events that were logged: read, in one statement, when another process logged them.
async fn rows_of(cx: &Cx, logged: Vec<Logged>) -> async_graphql::Result<Vec<audit::Event>> {
    let strange: Vec<EventId> = logged
        .iter()
        .filter(|it| it.row.is_none())
        .map(|it| it.id)
        .collect();
    if !strange.is_empty() {
        let mut rows = app::audit::by_ids(cx, &strange)
            .await
            .map_err(Failure::from)?;
        rows.sort_by_key(|it| it.id);
        return Ok(rows);
    }
    let rows = logged.iter().filter_map(|it| it.row.as_deref().cloned());
    Ok(rows.collect())
}
