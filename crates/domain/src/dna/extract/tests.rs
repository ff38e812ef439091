//! The acceptance of extraction: the seed's story, its paraphrases, what must not move,
//! stories the lexicon was not written from, and what holds for any text.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::dna::{PatternWindow, Predisposition, TemporalResolution, Trait, evidence::sum};

const FRANK: &str = "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
                     Frank grew up helping in the kitchen from age 7.";

fn read(story: &str, name: &str) -> Extraction {
    extract(story, Some(name)).unwrap()
}

/// The traits that a story moved, with their values.
fn moved(it: &Extraction) -> Vec<(Trait, f64)> {
    it.dna.traits().filter(|&(_, value)| value != 0.5).collect()
}

#[test]
fn the_seeds_story_gives_the_seeds_dna() {
    let frank = read(FRANK, "Frank");
    for (which, expected) in [
        (Trait::AnxietyThreshold, 0.8),
        (Trait::ConfidenceBaseline, 0.4),
        (Trait::WearinessAccumulationRate, 1.0),
        (Trait::Resilience, 0.2),
        (Trait::ServiceOrientation, 0.9),
        (Trait::TemporalPrecision, 0.8),
    ] {
        let value = frank.dna.get(which);
        assert!(
            (value - expected).abs() <= 0.1,
            "{which} is {value}, expected {expected}"
        );
    }
    assert_eq!(frank.dna.temporal_resolution, TemporalResolution::High);
    assert_eq!(frank.dna.pattern_window, PatternWindow::Short);
    for (which, _) in moved(&frank) {
        assert!(
            frank.evidence.iter().any(|it| it.of == which.into()),
            "{which} has no evidence"
        );
    }
}

#[test]
fn a_paraphrase_gives_nearly_the_same() {
    let told = read(FRANK, "Frank").dna;
    for paraphrase in [
        "Frank's mother waited tables and came home exhausted after back-to-back shifts. His father \
         had walked out long before. Since he was seven, Frank lent a hand at the stove.",
        "He was raised by a single mother, a worn-out server in a diner who took every extra shift. \
         By seven he was washing dishes and chopping onions in the back.",
        "At the cafe where she served, Frank's mum pulled sixteen-hour days until she could hardly \
         stay on her feet. There was no father. As a seven-year-old, Frank started working beside \
         her in the kitchen.",
        "Frank never knew his father. His mother carried plates in a roadside restaurant, one shift \
         after another, and was always weary. At seven he was peeling potatoes for the cook.",
    ] {
        let dna = read(paraphrase, "Frank").dna;
        for which in [
            Trait::AnxietyThreshold,
            Trait::ConfidenceBaseline,
            Trait::WearinessAccumulationRate,
            Trait::Resilience,
            Trait::ServiceOrientation,
            Trait::TemporalPrecision,
        ] {
            let (a, b) = (told.get(which), dna.get(which));
            assert!(
                (a - b).abs() <= 0.15,
                "{which}: {a} against {b} in {paraphrase}"
            );
        }
        assert_eq!(
            dna.temporal_resolution,
            TemporalResolution::High,
            "{paraphrase}"
        );
        assert_eq!(dna.pattern_window, PatternWindow::Short, "{paraphrase}");
    }
}

#[test]
fn a_denial_does_not_raise_what_it_denies() {
    for story in [
        "Her mother was never tired, whatever the day had brought.",
        "Her mother did not work doubles, and she wasn't exhausted.",
        "Without being weary for an hour, his father walked home.",
        "He was not a tired boy, nor a worn out one.",
    ] {
        let dna = extract(story, None).unwrap().dna;
        assert!(dna.weariness_accumulation_rate <= 0.5, "{story} {dna:?}");
    }
    let not_only = read("Mia was not only tired, she was ill as well.", "Mia");
    assert!(not_only.dna.weariness_accumulation_rate > 0.5);
}

#[test]
fn botany_moves_nothing() {
    for text in [
        "The coffee bean is the seed of the coffee cherry, a stone fruit of the genus Coffea. The \
         plant is a shrub of tropical highlands; arabica grows slowly in the shade of taller trees \
         and carries less caffeine than robusta. Farmers harvest the cherries by hand, dry them \
         for two weeks and hull the beans. Under drought the plants are stressed and drop leaves.",
        "Seeds taken from a mother plant germinate within six weeks. Nurseries raise the seedlings \
         in bags before planting them in the field, where they flower after three years.",
    ] {
        for name in [None, Some("Frank"), Some("Bean")] {
            let it = extract(text, name).unwrap();
            assert_eq!(moved(&it), [], "{:?}", it.evidence);
            assert_eq!(it.evidence, []);
            assert_eq!(it.themes, []);
        }
    }
}

#[test]
fn modifiers_scale_and_repetition_fades() {
    let anxiety = |story: &str| read(story, "Ada").dna.anxiety_threshold - 0.5;
    let plain = anxiety("Ada was nervous in those years.");
    assert!((anxiety("Ada was very nervous in those years.") - 1.5 * plain).abs() < 1e-3);
    assert!((anxiety("Ada was slightly nervous in those years.") - 0.5 * plain).abs() < 1e-3);
    assert!((anxiety("Ada was never nervous in those years.") + 0.5 * plain).abs() < 1e-3);
    let twice = read("Ada was nervous. Later on Ada was nervous.", "Ada");
    let points: Vec<_> = twice
        .evidence
        .iter()
        .filter(|it| it.of == Predisposition::AnxietyThreshold)
        .map(|it| it.points)
        .collect();
    assert_eq!(points, [0.28, 0.14]);
}

#[test]
fn what_a_parent_went_through_is_witnessed() {
    let own = read("Ada was a nervous waitress for years.", "Ada");
    let seen = read("Ada's mother was a nervous waitress for years.", "Ada");
    for which in [Trait::ServiceOrientation, Trait::AnxietyThreshold] {
        let (own, seen) = (own.dna.get(which), seen.dna.get(which));
        assert!(own > 0.5);
        assert_eq!(own, seen, "{which} is modelled in full");
    }
    let of = Predisposition::TemporalResolution;
    let (own, seen) = (sum(&own.evidence, of), sum(&seen.evidence, of));
    assert!(own > 0.0);
    assert!((seen - own / 2.0).abs() < 1e-9, "the rest counts half");
}

#[test]
fn evidence_is_quoted_with_its_place() {
    let story = "  « Ünal’s mother — a tired waitress — wept. » Ünal never met his father.";
    let it = read(story, "Ünal");
    let tired = it
        .evidence
        .iter()
        .find(|it| it.of == Predisposition::WearinessAccumulationRate);
    let tired = tired.unwrap();
    assert_eq!(tired.quote.as_deref(), Some("tired"));
    assert_eq!((tired.start, tired.end), (Some(22), Some(27)));
    assert!(
        it.evidence
            .iter()
            .any(|it| it.quote.as_deref() == Some("never met his father"))
    );
}

#[test]
fn the_length_of_a_story_is_bounded() {
    assert_eq!(
        extract("  too short  ", None),
        Err(DnaError::StoryTooShort { characters: 9 })
    );
    assert_eq!(
        extract(&"a".repeat(20_001), None),
        Err(DnaError::StoryTooLong { characters: 20_001 })
    );
    assert!(extract(&"ä".repeat(20_000), None).is_ok());
    for sentence in ["She was tired. ", "Losing is terrible for her. "] {
        let whole = sentence.repeat(20_000 / sentence.len());
        let it = extract(&whole, Some("Ada")).unwrap();
        assert!(
            !it.evidence.is_empty() && it.evidence.len() < 400,
            "{}",
            it.evidence.len()
        );
    }
    assert!(extract(&format!("{}\0\0 tired mother", "\u{202e}".repeat(30)), None).is_ok());
}

#[derive(Deserialize)]
struct HeldOut {
    story: Vec<HeldOutStory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldOutStory {
    name: String,
    text: String,
    #[serde(default)]
    up: Vec<Predisposition>,
    #[serde(default)]
    down: Vec<Predisposition>,
    #[serde(default)]
    still: bool,
}

/// How far a trait must move to have a direction.
const PERCEPTIBLE: f64 = 0.03;

fn stories(text: &str) -> Vec<HeldOutStory> {
    toml::from_str::<HeldOut>(text).unwrap().story
}

/// How the directions of stories come out, against what readers agree on.
#[derive(Debug, Default)]
struct Tally {
    right: u32,
    wrong: Vec<String>,
    missed: Vec<String>,
    moved_though_still: Vec<String>,
}

fn tally(stories: &[HeldOutStory]) -> Tally {
    let mut tally = Tally::default();
    for story in stories {
        let it = read(&story.text, &story.name);
        if story.still && !it.evidence.is_empty() {
            let quotes: Vec<_> = it
                .evidence
                .iter()
                .map(|it| (it.of, it.quote.clone()))
                .collect();
            tally
                .moved_though_still
                .push(format!("{}: {quotes:?}", story.name));
        }
        let up = story.up.iter().map(|&of| (of, 1.0));
        let down = story.down.iter().map(|&of| (of, -1.0));
        for (of, direction) in up.chain(down) {
            let told = || format!("{}: {of}", story.name);
            match direction * sum(&it.evidence, of) {
                x if x >= PERCEPTIBLE => tally.right += 1,
                x if x <= -PERCEPTIBLE => tally.wrong.push(told()),
                _ => tally.missed.push(told()),
            }
        }
    }
    tally
}

fn shares(tally: &Tally) -> (f64, f64) {
    let count = |it: &[String]| f64::from(u32::try_from(it.len()).unwrap());
    let (wrong, missed) = (count(&tally.wrong), count(&tally.missed));
    let all = f64::from(tally.right) + wrong + missed;
    (f64::from(tally.right) / all, wrong / all)
}

#[test]
fn directions_are_right_on_stories_nothing_was_learned_from() {
    for (set, least) in [
        (include_str!("../held_out.toml"), 24),
        (include_str!("../held_out_2.toml"), 100),
        (include_str!("../held_out_3.toml"), 100),
    ] {
        let stories = stories(set);
        assert!(stories.len() >= least);
        let tally = tally(&stories);
        let (right, wrong) = shares(&tally);
        println!("right {right:.3}, wrong {wrong:.3}: {tally:#?}");
        assert!(right >= 0.8, "{tally:#?}");
        assert!(wrong <= 0.05, "{tally:#?}");
        assert!(tally.moved_though_still.len() <= 1, "{tally:#?}");
    }
}

#[test]
fn directions_stay_right_on_stories_that_were_read() {
    let tally = tally(&stories(include_str!("../read_stories.toml")));
    let (right, wrong) = shares(&tally);
    println!("right {right:.3}, wrong {wrong:.3}: {tally:#?}");
    assert!(right >= 0.9, "{tally:#?}");
    assert!(wrong <= 0.02, "{tally:#?}");
    assert!(tally.moved_though_still.is_empty(), "{tally:#?}");
}

#[test]
fn directions_stay_right_on_stories_two_readers_agreed_on() {
    for (set, least, most) in [
        (include_str!("../agreed_stories.toml"), 0.95, 0.02),
        (include_str!("../agreed_stories_2.toml"), 0.86, 0.03),
        (include_str!("../agreed_stories_3.toml"), 0.94, 0.03),
        (include_str!("../agreed_stories_4.toml"), 0.97, 0.01),
    ] {
        let tally = tally(&stories(set));
        let (right, wrong) = shares(&tally);
        println!("right {right:.3}, wrong {wrong:.3}: {tally:#?}");
        assert!(right >= least, "{right}: {tally:#?}");
        assert!(wrong <= most, "{wrong}: {tally:#?}");
        assert!(tally.moved_though_still.is_empty(), "{tally:#?}");
    }
}

/// Obliquely told stories the lexicon was written from: they say nothing of unseen ones, but
/// what was learnt from them must not get lost.
#[test]
fn directions_stay_right_on_training_stories() {
    for (set, least, most, moved) in [
        (include_str!("../training_stories_1.toml"), 0.92, 0.02, 6),
        (include_str!("../training_stories_2.toml"), 0.94, 0.02, 2),
    ] {
        let tally = tally(&stories(set));
        let (right, wrong) = shares(&tally);
        println!("right {right:.3}, wrong {wrong:.3}: {tally:#?}");
        assert!(right >= least, "{right}: {tally:#?}");
        assert!(wrong <= most, "{wrong}: {tally:#?}");
        assert!(tally.moved_though_still.len() <= moved, "{tally:#?}");
    }
}

/// Everyday words that said something wrong in stories they were not written for.
#[test]
fn an_everyday_word_in_passing_moves_nothing() {
    for story in [
        "Ada drew the curtain. The neighbour's car stood in the snow.",
        "Ada had an alarm clock one time, and she gave it away.",
        "Her brother was good at everything, and everybody said so.",
        "Ada saw the goat of a neighbour on the bus.",
        "He told me the time and I set my watch.",
        "I left the keys on the table and closed the door.",
        "She put the kettle on and looked out of the window at the rain.",
        "She heard the announcement and looked up.",
    ] {
        let it = read(story, "Ada");
        assert_eq!(moved(&it), [], "{story} {:?}", it.evidence);
    }
    let shrugged = read(
        "Ada doesn't care about music and she doesn't see why she should.",
        "Ada",
    );
    assert!(shrugged.dna.aesthetic_sensitivity <= 0.5);
    let own = read("Ada was good at everything, and everybody said so.", "Ada");
    assert!(own.dna.confidence_baseline > 0.6);
    let lived = read("Ada grew up by the timetable of a station master.", "Ada");
    assert!(lived.dna.temporal_precision > 0.6);
    let trade = read("Ada's uncle worked in a shop for years.", "Ada");
    assert!(trade.dna.service_orientation > 0.5);
}

#[test]
fn who_is_knocked_down_gets_up_or_does_not() {
    let resilience = |story: &str| read(story, "Ada").dna.resilience;
    assert!(resilience("Every bad word knocks her down for weeks.") < 0.4);
    assert!(resilience("She was knocked down and got up again every time.") > 0.6);
}

#[test]
fn an_aversion_turns_what_is_averse() {
    let it = |story: &str| read(story, "Ada").dna;
    assert!(it("Ada hates sloppy work of any kind.").pride_in_craft >= 0.5);
    assert!(it("Ada hates sloppy work of any kind.").perfectionism > 0.6);
    assert!(it("Ada is often sloppy with her work.").perfectionism < 0.4);
    assert!(it("Ada can't stand being told what to do.").autonomy_desire > 0.6);
    assert!(it("Ada hates being late for anything.").temporal_precision > 0.6);
}

#[test]
fn a_denial_after_the_cue_counts() {
    let resilience = |story: &str| read(story, "Ada").dna.resilience;
    assert!(resilience("Setbacks don't keep Ada's spirits up, setbacks upset her.") < 0.5);
    assert!(resilience("Setbacks don’t keep her down for long.") > 0.55);
    let anxiety = |story: &str| read(story, "Ada").dna.anxiety_threshold;
    assert!(anxiety("Storms scared everybody. Nothing frightens Ada now.") < 0.5);
    for isnt in [
        "isn't",
        "isn’t",
        "is not",
        "is no longer",
        "is neither sad nor",
    ] {
        let it = read(&format!("These days Ada {isnt} tired or weak."), "Ada");
        assert!(it.dna.weariness_accumulation_rate <= 0.5, "{isnt}");
    }
}

#[test]
fn what_somebody_is_outweighs_what_shaped_it() {
    for (story, which, up) in [
        (
            "Ada grew up among seven cousins in a big family. But she was not a group person.",
            Trait::CooperationDrive,
            false,
        ),
        (
            "Ada's mother was painfully late for everything. Ada is always punctual.",
            Trait::TemporalPrecision,
            true,
        ),
        (
            "Ada's parents were nomads and moved every season. She always orders the same dish and never goes anywhere new.",
            Trait::CommitmentToRoutine,
            true,
        ),
        (
            "Unlike her brothers Ada likes to work alone.",
            Trait::CooperationDrive,
            false,
        ),
    ] {
        let moved = read(story, "Ada").dna.get(which) - 0.5;
        assert!(
            if up { moved > 0.1 } else { moved < -0.1 },
            "{story} {moved}"
        );
    }
}

fn story() -> impl Strategy<Value = String> {
    let phrase = prop::sample::select(vec![
        "her mother",
        "was",
        "never",
        "tired",
        "very",
        "Frank",
        "’s",
        "worked doubles",
        ",",
        ". ",
        "praised",
        "not",
        "strict",
        "the sea",
        "ÄÖ\u{301}",
        "\0",
        "don’t",
        "who",
        "when he",
        "🦀",
        "in the kitchen",
        "his father left",
        "-",
        "—",
        "slightly",
        "music",
        "\n",
        "Mr. X",
    ]);
    prop_oneof![
        prop::collection::vec(phrase, 8..80).prop_map(|it| it.join(" ")),
        ".{20,300}",
        "[a-zA-Z ,.']{20,300}",
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_within_bounds_and_its_evidence_adds_up(text in story(), name in ".{0,12}") {
        let Ok(it) = extract(&text, Some(&name)) else {
            prop_assert!(!STORY_LENGTH.contains(&text.trim().chars().count()));
            return Ok(());
        };
        prop_assert_eq!(&it, &extract(&text, Some(&name)).unwrap());
        for (which, value) in it.dna.traits() {
            prop_assert!((0.0..=1.0).contains(&value));
            let of: Vec<_> = it.evidence.iter().filter(|it| it.of == which.into()).collect();
            let clamped = of.iter().any(|it| it.clamped);
            prop_assert!(clamped || (0.5 + sum(&it.evidence, which.into()) - value).abs() < 1e-9);
            prop_assert!(!clamped || value == 0.0 || value == 1.0);
            prop_assert!(!of.is_empty() || value == 0.5);
        }
        for evidence in &it.evidence {
            let (start, end) = (evidence.start.unwrap() as usize, evidence.end.unwrap() as usize);
            let quoted: String = text.chars().skip(start).take(end - start).collect();
            prop_assert_eq!(Some(&quoted), evidence.quote.as_ref());
            prop_assert!(evidence.points != 0.0 && evidence.points.is_finite());
        }
        prop_assert!(!it.narrative_context.is_empty());
    }
}
