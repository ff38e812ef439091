//! The change feed as a stream, for subscriptions.
//!
//! # Recipe: a subscription
//!
//! ```ignore
//! async fn message_added(&self, ctx: &Context<'_>, conversation: ConversationId)
//!     -> Result<impl Stream<Item = async_graphql::Result<Message>> + use<>> {
//!     let cx = cx(ctx);
//!     …authorize, load what is followed…
//!     let (changes, cx) = (feed::changes(cx), cx.clone());
//!     Ok(changes.filter_map(move |change| { …which of them; read the row by its id in scope… }))
//! }
//! ```

use app::{Change, Cx, Error};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::Failure;

/// Every change from now on. It ends with an error when some were missed: buffering for a slow
/// subscriber would have no end, and leaving out would be believed.
pub fn changes(cx: &Cx) -> impl Stream<Item = async_graphql::Result<Change>> + use<> {
    stream::unfold(Some(cx.bus.subscribe()), |feed| async move {
        let mut feed = feed?;
        match feed.recv().await {
            Ok(Change::Missed) => {
                let why = "the connection to the other servers was away: subscribe again";
                Some((Err(ended(why.to_owned())), None))
            }
            Ok(change) => Some((Ok(change), Some(feed))),
            Err(RecvError::Lagged(missed)) => {
                let why = format!(
                    "this subscriber fell behind and missed {missed} changes: subscribe again"
                );
                Some((Err(ended(why)), None))
            }
            Err(RecvError::Closed) => None,
        }
    })
}

fn ended(why: String) -> async_graphql::Error {
    Failure::from(Error::conflict("", why)).into()
}
