//! The entity, its origin, and the rows its DNA is kept in.

use chrono::{DateTime, Utc};

use crate::{device::DeviceId, identity::UserId, persona::PersonaDefinitionId, values::Json};

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
