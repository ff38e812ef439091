//! What follows from a message, done by a worker: who was seen, how much was said.

use domain::{
    conversation::{MessageId, MessageRole},
    outbox::Task,
    relationship::EntityState,
};
use persistence::{
    conversation::{conversations_by_ids, messages_by_ids},
    identity::person::person_seen,
    relationship::count_messages,
    scope::ConversationScope,
};
use serde::Deserialize;

use crate::{Cx, Result, Txn, outbox};

/// The kind of task that follows from a message: its payload names the message.
pub const MESSAGE_APPENDED: &str = "message_appended";

#[derive(Deserialize)]
struct Appended {
    message: MessageId,
}

/// Counts what an entity says, and notes when a person was last heard.
pub async fn message_appended(_: &Cx, txn: &Txn, task: &Task) -> Result<()> {
    let Appended { message } = outbox::payload(task)?;
    let everywhere = ConversationScope::EVERYTHING;
    let found = messages_by_ids(&**txn, &everywhere, &[message]).await?;
    // Removed meanwhile, with its person or by itself.
    let Some(message) = found.into_iter().next() else {
        return Ok(());
    };
    if message.role == MessageRole::User {
        person_seen(&**txn, message.user_id, message.created_at).await?;
    }
    let Some(entity) = message.entity_id else {
        return Ok(());
    };
    let ids = [message.conversation_id];
    let found = conversations_by_ids(&**txn, &everywhere, &ids).await?;
    let guild = found.first().and_then(|it| it.guild_id);
    let said = i32::from(message.role == MessageRole::Assistant);
    let state = EntityState {
        total_messages_sent: said,
        ..EntityState::new(message.id.0.into(), entity, guild, message.created_at)
    };
    count_messages(&**txn, state).await?;
    Ok(())
}
