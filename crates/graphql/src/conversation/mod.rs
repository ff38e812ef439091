//! Conversations, messages and hand-offs, as the API shows them.

mod communication;
mod history;
mod mutation;
mod subscription;

use app::Access;
use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::conversation::{
    self, ConversationId, ConversationState, HandoffId, HandoffState, MessageId,
};
use persistence::conversation as rows;

use crate::{
    Result,
    connection::PageArgs,
    cx,
    device::Device,
    dna::Entity,
    identity::{Guild, User},
    loader::{self, by_key},
    persona::{OnDuty, PersonaDefinition},
    scalar::Json,
};

pub use communication::*;
pub use history::*;
pub use mutation::*;
pub use subscription::*;

/// A thread of messages of one person with one entity, on one channel or device.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Conversation {
    /// The row.
    #[graphql(flatten)]
    pub row: conversation::Conversation,
}

impl From<conversation::Conversation> for Conversation {
    fn from(row: conversation::Conversation) -> Self {
        Self { row }
    }
}

/// One thing said in a conversation.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Message {
    /// The row.
    #[graphql(flatten)]
    pub row: conversation::Message,
}

impl From<conversation::Message> for Message {
    fn from(row: conversation::Message) -> Self {
        Self { row }
    }
}

/// One hand-off of a conversation between two devices, asked for and perhaps answered.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ConversationHandoff {
    /// The row.
    #[graphql(flatten)]
    pub row: conversation::ConversationHandoff,
}

impl From<conversation::ConversationHandoff> for ConversationHandoff {
    fn from(row: conversation::ConversationHandoff) -> Self {
        Self { row }
    }
}

by_key!(ConversationId => Conversation, |it: &Conversation| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.conversations(Access::Read)?;
    let found = rows::conversations_by_ids(loaders.cx.reader(), &scope, ids).await?;
    found.into_iter().map(Conversation::from)
});

by_key!(MessageId => Message, |it: &Message| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.conversations(Access::Read)?;
    let found = rows::messages_by_ids(loaders.cx.reader(), &scope, ids).await?;
    found.into_iter().map(Message::from)
});

by_key!(HandoffId => ConversationHandoff, |it: &ConversationHandoff| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.conversations(Access::Read)?;
    let found = rows::handoffs_by_ids(loaders.cx.reader(), &scope, ids).await?;
    found.into_iter().map(ConversationHandoff::from)
});

/// The pending hand-off of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PendingOf(pub ConversationId);

by_key!(PendingOf => ConversationHandoff, |it: &ConversationHandoff| PendingOf(it.row.conversation_id), async |loaders, keys| {
    let scope = loaders.cx.viewer.conversations(Access::Read)?;
    let ids: Vec<ConversationId> = keys.iter().map(|it| it.0).collect();
    let found = rows::pending_handoffs(loaders.cx.reader(), &scope, &ids).await?;
    found.into_iter().map(ConversationHandoff::from)
});

/// The context window of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowOf(pub ConversationId);

/// A context window with what it is of.
#[derive(Clone, Debug)]
pub struct Window {
    of: ConversationId,
    messages: Vec<Message>,
}

by_key!(WindowOf => Window, |it: &Window| WindowOf(it.of), async |loaders, keys| {
    let scope = loaders.cx.viewer.conversations(Access::Read)?;
    let ids: Vec<ConversationId> = keys.iter().map(|it| it.0).collect();
    let found = rows::context_windows(loaders.cx.reader(), &scope, &ids).await?;
    found.into_iter().map(|(of, messages)| Window {
        of,
        messages: messages.into_iter().map(Message::from).collect(),
    })
});

#[ComplexObject]
impl Conversation {
    /// What it is doing now: over once it has expired, and back where it was once a hand-off was
    /// not accepted within 30 seconds.
    async fn state(&self, ctx: &Context<'_>) -> ConversationState {
        self.row.state_at(cx(ctx).now())
    }

    /// When it ended, or expired.
    async fn ended_at(&self, ctx: &Context<'_>) -> Option<DateTime<Utc>> {
        self.row.ended_by(cx(ctx).now())
    }

    /// When the newest message was said; null when nothing was.
    async fn last_message_at(&self) -> Option<DateTime<Utc>> {
        self.row
            .last_message_at
            .filter(|_| self.row.message_count > 0)
    }

    /// Who talks, if you can see them.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.user_id).await
    }

    /// With whom, if you can see it.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::maybe(ctx, self.row.entity_id).await
    }

    /// On which device, if you can see it.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.device_id).await
    }

    /// The persona that speaks; null when none was chosen.
    async fn persona_definition(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.persona_definition_id.map(OnDuty)).await
    }

    /// In which community, if you can see it.
    async fn guild(&self, ctx: &Context<'_>) -> Result<Option<Guild>> {
        loader::maybe(ctx, self.row.guild_id).await
    }

    /// What the front end keeps with it: a JSON object.
    async fn metadata(&self) -> Json {
        Json(self.row.metadata.0.clone())
    }

    /// What the last hand-off took along: `messages` (the ids of the window), `persona`, `mood`
    /// and `openMatters`; an empty object when there was none.
    async fn context_snapshot(&self) -> Json {
        Json(self.row.context_snapshot.0.clone())
    }

    /// What was said in it, the oldest first unless asked otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        filter: Option<MessageFilter>,
        order_by: Option<MessageOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        messages_of(ctx, self.row.id, filter, order_by, args).await
    }

    /// What of it a language model is shown, the oldest first: the last 20 messages since its
    /// context was reset, and at most as many tokens as the entity is given, whole messages
    /// only.
    async fn context_window(&self, ctx: &Context<'_>) -> Result<Vec<Message>> {
        let window = loader::one(ctx, WindowOf(self.row.id)).await?;
        Ok(window.map(|it| it.messages).unwrap_or_default())
    }

    /// The hand-off that waits to be accepted.
    async fn pending_handoff(&self, ctx: &Context<'_>) -> Result<Option<ConversationHandoff>> {
        let now = cx(ctx).now();
        if self.row.state_at(now) != ConversationState::HandedOff {
            return Ok(None);
        }
        let pending = loader::one(ctx, PendingOf(self.row.id)).await?;
        Ok(pending.filter(|it| it.row.state_at(now) == HandoffState::Pending))
    }

    /// From which device to which it was handed, the newest first.
    async fn handoffs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ConversationHandoffConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        handoffs_of(ctx, self.row.id, args).await
    }
}

#[ComplexObject]
impl Message {
    /// The conversation it was said in.
    async fn conversation(&self, ctx: &Context<'_>) -> Result<Option<Conversation>> {
        loader::one(ctx, self.row.conversation_id).await
    }

    /// The persona that spoke at the time; null when none was chosen.
    async fn persona_definition(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.persona_definition_id.map(OnDuty)).await
    }

    /// Whose conversation that is, if you can see them.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.user_id).await
    }

    /// With which entity, if you can see it.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::maybe(ctx, self.row.entity_id).await
    }

    /// On which device it was said, if you can see it.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.device_id).await
    }

    /// Whether it comes with images.
    async fn has_images(&self) -> bool {
        !self.row.image_urls.is_empty()
    }

    /// What the device said of itself: a JSON object.
    async fn device_state(&self) -> Option<Json> {
        self.row.device_state.as_ref().map(|it| Json(it.0.clone()))
    }

    /// When its words were last changed; null when they never were.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        Some(self.row.updated_at).filter(|it| *it != self.row.created_at)
    }
}

#[ComplexObject]
impl ConversationHandoff {
    /// What has become of it: timed out once it was not accepted within 30 seconds.
    async fn state(&self, ctx: &Context<'_>) -> HandoffState {
        self.row.state_at(cx(ctx).now())
    }

    /// The conversation.
    async fn conversation(&self, ctx: &Context<'_>) -> Result<Option<Conversation>> {
        loader::one(ctx, self.row.conversation_id).await
    }

    /// Where it was, if that was a device that you can see.
    #[graphql(name = "fromDevice")]
    async fn source(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.from_device_id).await
    }

    /// Where it was to go, if you can see that device.
    #[graphql(name = "toDevice")]
    async fn target(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.to_device_id).await
    }
}

/// Queries of conversation.
#[derive(Debug, Default)]
pub struct ConversationQuery;

#[Object]
impl ConversationQuery {
    /// A conversation; null when there is none that you can see.
    async fn conversation(
        &self,
        ctx: &Context<'_>,
        id: ConversationId,
    ) -> Result<Option<Conversation>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The conversations you can see: your own, and others' with your entities; the one last
    /// spoken in first unless asked otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn conversations(
        &self,
        ctx: &Context<'_>,
        filter: Option<ConversationFilter>,
        order_by: Option<ConversationOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ConversationConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        conversations(ctx, filter, order_by, args).await
    }

    /// A message; null when there is none that you can see.
    async fn message(&self, ctx: &Context<'_>, id: MessageId) -> Result<Option<Message>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The messages of all conversations that you can see, the oldest first unless asked
    /// otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn messages(
        &self,
        ctx: &Context<'_>,
        filter: Option<MessageFilter>,
        order_by: Option<MessageOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<MessageConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        messages(ctx, filter, order_by, args).await
    }
}
