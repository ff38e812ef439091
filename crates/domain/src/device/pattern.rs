//! Learned patterns: regularities in the events of an entity and the device it lives on.
//!
//! | kind | what | when |
//! |---|---|---|
//! | temporal | an event type is concentrated in an hour of the day or on a weekday, in the owner's time zone | share ≥ 0.5 of ≥ 5 occurrences, and more than an even spread explains |
//! | sequence | B comes within 10 minutes after A | share ≥ 0.6 of ≥ 5 cases, and more than B's own frequency explains |
//! | social | an event type is mostly one person's, of several | share ≥ 0.5 of ≥ 5 occurrences, and more than an even spread explains |
//!
//! "More than … explains": a one-sided exact binomial test, p < 0.01. Confidence = share ×
//! min(1, support / 20). What happens many times on one occasion counts once, since it says
//! nothing of the next: within an hour for hours and persons, within a day for weekdays; of
//! several A before the same B the last.

use chrono::{DateTime, TimeDelta, Utc};
use statrs::distribution::{Binomial, DiscreteCDF};

use super::DeviceId;
use crate::{
    dna::{EntityId, PatternWindow},
    identity::UserId,
    values::Json,
};

mod detector;

pub use detector::{Detector, Occurrence};

id!(
    /// A regularity that an entity noticed.
    LearnedPatternId, "pattern"
);

text_enum! {
    /// What a learned pattern is about.
    pub enum PatternKind {
        /// When something happens.
        Temporal = "temporal",
        /// What comes after what.
        Sequence = "sequence",
        /// Whose doing something is.
        Social = "social",
    }
}

/// A regularity that an entity noticed in its own events and those of the device it lives on.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "LearnedPatternFields")
)]
pub struct LearnedPattern {
    /// Stable identifier.
    pub id: LearnedPatternId,
    /// Who noticed it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: EntityId,
    /// The device where it was seen last.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// Whom a social pattern is about.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: Option<UserId>,
    /// What it is about.
    pub kind: PatternKind,
    /// The time it was looked for in: 7 days (short), 30 (medium) or 365 (long).
    pub window: PatternWindow,
    /// What makes it the same pattern when it is seen again.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub pattern_key: String,
    /// In words.
    pub description: String,
    /// In numbers.
    pub evidence: Json<PatternEvidence>,
    /// Share × min(1, support / 20): from 0 to 1.
    pub confidence: f64,
    /// How often it was seen within the window.
    pub support: i32,
    /// When it was seen first.
    pub first_seen_at: DateTime<Utc>,
    /// When it was seen last.
    pub last_seen_at: DateTime<Utc>,
    /// Whether it was seen within twice its window.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// The numbers behind a learned pattern.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct PatternEvidence {
    /// The type of the events; the first of two for a sequence.
    pub event_type: String,
    /// The type of what comes after, for a sequence.
    pub followed_by: Option<String>,
    /// The hour of the day it begins with, 0–23, local.
    pub hour: Option<i32>,
    /// The day of the week, 1 (Monday) to 7.
    pub weekday: Option<i32>,
    /// The IANA time zone that hour and weekday are of.
    pub time_zone: Option<String>,
    /// How many occurrences there were, the pattern's among them.
    pub cases: i32,
    /// Which part of them the pattern has, 0–1.
    pub share: f64,
    /// Which part it would have by chance, 0–1.
    pub expected_share: f64,
    /// How probable as many would be by chance: the upper tail of the binomial distribution.
    pub p_value: f64,
    /// How long what comes after takes on average, in seconds, for a sequence.
    pub mean_delay_seconds: Option<f64>,
}

/// Fewer occurrences are no pattern.
pub const MIN_CASES: u32 = 5;
/// The least share of an hour, a weekday or a person.
pub const MIN_SHARE: f64 = 0.5;
/// The least share of a sequence.
pub const MIN_SEQUENCE_SHARE: f64 = 0.6;
/// What chance explains at least as probably is no pattern.
pub const MAX_P_VALUE: f64 = 0.01;
/// A sequence takes at most so long.
pub const SEQUENCE_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// At so many sightings a pattern is as sure as its share.
pub const FULL_SUPPORT: u32 = 20;
/// So many types of events are looked at, the most recent ones.
pub const MAX_TYPES: usize = 100;
/// So many persons are told apart for each type, the most recent ones.
pub const MAX_PERSONS: usize = 100;
/// So many patterns are kept of one look, the surest ones.
pub const MAX_PATTERNS: usize = 200;

impl PatternWindow {
    /// How far back patterns are looked for: 7, 30 or 365 days.
    pub const fn length(self) -> TimeDelta {
        match self {
            Self::Short => TimeDelta::days(7),
            Self::Medium => TimeDelta::days(30),
            Self::Long => TimeDelta::days(365),
        }
    }

    /// A pattern not seen for longer than this, twice the window, is inactive.
    pub fn forgotten_after(self) -> TimeDelta {
        self.length() * 2
    }
}

/// Share × min(1, support / 20).
pub fn confidence(share: f64, support: u32) -> f64 {
    share * (f64::from(support) / f64::from(FULL_SUPPORT)).min(1.0)
}

/// How probable it is that of `cases` trials, each with this chance, at least `seen` succeed.
pub fn upper_tail(seen: u32, cases: u32, chance: f64) -> f64 {
    match seen.checked_sub(1) {
        None => 1.0,
        Some(below) => Binomial::new(chance.clamp(0.0, 1.0), cases.into())
            .map_or(1.0, |it| it.sf(below.into()).clamp(0.0, 1.0)),
    }
}

/// A pattern that a look found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What it is about.
    pub kind: PatternKind,
    /// What makes it the same pattern when it is seen again.
    pub key: String,
    /// In words.
    pub description: String,
    /// In numbers.
    pub evidence: PatternEvidence,
    /// 0–1.
    pub confidence: f64,
    /// How often it was seen.
    pub support: u32,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// Where it was seen last.
    pub device: Option<DeviceId>,
    /// When it was seen first, within the window.
    pub first_seen_at: DateTime<Utc>,
    /// When it was seen last.
    pub last_seen_at: DateTime<Utc>,
}

impl LearnedPattern {
    /// The pattern as it is after it was found again; none when that changes nothing.
    pub fn seen_again(&self, found: Found, now: DateTime<Utc>) -> Option<Self> {
        let before = self;
        let mut after = Self {
            created_at: self.created_at,
            updated_at: self.updated_at,
            first_seen_at: self.first_seen_at.min(found.first_seen_at),
            ..found.learned(self.id, self.entity_id, self.window, now)
        };
        if after == *before {
            return None;
        }
        after.updated_at = now;
        Some(after)
    }
}

impl Found {
    /// As an entity keeps it from now on.
    pub fn learned(
        self,
        id: LearnedPatternId,
        entity: EntityId,
        window: PatternWindow,
        now: DateTime<Utc>,
    ) -> LearnedPattern {
        let Self {
            kind,
            key,
            description,
            evidence,
            confidence,
            support,
            user,
            device,
            first_seen_at,
            last_seen_at,
        } = self;
        LearnedPattern {
            id,
            entity_id: entity,
            device_id: device,
            user_id: user,
            kind,
            window,
            pattern_key: key,
            description,
            evidence: Json(evidence),
            confidence,
            support: i32::try_from(support).unwrap_or(i32::MAX),
            first_seen_at,
            last_seen_at,
            is_active: now - last_seen_at <= window.forgotten_after(),
            created_at: now,
            updated_at: now,
        }
    }
}

#[cfg(test)]
mod tests;
