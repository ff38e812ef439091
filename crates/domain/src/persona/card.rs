//! Character cards, the format that role-play programs such as `SillyTavern` exchange: versions
//! [2](https://github.com/malfoyslastname/character-card-spec-v2/blob/main/spec_v2.md) and
//! [3](https://github.com/kwaroran/character-card-spec-v3/blob/main/SPEC_V3.md), as JSON. The
//! bare form before them (version 1) is read.
//!
//! | card | here |
//! |---|---|
//! | name, tags, `system_prompt` | the same |
//! | `creator_notes` | `description`, cut to 500 characters |
//! | description, personality, scenario, nickname | `behavior.character`, `.personality`, … |
//! | `first_mes`, `alternate_greetings`, `mes_example` | `behavior.greeting`, `.alternate_greetings`, `.dialogue_examples` |
//! | `post_history_instructions` | `behavior.closing_instructions` |
//! | `extensions.anima` | what a card has no field for: voice, tone rules, constraints, numbers |
//! | `character_book`, `creator`, `assets`, … and fields nobody knows | `extensions.character_card` of the snapshot, as they are |
//!
//! Nothing is lost from import to export: a field whose text would come out otherwise than it came
//! in (trimmed, cut, read as a dialogue) is kept beside it as it was, and stands until the persona
//! says something else. A card never sets `priority`: a stranger's file makes no emergency.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    AdaptationMode, BehaviorConfig, DialogueExample, DialogueTurn, MAX_EXAMPLES, PersonaSnapshot,
    Speaker, VoiceConfig,
    snapshot::{MAX_TAGS, typed},
};
use crate::check::{Check, Invalid, UserErrorCode};

/// A card takes at most so many bytes as JSON.
pub const MAX_CARD_BYTES: usize = 512 * 1_024;
/// Where in a snapshot's extensions the rest of a card is.
const REST: &str = "character_card";
/// Our own name in a card's extensions.
const OURS: &str = "anima";
/// The fields of version 1, which later versions repeat at the top for its readers.
const BARE: [&str; 6] = [
    "name",
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
];

text_enum! {
    /// A version of the character card format.
    #[derive(Default)]
    pub enum CardSpec {
        /// `chara_card_v2`.
        V2 = "chara_card_v2",
        /// `chara_card_v3`.
        #[default]
        V3 = "chara_card_v3",
    }
}

impl CardSpec {
    fn version(self) -> &'static str {
        match self {
            Self::V2 => "2.0",
            Self::V3 => "3.0",
        }
    }
}

/// Whether a JSON document means to be a character card.
pub fn is_card(value: &Value) -> bool {
    let members = |names: &[&str]| names.iter().all(|it| value.get(it).is_some());
    value.get("spec").is_some() || members(&["data", "spec_version"]) || members(&BARE)
}

/// What is kept of a card that has no place of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rest {
    /// `chara_card_v2` or `chara_card_v3`.
    spec: Option<String>,
    /// As it was: a later one is no reason to refuse a card.
    spec_version: Option<String>,
    /// Members of `data`.
    data: Map<String, Value>,
    /// Members beside `data`.
    beside: Map<String, Value>,
}

/// What Anima says of a persona that a card has no field for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Ours {
    #[serde(skip_serializing_if = "is_usual")]
    adaptation_mode: AdaptationMode,
    #[serde(skip_serializing_if = "is_usual")]
    voice: VoiceConfig,
    #[serde(skip_serializing_if = "is_usual")]
    behavior: BehaviorConfig,
}

fn is_usual<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

/// Reads a card.
///
/// # Errors
/// Where it is not one, or is too large, with the path below `path`.
pub fn read(card: &Value, path: &str) -> Result<PersonaSnapshot, Invalid> {
    let mut check = Check::new();
    check.document(path, card, MAX_CARD_BYTES);
    check.done()?;
    let wrong = |below: &str, message: &str| {
        Invalid::one(UserErrorCode::Invalid, &format!("{path}{below}"), message)
    };
    let card = card
        .as_object()
        .ok_or_else(|| wrong("", "a character card is a JSON object"))?;
    let text = |key: &str| card.get(key).and_then(Value::as_str).map(str::to_owned);
    let spec = text("spec");
    let of_known = |it: &str| it.parse::<CardSpec>().is_ok();
    if card.contains_key("spec") && !spec.as_deref().is_some_and(of_known) {
        let message = "spec must be chara_card_v2 or chara_card_v3";
        return Err(wrong(".spec", message));
    }
    let mut rest = Rest {
        spec_version: text("spec_version"),
        ..Rest::default()
    };
    let (data, below) = if let Some(data) = card.get("data") {
        let data = data
            .as_object()
            .ok_or_else(|| wrong(".data", "data must be an object"))?;
        let known = ["spec", "spec_version", "data"];
        let beside = card
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()));
        rest.beside = beside.map(|(key, it)| (key.clone(), it.clone())).collect();
        (data, ".data")
    } else if spec.is_none() {
        (card, "")
    } else {
        return Err(wrong(".data", "data is missing: the character is in it"));
    };
    rest.spec = spec;

    let snapshot = of_data(data, &format!("{path}{below}"))?;
    let plain = to_data(&snapshot);
    let as_it_was = data.iter().filter(|(key, it)| plain.get(*key) != Some(it));
    rest.data = as_it_was
        .map(|(key, it)| (key.clone(), it.clone()))
        .collect();
    if plain.get("extensions") != data.get("extensions")
        && let Some(Value::Object(extensions)) = rest.data.get_mut("extensions")
    {
        extensions.remove(OURS);
    }
    let mut extensions = Map::new();
    if rest != Rest::default() {
        // Only types of ours, whose maps have string keys: always JSON.
        let rest = serde_json::to_value(rest).unwrap_or_default();
        extensions.insert(REST.to_owned(), rest);
    }
    Ok(PersonaSnapshot {
        extensions,
        ..snapshot
    })
}

/// Writes a card. `version` stands where the card it came from, if any, names none of its own.
pub fn write(snapshot: &PersonaSnapshot, spec: CardSpec, version: &str) -> Value {
    let rest: Rest = snapshot
        .extensions
        .get(REST)
        .and_then(|it| serde_json::from_value(it.clone()).ok())
        .unwrap_or_default();
    let mut data = to_data(snapshot);
    // What the card of old would say by itself now: where that is what the persona says, the
    // card's own words stand.
    let mut whole = data.clone();
    whole.extend(rest.data.clone());
    let again = of_data(&whole, "card").map_or_else(|_| Map::new(), |it| to_data(&it));
    for (key, it) in &rest.data {
        if key != "extensions" && again.get(key) == data.get(key) {
            data.insert(key.clone(), it.clone());
        }
    }
    let ours = data.remove("extensions");
    let mut extensions = match rest.data.get("extensions") {
        Some(Value::Object(it)) => it.clone(),
        _ => Map::new(),
    };
    if let Some(Value::Object(ours)) = ours {
        extensions.extend(ours);
    }
    data.insert("extensions".to_owned(), Value::Object(extensions));
    for (key, usual) in [
        ("creator", json!("")),
        ("character_version", json!(version)),
    ] {
        data.entry(key).or_insert(usual);
    }
    if spec == CardSpec::V3 {
        data.entry("group_only_greetings").or_insert(json!([]));
    }

    let mut card = rest.beside;
    for key in BARE {
        if let (Some(copy), Some(it)) = (card.get_mut(key), data.get(key)) {
            *copy = it.clone();
        }
    }
    let same_spec = rest.spec.as_deref() == Some(spec.as_str());
    let spec_version = rest.spec_version.filter(|_| same_spec);
    card.insert("spec".to_owned(), spec.as_str().into());
    let spec_version = spec_version.unwrap_or_else(|| spec.version().to_owned());
    card.insert("spec_version".to_owned(), spec_version.into());
    card.insert("data".to_owned(), Value::Object(data));
    Value::Object(card)
}

/// What the fields of a card that have a place of their own make, cleaned.
fn of_data(data: &Map<String, Value>, path: &str) -> Result<PersonaSnapshot, Invalid> {
    let mut check = Check::new();
    let mut text = |key: &str| match data.get(key) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => Some(text.trim().to_owned()),
        Some(_) => {
            let message = format!("{key} must be a text");
            check.fail(UserErrorCode::Invalid, &format!("{path}.{key}"), message);
            None
        }
    };
    let name = text("name").unwrap_or_default();
    let notes = text("creator_notes");
    let example = text("mes_example").unwrap_or_default();
    let system_prompt = text("system_prompt");
    let behavior = BehaviorConfig {
        nickname: text("nickname"),
        character: text("description"),
        personality: text("personality"),
        scenario: text("scenario"),
        greeting: text("first_mes"),
        closing_instructions: text("post_history_instructions"),
        ..BehaviorConfig::default()
    };
    let mut list = |key: &str| match data.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            let texts = items.iter().filter_map(Value::as_str).map(str::trim);
            texts
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect()
        }
        Some(_) => {
            let message = format!("{key} must be a list of texts");
            check.fail(UserErrorCode::Invalid, &format!("{path}.{key}"), message);
            Vec::new()
        }
    };
    let greetings = list("alternate_greetings");
    let mut tags: Vec<String> = Vec::new();
    for tag in list("tags").iter().map(|it| cut(it, MAX_TAGS.1)) {
        if tags.len() < MAX_TAGS.0 && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let ours = match data.get("extensions") {
        None | Some(Value::Null) => None,
        Some(Value::Object(it)) => it.get(OURS),
        Some(_) => {
            let path = format!("{path}.extensions");
            check.fail(
                UserErrorCode::Invalid,
                &path,
                "extensions must be an object",
            );
            None
        }
    };
    let ours = ours.map(|it| typed::<Ours>(it.clone(), &format!("{path}.extensions.{OURS}")));
    let Ours {
        adaptation_mode,
        voice,
        behavior: own,
    } = ours.and_then(|it| check.nested("", it)).unwrap_or_default();
    let snapshot = PersonaSnapshot {
        name: cut(&name, 100),
        description: notes.map(|it| cut(&it, 500)),
        adaptation_mode,
        voice,
        behavior: BehaviorConfig {
            nickname: behavior.nickname.map(|it| cut(&it, 100)),
            alternate_greetings: greetings,
            dialogue_examples: read_examples(&example),
            tone_rules: own.tone_rules,
            constraints: own.constraints,
            temperature: own.temperature,
            max_tokens: own.max_tokens,
            retention_hours: own.retention_hours,
            session_gap_minutes: own.session_gap_minutes,
            ..behavior
        },
        system_prompt,
        tags,
        priority: 0,
        extensions: Map::new(),
    };
    let snapshot = check.nested(path, snapshot.checked());
    check.done()?;
    Ok(snapshot.unwrap_or_default())
}

/// The fields of a card that have a place of their own, of what is there.
fn to_data(snapshot: &PersonaSnapshot) -> Map<String, Value> {
    let PersonaSnapshot {
        name,
        description,
        adaptation_mode,
        voice,
        behavior,
        system_prompt,
        tags,
        priority: _,
        extensions: _,
    } = snapshot;
    let BehaviorConfig {
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
    } = behavior;
    let ours = Ours {
        adaptation_mode: *adaptation_mode,
        voice: voice.clone(),
        behavior: BehaviorConfig {
            tone_rules: tone_rules.clone(),
            constraints: constraints.clone(),
            temperature: *temperature,
            max_tokens: *max_tokens,
            retention_hours: *retention_hours,
            session_gap_minutes: *session_gap_minutes,
            ..BehaviorConfig::default()
        },
    };
    let mut extensions = Map::new();
    if ours != Ours::default() {
        let ours = serde_json::to_value(ours).unwrap_or_default();
        extensions.insert(OURS.to_owned(), ours);
    }
    let text = |it: &Option<String>| Value::from(it.clone().unwrap_or_default());
    let mut data = Map::new();
    for (key, it) in [
        ("name", Value::from(name.as_str())),
        ("creator_notes", text(description)),
        ("description", text(character)),
        ("personality", text(personality)),
        ("scenario", text(scenario)),
        ("first_mes", text(greeting)),
        ("alternate_greetings", alternate_greetings.clone().into()),
        ("mes_example", write_examples(dialogue_examples).into()),
        ("system_prompt", text(system_prompt)),
        ("post_history_instructions", text(closing_instructions)),
        ("tags", tags.clone().into()),
        ("extensions", Value::Object(extensions)),
    ] {
        data.insert(key.to_owned(), it);
    }
    if let Some(nickname) = nickname {
        data.insert("nickname".to_owned(), nickname.as_str().into());
    }
    data
}

/// The first so many characters, trimmed.
fn cut(text: &str, characters: usize) -> String {
    let text: String = text.trim().chars().take(characters).collect();
    text.trim_end().to_owned()
}

/// What each of the two is called at the beginning of a line, in any case of letters.
const MARKS: [(Speaker, &str); 4] = [
    (Speaker::User, "{{user}}:"),
    (Speaker::Character, "{{char}}:"),
    (Speaker::User, "<user>:"),
    (Speaker::Character, "<bot>:"),
];

/// Reads dialogues that `<START>` separates. What no mark precedes is the character's.
fn read_examples(text: &str) -> Vec<DialogueExample> {
    let mut examples: Vec<DialogueExample> = Vec::new();
    let mut begins = true;
    for line in text.lines() {
        let mut line = line.trim();
        if let Some(after) = without_mark(line, "<start>") {
            begins = true;
            line = after.trim();
        }
        let marked = MARKS
            .iter()
            .find_map(|(speaker, mark)| Some((*speaker, without_mark(line, mark)?.trim())));
        if line.is_empty() && begins {
            continue;
        }
        if begins {
            examples.push(DialogueExample::default());
            begins = false;
        }
        let Some(DialogueExample { turns }) = examples.last_mut() else {
            continue;
        };
        match (marked, turns.last_mut()) {
            (Some((speaker, text)), _) => turns.push(DialogueTurn {
                speaker,
                text: text.to_owned(),
            }),
            (None, Some(turn)) => {
                turn.text.push('\n');
                turn.text.push_str(line);
            }
            (None, None) => turns.push(DialogueTurn {
                speaker: Speaker::Character,
                text: line.to_owned(),
            }),
        }
    }
    for DialogueExample { turns } in &mut examples {
        for turn in turns.iter_mut() {
            turn.text = turn.text.trim().to_owned();
        }
        turns.retain(|it| !it.text.is_empty());
        turns.truncate(MAX_EXAMPLES);
    }
    examples.retain(|it| !it.turns.is_empty());
    examples.truncate(MAX_EXAMPLES);
    examples
}

fn without_mark<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let head = line.get(..mark.len())?;
    head.eq_ignore_ascii_case(mark).then(|| &line[mark.len()..])
}

fn write_examples(examples: &[DialogueExample]) -> String {
    let mut text = String::new();
    for DialogueExample { turns } in examples {
        text.push_str(if text.is_empty() {
            "<START>"
        } else {
            "\n<START>"
        });
        for DialogueTurn {
            speaker,
            text: said,
        } in turns
        {
            text.push_str(match speaker {
                Speaker::User => "\n{{user}}: ",
                Speaker::Character => "\n{{char}}: ",
            });
            text.push_str(said);
        }
    }
    text
}

#[cfg(test)]
mod tests;
