//! Handing a conversation from one device to another of the same owner.

use domain::{
    check::{Check, Invalid},
    conversation::{
        Conversation, ConversationEvent, ConversationHandoff, ConversationId, HandoffError,
        HandoffId, HandoffState, HandoffTarget, MessageRole,
    },
    device::{Device, DeviceId},
    identity::UserId,
};
use persistence::{
    conversation::{self as rows, conversation_handoffs, conversations},
    device::{device_to_change, devices_by_ids},
    engine,
    relationship::state_of,
    scope::{ConversationScope, DeviceScope},
};
use serde_json::{Value, json};

use super::{
    in_their_place, log, refused,
    state::{drop_handoff, held, pause, settled},
    tell_devices,
    thread::{hold, release},
};
use crate::{
    Access, Cx, Error, Principal, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A wish to continue a conversation on another device.
#[derive(Clone, Debug)]
pub struct HandoffRequest {
    /// Which conversation.
    pub conversation: ConversationId,
    /// Where it is to go.
    pub to: DeviceId,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
    /// The version that the caller has seen.
    pub version: Option<i32>,
}

/// A hand-off, and the conversation as it is now.
pub type HandedOff = (ConversationHandoff, Conversation);

fn forbids(field: &str, error: HandoffError) -> Error {
    Error::Invalid(Invalid::one(error.code(), field, error.to_string()))
}

/// The devices that the viewer may hand a conversation to: a device knows its siblings.
fn siblings(cx: &Cx) -> Result<DeviceScope> {
    match cx.viewer.principal {
        Principal::Device { owner, .. } => Ok(DeviceScope::OwnedBy(owner)),
        _ => cx.viewer.devices(Access::Write),
    }
}

/// Asks another device of the same owner to take over a conversation; it has 30 seconds to
/// accept. The person, a service for them, or the device that holds the conversation may ask.
///
/// # Errors
/// When the conversation is not active or is being handed over already; when the other device
/// is the one it is on, is offline, belongs to another owner, or holds an emergency. Nothing
/// has changed then.
pub async fn handoff_request(
    cx: &Cx,
    once: Option<String>,
    input: HandoffRequest,
) -> Result<HandedOff> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let once = Once::new(once, "conversationHandoffRequest", &input);
    let HandoffRequest {
        conversation,
        to,
        reason,
        version,
    } = input;
    let siblings = siblings(cx)?;
    let mut check = Check::new();
    let reason = check.optional_text("reason", reason.as_deref(), 1..=500);
    check.done()?;

    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<HandoffId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let found = rows::handoffs_by_ids(&*txn, &scope, &[id]).await?;
            let handoff = found.into_iter().next().ok_or_else(idempotency::gone)?;
            let ids = [handoff.conversation_id];
            let found = rows::conversations_by_ids(&*txn, &scope, &ids).await?;
            let it = found.into_iter().next().ok_or_else(idempotency::gone)?;
            return Ok((handoff, it));
        }
        Claim::First(claim) => claim,
    };
    let found = devices_by_ids(&*txn, siblings, &[to]).await?;
    let target = found
        .into_iter()
        .next()
        .ok_or_else(|| Error::not_found("toDeviceId"))?;
    // Before the rows: two hand-offs that cross would otherwise wait for each other.
    engine::lock(&*txn, "handoff", target.owner_id).await?;
    let it = held(cx, &txn, &scope, conversation, version)
        .await
        .map_err(|error| renamed(error, "conversationId"))?;
    let owner = owner_of(&txn, &it).await?;
    let priority = rows::priority_on(&*txn, to, cx.now()).await?;
    let goes = HandoffTarget {
        device: &target,
        priority,
    };
    goes.check(&it, owner, cx.now())
        .map_err(|error| match error {
            HandoffError::State(_) => forbids("conversationId", error),
            _ => forbids("toDeviceId", error),
        })?;
    let now = cx.now();
    let handoff = ConversationHandoff {
        id: cx.id(),
        conversation_id: it.id,
        user_id: it.user_id,
        from_device_id: it.device_id,
        to_device_id: Some(to),
        state: HandoffState::Pending,
        reason,
        requested_at: now,
        resolved_at: None,
        created_at: now,
        updated_at: now,
    };
    conversation_handoffs::Entity::add(&*txn, handoff.clone()).await?;
    let it = it
        .hand_off(now)
        .map_err(|error| refused("conversationId", error))?;
    conversations::Entity::replace(&*txn, it.clone()).await?;
    announce(
        cx,
        &txn,
        &it,
        &handoff,
        "requested",
        ConversationEvent::HandoffRequested,
    )
    .await?;
    claim.keep(&txn, handoff.id).await?;
    note(cx, &txn, "conversationHandoffRequest", &it).await?;
    txn.commit().await?;
    Ok((handoff, it))
}

/// The same refusal, blamed on another field.
fn renamed(error: Error, field: &str) -> Error {
    match error {
        Error::NotFound(_) => Error::not_found(field),
        other => other,
    }
}

/// Whose devices a conversation may go to: the owner of the one it is on, else the person.
async fn owner_of(txn: &Txn, it: &Conversation) -> Result<UserId> {
    let on = match it.device_id {
        Some(id) => devices_by_ids(&**txn, DeviceScope::All, &[id]).await?,
        None => Vec::new(),
    };
    Ok(on.first().map_or(it.user_id, |it| it.owner_id))
}

/// Tells the log of both devices, and whoever follows them.
async fn announce(
    cx: &Cx,
    txn: &Txn,
    it: &Conversation,
    handoff: &ConversationHandoff,
    step: &str,
    event: ConversationEvent,
) -> Result<()> {
    let payload = json!({
        "handoff": handoff.id,
        "step": step,
        "from": handoff.from_device_id,
        "to": handoff.to_device_id,
    });
    let devices = [handoff.from_device_id, handoff.to_device_id];
    for device in devices.into_iter().flatten() {
        log(cx, txn, "handoff", it, Some(device), payload.clone()).await?;
    }
    tell_devices(txn, it, event, devices.into_iter().flatten());
    Ok(())
}

async fn note(cx: &Cx, txn: &Txn, operation: &'static str, it: &Conversation) -> Result<()> {
    if in_their_place(cx) {
        let object = Some(it.id.to_string());
        audit::call(cx, txn, operation, object, Some(it.user_id)).await?;
    }
    Ok(())
}

/// A pending hand-off to a device of the viewer's (or the viewer itself), with its conversation
/// and that device, all held until the transaction ends.
async fn pending(
    cx: &Cx,
    txn: &Txn,
    conversation: ConversationId,
    version: Option<i32>,
) -> Result<(Conversation, ConversationHandoff, Device)> {
    const FIELD: &str = "conversationId";
    let scope = cx.viewer.conversations(Access::Read)?;
    let devices = cx.viewer.devices(Access::Write)?;
    let missing = || Error::not_found(FIELD);
    let seen = rows::conversations_by_ids(&**txn, &scope, &[conversation]).await?;
    let seen = seen.into_iter().next().ok_or_else(missing)?;
    let target = match rows::pending_handoff(&**txn, seen.id).await? {
        Some(ConversationHandoff {
            to_device_id: Some(to),
            ..
        }) => devices_by_ids(&**txn, devices, &[to])
            .await?
            .into_iter()
            .next(),
        _ => None,
    };
    // The target's owner is who hand-offs take turns by; who may not see it learns nothing of
    // the hand-off that they cannot read from the conversation.
    let Some(target) = target else {
        let may_write = cx.viewer.conversations(Access::Write)?;
        // Read anew: another may have answered since it was seen.
        let own = rows::conversations_by_ids(&**txn, &may_write, &[conversation]).await?;
        let error = own.first().map(|it| it.check_handed_off(cx.now()));
        return Err(match error {
            Some(Err(error)) => refused(FIELD, error),
            _ => missing(),
        });
    };
    engine::lock(&**txn, "handoff", target.owner_id).await?;
    let it = rows::conversation_to_change(&**txn, &ConversationScope::EVERYTHING, conversation)
        .await?
        .ok_or_else(missing)?;
    it.expect(version)
        .map_err(|error| refused("version", error))?;
    it.check_handed_off(cx.now())
        .map_err(|error| refused(FIELD, error))?;
    let handoff = rows::pending_handoff(&**txn, it.id)
        .await?
        .filter(|it| it.to_device_id == Some(target.id))
        .ok_or_else(missing)?;
    let target = device_to_change(&**txn, devices, target.id)
        .await?
        .ok_or_else(missing)?;
    Ok((it, handoff, target))
}

/// Takes over a conversation: for the device that was asked, or its owner, within 30 seconds.
/// It goes on there under the same id, with its whole history; what went on there is paused.
///
/// # Errors
/// When no hand-off is pending (any more), or an emergency began on the device meanwhile.
pub async fn handoff_accept(
    cx: &Cx,
    conversation: ConversationId,
    version: Option<i32>,
) -> Result<HandedOff> {
    let txn = cx.begin().await?;
    let (it, handoff, target) = pending(cx, &txn, conversation, version).await?;
    let now = cx.now();
    let priority = rows::priority_on(&*txn, target.id, now).await?;
    let goes = HandoffTarget {
        device: &target,
        priority,
    };
    match goes.check_free(now) {
        // Who answers is there, whatever its heart says.
        Ok(()) | Err(HandoffError::Offline) => {}
        Err(error) => return Err(forbids("conversationId", error)),
    }
    if let Some(before) = target
        .active_conversation_id
        .filter(|before| *before != it.id)
        && let Some(before) =
            rows::conversation_to_change(&*txn, &ConversationScope::EVERYTHING, before).await?
    {
        let before = settled(cx, &txn, before).await?;
        // One that is on its way elsewhere or over is left to that.
        if before.check_active(now).is_ok() {
            pause(cx, &txn, before).await?;
        }
    }
    let snapshot = snapshot(&txn, &it, now).await?;
    let it = it
        .arrive(target.id, snapshot, now)
        .map_err(|error| refused("conversationId", error))?;
    conversations::Entity::replace(&*txn, it.clone()).await?;
    release(cx, &txn, it.id).await?;
    hold(cx, &txn, Some(target.id), &it).await?;
    let handoff = handoff.resolve(HandoffState::Accepted, now);
    conversation_handoffs::Entity::replace(&*txn, handoff.clone()).await?;
    announce(
        cx,
        &txn,
        &it,
        &handoff,
        "accepted",
        ConversationEvent::HandoffAccepted,
    )
    .await?;
    note(cx, &txn, "conversationHandoffAccept", &it).await?;
    txn.commit().await?;
    Ok((handoff, it))
}

/// What a conversation takes along: which messages are in its window, who speaks, in what mood,
/// and what is open. No words of the messages, so that what is removed is removed everywhere.
async fn snapshot(
    txn: &Txn,
    it: &Conversation,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Value> {
    let mut windows =
        rows::context_windows(&**txn, &ConversationScope::EVERYTHING, &[it.id]).await?;
    let window = windows.remove(&it.id).unwrap_or_default();
    let persona = match it.persona_definition_id {
        Some(id) => json!({ "id": id, "name": rows::definition_name(&**txn, id).await? }),
        None => Value::Null,
    };
    let mood = match it.entity_id {
        Some(entity) => {
            let here = state_of(&**txn, entity, it.guild_id).await?;
            here.map(|it| json!({ "valence": it.mood_valence, "arousal": it.mood_arousal }))
        }
        None => None,
    };
    let unanswered = window
        .iter()
        .rev()
        .find(|it| it.role != MessageRole::System)
        .filter(|it| it.role == MessageRole::User)
        .map(|it| it.id);
    let ahead = rows::ahead_of(&**txn, it.user_id, it.entity_id).await?;
    Ok(json!({
        "takenAt": now,
        "messages": window.iter().map(|it| it.id).collect::<Vec<_>>(),
        "persona": persona,
        "mood": mood,
        "openMatters": { "unansweredMessage": unanswered, "scheduled": ahead },
    }))
}

/// Refuses a conversation: for the device that was asked, or its owner. It goes on where it was.
///
/// # Errors
/// When no hand-off is pending (any more).
pub async fn handoff_reject(
    cx: &Cx,
    conversation: ConversationId,
    version: Option<i32>,
) -> Result<HandedOff> {
    let txn = cx.begin().await?;
    let (it, handoff, _) = pending(cx, &txn, conversation, version).await?;
    let it = it
        .come_back(cx.now())
        .map_err(|error| refused("conversationId", error))?;
    conversations::Entity::replace(&*txn, it.clone()).await?;
    drop_handoff(cx, &txn, &it, HandoffState::Rejected).await?;
    note(cx, &txn, "conversationHandoffReject", &it).await?;
    txn.commit().await?;
    Ok((handoff.resolve(HandoffState::Rejected, cx.now()), it))
}

/// So many conversations a sweep changes in one transaction.
const SWEPT_AT_ONCE: u64 = 200;

/// Brings conversations back that nobody accepted in time, for a sweep; gives how many.
pub async fn time_out_handoffs(cx: &Cx) -> Result<u64> {
    let mut swept = 0;
    loop {
        let txn = cx.begin().await?;
        let found = rows::late_handoffs(&*txn, cx.now(), SWEPT_AT_ONCE).await?;
        let rows = found.len() as u64;
        for it in found {
            let back = it
                .come_back(cx.now())
                .map_err(|error| refused("id", error))?;
            conversations::Entity::replace(&*txn, back.clone()).await?;
            drop_handoff(cx, &txn, &back, HandoffState::TimedOut).await?;
        }
        txn.commit().await?;
        swept += rows;
        if rows < SWEPT_AT_ONCE {
            return Ok(swept);
        }
    }
}
