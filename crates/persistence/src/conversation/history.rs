//! Lists: conversations of a person, an entity, a device; messages of a conversation.

use domain::{
    conversation::{ConversationId, ConversationState, Intimacy, MessageRole, Platform},
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
};
use sea_orm::{Condition, Select, entity::prelude::*, sea_query::ExprTrait};

use super::{conversations, messages};
use crate::{
    Result, engine,
    page::{self, Children, Page, Slice},
    scope::ConversationScope,
};

/// Which conversations; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConversationFilter {
    /// Of this person.
    pub user: Option<UserId>,
    /// With this entity.
    pub entity: Option<EntityId>,
    /// On this device.
    pub device: Option<DeviceId>,
    /// In this community.
    pub guild: Option<GuildId>,
    /// In this channel.
    pub channel: Option<String>,
    /// In one of these states at the time of asking.
    pub states: Option<Vec<ConversationState>>,
    /// On one of these platforms.
    pub platforms: Option<Vec<Platform>>,
    /// Of one of these intimacies.
    pub intimacies: Option<Vec<Intimacy>>,
    /// Begun at this time or later.
    pub from: Option<DateTimeUtc>,
    /// Begun before this time.
    pub to: Option<DateTimeUtc>,
    /// Whose title contains this text.
    pub search: Option<String>,
}

/// The order of a list of conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConversationOrder {
    /// The one last spoken in first.
    #[default]
    LastMessageDescending,
    /// The one last spoken in last.
    LastMessage,
    /// The newest first.
    StartedDescending,
    /// The oldest first.
    Started,
}

impl ConversationOrder {
    fn key(self) -> conversations::Column {
        match self {
            // It is when the conversation began until something is said.
            Self::LastMessage | Self::LastMessageDescending => conversations::Column::LastMessageAt,
            Self::Started | Self::StartedDescending => conversations::Column::StartedAt,
        }
    }

    fn descending(self) -> bool {
        matches!(self, Self::LastMessageDescending | Self::StartedDescending)
    }
}

/// What `Conversation::state_at` says, as a condition.
fn has_state(state: ConversationState, now: DateTimeUtc) -> Condition {
    use conversations::Column;
    let lives = || Condition::all().add(Column::ExpiresAt.gt(now));
    let late = || Column::HandoffExpiresAt.lt(now);
    match state {
        ConversationState::Ended => Condition::any()
            .add(Column::State.eq(state))
            .add(Column::ExpiresAt.lte(now)),
        ConversationState::Paused => lives().add(Column::State.eq(state)),
        ConversationState::HandedOff => lives().add(Column::State.eq(state)).add(late().not()),
        ConversationState::Active => lives().add(
            Condition::any().add(Column::State.eq(state)).add(
                Condition::all()
                    .add(Column::State.eq(ConversationState::HandedOff))
                    .add(late()),
            ),
        ),
    }
}

impl ConversationFilter {
    /// The conversations in scope that it lets through at `now`.
    pub fn select(
        &self,
        db: &impl ConnectionTrait,
        scope: &ConversationScope,
        now: DateTimeUtc,
    ) -> Select<conversations::Entity> {
        use conversations::Column;
        let Self {
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
        } = self;
        let title = (conversations::Entity, Column::Title);
        let condition = Condition::all()
            .add_option(user.map(|it| Column::UserId.eq(it)))
            .add_option(entity.map(|it| Column::EntityId.eq(it)))
            .add_option(device.map(|it| Column::DeviceId.eq(it)))
            .add_option(guild.map(|it| Column::GuildId.eq(it)))
            .add_option(channel.as_ref().map(|it| Column::ChannelId.eq(it.as_str())))
            .add_option(states.as_ref().map(|it| {
                let any = it.iter().map(|it| has_state(*it, now));
                any.fold(Condition::any().add(Expr::cust("1 = 0")), Condition::add)
            }))
            .add_option(platforms.clone().map(|it| Column::Platform.is_in(it)))
            .add_option(intimacies.clone().map(|it| Column::Intimacy.is_in(it)))
            .add_option(from.map(|it| Column::StartedAt.gte(it)))
            .add_option(to.map(|it| Column::StartedAt.lt(it)))
            .add_option(search.as_ref().map(|it| engine::contains(db, title, it)));
        scope.conversations(db).filter(condition)
    }
}

/// One page of conversations.
pub async fn conversations_page(
    db: &impl ConnectionTrait,
    select: Select<conversations::Entity>,
    order: ConversationOrder,
    page: &Page,
) -> Result<Slice<domain::conversation::Conversation>> {
    let place = (order.key(), conversations::Column::Id);
    let slice = page::fetch(db, select, place, order.descending(), page).await?;
    Ok(slice.map(Into::into))
}

/// What a conversation can be listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationParent {
    /// The person who talks.
    User,
    /// The entity.
    Entity,
    /// The device it is on.
    Device,
}

/// The conversations of each parent.
pub fn conversations_under(
    select: Select<conversations::Entity>,
    parent: ConversationParent,
    order: ConversationOrder,
) -> Children<conversations::Entity> {
    Children {
        select,
        parent: match parent {
            ConversationParent::User => conversations::Column::UserId,
            ConversationParent::Entity => conversations::Column::EntityId,
            ConversationParent::Device => conversations::Column::DeviceId,
        },
        key: order.key(),
        id: conversations::Column::Id,
        descending: order.descending(),
    }
}

/// Which messages; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct MessageFilter {
    /// Of one of these conversations.
    pub conversation: Option<ConversationId>,
    /// Said by one of these.
    pub roles: Option<Vec<MessageRole>>,
    /// Said at this time or later.
    pub from: Option<DateTimeUtc>,
    /// Said before this time.
    pub to: Option<DateTimeUtc>,
    /// With all of these words in it, whatever their ending.
    pub search: Option<String>,
}

impl MessageFilter {
    /// The messages in scope that it lets through.
    pub fn select(
        &self,
        db: &impl ConnectionTrait,
        scope: &ConversationScope,
    ) -> Select<messages::Entity> {
        use messages::Column;
        let Self {
            conversation,
            roles,
            from,
            to,
            search,
        } = self;
        let condition = Condition::all()
            .add_option(conversation.map(|it| Column::ConversationId.eq(it)))
            .add_option(roles.clone().map(|it| Column::Role.is_in(it)))
            .add_option(from.map(|it| Column::CreatedAt.gte(it)))
            .add_option(to.map(|it| Column::CreatedAt.lt(it)))
            .add_option(
                search
                    .as_ref()
                    .map(|it| engine::has_words(db, "messages", it)),
            );
        scope.messages(db).filter(condition)
    }
}

/// One page of messages, by the time at which they were said.
pub async fn messages_page(
    db: &impl ConnectionTrait,
    select: Select<messages::Entity>,
    newest_first: bool,
    page: &Page,
) -> Result<Slice<domain::conversation::Message>> {
    let place = (messages::Column::CreatedAt, messages::Column::Id);
    let slice = page::fetch(db, select, place, newest_first, page).await?;
    Ok(slice.map(Into::into))
}

/// The messages of each conversation, by the time at which they were said.
pub fn messages_under(
    select: Select<messages::Entity>,
    newest_first: bool,
) -> Children<messages::Entity> {
    Children {
        select,
        parent: messages::Column::ConversationId,
        key: messages::Column::CreatedAt,
        id: messages::Column::Id,
        descending: newest_first,
    }
}
