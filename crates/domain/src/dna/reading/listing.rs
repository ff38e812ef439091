//! Sentences that list what a thing or a place is: they tell no life and move nothing.

use super::{Reader, Word};

/// Past forms which the lexicon has no need to stem.
const PAST: &[&str] = &[
    "ate", "eaten", "been", "got", "put", "sat", "led", "met", "sent", "laid", "let", "cut", "hit",
    "hurt", "rang", "swam", "swum", "froze", "frozen", "hung", "dug", "stuck", "swept", "wept",
    "shot", "sank", "struck", "bit", "blew", "bent", "crept", "lit", "shut", "wound", "quit",
    "did", "done", "became", "cost", "read", "set", "shone", "slid", "spun", "stung", "swung",
    "bought", "sought",
];

const PRONOUNS: &[&str] = &[
    "he", "she", "i", "we", "his", "her", "him", "my", "me", "our", "us", "you", "who",
];

/// With these even a pronoun tells particulars: "she has two brothers".
const OWNING: &[&str] = &[
    "has",
    "have",
    "owns",
    "lives",
    "favourite",
    "favorite",
    "birthday",
];

/// What somebody has that is no particular: "she has little confidence".
const QUALITIES: &[&str] = &[
    "little",
    "no",
    "sense",
    "eye",
    "taste",
    "trust",
    "faith",
    "confidence",
    "pride",
    "respect",
    "patience",
    "energy",
    "need",
    "fear",
    "courage",
    "plan",
    "plans",
    "ear",
    "talent",
    "trouble",
    "difficulty",
    "strength",
    "habit",
    "habits",
    "routine",
];

/// After "is" these open a particular: what, where, of what.
const PARTICULAR: &[&str] = &[
    "a", "an", "the", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "in", "at", "on", "of", "from", "about", "made", "built", "born", "called", "named",
    "my", "his", "her", "our", "their", "located", "married", "painted",
];

/// What one sentence tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dna) enum Telling {
    /// What somebody did, felt or went through.
    Life,
    /// What somebody named is or has: "Quill has two sisters".
    Particulars,
    /// What a thing is or has: "the house has four rooms".
    Listing,
}

impl Reader<'_> {
    /// What each sentence tells, by its number.
    pub(super) fn tellings(&self, words: &[Word]) -> Vec<Telling> {
        let sentences = words.last().map_or(0, |it| it.sentence as usize + 1);
        let mut tellings = vec![Telling::Life; sentences];
        for sentence in words.chunk_by(|a, b| a.sentence == b.sentence) {
            if let Some(first) = sentence.first()
                && let Some(telling) = tellings.get_mut(first.sentence as usize)
            {
                *telling = self.telling(sentence);
            }
        }
        tellings
    }

    fn telling(&self, sentence: &[Word]) -> Telling {
        let modifiers = &self.lexicon.modifiers;
        let has = |it: &[&str]| sentence.iter().any(|word| it.contains(&word.text.as_str()));
        let listed = sentence
            .iter()
            .any(|it| modifiers.listing.contains(&it.text));
        let happened = (0..sentence.len()).any(|i| self.tells_what_happened(sentence, i));
        let described = (0..sentence.len()).any(|i| self.is_described(sentence, i));
        let owned = has(OWNING) && !has(QUALITIES);
        if !listed || happened || described || (has(PRONOUNS) && !owned) {
            Telling::Life
        } else if has(PRONOUNS) || sentence.iter().any(|it| self.is_name(it) && !it.possessive) {
            Telling::Particulars
        } else {
            Telling::Listing
        }
    }

    /// "Ada is always punctual": a quality, not a particular.
    fn is_described(&self, sentence: &[Word], i: usize) -> bool {
        let is = matches!(sentence[i].text.as_str(), "is" | "gets" | "stays");
        let named = i > 0 && self.is_name(&sentence[i - 1]) && !sentence[i - 1].possessive;
        is && named
            && sentence.get(i + 1).is_some_and(|it| {
                let text = it.text.as_str();
                !it.capital
                    && !text.starts_with(|it: char| it.is_ascii_digit())
                    && !PARTICULAR.contains(&text)
            })
    }

    /// A verb of what happened.
    fn tells_what_happened(&self, sentence: &[Word], i: usize) -> bool {
        let word = sentence[i].text.as_str();
        if matches!(word, "born" | "named" | "called" | "made" | "located") {
            return false;
        }
        let before = i.checked_sub(1).map_or("", |it| sentence[it].text.as_str());
        // "has had the same breakfast since".
        let lasting = word == "had" && matches!(before, "has" | "have");
        let happened = lasting
            || self.lexicon.is_irregular_past(word)
            || PAST.contains(&word)
            || word.ends_with("n't")
            || word == "never"
            || (word.len() > 4 && (word.ends_with("ed") || word.ends_with("ing")));
        // "is painted white", "a building": what it is like.
        let described = matches!(before, "is" | "are" | "a" | "the");
        happened && !described
    }
}
