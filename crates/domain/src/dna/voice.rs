//! The voice that fits an entity: a catalogue of speakers, and a ranking with reasons.
//!
//! Attribution of the built-in catalogue: `vctk-speakers.md`.

mod catalogue;
mod wish;

pub use catalogue::{Catalogue, CatalogueError};

use super::Dna;
use wish::Wish;

text_enum! {
    /// The gender of a voice.
    pub enum VoiceGender {
        /// A woman's voice.
        Female = "F",
        /// A man's voice.
        Male = "M",
    }
}

/// A voice an entity can be given.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct Voice {
    /// The speaker's id within the model, such as `p360`.
    pub speaker: String,
    /// The speech model that has the speaker, such as `tts_models/en/vctk/vits`.
    pub model: String,
    /// The speaker's gender.
    pub gender: VoiceGender,
    /// The speaker's age in years.
    pub age: i32,
    /// The accent, such as `Scottish`.
    pub accent: String,
    /// Where the speaker is from, where that is known.
    pub region: Option<String>,
}

/// What each aspect adds to the score of a voice.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct VoiceContributions {
    /// From 0 to 0.35: whether the gender is the one told; half of it when none is told.
    pub gender: f64,
    /// From 0 to 0.3: whether the accent is the one told; half of it when none is told,
    /// less than a third for one of the same family.
    pub accent: f64,
    /// From 0 to 0.2: whether the age is within the range told, a tenth of it less for each
    /// year outside; half of it when none is told.
    pub age: f64,
    /// From 0 to 0.15: whether the age fits the temperament, a tenth of it less for each year
    /// from 22 + 16 · mean(weariness, nostalgia).
    pub temperament: f64,
}

/// A voice, and how well it fits.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct VoiceMatch {
    /// The voice.
    pub voice: Voice,
    /// How well it fits, from 0 to 1: the sum of the contributions.
    pub score: f64,
    /// What the score is made of.
    pub contributions: VoiceContributions,
    /// Why, for a person.
    pub reasons: Vec<String>,
}

/// How a voice speaks.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct Prosody {
    /// The factor of the speed, from 0.5 to 2; 1 when neutral.
    pub speed: f64,
    /// The factor of the pitch, from 0.5 to 2; 1 when neutral.
    pub pitch: f64,
}

impl Prosody {
    /// Speed 1 + 0.2 (anxiety − ½) − 0.2 (weariness − ½), pitch 1 + 0.1 (confidence − ½).
    pub fn of(dna: &Dna) -> Self {
        let speed = 1.0 + 0.2 * (dna.anxiety_threshold - 0.5)
            - 0.2 * (dna.weariness_accumulation_rate - 0.5);
        let pitch = 1.0 + 0.1 * (dna.confidence_baseline - 0.5);
        Self {
            speed: speed.clamp(0.5, 2.0),
            pitch: pitch.clamp(0.5, 2.0),
        }
    }
}

/// The voice an entity was given, as its device reads it.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct VoiceConfig {
    /// The kind of model: `multi_speaker`.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "graphql", graphql(name = "type"))]
    pub kind: String,
    /// The speech model.
    pub model: String,
    /// The speaker's id within the model.
    pub speaker: String,
    /// Who the speaker is.
    pub metadata: VoiceMetadata,
    /// How it speaks, from the DNA.
    pub prosody: Prosody,
}

/// Who a speaker is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct VoiceMetadata {
    /// The speaker's gender.
    pub gender: VoiceGender,
    /// The speaker's age in years.
    pub age: i32,
    /// The accent, such as `Scottish`.
    pub accent: String,
    /// Where the speaker is from, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// The configuration of a voice for an entity of this DNA.
pub fn voice_config(voice: &Voice, dna: &Dna) -> VoiceConfig {
    let Voice {
        speaker,
        model,
        gender,
        age,
        accent,
        region,
    } = voice.clone();
    VoiceConfig {
        kind: "multi_speaker".to_owned(),
        model,
        speaker,
        metadata: VoiceMetadata {
            gender,
            age,
            accent,
            region,
        },
        prosody: Prosody::of(dna),
    }
}

/// The entity a voice is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// Its name, which may tell a gender: "Grandpa Joe".
    pub name: &'a str,
    /// Its story, if one was told.
    pub story: Option<&'a str>,
    /// Its DNA.
    pub dna: &'a Dna,
}

const GENDER_WEIGHT: f64 = 0.35;
const ACCENT_WEIGHT: f64 = 0.30;
const AGE_WEIGHT: f64 = 0.20;
const TEMPERAMENT_WEIGHT: f64 = 0.15;

/// The `first` voices that fit best, best first; of equals the one whose id sorts first.
///
/// Only what is told of the entity itself counts, in whole words: a son "raised by his
/// mother" has a man's voice.
pub fn match_voices(speaker: &Speaker<'_>, catalogue: &Catalogue, first: usize) -> Vec<VoiceMatch> {
    let wish = Wish::of(speaker, catalogue);
    let target = 22.0
        + 16.0
            * f64::midpoint(
                speaker.dna.weariness_accumulation_rate,
                speaker.dna.nostalgia_bias,
            );
    let mut matches: Vec<_> = catalogue
        .voices()
        .iter()
        .map(|voice| weigh(voice, &wish, target))
        .collect();
    matches.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.voice.speaker.cmp(&b.voice.speaker))
            .then_with(|| a.voice.model.cmp(&b.voice.model))
    });
    matches.truncate(first);
    matches
}

fn weigh(voice: &Voice, wish: &Wish, target: f64) -> VoiceMatch {
    let mut reasons = Vec::new();
    let (gender, why) = match &wish.gender {
        None => (0.5, "no gender is told".to_owned()),
        Some(told) if told.is == voice.gender => (1.0, format!("gender as told: {}", told.by)),
        Some(told) => (0.0, format!("gender other than told: {}", told.by)),
    };
    reasons.push(why);
    let (accent, why) = match &wish.accent {
        None => (0.5, "no accent is told".to_owned()),
        Some(told) if told.is == voice.accent => {
            (1.0, format!("{} accent as told: {}", voice.accent, told.by))
        }
        Some(told) if Catalogue::same_family(&told.is, &voice.accent) => (
            0.3,
            format!(
                "{} accent, akin to {} as told: {}",
                voice.accent, told.is, told.by
            ),
        ),
        Some(told) => (0.0, format!("no {} accent as told: {}", told.is, told.by)),
    };
    reasons.push(why);
    let years = f64::from(voice.age);
    let (age, why) = match &wish.age {
        None => (0.5, "no age is told".to_owned()),
        Some(told) => {
            let (low, high) = told.is;
            let outside = (low - voice.age).max(voice.age - high).max(0);
            let why = match outside {
                0 => format!("age {} within {low} to {high}: {}", voice.age, told.by),
                n => format!(
                    "age {} is {n} years outside {low} to {high}: {}",
                    voice.age, told.by
                ),
            };
            (fading(f64::from(outside)), why)
        }
    };
    reasons.push(why);
    let temperament = fading((years - target).abs());
    reasons.push(format!(
        "age {} for a temperament of {target:.0}",
        voice.age
    ));

    let contributions = VoiceContributions {
        gender: GENDER_WEIGHT * gender,
        accent: ACCENT_WEIGHT * accent,
        age: AGE_WEIGHT * age,
        temperament: TEMPERAMENT_WEIGHT * temperament,
    };
    let VoiceContributions {
        gender,
        accent,
        age,
        temperament,
    } = contributions;
    VoiceMatch {
        voice: voice.clone(),
        score: gender + accent + age + temperament,
        contributions,
        reasons,
    }
}

/// 1 at none, 0.1 less for each year.
fn fading(years: f64) -> f64 {
    (1.0 - 0.1 * years).max(0.0)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that must be exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dna::compare::tests::any_dna;

    fn best(name: &str, story: &str) -> VoiceMatch {
        let dna = Dna::default();
        let speaker = Speaker {
            name,
            story: Some(story),
            dna: &dna,
        };
        match_voices(&speaker, Catalogue::built_in(), 1).remove(0)
    }

    #[test]
    fn whole_words_only() {
        let plain = best(
            "Rusty",
            "The theatre there was the best of them; others sheltered here.",
        );
        assert_eq!(plain.contributions.gender, 0.175, "{plain:?}");
        assert_eq!(plain.contributions.accent, 0.15, "{plain:?}");
        assert_eq!(plain.contributions.age, 0.1, "{plain:?}");
    }

    #[test]
    fn the_entitys_own_words_count_and_not_the_parents() {
        let son = best(
            "Frank",
            "Frank was raised by his mother, a nurse, and her sister.",
        );
        assert_eq!(son.voice.gender, VoiceGender::Male);
        let daughter = best(
            "Kim",
            "Kim is the daughter of an old Irish fisherman who was 70.",
        );
        assert_eq!(daughter.voice.gender, VoiceGender::Female);
        assert_eq!(daughter.contributions.accent, 0.15, "{daughter:?}");
        assert_eq!(daughter.contributions.age, 0.1, "{daughter:?}");
        let nobody = best(
            "Frank",
            "Frank's mom was a tired waitress. She worked doubles.",
        );
        assert_eq!(nobody.contributions.gender, 0.175);
        let nobody = best(
            "Sam",
            "Sam's father was a farmer. He rose early and said little.",
        );
        assert_eq!(nobody.contributions.gender, 0.175);
    }

    #[test]
    fn accents_are_told_by_places_and_peoples() {
        for (story, accent) in [
            ("She grew up in Glasgow above a bakery.", "Scottish"),
            ("Born in New Jersey, he worked the ovens.", "American"),
            ("He came from Northern Ireland as a boy.", "NorthernIrish"),
            (
                "A Dubliner through and through, she loves to talk.",
                "Irish",
            ),
            ("She was born in Cape Town and never left.", "SouthAfrican"),
        ] {
            let found = best("Pat", story);
            assert_eq!(found.voice.accent, accent, "{story}");
            assert_eq!(found.contributions.accent, 0.3);
        }
        assert_eq!(
            best("Pat", "He learned English from a cork board.")
                .contributions
                .accent,
            0.15
        );
    }

    #[test]
    fn an_accent_of_the_same_family_counts_a_little() {
        let dna = Dna::default();
        let story = Some("He was born in Wales.");
        let speaker = Speaker {
            name: "Dai",
            story,
            dna: &dna,
        };
        let ranked = match_voices(&speaker, Catalogue::built_in(), 200);
        assert_eq!(ranked.len(), 108);
        let of = |accent: &str| ranked.iter().find(|it| it.voice.accent == accent).unwrap();
        assert!((of("Welsh").contributions.accent - 0.3).abs() < 1e-12);
        assert!((of("English").contributions.accent - 0.09).abs() < 1e-12);
        assert_eq!(of("American").contributions.accent, 0.0);
    }

    #[test]
    fn ages_are_told_by_number_and_by_word() {
        for (story, low, high) in [
            ("She is 19 and works at the till.", 17, 21),
            ("She is a 33-year-old cook.", 31, 35),
            ("She is twenty-one years old.", 19, 23),
            ("An old man with a clay pipe, he mends clocks.", 36, 38),
            ("He is a young baker.", 16, 25),
        ] {
            let found = best("Pat", story);
            assert_eq!(found.contributions.age, 0.2, "{story} {found:?}");
            assert!(
                (low..=high).contains(&found.voice.age),
                "{story}: {}",
                found.voice.age
            );
        }
        // The oldest woman there is is younger than that.
        assert_eq!(best("Pat", "She is a grandmother of nine.").voice.age, 33);
        for story in [
            "Frank grew up helping in the kitchen from age 7.",
            "When she was young she climbed trees; at 19 she left.",
            "His grandfather was 80 years old and old radios filled the house.",
            "He was twelve years old when the shop closed.",
        ] {
            assert_eq!(best("Pat", story).contributions.age, 0.1, "{story}");
        }
    }

    #[test]
    fn a_title_in_the_name_tells_a_gender() {
        let found = best(
            "Grandpa Joe",
            "The lamp in the hall that knows every creak.",
        );
        assert_eq!(found.voice.gender, VoiceGender::Male);
        assert_eq!(found.voice.age, 38);
    }

    #[test]
    fn the_configuration_has_the_shape_devices_read() {
        let dna = Dna {
            anxiety_threshold: 1.0,
            confidence_baseline: 0.0,
            ..Dna::default()
        };
        let voice = Catalogue::built_in().find("p360").unwrap();
        insta::assert_snapshot!(
            serde_json::to_string(&voice_config(voice, &dna)).unwrap(),
            @r#"{"type":"multi_speaker","model":"tts_models/en/vctk/vits","speaker":"p360","metadata":{"gender":"M","age":19,"accent":"American","region":"New Jersey"},"prosody":{"speed":1.1,"pitch":0.95}}"#
        );
    }

    proptest! {
        #[test]
        fn the_same_entity_gets_the_same_voice_and_scores_stay_in_range(
            dna in any_dna(), name in ".{0,20}", story in ".{0,200}", first in 0..120_usize,
        ) {
            let speaker = Speaker { name: &name, story: Some(&story), dna: &dna };
            let ranked = match_voices(&speaker, Catalogue::built_in(), first);
            prop_assert_eq!(&ranked, &match_voices(&speaker, Catalogue::built_in(), first));
            prop_assert_eq!(ranked.len(), first.min(108));
            for (a, b) in ranked.iter().zip(ranked.iter().skip(1)) {
                prop_assert!(a.score > b.score || a.voice.speaker < b.voice.speaker);
            }
            for it in &ranked {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&it.score));
            }
            let Prosody { speed, pitch } = Prosody::of(&dna);
            prop_assert!((0.5..=2.0).contains(&speed) && (0.5..=2.0).contains(&pitch));
        }
    }
}
