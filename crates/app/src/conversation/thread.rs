//! Beginning a conversation, and finding the one that goes on.

use domain::{
    check::Invalid,
    conversation::{
        Beginning, Conversation, ConversationEvent, ConversationId, ConversationProfile, Intimacy,
        Place, default_intimacy,
    },
    device::{Device, DeviceId},
    dna::{Entity, EntityId},
    identity::UserId,
};
use persistence::{
    conversation::{self as rows, Thread, ThreadKey, conversations},
    device::{devices_by_ids, entities_cast_on},
    dna::entity_in_scope,
    engine,
    identity::{community::guilds_by_ids, persons_by_ids},
    scope::PersonScope,
};
use serde_json::json;

use super::{in_their_place, log, refused, speaker, state, tell};
use crate::{
    Access, Cx, Error, Principal, Result, Txn, audit, device,
    idempotency::{self, Claim, Once},
};

/// Who talks with whom, and where.
#[derive(Clone, Debug)]
pub struct ThreadOf {
    /// Who talks; oneself when not said, a device's owner when a device asks.
    pub user: Option<UserId>,
    /// With whom; on a device, the entity that is cast there when not said.
    pub entity: Option<EntityId>,
    /// Where.
    pub place: Place,
}

/// A conversation to be begun.
#[derive(Clone, Debug)]
pub struct ConversationStart {
    /// Whose, and where.
    pub of: ThreadOf,
    /// How private; of the place when not said.
    pub intimacy: Option<Intimacy>,
    /// What is said of it.
    pub profile: ConversationProfile,
}

/// The key of a thread, checked as far as it can be without looking at what it names.
pub(super) async fn key(cx: &Cx, of: ThreadOf, below: &str) -> Result<ThreadKey> {
    let ThreadOf {
        user,
        entity,
        place,
    } = of;
    let user = speaker(cx, user, &path(below, "userId"))?;
    let place = place.checked().map_err(|error| under(below, error))?;
    if let (Principal::Device { id, .. }, Some(device)) = (cx.viewer.principal, place.device)
        && id != device
    {
        return Err(Error::not_found(path(below, "deviceId")));
    }
    let entity = match (entity, place.device) {
        (None, Some(device)) => {
            let scope = cx.viewer.entities(Access::Read)?;
            let cast = entities_cast_on(cx.reader(), &scope, &[device]).await?;
            cast.first().map(|it| it.id)
        }
        (entity, _) => entity,
    };
    Ok(ThreadKey {
        user,
        entity,
        place,
    })
}

/// A field within another.
fn path(below: &str, field: &str) -> String {
    if below.is_empty() {
        field.to_owned()
    } else {
        format!("{below}.{field}")
    }
}

/// The faults of what stands within a field.
fn under(below: &str, Invalid(faults): Invalid) -> Invalid {
    let outer: Vec<String> = below
        .split('.')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect();
    Invalid(
        faults
            .into_iter()
            .map(|mut it| {
                it.field.splice(0..0, outer.iter().cloned());
                it
            })
            .collect(),
    )
}

/// Begins a conversation, and ends the one that goes on in the same place.
///
/// # Errors
/// When the entity, device, community or person is not one the viewer can see, or the entity
/// is inactive.
pub async fn conversation_start(
    cx: &Cx,
    once: Option<String>,
    input: ConversationStart,
) -> Result<Conversation> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let once = Once::new(once, "conversationStart", &input);
    let ConversationStart {
        of,
        intimacy,
        profile,
    } = input;
    let key = key(cx, of, "").await?;
    let profile = profile.checked()?;
    let known = Known::look_up(cx, &key, "").await?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<ConversationId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let found = rows::conversations_by_ids(&*txn, &scope, &[id]).await?;
            return found.into_iter().next().ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    engine::lock(&*txn, "thread", key.user).await?;
    if let Some(before) = rows::newest_thread(&*txn, &scope, &key).await? {
        state::end_found(cx, &txn, &scope, before.conversation.id, "superseded").await?;
    }
    let begun = begin(cx, &txn, key, known, intimacy, profile)
        .await?
        .conversation;
    claim.keep(&txn, begun.id).await?;
    if in_their_place(cx) {
        let object = Some(begun.id.to_string());
        audit::call(cx, &txn, "conversationStart", object, Some(begun.user_id)).await?;
    }
    txn.commit().await?;
    Ok(begun)
}

/// What a key names, seen to be there.
#[derive(Clone, Debug)]
pub(super) struct Known {
    entity: Option<Entity>,
    device: Option<Device>,
}

impl Known {
    /// Looks up what the key names, in the viewer's scope.
    pub(super) async fn look_up(cx: &Cx, key: &ThreadKey, below: &str) -> Result<Self> {
        let missing = |field| Error::not_found(path(below, field));
        let own = match cx.viewer.principal {
            Principal::Device { owner, .. } => Some(owner),
            _ => cx.viewer.person(),
        };
        if own != Some(key.user) {
            let found = persons_by_ids(cx.reader(), PersonScope::All, &[key.user]).await?;
            found.first().ok_or_else(|| missing("userId"))?;
        }
        let entity = match key.entity {
            Some(id) => {
                let scope = cx.viewer.entities(Access::Read)?;
                let found = entity_in_scope(cx.reader(), &scope, id).await?;
                let entity = found.ok_or_else(|| missing("entityId"))?;
                if !entity.is_active {
                    return Err(Error::conflict(
                        path(below, "entityId"),
                        "this entity is inactive: activate it first",
                    ));
                }
                Some(entity)
            }
            None => None,
        };
        let device = match key.place.device {
            Some(id) => {
                let scope = cx.viewer.devices(Access::Write)?;
                let found = devices_by_ids(cx.reader(), scope, &[id]).await?;
                Some(
                    found
                        .into_iter()
                        .next()
                        .ok_or_else(|| missing("deviceId"))?,
                )
            }
            None => None,
        };
        if let Some(id) = key.place.guild {
            let scope = cx.viewer.persons(Access::Read)?;
            let found = guilds_by_ids(cx.reader(), scope, &[id]).await?;
            found.first().ok_or_else(|| missing("guildId"))?;
        }
        Ok(Self { entity, device })
    }
}

/// Begins a conversation; the caller holds the lock of the person's threads.
pub(super) async fn begin(
    cx: &Cx,
    txn: &Txn,
    key: ThreadKey,
    known: Known,
    intimacy: Option<Intimacy>,
    profile: ConversationProfile,
) -> Result<Thread> {
    let ThreadKey {
        user,
        entity,
        place,
    } = key;
    let stands = known.device.as_ref();
    let definition = stands
        .and_then(|it| it.active_persona_definition_id)
        .or(known
            .entity
            .as_ref()
            .and_then(|it| it.persona_definition_id));
    let own_device = stands.is_some_and(|it| it.owner_id == user);
    let limits = rows::session_limits(&**txn, definition).await?;
    let beginning = Beginning {
        id: cx.id(),
        user,
        entity,
        intimacy: intimacy.unwrap_or_else(|| default_intimacy(&place, own_device)),
        place,
        persona_definition: definition,
        profile,
        retention: limits.retention,
    };
    let conversation = Conversation::begin(beginning, cx.now());
    conversations::Entity::add(&**txn, conversation.clone()).await?;
    hold(cx, txn, conversation.device_id, &conversation).await?;
    let payload = json!({ "platform": conversation.platform });
    let device = conversation.device_id;
    log(cx, txn, "session_start", &conversation, device, payload).await?;
    tell(txn, &conversation, ConversationEvent::Started);
    Ok(Thread {
        active_there: device.map(|_| conversation.id),
        entity_owner: known.entity.map(|it| it.owner_id),
        conversation,
        limits,
    })
}

/// Makes this the conversation that goes on on the device.
pub(super) async fn hold(
    cx: &Cx,
    txn: &Txn,
    device: Option<DeviceId>,
    conversation: &Conversation,
) -> Result<()> {
    if let Some(device) = device {
        let held = rows::hold_on_device(&**txn, device, conversation.id, cx.now()).await?;
        for it in &held {
            device::changed(txn, it);
        }
    }
    Ok(())
}

/// On no device the conversation is what goes on there any more.
pub(super) async fn release(cx: &Cx, txn: &Txn, conversation: ConversationId) -> Result<()> {
    let freed = rows::release_devices(&**txn, &[conversation], cx.now()).await?;
    for it in &freed {
        device::changed(txn, it);
    }
    Ok(())
}

/// The thread of a key that goes on at this moment, or a new one, of which the second part of
/// the answer is true; one that does not go on any more is ended. Two that come at once make
/// one thread.
pub(super) async fn continue_or_begin(
    cx: &Cx,
    txn: &Txn,
    key: ThreadKey,
    known: Known,
    intimacy: Option<Intimacy>,
) -> Result<(Thread, bool)> {
    let scope = cx.viewer.conversations(Access::Write)?;
    engine::lock(&**txn, "thread", key.user).await?;
    if let Some(thread) = rows::newest_thread(&**txn, &scope, &key).await? {
        if thread.conversation.continues(thread.limits, cx.now()) {
            return Ok((thread, false));
        }
        state::end_found(cx, txn, &scope, thread.conversation.id, "idle").await?;
    }
    let profile = ConversationProfile {
        title: None,
        metadata: json!({}),
    };
    let begun = begin(cx, txn, key, known, intimacy, profile).await?;
    Ok((begun, true))
}

/// The conversation with this id that can be written to.
pub(super) async fn open_thread(cx: &Cx, id: ConversationId, field: &str) -> Result<Thread> {
    let scope = cx.viewer.conversations(Access::Write)?;
    let thread = rows::thread_in_scope(cx.reader(), &scope, id)
        .await?
        .ok_or_else(|| Error::not_found(field))?;
    let open = thread.conversation.check_open(cx.now());
    open.map_err(|error| refused(field, error))?;
    Ok(thread)
}
