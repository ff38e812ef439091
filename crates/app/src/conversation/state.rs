//! Pausing, resuming, ending and describing conversations; ending those that have expired.

use domain::{
    audit::Event,
    conversation::{
        Conversation, ConversationEvent, ConversationId, ConversationProfile, ConversationState,
        HandoffState, Intimacy,
    },
    values::Json,
};
use persistence::{
    conversation::{self as rows, conversation_handoffs, conversations},
    scope::ConversationScope,
};
use serde_json::{Value, json};

use super::{
    in_their_place, log, refused, tell, tell_devices,
    thread::{hold, release},
};
use crate::{Access, Cx, Error, Patch, Result, Txn, audit};

/// So many conversations a sweep changes in one transaction.
const SWEPT_AT_ONCE: u64 = 200;

/// The conversation, held until the transaction ends, as it is at this moment: one whose
/// hand-off nobody accepted in time is back where it was.
pub(super) async fn held(
    cx: &Cx,
    txn: &Txn,
    scope: &ConversationScope,
    id: ConversationId,
    version: Option<i32>,
) -> Result<Conversation> {
    let found = rows::conversation_to_change(&**txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    found
        .expect(version)
        .map_err(|error| refused("version", error))?;
    settled(cx, txn, found).await
}

/// Takes note of a hand-off that was not accepted in time.
pub(super) async fn settled(cx: &Cx, txn: &Txn, it: Conversation) -> Result<Conversation> {
    if !it.handoff_timed_out(cx.now()) || it.state_at(cx.now()) == ConversationState::Ended {
        return Ok(it);
    }
    let back = it
        .come_back(cx.now())
        .map_err(|error| refused("id", error))?;
    conversations::Entity::replace(&**txn, back.clone()).await?;
    drop_handoff(cx, txn, &back, HandoffState::TimedOut).await?;
    Ok(back)
}

/// A pending hand-off came to nothing.
pub(super) async fn drop_handoff(
    cx: &Cx,
    txn: &Txn,
    it: &Conversation,
    state: HandoffState,
) -> Result<()> {
    let Some(pending) = rows::pending_handoff(&**txn, it.id).await? else {
        return Ok(());
    };
    let handoff = pending.resolve(state, cx.now());
    conversation_handoffs::Entity::replace(&**txn, handoff.clone()).await?;
    let payload = json!({ "handoff": handoff.id, "step": handoff.state });
    let devices = [handoff.from_device_id, handoff.to_device_id];
    for device in devices.into_iter().flatten() {
        log(cx, txn, "handoff", it, Some(device), payload.clone()).await?;
    }
    let event = match state {
        HandoffState::TimedOut => ConversationEvent::HandoffTimedOut,
        _ => ConversationEvent::HandoffRejected,
    };
    tell_devices(txn, it, event, devices.into_iter().flatten());
    Ok(())
}

/// Stores a changed conversation, with the entry of the log and the news that go with it.
async fn store(
    cx: &Cx,
    txn: &Txn,
    it: &Conversation,
    event_type: &str,
    payload: Value,
    event: ConversationEvent,
) -> Result<()> {
    conversations::Entity::replace(&**txn, it.clone()).await?;
    log(cx, txn, event_type, it, it.device_id, payload).await?;
    tell(txn, it, event);
    Ok(())
}

/// Notes who changed a conversation in somebody's place.
async fn note(cx: &Cx, txn: &Txn, operation: &'static str, it: &Conversation) -> Result<()> {
    if in_their_place(cx) {
        let object = Some(it.id.to_string());
        audit::call(cx, txn, operation, object, Some(it.user_id)).await?;
    }
    Ok(())
}

/// Lets a conversation wait.
pub async fn conversation_pause(
    cx: &Cx,
    id: ConversationId,
    version: Option<i32>,
) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let txn = cx.begin().await?;
    let it = held(cx, &txn, &scope, id, version).await?;
    let it = pause(cx, &txn, it).await?;
    note(cx, &txn, "conversationPause", &it).await?;
    txn.commit().await?;
    Ok(it)
}

pub(super) async fn pause(cx: &Cx, txn: &Txn, it: Conversation) -> Result<Conversation> {
    let it = it.pause(cx.now()).map_err(|error| refused("id", error))?;
    let (event_type, event) = ("session_pause", ConversationEvent::Paused);
    store(cx, txn, &it, event_type, json!({}), event).await?;
    release(cx, txn, it.id).await?;
    Ok(it)
}

/// Goes on with a conversation that waits; it lives on as if something had just been said. What
/// is said in its place without its id still begins a new one when the last message is old.
pub async fn conversation_resume(
    cx: &Cx,
    id: ConversationId,
    version: Option<i32>,
) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let txn = cx.begin().await?;
    let it = held(cx, &txn, &scope, id, version).await?;
    let limits = rows::session_limits(&*txn, it.persona_definition_id).await?;
    let it = it
        .resume(limits.retention, cx.now())
        .map_err(|error| refused("id", error))?;
    let (event_type, event) = ("session_resume", ConversationEvent::Resumed);
    store(cx, &txn, &it, event_type, json!({}), event).await?;
    hold(cx, &txn, it.device_id, &it).await?;
    note(cx, &txn, "conversationResume", &it).await?;
    txn.commit().await?;
    Ok(it)
}

/// Ends a conversation, for good.
pub async fn conversation_end(
    cx: &Cx,
    id: ConversationId,
    version: Option<i32>,
) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let txn = cx.begin().await?;
    let it = held(cx, &txn, &scope, id, version).await?;
    if it.state_at(cx.now()) == ConversationState::Ended {
        return Err(refused(
            "id",
            domain::conversation::ConversationError::Ended,
        ));
    }
    let it = end(cx, &txn, it, "requested").await?;
    note(cx, &txn, "conversationEnd", &it).await?;
    txn.commit().await?;
    Ok(it)
}

/// Ends a conversation that was found without being held, unless somebody else was first.
pub(super) async fn end_found(
    cx: &Cx,
    txn: &Txn,
    scope: &ConversationScope,
    id: ConversationId,
    reason: &str,
) -> Result<()> {
    if let Some(it) = rows::conversation_to_change(&**txn, scope, id).await?
        && it.state != ConversationState::Ended
    {
        end(cx, txn, it, reason).await?;
    }
    Ok(())
}

/// Ends a conversation that the caller holds; one that has expired ended when it did.
async fn end(cx: &Cx, txn: &Txn, it: Conversation, reason: &str) -> Result<Conversation> {
    let now = cx.now();
    let expired = it.state_at(now) == ConversationState::Ended;
    if it.state == ConversationState::HandedOff {
        let state = if it.handoff_timed_out(now) {
            HandoffState::TimedOut
        } else {
            HandoffState::Rejected
        };
        drop_handoff(cx, txn, &it, state).await?;
    }
    let it = it.end(now).map_err(|error| refused("id", error))?;
    conversations::Entity::replace(&**txn, it.clone()).await?;
    release(cx, txn, it.id).await?;
    let reason = if expired { "expired" } else { reason };
    let ended_at = it.ended_at.unwrap_or(now);
    let event = Event {
        device_id: it.device_id,
        entity_id: it.entity_id,
        user_id: Some(it.user_id),
        conversation_id: Some(it.id),
        payload: Json(json!({ "reason": reason, "messages": it.message_count })),
        created_at: now,
        ..Event::new(cx.id(), "session_end", ended_at)
    };
    audit::log(cx, txn, event).await?;
    tell(txn, &it, ConversationEvent::Ended);
    Ok(it)
}

/// Changes to what is said of a conversation.
#[derive(Clone, Debug)]
pub struct ConversationUpdate {
    /// Which.
    pub id: ConversationId,
    /// The version that the caller has seen.
    pub version: Option<i32>,
    /// At most 200 characters.
    pub title: Patch<String>,
    /// How private it is; left as it is when cleared.
    pub intimacy: Patch<Intimacy>,
    /// A JSON object; cleared: an empty one.
    pub metadata: Patch<Value>,
}

/// Changes what is said of a conversation.
pub async fn conversation_update(cx: &Cx, input: ConversationUpdate) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let ConversationUpdate {
        id,
        version,
        title,
        intimacy,
        metadata,
    } = input;
    let txn = cx.begin().await?;
    let it = held(cx, &txn, &scope, id, version).await?;
    if it.state_at(cx.now()) == ConversationState::Ended {
        return Err(refused(
            "id",
            domain::conversation::ConversationError::Ended,
        ));
    }
    let profile = ConversationProfile {
        title: title.apply(it.title.clone()),
        metadata: metadata.or(it.metadata.0.clone(), json!({})),
    };
    let ConversationProfile { title, metadata } = profile.checked()?;
    let it = Conversation {
        title,
        intimacy: intimacy.or(it.intimacy, it.intimacy),
        metadata: Json(metadata),
        ..it
    }
    .changed(cx.now());
    let payload = json!({ "intimacy": it.intimacy });
    store(
        cx,
        &txn,
        &it,
        "session_update",
        payload,
        ConversationEvent::Updated,
    )
    .await?;
    note(cx, &txn, "conversationUpdate", &it).await?;
    txn.commit().await?;
    Ok(it)
}

/// Leaves everything said so far out of the context; the history keeps it.
pub async fn conversation_reset_context(
    cx: &Cx,
    id: ConversationId,
    version: Option<i32>,
) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let txn = cx.begin().await?;
    let it = held(cx, &txn, &scope, id, version).await?;
    let it = it
        .reset_context(cx.now())
        .map_err(|error| refused("id", error))?;
    let payload = json!({ "contextReset": true });
    store(
        cx,
        &txn,
        &it,
        "session_update",
        payload,
        ConversationEvent::Updated,
    )
    .await?;
    note(cx, &txn, "conversationResetContext", &it).await?;
    txn.commit().await?;
    Ok(it)
}

/// Ends the conversations that have expired, for a sweep; gives how many. Each is ended once,
/// whoever sweeps.
pub async fn end_expired(cx: &Cx) -> Result<u64> {
    let mut ended = 0;
    loop {
        let txn = cx.begin().await?;
        let found = rows::expired_conversations(&*txn, cx.now(), SWEPT_AT_ONCE).await?;
        let rows = found.len() as u64;
        for it in found {
            end(cx, &txn, it, "expired").await?;
        }
        txn.commit().await?;
        ended += rows;
        if rows < SWEPT_AT_ONCE {
            return Ok(ended);
        }
    }
}
