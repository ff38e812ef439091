//! Messages: finding a resend, the context window, editing and removing.

use std::collections::HashMap;

use domain::{
    conversation::{ConversationId, Message, MessageId, WINDOW_MESSAGES, context_window},
    dna::DEFAULT_TOKENS,
};
use sea_orm::{FromQueryResult, QuerySelect, Select, entity::prelude::*, sea_query::LockType};

use super::{ThreadKey, conversations, messages};
use crate::{
    Result, engine,
    page::{Children, Page},
    scope::ConversationScope,
};

/// Those of the ids that are in scope; one statement with constant text.
pub async fn messages_by_ids(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    ids: &[MessageId],
) -> Result<Vec<Message>> {
    let id = (messages::Entity, messages::Column::Id);
    let rows = scope
        .messages(db)
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

/// The message in scope, held until the transaction ends.
pub async fn message_to_change(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    id: MessageId,
) -> Result<Option<Message>> {
    let row = scope
        .messages(db)
        .filter(messages::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(Message::from))
}

/// Where a message may have been sent before.
#[derive(Clone, Debug)]
pub enum SentTo<'a> {
    /// In this conversation.
    Conversation(ConversationId),
    /// In any conversation of this key, also one that has ended since.
    Thread(&'a ThreadKey),
}

/// The message with the sender's own id that was stored first.
pub async fn message_sent_before(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    to: SentTo<'_>,
    external_id: &str,
) -> Result<Option<Message>> {
    let select = scope
        .messages(db)
        .filter(messages::Column::ExternalId.eq(external_id));
    let select = match to {
        SentTo::Conversation(id) => select.filter(messages::Column::ConversationId.eq(id)),
        SentTo::Thread(key) => {
            let mut of_key = conversations::Entity::find()
                .select_only()
                .column(conversations::Column::Id)
                .filter(key.condition());
            let of_key = QuerySelect::query(&mut of_key).to_owned();
            select.filter(messages::Column::ConversationId.in_subquery(of_key))
        }
    };
    Ok(select.one(db).await?.map(Message::from))
}

/// Removes a message; what was learned from it stays, without it.
pub async fn message_delete(db: &impl ConnectionTrait, id: MessageId) -> Result<()> {
    messages::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// Those messages of `select` that count for the context: said after it was last reset.
fn since_reset(select: Select<messages::Entity>) -> Select<messages::Entity> {
    select.filter(Expr::cust(
        "NOT EXISTS (SELECT 1 FROM conversations WHERE conversations.id = \
         messages.conversation_id AND conversations.context_reset_at >= messages.created_at)",
    ))
}

#[derive(FromQueryResult)]
struct Budget {
    id: ConversationId,
    tokens: Option<i32>,
}

/// The context windows of those conversations that are in scope, oldest message first; two
/// statements with constant text.
pub async fn context_windows(
    db: &impl ConnectionTrait,
    scope: &ConversationScope,
    ids: &[ConversationId],
) -> Result<HashMap<ConversationId, Vec<Message>>> {
    let id = (conversations::Entity, conversations::Column::Id);
    let budgets = scope
        .conversations(db)
        .select_only()
        .column(conversations::Column::Id)
        .expr_as(
            Expr::cust(
                "(SELECT personality_tokens FROM entities \
                 WHERE entities.id = conversations.entity_id)",
            ),
            "tokens",
        )
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .into_model::<Budget>()
        .all(db)
        .await?;
    let parents: Vec<Uuid> = budgets.iter().map(|it| it.id.0).collect();
    let newest = Page {
        size: WINDOW_MESSAGES as u64,
        last: true,
        ..Page::default()
    };
    let mut found = Children {
        select: since_reset(messages::Entity::find()),
        parent: messages::Column::ConversationId,
        key: messages::Column::CreatedAt,
        id: messages::Column::Id,
        descending: false,
    }
    .fetch(db, &parents, &newest)
    .await?;
    Ok(budgets
        .into_iter()
        .map(|it| {
            let rows = found.remove(&it.id.0).map(|it| it.rows).unwrap_or_default();
            let said = rows.into_iter().map(Message::from).collect();
            (
                it.id,
                context_window(said, it.tokens.unwrap_or(DEFAULT_TOKENS)),
            )
        })
        .collect())
}
