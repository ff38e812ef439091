//! Persons, as the API shows them.

use app::Access;
use async_graphql::dataloader::Loader;
// `OutputType`: what flattening in `ComplexObject` calls without naming it.
use async_graphql::{ComplexObject, Context, Object, OutputType, SimpleObject};
use domain::identity::{self, UserId};
use std::collections::HashMap;

use crate::{
    Failure, Result, cx,
    loader::{self, Loaders},
};

/// A person known to the system, with or without credentials.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct User {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::User,
}

#[ComplexObject]
impl User {
    /// Entities.
    #[graphql(flatten)]
    async fn entities_of(&self, _ctx: &Context<'_>) -> crate::dna::UserEntities {
        crate::dna::UserEntities(self.row.id)
    }

    /// Devices, zones and groups.
    #[graphql(flatten)]
    fn devices_of(&self, _ctx: &Context<'_>) -> crate::device::UserDevices {
        crate::device::UserDevices(self.row.id)
    }
}

impl From<identity::User> for User {
    fn from(row: identity::User) -> Self {
        Self { row }
    }
}

impl Loader<UserId> for Loaders {
    type Value = User;
    type Error = Failure;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>> {
        let scope = self.cx.viewer.persons(Access::Read)?;
        let found = persistence::identity::persons_by_ids(self.cx.reader(), scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, User { row }))
            .collect())
    }
}

/// Queries of identity.
#[derive(Debug, Default)]
pub struct IdentityQuery;

#[Object]
impl IdentityQuery {
    /// A person; null when there is none that you can see.
    async fn user(&self, ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }
}
