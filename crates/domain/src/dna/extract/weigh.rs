//! What does not stand against the rest of a story.

use std::collections::HashMap;

use super::{Evidence, Predisposition, rounded};

/// What a reason weighs against reasons to the contrary: more outweighs less, however many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What somebody went through.
    Circumstance,
    /// What the entity did.
    Conduct,
    /// What is said outright of the entity as it is: "she is never on time".
    Statement,
    /// What is said outright of what it does.
    StatedConduct,
}

/// A reason that may yet be outweighed.
pub(super) struct Draft {
    pub theme: usize,
    pub weight: Weight,
    pub evidence: Evidence,
}

/// Fewer points than these are no reason to believe in a direction.
const LEAST_OF_A_TRAIT: f64 = 0.1;

/// The same where no cue speaks for the trait.
const LEAST_OF_WORDING_ALONE: f64 = 0.16;

/// The same where no cue speaks in the whole story.
const LEAST_WITHOUT_CUES: f64 = 0.5;

/// Cues that say less leave it to the wording how much is said.
const LEAST_OF_CUES: f64 = 0.05;

/// With fewer points the wording does not contradict the cues of a trait.
const LEAST_TO_CONTRADICT: f64 = 0.25;

/// What the cues of a trait count for at most beside the wording.
const MOST_OF_CUES: f64 = 0.3;

/// The share of a trait's points, all taken without their signs, that must be left when they are
/// added up: less is a story that pulls both ways.
const LEAST_AGREEMENT: f64 = 0.35;

/// Drops what does not stand: what weightier reasons speak against.
pub(super) fn weigh(drafts: &mut Vec<Draft>) {
    for least in [Weight::StatedConduct, Weight::Statement, Weight::Conduct] {
        let told = Sums::of(drafts.iter().filter(|it| it.weight >= least));
        drafts.retain(|it| it.weight >= least || told.net(it) * it.evidence.points >= 0.0);
    }
}

/// Adds what the wording says to what the cues say, where it says something else; what it
/// contradicts then counts for [`MOST_OF_CUES`] at most. First drops the points of a trait that
/// add up to next to nothing, both taken together, or that pull both ways nearly alike.
pub(super) fn join(drafts: &mut Vec<Draft>, wording: Vec<Draft>) {
    let (cues, words) = (Sums::of(&*drafts), Sums::of(&wording));
    let contradicted = |it: &Draft| {
        cues.net(it) * words.net(it) < 0.0 && words.net(it).abs() >= LEAST_TO_CONTRADICT
    };
    let share = |it: &Draft| (MOST_OF_CUES / cues.net(it).abs()).min(1.0);
    let stands = |it: &Draft| {
        let net = share(it) * cues.net(it) + words.net(it);
        let gross = share(it) * cues.gross(it) + words.gross(it);
        let least = if cues.gross(it) > 0.0 {
            LEAST_OF_A_TRAIT
        } else if cues.is_empty() {
            LEAST_WITHOUT_CUES
        } else {
            LEAST_OF_WORDING_ALONE
        };
        net.abs() >= least && net.abs() >= LEAST_AGREEMENT * gross
    };
    drafts.retain(|it| is_ordinal(it.evidence.of) || stands(it));
    for it in drafts.iter_mut().filter(|it| contradicted(it)) {
        it.evidence.points = rounded(it.evidence.points * share(it));
    }
    // Where they agree, both would count the same words twice.
    let says_more = |it: &Draft| contradicted(it) || cues.net(it).abs() < LEAST_OF_CUES;
    drafts.extend(wording.into_iter().filter(|it| stands(it) && says_more(it)));
    drafts.sort_by_key(|it| it.evidence.start);
}

/// The points of each trait: added up, and without their signs.
struct Sums(HashMap<Predisposition, (f64, f64)>);

impl Sums {
    fn of<'a>(drafts: impl IntoIterator<Item = &'a Draft>) -> Self {
        let mut sums: HashMap<Predisposition, (f64, f64)> = HashMap::new();
        for Draft { evidence, .. } in drafts {
            let sum = sums.entry(evidence.of).or_default();
            sum.0 += evidence.points;
            sum.1 += evidence.points.abs();
        }
        Self(sums)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn net(&self, it: &Draft) -> f64 {
        self.0.get(&it.evidence.of).map_or(0.0, |it| it.0)
    }

    fn gross(&self, it: &Draft) -> f64 {
        self.0.get(&it.evidence.of).map_or(0.0, |it| it.1)
    }
}

pub(super) fn is_ordinal(of: Predisposition) -> bool {
    matches!(
        of,
        Predisposition::TemporalResolution | Predisposition::PatternWindow
    )
}
