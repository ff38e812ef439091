//! Reading a story: by the lexicon, or by a language model with the lexicon to fall back on.

use domain::{
    check::{Check, Invalid},
    dna::{DnaWarning, Extraction, Extractor, extract, llm},
};
use inference::llm::JsonRequest;
use serde_json::Value;

use super::genome::New;
use crate::{Cx, Result};

/// Who is to read a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtractorChoice {
    /// The lexicon: offline, deterministic, explains itself.
    Lexicon,
    /// The language model, where one is configured and answers; else the lexicon.
    Llm,
}

/// A story that was read.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub story: String,
    pub extraction: Extraction,
    pub extractor: Extractor,
    pub warnings: Vec<DnaWarning>,
}

impl Told {
    /// What to store, and what to tell.
    pub fn into_parts(self) -> (New, Vec<DnaWarning>) {
        let warnings = self.warnings.clone();
        (New::told(self), warnings)
    }
}

/// How often a language model is asked.
const TRIES: usize = 2;

/// Notes what is wrong with the length of a story.
pub(super) fn check_story(check: &mut Check, story: &str) {
    check.text("story", story, domain::dna::STORY_LENGTH);
}

/// Reads a story that [`check_story`] found sound.
pub(super) async fn read(
    cx: &Cx,
    story: &str,
    name: &str,
    choice: Option<ExtractorChoice>,
) -> Result<Told> {
    let story = story.trim();
    let by_lexicon =
        extract(story, Some(name)).map_err(|error| -> Invalid { error.at("story") })?;
    let mut told = Told {
        story: story.to_owned(),
        extraction: by_lexicon,
        extractor: Extractor::Lexicon,
        warnings: Vec::new(),
    };
    if choice.unwrap_or(cx.settings.extractor) == ExtractorChoice::Llm {
        match ask(cx, story, name).await {
            Ok(answer) => match llm::validate(&answer, story, &told.extraction) {
                Ok(validated) => {
                    told.extraction = validated.extraction;
                    told.warnings = validated.warnings;
                    told.extractor = Extractor::Llm;
                }
                Err(unusable) => {
                    told.warnings
                        .push(DnaWarning::llm_unavailable(&unusable.to_string()));
                }
            },
            Err(reason) => told.warnings.push(DnaWarning::llm_unavailable(reason)),
        }
    }
    Ok(told)
}

/// The model's answer, or why there is none, in words fit for the one who asked.
async fn ask(cx: &Cx, story: &str, name: &str) -> Result<Value, &'static str> {
    let model = cx.llm.as_ref().ok_or("none is configured")?;
    let llm::Prompt { system, user } = llm::prompt(story, Some(name));
    let request = JsonRequest {
        system,
        user,
        schema: llm::schema(),
    };
    let mut reason = "it did not answer";
    for attempt in 1..=TRIES {
        match tokio::time::timeout(cx.settings.llm_timeout, model.answer_json(request.clone()))
            .await
        {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!(%error, attempt, model = model.model(), "no answer to a story");
                reason = "it failed to answer";
            }
            Err(_) => {
                tracing::warn!(
                    attempt,
                    model = model.model(),
                    "no answer to a story in time"
                );
                reason = "it did not answer in time";
            }
        }
    }
    Err(reason)
}
