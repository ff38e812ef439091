//! Entities and their DNA, as the API shows them.

use app::Access;
use async_graphql::dataloader::Loader;
// `OutputType`: what flattening in `ComplexObject` calls without naming it.
use async_graphql::{ComplexObject, Context, Object, OutputType, SimpleObject};
use domain::dna::{self, EntityId};
use std::collections::HashMap;

use crate::{
    Failure, Result, cx,
    loader::{self, Loaders},
};

/// An AI somebody. It may be cast onto one device, moved to another, or live on none.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Entity {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::Entity,
}

#[ComplexObject]
impl Entity {
    /// Owner and device.
    #[graphql(flatten)]
    fn place_of(&self, _ctx: &Context<'_>) -> crate::device::EntityPlace {
        crate::device::EntityPlace {
            owner: self.row.owner_id,
            device: self.row.device_id,
        }
    }
}

impl From<dna::Entity> for Entity {
    fn from(row: dna::Entity) -> Self {
        Self { row }
    }
}

impl Loader<EntityId> for Loaders {
    type Value = Entity;
    type Error = Failure;

    async fn load(&self, ids: &[EntityId]) -> Result<HashMap<EntityId, Entity>> {
        let scope = self.cx.viewer.entities(Access::Read)?;
        let found = persistence::dna::entities_by_ids(self.cx.reader(), &scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, Entity { row }))
            .collect())
    }
}

/// Queries of dna.
#[derive(Debug, Default)]
pub struct DnaQuery;

#[Object]
impl DnaQuery {
    /// An entity; null when there is none that you can see.
    async fn entity(&self, ctx: &Context<'_>, id: EntityId) -> Result<Option<Entity>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }
}
