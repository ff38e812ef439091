//! What entities tell each other, as the API shows it.

use app::{Access, Cx};
use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use domain::{
    conversation::{self, CommunicationId, CommunicationStatus},
    dna::EntityId,
};
use persistence::{
    conversation::{self as rows, CommunicationParent},
    page::{self, Key},
};

use crate::{
    Result,
    connection::PageArgs,
    dna::Entity,
    loader::{self, Children, by_key},
    scalar::Json,
};

/// Something one entity told another.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct EntityMessage {
    /// The row.
    #[graphql(flatten)]
    pub row: conversation::Communication,
}

impl From<conversation::Communication> for EntityMessage {
    fn from(row: conversation::Communication) -> Self {
        Self { row }
    }
}

crate::connection!(
    EntityMessageConnection,
    EntityMessageEdge,
    EntityMessage,
    "what entities told each other"
);

by_key!(CommunicationId => EntityMessage, |it: &EntityMessage| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.entities(Access::Read)?;
    let found = rows::communications_by_ids(loaders.cx.reader(), &scope, ids).await?;
    found.into_iter().map(EntityMessage::from)
});

#[ComplexObject]
impl EntityMessage {
    /// Who told it, if you can see it.
    #[graphql(name = "from")]
    async fn teller(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, self.row.from_entity_id).await
    }

    /// Whom, if you can see it.
    #[graphql(name = "to")]
    async fn told(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, self.row.to_entity_id).await
    }

    /// What goes with it, for programs: a JSON object.
    async fn payload(&self) -> Json {
        Json(self.row.payload.0.clone())
    }
}

/// What an entity told, or was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ToldUnder {
    parent: CommunicationParent,
    status: Option<CommunicationStatus>,
}

impl Children for ToldUnder {
    type Table = rows::inter_entity_communications::Entity;
    type Row = conversation::Communication;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.entities(Access::Read)?;
        Ok(rows::communications_under(
            cx.reader(),
            &scope,
            self.parent,
            self.status,
        ))
    }
}

async fn told_under(
    ctx: &Context<'_>,
    entity: EntityId,
    list: ToldUnder,
    args: PageArgs,
) -> Result<EntityMessageConnection> {
    let (slice, total) = loader::page_of(ctx, entity, list, args).await?;
    let slice = slice.map(EntityMessage::from);
    Ok(EntityMessageConnection::of(slice, total, |it| {
        (Key::Time(it.row.created_at), it.row.id.0)
    }))
}

/// What an entity has to do with others; fields of `Entity`.
#[derive(Debug)]
pub struct EntityMessages(pub EntityId);

#[Object]
impl EntityMessages {
    /// What it told other entities, the newest first.
    async fn messages_sent(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what has come so far.")] status: Option<CommunicationStatus>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EntityMessageConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let parent = CommunicationParent::From;
        told_under(ctx, self.0, ToldUnder { parent, status }, args).await
    }

    /// What other entities told it, the newest first.
    async fn messages_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only what has come so far.")] status: Option<CommunicationStatus>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EntityMessageConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let parent = CommunicationParent::To;
        told_under(ctx, self.0, ToldUnder { parent, status }, args).await
    }
}
