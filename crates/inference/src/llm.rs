//! A large language model, as far as use cases need one.

use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::Value;

/// A request for an answer of a given form.
#[derive(Clone, Debug)]
pub struct JsonRequest {
    /// What the model is to be and do.
    pub system: String,
    /// What it is to work on; anything a person wrote in it is fenced as quoted data.
    pub user: String,
    /// JSON Schema of the answer.
    pub schema: Value,
}

/// Why there is no answer. The text is for the log and for an operator, not for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the language model gave no answer: {0}")]
pub struct LlmError(pub String);

/// A large language model. Implementations do not retry and have no time limit of their own:
/// the caller has.
pub trait Llm: fmt::Debug + Send + Sync {
    /// The model's name, for the record.
    fn model(&self) -> &str;

    /// An answer in JSON.
    fn answer_json(&self, request: JsonRequest) -> BoxFuture<'_, Result<Value, LlmError>>;
}
