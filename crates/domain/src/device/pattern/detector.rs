//! Looking at events, the newest first, for what is regular in them.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;

use super::{
    Found, MAX_P_VALUE, MAX_PATTERNS, MAX_PERSONS, MAX_TYPES, MIN_CASES, MIN_SEQUENCE_SHARE,
    MIN_SHARE, PatternEvidence, PatternKind, SEQUENCE_WITHIN, confidence, upper_tail,
};
use crate::{audit::AUDIT_TYPES, device::DeviceId, dna::PatternWindow, identity::UserId};

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
                format!("temporal:{}:hour={hour}", of_type.name),
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
                format!("temporal:{}:weekday={weekday}", of_type.name),
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
            format!("sequence:{}:{}:", a.name, b.name),
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
