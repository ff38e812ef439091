//! Queries of dna.

use app::{Access, Error};
use async_graphql::{Context, Object};
use domain::dna::{
    Dna, EntityId, TraitComparison, compare, similarity,
    voice::{Voice, VoiceGender},
};
use persistence::dna as rows;

use super::{
    DnaOf, Entity, EntityConnection, EntityProfile, ProfileOf, SimilarEntity, count,
    input::{EntityFilter, EntityOrder},
};
use crate::{
    Result,
    connection::{PageArgs, wants_total},
    cx, loader,
};

/// How two DNAs compare.
#[derive(Clone, Debug, async_graphql::SimpleObject)]
pub struct DnaComparison {
    /// 1 − Euclidean distance / √17 over the traits: 1 for the same DNA, 0 for the opposite.
    pub similarity: f64,
    /// Trait by trait, in the documented order.
    pub traits: Vec<TraitComparison>,
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

    /// The entities that you can see.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four, a filter and an order"
    )]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        filter: Option<EntityFilter>,
        order_by: Option<EntityOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EntityConnection> {
        let page = PageArgs {
            first,
            after,
            last,
            before,
        }
        .page()?;
        let cx = cx(ctx);
        let scope = cx.viewer.entities(Access::Read)?;
        let filter = rows::EntityFilter::from(filter.unwrap_or_default());
        let order_by = order_by.unwrap_or_default();
        let db = cx.reader();
        let slice = rows::entities_page(db, &scope, &filter, order_by.into(), &page).await?;
        let total = if wants_total(ctx) {
            Some(count(rows::entities_count(db, &scope, &filter).await?))
        } else {
            None
        };
        Ok(EntityConnection::of(slice.map(Entity::from), total, |it| {
            it.place_in(order_by)
        }))
    }

    /// An entity with its device, origin and most asked-for traits, as one flat object; null
    /// when there is none that you can see.
    async fn entity_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which entity.")] entity: EntityId,
    ) -> Result<Option<EntityProfile>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, ProfileOf(entity)).await
    }

    /// The voices of the catalogue: the 108 speakers of the VCTK corpus and those the operator
    /// added.
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn voices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only of this gender.")] gender: Option<VoiceGender>,
        #[graphql(desc = "Only of this accent, such as `Scottish`.")] accent: Option<String>,
    ) -> Result<Vec<Voice>> {
        Ok(app::dna::voices(cx(ctx), gender, accent.as_deref())?)
    }

    /// How the DNAs of two entities compare, trait by trait; null when there is either that
    /// you cannot see.
    async fn dna_compare(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "One entity.")] a: EntityId,
        #[graphql(desc = "The other.")] b: EntityId,
    ) -> Result<Option<DnaComparison>> {
        cx(ctx).viewer.require(Access::Read)?;
        let found = loader::many(ctx, [DnaOf(a), DnaOf(b)]).await?;
        let (Some(a), Some(b)) = (found.get(&DnaOf(a)), found.get(&DnaOf(b))) else {
            return Ok(None);
        };
        let (a, b): (&Dna, &Dna) = (&a.row.dna, &b.row.dna);
        Ok(Some(DnaComparison {
            similarity: similarity(a, b),
            traits: compare(a, b),
        }))
    }
}

/// The entities with the nearest DNA.
pub(super) async fn similar(
    ctx: &Context<'_>,
    to: EntityId,
    limit: u64,
) -> Result<Vec<SimilarEntity>> {
    let cx = cx(ctx);
    let scope = cx.viewer.entities(Access::Read)?;
    let own = loader::one(ctx, DnaOf(to))
        .await?
        .ok_or_else(|| Error::not_found("entity"))?;
    let found = rows::nearest(cx.reader(), &scope, to, &own.row.dna, limit).await?;
    Ok(found
        .into_iter()
        .map(|it| SimilarEntity {
            entity: Entity::from(it.entity),
            similarity: 1.0 - (it.squared_distance / 17.0).sqrt(),
        })
        .collect())
}
