//! Who is on duty: in a conversation, and on the device where it goes on.
//!
//! Whoever changes a device's duty takes turns with its owner's hand-offs first, then holds the
//! conversation, the device and the emergency, in that order: of a persona and an emergency at
//! once the second sees what the first did.

use chrono::TimeDelta;
use domain::{
    audit::{Event, Severity},
    check::{Invalid, UserErrorCode},
    conversation::{
        Conversation, ConversationError, ConversationEvent, ConversationId, ConversationState,
    },
    device::{Device, DeviceCommand, DeviceId, Order},
    persona::{
        PersonaDefinition, PersonaDefinitionId, PersonaEmergency, PersonaEmergencyId,
        duty::{Verdict, decide},
    },
    values::Json,
};
use persistence::{
    conversation::{conversation_to_change, conversations, conversations_by_ids},
    device::{device_to_change, devices, devices_by_ids, devices_of_group},
    engine,
    persona::{
        Named, definitions_by_ids, emergencies_by_ids, emergency_to_change, open_emergencies,
        persona_emergencies,
    },
    scope::{ConversationScope, DefinitionScope, DeviceScope},
};
use serde_json::{Value, json};

use super::active;
use crate::{
    Access, Change, Cx, Error, Result, Txn, audit,
    device::{changed, send},
};

/// So many devices of a group hear of an emergency, at most.
const HEARD_BY: u64 = 1_000;
/// So often a device is looked at anew when its conversation changed meanwhile.
const TRIES: usize = 5;

/// Where a persona is to be on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyPlace {
    /// In this conversation, and on the device where it goes on.
    Conversation(ConversationId),
    /// On this device, and in the conversation that goes on there.
    Device(DeviceId),
}

/// A persona to be put on duty.
#[derive(Clone, Debug)]
pub struct Activate {
    /// Where.
    pub place: DutyPlace,
    /// Who.
    pub slug: String,
    /// Whether what was said before stays in the context.
    pub preserve_context: bool,
    /// The version of the conversation that the caller has seen.
    pub version: Option<i32>,
}

/// A persona that was put on duty.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Who was on duty at the place named.
    pub previous: Option<PersonaDefinition>,
    /// Who is now.
    pub persona: Option<PersonaDefinition>,
    /// The conversation as it is now.
    pub conversation: Option<Conversation>,
    /// The device as it is now.
    pub device: Option<Device>,
    /// The emergency that began or is over.
    pub emergency: Option<PersonaEmergency>,
    /// How long it took.
    pub latency: TimeDelta,
}

/// A conversation and a device, held until the transaction ends.
#[derive(Clone, Debug, Default)]
struct Held {
    conversation: Option<Conversation>,
    device: Option<Device>,
}

impl Held {
    fn device_id(&self) -> Option<DeviceId> {
        self.device.as_ref().map(|it| it.id)
    }

    fn conversation_id(&self) -> Option<ConversationId> {
        self.conversation.as_ref().map(|it| it.id)
    }

    async fn emergencies(&self, txn: &Txn) -> Result<Vec<PersonaEmergency>> {
        let (device, conversation) = (self.device_id(), self.conversation_id());
        Ok(open_emergencies(&**txn, device, conversation).await?)
    }

    /// Puts a persona on duty in the conversation, and tells of it.
    async fn conversation_plays(
        &mut self,
        cx: &Cx,
        txn: &Txn,
        persona: Option<PersonaDefinitionId>,
        preserve_context: bool,
    ) -> Result<()> {
        if let Some(before) = self.conversation.take() {
            let now = cx.now();
            let mut after = Conversation {
                persona_definition_id: persona,
                ..before
            };
            after = if preserve_context {
                after.changed(now)
            } else {
                after.reset_context(now).map_err(refused)?
            };
            conversations::Entity::replace(&**txn, after.clone()).await?;
            txn.publish(Change::ConversationChanged {
                conversation: after.id,
                event: ConversationEvent::PersonaSwitched,
                devices: after.device_id.into_iter().collect(),
            });
            self.conversation = Some(after);
        }
        Ok(())
    }

    /// Puts a persona on duty on the device, and tells of it.
    async fn device_plays(
        &mut self,
        cx: &Cx,
        txn: &Txn,
        persona: Option<PersonaDefinitionId>,
    ) -> Result<()> {
        if let Some(before) = self.device.take() {
            let after = Device {
                active_persona_definition_id: persona,
                updated_at: cx.now(),
                ..before
            };
            devices::Entity::replace(&**txn, after.clone()).await?;
            changed(txn, &after);
            self.device = Some(after);
        }
        Ok(())
    }

    /// Who is on duty in the conversation, or else on the device.
    fn on_duty(&self) -> Option<PersonaDefinitionId> {
        match (&self.conversation, &self.device) {
            (Some(it), _) => it.persona_definition_id,
            (None, Some(it)) => it.active_persona_definition_id,
            (None, None) => None,
        }
    }

    /// What became of both.
    fn activation(
        self,
        previous: Option<PersonaDefinition>,
        persona: Option<PersonaDefinition>,
        emergency: Option<PersonaEmergency>,
        latency: TimeDelta,
    ) -> Activation {
        let Self {
            conversation,
            device,
        } = self;
        Activation {
            previous,
            persona,
            conversation,
            device,
            emergency,
            latency,
        }
    }

    /// An entry of the log that concerns both.
    fn event(&self, cx: &Cx, event_type: &str, payload: Value) -> Event {
        let conversation = self.conversation.as_ref();
        let device = self.device.as_ref();
        Event {
            device_id: self.device_id(),
            conversation_id: self.conversation_id(),
            entity_id: conversation.and_then(|it| it.entity_id),
            user_id: conversation
                .map(|it| it.user_id)
                .or(device.map(|it| it.owner_id)),
            payload: Json(payload),
            ..audit::event(cx, event_type)
        }
    }
}

fn refused(error: ConversationError) -> Error {
    Error::Invalid(Invalid::one(error.code(), "place", error.to_string()))
}

/// The conversation held, if it is not over.
async fn lasting(cx: &Cx, txn: &Txn, id: Option<ConversationId>) -> Result<Option<Conversation>> {
    let Some(id) = id else { return Ok(None) };
    let found = conversation_to_change(&**txn, &ConversationScope::EVERYTHING, id).await?;
    Ok(found.filter(|it| it.state_at(cx.now()) != ConversationState::Ended))
}

/// Takes turns with hand-offs between the devices of this one's owner, which hold two
/// conversations at once.
async fn take_turns(txn: &Txn, device: Option<DeviceId>) -> Result<()> {
    let ids: Vec<DeviceId> = device.into_iter().collect();
    for device in devices_by_ids(&**txn, DeviceScope::All, &ids).await? {
        engine::lock(&**txn, "handoff", device.owner_id).await?;
    }
    Ok(())
}

/// What is at the place, held: none when the device's conversation changed meanwhile.
async fn hold(cx: &Cx, txn: &Txn, place: DutyPlace, version: Option<i32>) -> Result<Option<Held>> {
    match place {
        DutyPlace::Conversation(id) => {
            let scope = cx.viewer.conversations(Access::Write)?;
            let missing = || Error::not_found("place.conversationId");
            let seen = conversations_by_ids(&**txn, &scope, &[id]).await?.pop();
            take_turns(txn, seen.ok_or_else(missing)?.device_id).await?;
            let conversation = conversation_to_change(&**txn, &scope, id)
                .await?
                .ok_or_else(missing)?;
            if conversation.state_at(cx.now()) == ConversationState::Ended {
                return Err(refused(ConversationError::Ended));
            }
            expect(&conversation, version)?;
            // By the right of whoever talks there, be it somebody else's device.
            let device = match conversation.device_id {
                Some(id) => device_to_change(&**txn, DeviceScope::All, id).await?,
                None => None,
            };
            let is_here = |it: &Device| it.active_conversation_id.is_none_or(|it| it == id);
            Ok(Some(Held {
                device: device.filter(is_here),
                conversation: Some(conversation),
            }))
        }
        DutyPlace::Device(id) => {
            let scope = cx.viewer.devices(Access::Write)?;
            let missing = || Error::not_found("place.deviceId");
            let seen = devices_by_ids(&**txn, scope, &[id]).await?.pop();
            take_turns(txn, Some(seen.ok_or_else(missing)?.id)).await?;
            let seen = devices_by_ids(&**txn, scope, &[id]).await?.pop();
            let goes_on = seen.ok_or_else(missing)?.active_conversation_id;
            let conversation = lasting(cx, txn, goes_on).await?;
            let device = device_to_change(&**txn, scope, id)
                .await?
                .ok_or_else(missing)?;
            if device.active_conversation_id != goes_on {
                return Ok(None);
            }
            if let Some(conversation) = &conversation {
                expect(conversation, version)?;
            }
            Ok(Some(Held {
                device: Some(device),
                conversation,
            }))
        }
    }
}

fn expect(conversation: &Conversation, version: Option<i32>) -> Result<()> {
    let fault = |error: ConversationError| {
        Error::Invalid(Invalid::one(error.code(), "version", error.to_string()))
    };
    conversation.expect(version).map_err(fault)
}

/// Puts a persona on duty, in the conversation and on the device alike.
///
/// A persona of priority 100 or more takes over in an emergency: at once, with a critical entry
/// in the log and word to the device's group, and until [`resolve`] says that it is over. Again
/// what is on duty already: nothing changes.
///
/// # Errors
/// `EMERGENCY_ACTIVE` when an emergency of a higher priority goes on there; `NOT_FOUND` for an
/// unknown slug or place; `CONVERSATION_ENDED`. Nothing is changed then.
pub async fn activate(cx: &Cx, input: Activate) -> Result<Activation> {
    let Activate {
        place,
        slug,
        preserve_context,
        version,
    } = input;
    cx.viewer.require(Access::Write)?;
    let began = cx.now();
    for _ in 0..TRIES {
        let txn = cx.begin().await?;
        let persona = active(cx, &txn, &Named::Slug(slug.clone()), "slug").await?;
        let Some(held) = hold(cx, &txn, place, version).await? else {
            txn.rollback().await?;
            continue;
        };
        return put_on_duty(cx, txn, held, place, persona, preserve_context, began).await;
    }
    let message = "what goes on on this device changes all the time: try again";
    Err(Error::conflict("place.deviceId", message))
}

async fn put_on_duty(
    cx: &Cx,
    txn: Txn,
    mut held: Held,
    place: DutyPlace,
    persona: PersonaDefinition,
    preserve_context: bool,
    began: chrono::DateTime<chrono::Utc>,
) -> Result<Activation> {
    let of_device = held
        .device
        .as_ref()
        .map(|it| it.active_persona_definition_id);
    let of_conversation = held
        .conversation
        .as_ref()
        .map(|it| it.persona_definition_id);
    let (first, second) = match place {
        DutyPlace::Conversation(_) => (of_conversation, of_device),
        DutyPlace::Device(_) => (of_device, of_conversation),
    };
    let previous = named(&txn, first.flatten()).await?;
    let open = held.emergencies(&txn).await?;
    let verdict = decide(&persona, &open);
    if verdict == Verdict::Refused {
        let message = "an emergency goes on there: it ends by emergencyResolve alone";
        let code = UserErrorCode::EmergencyActive;
        return Err(Error::Invalid(Invalid::one(code, "slug", message)));
    }
    let wanted = Some(persona.id);
    let plays_already = first.is_none_or(|it| it == wanted) && second.is_none_or(|it| it == wanted);
    let unchanged = match verdict {
        Verdict::Already => true,
        Verdict::Switch => plays_already && preserve_context,
        Verdict::Preempt | Verdict::Refused => false,
    };
    let mut emergency = None;
    if unchanged {
        if verdict == Verdict::Already {
            emergency = open.into_iter().max_by_key(|it| (it.started_at, it.id));
        }
        txn.rollback().await?;
    } else {
        held.conversation_plays(cx, &txn, wanted, preserve_context)
            .await?;
        held.device_plays(cx, &txn, wanted).await?;
        let payload = json!({
            "from": previous.as_ref().map(|it| it.slug.as_str()),
            "to": persona.slug,
            "preserveContext": preserve_context,
        });
        audit::log(cx, &txn, held.event(cx, "persona_switch", payload)).await?;
        if verdict == Verdict::Preempt {
            // After those before it, whatever another process's clock said.
            let last = open.iter().map(|it| it.started_at).max();
            let after_last = last.map(|it| it + TimeDelta::microseconds(1));
            let raised = PersonaEmergency {
                id: cx.id(),
                user_id: whose(&held)?,
                device_id: held.device_id(),
                conversation_id: held.conversation_id(),
                definition_id: wanted,
                priority: persona.priority,
                device_previous_id: of_device.flatten(),
                conversation_previous_id: of_conversation.flatten(),
                started_at: after_last.map_or(cx.now(), |it| it.max(cx.now())),
                resolved_at: None,
                created_at: cx.now(),
                updated_at: cx.now(),
            };
            persona_emergencies::Entity::add(&*txn, raised.clone()).await?;
            raise(cx, &txn, &held, &raised, "started").await?;
            emergency = Some(raised);
        }
        let object = Some(persona.id.to_string());
        let user = held.conversation.as_ref().map(|it| it.user_id);
        audit::call(cx, &txn, "personaActivate", object, user).await?;
        txn.commit().await?;
    }
    Ok(held.activation(previous, Some(persona), emergency, cx.now() - began))
}

fn whose(held: &Held) -> Result<domain::identity::UserId> {
    let of_conversation = held.conversation.as_ref().map(|it| it.user_id);
    let of_device = held.device.as_ref().map(|it| it.owner_id);
    of_conversation
        .or(of_device)
        .ok_or_else(|| Error::Internal("a duty without a place".to_owned()))
}

async fn named(txn: &Txn, id: Option<PersonaDefinitionId>) -> Result<Option<PersonaDefinition>> {
    let Some(id) = id else { return Ok(None) };
    let found = definitions_by_ids(&**txn, DefinitionScope::All, &[id]).await?;
    Ok(found.into_iter().next())
}

/// Tells the log and the device's group of an emergency that began (critical) or is over.
async fn raise(
    cx: &Cx,
    txn: &Txn,
    held: &Held,
    emergency: &PersonaEmergency,
    step: &str,
) -> Result<()> {
    let severity = match emergency.resolved_at {
        None => Severity::Critical,
        Some(_) => Severity::Warning,
    };
    let payload = json!({
        "emergency": emergency.id,
        "step": step,
        "persona": emergency.definition_id,
        "priority": emergency.priority,
    });
    let event = Event {
        severity,
        ..held.event(cx, "emergency", payload.clone())
    };
    audit::log(cx, txn, event).await?;
    let Some(device) = &held.device else {
        return Ok(());
    };
    let group = match device.group_id {
        None => vec![device.clone()],
        Some(group) => {
            let scope = DeviceScope::OwnedBy(device.owner_id);
            devices_of_group(&**txn, scope, group, HEARD_BY).await?
        }
    };
    let order = Order {
        command: "emergency".to_owned(),
        payload,
    };
    let command = DeviceCommand::broadcast(cx.id(), order, device.group_id, &group, cx.now());
    send(cx, txn, &command, device.owner_id).await
}

/// Ends an emergency: whoever was on duty before it is again. One that lies beneath another that
/// took over since ends without being seen: the other gives back to whoever was before both. One
/// that is over: nothing changes.
///
/// # Errors
/// `NOT_FOUND` when there is no such emergency that the viewer may end.
pub async fn resolve(cx: &Cx, id: PersonaEmergencyId) -> Result<Activation> {
    let began = cx.now();
    let scope = cx.viewer.emergencies(Access::Write)?;
    let missing = || Error::not_found("id");
    let txn = cx.begin().await?;
    let seen = emergencies_by_ids(&*txn, scope, &[id]).await?.pop();
    let seen = seen.ok_or_else(missing)?;
    take_turns(&txn, seen.device_id).await?;
    let mut held = Held {
        conversation: lasting(cx, &txn, seen.conversation_id).await?,
        device: None,
    };
    if let Some(device) = seen.device_id {
        // A conversation that began there since speaks as the emergency does: it is held before
        // the device, as everywhere.
        let begun_since = begun_since(cx, &txn, device, &seen).await?;
        held.device = device_to_change(&*txn, DeviceScope::All, device).await?;
        if let Some(conversation) = begun_since {
            let mut since = Held {
                conversation: Some(conversation),
                device: None,
            };
            let now = emergency_to_change(&*txn, scope, id).await?;
            let persona = now.ok_or_else(missing)?.device_previous_id;
            since.conversation_plays(cx, &txn, persona, true).await?;
        }
    }
    let emergency = emergency_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(missing)?;
    let of_emergency = named(&txn, emergency.definition_id).await?;
    if emergency.resolved_at.is_some() {
        let persona = named(&txn, held.on_duty()).await?;
        txn.rollback().await?;
        return Ok(held.activation(of_emergency, persona, Some(emergency), cx.now() - began));
    }
    give_back(cx, &txn, &mut held, &emergency).await?;
    let emergency = PersonaEmergency {
        resolved_at: Some(cx.now()),
        updated_at: cx.now(),
        ..emergency
    };
    persona_emergencies::Entity::replace(&*txn, emergency.clone()).await?;
    raise(cx, &txn, &held, &emergency, "resolved").await?;
    let object = Some(emergency.id.to_string());
    audit::call(
        cx,
        &txn,
        "emergencyResolve",
        object,
        Some(emergency.user_id),
    )
    .await?;
    let persona = named(&txn, held.on_duty()).await?;
    let payload = json!({
        "from": of_emergency.as_ref().map(|it| it.slug.as_str()),
        "to": persona.as_ref().map(|it| it.slug.as_str()),
        "preserveContext": true,
    });
    audit::log(cx, &txn, held.event(cx, "persona_switch", payload)).await?;
    txn.commit().await?;
    Ok(held.activation(of_emergency, persona, Some(emergency), cx.now() - began))
}

/// The conversation that began on the device in an emergency that is in force there, and speaks
/// as that does.
async fn begun_since(
    cx: &Cx,
    txn: &Txn,
    device: DeviceId,
    emergency: &PersonaEmergency,
) -> Result<Option<Conversation>> {
    let there = devices_by_ids(&**txn, DeviceScope::All, &[device])
        .await?
        .pop();
    let goes_on = there.and_then(|it| it.active_conversation_id);
    let goes_on = goes_on.filter(|it| Some(*it) != emergency.conversation_id);
    let found = lasting(cx, txn, goes_on).await?;
    let open = open_emergencies(&**txn, Some(device), None).await?;
    let in_force = top(&open) == Some(emergency.id);
    Ok(found.filter(|it| in_force && it.persona_definition_id == emergency.definition_id))
}

/// The emergency that took over last.
fn top(open: &[PersonaEmergency]) -> Option<PersonaEmergencyId> {
    open.last().map(|it| it.id)
}

/// Gives each place back to whoever was there before, or tells the emergency above to do so.
async fn give_back(
    cx: &Cx,
    txn: &Txn,
    held: &mut Held,
    emergency: &PersonaEmergency,
) -> Result<()> {
    if let Some(device) = held.device_id() {
        let open = open_emergencies(&**txn, Some(device), None).await?;
        let on_device = open.into_iter().filter(|it| it.device_id == Some(device));
        let mut above = on_device.skip_while(|it| it.id != emergency.id).skip(1);
        match above.next() {
            None => {
                let persona = emergency.device_previous_id;
                held.device_plays(cx, txn, persona).await?;
            }
            Some(above) => {
                let above = PersonaEmergency {
                    device_previous_id: emergency.device_previous_id,
                    updated_at: cx.now(),
                    ..above
                };
                persona_emergencies::Entity::replace(&**txn, above).await?;
            }
        }
    }
    if let Some(conversation) = held.conversation_id() {
        let open = open_emergencies(&**txn, None, Some(conversation)).await?;
        let mut above = open
            .into_iter()
            .skip_while(|it| it.id != emergency.id)
            .skip(1);
        match above.next() {
            None => {
                let persona = emergency.conversation_previous_id;
                held.conversation_plays(cx, txn, persona, true).await?;
            }
            Some(above) => {
                let above = PersonaEmergency {
                    conversation_previous_id: emergency.conversation_previous_id,
                    updated_at: cx.now(),
                    ..above
                };
                persona_emergencies::Entity::replace(&**txn, above).await?;
            }
        }
    }
    Ok(())
}
