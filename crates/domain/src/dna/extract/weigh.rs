//! What does not stand against the rest of a story.

use std::collections::HashMap;

use super::{Evidence, Predisposition};

/// A reason that may yet be outweighed.
pub(super) struct Draft {
    pub theme: usize,
    /// Whether it is the entity's own conduct rather than what it went through.
    pub told_of_itself: bool,
    pub evidence: Evidence,
}

/// Fewer points than these are no reason to believe in a direction.
const LEAST_OF_A_TRAIT: f64 = 0.05;

/// Drops what does not stand: circumstances against which the entity's own conduct speaks,
/// and the points of a trait that add up to next to nothing.
pub(super) fn weigh(drafts: &mut Vec<Draft>) {
    let sums = |drafts: &[Draft], conduct_only: bool| {
        let mut sums: HashMap<Predisposition, f64> = HashMap::new();
        for it in drafts {
            if it.told_of_itself || !conduct_only {
                *sums.entry(it.evidence.of).or_default() += it.evidence.points;
            }
        }
        sums
    };
    let conduct = sums(drafts, true);
    drafts.retain(|it| {
        let told = conduct.get(&it.evidence.of).copied().unwrap_or(0.0);
        it.told_of_itself || told * it.evidence.points >= 0.0
    });
    let total = sums(drafts, false);
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
