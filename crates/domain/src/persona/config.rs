//! How a persona sounds and behaves: typed, with limits; a key that is not here is refused.

use serde::{Deserialize, Serialize};

use crate::check::{Check, Invalid, UserErrorCode};

/// Characters of a long text, such as a greeting.
pub const MAX_TEXT: usize = 64_000;
/// Tone rules or constraints.
pub const MAX_RULES: usize = 50;
/// Dialogue examples, and turns of each.
pub const MAX_EXAMPLES: usize = 50;
/// Alternate greetings.
const MAX_GREETINGS: usize = 100;
/// Characters of a rule.
const MAX_RULE: usize = 500;
/// The most minutes between two messages of one conversation: a week.
const MAX_GAP_MINUTES: i64 = 7 * 24 * 60;

text_enum! {
    /// Who speaks in a dialogue example.
    pub enum Speaker {
        /// The person.
        User = "user",
        /// The persona.
        Character = "character",
    }
}

/// How a persona's voice sounds, in the words speech synthesizers use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaVoice")
)]
pub struct VoiceConfig {
    /// Who makes the speech, such as `elevenlabs`; at most 100 characters.
    pub provider: Option<String>,
    /// The speaker's id within the model, such as `p360`; at most 100 characters.
    pub speaker: Option<String>,
    /// The speech model, such as `tts_models/en/vctk/vits`; at most 200 characters.
    pub model: Option<String>,
    /// The language spoken, a BCP 47 tag such as `en-KE`.
    pub language: Option<String>,
    /// Times the usual speed, 0.5–2.
    pub speed: f64,
    /// Times the usual pitch, 0.5–2.
    pub pitch: f64,
    /// From 0 (varies with feeling) to 1 (even).
    pub stability: f64,
    /// From 0 (free) to 1 (close to the speaker recorded).
    pub similarity: f64,
}

impl Default for VoiceConfig {
    fn default() -> Self {
        Self {
            provider: None,
            speaker: None,
            model: None,
            language: None,
            speed: 1.0,
            pitch: 1.0,
            stability: 0.5,
            similarity: 0.75,
        }
    }
}

impl VoiceConfig {
    /// The same, cleaned: texts trimmed.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            provider,
            speaker,
            model,
            language,
            speed,
            pitch,
            stability,
            similarity,
        } = self;
        let mut check = Check::new();
        let language = check.optional_text("language", language.as_deref(), 1..=35);
        if let Some(tag) = &language
            && oxilangtag::LanguageTag::parse(tag.as_str()).is_err()
        {
            let message = "language must be a BCP 47 tag, such as en or pt-BR";
            check.fail(UserErrorCode::Invalid, "language", message);
        }
        let voice = Self {
            provider: check.optional_text("provider", provider.as_deref(), 1..=100),
            speaker: check.optional_text("speaker", speaker.as_deref(), 1..=100),
            model: check.optional_text("model", model.as_deref(), 1..=200),
            language,
            speed: check.number("speed", speed, 0.5..=2.0),
            pitch: check.number("pitch", pitch, 0.5..=2.0),
            stability: check.number("stability", stability, 0.0..=1.0),
            similarity: check.number("similarity", similarity, 0.0..=1.0),
        };
        check.done()?;
        Ok(voice)
    }
}

/// One thing said in a dialogue example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaDialogueTurn")
)]
pub struct DialogueTurn {
    /// Who says it.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// How the persona talks, shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaDialogueExample")
)]
pub struct DialogueExample {
    /// What is said in turn, 1–50.
    pub turns: Vec<DialogueTurn>,
}

/// How a persona behaves. Texts may have the placeholders `{{char}}` and `{{user}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaBehavior")
)]
pub struct BehaviorConfig {
    /// What `{{char}}` becomes, unless an entity plays it; its name when not said. At most 100
    /// characters.
    pub nickname: Option<String>,
    /// Who it is, at length.
    pub character: Option<String>,
    /// Its nature, in brief.
    pub personality: Option<String>,
    /// Where and when it meets the person.
    pub scenario: Option<String>,
    /// What it says first.
    pub greeting: Option<String>,
    /// What it may say first instead, at most 100.
    pub alternate_greetings: Vec<String>,
    /// How it speaks, the weightiest first: at most 50 of at most 500 characters. The prompt
    /// takes the first three.
    pub tone_rules: Vec<String>,
    /// What it must not do, the weightiest first: at most 50 of at most 500 characters. The
    /// prompt takes the first three.
    pub constraints: Vec<String>,
    /// How it talks, the most telling first: at most 50. The prompt takes the first three.
    pub dialogue_examples: Vec<DialogueExample>,
    /// What a language model is told last, after the conversation.
    pub closing_instructions: Option<String>,
    /// How freely the language model chooses its words, 0–2.
    pub temperature: f64,
    /// How many tokens an answer may take, 50–4 000.
    pub max_tokens: i32,
    /// How many hours a conversation is kept open after its last message, 1–168.
    pub retention_hours: i32,
    /// After how many minutes of silence a new conversation begins, 1–10 080.
    pub session_gap_minutes: i32,
}

impl Default for BehaviorConfig {
    fn default() -> Self {
        Self {
            nickname: None,
            character: None,
            personality: None,
            scenario: None,
            greeting: None,
            alternate_greetings: Vec::new(),
            tone_rules: Vec::new(),
            constraints: Vec::new(),
            dialogue_examples: Vec::new(),
            closing_instructions: None,
            temperature: 0.7,
            max_tokens: 500,
            retention_hours: 24,
            session_gap_minutes: 60,
        }
    }
}

impl BehaviorConfig {
    /// The same, cleaned: texts trimmed.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            nickname,
            character,
            personality,
            scenario,
            greeting,
            alternate_greetings,
            tone_rules,
            constraints,
            dialogue_examples,
            closing_instructions,
            temperature,
            max_tokens,
            retention_hours,
            session_gap_minutes,
        } = self;
        let mut check = Check::new();
        let long = |check: &mut Check, path, text: Option<String>| {
            check.optional_text(path, text.as_deref(), 1..=MAX_TEXT)
        };
        let behavior = Self {
            nickname: check.optional_text("nickname", nickname.as_deref(), 1..=100),
            character: long(&mut check, "character", character),
            personality: long(&mut check, "personality", personality),
            scenario: long(&mut check, "scenario", scenario),
            greeting: long(&mut check, "greeting", greeting),
            alternate_greetings: texts(
                &mut check,
                "alternateGreetings",
                &alternate_greetings,
                (MAX_GREETINGS, MAX_TEXT),
            ),
            tone_rules: texts(&mut check, "toneRules", &tone_rules, (MAX_RULES, MAX_RULE)),
            constraints: texts(
                &mut check,
                "constraints",
                &constraints,
                (MAX_RULES, MAX_RULE),
            ),
            dialogue_examples: examples(&mut check, dialogue_examples),
            closing_instructions: long(&mut check, "closingInstructions", closing_instructions),
            temperature: check.number("temperature", temperature, 0.0..=2.0),
            max_tokens: whole(&mut check, "maxTokens", max_tokens, 50..=4_000),
            retention_hours: whole(&mut check, "retentionHours", retention_hours, 1..=168),
            session_gap_minutes: whole(
                &mut check,
                "sessionGapMinutes",
                session_gap_minutes,
                1..=MAX_GAP_MINUTES,
            ),
        };
        check.done()?;
        Ok(behavior)
    }
}

fn whole(check: &mut Check, path: &str, x: i32, range: std::ops::RangeInclusive<i64>) -> i32 {
    check.integer(path, x.into(), range);
    x
}

/// A list of so many texts of so many characters.
fn texts(
    check: &mut Check,
    path: &str,
    texts: &[String],
    (count, length): (usize, usize),
) -> Vec<String> {
    if !few(check, path, texts.len(), count) {
        return Vec::new();
    }
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(i, it)| check.text(&format!("{path}.{i}"), it, 1..=length))
        .collect()
}

fn few(check: &mut Check, path: &str, count: usize, most: usize) -> bool {
    if count > most {
        let name = path.rsplit('.').next().unwrap_or(path);
        let message = format!("{name} has {count} entries: expected at most {most}");
        check.fail(UserErrorCode::TooLong, path, message);
    }
    count <= most
}

fn examples(check: &mut Check, examples: Vec<DialogueExample>) -> Vec<DialogueExample> {
    let path = "dialogueExamples";
    if !few(check, path, examples.len(), MAX_EXAMPLES) {
        return Vec::new();
    }
    let mut cleaned = Vec::with_capacity(examples.len());
    for (i, DialogueExample { turns }) in examples.into_iter().enumerate() {
        let path = format!("{path}.{i}.turns");
        if turns.is_empty() {
            let message = "turns is empty: an example has something said in it";
            check.fail(UserErrorCode::TooShort, &path, message);
        }
        if !few(check, &path, turns.len(), MAX_EXAMPLES) {
            continue;
        }
        let turns = turns.into_iter().enumerate();
        let turns = turns
            .map(|(j, DialogueTurn { speaker, text })| DialogueTurn {
                speaker,
                text: check.text(&format!("{path}.{j}.text"), &text, 1..=MAX_TEXT),
            })
            .collect();
        cleaned.push(DialogueExample { turns });
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(result: Result<T, Invalid>) -> String {
        let Err(Invalid(errors)) = result else {
            return "none".to_owned();
        };
        let lines = errors
            .iter()
            .map(|it| format!("{}: {}", it.field.join("."), it.message));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_limits_of_a_voice() {
        let at = |speed, pitch, stability, similarity| VoiceConfig {
            speed,
            pitch,
            stability,
            similarity,
            ..VoiceConfig::default()
        };
        assert!(at(0.5, 2.0, 0.0, 1.0).checked().is_ok());
        assert!(at(2.0, 0.5, 1.0, 0.0).checked().is_ok());
        insta::assert_snapshot!(faults(at(0.49, 2.01, -0.1, f64::NAN).checked()), @r"
        speed: speed is 0.49: expected 0.5 to 2
        pitch: pitch is 2.01: expected 0.5 to 2
        stability: stability is -0.1: expected 0 to 1
        similarity: similarity is NaN: expected 0 to 1
        ");
        let language = |it: &str| VoiceConfig {
            language: Some(it.to_owned()),
            ..VoiceConfig::default()
        };
        assert!(language("sw-KE").checked().is_ok());
        assert!(language("no such tag").checked().is_err());
    }

    #[test]
    fn the_limits_of_behavior() {
        let at = |temperature, max_tokens, retention_hours, session_gap_minutes| BehaviorConfig {
            temperature,
            max_tokens,
            retention_hours,
            session_gap_minutes,
            ..BehaviorConfig::default()
        };
        assert!(at(0.0, 50, 1, 1).checked().is_ok());
        assert!(at(2.0, 4_000, 168, 10_080).checked().is_ok());
        insta::assert_snapshot!(faults(at(2.1, 49, 169, 0).checked()), @r"
        temperature: temperature is 2.1: expected 0 to 2
        maxTokens: maxTokens is 49: expected 50 to 4000
        retentionHours: retentionHours is 169: expected 1 to 168
        sessionGapMinutes: sessionGapMinutes is 0: expected 1 to 10080
        ");
        assert!(at(1.0, 4_001, 0, 1).checked().is_err());
        let wordy = BehaviorConfig {
            tone_rules: vec!["warm".to_owned(), " ".to_owned()],
            constraints: vec!["x".to_owned(); 51],
            dialogue_examples: vec![DialogueExample::default()],
            ..BehaviorConfig::default()
        };
        insta::assert_snapshot!(faults(wordy.checked()), @r"
        toneRules.1: 1 must not be blank: give 1 to 500 characters
        constraints: constraints has 51 entries: expected at most 50
        dialogueExamples.0.turns: turns is empty: an example has something said in it
        ");
    }
}
