//! Audit: the append-only log of what happened, for people and for machines.

use chrono::{DateTime, Datelike, Utc};

use crate::{
    check::{Check, Invalid, UserErrorCode},
    conversation::ConversationId,
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
    values::Json,
};

id!(
    /// One entry of the log.
    EventId, "event"
);

text_enum! {
    /// How much an event matters.
    #[derive(Default)]
    pub enum Severity {
        /// For those who look closely.
        Debug = "debug",
        /// Normal.
        #[default]
        Info = "info",
        /// Worth a look.
        Warning = "warning",
        /// Something failed.
        Error = "error",
        /// Somebody must act; never pruned.
        Critical = "critical",
    }
}

/// One entry of the log. It outlives what it speaks of.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EventFields")
)]
pub struct Event {
    /// Stable identifier.
    pub id: EventId,
    /// What happened, `[a-z_]{1,50}`, such as `dna_changed`.
    pub event_type: String,
    /// The device it concerns.
    pub device_id: Option<DeviceId>,
    /// The entity it concerns.
    pub entity_id: Option<EntityId>,
    /// The person it concerns.
    pub user_id: Option<UserId>,
    /// The conversation it concerns.
    pub conversation_id: Option<ConversationId>,
    /// What else there is to say; never anybody's words.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub payload: Json<serde_json::Value>,
    /// How much it matters.
    pub severity: Severity,
    /// Ties together events of one request.
    pub correlation_id: Option<String>,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Year · 100 + month of `occurred_at`, for partitioning.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub partition_key: i32,
    /// When it was logged: later than `occurred_at` for what a device reports afterwards.
    pub created_at: DateTime<Utc>,
}

impl Event {
    /// An event that concerns nothing yet; name what it concerns with struct update.
    pub fn new(id: EventId, event_type: &str, occurred_at: DateTime<Utc>) -> Self {
        Self {
            id,
            event_type: event_type.to_owned(),
            device_id: None,
            entity_id: None,
            user_id: None,
            conversation_id: None,
            payload: Json(serde_json::json!({})),
            severity: Severity::Info,
            correlation_id: None,
            occurred_at,
            partition_key: partition_key(occurred_at),
            created_at: occurred_at,
        }
    }
}

/// Year · 100 + month.
pub fn partition_key(at: DateTime<Utc>) -> i32 {
    at.year() * 100 + i32::try_from(at.month()).unwrap_or(0)
}

/// Types that only the system writes, so that the log can be believed.
pub const RESERVED_TYPES: [&str; 19] = [
    "api_call",
    "data_exported",
    "device_command",
    "device_connect",
    "device_disconnect",
    "dna_changed",
    "emergency",
    "handoff",
    "persona_switch",
    "risk_reviewed",
    "session_end",
    "session_pause",
    "session_resume",
    "session_start",
    "session_update",
    "token_created",
    "token_revoked",
    "user_erased",
    "user_merged",
];

/// An event type is `[a-z_]{1,50}`.
pub fn check_event_type(event_type: &str) -> Result<(), Invalid> {
    let mut check = Check::new();
    let well_formed = (1..=50).contains(&event_type.len())
        && event_type
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_');
    if !well_formed {
        check.fail(
            UserErrorCode::Invalid,
            "eventType",
            "eventType must be 1 to 50 characters of a–z and _",
        );
    }
    check.done()
}

/// An event type of a caller's own: none of [`RESERVED_TYPES`].
pub fn check_own_event_type(event_type: &str) -> Result<(), Invalid> {
    check_event_type(event_type)?;
    let mut check = Check::new();
    if RESERVED_TYPES.contains(&event_type) {
        check.fail(
            UserErrorCode::Invalid,
            "eventType",
            format!("eventType {event_type} is the system's own: choose another name"),
        );
    }
    check.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_type_is_lower_case_letters_and_underscores() {
        for (text, ok) in [
            ("device_connect", true),
            ("", false),
            ("Device", false),
            ("a b", false),
            ("x1", false),
            (&"a".repeat(50), true),
            (&"a".repeat(51), false),
        ] {
            assert_eq!(check_event_type(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn the_systems_own_types_are_not_a_callers() {
        assert!(check_event_type("token_created").is_ok());
        assert!(check_own_event_type("token_created").is_err());
        assert!(check_own_event_type("kettle_boiled").is_ok());
    }

    #[test]
    fn the_partition_is_year_and_month() {
        assert_eq!(partition_key(DateTime::UNIX_EPOCH), 197_001);
    }
}
