//! What entities say to each other.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    check::{Check, Invalid, UserErrorCode},
    dna::EntityId,
    values::Json,
};

id!(
    /// Something one entity told another.
    CommunicationId, "communication"
);

text_enum! {
    /// How far something told has come.
    #[derive(Default)]
    pub enum CommunicationStatus {
        /// It is on its way.
        #[default]
        Sent = "sent",
        /// A subscription handed it over.
        Delivered = "delivered",
        /// The other has taken note.
        Read = "read",
    }
}

/// The payload of something told takes at most so many bytes as JSON.
pub const MAX_COMMUNICATION_PAYLOAD_BYTES: usize = 16 * 1_024;

/// A friendship grows by so much with every exchange.
pub const EXCHANGE_STRENGTH: f64 = 0.02;

/// How strong a friendship is after one more exchange: at most 1.
pub fn strengthened(strength: f64) -> f64 {
    (strength + EXCHANGE_STRENGTH).min(1.0)
}

/// Something one entity told another.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityMessageFields")
)]
pub struct Communication {
    /// Stable identifier.
    pub id: CommunicationId,
    /// Who told it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub from_entity_id: EntityId,
    /// Whom.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub to_entity_id: EntityId,
    /// What kind of thing it is, `[a-z_]{1,50}`, such as `greeting`.
    pub kind: String,
    /// What was told, 1–4 000 characters.
    pub content: String,
    /// What goes with it, for programs: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub payload: Json<Value>,
    /// How far it has come.
    pub status: CommunicationStatus,
    /// When a subscription handed it over.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the other took note.
    pub read_at: Option<DateTime<Utc>>,
    /// When it was told.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct CommunicationDraft {
    /// `[a-z_]{1,50}`.
    pub kind: String,
    /// 1–4 000 characters.
    pub content: String,
    /// A JSON object of at most 16 KiB.
    pub payload: Value,
}

impl CommunicationDraft {
    /// The draft, cleaned.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            kind,
            content,
            payload,
        } = self;
        let mut check = Check::new();
        let well_formed = (1..=50).contains(&kind.len())
            && kind.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        if !well_formed {
            check.fail(
                UserErrorCode::Invalid,
                "kind",
                "kind must be 1 to 50 characters of a–z and _",
            );
        }
        let content = check.text("content", &content, 1..=4_000);
        if payload.is_object() {
            check.document("payload", &payload, MAX_COMMUNICATION_PAYLOAD_BYTES);
        } else {
            check.fail(
                UserErrorCode::Invalid,
                "payload",
                "payload must be a JSON object",
            );
        }
        check.done()?;
        Ok(Self {
            kind,
            content,
            payload,
        })
    }
}
