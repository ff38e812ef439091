//! What does not stand against the rest of a story.

use std::collections::HashMap;

use super::{Evidence, Predisposition};

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
const LEAST_OF_A_TRAIT: f64 = 0.05;

/// Drops what does not stand: what weightier reasons speak against, and the points of a trait that add up to next to nothing.
pub(super) fn weigh(drafts: &mut Vec<Draft>) {
    let sums = |drafts: &[Draft], least: Weight| {
        let mut sums: HashMap<Predisposition, f64> = HashMap::new();
        for it in drafts.iter().filter(|it| it.weight >= least) {
            *sums.entry(it.evidence.of).or_default() += it.evidence.points;
        }
        sums
    };
    for least in [Weight::StatedConduct, Weight::Statement, Weight::Conduct] {
        let told = sums(drafts, least);
        drafts.retain(|it| {
            let told = told.get(&it.evidence.of).copied().unwrap_or(0.0);
            it.weight >= least || told * it.evidence.points >= 0.0
        });
    }
    let total = sums(drafts, Weight::Circumstance);
    drafts.retain(|it| {
        let of = it.evidence.of;
        let sum = total.get(&of).copied().unwrap_or(0.0);
        is_ordinal(of) || sum.abs() >= LEAST_OF_A_TRAIT
    });
}

pub(super) fn is_ordinal(of: Predisposition) -> bool {
    matches!(
        of,
        Predisposition::TemporalResolution | Predisposition::PatternWindow
    )
}
