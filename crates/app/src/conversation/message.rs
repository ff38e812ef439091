//! Saying something, and taking it back.

use domain::{
    conversation::{
        Conversation, ConversationEvent, ConversationId, Intimacy, Message, MessageDraft,
        MessageId, MessageRole, estimated_tokens,
    },
    identity::UserId,
    values::Json,
};
use inference::sentiment;
use persistence::{
    conversation::{self as rows, SentTo, Thread, messages},
    dna::entity_in_scope,
    scope::{ConversationScope, EntityReach, EntityScope},
};
use serde_json::json;

use super::{
    handler::MESSAGE_APPENDED,
    in_their_place,
    thread::{self, Known, ThreadOf, continue_or_begin, open_thread},
};
use crate::{
    Access, Change, Cx, Error, Principal, Result, Txn, audit,
    idempotency::{self, Claim, First, Once},
    outbox::{Enqueue, enqueue},
};

/// Where something is to be said.
#[derive(Clone, Debug)]
pub enum MessageTarget {
    /// In this conversation.
    Conversation(ConversationId),
    /// In the thread that goes on there, or in a new one.
    Thread {
        /// Whose, and where.
        of: ThreadOf,
        /// How private a new one is; of the place when not said.
        intimacy: Option<Intimacy>,
    },
}

/// Something to be said.
#[derive(Clone, Debug)]
pub struct MessageSend {
    /// Where.
    pub to: MessageTarget,
    /// What.
    pub draft: MessageDraft,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What.
    pub message: Message,
    /// A conversation began with it.
    pub began: bool,
    /// It had been said before: nothing was stored.
    pub again: bool,
}

impl Sent {
    fn again(message: Message) -> Self {
        Self {
            message,
            began: false,
            again: true,
        }
    }
}

/// Stores a message, and asks for what is learned from it. The same `external_id` again, or
/// the same key of idempotency, gives the first message and stores nothing.
///
/// The person may speak as themself. For the entity speak its owner, a device, services and
/// administrators; instructions of the system come from the same, save devices.
///
/// # Errors
/// `CONVERSATION_ENDED` for a conversation that is over, a conflict for one that is paused.
pub async fn message_send(cx: &Cx, once: Option<String>, input: MessageSend) -> Result<Sent> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let once = Once::new(once, "messageSend", &input);
    let MessageSend { to, draft } = input;
    let draft = draft.checked()?;
    let scored = Scored::new(cx, draft);
    match to {
        MessageTarget::Conversation(id) => {
            const FIELD: &str = "to.conversationId";
            if let Some(sent) = sent_before(cx, &scope, SentTo::Conversation(id), &scored).await? {
                return Ok(sent);
            }
            let thread = open_thread(cx, id, FIELD).await?;
            let txn = cx.begin().await?;
            match say(cx, txn, once, &thread, scored.clone(), false).await? {
                Said::Stored(sent) => Ok(*sent),
                Said::Before => found_before(cx, &scope, SentTo::Conversation(id), &scored).await,
                // Ended, paused or expired between the two statements.
                Said::Closed(_) => match open_thread(cx, id, FIELD).await {
                    Ok(_) => Err(Error::conflict(
                        FIELD,
                        "somebody else changed this conversation: try again",
                    )),
                    Err(error) => Err(error),
                },
            }
        }
        MessageTarget::Thread { of, intimacy } => {
            let key = thread::key(cx, of, "to.thread").await?;
            if let Some(sent) = sent_before(cx, &scope, SentTo::Thread(&key), &scored).await? {
                return Ok(sent);
            }
            let mut once = once;
            // The thread that goes on needs no lock: whoever ends it says so in its row.
            if let Some(thread) = rows::newest_thread(cx.reader(), &scope, &key).await?
                && thread.conversation.continues(thread.limits, cx.now())
            {
                let txn = cx.begin().await?;
                match say(cx, txn, once, &thread, scored.clone(), false).await? {
                    Said::Stored(sent) => return Ok(*sent),
                    Said::Before => {
                        return found_before(cx, &scope, SentTo::Thread(&key), &scored).await;
                    }
                    Said::Closed(unused) => once = unused,
                }
            }
            let known = Known::look_up(cx, &key, "to.thread").await?;
            let txn = cx.begin().await?;
            let (thread, began) = continue_or_begin(cx, &txn, key.clone(), known, intimacy).await?;
            match say(cx, txn, once, &thread, scored.clone(), began).await? {
                Said::Stored(sent) => Ok(*sent),
                Said::Before => found_before(cx, &scope, SentTo::Thread(&key), &scored).await,
                Said::Closed(_) => Err(Error::conflict(
                    "to.thread",
                    "somebody else changed this conversation: try again",
                )),
            }
        }
    }
}

/// A draft with what is computed of it, before any lock is held.
#[derive(Clone, Debug)]
struct Scored {
    draft: MessageDraft,
    sentiment: f64,
    tokens: i32,
}

impl Scored {
    fn new(cx: &Cx, draft: MessageDraft) -> Self {
        Self {
            sentiment: sentiment::score(&draft.content),
            tokens: tokens(cx, &draft.content),
            draft,
        }
    }
}

/// How many tokens a text takes, as the configured tokenizer counts, else characters / 4.
fn tokens(cx: &Cx, text: &str) -> i32 {
    match &cx.settings.tokenizer {
        Some(it) => i32::try_from(it.count(text)).unwrap_or(i32::MAX),
        None => estimated_tokens(text),
    }
}

/// The message that the sender's own id names, if there is one.
async fn sent_before(
    cx: &Cx,
    scope: &ConversationScope,
    to: SentTo<'_>,
    scored: &Scored,
) -> Result<Option<Sent>> {
    let Some(external_id) = &scored.draft.external_id else {
        return Ok(None);
    };
    let before = rows::message_sent_before(cx.reader(), scope, to, external_id).await?;
    Ok(before.map(Sent::again))
}

/// The message that was stored by another request at the same time.
async fn found_before(
    cx: &Cx,
    scope: &ConversationScope,
    to: SentTo<'_>,
    scored: &Scored,
) -> Result<Sent> {
    sent_before(cx, scope, to, scored)
        .await?
        .ok_or_else(|| Error::Internal("a message that was there is gone".to_owned()))
}

/// What came of saying something.
enum Said {
    Stored(Box<Sent>),
    /// The sender's own id of it is taken: it was said before.
    Before,
    /// The conversation does not go on any more; the key of idempotency was not used.
    Closed(Option<Once>),
}

/// Stores a message in a conversation and commits.
async fn say(
    cx: &Cx,
    txn: Txn,
    once: Option<Once>,
    thread: &Thread,
    scored: Scored,
    began: bool,
) -> Result<Said> {
    let it = &thread.conversation;
    check_role(cx, scored.draft.role, thread.entity_owner, it)?;
    let claim: First<MessageId> = match idempotency::claim(cx, &txn, once.clone()).await? {
        Claim::Again(id) => {
            let scope = cx.viewer.conversations(Access::Write)?;
            let found = rows::messages_by_ids(&*txn, &scope, &[id]).await?;
            let message = found.into_iter().next().ok_or_else(idempotency::gone)?;
            return Ok(Said::Stored(Box::new(Sent::again(message))));
        }
        Claim::First(claim) => claim,
    };
    let now = cx.now();
    let lives_until = now + thread.limits.retention;
    if !rows::thread_continue(&*txn, it.id, now, lives_until).await? {
        txn.rollback().await?;
        return Ok(Said::Closed(once));
    }
    let message = message(cx, it, scored);
    match messages::Entity::add(&*txn, message.clone()).await {
        Ok(()) => {}
        Err(persistence::Error::Taken(_)) if message.external_id.is_some() => {
            txn.rollback().await?;
            return Ok(Said::Before);
        }
        Err(other) => return Err(other.into()),
    }
    if let (Some(device), true) = (it.device_id, thread.active_there != Some(it.id)) {
        thread::hold(cx, &txn, Some(device), it).await?;
    }
    let payload = json!({ "message": message.id });
    enqueue(cx, &txn, Enqueue::new(MESSAGE_APPENDED, payload)).await?;
    claim.keep(&txn, message.id).await?;
    if in_their_place(cx) {
        let object = Some(message.id.to_string());
        audit::call(cx, &txn, "messageSend", object, Some(it.user_id)).await?;
    }
    txn.publish(Change::MessageAdded {
        conversation: it.id,
        message: message.id,
        user: message.user_id,
        entity: message.entity_id,
        device: message.device_id,
    });
    txn.commit().await?;
    Ok(Said::Stored(Box::new(Sent {
        message,
        began,
        again: false,
    })))
}

fn message(cx: &Cx, it: &Conversation, scored: Scored) -> Message {
    let Scored {
        draft,
        sentiment,
        tokens,
    } = scored;
    let MessageDraft {
        role,
        content,
        external_id,
        image_urls,
        audio_url,
        duration_ms,
        device_state,
        response_latency_ms,
    } = draft;
    Message {
        id: cx.id(),
        conversation_id: it.id,
        user_id: it.user_id,
        entity_id: it.entity_id,
        device_id: it.device_id,
        role,
        content,
        persona_definition_id: it.persona_definition_id,
        external_id,
        image_urls: Json(image_urls),
        audio_url,
        duration_ms,
        device_state: device_state.map(Json),
        token_count: Some(tokens),
        response_latency_ms,
        sentiment: Some(sentiment),
        created_at: cx.now(),
        updated_at: cx.now(),
    }
}

/// Whether the viewer may speak in this role, or change what was said in it.
fn check_role(
    cx: &Cx,
    role: MessageRole,
    entity_owner: Option<UserId>,
    it: &Conversation,
) -> Result<()> {
    let owns = || {
        it.entity_id.is_none() || entity_owner.is_some_and(|own| cx.viewer.person() == Some(own))
    };
    let allowed = match (role, cx.viewer.principal) {
        (MessageRole::User, _)
        | (MessageRole::Assistant, Principal::Device { .. })
        | (_, Principal::Service { .. } | Principal::System) => true,
        (MessageRole::Assistant | MessageRole::System, _) => cx.viewer.is_admin() || owns(),
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden(
            "only its owner, its device or a service speaks for an entity",
        ))
    }
}

/// A change to what was said.
#[derive(Clone, Debug)]
pub struct MessageEdit {
    /// Which message.
    pub id: MessageId,
    /// What it says from now on, 1–32 000 characters.
    pub content: String,
}

/// Changes the words of a message: whoever may say a thing in a conversation may change it, also
/// when the conversation is over. It is noted in the log, without the words.
pub async fn message_edit(cx: &Cx, input: MessageEdit) -> Result<Message> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let MessageEdit { id, content } = input;
    let txn = cx.begin().await?;
    let (before, it) = changeable(cx, &txn, &scope, id).await?;
    let draft = MessageDraft::new(before.role, content).checked()?;
    let Scored {
        draft,
        sentiment,
        tokens,
    } = Scored::new(cx, draft);
    let message = Message {
        content: draft.content,
        sentiment: Some(sentiment),
        token_count: Some(tokens),
        updated_at: cx.now(),
        ..before
    };
    messages::Entity::replace(&*txn, message.clone()).await?;
    changed(cx, &txn, "messageEdit", &it, id).await?;
    txn.commit().await?;
    Ok(message)
}

/// Removes a message for good: whoever may say a thing in a conversation may remove it, also
/// when the conversation is over. It is noted in the log, without the words.
pub async fn message_delete(cx: &Cx, id: MessageId) -> Result<MessageId> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let txn = cx.begin().await?;
    let (_, it) = changeable(cx, &txn, &scope, id).await?;
    rows::message_delete(&*txn, id).await?;
    rows::thread_lessen(&*txn, it.id).await?;
    changed(cx, &txn, "messageDelete", &it, id).await?;
    txn.commit().await?;
    Ok(id)
}

/// A message that the viewer may change, with its conversation. The conversation is held first,
/// as whoever adds a message does.
async fn changeable(
    cx: &Cx,
    txn: &Txn,
    scope: &ConversationScope,
    id: MessageId,
) -> Result<(Message, Conversation)> {
    let missing = || Error::not_found("id");
    let found = rows::messages_by_ids(&**txn, scope, &[id]).await?;
    let conversation = found
        .first()
        .map(|it| it.conversation_id)
        .ok_or_else(missing)?;
    let it = rows::conversation_to_change(&**txn, scope, conversation)
        .await?
        .ok_or_else(missing)?;
    let message = rows::message_to_change(&**txn, scope, id)
        .await?
        .ok_or_else(missing)?;
    let owner = match it.entity_id {
        Some(entity) => {
            let everything = EntityScope {
                reach: EntityReach::All,
                fence: None,
            };
            let found = entity_in_scope(&**txn, &everything, entity).await?;
            found.map(|it| it.owner_id)
        }
        None => None,
    };
    check_role(cx, message.role, owner, &it)?;
    Ok((message, it))
}

async fn changed(
    cx: &Cx,
    txn: &Txn,
    operation: &'static str,
    it: &Conversation,
    message: MessageId,
) -> Result<()> {
    let object = Some(message.to_string());
    audit::call(cx, txn, operation, object, Some(it.user_id)).await?;
    super::tell(txn, it, ConversationEvent::Updated);
    Ok(())
}
