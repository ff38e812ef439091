//! DNA: what a told origin predisposes an entity to, and what follows from it.
//!
//! | module | rule |
//! |---|---|
//! | `entity` | the entity itself and its origin |
//! | [`extract`](extract()) | story → DNA, with evidence for every point |
//! | [`lexicon`] | the themes and cues the extraction reads by, as data |
//! | [`llm`] | prompt, schema and validation for an extraction by a language model |
//! | [`inherit`](inherit()) | DNA of a descendant |
//! | [`express`] | what DNA does: mood, confidence, weariness, conduct, speech about time |
//! | [`compare`] | likeness, comparison, editing by hand |
//! | `wording` | what the words of a sentence say together, learned from labelled sentences |
//! | [`voice`] | the voice that fits |
//!
//! Pure: no identifier is made here, no clock is read, and the only randomness is the
//! seed an inheritance is given.

pub mod compare;
mod entity;
pub mod evidence;
pub mod express;
mod extract;
mod inherit;
pub mod lexicon;
pub mod llm;
mod narrative;
mod reading;
pub mod voice;
mod wording;

pub use compare::{DnaAdjustment, TraitComparison, adjust, compare, similarity};
pub use entity::*;
pub use evidence::{Evidence, EvidenceSource, OriginTheme};
pub use extract::{Extraction, STORY_LENGTH, extract, features_of};
pub use inherit::{Inherited, Parent, inherit};
pub use llm::{DnaWarning, DnaWarningCode};

use crate::check::{Check, Invalid, UserErrorCode};

text_enum! {
    /// How finely an entity perceives and speaks of time.
    #[derive(Default)]
    pub enum TemporalResolution {
        /// Days and weeks: slow changes, "lately".
        Low = "low",
        /// Hours: "this morning".
        #[default]
        Medium = "medium",
        /// Minutes and seconds: "four minutes ago".
        High = "high",
    }
}

text_enum! {
    /// The timescale on which an entity looks for patterns.
    #[derive(Default)]
    pub enum PatternWindow {
        /// Immediate sequences: what just followed what.
        Short = "short",
        /// Days of patterns.
        #[default]
        Medium = "medium",
        /// Months and years of history.
        Long = "long",
    }
}

/// One list makes the struct, the enum of traits and the enum of predispositions, so that
/// the documented order and the texts cannot drift apart.
macro_rules! traits {
    ($($(#[doc = $doc:literal])+ $field:ident, $variant:ident, $text:literal;)+) => {
        text_enum! {
            /// One of the 17 traits of DNA, in the documented order.
            pub enum Trait {
                $($(#[doc = $doc])+ $variant = $text,)+
            }
        }

        text_enum! {
            /// What evidence can speak for: one of the 17 traits, or one of the two ordinals.
            pub enum Predisposition {
                $($(#[doc = $doc])+ $variant = $text,)+
                /// How finely time is perceived: positive points mean finer.
                TemporalResolution = "temporal_resolution",
                /// The timescale of patterns: positive points mean longer.
                PatternWindow = "pattern_window",
            }
        }

        impl From<Trait> for Predisposition {
            fn from(it: Trait) -> Self {
                match it {
                    $(Trait::$variant => Self::$variant,)+
                }
            }
        }

        /// The predispositions of an entity: 17 traits from 0 to 1, where 0.5 is neutral,
        /// and two ordinals.
        #[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(
            feature = "graphql",
            derive(async_graphql::SimpleObject),
            graphql(name = "DnaTraits")
        )]
        pub struct Dna {
            /// How finely time is perceived and spoken of.
            pub temporal_resolution: TemporalResolution,
            /// The timescale on which patterns are looked for.
            pub pattern_window: PatternWindow,
            $($(#[doc = $doc])+ pub $field: f64,)+
        }

        impl Default for Dna {
            /// Neutral: every trait 0.5, both ordinals medium.
            fn default() -> Self {
                Self {
                    temporal_resolution: TemporalResolution::Medium,
                    pattern_window: PatternWindow::Medium,
                    $($field: 0.5,)+
                }
            }
        }

        impl Dna {
            /// The value of one trait, from 0 to 1.
            pub const fn get(&self, which: Trait) -> f64 {
                match which {
                    $(Trait::$variant => self.$field,)+
                }
            }

            /// Sets one trait, clamped to 0–1. What is not a number leaves it as it was.
            pub const fn set(&mut self, which: Trait, value: f64) {
                if value.is_nan() {
                    return;
                }
                let value = value.clamp(0.0, 1.0);
                match which {
                    $(Trait::$variant => self.$field = value,)+
                }
            }
        }
    };
}

traits! {
    /// Exploration against routine, from 0 (prefers the familiar) to 1 (seeks the new).
    novelty_seeking, NoveltySeeking, "novelty_seeking";
    /// How easily stressed, from 0 (calm) to 1 (very anxious).
    anxiety_threshold, AnxietyThreshold, "anxiety_threshold";
    /// Default self-assurance, from 0 (low) to 1 (high).
    confidence_baseline, ConfidenceBaseline, "confidence_baseline";
    /// How fast confidence fades, from 0 (stable) to 1 (fragile).
    confidence_decay_rate, ConfidenceDecayRate, "confidence_decay_rate";
    /// Susceptibility to burn-out, from 0 (resistant) to 1 (burns out fast).
    weariness_accumulation_rate, WearinessAccumulationRate, "weariness_accumulation_rate";
    /// Recovery from failure, from 0 (fragile) to 1 (bounces back).
    resilience, Resilience, "resilience";
    /// Drive to help others, from 0 (self-focused) to 1 (service-focused).
    service_orientation, ServiceOrientation, "service_orientation";
    /// Need for independence, from 0 (dependent) to 1 (very independent).
    autonomy_desire, AutonomyDesire, "autonomy_desire";
    /// Deference to hierarchy, from 0 (questions) to 1 (respects).
    authority_recognition, AuthorityRecognition, "authority_recognition";
    /// Team player or lone wolf, from 0 (individual) to 1 (collaborative).
    cooperation_drive, CooperationDrive, "cooperation_drive";
    /// Standards of quality, from 0 (relaxed) to 1 (perfectionist).
    perfectionism, Perfectionism, "perfectionism";
    /// Attention to timing, from 0 (loose) to 1 (precise).
    temporal_precision, TemporalPrecision, "temporal_precision";
    /// Sense for beauty and design, from 0 (functional) to 1 (aesthetic).
    aesthetic_sensitivity, AestheticSensitivity, "aesthetic_sensitivity";
    /// Comfort with imperfection, from 0 (cannot accept failure) to 1 (accepts it).
    acceptance_of_failure, AcceptanceOfFailure, "acceptance_of_failure";
    /// Value of consistency, from 0 (flexible) to 1 (routine-driven).
    commitment_to_routine, CommitmentToRoutine, "commitment_to_routine";
    /// Importance of good work, from 0 (indifferent) to 1 (takes pride).
    pride_in_craft, PrideInCraft, "pride_in_craft";
    /// Past or present, from 0 (forward-looking) to 1 (nostalgic).
    nostalgia_bias, NostalgiaBias, "nostalgia_bias";
}

/// The version of the rules that read a story into DNA, stored with each DNA.
pub const DNA_VERSION: &str = "2.0";

impl Dna {
    /// The traits and their values, in the documented order.
    pub fn traits(&self) -> impl Iterator<Item = (Trait, f64)> + '_ {
        Trait::ALL.iter().map(|&it| (it, self.get(it)))
    }

    /// Refuses values outside 0–1, naming each faulty field as GraphQL does.
    pub fn checked(self) -> Result<Self, Invalid> {
        let mut check = Check::new();
        for (which, value) in self.traits() {
            check.number(which.field_name(), value, 0.0..=1.0);
        }
        check.done().map(|()| self)
    }
}

impl Trait {
    /// The name of the field in GraphQL, as in `noveltySeeking`.
    pub const fn field_name(self) -> &'static str {
        match self {
            Self::NoveltySeeking => "noveltySeeking",
            Self::AnxietyThreshold => "anxietyThreshold",
            Self::ConfidenceBaseline => "confidenceBaseline",
            Self::ConfidenceDecayRate => "confidenceDecayRate",
            Self::WearinessAccumulationRate => "wearinessAccumulationRate",
            Self::Resilience => "resilience",
            Self::ServiceOrientation => "serviceOrientation",
            Self::AutonomyDesire => "autonomyDesire",
            Self::AuthorityRecognition => "authorityRecognition",
            Self::CooperationDrive => "cooperationDrive",
            Self::Perfectionism => "perfectionism",
            Self::TemporalPrecision => "temporalPrecision",
            Self::AestheticSensitivity => "aestheticSensitivity",
            Self::AcceptanceOfFailure => "acceptanceOfFailure",
            Self::CommitmentToRoutine => "commitmentToRoutine",
            Self::PrideInCraft => "prideInCraft",
            Self::NostalgiaBias => "nostalgiaBias",
        }
    }
}

/// Why a story cannot be read into DNA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnaError {
    /// Too little to read anything from.
    #[error("the story has {characters} characters after trimming: tell at least {}", STORY_LENGTH.start())]
    StoryTooShort {
        /// What was told.
        characters: usize,
    },
    /// More than is read in one go.
    #[error("the story has {characters} characters after trimming: tell at most {}", STORY_LENGTH.end())]
    StoryTooLong {
        /// What was told.
        characters: usize,
    },
}

impl DnaError {
    /// As the fault of the input field `path`.
    pub fn at(self, path: &str) -> Invalid {
        let code = match self {
            Self::StoryTooShort { .. } => UserErrorCode::TooShort,
            Self::StoryTooLong { .. } => UserErrorCode::TooLong,
        };
        Invalid::one(code, path, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neutral_is_the_default_and_the_order_is_the_documented_one() {
        let dna = Dna::default();
        assert!(
            dna.traits()
                .all(|(_, value)| (value - 0.5).abs() < f64::EPSILON)
        );
        assert_eq!(dna.temporal_resolution, TemporalResolution::Medium);
        assert_eq!(dna.pattern_window, PatternWindow::Medium);
        assert_eq!(Trait::ALL.len(), 17);
        assert_eq!(Trait::ALL.first(), Some(&Trait::NoveltySeeking));
        assert_eq!(Trait::ALL.last(), Some(&Trait::NostalgiaBias));
    }

    #[test]
    fn each_trait_reads_and_writes_its_own_field_under_one_name() {
        for &which in Trait::ALL {
            let mut dna = Dna::default();
            dna.set(which, 0.9);
            let moved: Vec<_> = dna.traits().filter(|&(_, v)| v > 0.5).collect();
            assert_eq!(moved, [(which, 0.9)]);
            let json = serde_json::to_value(dna).unwrap();
            assert_eq!(json[which.as_str()], 0.9);
            let words = which.field_name().chars().flat_map(|c| {
                let capital = c.is_ascii_uppercase().then_some('_');
                capital.into_iter().chain([c.to_ascii_lowercase()])
            });
            assert_eq!(words.collect::<String>(), which.as_str());
            assert_eq!(Predisposition::from(which).as_str(), which.as_str());
        }
    }

    #[test]
    fn values_outside_the_range_are_refused_by_field() {
        let dna = Dna {
            resilience: 1.5,
            nostalgia_bias: f64::NAN,
            ..Dna::default()
        };
        let Err(Invalid(errors)) = dna.checked() else {
            panic!("was taken")
        };
        let fields: Vec<_> = errors.iter().map(|it| it.field.join(".")).collect();
        assert_eq!(fields, ["resilience", "nostalgiaBias"]);
    }
}
