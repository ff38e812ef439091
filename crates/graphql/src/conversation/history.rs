//! Lists of conversations, messages and hand-offs, with their filters and orders.

use app::{Access, Cx};
use async_graphql::{Context, Enum, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{
    check::Check,
    conversation::{self, ConversationId, ConversationState, Intimacy, MessageRole, Platform},
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
};
use persistence::{
    conversation::{self as rows, ConversationParent},
    page::{self, Key},
};
use uuid::Uuid;

use super::{Conversation, ConversationHandoff, Message};
use crate::{
    Result,
    connection::{PageArgs, wants_total},
    cx,
    loader::{self, Children},
};

crate::connection!(
    ConversationConnection,
    ConversationEdge,
    Conversation,
    "conversations"
);
crate::connection!(MessageConnection, MessageEdge, Message, "messages");
crate::connection!(
    ConversationHandoffConnection,
    ConversationHandoffEdge,
    ConversationHandoff,
    "hand-offs"
);

/// Which conversations; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct ConversationFilter {
    /// Of this person.
    user: Option<UserId>,
    /// With this entity.
    entity: Option<EntityId>,
    /// On this device.
    device: Option<DeviceId>,
    /// In this community.
    guild: Option<GuildId>,
    /// In the channel that the platform knows by this id.
    channel_id: Option<String>,
    /// In one of these states now.
    states: Option<Vec<ConversationState>>,
    /// On one of these platforms.
    platforms: Option<Vec<Platform>>,
    /// Of one of these intimacies.
    intimacies: Option<Vec<Intimacy>>,
    /// Begun at this time or later.
    from: Option<DateTime<Utc>>,
    /// Begun before this time.
    to: Option<DateTime<Utc>>,
    /// Whose title contains this text, at most 100 characters, in any case of letters.
    search: Option<String>,
}

impl ConversationFilter {
    /// As the database is asked.
    fn checked(self) -> Result<rows::ConversationFilter> {
        let Self {
            user,
            entity,
            device,
            guild,
            channel_id,
            states,
            platforms,
            intimacies,
            from,
            to,
            search,
        } = self;
        let mut check = Check::new();
        let search = check.optional_text("filter.search", search.as_deref(), 1..=100);
        let channel = check.optional_text("filter.channelId", channel_id.as_deref(), 1..=200);
        check.done().map_err(app::Error::from)?;
        Ok(rows::ConversationFilter {
            user,
            entity,
            device,
            guild,
            channel,
            states,
            platforms,
            intimacies,
            from,
            to,
            search,
        })
    }
}

/// The order of a list of conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "rows::ConversationOrder")]
pub enum ConversationOrder {
    /// The one last spoken in first.
    #[default]
    #[graphql(name = "LAST_MESSAGE_AT_DESC")]
    LastMessageDescending,
    /// The one last spoken in last.
    #[graphql(name = "LAST_MESSAGE_AT_ASC")]
    LastMessage,
    /// The newest first.
    #[graphql(name = "STARTED_AT_DESC")]
    StartedDescending,
    /// The oldest first.
    #[graphql(name = "STARTED_AT_ASC")]
    Started,
}

/// A conversation's place in a list of this order.
fn place(order: rows::ConversationOrder) -> impl Fn(&Conversation) -> (Key, Uuid) {
    use rows::ConversationOrder as By;
    move |Conversation { row }| {
        let key = match order {
            By::LastMessage | By::LastMessageDescending => row.last_activity(),
            By::Started | By::StartedDescending => row.started_at,
        };
        (Key::Time(key), row.id.0)
    }
}

/// Which messages; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct MessageFilter {
    /// Said in this conversation.
    conversation: Option<ConversationId>,
    /// Said by one of these.
    roles: Option<Vec<MessageRole>>,
    /// Said at this time or later.
    from: Option<DateTime<Utc>>,
    /// Said before this time.
    to: Option<DateTime<Utc>>,
    /// With all of these words in it, in any case and with any ending; at most 200 characters,
    /// of which only letters and digits count.
    search: Option<String>,
}

impl MessageFilter {
    /// As the database is asked.
    fn checked(self) -> Result<rows::MessageFilter> {
        let Self {
            conversation,
            roles,
            from,
            to,
            search,
        } = self;
        let mut check = Check::new();
        let search = check.optional_text("filter.search", search.as_deref(), 1..=200);
        check.done().map_err(app::Error::from)?;
        Ok(rows::MessageFilter {
            conversation,
            roles,
            from,
            to,
            search,
        })
    }
}

/// The order of a list of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
pub enum MessageOrder {
    /// The oldest first.
    #[default]
    CreatedAtAsc,
    /// The newest first.
    CreatedAtDesc,
}

fn message_place(Message { row }: &Message) -> (Key, Uuid) {
    (Key::Time(row.created_at), row.id.0)
}

/// The conversations of a person, an entity or a device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ConversationsUnder {
    parent: ConversationParent,
    filter: rows::ConversationFilter,
    order: rows::ConversationOrder,
}

impl Children for ConversationsUnder {
    type Table = rows::conversations::Entity;
    type Row = conversation::Conversation;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.conversations(Access::Read)?;
        let select = self.filter.select(cx.reader(), &scope, cx.now());
        Ok(rows::conversations_under(select, self.parent, self.order))
    }
}

/// What is asked of a list of conversations.
struct Asked {
    filter: Option<ConversationFilter>,
    order_by: Option<ConversationOrder>,
    args: PageArgs,
}

async fn conversations_under(
    ctx: &Context<'_>,
    parent: ConversationParent,
    id: impl Into<Uuid>,
    asked: Asked,
) -> Result<ConversationConnection> {
    let Asked {
        filter,
        order_by,
        args,
    } = asked;
    let order = order_by.unwrap_or_default().into();
    let list = ConversationsUnder {
        parent,
        filter: filter.unwrap_or_default().checked()?,
        order,
    };
    let (slice, total) = loader::page_of(ctx, id, list, args).await?;
    let slice = slice.map(Conversation::from);
    Ok(ConversationConnection::of(slice, total, place(order)))
}

/// All conversations in scope.
pub(super) async fn conversations(
    ctx: &Context<'_>,
    filter: Option<ConversationFilter>,
    order_by: Option<ConversationOrder>,
    args: PageArgs,
) -> Result<ConversationConnection> {
    let cx = cx(ctx);
    let filter = filter.unwrap_or_default().checked()?;
    let scope = cx.viewer.conversations(Access::Read)?;
    let select = filter.select(cx.reader(), &scope, cx.now());
    let order = order_by.unwrap_or_default().into();
    let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
    let slice = rows::conversations_page(cx.reader(), select, order, &args.page()?).await?;
    let slice = slice.map(Conversation::from);
    Ok(ConversationConnection::of(slice, total, place(order)))
}

/// The messages of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MessagesUnder {
    filter: rows::MessageFilter,
    newest_first: bool,
}

impl Children for MessagesUnder {
    type Table = rows::messages::Entity;
    type Row = conversation::Message;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.conversations(Access::Read)?;
        let select = self.filter.select(cx.reader(), &scope);
        Ok(rows::messages_under(select, self.newest_first))
    }
}

pub(super) async fn messages_of(
    ctx: &Context<'_>,
    conversation: ConversationId,
    filter: Option<MessageFilter>,
    order_by: Option<MessageOrder>,
    args: PageArgs,
) -> Result<MessageConnection> {
    let list = MessagesUnder {
        filter: filter.unwrap_or_default().checked()?,
        newest_first: order_by == Some(MessageOrder::CreatedAtDesc),
    };
    let (slice, total) = loader::page_of(ctx, conversation, list, args).await?;
    let slice = slice.map(Message::from);
    Ok(MessageConnection::of(slice, total, message_place))
}

/// All messages in scope.
pub(super) async fn messages(
    ctx: &Context<'_>,
    filter: Option<MessageFilter>,
    order_by: Option<MessageOrder>,
    args: PageArgs,
) -> Result<MessageConnection> {
    let cx = cx(ctx);
    let filter = filter.unwrap_or_default().checked()?;
    let scope = cx.viewer.conversations(Access::Read)?;
    let select = filter.select(cx.reader(), &scope);
    let newest_first = order_by == Some(MessageOrder::CreatedAtDesc);
    let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
    let slice = rows::messages_page(cx.reader(), select, newest_first, &args.page()?).await?;
    let slice = slice.map(Message::from);
    Ok(MessageConnection::of(slice, total, message_place))
}

/// The hand-offs of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HandoffsUnder;

impl Children for HandoffsUnder {
    type Table = rows::conversation_handoffs::Entity;
    type Row = conversation::ConversationHandoff;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.conversations(Access::Read)?;
        Ok(rows::handoffs_under(cx.reader(), &scope))
    }
}

pub(super) async fn handoffs_of(
    ctx: &Context<'_>,
    conversation: ConversationId,
    args: PageArgs,
) -> Result<ConversationHandoffConnection> {
    let (slice, total) = loader::page_of(ctx, conversation, HandoffsUnder, args).await?;
    let slice = slice.map(ConversationHandoff::from);
    Ok(ConversationHandoffConnection::of(slice, total, |it| {
        (Key::Time(it.row.requested_at), it.row.id.0)
    }))
}

/// What a person says; fields of `User`.
#[derive(Debug)]
pub struct UserConversations(pub UserId);

#[Object]
impl UserConversations {
    /// The person's conversations that you can see; the one last spoken in first unless asked
    /// otherwise.
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
        let asked = Asked {
            filter,
            order_by,
            args,
        };
        conversations_under(ctx, ConversationParent::User, self.0, asked).await
    }
}

/// What is said to an entity; fields of `Entity`.
#[derive(Debug)]
pub struct EntityConversations(pub EntityId);

#[Object]
impl EntityConversations {
    /// The conversations with it that you can see; the one last spoken in first unless asked
    /// otherwise.
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
        let asked = Asked {
            filter,
            order_by,
            args,
        };
        conversations_under(ctx, ConversationParent::Entity, self.0, asked).await
    }
}

/// What is said on a device; fields of `Device`.
#[derive(Debug)]
pub struct DeviceConversations {
    /// The device.
    pub id: DeviceId,
    /// What it holds to be the conversation that goes on there.
    pub active: Option<ConversationId>,
}

#[Object]
impl DeviceConversations {
    /// The conversation that goes on there now, if you can see it.
    async fn active_conversation(&self, ctx: &Context<'_>) -> Result<Option<Conversation>> {
        let now = cx(ctx).now();
        let held: Option<Conversation> = loader::maybe(ctx, self.active).await?;
        Ok(held.filter(|it| it.row.check_open(now).is_ok()))
    }

    /// The conversations on it that you can see; the one last spoken in first unless asked
    /// otherwise.
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
        let asked = Asked {
            filter,
            order_by,
            args,
        };
        conversations_under(ctx, ConversationParent::Device, self.id, asked).await
    }
}
