//! The learned weights are sound, belong to what they were learned from, and read sentences right.

use super::*;
use crate::dna::{Extraction, Predisposition, extract, lexicon::lexicon};

const WEIGHTS: &str = include_str!("weights.tsv");
const SENTENCES: &str = include_str!("../../../learn/sentences.tsv");

fn read(story: &str) -> Extraction {
    extract(story, Some("Ada")).unwrap()
}

#[test]
fn the_weights_are_sound_and_know_both_ends_of_every_trait() {
    let wording = Wording::parse(WEIGHTS).unwrap();
    assert!(wording.features.len() > 10_000);
    assert!(
        wording.bias.iter().all(|it| *it < 0.0),
        "mostly nothing is said"
    );
    for end in 0..2 * TRAITS {
        let known = wording
            .weights
            .iter()
            .filter(|it| usize::from(it.end) == end);
        assert!(known.count() > 500, "{end}");
    }
}

#[test]
fn the_cues_it_knows_are_those_of_the_lexicon() {
    let names: Vec<_> = lexicon().themes.iter().map(|it| it.name.as_str()).collect();
    let wording = wording();
    let known = wording
        .features
        .keys()
        .filter_map(|it| it.strip_prefix('@'));
    let mut cues = 0;
    for cue in known {
        let theme = cue.trim_end_matches(['+', '-']);
        let of_kin = theme.strip_suffix('k').unwrap_or(theme);
        assert!(names.contains(&theme) || names.contains(&of_kin), "{cue}");
        cues += 1;
    }
    assert!(cues > 100, "{cues}");
}

/// Sentences that are added or mended without learning again would say nothing.
#[test]
fn the_weights_were_learned_from_the_sentences_that_are_there() {
    for line in SENTENCES.lines() {
        let parts: Vec<_> = line.split('\t').collect();
        let [labels, _, text] = parts[..] else {
            panic!("{line}")
        };
        assert!(
            labels.chars().all(|it| end(it).is_some()) && !text.is_empty(),
            "{line}"
        );
    }
    let stories: usize = [
        include_str!("../training_stories_1.toml"),
        include_str!("../training_stories_2.toml"),
        include_str!("../read_stories.toml"),
        include_str!("../agreed_stories.toml"),
        include_str!("../agreed_stories_2.toml"),
        include_str!("../agreed_stories_3.toml"),
        include_str!("../agreed_stories_4.toml"),
    ]
    .map(|it| it.matches("[[story]]").count())
    .iter()
    .sum();
    let texts = SENTENCES.lines().count() + stories;
    let head = format!("# Made by learn/learn.py from {texts} texts;");
    assert!(WEIGHTS.starts_with(&head), "run learn/learn.py: {head}");
}

#[test]
fn faulty_weights_are_refused_with_the_line() {
    for line in ["no tab", "x\tR5", "x\tA", "x\tAb", "x\tA1.5", "x\tA99999"] {
        assert_eq!(Wording::parse(line).unwrap_err(), line);
    }
    let one = Wording::parse("# head\n\tA-100\nx\tA50b-3\n").unwrap();
    assert_eq!(
        (one.features.len(), one.weights.len(), one.bias[0]),
        (1, 2, -1.0)
    );
}

/// No cue says so in any of these; in some one says the contrary.
#[test]
fn it_reads_what_no_cue_knows() {
    for (told, which, high) in [
        (
            "She believes very little in herself.",
            Trait::ConfidenceBaseline,
            false,
        ),
        (
            "Losing is terrible for her.",
            Trait::AcceptanceOfFailure,
            false,
        ),
        (
            "A crooked seam never cost her any sleep.",
            Trait::AcceptanceOfFailure,
            true,
        ),
        (
            "One wrong note and the whole evening is ruined for her.",
            Trait::Resilience,
            false,
        ),
    ] {
        let it = read(&format!("Ada grew up in Lima with two brothers. {told}"));
        let moved = it.dna.get(which) - 0.5;
        let right = if high { moved > 0.1 } else { moved < -0.1 };
        assert!(right, "{told} {moved} {:?}", it.evidence);
    }
}

/// What it says is quoted from the sentence that says it, under the theme that names it.
#[test]
fn its_evidence_quotes_the_words() {
    let it = read("Ada grew up in Lima with two brothers. Losing is terrible for her.");
    let of = Predisposition::from(Trait::AcceptanceOfFailure);
    let found: Vec<_> = it
        .evidence
        .iter()
        .filter(|it| it.of == of && it.points < 0.0)
        .collect();
    let [found] = found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(found.quote.as_deref(), Some("Losing is terrible"));
    assert_eq!(found.theme, "no bearing to be wrong");
    assert!(it.themes.iter().any(|it| it.name == "cannot_be_wrong"));
}

#[test]
fn a_text_of_nobodys_life_is_not_read() {
    let it = extract(
        "The pump hates dust and never tires of work. It is rated for 40 volts.",
        None,
    );
    assert_eq!(it.unwrap().evidence, []);
}

/// Thousands of words that all say something, in one sentence.
#[test]
fn a_sentence_without_end_has_finite_points() {
    let words = wording()
        .features
        .keys()
        .filter(|it| it.chars().all(char::is_alphabetic));
    let mut told = "Ada grew up in Lima with two brothers and".to_owned();
    for word in words {
        if told.len() + word.len() < 20_000 {
            told = told + " " + word;
        }
    }
    let it = extract(&told, Some("Ada")).unwrap();
    assert!(it.evidence.iter().all(|it| it.points.is_finite()));
    for (which, value) in it.dna.traits() {
        assert!((0.0..=1.0).contains(&value), "{which} {value}");
    }
}
