//! The context window: what of a conversation a language model is shown.

use super::{Message, estimated_tokens};

/// The window has at most so many messages.
pub const WINDOW_MESSAGES: usize = 20;

/// The newest of `messages` (oldest first) that fit: at most 20, and at most `tokens` together.
/// The oldest are left out first, and a message is in it whole or not at all.
pub fn context_window(mut messages: Vec<Message>, tokens: i32) -> Vec<Message> {
    let mut left = i64::from(tokens);
    let fitting = messages
        .iter()
        .rev()
        .take(WINDOW_MESSAGES)
        .take_while(|it| {
            let counted = it
                .token_count
                .unwrap_or_else(|| estimated_tokens(&it.content));
            left -= i64::from(counted);
            left >= 0
        })
        .count();
    messages.split_off(messages.len() - fitting)
}
