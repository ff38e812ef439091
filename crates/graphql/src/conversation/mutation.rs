//! Mutations of conversation: one for each thing that can be done.

use app::conversation::{
    ConversationStart, ConversationUpdate, EntityMessageSend, HandoffRequest, MessageEdit,
    MessageSend, MessageTarget, Sent, ThreadOf, conversation_end, conversation_pause,
    conversation_reset_context, conversation_resume, conversation_start, conversation_update,
    entity_message_read, entity_message_send, handoff_accept, handoff_reject, handoff_request,
    message_delete, message_edit, message_send,
};
use async_graphql::{Context, InputObject, MaybeUndefined, Object, OneofObject};
use domain::{
    conversation::{
        CommunicationDraft, CommunicationId, ConversationId, ConversationProfile, Intimacy,
        MessageDraft, MessageId, MessageRole, Place, Platform,
    },
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
};
use serde_json::json;

use super::{Conversation, ConversationHandoff, EntityMessage, Message};
use crate::{
    Result, cx, payload,
    payload::{answer, patch},
    scalar::Json,
};

/// A conversation to be begun.
#[derive(Debug, InputObject)]
pub struct ConversationStartInput {
    /// Who talks; oneself when not said, a device's owner when a device asks.
    user_id: Option<UserId>,
    /// With whom; on a device, the entity that is cast there when not said.
    entity_id: Option<EntityId>,
    /// Where.
    platform: Platform,
    /// On which device; for the platform `DEVICE`.
    device_id: Option<DeviceId>,
    /// In which community.
    guild_id: Option<GuildId>,
    /// The platform's id of the channel, at most 200 characters; Discord needs one.
    channel_id: Option<String>,
    /// How private it is. When not said: low in a community, medium in a direct message and for
    /// other programs, high on the web, a command line and one's own device.
    intimacy: Option<Intimacy>,
    /// What to call it, at most 200 characters.
    title: Option<String>,
    /// What the front end keeps with it: a JSON object of at most 16 KiB.
    metadata: Option<Json>,
    /// Makes a repeat within 24 hours give the first answer; 1–200 characters.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `conversationStart`.
    ConversationStartPayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// Who talks with whom, and where: of each there is at most one thread that goes on.
#[derive(Debug, InputObject)]
pub struct ThreadInput {
    /// Who talks; oneself when not said, a device's owner when a device asks.
    user_id: Option<UserId>,
    /// With whom; on a device, the entity that is cast there when not said.
    entity_id: Option<EntityId>,
    /// Where.
    platform: Platform,
    /// On which device; for the platform `DEVICE`.
    device_id: Option<DeviceId>,
    /// In which community.
    guild_id: Option<GuildId>,
    /// The platform's id of the channel, at most 200 characters; Discord needs one.
    channel_id: Option<String>,
    /// How private a new thread is; as for `conversationStart` when not said.
    intimacy: Option<Intimacy>,
}

/// Where something is to be said: one of these.
#[derive(Debug, OneofObject)]
pub enum MessageTargetInput {
    /// In this conversation, which must not be over.
    ConversationId(ConversationId),
    /// In the thread that goes on there: the newest one whose last message is at most 60 minutes
    /// old (the persona definition may say otherwise). Else that one is ended and a new one
    /// begins.
    Thread(ThreadInput),
}

/// Something to be said.
#[derive(Debug, InputObject)]
pub struct MessageSendInput {
    /// Where.
    to: MessageTargetInput,
    /// Who says it; `USER` when not said. Only its owner, its device and services speak for an
    /// entity.
    role: Option<MessageRole>,
    /// What is said, 1–32 000 characters.
    content: String,
    /// Your own id of it, at most 200 characters: sent again, it is stored once.
    external_id: Option<String>,
    /// Addresses of images, at most 10, http or https. They are never fetched.
    image_urls: Option<Vec<String>>,
    /// Address of the recording, http or https. It is never fetched.
    audio_url: Option<String>,
    /// How long it took to say, in milliseconds, at most a day.
    duration_ms: Option<i32>,
    /// What the device says of itself: a JSON object of at most 16 KiB.
    device_state: Option<Json>,
    /// How long the answer took, in milliseconds, at most a day.
    response_latency_ms: Option<i32>,
    /// Makes a repeat within 24 hours give the first answer; 1–200 characters.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `messageSend`.
    MessageSendPayload {
        /// The message as it was stored.
        message: Message,
        /// Whether a conversation began with it.
        conversation_began: bool,
        /// Whether it had been said before, and nothing was stored.
        duplicate: bool,
    }
}

/// New words of a message.
#[derive(Debug, InputObject)]
pub struct MessageEditInput {
    /// Which message.
    id: MessageId,
    /// What it says from now on, 1–32 000 characters.
    content: String,
}

payload! {
    /// Answer of `messageEdit`.
    MessageEditPayload {
        /// The message.
        message: Message,
    }
}

/// A message to be removed.
#[derive(Debug, InputObject)]
pub struct MessageDeleteInput {
    /// Which message.
    id: MessageId,
}

payload! {
    /// Answer of `messageDelete`.
    MessageDeletePayload {
        /// The id of the message that is gone.
        deleted_message_id: MessageId,
    }
}

/// A conversation that is to wait.
#[derive(Debug, InputObject)]
pub struct ConversationPauseInput {
    /// Which conversation.
    id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationPause`.
    ConversationPausePayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// A conversation that is to go on.
#[derive(Debug, InputObject)]
pub struct ConversationResumeInput {
    /// Which conversation.
    id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationResume`.
    ConversationResumePayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// A conversation that is to end.
#[derive(Debug, InputObject)]
pub struct ConversationEndInput {
    /// Which conversation.
    id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationEnd`.
    ConversationEndPayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// Changes to what is said of a conversation; what is left out stays.
#[derive(Debug, InputObject)]
pub struct ConversationUpdateInput {
    /// Which conversation.
    id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
    /// What to call it, at most 200 characters.
    title: MaybeUndefined<String>,
    /// How private it is; null leaves it as it is.
    intimacy: MaybeUndefined<Intimacy>,
    /// What the front end keeps with it: a JSON object of at most 16 KiB.
    metadata: MaybeUndefined<Json>,
}

payload! {
    /// Answer of `conversationUpdate`.
    ConversationUpdatePayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// A conversation whose context is to begin anew.
#[derive(Debug, InputObject)]
pub struct ConversationResetContextInput {
    /// Which conversation.
    id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationResetContext`.
    ConversationResetContextPayload {
        /// The conversation.
        conversation: Conversation,
    }
}

/// A wish to continue a conversation on another device.
#[derive(Debug, InputObject)]
pub struct ConversationHandoffRequestInput {
    /// Which conversation.
    conversation_id: ConversationId,
    /// Where it is to go: another device of the same owner.
    to_device_id: DeviceId,
    /// Why, at most 500 characters.
    reason: Option<String>,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
    /// Makes a repeat within 24 hours give the first answer; 1–200 characters.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `conversationHandoffRequest`.
    ConversationHandoffRequestPayload {
        /// The hand-off, which waits for its answer.
        handoff: ConversationHandoff,
        /// The conversation.
        conversation: Conversation,
    }
}

/// A hand-off to be accepted.
#[derive(Debug, InputObject)]
pub struct ConversationHandoffAcceptInput {
    /// Which conversation.
    conversation_id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationHandoffAccept`.
    ConversationHandoffAcceptPayload {
        /// The hand-off.
        handoff: ConversationHandoff,
        /// The conversation, on its new device: its `contextWindow` and `contextSnapshot` are what
        /// it takes along.
        conversation: Conversation,
    }
}

/// A hand-off to be refused.
#[derive(Debug, InputObject)]
pub struct ConversationHandoffRejectInput {
    /// Which conversation.
    conversation_id: ConversationId,
    /// The version you have seen; `CONFLICT` when there is a newer one.
    version: Option<i32>,
}

payload! {
    /// Answer of `conversationHandoffReject`.
    ConversationHandoffRejectPayload {
        /// The hand-off.
        handoff: ConversationHandoff,
        /// The conversation, back where it was.
        conversation: Conversation,
    }
}

/// Something one entity is to tell another.
#[derive(Debug, InputObject)]
pub struct EntityMessageSendInput {
    /// Who tells it.
    from_entity_id: EntityId,
    /// Whom: an entity of the same owner, or a related one.
    to_entity_id: EntityId,
    /// What kind of thing it is, `[a-z_]{1,50}`.
    kind: String,
    /// What to tell, 1–4 000 characters.
    content: String,
    /// What goes with it, for programs: a JSON object of at most 16 KiB.
    payload: Option<Json>,
    /// Makes a repeat within 24 hours give the first answer; 1–200 characters.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `entityMessageSend`.
    EntityMessageSendPayload {
        /// What was told.
        entity_message: EntityMessage,
    }
}

/// Something told that the other has taken note of.
#[derive(Debug, InputObject)]
pub struct EntityMessageReadInput {
    /// What was told.
    id: CommunicationId,
}

payload! {
    /// Answer of `entityMessageRead`.
    EntityMessageReadPayload {
        /// What was told.
        entity_message: EntityMessage,
    }
}

/// Mutations of conversation.
#[derive(Debug, Default)]
pub struct ConversationMutation;

#[Object]
impl ConversationMutation {
    /// Begins a conversation; the one that goes on in the same place is ended. `messageSend`
    /// does so by itself where it must.
    async fn conversation_start(
        &self,
        ctx: &Context<'_>,
        input: ConversationStartInput,
    ) -> Result<ConversationStartPayload> {
        let ConversationStartInput {
            user_id,
            entity_id,
            platform,
            device_id,
            guild_id,
            channel_id,
            intimacy,
            title,
            metadata,
            idempotency_key,
        } = input;
        let input = ConversationStart {
            of: ThreadOf {
                user: user_id,
                entity: entity_id,
                place: Place {
                    platform,
                    device: device_id,
                    guild: guild_id,
                    channel: channel_id,
                },
            },
            intimacy,
            profile: ConversationProfile {
                title,
                metadata: metadata.map_or_else(|| json!({}), |it| it.0),
            },
        };
        let done = conversation_start(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| ConversationStartPayload::of(it.into())))
    }

    /// Says something in a conversation, or where it belongs: the thread is found by who talks
    /// with whom and where. Written to by its id, a conversation that is over is
    /// `CONVERSATION_ENDED`.
    async fn message_send(
        &self,
        ctx: &Context<'_>,
        input: MessageSendInput,
    ) -> Result<MessageSendPayload> {
        let MessageSendInput {
            to,
            role,
            content,
            external_id,
            image_urls,
            audio_url,
            duration_ms,
            device_state,
            response_latency_ms,
            idempotency_key,
        } = input;
        let to = match to {
            MessageTargetInput::ConversationId(id) => MessageTarget::Conversation(id),
            MessageTargetInput::Thread(ThreadInput {
                user_id,
                entity_id,
                platform,
                device_id,
                guild_id,
                channel_id,
                intimacy,
            }) => MessageTarget::Thread {
                of: ThreadOf {
                    user: user_id,
                    entity: entity_id,
                    place: Place {
                        platform,
                        device: device_id,
                        guild: guild_id,
                        channel: channel_id,
                    },
                },
                intimacy,
            },
        };
        let draft = MessageDraft {
            role: role.unwrap_or(MessageRole::User),
            content,
            external_id,
            image_urls: image_urls.unwrap_or_default(),
            audio_url,
            duration_ms,
            device_state: device_state.map(|it| it.0),
            response_latency_ms,
        };
        let done = message_send(cx(ctx), idempotency_key, MessageSend { to, draft }).await;
        answer(done.map(|it| {
            let Sent {
                message,
                began,
                again,
            } = it;
            MessageSendPayload::of(message.into(), began, again)
        }))
    }

    /// Changes the words of a message. Whoever may say a thing in a conversation may change it,
    /// also when that is over; it is logged, without the words.
    async fn message_edit(
        &self,
        ctx: &Context<'_>,
        input: MessageEditInput,
    ) -> Result<MessageEditPayload> {
        let MessageEditInput { id, content } = input;
        let done = message_edit(cx(ctx), MessageEdit { id, content }).await;
        answer(done.map(|it| MessageEditPayload::of(it.into())))
    }

    /// Removes a message for good. Whoever may say a thing in a conversation may remove it, also
    /// when that is over; it is logged, without the words.
    async fn message_delete(
        &self,
        ctx: &Context<'_>,
        input: MessageDeleteInput,
    ) -> Result<MessageDeletePayload> {
        let done = message_delete(cx(ctx), input.id).await;
        answer(done.map(MessageDeletePayload::of))
    }

    /// Lets a conversation wait until it is resumed.
    async fn conversation_pause(
        &self,
        ctx: &Context<'_>,
        input: ConversationPauseInput,
    ) -> Result<ConversationPausePayload> {
        let ConversationPauseInput { id, version } = input;
        let done = conversation_pause(cx(ctx), id, version).await;
        answer(done.map(|it| ConversationPausePayload::of(it.into())))
    }

    /// Goes on with a conversation that waits.
    async fn conversation_resume(
        &self,
        ctx: &Context<'_>,
        input: ConversationResumeInput,
    ) -> Result<ConversationResumePayload> {
        let ConversationResumeInput { id, version } = input;
        let done = conversation_resume(cx(ctx), id, version).await;
        answer(done.map(|it| ConversationResumePayload::of(it.into())))
    }

    /// Ends a conversation, for good.
    async fn conversation_end(
        &self,
        ctx: &Context<'_>,
        input: ConversationEndInput,
    ) -> Result<ConversationEndPayload> {
        let ConversationEndInput { id, version } = input;
        let done = conversation_end(cx(ctx), id, version).await;
        answer(done.map(|it| ConversationEndPayload::of(it.into())))
    }

    /// Changes what is said of a conversation.
    async fn conversation_update(
        &self,
        ctx: &Context<'_>,
        input: ConversationUpdateInput,
    ) -> Result<ConversationUpdatePayload> {
        let ConversationUpdateInput {
            id,
            version,
            title,
            intimacy,
            metadata,
        } = input;
        let input = ConversationUpdate {
            id,
            version,
            title: patch(title),
            intimacy: patch(intimacy),
            metadata: patch(metadata).map(|it| it.0),
        };
        let done = conversation_update(cx(ctx), input).await;
        answer(done.map(|it| ConversationUpdatePayload::of(it.into())))
    }

    /// Leaves everything said so far out of the context window; the history keeps it.
    async fn conversation_reset_context(
        &self,
        ctx: &Context<'_>,
        input: ConversationResetContextInput,
    ) -> Result<ConversationResetContextPayload> {
        let ConversationResetContextInput { id, version } = input;
        let done = conversation_reset_context(cx(ctx), id, version).await;
        answer(done.map(|it| ConversationResetContextPayload::of(it.into())))
    }

    /// Asks another device of the same owner to take over a conversation; it has 30 seconds to
    /// accept. For the person, a service for them, or the device that holds it.
    async fn conversation_handoff_request(
        &self,
        ctx: &Context<'_>,
        input: ConversationHandoffRequestInput,
    ) -> Result<ConversationHandoffRequestPayload> {
        let ConversationHandoffRequestInput {
            conversation_id,
            to_device_id,
            reason,
            version,
            idempotency_key,
        } = input;
        let input = HandoffRequest {
            conversation: conversation_id,
            to: to_device_id,
            reason,
            version,
        };
        let done = handoff_request(cx(ctx), idempotency_key, input).await;
        answer(
            done.map(|(handoff, it)| {
                ConversationHandoffRequestPayload::of(handoff.into(), it.into())
            }),
        )
    }

    /// Takes over a conversation, under the same id and with its whole history; what went on on
    /// the device is paused. For the device that was asked, or its owner.
    async fn conversation_handoff_accept(
        &self,
        ctx: &Context<'_>,
        input: ConversationHandoffAcceptInput,
    ) -> Result<ConversationHandoffAcceptPayload> {
        let ConversationHandoffAcceptInput {
            conversation_id,
            version,
        } = input;
        let done = handoff_accept(cx(ctx), conversation_id, version).await;
        answer(
            done.map(|(handoff, it)| {
                ConversationHandoffAcceptPayload::of(handoff.into(), it.into())
            }),
        )
    }

    /// Refuses a conversation, which goes on where it was. For the device that was asked, or its
    /// owner.
    async fn conversation_handoff_reject(
        &self,
        ctx: &Context<'_>,
        input: ConversationHandoffRejectInput,
    ) -> Result<ConversationHandoffRejectPayload> {
        let ConversationHandoffRejectInput {
            conversation_id,
            version,
        } = input;
        let done = handoff_reject(cx(ctx), conversation_id, version).await;
        answer(
            done.map(|(handoff, it)| {
                ConversationHandoffRejectPayload::of(handoff.into(), it.into())
            }),
        )
    }

    /// Tells an entity something on behalf of another. Their friendship grows by 0.02 each time,
    /// up to 1.
    async fn entity_message_send(
        &self,
        ctx: &Context<'_>,
        input: EntityMessageSendInput,
    ) -> Result<EntityMessageSendPayload> {
        let EntityMessageSendInput {
            from_entity_id,
            to_entity_id,
            kind,
            content,
            payload,
            idempotency_key,
        } = input;
        let input = EntityMessageSend {
            from: from_entity_id,
            to: to_entity_id,
            draft: CommunicationDraft {
                kind,
                content,
                payload: payload.map_or_else(|| json!({}), |it| it.0),
            },
        };
        let done = entity_message_send(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| EntityMessageSendPayload::of(it.into())))
    }

    /// Notes that an entity has taken note of what it was told; again: nothing changes.
    async fn entity_message_read(
        &self,
        ctx: &Context<'_>,
        input: EntityMessageReadInput,
    ) -> Result<EntityMessageReadPayload> {
        let done = entity_message_read(cx(ctx), input.id).await;
        answer(done.map(|it| EntityMessageReadPayload::of(it.into())))
    }
}
