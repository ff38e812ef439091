//! The whole state of a definition, its versions, and what differs between two of them.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{AdaptationMode, BehaviorConfig, VoiceConfig, check_slug};
use crate::check::{Check, Invalid, UserErrorCode};

/// What has no place of its own takes at most so many bytes as JSON.
pub const MAX_EXTENSIONS_BYTES: usize = 512 * 1_024;
/// How an exported definition is known again.
pub const EXPORT_FORMAT: &str = "anima_persona";
/// Characters of a version's number.
const MAX_VERSION: usize = 64;
/// Tags, and characters of each.
pub(super) const MAX_TAGS: (usize, usize) = (50, 50);

/// A persona definition whole, but for what identifies it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaSnapshot")
)]
pub struct PersonaSnapshot {
    /// What it is called, 1–100 characters.
    pub name: String,
    /// What it is for, for people who choose; at most 500 characters, never in a prompt.
    pub description: Option<String>,
    /// How it becomes what it is.
    pub adaptation_mode: AdaptationMode,
    /// How its voice sounds.
    pub voice: VoiceConfig,
    /// How it behaves.
    pub behavior: BehaviorConfig,
    /// What a language model is told first; placeholders `{{char}}` and `{{user}}`.
    pub system_prompt: Option<String>,
    /// For finding it: at most 50 of 1–50 characters.
    pub tags: Vec<String>,
    /// From 0; from 100 on it takes over in an emergency.
    pub priority: i32,
    /// What has no place of its own, such as the lorebook of a character card; at most 512 KiB.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub extensions: Map<String, Value>,
}

impl PersonaSnapshot {
    /// The same, cleaned: texts trimmed, tags without repetition.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
            extensions,
        } = self;
        let mut check = Check::new();
        let extensions = Value::Object(extensions);
        check.document("extensions", &extensions, MAX_EXTENSIONS_BYTES);
        let snapshot = Self {
            name: check.text("name", &name, 1..=100),
            description: check.optional_text("description", description.as_deref(), 1..=500),
            adaptation_mode,
            voice: check.nested("voice", voice.checked()).unwrap_or_default(),
            behavior: check
                .nested("behavior", behavior.checked())
                .unwrap_or_default(),
            system_prompt: check.optional_text(
                "systemPrompt",
                system_prompt.as_deref(),
                1..=super::MAX_TEXT,
            ),
            tags: checked_tags(&mut check, &tags),
            priority: {
                check.integer("priority", priority.into(), 0..=1_000);
                priority
            },
            extensions: match extensions {
                Value::Object(it) => it,
                _ => Map::new(),
            },
        };
        check.done()?;
        Ok(snapshot)
    }

    /// As JSON.
    pub fn to_json(&self) -> Value {
        // Only types of ours, whose maps have string keys: always JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Of JSON. Members left out have their usual values; unknown ones are refused.
    ///
    /// # Errors
    /// Where it is not a snapshot, with the path below `path`; every fault of its values.
    pub fn from_json(value: Value, path: &str) -> Result<Self, Invalid> {
        if !value.is_object() {
            let message = format!("{path} must be a JSON object");
            return Err(Invalid::one(UserErrorCode::Invalid, path, message));
        }
        let read: Self = typed(value, path)?;
        let mut check = Check::new();
        match check.nested(path, read.checked()) {
            Some(it) => Ok(it),
            None => Err(check.done().err().unwrap_or(Invalid(Vec::new()))),
        }
    }
}

/// Reads a typed value of JSON; where it does not fit, says the path.
pub(super) fn typed<T: serde::de::DeserializeOwned>(
    value: Value,
    path: &str,
) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string().replace('[', ".").replace(']', "");
        let whole = match inner.as_str() {
            "." => path.to_owned(),
            inner => format!("{path}.{inner}"),
        };
        let message = format!("{whole}: {}", error.inner());
        Invalid::one(UserErrorCode::Invalid, &whole, message)
    })
}

fn checked_tags(check: &mut Check, tags: &[String]) -> Vec<String> {
    let (count, length) = MAX_TAGS;
    if tags.len() > count {
        let message = format!("tags has {} entries: expected at most {count}", tags.len());
        check.fail(UserErrorCode::TooLong, "tags", message);
        return Vec::new();
    }
    let mut cleaned: Vec<String> = Vec::with_capacity(tags.len());
    for (i, tag) in tags.iter().enumerate() {
        let tag = check.text(&format!("tags.{i}"), tag, 1..=length);
        if !cleaned.contains(&tag) {
            cleaned.push(tag);
        }
    }
    cleaned
}

text_enum! {
    /// Which part of a version's number counts up.
    #[derive(Default)]
    pub enum VersionBump {
        /// It is another character now: 1.4.2 → 2.0.0.
        Major = "major",
        /// It can do something more: 1.4.2 → 1.5.0.
        Minor = "minor",
        /// It was mended: 1.4.2 → 1.4.3.
        #[default]
        Patch = "patch",
    }
}

impl VersionBump {
    /// The version after `latest`.
    ///
    /// # Errors
    /// When that is no version, or a number cannot count further.
    pub fn next(self, latest: &str) -> Result<String, Invalid> {
        let full = || fault("the version cannot count further: name one yourself");
        let mut version = parse(latest)?;
        let part = match self {
            Self::Major => &mut version.major,
            Self::Minor => &mut version.minor,
            // What comes after 2.0.0-rc.1 is 2.0.0.
            Self::Patch if !version.pre.is_empty() => {
                version.pre = semver::Prerelease::EMPTY;
                return Ok(version.to_string());
            }
            Self::Patch => &mut version.patch,
        };
        *part = part.checked_add(1).ok_or_else(full)?;
        match self {
            Self::Major => (version.minor, version.patch) = (0, 0),
            Self::Minor => version.patch = 0,
            Self::Patch => {}
        }
        version.pre = semver::Prerelease::EMPTY;
        Ok(version.to_string())
    }
}

fn fault(message: &str) -> Invalid {
    Invalid::one(UserErrorCode::Invalid, "version", message)
}

fn parse(version: &str) -> Result<Version, Invalid> {
    let wrong =
        || fault("version must be like 1.4.2 or 2.0.0-rc.1 (semver.org), without build metadata");
    let parsed = Version::parse(version).map_err(|_| wrong())?;
    if version.len() > MAX_VERSION || !parsed.build.is_empty() {
        return Err(wrong());
    }
    Ok(parsed)
}

/// A version that an author names, which must come after `latest` if there is one.
///
/// # Errors
/// When it is no version, or not a later one.
pub fn checked_version(version: &str, latest: Option<&str>) -> Result<String, Invalid> {
    let parsed = parse(version)?;
    if let Some(latest) = latest
        && parsed <= parse(latest)?
    {
        let message = format!("version {version} does not come after {latest}");
        return Err(Invalid::one(UserErrorCode::OutOfRange, "version", message));
    }
    Ok(parsed.to_string())
}

/// Something that is not the same in two snapshots.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: a JSON Pointer (RFC 6901).
    pub path: String,
    /// What was there; none when nothing was.
    pub before: Option<Value>,
    /// What is there; none when nothing is.
    pub after: Option<Value>,
}

/// What differs, in the order of the paths. Lists are compared place by place.
pub fn diff(before: &PersonaSnapshot, after: &PersonaSnapshot) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(
        "",
        Some(&before.to_json()),
        Some(&after.to_json()),
        &mut found,
    );
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    match (before, after) {
        (a, b) if a == b => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|it| !a.contains_key(*it));
            for key in a.keys().chain(added) {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                compare(&format!("{path}/{escaped}"), a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for i in 0..a.len().max(b.len()) {
                compare(&format!("{path}/{i}"), a.get(i), b.get(i), found);
            }
        }
        (before, after) => found.push(Difference {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// A definition as a JSON document of Anima's own.
pub fn export(slug: &str, version: &str, snapshot: &PersonaSnapshot) -> Value {
    json!({
        "format": EXPORT_FORMAT,
        "formatVersion": 1,
        "slug": slug,
        "version": version,
        "snapshot": snapshot.to_json(),
    })
}

/// Reads what [`export`] wrote: the slug it had, and the snapshot.
///
/// # Errors
/// Where the document is not one, with the path.
pub fn import(value: Value) -> Result<(String, PersonaSnapshot), Invalid> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Document {
        #[serde(rename = "format")]
        _format: String,
        format_version: u32,
        slug: String,
        #[serde(rename = "version")]
        _version: Option<String>,
        snapshot: Value,
    }
    if value.get("format").and_then(Value::as_str) != Some(EXPORT_FORMAT) {
        let message = format!(
            "json is neither a persona of Anima's (format {EXPORT_FORMAT}) nor a character card (spec)"
        );
        return Err(Invalid::one(UserErrorCode::Invalid, "json", message));
    }
    let document: Document = typed(value, "json")?;
    if document.format_version != 1 {
        let message = format!(
            "formatVersion is {}: this program reads 1",
            document.format_version
        );
        let path = "json.formatVersion";
        return Err(Invalid::one(UserErrorCode::Invalid, path, message));
    }
    check_slug(&document.slug)?;
    let snapshot = PersonaSnapshot::from_json(document.snapshot, "json.snapshot")?;
    Ok((document.slug, snapshot))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: std::fmt::Debug>(result: Result<T, Invalid>) -> String {
        let Err(Invalid(errors)) = result else {
            return "none".to_owned();
        };
        let lines = errors
            .iter()
            .map(|it| format!("{} | {}", it.field.join("."), it.message));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_path() {
        let read = |value| PersonaSnapshot::from_json(value, "json.snapshot");
        assert!(read(json!({ "name": "A" })).is_ok());
        let faults = [
            json!({ "name": "A", "voice": { "sped": 1 } }),
            json!({ "name": "A", "voice": { "speed": "fast" } }),
            json!({ "name": "A", "behavior": { "dialogueExamples": [{ "turns": [{ "speaker": "nobody", "text": "" }] }] } }),
            json!({ "name": "A", "isAdmin": true }),
            json!({ "name": "A", "voice": { "speed": 3 }, "priority": -1 }),
            json!([]),
        ]
        .map(|it| told(read(it)));
        insta::assert_snapshot!(faults.join("\n"), @r#"
        json.snapshot.voice.sped | json.snapshot.voice.sped: unknown field `sped`, expected one of `provider`, `speaker`, `model`, `language`, `speed`, `pitch`, `stability`, `similarity`
        json.snapshot.voice.speed | json.snapshot.voice.speed: invalid type: string "fast", expected f64
        json.snapshot.behavior.dialogueExamples.0.turns.0.speaker | json.snapshot.behavior.dialogueExamples.0.turns.0.speaker: unknown variant `nobody`, expected `user` or `character`
        json.snapshot.isAdmin | json.snapshot.isAdmin: unknown field `isAdmin`, expected one of `name`, `description`, `adaptationMode`, `voice`, `behavior`, `systemPrompt`, `tags`, `priority`, `extensions`
        json.snapshot.voice.speed | speed is 3: expected 0.5 to 2
        json.snapshot.priority | priority is -1: expected 0 to 1000
        json.snapshot | json.snapshot must be a JSON object
        "#);
    }

    #[test]
    fn versions_count_up() {
        for (bump, latest, next) in [
            (VersionBump::Patch, "1.4.2", "1.4.3"),
            (VersionBump::Minor, "1.4.2", "1.5.0"),
            (VersionBump::Major, "1.4.2", "2.0.0"),
            (VersionBump::Patch, "2.0.0-rc.1", "2.0.0"),
        ] {
            assert_eq!(bump.next(latest).as_deref(), Ok(next));
        }
        assert!(
            VersionBump::Patch
                .next(&format!("1.0.{}", u64::MAX))
                .is_err()
        );
        assert_eq!(
            checked_version("1.10.0", Some("1.9.9")).as_deref(),
            Ok("1.10.0")
        );
        for version in [
            "1.9.9",
            "1.9.8",
            "1.10",
            "v2.0.0",
            "2.0.0+build",
            "",
            "2.0.0-rc.1\0",
        ] {
            assert!(
                checked_version(version, Some("1.9.9")).is_err(),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_diff_says_where_before_and_after() {
        let before = PersonaSnapshot {
            name: "Ada".to_owned(),
            tags: vec!["a".to_owned(), "b".to_owned()],
            ..PersonaSnapshot::default()
        };
        let mut after = before.clone();
        after.name = "Grace".to_owned();
        after.tags = vec!["a".to_owned()];
        after.behavior.temperature = 1.0;
        after.extensions.insert("a/b~".to_owned(), json!(null));
        let lines = diff(&before, &after).into_iter().map(
            |Difference {
                 path,
                 before,
                 after,
             }| {
                let show = |it: Option<Value>| it.map_or("nothing".to_owned(), |it| it.to_string());
                format!("{path}: {} → {}", show(before), show(after))
            },
        );
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r#"
        /behavior/temperature: 0.7 → 1.0
        /extensions/a~1b~0: nothing → null
        /name: "Ada" → "Grace"
        /tags/1: "b" → nothing
        "#);
        assert_eq!(diff(&before, &before), []);
    }

    #[test]
    fn what_is_exported_is_imported() {
        let mut snapshot = PersonaSnapshot {
            name: "Ada".to_owned(),
            ..PersonaSnapshot::default()
        };
        snapshot
            .extensions
            .insert("mine".to_owned(), json!({ "x": [1, null] }));
        let document = export("ada", "1.0.0", &snapshot);
        assert_eq!(import(document.clone()), Ok(("ada".to_owned(), snapshot)));
        let mut newer = document;
        newer["formatVersion"] = json!(2);
        insta::assert_snapshot!(told(import(newer)), @"json.formatVersion | formatVersion is 2: this program reads 1");
    }
}
