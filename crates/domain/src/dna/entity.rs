//! The entity, its origin, and the rows its DNA is kept in.

use chrono::{DateTime, Utc};

use super::{Dna, Evidence};
use crate::{
    device::{DeviceId, DeviceType},
    identity::UserId,
    persona::PersonaDefinitionId,
    values::Json,
};

id!(
    /// An AI somebody: an appliance's character, a bot, a virtual person.
    EntityId, "entity"
);
id!(
    /// A told backstory.
    EntityOriginId, "origin"
);
id!(
    /// An entity's predispositions.
    EntityDnaId, "dna"
);
id!(
    /// A former state of an entity's DNA.
    EntityDnaRevisionId, "dnarev"
);
id!(
    /// How two entities stand to each other.
    EntityRelationshipId, "kinship"
);

text_enum! {
    /// What kind of somebody an entity is.
    #[derive(Default)]
    pub enum EntityKind {
        /// The character of an appliance.
        #[default]
        Appliance = "appliance",
        /// A chat bot.
        Bot = "bot",
        /// A person who lives on no device.
        Virtual = "virtual",
    }
}

text_enum! {
    /// Who read the DNA.
    pub enum Extractor {
        /// The lexicon: offline, deterministic, explains itself.
        Lexicon = "lexicon",
        /// A large language model.
        Llm = "llm",
        /// A person, by hand.
        Manual = "manual",
        /// Nobody: it was inherited.
        Inherited = "inherited",
    }
}

text_enum! {
    /// What an entity is to another.
    pub enum KinshipKind {
        /// The other descends from it.
        Parent = "parent",
        /// It descends from the other.
        Child = "child",
        /// They share a parent.
        Sibling = "sibling",
        /// They talk.
        Friend = "friend",
        /// It teaches the other.
        Mentor = "mentor",
        /// It competes with the other.
        Rival = "rival",
    }
}

/// An AI somebody. It may be cast onto one device, moved to another, or live on none.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityFields")
)]
pub struct Entity {
    /// Stable identifier.
    pub id: EntityId,
    /// Who owns it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub owner_id: UserId,
    /// What kind of somebody it is.
    pub kind: EntityKind,
    /// What it is called, 1–100 characters.
    pub name: String,
    /// The device it is cast onto.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// Its character in a few sentences, at most 2 000 characters.
    pub personality: Option<String>,
    /// What it likes to talk about.
    pub interests: Json<Vec<String>>,
    /// Configuration of its personality: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub personality_config: Json<serde_json::Value>,
    /// The voice assigned to it, in the shape that speech synthesizers take.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub voice_config: Json<serde_json::Value>,
    /// The template of its system prompt.
    pub personality_template: Option<String>,
    /// How many tokens of context it is given, 50–32 000.
    pub personality_tokens: i32,
    /// The persona definition it plays.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub persona_definition_id: Option<PersonaDefinitionId>,
    /// An inactive entity takes no part in anything new.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl Entity {
    /// A new entity of which nothing more is known.
    pub fn new(
        id: EntityId,
        owner_id: UserId,
        kind: EntityKind,
        name: String,
        now: DateTime<Utc>,
    ) -> Self {
        let nothing = || Json(serde_json::Value::Object(serde_json::Map::new()));
        Self {
            id,
            owner_id,
            kind,
            name,
            device_id: None,
            personality: None,
            interests: Json(Vec::new()),
            personality_config: nothing(),
            voice_config: nothing(),
            personality_template: None,
            personality_tokens: DEFAULT_TOKENS,
            persona_definition_id: None,
            is_active: true,
            created_at: now,
            updated_at: now,
        }
    }
}

/// How many tokens of context an entity is given unless said otherwise (the Soven seed).
pub const DEFAULT_TOKENS: i32 = 2_000;

/// The told backstory an entity's DNA is read from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityOriginFields")
)]
pub struct EntityOrigin {
    /// Stable identifier.
    pub id: EntityOriginId,
    /// Whose story it is.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: EntityId,
    /// The story as it was told, 20–20 000 characters.
    pub origin_story: String,
    /// What the story made of the entity, in two or three sentences.
    pub narrative_context: Option<String>,
    /// The themes found in the story, strongest first.
    pub themes: Json<Vec<String>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// An entity's DNA with where it comes from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityDnaFields")
)]
pub struct EntityDna {
    /// Stable identifier.
    pub id: EntityDnaId,
    /// Whose DNA it is.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: EntityId,
    /// The 17 traits and two ordinals.
    #[cfg_attr(feature = "graphql", graphql(flatten))]
    pub dna: Dna,
    /// 0 for an entity that was told, one more than its parents for one that was born.
    pub generation: i32,
    /// The entity it descends from.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub parent_id: Option<EntityId>,
    /// The other entity it descends from.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub co_parent_id: Option<EntityId>,
    /// The version of the rules that made it.
    pub dna_version: String,
    /// Who read it.
    pub extractor: Extractor,
    /// The seed of its inheritance: the same parents, story and seed give the same DNA.
    pub seed: Option<i64>,
    /// What moved each value, and by how much. Large: lists leave it out.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub evidence: Json<Vec<Evidence>>,
    /// Rises with every change; see `revisions`.
    pub revision: i32,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a revision of DNA keeps, so that it can be restored.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "DnaSnapshot")
)]
pub struct DnaSnapshot {
    /// The values.
    #[serde(flatten)]
    #[cfg_attr(feature = "graphql", graphql(flatten))]
    pub dna: Dna,
    /// Who read them.
    pub extractor: Extractor,
    /// The version of the rules that made them.
    pub dna_version: String,
    /// What moved each value.
    pub evidence: Vec<Evidence>,
    /// The seed of the inheritance.
    pub seed: Option<i64>,
    /// The story at the time.
    pub origin_story: Option<String>,
    /// What the story made of the entity.
    pub narrative_context: Option<String>,
    /// The themes found in the story.
    pub themes: Vec<String>,
}

/// One state of an entity's DNA: how it became so, and what it was.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "DnaRevisionFields")
)]
pub struct EntityDnaRevision {
    /// Stable identifier.
    pub id: EntityDnaRevisionId,
    /// Whose DNA it is.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: EntityId,
    /// 1 for the first, and so on.
    pub revision: i32,
    /// The DNA as it was from then on.
    #[cfg_attr(feature = "graphql", graphql(name = "snapshot"))]
    pub dna: Json<DnaSnapshot>,
    /// Why it changed, in a few words.
    pub cause: String,
    /// When it changed.
    pub created_at: DateTime<Utc>,
}

/// How one entity stands to another, seen from the first.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "KinshipFields")
)]
pub struct EntityRelationship {
    /// Stable identifier.
    pub id: EntityRelationshipId,
    /// The one it is seen from.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub from_entity_id: EntityId,
    /// The other.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub to_entity_id: EntityId,
    /// What the first is to the other.
    pub kind: KinshipKind,
    /// From 0 (in name only) to 1 (inseparable).
    pub strength: f64,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// The seed's view of an entity with its device, origin and the most asked-for traits.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityProfileFields")
)]
pub struct EntityProfile {
    /// The entity.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: EntityId,
    /// Who owns it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub owner_id: UserId,
    /// The device it is cast onto.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// What the owner calls the device.
    pub device_name: Option<String>,
    /// What the entity is called.
    pub ai_name: String,
    /// What kind of hardware the device is.
    pub device_type: Option<DeviceType>,
    /// Where the device stands.
    pub location: Option<String>,
    /// The device's serial number.
    pub serial_number: Option<String>,
    /// 1: a hub that acts by itself. 2: an actuator that takes commands from a hub.
    pub tier: Option<i32>,
    /// The story as it was told.
    pub origin_story: Option<String>,
    /// What the story made of the entity.
    pub narrative_context: Option<String>,
    /// How easily stressed, from 0 (calm) to 1 (very anxious).
    pub anxiety_threshold: Option<f64>,
    /// Drive to help others, from 0 (self-focused) to 1 (service-focused).
    pub service_orientation: Option<f64>,
    /// Need for independence, from 0 (dependent) to 1 (very independent).
    pub autonomy_desire: Option<f64>,
    /// Recovery from failure, from 0 (fragile) to 1 (bounces back).
    pub resilience: Option<f64>,
    /// 0 for an entity that was told, one more than its parents for one that was born.
    pub generation: Option<i32>,
    /// The voice assigned to it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub voice_config: Json<serde_json::Value>,
    /// Configuration of its personality.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub personality_config: Json<serde_json::Value>,
    /// When the entity was made.
    pub created_at: DateTime<Utc>,
}
