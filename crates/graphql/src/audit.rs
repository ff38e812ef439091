//! The event log.

use std::collections::HashMap;

use app::{Access, Change, Cx, feed::Logged};
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
use futures_util::{Stream, StreamExt};
use persistence::page::Key;

use crate::{
    Failure, Result,
    connection::{PageArgs, wants_total},
    cx,
    device::Device,
    dna::Entity,
    feed,
    identity::User,
    loader::{self, Loaders},
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

/// The order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
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
    /// An entry of the log; administrators only.
    async fn event(&self, ctx: &Context<'_>, id: EventId) -> Result<Option<Event>> {
        cx(ctx).viewer.require_admin()?;
        loader::one(ctx, id).await
    }

    /// The log of what happened, newest first unless asked otherwise; administrators only.
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
        let EventFilter {
            types,
            severity,
            device,
            entity,
            user,
            conversation,
            correlation_id,
            from,
            to,
        } = filter.unwrap_or_default();
        let filter = persistence::audit::EventFilter {
            types,
            severities: severity,
            device,
            entity,
            user,
            conversation,
            correlation_id,
            from,
            to,
        };
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let newest_first = order_by.unwrap_or_default() == EventOrder::OccurredAtDesc;
        let page = args.page()?;
        let (slice, total) =
            app::audit::events(cx(ctx), &filter, newest_first, &page, wants_total(ctx)).await?;
        let slice = slice.map(|row| Event { row });
        Ok(EventConnection::of(slice, total, |it| {
            (Key::Time(it.row.occurred_at), it.row.id.0)
        }))
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
        } = input;
        let payload = payload.map(|it| it.0);
        let input = app::audit::EventRecord {
            event_type,
            severity: severity.unwrap_or_default(),
            device,
            entity,
            payload,
            occurred_at,
        };
        let event = app::audit::record(cx(ctx), input).await;
        answer(event.map(|row| EventRecordPayload::of(Event { row })))
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
        let cx = cx(ctx);
        cx.viewer.require(Access::Read)?;
        cx.viewer.require_admin()?;
        let (changes, cx) = (feed::changes(cx), cx.clone());
        Ok(changes.filter_map(move |change| {
            let logged = match change {
                Ok(Change::EventLogged(it))
                    if event_type.as_ref().is_none_or(|ty| *ty == it.event_type) =>
                {
                    Some(Ok(it))
                }
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            let cx = cx.clone();
            async move {
                match logged? {
                    Ok(logged) => row(&cx, logged).await.transpose(),
                    Err(error) => Some(Err(error)),
                }
            }
        }))
    }
}

/// The event that was logged: read, when another process logged it.
async fn row(cx: &Cx, logged: Logged) -> async_graphql::Result<Option<Event>> {
    let row = match logged.row {
        Some(row) => Some((*row).clone()),
        None => app::audit::by_ids(cx, &[logged.id])
            .await
            .map_err(Failure::from)?
            .pop(),
    };
    Ok(row.map(|row| Event { row }))
}
