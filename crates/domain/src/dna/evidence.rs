//! Evidence: what in a story, an ancestor or an edit speaks for each value of DNA.

use uuid::Uuid;

use super::{Dna, PatternWindow, Predisposition, TemporalResolution, Trait};

text_enum! {
    /// Where a piece of evidence comes from.
    pub enum EvidenceSource {
        /// Words of the told story.
        Story = "story",
        /// The DNA of a parent.
        Inherited = "inherited",
        /// An edit by hand.
        Manual = "manual",
    }
}

/// One reason why a trait or an ordinal has the value it has.
///
/// The points of a trait's evidence add up to its value less 0.5, unless `clamped`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "DnaEvidence")
)]
pub struct Evidence {
    /// The trait or ordinal it speaks for.
    pub of: Predisposition,
    /// How far it moves the value: up when positive, down when negative. For the temporal
    /// resolution up is finer, for the pattern window up is longer.
    pub points: f64,
    /// Whether all evidence for this trait together leaves the range from 0 to 1, so that
    /// the value was held at its end.
    #[serde(default)]
    pub clamped: bool,
    /// Where it comes from.
    pub source: EvidenceSource,
    /// What it is about, in a few words, such as "overwork and burn-out".
    pub theme: String,
    /// The words of the story it rests on, as told. None when it does not rest on a story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Where the quote begins in the story: characters (Unicode scalar values) from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
    /// Where the quote ends in the story: the character after its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
    /// The entity it was inherited from, when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity: Option<Uuid>,
    /// The name, at the time, of the entity it was inherited from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited_from: Option<String>,
}

/// A theme that was found in a story.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct OriginTheme {
    /// Its name, stable over versions, such as `absent_parent`; free text from a language model.
    pub name: String,
    /// What it is about, in a few words.
    pub label: String,
    /// How much it moved: the sum of the sizes of its points.
    pub weight: f64,
}

/// Points at which an ordinal leaves medium.
pub(super) const ORDINAL_THRESHOLD: f64 = 0.15;

/// The DNA the evidence adds up to; marks the evidence of clamped traits.
pub(super) fn settle(evidence: &mut [Evidence]) -> Dna {
    let mut dna = Dna::default();
    for &which in Trait::ALL {
        let of = Predisposition::from(which);
        let sum = sum(evidence, of);
        dna.set(which, snapped(0.5 + sum));
        // A sum may miss the end by a rounding error without anything having been cut.
        if sum.abs() > 0.5 + 1e-9 {
            evidence
                .iter_mut()
                .filter(|it| it.of == of)
                .for_each(|it| it.clamped = true);
        }
    }
    dna.temporal_resolution = temporal_resolution(evidence).unwrap_or_default();
    dna.pattern_window = pattern_window(evidence).unwrap_or_default();
    dna
}

/// Points have four decimals; so has their sum, but for rounding errors.
fn snapped(value: f64) -> f64 {
    let snapped = (value * 10_000.0).round() / 10_000.0;
    if (snapped - value).abs() < 1e-12 {
        snapped
    } else {
        value
    }
}

/// The temporal resolution that evidence gives, if it gives one.
pub(super) fn temporal_resolution(evidence: &[Evidence]) -> Option<TemporalResolution> {
    match sum(evidence, Predisposition::TemporalResolution) {
        x if x >= ORDINAL_THRESHOLD => Some(TemporalResolution::High),
        x if x <= -ORDINAL_THRESHOLD => Some(TemporalResolution::Low),
        _ => None,
    }
}

/// The pattern window that evidence gives, if it gives one.
pub(super) fn pattern_window(evidence: &[Evidence]) -> Option<PatternWindow> {
    match sum(evidence, Predisposition::PatternWindow) {
        x if x >= ORDINAL_THRESHOLD => Some(PatternWindow::Long),
        x if x <= -ORDINAL_THRESHOLD => Some(PatternWindow::Short),
        _ => None,
    }
}

pub(super) fn sum(evidence: &[Evidence], of: Predisposition) -> f64 {
    evidence
        .iter()
        .filter(|it| it.of == of)
        .fold(0.0, |sum, it| sum + it.points)
}
