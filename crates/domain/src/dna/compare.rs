//! Comparing DNA, and editing it by hand.

use super::{
    Dna, Evidence, EvidenceSource, PatternWindow, Predisposition, TemporalResolution, Trait,
};
use crate::check::{Check, Invalid};

/// How alike two are, from 0 (opposite in every trait) to 1 (the same): 1 − d / √17, where
/// d is the Euclidean distance over the traits. The ordinals do not count.
pub fn similarity(a: &Dna, b: &Dna) -> f64 {
    let squares: f64 = a
        .traits()
        .map(|(which, x)| (x - b.get(which)).powi(2))
        .sum();
    (1.0 - (squares / 17.0).sqrt()).clamp(0.0, 1.0)
}

/// One trait of two entities, side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct TraitComparison {
    /// The trait.
    #[cfg_attr(feature = "graphql", graphql(name = "trait"))]
    pub which: Trait,
    /// Its value in the first, from 0 to 1.
    pub a: f64,
    /// Its value in the second, from 0 to 1.
    pub b: f64,
    /// How much more the second has, from −1 to 1: b − a.
    pub difference: f64,
}

/// The traits of two, side by side, in the documented order.
pub fn compare(a: &Dna, b: &Dna) -> Vec<TraitComparison> {
    a.traits()
        .map(|(which, x)| {
            let y = b.get(which);
            TraitComparison {
                which,
                a: x,
                b: y,
                difference: y - x,
            }
        })
        .collect()
}

/// An edit of DNA by hand: what is named is set, the rest stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DnaAdjustment {
    /// New values of traits, each from 0 to 1. Of one trait named twice the last counts.
    pub traits: Vec<(Trait, f64)>,
    /// The new temporal resolution.
    pub temporal_resolution: Option<TemporalResolution>,
    /// The new pattern window.
    pub pattern_window: Option<PatternWindow>,
}

/// Applies an edit. Evidence of what it sets gives way to the edit itself, so that the
/// points still add up. Every value out of range is reported, with its field.
pub fn adjust(
    dna: &Dna,
    evidence: &[Evidence],
    adjustment: &DnaAdjustment,
) -> Result<(Dna, Vec<Evidence>), Invalid> {
    let mut check = Check::new();
    let mut adjusted = *dna;
    let mut replaced = Vec::new();
    for &(which, value) in &adjustment.traits {
        check.number(which.field_name(), value, 0.0..=1.0);
        adjusted.set(which, value);
        replaced.retain(|&(of, _)| of != Predisposition::from(which));
        replaced.push((Predisposition::from(which), value - 0.5));
    }
    if let Some(resolution) = adjustment.temporal_resolution {
        adjusted.temporal_resolution = resolution;
        let points = match resolution {
            TemporalResolution::Low => -0.5,
            TemporalResolution::Medium => 0.0,
            TemporalResolution::High => 0.5,
        };
        replaced.push((Predisposition::TemporalResolution, points));
    }
    if let Some(window) = adjustment.pattern_window {
        adjusted.pattern_window = window;
        let points = match window {
            PatternWindow::Short => -0.5,
            PatternWindow::Medium => 0.0,
            PatternWindow::Long => 0.5,
        };
        replaced.push((Predisposition::PatternWindow, points));
    }
    check.done()?;

    let kept = evidence
        .iter()
        .filter(|it| replaced.iter().all(|&(of, _)| of != it.of))
        .cloned();
    let set = replaced.iter().map(|&(of, points)| Evidence {
        of,
        points,
        clamped: false,
        source: EvidenceSource::Manual,
        theme: "set by hand".to_owned(),
        quote: None,
        start: None,
        end: None,
        entity: None,
        inherited_from: None,
    });
    Ok((adjusted, kept.chain(set).collect()))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that must be exact")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::dna) fn any_dna() -> impl Strategy<Value = Dna> {
        (
            proptest::collection::vec(0.0..=1.0_f64, 17),
            0..3_usize,
            0..3_usize,
        )
            .prop_map(|(values, resolution, window)| {
                let mut dna = Dna {
                    temporal_resolution: TemporalResolution::ALL[resolution],
                    pattern_window: PatternWindow::ALL[window],
                    ..Dna::default()
                };
                for (&which, value) in Trait::ALL.iter().zip(values) {
                    dna.set(which, value);
                }
                dna
            })
    }

    #[test]
    fn opposite_is_zero_and_same_is_one() {
        let (mut low, mut high) = (Dna::default(), Dna::default());
        for &which in Trait::ALL {
            low.set(which, 0.0);
            high.set(which, 1.0);
        }
        assert!(similarity(&low, &high).abs() < 1e-12);
        assert!((similarity(&low, &low) - 1.0).abs() < 1e-12);
        assert!((similarity(&low, &Dna::default()) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_and_bounded(a in any_dna(), b in any_dna()) {
            let s = similarity(&a, &b);
            prop_assert!((0.0..=1.0).contains(&s));
            prop_assert!((s - similarity(&b, &a)).abs() < 1e-12);
            for row in compare(&a, &b) {
                prop_assert_eq!(row.difference, row.b - row.a);
            }
        }
    }

    #[test]
    fn an_edit_sets_what_it_names_and_says_so() {
        let edit = DnaAdjustment {
            traits: vec![(Trait::Resilience, 0.8), (Trait::Resilience, 0.9)],
            temporal_resolution: Some(TemporalResolution::High),
            ..DnaAdjustment::default()
        };
        let story = "His father left when he was six and nobody spoke of it again.";
        let before = super::super::extract(story, None).unwrap();
        let (dna, evidence) = adjust(&before.dna, &before.evidence, &edit).unwrap();
        assert_eq!(dna.resilience, 0.9);
        assert_eq!(dna.temporal_resolution, TemporalResolution::High);
        let of_resilience: Vec<_> = evidence
            .iter()
            .filter(|it| it.of == Predisposition::Resilience)
            .collect();
        assert_eq!(of_resilience.len(), 1);
        assert_eq!(of_resilience[0].source, EvidenceSource::Manual);
        assert!((of_resilience[0].points - 0.4).abs() < 1e-12);
        assert_eq!(dna.anxiety_threshold, before.dna.anxiety_threshold);
    }

    #[test]
    fn every_value_out_of_range_is_named() {
        let edit = DnaAdjustment {
            traits: vec![
                (Trait::Resilience, 1.1),
                (Trait::Perfectionism, 0.5),
                (Trait::PrideInCraft, f64::NAN),
            ],
            ..DnaAdjustment::default()
        };
        let Err(Invalid(errors)) = adjust(&Dna::default(), &[], &edit) else {
            panic!("taken")
        };
        let fields: Vec<_> = errors.iter().map(|it| it.field.join(".")).collect();
        assert_eq!(fields, ["resilience", "prideInCraft"]);
    }
}
