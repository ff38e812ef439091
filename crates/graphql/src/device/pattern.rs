//! Learned patterns, as the API shows them.

use app::{Access, Cx};
use async_graphql::{ComplexObject, Context, InputObject, Object, SimpleObject};
use domain::{
    audit::check_event_type,
    check::Check,
    device::{self, LearnedPatternId, PatternKind},
    dna::{EntityId, PatternWindow},
};
use persistence::{
    device::{PatternParent, learned_patterns, patterns_by_ids, patterns_under},
    page::{self, Key},
};

use super::Device;
use crate::{
    Result,
    connection::PageArgs,
    cx,
    dna::Entity,
    identity::User,
    loader::{self, Children, by_key},
    payload,
    payload::answer,
};

/// A regularity that an entity noticed in its own events and those of the device it lives on.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct LearnedPattern {
    /// The row.
    #[graphql(flatten)]
    pub row: device::LearnedPattern,
}

impl From<device::LearnedPattern> for LearnedPattern {
    fn from(row: device::LearnedPattern) -> Self {
        Self { row }
    }
}

#[ComplexObject]
impl LearnedPattern {
    /// Who noticed it.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, self.row.entity_id).await
    }

    /// The device where it was seen last, if it is still there.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.device_id).await
    }

    /// Whom a social pattern is about, if you can see them.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::maybe(ctx, self.row.user_id).await
    }
}

crate::connection!(
    LearnedPatternConnection,
    LearnedPatternEdge,
    LearnedPattern,
    "learned patterns"
);

by_key!(LearnedPatternId => LearnedPattern, |it: &LearnedPattern| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let found = patterns_by_ids(loaders.cx.reader(), &scope, ids).await?;
    found.into_iter().map(LearnedPattern::from)
});

/// Which learned patterns; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LearnedPatternFilter {
    /// Of one of these kinds.
    kinds: Option<Vec<PatternKind>>,
    /// Looked for in this time.
    window: Option<PatternWindow>,
    /// Seen within twice their window, or not.
    is_active: Option<bool>,
    /// At least as sure as this, 0–1.
    confidence_at_least: Option<f64>,
    /// About this type of event; either of two for a sequence.
    event_type: Option<String>,
}

/// The patterns of an entity or a device, the surest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PatternsUnder {
    parent: PatternParent,
    filter: persistence::device::PatternFilter,
}

impl Children for PatternsUnder {
    type Table = learned_patterns::Entity;
    type Row = device::LearnedPattern;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.entities(Access::Read)?;
        let select = self.filter.select(cx.reader(), &scope);
        Ok(patterns_under(select, self.parent))
    }
}

/// The patterns of a parent, the surest first.
pub(crate) async fn patterns(
    ctx: &Context<'_>,
    parent: PatternParent,
    id: impl Into<uuid::Uuid>,
    filter: Option<LearnedPatternFilter>,
    args: PageArgs,
) -> Result<LearnedPatternConnection> {
    let LearnedPatternFilter {
        kinds,
        window,
        is_active,
        confidence_at_least,
        event_type,
    } = filter.unwrap_or_default();
    let mut check = Check::new();
    if let Some(least) = confidence_at_least {
        check.number("filter.confidenceAtLeast", least, 0.0..=1.0);
    }
    if let Some(event_type) = &event_type {
        check.nested("filter", check_event_type(event_type));
    }
    check.done().map_err(app::Error::from)?;
    let filter = persistence::device::PatternFilter {
        kinds,
        window,
        is_active,
        confidence_at_least: confidence_at_least.map(Key::Number),
        event_type,
    };
    let under = PatternsUnder { parent, filter };
    let (slice, total) = loader::page_of(ctx, id, under, args).await?;
    let slice = slice.map(LearnedPattern::from);
    Ok(LearnedPatternConnection::of(slice, total, |it| {
        (Key::Number(it.row.confidence), it.row.id.0)
    }))
}

/// An entity that is to look at what it lived through.
#[derive(Clone, Debug, InputObject)]
pub struct LearnedPatternsRefreshInput {
    /// Which entity.
    entity: EntityId,
}

payload! {
    /// Answer of `learnedPatternsRefresh`.
    LearnedPatternsRefreshPayload {
        /// The entity, with its `learnedPatterns` as they are now.
        entity: Entity,
    }
}

/// Mutations of learned patterns.
#[derive(Debug, Default)]
pub struct PatternMutation;

#[Object]
impl PatternMutation {
    /// Looks for patterns in what an entity and its device lived through, now rather than
    /// within six hours, as happens by itself. Finding the same again changes nothing.
    async fn learned_patterns_refresh(
        &self,
        ctx: &Context<'_>,
        input: LearnedPatternsRefreshInput,
    ) -> Result<LearnedPatternsRefreshPayload> {
        let done = app::device::patterns_refresh(cx(ctx), input.entity).await;
        answer(done.map(|it| LearnedPatternsRefreshPayload::of(it.into())))
    }
}
