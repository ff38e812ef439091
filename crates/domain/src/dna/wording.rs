//! Wording: what the words of a sentence say together of a trait, where no cue knows them.
//!
//! A multinomial logistic regression for each trait, learned from thousands of labelled
//! sentences (`learn/README.md` says which and how). Of a sentence it gives the chance that a
//! reader would conclude the high end of the trait, and the low end. Its weights are data,
//! `wording/weights.tsv`: a feature, a tab, and for each trait it moves a letter and the weight
//! in hundredths of a natural logarithm of the odds: `A` to `Q` for the high ends in the traits'
//! documented order, `a` to `q` for the low ends. The line without a feature is the bias.

use std::{
    collections::{BTreeMap, HashMap},
    ops::{Range, RangeInclusive},
    sync::LazyLock,
};

use super::{Trait, lexicon::Lexicon, reading::Reading};

/// How many words a negation reaches forward.
const NEGATION_REACH: usize = 3;

const TRAITS: usize = Trait::ALL.len();

/// Words that say nothing by themselves, only beside others.
const LIGHT: &[&str] = &[
    "a", "an", "the", "of", "in", "at", "on", "his", "her", "their", "its", "my", "our", "he",
    "she", "they", "it", "i", "we", "was", "were", "is", "are", "be", "been", "had", "has", "have",
    "and", "that", "who", "which", "with", "by", "from", "as", "when", "for", "to", "this",
    "these", "those", "him", "them", "me",
];

/// Which way a sentence leans on a trait.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaning {
    pub which: Trait,
    /// The chance of the high end less that of the low end.
    pub lean: f64,
    /// The words that say most of it, by their places in the story.
    pub words: RangeInclusive<usize>,
}

/// What a cue says, as a feature.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// `@theme+`, `@theme-` where it is denied, `@themek+` of kin.
    pub feature: String,
    pub words: RangeInclusive<usize>,
}

/// The learned weights.
#[derive(Debug)]
pub(super) struct Wording {
    /// Where the weights of each feature stand.
    features: HashMap<&'static str, Range<usize>>,
    weights: Vec<Weight>,
    bias: [f64; 2 * TRAITS],
}

#[derive(Clone, Copy, Debug)]
struct Weight {
    /// The trait's number for its high end, and as many more as there are traits for its low end.
    end: u8,
    hundredths: i16,
}

/// The built-in weights.
pub(super) fn wording() -> &'static Wording {
    static WORDING: LazyLock<Wording> = LazyLock::new(|| {
        Wording::parse(include_str!("wording/weights.tsv"))
            .unwrap_or_else(|line| panic!("the built-in weights, which a test reads: {line}"))
    });
    &WORDING
}

impl Wording {
    /// Reads weights; what cannot be read is given back.
    fn parse(text: &'static str) -> Result<Self, String> {
        let mut wording = Self {
            features: HashMap::new(),
            weights: Vec::new(),
            bias: [0.0; 2 * TRAITS],
        };
        for line in text.lines().filter(|it| !it.starts_with('#')) {
            let fault = || line.to_owned();
            let (feature, weights) = line.split_once('\t').ok_or_else(fault)?;
            let from = wording.weights.len();
            let ends: Vec<_> = weights
                .char_indices()
                .filter(|(_, it)| it.is_ascii_alphabetic())
                .collect();
            for (i, &(at, letter)) in ends.iter().enumerate() {
                let to = ends.get(i + 1).map_or(weights.len(), |it| it.0);
                wording.weights.push(Weight {
                    end: end(letter).ok_or_else(fault)?,
                    hundredths: weights[at + 1..to].parse().map_err(|_| fault())?,
                });
            }
            if feature.is_empty() {
                for it in wording.weights.drain(from..) {
                    wording.bias[usize::from(it.end)] = f64::from(it.hundredths) / 100.0;
                }
            } else {
                let found = from..wording.weights.len();
                wording.features.insert(feature, found);
            }
        }
        Ok(wording)
    }

    /// Which ways a sentence leans, on every trait.
    pub fn read(
        &self,
        reading: &Reading,
        sentence: Range<usize>,
        marks: &[Mark],
        lexicon: &Lexicon,
    ) -> Vec<Leaning> {
        let mut sums = self.bias;
        let mut said: Vec<(Weight, RangeInclusive<usize>)> = Vec::new();
        for (feature, places) in features(reading, sentence, marks, lexicon) {
            let Some(weights) = self.features.get(feature.as_str()) else {
                continue;
            };
            for &it in &self.weights[weights.clone()] {
                sums[usize::from(it.end)] += f64::from(it.hundredths) / 100.0;
                said.push((it, places.clone()));
            }
        }
        let leaning = |(number, &which): (usize, &Trait)| {
            let (high, low) = (sums[number], sums[number + TRAITS]);
            // Less the greatest, so that no sum is too great for an exponential.
            let most = high.max(low).max(0.0);
            let [high, low, none] = [high, low, 0.0].map(|it| (it - most).exp());
            let lean = (high - low) / (high + low + none);
            let words = told_by(&said, number, lean > 0.0)?;
            Some(Leaning { which, lean, words })
        };
        Trait::ALL.iter().enumerate().filter_map(leaning).collect()
    }
}

/// From the first to the last word of the features that speak at least half as strongly as the
/// strongest for one end of a trait against the other.
fn told_by(
    said: &[(Weight, RangeInclusive<usize>)],
    number: usize,
    high: bool,
) -> Option<RangeInclusive<usize>> {
    let mut by_place: BTreeMap<(usize, usize), i32> = BTreeMap::new();
    for (weight, places) in said {
        let end = usize::from(weight.end);
        if end % TRAITS == number {
            let sign = if (end < TRAITS) == high { 1 } else { -1 };
            *by_place
                .entry((*places.start(), *places.end()))
                .or_default() += sign * i32::from(weight.hundredths);
        }
    }
    let most = *by_place.values().max()?;
    let strong = || by_place.iter().filter(|it| most > 0 && *it.1 * 2 >= most);
    let from = strong().map(|it| it.0.0).min()?;
    let to = strong().map(|it| it.0.1).max()?;
    Some(from..=to)
}

fn end(letter: char) -> Option<u8> {
    let (first, offset) = if letter.is_ascii_uppercase() {
        (b'A', 0)
    } else {
        (b'a', TRAITS)
    };
    let number = usize::from(u8::try_from(letter).ok()?.checked_sub(first)?);
    (number < TRAITS)
        .then_some(number + offset)
        .and_then(|it| u8::try_from(it).ok())
}

/// What a sentence is known by, and by which words: stems, stems under a negation (`stem~`),
/// pairs of neighbours (`a b`) and of words with one between (`a _ b`), and the marks of cues.
pub(super) fn features(
    reading: &Reading,
    sentence: Range<usize>,
    marks: &[Mark],
    lexicon: &Lexicon,
) -> BTreeMap<String, RangeInclusive<usize>> {
    let here = |it: &&Mark| sentence.contains(it.words.start());
    let mut found: BTreeMap<_, _> = marks
        .iter()
        .filter(here)
        .map(|it| (it.feature.clone(), it.words.clone()))
        .collect();
    // The word before the last, and the last, of this clause.
    let mut before: Option<(usize, String)> = None;
    let mut last: Option<(usize, String)> = None;
    let mut clause = u32::MAX;
    let mut under_negation = 0;
    for i in sentence {
        let word = &reading.words[i];
        if word.clause != clause {
            clause = word.clause;
            (before, last) = (None, None);
            under_negation = 0;
        }
        // A name says nothing, whatever it means.
        if reading.is_named(word) {
            continue;
        }
        let stem = lexicon.stem(&word.text);
        let light = LIGHT.contains(&word.text.as_str());
        let mut add = |feature: String, from: usize| {
            found.entry(feature).or_insert(from..=i);
        };
        if !light {
            let mark = if under_negation > 0 { "~" } else { "" };
            add(format!("{stem}{mark}"), i);
        }
        if let Some((from, last)) = &last {
            add(format!("{last} {stem}"), *from);
        }
        if let (Some((from, before)), false) = (&before, light) {
            add(format!("{before} _ {stem}"), *from);
        }
        under_negation = if lexicon.negates(&word.text) {
            NEGATION_REACH
        } else {
            under_negation.saturating_sub(1)
        };
        before = last.replace((i, stem));
    }
    found
}

#[cfg(test)]
mod tests;
