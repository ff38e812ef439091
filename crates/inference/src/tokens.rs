//! How many tokens a text takes, as the language model at hand counts them.

use std::fmt::Debug;

/// Counts tokens.
pub trait Tokenizer: Debug + Send + Sync {
    /// How many tokens the text takes.
    fn count(&self, text: &str) -> usize;
}
