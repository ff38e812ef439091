//! Persona: authored definitions of a role, their versions, and what comes with them.
//!
//! A definition is edited by adding versions, each a whole [`PersonaSnapshot`]; one of them is in
//! force. Character cards of other programs are read and written by [`card`] and [`card_png`];
//! [`prompt`] says what a language model is told, [`duty`] who gives way to whom.

use chrono::{DateTime, Utc};

use crate::{
    check::{Check, Invalid, UserErrorCode},
    conversation::ConversationId,
    device::DeviceId,
    identity::UserId,
    values::Json,
};

pub mod card;
pub mod card_png;
mod config;
pub mod duty;
pub mod knowledge;
pub mod prompt;
pub mod shipped;
mod snapshot;

pub use config::{
    BehaviorConfig, DialogueExample, DialogueTurn, MAX_EXAMPLES, MAX_RULES, MAX_TEXT, Speaker,
    VoiceConfig,
};
pub use snapshot::{
    Difference, EXPORT_FORMAT, MAX_EXTENSIONS_BYTES, PersonaSnapshot, VersionBump, checked_version,
    diff, export, import,
};

id!(
    /// An authored, versioned character role.
    PersonaDefinitionId, "definition"
);
id!(
    /// A version of a persona definition.
    PersonaVersionId, "persona_version"
);
id!(
    /// The picture of a persona definition.
    PersonaPortraitId, "portrait"
);
id!(
    /// A document that personas know.
    KnowledgeDocumentId, "knowledge"
);
id!(
    /// A part of such a document.
    KnowledgeChunkId, "knowledge_chunk"
);
id!(
    /// A persona that took over in an emergency.
    PersonaEmergencyId, "emergency"
);

text_enum! {
    /// How a persona becomes what it is.
    #[derive(Default)]
    pub enum AdaptationMode {
        /// By its instructions alone.
        #[default]
        InstructionOnly = "instruction_only",
        /// By its instructions and what is recalled of its knowledge documents.
        InstructionRag = "instruction_rag",
        /// By a language model trained for it.
        FineTuned = "fine_tuned",
    }
}

/// An authored character role, as its version in force has it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaDefinitionFields")
)]
pub struct PersonaDefinition {
    /// Stable identifier.
    pub id: PersonaDefinitionId,
    /// Its name in addresses and commands: `[a-z0-9_-]{1,50}`, unique, for good.
    pub slug: String,
    /// What it is called, 1–100 characters.
    pub name: String,
    /// What it is for, for people who choose; at most 500 characters, never in a prompt.
    pub description: Option<String>,
    /// The version in force: what conversations and devices go by.
    pub current_version: String,
    /// The newest version, in force or not: what the next update is based on.
    pub latest_version: String,
    /// How it becomes what it is.
    pub adaptation_mode: AdaptationMode,
    /// How its voice sounds.
    #[cfg_attr(feature = "graphql", graphql(name = "voice"))]
    pub voice_config: Json<VoiceConfig>,
    /// How it behaves.
    #[cfg_attr(feature = "graphql", graphql(name = "behavior"))]
    pub behavior_config: Json<BehaviorConfig>,
    /// What a language model is told first; placeholders `{{char}}` and `{{user}}`.
    pub system_prompt: Option<String>,
    /// For finding it.
    pub tags: Json<Vec<String>>,
    /// From 100 on it takes over in an emergency; see `personaActivate`.
    pub priority: i32,
    /// An inactive definition is given no duty; those on duty stay.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl PersonaDefinition {
    /// A new definition whose first version is in force.
    pub fn new(
        id: PersonaDefinitionId,
        slug: String,
        version: String,
        snapshot: PersonaSnapshot,
        now: DateTime<Utc>,
    ) -> Self {
        let PersonaSnapshot {
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
            extensions: _,
        } = snapshot;
        Self {
            id,
            slug,
            name,
            description,
            current_version: version.clone(),
            latest_version: version,
            adaptation_mode,
            voice_config: Json(voice),
            behavior_config: Json(behavior),
            system_prompt,
            tags: Json(tags),
            priority,
            is_active: true,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same definition with another version in force.
    #[must_use]
    pub fn in_force(self, version: String, snapshot: PersonaSnapshot, now: DateTime<Utc>) -> Self {
        let Self {
            id,
            slug,
            latest_version,
            is_active,
            created_at,
            ..
        } = self;
        Self {
            latest_version,
            is_active,
            created_at,
            ..Self::new(id, slug, version, snapshot, now)
        }
    }

    /// What is in force, but for what has no place of its own.
    pub fn snapshot(&self) -> PersonaSnapshot {
        PersonaSnapshot {
            name: self.name.clone(),
            description: self.description.clone(),
            adaptation_mode: self.adaptation_mode,
            voice: self.voice_config.0.clone(),
            behavior: self.behavior_config.0.clone(),
            system_prompt: self.system_prompt.clone(),
            tags: self.tags.0.clone(),
            priority: self.priority,
            extensions: serde_json::Map::new(),
        }
    }

    /// Whether it takes over in an emergency.
    pub fn is_emergency(&self) -> bool {
        self.priority >= duty::EMERGENCY_PRIORITY
    }
}

/// A whole state of a persona definition. Never changed.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaVersionFields")
)]
pub struct PersonaVersion {
    /// Stable identifier.
    pub id: PersonaVersionId,
    /// Of which definition.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub definition_id: PersonaDefinitionId,
    /// Its number, as Semantic Versioning 2.0.0 writes it, without build metadata.
    pub version: String,
    /// The whole state.
    #[cfg_attr(feature = "graphql", graphql(name = "snapshot"))]
    pub artifacts: Json<PersonaSnapshot>,
    /// Who made it; nobody for those that come with Anima.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub created_by: Option<UserId>,
    /// Why, in the author's words; at most 2 000 characters.
    pub change_notes: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The picture of a persona definition, which came with a character card.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonaPortrait {
    /// Stable identifier.
    pub id: PersonaPortraitId,
    /// Of which definition; one each.
    pub definition_id: PersonaDefinitionId,
    /// A PNG file without a card in it, in base64.
    pub image: String,
    /// Pixels across.
    pub width: i32,
    /// Pixels down.
    pub height: i32,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// A document that one persona knows, or every one of them.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "KnowledgeDocumentFields")
)]
pub struct KnowledgeDocument {
    /// Stable identifier.
    pub id: KnowledgeDocumentId,
    /// Which persona knows it; every one when not said.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub definition_id: Option<PersonaDefinitionId>,
    /// What it is called, 1–200 characters.
    pub title: String,
    /// The whole text, at most 200 000 characters. Large: lists leave it out.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub content: String,
    /// Who added it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub created_by: Option<UserId>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// A part of a knowledge document that is recalled by itself.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "KnowledgeChunkFields")
)]
pub struct KnowledgeChunk {
    /// Stable identifier.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub id: KnowledgeChunkId,
    /// Of which document.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub document_id: KnowledgeDocumentId,
    /// Its place in the document, from 0.
    pub position: i32,
    /// At most 500 characters, ending at a sentence's end where there is one; up to 50 of them
    /// are the end of the one before.
    pub content: String,
    /// When the row was made.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub created_at: DateTime<Utc>,
}

/// A persona that took over in an emergency, until somebody says that it is over.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "PersonaEmergencyFields")
)]
pub struct PersonaEmergency {
    /// Stable identifier.
    pub id: PersonaEmergencyId,
    /// Whose conversation, or whose device.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// On which device.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// In which conversation.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub conversation_id: Option<ConversationId>,
    /// The definition that took over.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub definition_id: Option<PersonaDefinitionId>,
    /// Its priority at the time, at least 100.
    pub priority: i32,
    /// What was on duty on the device before.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_previous_id: Option<PersonaDefinitionId>,
    /// What was on duty in the conversation before.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub conversation_previous_id: Option<PersonaDefinitionId>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was said to be over; null while it goes on.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When the row was made.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub updated_at: DateTime<Utc>,
}

/// A slug is `[a-z0-9_-]{1,50}`.
pub fn check_slug(slug: &str) -> Result<(), Invalid> {
    let of_alphabet =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if (1..=50).contains(&slug.len()) && slug.bytes().all(of_alphabet) {
        return Ok(());
    }
    Err(Invalid::one(
        UserErrorCode::Invalid,
        "slug",
        "slug must be 1 to 50 characters of a–z, 0–9, _ and -",
    ))
}

/// The slug that a name suggests: its ASCII letters and digits, with `_` between.
///
/// # Errors
/// When nothing is left of it.
pub fn slug_of(name: &str) -> Result<String, Invalid> {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(50);
    let slug = slug.trim_end_matches('_').to_owned();
    if slug.is_empty() {
        return Err(Invalid::one(
            UserErrorCode::Required,
            "slug",
            "slug is needed: the name has no letter or digit of ASCII to make one from",
        ));
    }
    Ok(slug)
}

/// What is said of a new knowledge document, cleaned.
///
/// # Errors
/// Every fault, with its field.
pub fn checked_document(title: &str, content: &str) -> Result<(String, String), Invalid> {
    let mut check = Check::new();
    let title = check.text("title", title, 1..=200);
    let content = check.text("content", content, 1..=knowledge::MAX_DOCUMENT);
    check.done()?;
    Ok((title, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_plain_word() {
        for (slug, ok) in [
            ("companion", true),
            ("medication_nurse-2", true),
            ("a", true),
            ("", false),
            ("Companion", false),
            ("../../etc/passwd", false),
            ("a b", false),
            ("a\0b", false),
            ("naïve", false),
            (&"a".repeat(50), true),
            (&"a".repeat(51), false),
        ] {
            assert_eq!(check_slug(slug).is_ok(), ok, "{slug:?}");
        }
    }

    #[test]
    fn a_name_suggests_a_slug() {
        for (name, slug) in [
            ("Medication nurse", "medication_nurse"),
            ("  Élan -- Vital! ", "lan_vital"),
            ("../../x", "x"),
        ] {
            assert_eq!(slug_of(name).as_deref(), Ok(slug));
        }
        assert!(slug_of("…").is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_suggested_slug_is_a_slug(name in ".*") {
            if let Ok(slug) = slug_of(&name) {
                proptest::prop_assert!(check_slug(&slug).is_ok());
            }
        }
    }
}
