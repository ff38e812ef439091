//! Entities and their DNA, as the API shows them.

use std::{collections::HashMap, sync::Arc};

use app::{Access, Cx};
// `OutputType`: what flattening in `ComplexObject` calls without naming it.
use async_graphql::{ComplexObject, Context, Object, OutputType, SimpleObject};
use domain::{
    device::DeviceId,
    dna::{
        self, EntityId,
        express::{MoodBaseline, StyleDirective},
        voice::{Prosody, VoiceMatch},
    },
    identity::UserId,
};
use persistence::{
    device::PatternParent,
    dna::{Line, Relative},
    page::{self, Key},
};

use crate::{
    Result, connection,
    connection::{PageArgs, wants_total},
    cx,
    device::{Device, LearnedPatternConnection, LearnedPatternFilter, patterns},
    identity::User,
    loader::{self, Children, by_key},
    persona::{OnDuty, PersonaDefinition},
    scalar::Json,
};

mod input;
mod mutation;
mod query;

use input::EntityOrder;
pub use mutation::*;
pub use query::*;

/// An AI somebody. It may be cast onto one device, moved to another, or live on none.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Entity {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::Entity,
}

impl From<dna::Entity> for Entity {
    fn from(row: dna::Entity) -> Self {
        Self { row }
    }
}

impl Entity {
    /// Its place in a list of this order.
    fn place_in(&self, order: EntityOrder) -> (Key, uuid::Uuid) {
        let key = match order {
            EntityOrder::Newest | EntityOrder::Oldest => Key::Time(self.row.created_at),
            EntityOrder::Name => Key::Text(self.row.name.clone()),
        };
        (key, self.row.id.0)
    }
}

/// What an entity is predisposed to, and where that comes from.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct EntityDna {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::EntityDna,
}

/// The told backstory an entity's DNA is read from.
#[derive(Clone, Debug, SimpleObject)]
pub struct EntityOrigin {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::EntityOrigin,
}

/// One state of an entity's DNA: how it became so, and what it was.
#[derive(Clone, Debug, SimpleObject)]
pub struct DnaRevision {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::EntityDnaRevision,
}

/// How one entity stands to another, seen from the first.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Kinship {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::EntityRelationship,
}

/// One of a line of ancestors or descendants.
#[derive(Clone, Debug, SimpleObject)]
pub struct Kin {
    /// Who.
    pub entity: Entity,
    /// 1 for a parent or child, 2 for theirs, and so on.
    pub distance: i32,
}

/// An entity whose DNA is near another's.
#[derive(Clone, Debug, SimpleObject)]
pub struct SimilarEntity {
    /// Who.
    pub entity: Entity,
    /// 1 − Euclidean distance / √17 over the traits: 1 for the same DNA, 0 for the opposite.
    pub similarity: f64,
}

/// An entity with its device, origin and the most asked-for traits: the Soven seed's view.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct EntityProfile {
    /// The row.
    #[graphql(flatten)]
    pub row: dna::EntityProfile,
}

connection!(EntityConnection, EntityEdge, Entity, "entities");
connection!(KinConnection, KinEdge, Kin, "relatives, nearest first");
connection!(
    DnaRevisionConnection,
    DnaRevisionEdge,
    DnaRevision,
    "revisions of DNA"
);

/// The DNA of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DnaOf(pub EntityId);

/// The origin of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginOf(pub EntityId);

/// The profile of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileOf(pub EntityId);

by_key!(EntityId => Entity, |it: &Entity| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let rows = persistence::dna::entities_by_ids(loaders.cx.reader(), &scope, ids).await?;
    rows.into_iter().map(Entity::from)
});
by_key!(DnaOf => EntityDna, |it: &EntityDna| DnaOf(it.row.entity_id), async |loaders, keys| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let ids: Vec<EntityId> = keys.iter().map(|it| it.0).collect();
    let rows = persistence::dna::dna_of_many(loaders.cx.reader(), &scope, &ids).await?;
    rows.into_iter().map(|row| EntityDna { row })
});
/// What moved the values of an entity's DNA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct EvidenceOf(EntityId);

impl async_graphql::dataloader::Loader<EvidenceOf> for loader::Loaders {
    type Value = Arc<Vec<dna::Evidence>>;
    type Error = crate::Failure;

    async fn load(&self, keys: &[EvidenceOf]) -> Result<HashMap<EvidenceOf, Self::Value>> {
        let scope = self.cx.viewer.entities(Access::Read)?;
        let ids: Vec<EntityId> = keys.iter().map(|it| it.0).collect();
        let rows = persistence::dna::evidence_of(self.cx.reader(), &scope, &ids).await?;
        Ok(rows
            .into_iter()
            .map(|(id, it)| (EvidenceOf(id), Arc::new(it)))
            .collect())
    }
}

by_key!(OriginOf => EntityOrigin, |it: &EntityOrigin| OriginOf(it.row.entity_id), async |loaders, keys| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let ids: Vec<EntityId> = keys.iter().map(|it| it.0).collect();
    let rows = persistence::dna::origins_of(loaders.cx.reader(), &scope, &ids).await?;
    rows.into_iter().map(|row| EntityOrigin { row })
});
by_key!(ProfileOf => EntityProfile, |it: &EntityProfile| ProfileOf(it.row.entity_id), async |loaders, keys| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let ids: Vec<EntityId> = keys.iter().map(|it| it.0).collect();
    let rows = persistence::dna::profiles_of(loaders.cx.reader(), &scope, &ids).await?;
    rows.into_iter().map(|row| EntityProfile { row })
});

/// The entities that a person owns, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct EntitiesUnder(persistence::dna::EntityOrder);

impl Children for EntitiesUnder {
    type Table = persistence::dna::entities::Entity;
    type Row = dna::Entity;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.entities(Access::Read)?;
        Ok(persistence::dna::entities_under(
            cx.reader(),
            &scope,
            self.0,
        ))
    }
}

/// What a person has of entities; fields of `User`.
#[derive(Debug)]
pub struct UserEntities(pub UserId);

#[Object]
impl UserEntities {
    /// The entities the person owns, as far as you can see them; newest first unless asked
    /// otherwise.
    async fn entities(
        &self,
        ctx: &Context<'_>,
        order_by: Option<EntityOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EntityConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let order_by = order_by.unwrap_or_default();
        let owned = EntitiesUnder(order_by.into());
        let (slice, total) = loader::page_of(ctx, self.0, owned, args).await?;
        let slice = slice.map(Entity::from);
        Ok(EntityConnection::of(slice, total, |it| {
            it.place_in(order_by)
        }))
    }
}

#[ComplexObject]
impl Entity {
    /// Conversations.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn conversations_with(
        &self,
        _ctx: &Context<'_>,
    ) -> crate::conversation::EntityConversations {
        crate::conversation::EntityConversations(self.row.id)
    }

    /// What entities tell each other.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn messages_of(&self, _ctx: &Context<'_>) -> crate::conversation::EntityMessages {
        crate::conversation::EntityMessages(self.row.id)
    }

    /// Who owns it; null for a viewer who may see the entity but not the person.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one::<UserId>(ctx, self.row.owner_id).await
    }

    /// The device it is cast onto.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match self.row.device_id {
            Some(id) => loader::one::<DeviceId>(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The persona definition it plays.
    async fn persona_definition(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.persona_definition_id.map(OnDuty)).await
    }

    /// What it is predisposed to.
    async fn dna(&self, ctx: &Context<'_>) -> Result<Option<EntityDna>> {
        loader::one(ctx, DnaOf(self.row.id)).await
    }

    /// The told backstory; null when none was told.
    async fn origin(&self, ctx: &Context<'_>) -> Result<Option<EntityOrigin>> {
        loader::one(ctx, OriginOf(self.row.id)).await
    }

    /// The entity with its device, origin and most asked-for traits, as one flat object.
    async fn profile(&self, ctx: &Context<'_>) -> Result<Option<EntityProfile>> {
        loader::one(ctx, ProfileOf(self.row.id)).await
    }

    /// Configuration of its personality.
    async fn personality_config(&self) -> Json {
        Json(self.row.personality_config.0.clone())
    }

    /// The voice assigned to it, in the shape that speech synthesizers take; empty before.
    async fn voice_config(&self) -> Json {
        Json(self.row.voice_config.0.clone())
    }

    /// The voices that fit it best, best first, with the reasons.
    async fn voice_matches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1–100.", default = 5)] first: i32,
    ) -> Result<Vec<VoiceMatch>> {
        Ok(app::dna::voice_matches(cx(ctx), self.row.id, first).await?)
    }

    /// Every state its DNA has been in, newest first.
    async fn dna_revisions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DnaRevisionConnection> {
        let page = PageArgs {
            first,
            after,
            last,
            before,
        }
        .page()?;
        let db = cx(ctx).reader();
        let slice = persistence::dna::revisions_of(db, self.row.id, &page).await?;
        let total = if wants_total(ctx) {
            Some(count(
                persistence::dna::revision_count(db, self.row.id).await?,
            ))
        } else {
            None
        };
        let slice = slice.map(|row| DnaRevision { row });
        Ok(DnaRevisionConnection::of(slice, total, |it| {
            (Key::Time(it.row.created_at), it.row.id.0)
        }))
    }

    /// Its parents, their parents and so on, nearest first.
    async fn ancestors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How far back at most, 1–10 000.", default = 10_000)] depth: i32,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<KinConnection> {
        kin(
            ctx,
            self.row.id,
            Line::Ancestors,
            depth,
            PageArgs {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// Its children, their children and so on, nearest first.
    async fn descendants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How far down at most, 1–10 000.", default = 10_000)] depth: i32,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<KinConnection> {
        kin(
            ctx,
            self.row.id,
            Line::Descendants,
            depth,
            PageArgs {
                first,
                after,
                last,
                before,
            },
        )
        .await
    }

    /// Those that share a parent with it, oldest first.
    async fn siblings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most, 1–100.", default = 20)] first: i32,
    ) -> Result<Vec<Entity>> {
        let cx = cx(ctx);
        let limit = connection::size("first", first)?;
        let scope = cx.viewer.entities(Access::Read)?;
        let rows = persistence::dna::siblings(cx.reader(), &scope, self.row.id, limit).await?;
        Ok(rows.into_iter().map(Entity::from).collect())
    }

    /// What it noticed in its own events and those of the device it lives on, the surest first.
    async fn learned_patterns(
        &self,
        ctx: &Context<'_>,
        filter: Option<LearnedPatternFilter>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<LearnedPatternConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        patterns(ctx, PatternParent::Entity, self.row.id, filter, args).await
    }

    /// How it stands to others, strongest first.
    async fn kinships(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most, 1–100.", default = 20)] first: i32,
    ) -> Result<Vec<Kinship>> {
        let cx = cx(ctx);
        let limit = connection::size("first", first)?;
        let scope = cx.viewer.entities(Access::Read)?;
        let rows = persistence::dna::kinships(cx.reader(), &scope, self.row.id, limit).await?;
        Ok(rows.into_iter().map(|row| Kinship { row }).collect())
    }

    /// Those with the nearest DNA, nearest first.
    async fn similar_entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many at most, 1–100.", default = 10)] first: i32,
    ) -> Result<Vec<SimilarEntity>> {
        let limit = connection::size("first", first)?;
        query::similar(ctx, self.row.id, limit).await
    }
}

/// How many rows, as GraphQL counts.
pub(crate) fn count(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

async fn kin(
    ctx: &Context<'_>,
    of: EntityId,
    line: Line,
    depth: i32,
    args: PageArgs,
) -> Result<KinConnection> {
    let cx = cx(ctx);
    if !(1..=10_000).contains(&depth) {
        let message = format!("depth is {depth}: expected 1 to 10000");
        return Err(app::Error::invalid("depth", message).into());
    }
    let page = args.page()?;
    let scope = cx.viewer.entities(Access::Read)?;
    let (slice, total) =
        persistence::dna::line(cx.reader(), &scope, of, line, depth, &page).await?;
    let slice = slice.map(|Relative { entity, distance }| Kin {
        entity: Entity::from(entity),
        distance,
    });
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    Ok(KinConnection::of(slice, Some(total), |it| {
        (Key::Number(it.distance.into()), it.entity.row.id.0)
    }))
}

#[ComplexObject]
impl EntityDna {
    /// What moved each value, and by how much: the points of a trait's evidence add up to its
    /// value less 0.5, unless it was clamped.
    async fn evidence(&self, ctx: &Context<'_>) -> Result<Arc<Vec<dna::Evidence>>> {
        let found = loader::one(ctx, EvidenceOf(self.row.entity_id)).await?;
        Ok(found.unwrap_or_default())
    }

    /// The entity it descends from; null for one that was told, or whose parent is gone.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        match self.row.parent_id {
            Some(id) => loader::one(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The other entity it descends from.
    async fn co_parent(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        match self.row.co_parent_id {
            Some(id) => loader::one(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The mood it returns to by itself.
    async fn mood_baseline(&self) -> MoodBaseline {
        self.row.dna.mood_baseline()
    }

    /// How fast a mood returns to the baseline, per hour; 0.05 when neutral.
    async fn mood_return_rate(&self) -> f64 {
        self.row.dna.mood_return_rate()
    }

    /// How strongly a negative event is felt, 0.5–2; 1 when neutral.
    async fn negative_event_gain(&self) -> f64 {
        self.row.dna.negative_event_gain()
    }

    /// How strongly a positive event is felt, 0.5–2; 1 when neutral.
    async fn positive_event_gain(&self) -> f64 {
        self.row.dna.positive_event_gain()
    }

    /// How to behave, for a prompt: at most six sentences, those of the strongest traits.
    async fn style_directives(&self) -> Vec<StyleDirective> {
        self.row.dna.style_directives()
    }

    /// How its voice speaks.
    async fn prosody(&self) -> Prosody {
        Prosody::of(&self.row.dna)
    }
}

#[ComplexObject]
impl Kinship {
    /// The other.
    async fn to(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, self.row.to_entity_id).await
    }
}

#[ComplexObject]
impl EntityProfile {
    /// The entity itself.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, self.row.entity_id).await
    }

    /// The voice assigned to it, in the shape that speech synthesizers take.
    async fn voice_config(&self) -> Json {
        Json(self.row.voice_config.0.clone())
    }

    /// Configuration of its personality.
    async fn personality_config(&self) -> Json {
        Json(self.row.personality_config.0.clone())
    }
}
