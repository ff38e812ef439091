//! Conversations: threads, what is said in them, and handing them from device to device.
//!
//! A thread is found by who talks with whom and where; at most one of a key goes on. Every
//! change of a conversation but a message raises its version, is in the log, and is told to
//! subscribers; a message is a row of its own, which says who and when.

mod communication;
mod handler;
mod handoff;
mod message;
mod state;
mod thread;

use domain::{
    audit::Event,
    check::Invalid,
    conversation::{Conversation, ConversationError, ConversationEvent},
    device::DeviceId,
    identity::UserId,
    values::Json,
};
use serde_json::Value;

pub use communication::{EntityMessageSend, entity_message_read, entity_message_send, hand_over};
pub use handler::{MESSAGE_APPENDED, message_appended};
pub use handoff::{
    HandoffRequest, handoff_accept, handoff_reject, handoff_request, time_out_handoffs,
};
pub use message::{
    MessageEdit, MessageSend, MessageTarget, Sent, message_delete, message_edit, message_send,
};
pub use state::{
    ConversationUpdate, conversation_end, conversation_pause, conversation_reset_context,
    conversation_resume, conversation_update, end_expired,
};
pub use thread::{ConversationStart, ThreadOf, conversation_start};

use crate::{Access, Change, Cx, Error, Principal, Result, Txn, audit};

/// A refusal because of a conversation's state, blamed on an input field.
fn refused(field: &str, error: ConversationError) -> Error {
    Error::Invalid(Invalid::one(error.code(), field, error.to_string()))
}

/// Notes in the log what happened to a conversation, seen from one of its devices or from none.
async fn log(
    cx: &Cx,
    txn: &Txn,
    event_type: &str,
    it: &Conversation,
    device: Option<DeviceId>,
    payload: Value,
) -> Result<()> {
    let event = Event {
        device_id: device,
        entity_id: it.entity_id,
        user_id: Some(it.user_id),
        conversation_id: Some(it.id),
        payload: Json(payload),
        ..audit::event(cx, event_type)
    };
    audit::log(cx, txn, event).await
}

/// Tells subscribers, after commit, what happened to a conversation.
fn tell(txn: &Txn, it: &Conversation, event: ConversationEvent) {
    tell_devices(txn, it, event, it.device_id);
}

/// The same, where further devices are concerned.
fn tell_devices(
    txn: &Txn,
    it: &Conversation,
    event: ConversationEvent,
    devices: impl IntoIterator<Item = DeviceId>,
) {
    txn.publish(Change::ConversationChanged {
        conversation: it.id,
        event,
        devices: devices.into_iter().collect(),
    });
}

/// Who talks: the person named, if the viewer may speak for them, else the viewer or whom it
/// acts for. A device speaks for its owner.
fn speaker(cx: &Cx, named: Option<UserId>, field: &str) -> Result<UserId> {
    cx.viewer.require(Access::Write)?;
    let own = match cx.viewer.principal {
        Principal::User { id, .. } => Some(id),
        Principal::Device { owner, .. } => Some(owner),
        Principal::Service { .. } => match cx.viewer.acts_for {
            Some(person) => Some(person),
            None => {
                return Err(Error::Forbidden(
                    "a service takes part in a conversation for a person: say actAs",
                ));
            }
        },
        Principal::System | Principal::Anonymous => None,
    };
    match named.or(own) {
        Some(user) if Some(user) == own || cx.viewer.is_admin() => Ok(user),
        Some(_) => Err(Error::not_found(field)),
        None => Err(Error::invalid(
            field,
            format!("say whose: {field} is required here"),
        )),
    }
}

/// Whether what the viewer writes is noted in the log besides: where the person does not write
/// by their own hand or device.
fn in_their_place(cx: &Cx) -> bool {
    match cx.viewer.principal {
        Principal::User { .. } => cx.viewer.is_admin(),
        Principal::Service { .. } => true,
        Principal::Device { .. } | Principal::System | Principal::Anonymous => false,
    }
}
