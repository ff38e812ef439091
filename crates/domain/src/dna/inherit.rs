//! Inheritance: the DNA of a descendant, the same to the last bit for the same input.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use rand_distr::{Distribution, Normal};
use uuid::Uuid;

use super::{
    Dna, Evidence, EvidenceSource, Extraction, Predisposition, Trait,
    evidence::{pattern_window, settle, temporal_resolution},
};

/// The share of a parent's deviation from neutral that is passed on.
pub const HERITABILITY: f64 = 0.7;
/// Standard deviation of what neither parent explains.
pub const VARIATION: f64 = 0.05;
/// The share at which a descendant's own story counts.
pub const STORY_SHARE: f64 = 0.5;

/// A parent in an inheritance.
#[derive(Clone, Copy, Debug)]
pub struct Parent<'a> {
    /// Its id, noted in the evidence.
    pub id: Uuid,
    /// Its name, noted in the evidence.
    pub name: &'a str,
    /// Its DNA.
    pub dna: &'a Dna,
    /// How many generations came before it: 0 for one that was told, not born.
    pub generation: u32,
}

/// What a descendant is born with.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// The DNA.
    pub dna: Dna,
    /// Where each point came from: the parents, and the story.
    pub evidence: Vec<Evidence>,
    /// One more than the later of the parents' generations.
    pub generation: u32,
}

/// The DNA of a child of one or two parents, with an optional story of its own.
///
/// Per trait: 0.5 + 0.7·(base − 0.5) + ε, clamped, where base is the parent's value or the
/// mean of two and ε ~ N(0, 0.05) is drawn from a `ChaCha20` generator seeded by `seed`, in
/// the documented order of traits. Ordinals are the parent's; of two that differ, one by
/// the same generator. The story's points count half on top; an ordinal it gives wins.
pub fn inherit(
    parent: &Parent<'_>,
    co_parent: Option<&Parent<'_>>,
    seed: u64,
    story: Option<&Extraction>,
) -> Inherited {
    let parents: Vec<_> = std::iter::once(parent).chain(co_parent).collect();
    let share = if co_parent.is_some() { 0.5 } else { 1.0 };
    let mut generator = ChaCha20Rng::seed_from_u64(seed);
    let mut evidence = Vec::new();

    for &which in Trait::ALL {
        let base = parents
            .iter()
            .fold(0.0, |sum, it| sum + share * it.dna.get(which));
        let passed_on = HERITABILITY * (base - 0.5);
        let value = (0.5 + passed_on + variation(&mut generator)).clamp(0.0, 1.0);
        let unexplained = value - 0.5 - passed_on;
        evidence.extend(parents.iter().map(|it| Evidence {
            of: which.into(),
            points: share * (HERITABILITY * (it.dna.get(which) - 0.5) + unexplained),
            clamped: false,
            source: EvidenceSource::Inherited,
            theme: format!("inherited from {}", it.name),
            quote: None,
            start: None,
            end: None,
            entity: Some(it.id),
            inherited_from: Some(it.name.to_owned()),
        }));
    }

    let mut choose = |differ: bool| differ && generator.random::<bool>();
    let other = co_parent.unwrap_or(parent).dna;
    let own = parent.dna;
    let mut resolution = own.temporal_resolution;
    if choose(own.temporal_resolution != other.temporal_resolution) {
        resolution = other.temporal_resolution;
    }
    let mut window = own.pattern_window;
    if choose(own.pattern_window != other.pattern_window) {
        window = other.pattern_window;
    }

    if let Some(story) = story {
        resolution = temporal_resolution(&story.evidence).unwrap_or(resolution);
        window = pattern_window(&story.evidence).unwrap_or(window);
        evidence.extend(story.evidence.iter().map(|it| {
            // An ordinal's evidence is a vote, not an amount, and keeps its weight.
            let ordinal = matches!(
                it.of,
                Predisposition::TemporalResolution | Predisposition::PatternWindow
            );
            let points = if ordinal {
                it.points
            } else {
                STORY_SHARE * it.points
            };
            Evidence {
                points,
                clamped: false,
                ..it.clone()
            }
        }));
    }

    let mut dna = settle(&mut evidence);
    dna.temporal_resolution = resolution;
    dna.pattern_window = window;
    let generation = parents
        .iter()
        .map(|it| it.generation)
        .max()
        .unwrap_or(0)
        .saturating_add(1);
    Inherited {
        dna,
        evidence,
        generation,
    }
}

fn variation(generator: &mut ChaCha20Rng) -> f64 {
    // The deviation is a positive constant, the one thing `new` can object to.
    Normal::new(0.0, VARIATION).map_or(0.0, |normal| normal.sample(generator))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dna::{PatternWindow, TemporalResolution, compare::tests::any_dna, extract};

    fn told(name: &'static str, dna: &'static Dna) -> Parent<'static> {
        Parent {
            id: Uuid::nil(),
            name,
            dna,
            generation: 0,
        }
    }

    fn leaked(dna: Dna) -> &'static Dna {
        Box::leak(Box::new(dna))
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let dna = leaked(Dna {
            resilience: 0.9,
            anxiety_threshold: 0.1,
            ..Dna::default()
        });
        let child = inherit(&told("Frank", dna), None, 42, None).dna;
        let bits: Vec<_> = child
            .traits()
            .map(|(_, v)| format!("{:016x}", v.to_bits()))
            .collect();
        insta::assert_snapshot!(bits.join(" "), @"3fe0124ca379ab1c 3fca9683d548efc8 3fdd9cb15a7e17bc 3fda9d59b1e8f916 3fdc052d7456fc26 3fe8570216fbf9be 3fe11be5920042e1 3fdf9a43794e41d0 3fdc57fed35166da 3fdeaac7fb4bb7f4 3fdc63c76baf3a69 3fe08d308d419649 3fe30b147f04e250 3fe13f7b4c582a36 3fe11544dd74ab9d 3fdd1605e7581e0c 3fdd0fd5a5f9b202");
    }

    #[test]
    fn regression_to_the_neutral_holds_on_average() {
        let (a, b) = (
            leaked(Dna {
                resilience: 1.0,
                ..Dna::default()
            }),
            leaked(Dna {
                resilience: 0.6,
                ..Dna::default()
            }),
        );
        let mean = (0..2_000)
            .map(|seed| {
                inherit(&told("a", a), Some(&told("b", b)), seed, None)
                    .dna
                    .resilience
            })
            .sum::<f64>()
            / 2_000.0;
        assert!((mean - (0.5 + 0.7 * 0.3)).abs() < 0.005, "{mean}");
    }

    #[test]
    fn ordinals_are_the_parents_and_either_of_two_that_differ() {
        let a = leaked(Dna {
            temporal_resolution: TemporalResolution::High,
            pattern_window: PatternWindow::Short,
            ..Dna::default()
        });
        let b = leaked(Dna {
            temporal_resolution: TemporalResolution::Low,
            ..*a
        });
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let child = inherit(&told("a", a), Some(&told("b", b)), seed, None).dna;
            assert_eq!(child.pattern_window, PatternWindow::Short);
            seen.insert(child.temporal_resolution);
        }
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(!seen.contains(&TemporalResolution::Medium));
    }

    #[test]
    fn a_story_counts_half_and_its_ordinal_wins() {
        let parent = leaked(Dna {
            temporal_resolution: TemporalResolution::Low,
            ..Dna::default()
        });
        let story = extract(
            "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
             Frank grew up helping in the kitchen from age 7.",
            Some("Frank"),
        )
        .unwrap();
        let without = inherit(&told("a", parent), None, 7, None);
        let with = inherit(&told("a", parent), None, 7, Some(&story));
        assert_eq!(with.dna.temporal_resolution, TemporalResolution::High);
        let added = with.dna.service_orientation - without.dna.service_orientation;
        let points =
            super::super::evidence::sum(&story.evidence, Predisposition::ServiceOrientation);
        assert!((added - points / 2.0).abs() < 1e-9);
        assert_eq!(with.generation, 1);
    }

    proptest! {
        #[test]
        fn points_add_up_and_values_stay_in_range(
            a in any_dna(), b in any_dna(), seed: u64, two: bool, generation in 0..1_000_u32,
        ) {
            let a = Parent { id: Uuid::nil(), name: "a", dna: &a, generation };
            let b = Parent { id: Uuid::max(), name: "b", dna: &b, generation: 3 };
            let child = inherit(&a, two.then_some(&b), seed, None);
            prop_assert_eq!(&child, &inherit(&a, two.then_some(&b), seed, None));
            prop_assert_eq!(child.generation, if two { generation.max(3) + 1 } else { generation + 1 });
            for (which, value) in child.dna.traits() {
                prop_assert!((0.0..=1.0).contains(&value));
                let sum = super::super::evidence::sum(&child.evidence, which.into());
                prop_assert!((0.5 + sum - value).abs() < 1e-9);
            }
        }
    }
}
