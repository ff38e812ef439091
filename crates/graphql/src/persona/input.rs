//! Inputs of persona: what is left out of a change stays, null clears.

use app::persona::{Activate, DutyPlace};
use async_graphql::{InputObject, MaybeUndefined, OneofObject};
use domain::{
    conversation::ConversationId,
    device::DeviceId,
    persona::{
        AdaptationMode, BehaviorConfig, DialogueExample, DialogueTurn, PersonaDefinitionId,
        PersonaSnapshot, Speaker, VersionBump, VoiceConfig,
    },
};
use persistence::persona::Named;

use crate::{
    payload::patch,
    scalar::{Base64, Json},
};

/// Which persona definition: one of these.
#[derive(Clone, Debug, OneofObject)]
pub enum PersonaDefinitionSelector {
    /// The one with this id.
    Id(PersonaDefinitionId),
    /// The one with this slug.
    Slug(String),
}

impl From<PersonaDefinitionSelector> for Named {
    fn from(it: PersonaDefinitionSelector) -> Self {
        match it {
            PersonaDefinitionSelector::Id(id) => Self::Id(id),
            PersonaDefinitionSelector::Slug(slug) => Self::Slug(slug),
        }
    }
}

/// How a persona's voice is to sound.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonaVoiceInput {
    /// Who makes the speech, such as `elevenlabs`; at most 100 characters.
    provider: MaybeUndefined<String>,
    /// The speaker's id within the model, such as `p360`; at most 100 characters.
    speaker: MaybeUndefined<String>,
    /// The speech model, such as `tts_models/en/vctk/vits`; at most 200 characters.
    model: MaybeUndefined<String>,
    /// The language spoken, a BCP 47 tag such as `en-KE`.
    language: MaybeUndefined<String>,
    /// Times the usual speed, 0.5–2; 1 at first.
    speed: Option<f64>,
    /// Times the usual pitch, 0.5–2; 1 at first.
    pitch: Option<f64>,
    /// From 0 (varies with feeling) to 1 (even); 0.5 at first.
    stability: Option<f64>,
    /// From 0 (free) to 1 (close to the speaker recorded); 0.75 at first.
    similarity: Option<f64>,
}

impl PersonaVoiceInput {
    fn apply(self, before: VoiceConfig) -> VoiceConfig {
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
        VoiceConfig {
            provider: patch(provider).apply(before.provider),
            speaker: patch(speaker).apply(before.speaker),
            model: patch(model).apply(before.model),
            language: patch(language).apply(before.language),
            speed: speed.unwrap_or(before.speed),
            pitch: pitch.unwrap_or(before.pitch),
            stability: stability.unwrap_or(before.stability),
            similarity: similarity.unwrap_or(before.similarity),
        }
    }
}

/// One thing said in a dialogue example.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDialogueTurnInput {
    /// Who says it.
    speaker: Speaker,
    /// What is said, 1–64 000 characters.
    text: String,
}

/// How the persona talks, shown.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDialogueExampleInput {
    /// What is said in turn, 1–50.
    turns: Vec<PersonaDialogueTurnInput>,
}

/// How a persona is to behave. Texts have at most 64 000 characters, and may have the
/// placeholders `{{char}}` and `{{user}}`.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonaBehaviorInput {
    /// What `{{char}}` becomes, unless an entity plays it; at most 100 characters.
    nickname: MaybeUndefined<String>,
    /// Who it is, at length.
    character: MaybeUndefined<String>,
    /// Its nature, in brief.
    personality: MaybeUndefined<String>,
    /// Where and when it meets the person.
    scenario: MaybeUndefined<String>,
    /// What it says first.
    greeting: MaybeUndefined<String>,
    /// What it may say first instead, at most 100; in place of all that were there.
    alternate_greetings: Option<Vec<String>>,
    /// How it speaks, the weightiest first: at most 50 of at most 500 characters, in place of all
    /// that were there. The prompt takes the first three.
    tone_rules: Option<Vec<String>>,
    /// What it must not do, the weightiest first: at most 50 of at most 500 characters, in place
    /// of all that were there. The prompt takes the first three.
    constraints: Option<Vec<String>>,
    /// How it talks, the most telling first: at most 50, in place of all that were there. The
    /// prompt takes the first three.
    dialogue_examples: Option<Vec<PersonaDialogueExampleInput>>,
    /// What a language model is told last, after the conversation.
    closing_instructions: MaybeUndefined<String>,
    /// How freely the language model chooses its words, 0–2; 0.7 at first.
    temperature: Option<f64>,
    /// How many tokens an answer may take, 50–4 000; 500 at first.
    max_tokens: Option<i32>,
    /// How many hours a conversation is kept open after its last message, 1–168; 24 at first.
    retention_hours: Option<i32>,
    /// After how many minutes of silence a new conversation begins, 1–10 080; 60 at first.
    session_gap_minutes: Option<i32>,
}

impl PersonaBehaviorInput {
    fn apply(self, before: BehaviorConfig) -> BehaviorConfig {
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
        let turn = |PersonaDialogueTurnInput { speaker, text }| DialogueTurn { speaker, text };
        let example = |PersonaDialogueExampleInput { turns }| DialogueExample {
            turns: turns.into_iter().map(turn).collect(),
        };
        let examples = dialogue_examples.map(|it| it.into_iter().map(example).collect());
        BehaviorConfig {
            nickname: patch(nickname).apply(before.nickname),
            character: patch(character).apply(before.character),
            personality: patch(personality).apply(before.personality),
            scenario: patch(scenario).apply(before.scenario),
            greeting: patch(greeting).apply(before.greeting),
            alternate_greetings: alternate_greetings.unwrap_or(before.alternate_greetings),
            tone_rules: tone_rules.unwrap_or(before.tone_rules),
            constraints: constraints.unwrap_or(before.constraints),
            dialogue_examples: examples.unwrap_or(before.dialogue_examples),
            closing_instructions: patch(closing_instructions).apply(before.closing_instructions),
            temperature: temperature.unwrap_or(before.temperature),
            max_tokens: max_tokens.unwrap_or(before.max_tokens),
            retention_hours: retention_hours.unwrap_or(before.retention_hours),
            session_gap_minutes: session_gap_minutes.unwrap_or(before.session_gap_minutes),
        }
    }
}

/// A persona definition to be made.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDefinitionCreateInput {
    /// Its name in addresses and commands: `[a-z0-9_-]{1,50}`, unique, for good.
    pub slug: String,
    /// What it is called, 1–100 characters.
    name: String,
    /// What it is for, for people who choose; at most 500 characters, never in a prompt.
    description: Option<String>,
    /// How it becomes what it is; by its instructions alone when not said.
    adaptation_mode: Option<AdaptationMode>,
    /// How its voice sounds.
    voice: Option<PersonaVoiceInput>,
    /// How it behaves.
    behavior: Option<PersonaBehaviorInput>,
    /// What a language model is told first, at most 64 000 characters.
    system_prompt: Option<String>,
    /// For finding it: at most 50 of 1–50 characters.
    tags: Option<Vec<String>>,
    /// 0–1 000, 0 when not said; from 100 on it takes over in an emergency.
    priority: Option<i32>,
    /// The first version's number (semver.org); 1.0.0 when not said.
    version: Option<String>,
    /// Why, at most 2 000 characters.
    notes: Option<String>,
    /// Makes a repeat harmless, see `Mutation`; 1–200 characters.
    idempotency_key: Option<String>,
}

impl PersonaDefinitionCreateInput {
    /// The idempotency key, and what is to be made.
    pub fn into_parts(self) -> (Option<String>, app::persona::DefinitionCreate) {
        let Self {
            slug,
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
            version,
            notes,
            idempotency_key,
        } = self;
        let usual = PersonaSnapshot::default();
        let create = app::persona::DefinitionCreate {
            slug,
            snapshot: PersonaSnapshot {
                name,
                description,
                adaptation_mode: adaptation_mode.unwrap_or(usual.adaptation_mode),
                voice: voice.unwrap_or_default().apply(usual.voice),
                behavior: behavior.unwrap_or_default().apply(usual.behavior),
                system_prompt,
                tags: tags.unwrap_or_default(),
                priority: priority.unwrap_or_default(),
                extensions: usual.extensions,
            },
            version,
            notes,
        };
        (idempotency_key, create)
    }
}

/// A change of a persona definition: what is left out stays, null clears. It makes a new version.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDefinitionUpdateInput {
    /// Which definition.
    definition: PersonaDefinitionSelector,
    /// The latest version as you know it; another one is a `CONFLICT`.
    base_version: String,
    /// What it is called, 1–100 characters.
    name: Option<String>,
    /// What it is for, for people who choose; at most 500 characters, never in a prompt.
    description: MaybeUndefined<String>,
    /// How it becomes what it is.
    adaptation_mode: Option<AdaptationMode>,
    /// How its voice sounds.
    voice: Option<PersonaVoiceInput>,
    /// How it behaves.
    behavior: Option<PersonaBehaviorInput>,
    /// What a language model is told first, at most 64 000 characters.
    system_prompt: MaybeUndefined<String>,
    /// For finding it: at most 50 of 1–50 characters, in place of all that were there.
    tags: Option<Vec<String>>,
    /// 0–1 000; from 100 on it takes over in an emergency.
    priority: Option<i32>,
    /// Which part of the version's number counts up; `PATCH` when not said.
    bump: Option<VersionBump>,
    /// The new version's number itself (semver.org), which must come after the latest.
    version: Option<String>,
    /// Why, at most 2 000 characters.
    notes: Option<String>,
    /// Whether the new version is in force at once; otherwise it waits for
    /// `personaDefinitionPublish`.
    publish: Option<bool>,
}

/// What becomes of the snapshot of a base version.
#[derive(Debug)]
pub struct SnapshotChange {
    name: Option<String>,
    description: MaybeUndefined<String>,
    adaptation_mode: Option<AdaptationMode>,
    voice: Option<PersonaVoiceInput>,
    behavior: Option<PersonaBehaviorInput>,
    system_prompt: MaybeUndefined<String>,
    tags: Option<Vec<String>>,
    priority: Option<i32>,
}

impl SnapshotChange {
    /// The snapshot afterwards.
    pub fn apply(self, before: PersonaSnapshot) -> PersonaSnapshot {
        let Self {
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
        } = self;
        PersonaSnapshot {
            name: name.unwrap_or(before.name),
            description: patch(description).apply(before.description),
            adaptation_mode: adaptation_mode.unwrap_or(before.adaptation_mode),
            voice: voice.unwrap_or_default().apply(before.voice),
            behavior: behavior.unwrap_or_default().apply(before.behavior),
            system_prompt: patch(system_prompt).apply(before.system_prompt),
            tags: tags.unwrap_or(before.tags),
            priority: priority.unwrap_or(before.priority),
            extensions: before.extensions,
        }
    }
}

impl PersonaDefinitionUpdateInput {
    /// Of which definition, and what changes.
    pub fn into_parts(self) -> (app::persona::DefinitionUpdate, SnapshotChange) {
        let Self {
            definition,
            base_version,
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
            bump,
            version,
            notes,
            publish,
        } = self;
        let update = app::persona::DefinitionUpdate {
            definition: definition.into(),
            base_version,
            version: match version {
                Some(version) => app::persona::NextVersion::Named(version),
                None => app::persona::NextVersion::Bump(bump.unwrap_or_default()),
            },
            notes,
            publish: publish.unwrap_or_default(),
        };
        let change = SnapshotChange {
            name,
            description,
            adaptation_mode,
            voice,
            behavior,
            system_prompt,
            tags,
            priority,
        };
        (update, change)
    }
}

/// A version to be put in force.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDefinitionPublishInput {
    /// Of which definition.
    pub definition: PersonaDefinitionSelector,
    /// Which version.
    pub version: String,
}

/// An earlier version to return to.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDefinitionRollbackInput {
    /// Of which definition.
    pub definition: PersonaDefinitionSelector,
    /// The latest version as you know it; another one is a `CONFLICT`.
    pub base_version: String,
    /// The version to return to.
    pub to: String,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
}

/// Where a persona definition comes from: one of these.
#[derive(Clone, Debug, OneofObject)]
pub enum PersonaDefinitionSource {
    /// What `PersonaVersion.export` gave, or a character card of version 1, 2 or 3, at most
    /// 512 KiB.
    Json(Json),
    /// A PNG file of at most 700 KiB with a character card in it.
    Png(Base64),
}

/// A persona definition to be brought in.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaDefinitionImportInput {
    /// From what.
    pub source: PersonaDefinitionSource,
    /// Its slug here; the document's own, or one made of the name, when not said.
    pub slug: Option<String>,
    /// Of a definition that is there already: its latest version as you know it. It gets a new
    /// version then.
    pub base_version: Option<String>,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
    /// Whether a new version of a definition that is there already is in force at once.
    pub publish: Option<bool>,
    /// Makes a repeat harmless, see `Mutation`; 1–200 characters.
    pub idempotency_key: Option<String>,
}

/// Where a persona is to be on duty: one of these.
#[derive(Clone, Copy, Debug, OneofObject)]
pub enum PersonaPlaceInput {
    /// In this conversation, and on the device where it goes on.
    ConversationId(ConversationId),
    /// On this device, and in the conversation that goes on there.
    DeviceId(DeviceId),
}

/// A persona to be put on duty.
#[derive(Clone, Debug, InputObject)]
pub struct PersonaActivateInput {
    /// Where.
    pub place: PersonaPlaceInput,
    /// The slug of an active persona definition.
    pub slug: String,
    /// Whether what was said before stays in the context; true when not said. The history keeps
    /// it in any case.
    pub preserve_context: Option<bool>,
    /// The version of the conversation as you know it; another one is a `CONFLICT`.
    pub version: Option<i32>,
}

impl PersonaActivateInput {
    /// As the use case takes it.
    pub fn into_activate(self) -> Activate {
        let Self {
            place,
            slug,
            preserve_context,
            version,
        } = self;
        Activate {
            place: match place {
                PersonaPlaceInput::ConversationId(id) => DutyPlace::Conversation(id),
                PersonaPlaceInput::DeviceId(id) => DutyPlace::Device(id),
            },
            slug,
            preserve_context: preserve_context.unwrap_or(true),
            version,
        }
    }
}

/// A knowledge document to be added.
#[derive(Clone, Debug, InputObject)]
pub struct KnowledgeDocumentAddInput {
    /// Which persona knows it; every one when not said.
    pub definition: Option<PersonaDefinitionSelector>,
    /// What it is called, 1–200 characters.
    pub title: String,
    /// The whole text, 1–200 000 characters.
    pub content: String,
    /// Makes a repeat harmless, see `Mutation`; 1–200 characters.
    pub idempotency_key: Option<String>,
}
