//! Inputs of dna: filters, edits, creations.

use app::dna::{EntityCreate, EntityUpdate, ExtractorChoice};
use async_graphql::{Enum, InputObject, MaybeUndefined};
use domain::{
    device::DeviceId,
    dna::{DnaAdjustment, EntityId, EntityKind, PatternWindow, TemporalResolution, Trait},
    identity::UserId,
};
use persistence::dna as rows;

use crate::{connection::ScoreFilter, patch, persona::PersonaDefinitionSelector, scalar::Json};

/// Bounds on the values of DNA; every one given must hold.
///
/// Anxious and service-oriented: `{ anxietyThreshold: { gt: 0.7 }, serviceOrientation: { gt: 0.7 } }`.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DnaFilter {
    /// Exploration against routine, from 0 (prefers the familiar) to 1 (seeks the new).
    pub novelty_seeking: Option<ScoreFilter>,
    /// How easily stressed, from 0 (calm) to 1 (very anxious).
    pub anxiety_threshold: Option<ScoreFilter>,
    /// Default self-assurance, from 0 (low) to 1 (high).
    pub confidence_baseline: Option<ScoreFilter>,
    /// How fast confidence fades, from 0 (stable) to 1 (fragile).
    pub confidence_decay_rate: Option<ScoreFilter>,
    /// Susceptibility to burn-out, from 0 (resistant) to 1 (burns out fast).
    pub weariness_accumulation_rate: Option<ScoreFilter>,
    /// Recovery from failure, from 0 (fragile) to 1 (bounces back).
    pub resilience: Option<ScoreFilter>,
    /// Drive to help others, from 0 (self-focused) to 1 (service-focused).
    pub service_orientation: Option<ScoreFilter>,
    /// Need for independence, from 0 (dependent) to 1 (very independent).
    pub autonomy_desire: Option<ScoreFilter>,
    /// Deference to hierarchy, from 0 (questions) to 1 (respects).
    pub authority_recognition: Option<ScoreFilter>,
    /// Team player or lone wolf, from 0 (individual) to 1 (collaborative).
    pub cooperation_drive: Option<ScoreFilter>,
    /// Standards of quality, from 0 (relaxed) to 1 (perfectionist).
    pub perfectionism: Option<ScoreFilter>,
    /// Attention to timing, from 0 (loose) to 1 (precise).
    pub temporal_precision: Option<ScoreFilter>,
    /// Sense for beauty and design, from 0 (functional) to 1 (aesthetic).
    pub aesthetic_sensitivity: Option<ScoreFilter>,
    /// Comfort with imperfection, from 0 (cannot accept failure) to 1 (accepts it).
    pub acceptance_of_failure: Option<ScoreFilter>,
    /// Value of consistency, from 0 (flexible) to 1 (routine-driven).
    pub commitment_to_routine: Option<ScoreFilter>,
    /// Importance of good work, from 0 (indifferent) to 1 (takes pride).
    pub pride_in_craft: Option<ScoreFilter>,
    /// Past or present, from 0 (forward-looking) to 1 (nostalgic).
    pub nostalgia_bias: Option<ScoreFilter>,
    /// How finely time is perceived: one of these.
    pub temporal_resolution: Option<Vec<TemporalResolution>>,
    /// The timescale of patterns: one of these.
    pub pattern_window: Option<Vec<PatternWindow>>,
    /// How many generations came before.
    pub generation: Option<ScoreFilter>,
}

/// Which entities; every condition given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EntityFilter {
    /// Owned by this person.
    pub owner: Option<UserId>,
    /// Of one of these kinds.
    pub kind: Option<Vec<EntityKind>>,
    /// Named exactly so.
    pub name: Option<String>,
    /// Whose name has this in it, whatever the case.
    pub name_contains: Option<String>,
    /// Active ones, or inactive ones.
    pub is_active: Option<bool>,
    /// Those cast onto a device, or those that are not.
    pub is_cast: Option<bool>,
    /// Whose DNA lies within these bounds.
    pub dna: Option<DnaFilter>,
}

/// The order of entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum EntityOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By name, A to Z.
    Name,
}

/// Who is to read a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ExtractorChoice")]
pub enum DnaExtractor {
    /// The lexicon: offline, deterministic, explains itself.
    Lexicon,
    /// The language model, where one is configured and answers; else the lexicon, with a warning.
    Llm,
}

fn bounds(it: ScoreFilter) -> rows::Bounds {
    let ScoreFilter { gt, gte, lt, lte } = it;
    rows::Bounds { gt, gte, lt, lte }
}

impl DnaFilter {
    fn traits(&self) -> Vec<(Trait, rows::Bounds)> {
        let all = [
            (Trait::NoveltySeeking, self.novelty_seeking),
            (Trait::AnxietyThreshold, self.anxiety_threshold),
            (Trait::ConfidenceBaseline, self.confidence_baseline),
            (Trait::ConfidenceDecayRate, self.confidence_decay_rate),
            (
                Trait::WearinessAccumulationRate,
                self.weariness_accumulation_rate,
            ),
            (Trait::Resilience, self.resilience),
            (Trait::ServiceOrientation, self.service_orientation),
            (Trait::AutonomyDesire, self.autonomy_desire),
            (Trait::AuthorityRecognition, self.authority_recognition),
            (Trait::CooperationDrive, self.cooperation_drive),
            (Trait::Perfectionism, self.perfectionism),
            (Trait::TemporalPrecision, self.temporal_precision),
            (Trait::AestheticSensitivity, self.aesthetic_sensitivity),
            (Trait::AcceptanceOfFailure, self.acceptance_of_failure),
            (Trait::CommitmentToRoutine, self.commitment_to_routine),
            (Trait::PrideInCraft, self.pride_in_craft),
            (Trait::NostalgiaBias, self.nostalgia_bias),
        ];
        all.into_iter()
            .filter_map(|(which, it)| Some((which, bounds(it?))))
            .collect()
    }
}

impl From<EntityFilter> for rows::EntityFilter {
    fn from(it: EntityFilter) -> Self {
        let EntityFilter {
            owner,
            kind,
            name,
            name_contains,
            is_active,
            is_cast,
            dna,
        } = it;
        let dna = dna.unwrap_or_default();
        Self {
            owner,
            kinds: kind,
            name,
            name_contains,
            is_active,
            is_cast,
            traits: dna.traits(),
            temporal_resolutions: dna.temporal_resolution,
            pattern_windows: dna.pattern_window,
            generation: dna.generation.map(bounds),
        }
    }
}

impl From<EntityOrder> for rows::EntityOrder {
    fn from(it: EntityOrder) -> Self {
        match it {
            EntityOrder::Newest => Self::Newest,
            EntityOrder::Oldest => Self::Oldest,
            EntityOrder::Name => Self::Name,
        }
    }
}

/// A new entity.
#[derive(Clone, Debug, InputObject)]
pub struct EntityCreateInput {
    /// Whose it is; oneself when not said. Only administrators name another person.
    pub owner_id: Option<UserId>,
    /// What it is called, 1–100 characters. A coffee maker's character is a Barista unless named.
    pub name: Option<String>,
    /// What kind of somebody it is; an appliance's character when not said.
    pub kind: Option<EntityKind>,
    /// The device to cast it onto, one of its owner's.
    pub device: Option<DeviceId>,
    /// Its character in a few sentences, at most 2 000 characters.
    pub personality: Option<String>,
    /// What it likes to talk about: at most 50 entries of at most 100 characters.
    pub interests: Option<Vec<String>>,
    /// Configuration of its personality: a JSON object of at most 16 KiB.
    pub personality_config: Option<Json>,
    /// The template of its system prompt, at most 20 000 characters.
    pub personality_template: Option<String>,
    /// How many tokens of context it is given, 50–32 000; 2 000 when not said.
    pub personality_tokens: Option<i32>,
    /// Its backstory, 20–20 000 characters; without one its DNA is neutral.
    pub story: Option<String>,
    /// Who reads the story.
    pub extractor: Option<DnaExtractor>,
    /// Makes a repeat harmless, see `Mutation`; 1–200 characters.
    pub idempotency_key: Option<String>,
}

impl EntityCreateInput {
    /// The idempotency key, and what is to be made.
    pub fn into_parts(self) -> (Option<String>, EntityCreate) {
        let EntityCreateInput {
            owner_id,
            name,
            kind,
            device,
            personality,
            interests,
            personality_config,
            personality_template,
            personality_tokens,
            story,
            extractor,
            idempotency_key,
        } = self;
        let create = EntityCreate {
            owner: owner_id,
            name,
            kind: kind.unwrap_or_default(),
            device,
            personality,
            interests: interests.unwrap_or_default(),
            personality_config: personality_config.map(|it| it.0),
            personality_template,
            personality_tokens,
            story,
            extractor: extractor.map(Into::into),
        };
        (idempotency_key, create)
    }
}

/// A change to an entity: what is left out stays, null clears.
#[derive(Clone, Debug, InputObject)]
pub struct EntityUpdateInput {
    /// Which entity.
    pub id: EntityId,
    /// What it is called, 1–100 characters.
    pub name: Option<String>,
    /// What kind of somebody it is.
    pub kind: Option<EntityKind>,
    /// Its character in a few sentences, at most 2 000 characters.
    pub personality: MaybeUndefined<String>,
    /// What it likes to talk about: at most 50 entries of at most 100 characters.
    pub interests: Option<Vec<String>>,
    /// Configuration of its personality: a JSON object of at most 16 KiB.
    pub personality_config: Option<Json>,
    /// The template of its system prompt, at most 20 000 characters.
    pub personality_template: MaybeUndefined<String>,
    /// How many tokens of context it is given, 50–32 000.
    pub personality_tokens: Option<i32>,
    /// Whether it takes part in anything new.
    pub is_active: Option<bool>,
    /// The persona definition it plays, one of the active ones.
    pub persona_definition: MaybeUndefined<PersonaDefinitionSelector>,
}

impl EntityUpdateInput {
    /// Which entity, and what changes.
    pub fn into_parts(self) -> (EntityId, EntityUpdate) {
        let Self {
            id,
            name,
            kind,
            personality,
            interests,
            personality_config,
            personality_template,
            personality_tokens,
            is_active,
            persona_definition,
        } = self;
        let update = EntityUpdate {
            name,
            kind,
            personality: patch(personality),
            interests,
            personality_config: personality_config.map(|it| it.0),
            personality_template: patch(personality_template),
            personality_tokens,
            is_active,
            persona_definition: patch(persona_definition).map(Into::into),
        };
        (id, update)
    }
}

/// New values of DNA, each from 0 to 1; what is left out stays.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DnaValues {
    /// Exploration against routine, from 0 (prefers the familiar) to 1 (seeks the new).
    pub novelty_seeking: Option<f64>,
    /// How easily stressed, from 0 (calm) to 1 (very anxious).
    pub anxiety_threshold: Option<f64>,
    /// Default self-assurance, from 0 (low) to 1 (high).
    pub confidence_baseline: Option<f64>,
    /// How fast confidence fades, from 0 (stable) to 1 (fragile).
    pub confidence_decay_rate: Option<f64>,
    /// Susceptibility to burn-out, from 0 (resistant) to 1 (burns out fast).
    pub weariness_accumulation_rate: Option<f64>,
    /// Recovery from failure, from 0 (fragile) to 1 (bounces back).
    pub resilience: Option<f64>,
    /// Drive to help others, from 0 (self-focused) to 1 (service-focused).
    pub service_orientation: Option<f64>,
    /// Need for independence, from 0 (dependent) to 1 (very independent).
    pub autonomy_desire: Option<f64>,
    /// Deference to hierarchy, from 0 (questions) to 1 (respects).
    pub authority_recognition: Option<f64>,
    /// Team player or lone wolf, from 0 (individual) to 1 (collaborative).
    pub cooperation_drive: Option<f64>,
    /// Standards of quality, from 0 (relaxed) to 1 (perfectionist).
    pub perfectionism: Option<f64>,
    /// Attention to timing, from 0 (loose) to 1 (precise).
    pub temporal_precision: Option<f64>,
    /// Sense for beauty and design, from 0 (functional) to 1 (aesthetic).
    pub aesthetic_sensitivity: Option<f64>,
    /// Comfort with imperfection, from 0 (cannot accept failure) to 1 (accepts it).
    pub acceptance_of_failure: Option<f64>,
    /// Value of consistency, from 0 (flexible) to 1 (routine-driven).
    pub commitment_to_routine: Option<f64>,
    /// Importance of good work, from 0 (indifferent) to 1 (takes pride).
    pub pride_in_craft: Option<f64>,
    /// Past or present, from 0 (forward-looking) to 1 (nostalgic).
    pub nostalgia_bias: Option<f64>,
    /// How finely time is perceived.
    pub temporal_resolution: Option<TemporalResolution>,
    /// The timescale of patterns.
    pub pattern_window: Option<PatternWindow>,
}

impl From<DnaValues> for DnaAdjustment {
    fn from(it: DnaValues) -> Self {
        let DnaValues {
            novelty_seeking,
            anxiety_threshold,
            confidence_baseline,
            confidence_decay_rate,
            weariness_accumulation_rate,
            resilience,
            service_orientation,
            autonomy_desire,
            authority_recognition,
            cooperation_drive,
            perfectionism,
            temporal_precision,
            aesthetic_sensitivity,
            acceptance_of_failure,
            commitment_to_routine,
            pride_in_craft,
            nostalgia_bias,
            temporal_resolution,
            pattern_window,
        } = it;
        let all = [
            (Trait::NoveltySeeking, novelty_seeking),
            (Trait::AnxietyThreshold, anxiety_threshold),
            (Trait::ConfidenceBaseline, confidence_baseline),
            (Trait::ConfidenceDecayRate, confidence_decay_rate),
            (
                Trait::WearinessAccumulationRate,
                weariness_accumulation_rate,
            ),
            (Trait::Resilience, resilience),
            (Trait::ServiceOrientation, service_orientation),
            (Trait::AutonomyDesire, autonomy_desire),
            (Trait::AuthorityRecognition, authority_recognition),
            (Trait::CooperationDrive, cooperation_drive),
            (Trait::Perfectionism, perfectionism),
            (Trait::TemporalPrecision, temporal_precision),
            (Trait::AestheticSensitivity, aesthetic_sensitivity),
            (Trait::AcceptanceOfFailure, acceptance_of_failure),
            (Trait::CommitmentToRoutine, commitment_to_routine),
            (Trait::PrideInCraft, pride_in_craft),
            (Trait::NostalgiaBias, nostalgia_bias),
        ];
        Self {
            traits: all
                .into_iter()
                .filter_map(|(which, value)| Some((which, value?)))
                .collect(),
            temporal_resolution,
            pattern_window,
        }
    }
}
