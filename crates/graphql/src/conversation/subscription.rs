//! Subscriptions of conversation. What is followed is checked when it is asked for, and what is
//! told is read anew each time within the viewer's scope, which may have changed since.

use app::{Access, Change, Cx, Error, Principal};
use async_graphql::{ComplexObject, Context, SimpleObject, Subscription};
use domain::{
    conversation::{self, CommunicationId, ConversationEvent, ConversationId, MessageId},
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
};
use futures_util::{Stream, StreamExt, stream};
use persistence::{
    conversation as rows, device::devices_by_ids, dna::entity_in_scope, identity::persons_by_ids,
};

use super::{Conversation, EntityMessage, Message};
use crate::{Failure, Result, cx, feed, loader};

/// At most so many messages that waited for a subscriber are handed over at first.
const WAITING: u64 = 100;

/// Something that happened to a conversation.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct ConversationChange {
    /// What happened.
    event: ConversationEvent,
    /// To which conversation.
    conversation_id: ConversationId,
    #[graphql(skip)]
    conversation: Option<conversation::Conversation>,
}

#[ComplexObject]
impl ConversationChange {
    /// The conversation as it is now; null for a device that handed it over and cannot see it
    /// any more.
    async fn conversation(&self) -> Option<Conversation> {
        self.conversation.clone().map(Conversation::from)
    }
}

/// What is followed: whatever is given must hold.
#[derive(Clone, Copy, Debug)]
struct Followed {
    conversation: Option<ConversationId>,
    user: Option<UserId>,
    entity: Option<EntityId>,
    device: Option<DeviceId>,
}

impl Followed {
    /// Whether the viewer can see each of these.
    async fn check(self, cx: &Cx) -> Result<Self> {
        let conversations = cx.viewer.conversations(Access::Read)?;
        let Self {
            conversation,
            user,
            entity,
            device,
        } = self;
        let db = cx.reader();
        let nobody = conversation.is_none() && user.is_none() && entity.is_none();
        if nobody && device.is_none() {
            let message = "say what to follow: conversationId, userId, entityId or deviceId";
            return Err(Error::invalid("conversationId", message).into());
        }
        let missing = |field: &str| Failure::from(Error::not_found(field));
        if let Some(id) = conversation {
            let found = rows::conversations_by_ids(db, &conversations, &[id]).await?;
            found.first().ok_or_else(|| missing("conversationId"))?;
        }
        if let Some(id) = user {
            let scope = cx.viewer.persons(Access::Read)?;
            let found = persons_by_ids(db, scope, &[id]).await?;
            found.first().ok_or_else(|| missing("userId"))?;
        }
        if let Some(id) = entity {
            let scope = cx.viewer.entities(Access::Read)?;
            let found = entity_in_scope(db, &scope, id).await?;
            found.ok_or_else(|| missing("entityId"))?;
        }
        if let Some(id) = device {
            let scope = cx.viewer.devices(Access::Read)?;
            let found = devices_by_ids(db, scope, &[id]).await?;
            found.first().ok_or_else(|| missing("deviceId"))?;
        }
        Ok(self)
    }

    fn is_of(self, conversation: ConversationId) -> bool {
        self.conversation.is_none_or(|it| it == conversation)
    }

    /// Whether something between these is followed, known without looking anything up.
    fn is_between(self, user: UserId, entity: Option<EntityId>, device: Option<DeviceId>) -> bool {
        self.user.is_none_or(|it| it == user)
            && (self.entity.is_none() || self.entity == entity)
            && (self.device.is_none() || self.device == device)
    }

    /// The message, if the viewer can see it.
    async fn message(cx: &Cx, id: MessageId) -> Result<Option<Message>> {
        let scope = cx.viewer.conversations(Access::Read)?;
        let found = rows::messages_by_ids(cx.reader(), &scope, &[id]).await?;
        Ok(found.into_iter().next().map(Message::from))
    }

    /// The change, if it is of what is followed and the viewer can see it. A device that a
    /// conversation was on hears that it is gone, and no more.
    async fn change(
        self,
        cx: &Cx,
        id: ConversationId,
        event: ConversationEvent,
        devices: &[DeviceId],
    ) -> Result<Option<ConversationChange>> {
        let concerned = |device| devices.contains(&device);
        if self.device.is_some_and(|it| !concerned(it)) {
            return Ok(None);
        }
        let scope = cx.viewer.conversations(Access::Read)?;
        let found = rows::conversations_by_ids(cx.reader(), &scope, &[id]).await?;
        let conversation = found.into_iter().next();
        let told = if let Some(it) = &conversation {
            self.user.is_none_or(|user| it.user_id == user)
                && self
                    .entity
                    .is_none_or(|entity| it.entity_id == Some(entity))
        } else {
            let itself = matches!(cx.viewer.principal,
                Principal::Device { id, .. } if concerned(id));
            itself && self.user.is_none() && self.entity.is_none()
        };
        Ok(told.then_some(ConversationChange {
            event,
            conversation_id: id,
            conversation,
        }))
    }
}

/// What a stream gives of a reading that may find nothing.
fn found<T>(it: Result<Option<T>>) -> Option<async_graphql::Result<T>> {
    match it {
        Ok(it) => it.map(Ok),
        Err(failure) => Some(Err(failure.into())),
    }
}

/// Subscriptions of conversation.
#[derive(Debug, Default)]
pub struct ConversationSubscription;

#[Subscription]
impl ConversationSubscription {
    /// Every message as it is said, from now on, of what you name; at least one of these.
    async fn message_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only in this conversation.")] conversation_id: Option<ConversationId>,
        #[graphql(desc = "Only in conversations of this person.")] user_id: Option<UserId>,
        #[graphql(desc = "Only in conversations with this entity.")] entity_id: Option<EntityId>,
        #[graphql(desc = "Only what is said on this device.")] device_id: Option<DeviceId>,
    ) -> Result<impl Stream<Item = async_graphql::Result<Message>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx).clone();
        // First of all: nothing that happens while it is checked is missed.
        let changes = feed::changes(&cx);
        let followed = Followed {
            conversation: conversation_id,
            user: user_id,
            entity: entity_id,
            device: device_id,
        };
        let followed = followed.check(&cx).await?;
        Ok(changes.filter_map(move |change| {
            let cx = cx.clone();
            async move {
                match change {
                    Ok(Change::MessageAdded {
                        conversation,
                        message,
                        user,
                        entity,
                        device,
                    }) if followed.is_of(conversation)
                        && followed.is_between(user, entity, device) =>
                    {
                        found(Followed::message(&cx, message).await)
                    }
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                }
            }
        }))
    }

    /// What happens to conversations, from now on, of what you name; at least one of these.
    /// Messages are told by `messageAdded`. Both devices of a hand-off hear of it.
    async fn conversation_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this conversation.")] conversation_id: Option<ConversationId>,
        #[graphql(desc = "Only conversations of this person.")] user_id: Option<UserId>,
        #[graphql(desc = "Only conversations with this entity.")] entity_id: Option<EntityId>,
        #[graphql(desc = "Only those that are, were or are to be on this device.")]
        device_id: Option<DeviceId>,
    ) -> Result<impl Stream<Item = async_graphql::Result<ConversationChange>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx).clone();
        let changes = feed::changes(&cx);
        let followed = Followed {
            conversation: conversation_id,
            user: user_id,
            entity: entity_id,
            device: device_id,
        };
        let followed = followed.check(&cx).await?;
        Ok(changes.filter_map(move |change| {
            let cx = cx.clone();
            async move {
                match change {
                    Ok(Change::ConversationChanged {
                        conversation,
                        event,
                        devices,
                    }) if followed.is_of(conversation) => {
                        found(followed.change(&cx, conversation, event, &devices).await)
                    }
                    Ok(_) => None,
                    Err(error) => Some(Err(error)),
                }
            }
        }))
    }

    /// What an entity is told by others: first what waited for it, the oldest first, at most
    /// 100; then each as it is told. Handing it over makes it `DELIVERED`, if you may act for
    /// the entity.
    async fn entity_message_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entity.")] entity_id: EntityId,
    ) -> Result<impl Stream<Item = async_graphql::Result<EntityMessage>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx).clone();
        let changes = feed::changes(&cx);
        let scope = cx.viewer.entities(Access::Read)?;
        let known = entity_in_scope(cx.reader(), &scope, entity_id).await?;
        known.ok_or_else(|| Failure::from(Error::not_found("entityId")))?;
        let waiting = rows::undelivered(cx.reader(), &scope, entity_id, WAITING).await?;
        let before: Vec<CommunicationId> = waiting.clone();
        let told = changes.filter_map(move |change| {
            // What was told while the waiting were looked up is among them.
            let told = match change {
                Ok(Change::EntityMessageSent { communication, to })
                    if to == entity_id && !before.contains(&communication) =>
                {
                    Some(Ok(communication))
                }
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            };
            std::future::ready(told)
        });
        let all = stream::iter(waiting.into_iter().map(Ok)).chain(told);
        Ok(all.filter_map(move |told| {
            let cx = cx.clone();
            async move {
                match told {
                    Ok(id) => {
                        let it = app::conversation::hand_over(&cx, id).await;
                        let it = it.map_err(Failure::from);
                        found(it.map(|it| it.map(EntityMessage::from)))
                    }
                    Err(error) => Some(Err(error)),
                }
            }
        }))
    }
}
