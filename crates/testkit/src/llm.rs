//! A language model that says what the test tells it to.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::{BoxFuture, pending};
use inference::llm::{JsonRequest, Llm, LlmError};
use serde_json::Value;

/// Answers from a list, in order; fails when it is used up.
#[derive(Debug)]
pub struct FakeLlm {
    answers: Mutex<VecDeque<Result<Value, LlmError>>>,
    asked: AtomicUsize,
    silent: bool,
}

impl FakeLlm {
    /// Gives these answers.
    pub fn answering(answers: impl IntoIterator<Item = Result<Value, LlmError>>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect());
        Self {
            answers,
            asked: AtomicUsize::new(0),
            silent: false,
        }
    }

    /// Never answers.
    pub fn silent() -> Self {
        Self {
            silent: true,
            ..Self::answering([])
        }
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Llm for FakeLlm {
    fn model(&self) -> &'static str {
        "fake"
    }

    fn answer_json(&self, _: JsonRequest) -> BoxFuture<'_, Result<Value, LlmError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.silent {
            return Box::pin(pending());
        }
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            answer.unwrap_or_else(|| Err(LlmError("nothing left to say".to_owned())))
        })
    }
}
