//! Conversation: a thread of messages of one person with one entity.

id!(
    /// A thread of messages.
    ConversationId, "conversation"
);
