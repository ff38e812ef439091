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

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::DeviceId;
use crate::{
    audit::AUDIT_TYPES,
    dna::{EntityId, PatternWindow},
    identity::UserId,
    values::Json,
};

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

/// One event, as far as patterns go.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'a> {
    /// What happened.
    pub event_type: &'a str,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose doing it was.
    pub user: Option<UserId>,
    /// Where.
    pub device: Option<DeviceId>,
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

/// Sightings of one thing, met from the last to the first.
#[derive(Clone, Copy, Debug)]
struct Sightings {
    count: u32,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    device: Option<DeviceId>,
}

impl Sightings {
    fn add(to: &mut Option<Self>, at: DateTime<Utc>, device: Option<DeviceId>) {
        let it = to.get_or_insert(Self {
            count: 0,
            first: at,
            last: at,
            device,
        });
        it.count += 1;
        it.first = at;
    }
}

/// A local hour of a local day.
type Cell = (NaiveDate, u32);

#[derive(Debug)]
struct Person {
    id: UserId,
    last_cell: Cell,
    seen: Option<Sightings>,
}

/// What was met of one type of event.
#[derive(Debug)]
struct OfType {
    name: String,
    last_cell: Option<Cell>,
    hours: [Option<Sightings>; 24],
    last_day: Option<NaiveDate>,
    weekdays: [Option<Sightings>; 7],
    persons: Vec<Person>,
    /// The occurrence met before, which is the next one in time.
    next: Option<DateTime<Utc>>,
    /// Occurrences whose ten minutes are over.
    cases: u32,
    /// For how long altogether one of this type was less than ten minutes away.
    near: TimeDelta,
}

/// B after A.
#[derive(Debug, Default)]
struct Pair {
    /// Occurrences of A before another one that comes before the same B: no cases.
    repeats: u32,
    delays: TimeDelta,
    seen: Option<Sightings>,
}

/// Looks at events one after the other, the newest first, and tells what is regular in them.
/// Its memory is bounded, whatever their number.
#[derive(Debug)]
pub struct Detector {
    zone: Tz,
    window: PatternWindow,
    now: DateTime<Utc>,
    types: Vec<OfType>,
    index: HashMap<String, usize>,
    pairs: HashMap<(usize, usize), Pair>,
}

impl Detector {
    /// Has seen nothing yet. Hours and weekdays are those of `zone`.
    pub fn new(zone: Tz, window: PatternWindow, now: DateTime<Utc>) -> Self {
        Self {
            zone,
            window,
            now,
            types: Vec::new(),
            index: HashMap::new(),
            pairs: HashMap::new(),
        }
    }

    /// Looks at an event that came no later than the one before. What people did with the
    /// system ([`AUDIT_TYPES`]) is passed over.
    pub fn look(&mut self, it: Occurrence<'_>) {
        let Some(a) = self.type_of(it.event_type) else {
            return;
        };
        let local = it.at.with_timezone(&self.zone);
        let cell = (local.date_naive(), local.hour());
        self.sequences(a, it);
        let of_type = &mut self.types[a];
        if of_type.last_cell != Some(cell) {
            of_type.last_cell = Some(cell);
            if let Some(hour) = of_type.hours.get_mut(local.hour() as usize) {
                Sightings::add(hour, it.at, it.device);
            }
        }
        if of_type.last_day != Some(cell.0) {
            of_type.last_day = Some(cell.0);
            let weekday = local.weekday().num_days_from_monday() as usize;
            if let Some(weekday) = of_type.weekdays.get_mut(weekday) {
                Sightings::add(weekday, it.at, it.device);
            }
        }
        if let Some(user) = it.user {
            of_type.person(user, cell, it);
        }
        let reach = match of_type.next {
            Some(next) => (next - it.at).min(SEQUENCE_WITHIN),
            None => SEQUENCE_WITHIN,
        };
        of_type.near += reach;
        of_type.next = Some(it.at);
    }

    fn type_of(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.index.get(name) {
            return Some(*index);
        }
        if self.types.len() == MAX_TYPES || AUDIT_TYPES.contains(&name) {
            return None;
        }
        let index = self.types.len();
        self.types.push(OfType {
            name: name.to_owned(),
            last_cell: None,
            hours: [None; 24],
            last_day: None,
            weekdays: [None; 7],
            persons: Vec::new(),
            next: None,
            cases: 0,
            near: TimeDelta::zero(),
        });
        self.index.insert(name.to_owned(), index);
        Some(index)
    }

    /// What of every other type comes after this A, before the next A.
    fn sequences(&mut self, a: usize, it: Occurrence<'_>) {
        if it.at + SEQUENCE_WITHIN > self.now {
            // What comes after may be still to come.
            return;
        }
        self.types[a].cases += 1;
        let soon = |at: &DateTime<Utc>| *at - it.at <= SEQUENCE_WITHIN;
        let again = self.types[a].next.filter(soon);
        for b in 0..self.types.len() {
            let Some(next) = self.types[b].next.filter(soon) else {
                continue;
            };
            if b == a {
                continue;
            }
            let pair = self.pairs.entry((a, b)).or_default();
            if again.is_some_and(|again| again <= next) {
                pair.repeats += 1;
            } else {
                pair.delays += next - it.at;
                Sightings::add(&mut pair.seen, next, it.device);
            }
        }
    }

    /// What is regular in the events looked at, the surest first.
    pub fn finish(self) -> Vec<Found> {
        let mut found = Vec::new();
        for it in &self.types {
            self.hours(it, &mut found);
            self.weekdays(it, &mut found);
            persons(it, &mut found);
        }
        for (&(a, b), pair) in &self.pairs {
            found.extend(self.sequence(&self.types[a], &self.types[b], pair));
        }
        found.sort_by(|a, b| {
            (b.confidence.total_cmp(&a.confidence)).then_with(|| a.key.cmp(&b.key))
        });
        found.truncate(MAX_PATTERNS);
        found
    }

    fn hours(&self, of_type: &OfType, found: &mut Vec<Found>) {
        for (hour, seen, trial) in concentrated(&of_type.hours) {
            let evidence = PatternEvidence {
                hour: Some(hour),
                time_zone: Some(self.zone.name().to_owned()),
                ..trial.evidence(&of_type.name)
            };
            found.push(seen.found(
                PatternKind::Temporal,
                format!("temporal:{}:hour:{hour}", of_type.name),
                format!(
                    "{} mostly between {hour:02}:00 and {:02}:00 ({} of {} times)",
                    words(&of_type.name),
                    (hour + 1) % 24,
                    trial.seen,
                    trial.cases
                ),
                evidence,
            ));
        }
    }

    fn weekdays(&self, of_type: &OfType, found: &mut Vec<Found>) {
        const NAMES: [&str; 7] = [
            "Mondays",
            "Tuesdays",
            "Wednesdays",
            "Thursdays",
            "Fridays",
            "Saturdays",
            "Sundays",
        ];
        for (day, seen, trial) in concentrated(&of_type.weekdays) {
            let weekday = day + 1;
            let name = usize::try_from(day).ok().and_then(|it| NAMES.get(it));
            let evidence = PatternEvidence {
                weekday: Some(weekday),
                time_zone: Some(self.zone.name().to_owned()),
                ..trial.evidence(&of_type.name)
            };
            found.push(seen.found(
                PatternKind::Temporal,
                format!("temporal:{}:weekday:{weekday}", of_type.name),
                format!(
                    "{} mostly on {} ({} of {} days)",
                    words(&of_type.name),
                    name.unwrap_or(&"one weekday"),
                    trial.seen,
                    trial.cases
                ),
                evidence,
            ));
        }
    }

    fn sequence(&self, a: &OfType, b: &OfType, pair: &Pair) -> Option<Found> {
        let seen = pair.seen?;
        let trial = Trial {
            seen: seen.count,
            cases: a.cases - pair.repeats,
            chance: seconds(b.near) / seconds(self.window.length()),
        };
        if !trial.holds(MIN_SEQUENCE_SHARE) {
            return None;
        }
        let evidence = PatternEvidence {
            followed_by: Some(b.name.clone()),
            mean_delay_seconds: Some(seconds(pair.delays) / f64::from(seen.count)),
            ..trial.evidence(&a.name)
        };
        Some(seen.found(
            PatternKind::Sequence,
            format!("sequence:{}:{}", a.name, b.name),
            format!(
                "{} within 10 minutes after {} ({} of {} times)",
                words(&b.name),
                words(&a.name),
                trial.seen,
                trial.cases
            ),
            evidence,
        ))
    }
}

impl OfType {
    fn person(&mut self, id: UserId, cell: Cell, it: Occurrence<'_>) {
        if let Some(person) = self.persons.iter_mut().find(|it| it.id == id) {
            if person.last_cell != cell {
                person.last_cell = cell;
                Sightings::add(&mut person.seen, it.at, it.device);
            }
        } else if self.persons.len() < MAX_PERSONS {
            let mut seen = None;
            Sightings::add(&mut seen, it.at, it.device);
            self.persons.push(Person {
                id,
                last_cell: cell,
                seen,
            });
        }
    }
}

fn persons(of_type: &OfType, found: &mut Vec<Found>) {
    if of_type.persons.len() < 2 {
        // Whose doing it is says nothing where there is nobody else.
        return;
    }
    let tallies: Vec<_> = of_type.persons.iter().map(|it| it.seen).collect();
    for (place, seen, trial) in concentrated(&tallies) {
        let Some(person) = usize::try_from(place)
            .ok()
            .and_then(|it| of_type.persons.get(it))
        else {
            continue;
        };
        let user = person.id;
        found.push(Found {
            user: Some(user),
            ..seen.found(
                PatternKind::Social,
                format!("social:{}:{user}", of_type.name),
                format!(
                    "{} mostly by one of {} persons ({} of {} times)",
                    words(&of_type.name),
                    of_type.persons.len(),
                    trial.seen,
                    trial.cases
                ),
                trial.evidence(&of_type.name),
            )
        });
    }
}

/// A share of cases against chance.
#[derive(Clone, Copy, Debug)]
struct Trial {
    seen: u32,
    cases: u32,
    chance: f64,
}

impl Trial {
    fn share(self) -> f64 {
        f64::from(self.seen) / f64::from(self.cases.max(1))
    }

    fn holds(self, min_share: f64) -> bool {
        self.cases >= MIN_CASES
            && self.share() >= min_share
            && upper_tail(self.seen, self.cases, self.chance) < MAX_P_VALUE
    }

    fn evidence(self, event_type: &str) -> PatternEvidence {
        PatternEvidence {
            event_type: event_type.to_owned(),
            followed_by: None,
            hour: None,
            weekday: None,
            time_zone: None,
            cases: i32::try_from(self.cases).unwrap_or(i32::MAX),
            share: self.share(),
            expected_share: self.chance,
            p_value: upper_tail(self.seen, self.cases, self.chance),
            mean_delay_seconds: None,
        }
    }
}

impl Sightings {
    fn found(
        self,
        kind: PatternKind,
        key: String,
        description: String,
        evidence: PatternEvidence,
    ) -> Found {
        Found {
            kind,
            key,
            description,
            confidence: confidence(evidence.share, self.count),
            evidence,
            support: self.count,
            user: None,
            device: self.device,
            first_seen_at: self.first,
            last_seen_at: self.last,
        }
    }
}

/// The places that have more than an even spread over all of them explains.
fn concentrated(
    places: &[Option<Sightings>],
) -> impl Iterator<Item = (i32, Sightings, Trial)> + '_ {
    let cases = places.iter().flatten().map(|it| it.count).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most a hundred places")]
    let chance = 1.0 / places.len() as f64;
    let places = (0..).zip(places.iter());
    places.filter_map(move |(place, seen)| {
        let seen = (*seen)?;
        let trial = Trial {
            seen: seen.count,
            cases,
            chance,
        };
        trial.holds(MIN_SHARE).then_some((place, seen, trial))
    })
}

/// An event type as words.
fn words(event_type: &str) -> String {
    event_type.replace('_', " ")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a year are below 2^52"
)]
fn seconds(delta: TimeDelta) -> f64 {
    delta.num_milliseconds() as f64 / 1_000.0
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
