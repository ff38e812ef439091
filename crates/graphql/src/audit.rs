//! The event log.

use app::{Access, Change, Error};
use async_graphql::{ComplexObject, Context, SimpleObject, Subscription};
use domain::audit;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::{Result, cx, scalar::Json};

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
        let changes = stream::unfold(Some(cx.bus.subscribe()), |feed| async move {
            let mut feed = feed?;
            match feed.recv().await {
                Ok(change) => Some((Ok(change), Some(feed))),
                Err(RecvError::Lagged(missed)) => Some((Err(lagged(missed)), None)),
                Err(RecvError::Closed) => None,
            }
        });
        Ok(changes.filter_map(move |change| {
            let event = match change {
                Ok(Change::EventLogged(event))
                    if event_type.as_ref().is_none_or(|it| *it == event.event_type) =>
                {
                    Some(Ok(Event {
                        row: (*event).clone(),
                    }))
                }
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            std::future::ready(event)
        }))
    }
}

/// What a slow subscriber is told.
fn lagged(missed: u64) -> async_graphql::Error {
    let error = Error::conflict(
        "",
        format!("this subscriber fell behind and missed {missed} changes: subscribe again"),
    );
    crate::Failure::from(error).into()
}
