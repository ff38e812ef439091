//! What DNA does: the mood's resting point, how hard events land, confidence and weariness
//! over time, conduct, and how finely time is spoken of. At neutral, all do nothing special.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, TimeZone, Timelike, Utc};

use super::{Dna, TemporalResolution, Trait, lexicon::prose};

/// Where a mood rests when nothing happens.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct MoodBaseline {
    /// Unpleasant to pleasant, from −0.5 to 0.5.
    pub valence: f64,
    /// Drowsy to alert, from −0.5 to 0.5.
    pub arousal: f64,
}

impl Dna {
    /// Where the mood rests: 0, 0 when neutral.
    ///
    /// Valence 0.4 r + 0.3 c − 0.3 a − 0.2 w, arousal 0.4 a + 0.3 n, each within ±0.5, of
    /// the deviations from 0.5 of resilience, confidence, anxiety, weariness, novelty.
    pub fn mood_baseline(&self) -> MoodBaseline {
        let [resilience, confidence, anxiety, weariness, novelty] = [
            self.resilience,
            self.confidence_baseline,
            self.anxiety_threshold,
            self.weariness_accumulation_rate,
            self.novelty_seeking,
        ]
        .map(|it| it - 0.5);
        let valence = 0.4 * resilience + 0.3 * confidence - 0.3 * anxiety - 0.2 * weariness;
        let arousal = 0.4 * anxiety + 0.3 * novelty;
        MoodBaseline {
            valence: valence.clamp(-0.5, 0.5),
            arousal: arousal.clamp(-0.5, 0.5),
        }
    }

    /// How fast a mood returns to its resting point, per hour: 0.05 when neutral.
    ///
    /// 0.05 · 2^(2 (resilience − ½)) · 2^(−(weariness − ½)).
    pub fn mood_return_rate(&self) -> f64 {
        let doublings = 2.0 * (self.resilience - 0.5) - (self.weariness_accumulation_rate - 0.5);
        0.05 * doublings.exp2()
    }

    /// How hard an unpleasant event lands, from 0.5 to 2: 1 when neutral.
    ///
    /// 1 + (anxiety − ½) − 0.5 (acceptance of failure − ½).
    pub fn negative_event_gain(&self) -> f64 {
        let gain = 1.0 + (self.anxiety_threshold - 0.5) - 0.5 * (self.acceptance_of_failure - 0.5);
        gain.clamp(0.5, 2.0)
    }

    /// How much a pleasant event lifts, from 0.5 to 2: 1 when neutral.
    ///
    /// 1 + 0.5 (confidence − ½).
    pub fn positive_event_gain(&self) -> f64 {
        (1.0 + 0.5 * (self.confidence_baseline - 0.5)).clamp(0.5, 2.0)
    }

    /// The gain of an event of this sentiment: above 0 pleasant, below unpleasant.
    pub fn event_gain(&self, sentiment: f64) -> f64 {
        if sentiment < 0.0 {
            self.negative_event_gain()
        } else {
            self.positive_event_gain()
        }
    }
}

/// Hours in which weariness halves at rest.
pub const WEARINESS_HALF_LIFE_HOURS: f64 = 12.0;

/// How confident and how weary an entity is, as it was at one moment.
///
/// Computed when read, like the mood: what is stored is the state after the last event.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "EntityCondition")
)]
pub struct Condition {
    /// Present self-assurance, from 0 to 1. It rests at the DNA's `confidenceBaseline`.
    pub confidence: f64,
    /// Present weariness, from 0 (rested) to 1 (worn out).
    pub weariness: f64,
    /// The moment of which this is true.
    pub as_of: DateTime<Utc>,
}

impl Condition {
    /// As one begins: confidence at its baseline, rested.
    pub fn rested(dna: &Dna, at: DateTime<Utc>) -> Self {
        Self {
            confidence: dna.confidence_baseline,
            weariness: 0.0,
            as_of: at,
        }
    }

    /// As it is at `now`, after resting since: confidence goes back to its baseline at the
    /// mood's return rate, weariness halves every 12 h. A `now` in the past changes nothing.
    #[must_use]
    pub fn at(self, dna: &Dna, now: DateTime<Utc>) -> Self {
        let hours = hours(now - self.as_of);
        if hours <= 0.0 {
            return self;
        }
        let baseline = dna.confidence_baseline;
        let kept = (-dna.mood_return_rate() * hours).exp();
        Self {
            confidence: (baseline + (self.confidence - baseline) * kept).clamp(0.0, 1.0),
            weariness: self.weariness * (-hours / WEARINESS_HALF_LIFE_HOURS).exp2(),
            as_of: now,
        }
    }

    /// After a failure at `now`: confidence loses the share `confidence_decay_rate` of itself.
    #[must_use]
    pub fn after_failure(self, dna: &Dna, now: DateTime<Utc>) -> Self {
        let settled = self.at(dna, now);
        Self {
            confidence: settled.confidence * (1.0 - dna.confidence_decay_rate),
            ..settled
        }
    }

    /// After an interaction that ended at `now` and lasted `spent`: weariness grows by
    /// `weariness_accumulation_rate` / 100 an hour. The time spent was no rest.
    #[must_use]
    pub fn after_interaction(self, dna: &Dna, spent: TimeDelta, now: DateTime<Utc>) -> Self {
        let hours = hours(spent).max(0.0);
        let settled = self.at(dna, now.checked_sub_signed(spent).unwrap_or(now));
        let grown = settled.weariness + hours * dna.weariness_accumulation_rate / 100.0;
        Self {
            weariness: grown.clamp(0.0, 1.0),
            as_of: now.max(self.as_of),
            // Confidence heals in company as well as alone.
            confidence: self.at(dna, now).confidence,
        }
    }
}

fn hours(span: TimeDelta) -> f64 {
    // Milliseconds of any span we keep are far below 2^53.
    #[expect(clippy::cast_precision_loss, reason = "exact below 285 000 years")]
    let milliseconds = span.num_milliseconds() as f64;
    milliseconds / 3_600_000.0
}

/// A sentence of conduct for the prompt, and the trait it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct StyleDirective {
    /// The trait behind it, 0.3 or less, or 0.7 or more.
    #[cfg_attr(feature = "graphql", graphql(name = "trait"))]
    pub which: Trait,
    /// One sentence, addressed to the one who speaks.
    pub sentence: &'static str,
}

/// How many directives a prompt carries at most.
pub const MAX_DIRECTIVES: usize = 6;

impl Dna {
    /// How to behave: one sentence for each trait of 0.3 or less or 0.7 or more, the six
    /// furthest from 0.5, furthest first. None when neutral.
    pub fn style_directives(&self) -> Vec<StyleDirective> {
        let mut marked: Vec<_> = self
            .traits()
            // A value that is 0.7 but for a rounding error is 0.7.
            .filter(|(_, value)| (value - 0.5).abs() >= 0.2 - 1e-9)
            .collect();
        marked.sort_by(|(_, a), (_, b)| (b - 0.5).abs().total_cmp(&(a - 0.5).abs()));
        marked
            .into_iter()
            .take(MAX_DIRECTIVES)
            .map(|(which, value)| StyleDirective {
                which,
                sentence: prose(which, value).conduct,
            })
            .collect()
    }
}

/// How an entity of this temporal resolution speaks of `then` at `now`, both on the clock
/// of the person it speaks with: "lately", "this morning", "four minutes ago".
pub fn speak_of_time<Z: TimeZone>(
    then: &DateTime<Z>,
    now: &DateTime<Z>,
    resolution: TemporalResolution,
) -> String {
    let span = Span::between(then, now);
    match resolution {
        TemporalResolution::Low => span.loosely().to_owned(),
        TemporalResolution::Medium => span.by_the_day(),
        TemporalResolution::High => span.to_the_minute(),
    }
}

struct Span {
    seconds: i64,
    ahead: bool,
    /// Whole calendar days between the two dates.
    days: i64,
    hour: u32,
    minute: u32,
    then: NaiveDate,
    now: NaiveDate,
}

impl Span {
    fn between<Z: TimeZone>(then: &DateTime<Z>, now: &DateTime<Z>) -> Self {
        let seconds = now
            .clone()
            .signed_duration_since(then.clone())
            .num_seconds();
        let (then, now) = (then.naive_local(), now.naive_local());
        Self {
            seconds: seconds.abs(),
            ahead: seconds < 0,
            days: (now.date() - then.date()).num_days().abs(),
            hour: then.hour(),
            minute: then.minute(),
            then: then.date(),
            now: now.date(),
        }
    }

    fn loosely(&self) -> &'static str {
        match (self.days, self.ahead) {
            (..=21, false) => "lately",
            (22..=90, false) => "a while ago",
            (91..=730, false) => "some time ago",
            (_, false) => "long ago",
            (..=7, true) => "soon",
            (8..=60, true) => "before long",
            (_, true) => "some day",
        }
    }

    fn by_the_day(&self) -> String {
        let part = match self.hour {
            5..=11 => "morning",
            12..=16 => "afternoon",
            17..=21 => "evening",
            _ => "night",
        };
        match (self.days, self.ahead) {
            (0, _) if part == "night" && self.hour > 4 => "tonight".to_owned(),
            (0, _) if part == "night" => "in the night".to_owned(),
            (0, _) => format!("this {part}"),
            (1, false) if part == "night" && self.hour > 4 => "last night".to_owned(),
            (1, false) => format!("yesterday {part}"),
            (1, true) => format!("tomorrow {part}"),
            (2..=6, _) => format!("on {}", self.then.format("%A")),
            _ => self.in_units(&[("week", 7), ("month", 30), ("year", 365)]),
        }
    }

    fn to_the_minute(&self) -> String {
        let clock = format!("{:02}:{:02}", self.hour, self.minute);
        match self.seconds {
            ..10 if self.ahead => "in a moment".to_owned(),
            ..10 => "a moment ago".to_owned(),
            10..60 => self.told(&count(self.seconds, "second")),
            60..3_600 => self.told(&count(self.seconds / 60, "minute")),
            3_600..21_600 => {
                let (hours, minutes) = (self.seconds / 3_600, self.seconds % 3_600 / 60);
                let mut told = count(hours, "hour");
                if minutes > 0 {
                    told = format!("{told} and {}", count(minutes, "minute"));
                }
                self.told(&told)
            }
            _ => match (self.days, self.ahead) {
                (0, _) => format!("today at {clock}"),
                (1, false) => format!("yesterday at {clock}"),
                (1, true) => format!("tomorrow at {clock}"),
                (2..=6, _) => format!("on {} at {clock}", self.then.format("%A")),
                _ if self.then.year() == self.now.year() => {
                    format!("on {} at {clock}", self.then.format("%-d %B"))
                }
                _ => format!("on {} at {clock}", self.then.format("%-d %B %Y")),
            },
        }
    }

    /// Calendar weeks, months or years: the largest unit that fits.
    fn in_units(&self, units: &[(&str, i64)]) -> String {
        let (earlier, later) = if self.ahead {
            (self.now, self.then)
        } else {
            (self.then, self.now)
        };
        let months = i64::from(later.year() - earlier.year()) * 12 + i64::from(later.month())
            - i64::from(earlier.month());
        // A month counts when its day has come.
        let whole = u32::try_from(months)
            .ok()
            .and_then(|it| earlier.checked_add_months(Months::new(it)))
            .map_or(months, |it| if it > later { months - 1 } else { months });
        let (unit, n) = match whole {
            12.. => ("year", whole / 12),
            1.. => ("month", whole),
            _ => (units[0].0, self.days / units[0].1),
        };
        match (n, self.ahead) {
            (1, false) => format!("last {unit}"),
            (1, true) => format!("next {unit}"),
            _ => self.told(&count(n, unit)),
        }
    }

    fn told(&self, amount: &str) -> String {
        if self.ahead {
            format!("in {amount}")
        } else {
            format!("{amount} ago")
        }
    }
}

fn count(n: i64, unit: &str) -> String {
    const WORDS: [&str; 13] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let plural = if n == 1 { "" } else { "s" };
    match usize::try_from(n).ok().and_then(|it| WORDS.get(it)) {
        Some(word) => format!("{word} {unit}{plural}"),
        None => format!("{n} {unit}{plural}"),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that must be exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dna::compare::tests::any_dna;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn neutral_dna_does_nothing_special() {
        let dna = Dna::default();
        assert_eq!(
            dna.mood_baseline(),
            MoodBaseline {
                valence: 0.0,
                arousal: 0.0
            }
        );
        assert!((dna.mood_return_rate() - 0.05).abs() < 1e-15);
        assert_eq!(dna.negative_event_gain(), 1.0);
        assert_eq!(dna.positive_event_gain(), 1.0);
        assert_eq!(dna.style_directives(), []);
        let start = at("2026-01-01T00:00:00Z");
        let later = at("2026-03-01T00:00:00Z");
        let rested = Condition::rested(&dna, start);
        assert_eq!((rested.confidence, rested.weariness), (0.5, 0.0));
        assert_eq!(
            rested.at(&dna, later),
            Condition {
                as_of: later,
                ..rested
            }
        );
    }

    #[test]
    fn the_formulas_hold_at_their_ends() {
        let dna = Dna {
            resilience: 1.0,
            confidence_baseline: 1.0,
            anxiety_threshold: 0.0,
            weariness_accumulation_rate: 0.0,
            acceptance_of_failure: 1.0,
            ..Dna::default()
        };
        assert_eq!(dna.mood_baseline().valence, 0.5, "0.6 is clamped");
        assert!((dna.mood_baseline().arousal + 0.2).abs() < 1e-12);
        assert!((dna.mood_return_rate() - 0.05 * 2.0_f64.powf(1.5)).abs() < 1e-12);
        assert_eq!(dna.negative_event_gain(), 0.5, "0.25 is clamped");
        assert_eq!(dna.positive_event_gain(), 1.25);
        assert_eq!(dna.event_gain(-0.3), 0.5);
    }

    #[test]
    fn confidence_falls_and_recovers_and_weariness_halves_in_twelve_hours() {
        let dna = Dna {
            confidence_decay_rate: 0.4,
            ..Dna::default()
        };
        let start = at("2026-01-01T00:00:00Z");
        let fallen = Condition::rested(&dna, start).after_failure(&dna, start);
        assert!((fallen.confidence - 0.3).abs() < 1e-12);
        let healed = fallen.at(&dna, at("2026-01-01T20:00:00Z"));
        assert!((healed.confidence - (0.5 - 0.2 * (-1.0_f64).exp())).abs() < 1e-12);

        let noon = at("2026-01-01T12:00:00Z");
        let tired =
            Condition::rested(&dna, start).after_interaction(&dna, TimeDelta::hours(12), noon);
        assert!((tired.weariness - 12.0 * 0.005).abs() < 1e-12);
        let rested = tired.at(&dna, at("2026-01-02T00:00:00Z"));
        assert!((rested.weariness - 0.03).abs() < 1e-12);
    }

    #[test]
    fn the_strongest_six_directives_come_first() {
        let mut dna = Dna::default();
        for (i, &which) in Trait::ALL.iter().enumerate().take(9) {
            dna.set(which, 0.7 + 0.03 * f64::from(u32::try_from(i).unwrap()));
        }
        let told: Vec<_> = dna.style_directives().iter().map(|it| it.which).collect();
        let strongest: Vec<_> = Trait::ALL[3..9].iter().rev().copied().collect();
        assert_eq!(told, strongest);
    }

    #[test]
    fn every_trait_has_a_sentence_each_way() {
        let mut seen = std::collections::BTreeSet::new();
        for &which in Trait::ALL {
            for value in [0.3, 0.7] {
                let mut dna = Dna::default();
                dna.set(which, value);
                let told = dna.style_directives();
                assert_eq!(told.len(), 1, "{which} {value}");
                assert!(told[0].sentence.ends_with('.'), "{}", told[0].sentence);
                assert!(seen.insert(told[0].sentence));
            }
        }
    }

    #[test]
    fn time_is_spoken_of_as_finely_as_it_is_felt() {
        use TemporalResolution::{High, Low, Medium};
        let now = at("2026-05-13T15:30:00Z");
        let told = |then: &str, how| speak_of_time(&at(then), &now, how);
        assert_eq!(told("2026-05-13T15:26:00Z", High), "four minutes ago");
        assert_eq!(told("2026-05-13T15:26:00Z", Low), "lately");
        assert_eq!(told("2026-05-13T08:00:00Z", Medium), "this morning");
        assert_eq!(
            told("2026-05-13T13:20:00Z", High),
            "two hours and ten minutes ago"
        );
        assert_eq!(told("2026-05-12T23:00:00Z", Medium), "last night");
        assert_eq!(told("2026-05-12T19:05:00Z", High), "yesterday at 19:05");
        assert_eq!(told("2026-05-10T10:00:00Z", Medium), "on Sunday");
        assert_eq!(told("2026-05-01T10:00:00Z", Medium), "last week");
        assert_eq!(told("2026-02-14T10:00:00Z", Medium), "two months ago");
        assert_eq!(told("2025-05-13T10:00:00Z", Medium), "last year");
        assert_eq!(
            told("2024-02-29T10:00:00Z", High),
            "on 29 February 2024 at 10:00"
        );
        assert_eq!(told("2019-02-14T10:00:00Z", Low), "long ago");
        assert_eq!(told("2026-05-13T15:34:00Z", High), "in four minutes");
        assert_eq!(told("2026-05-14T09:00:00Z", Medium), "tomorrow morning");
        assert_eq!(told("2026-05-14T09:00:00Z", Low), "soon");
        assert_eq!(told("2026-05-13T15:30:05Z", High), "in a moment");
    }

    proptest! {
        #[test]
        fn effects_stay_in_range(dna in any_dna(), minutes in 0..10_000_000_i64, spent in 0..100_000_i64) {
            let mood = dna.mood_baseline();
            prop_assert!(mood.valence.abs() <= 0.5 && mood.arousal.abs() <= 0.5);
            prop_assert!((0.5..=2.0).contains(&dna.negative_event_gain()));
            prop_assert!((0.5..=2.0).contains(&dna.positive_event_gain()));
            prop_assert!(dna.mood_return_rate() > 0.0);
            prop_assert!(dna.style_directives().len() <= MAX_DIRECTIVES);
            let start = at("2026-01-01T00:00:00Z");
            let later = start + TimeDelta::minutes(minutes);
            let condition = Condition::rested(&dna, start)
                .after_failure(&dna, later)
                .after_interaction(&dna, TimeDelta::minutes(spent), later);
            prop_assert!((0.0..=1.0).contains(&condition.confidence));
            prop_assert!((0.0..=1.0).contains(&condition.weariness));
            prop_assert!(condition.as_of == later);
        }

        #[test]
        fn any_two_times_can_be_spoken_of(a in -60_000_000_000_i64..250_000_000_000, b in -60_000_000_000_i64..250_000_000_000) {
            let (a, b) = (DateTime::from_timestamp(a, 0).unwrap(), DateTime::from_timestamp(b, 0).unwrap());
            for &how in TemporalResolution::ALL {
                prop_assert!(!speak_of_time(&a, &b, how).is_empty());
            }
        }
    }
}
