//! What an entity's name and story tell of its voice: gender, accent and age.

use super::{Catalogue, Speaker, VoiceGender, catalogue::accents};
use crate::dna::{
    lexicon::lexicon,
    reading::{Gender, Holder, Reading, Word},
};

/// Something told, and the words that tell it.
pub(super) struct Told<T> {
    pub is: T,
    pub by: String,
}

/// What is told of the voice.
pub(super) struct Wish {
    pub gender: Option<Told<VoiceGender>>,
    pub accent: Option<Told<String>>,
    /// The youngest and the oldest that fit.
    pub age: Option<Told<(i32, i32)>>,
}

const MALE_TITLES: &[&str] = &[
    "mr",
    "mister",
    "sir",
    "lord",
    "king",
    "prince",
    "duke",
    "uncle",
    "brother",
    "father",
    "papa",
    "dad",
    "daddy",
    "grandpa",
    "granddad",
    "grandad",
    "grandfather",
    "gramps",
    "boy",
    "man",
];
const FEMALE_TITLES: &[&str] = &[
    "mrs",
    "miss",
    "ms",
    "lady",
    "queen",
    "princess",
    "duchess",
    "aunt",
    "auntie",
    "sister",
    "mother",
    "mama",
    "mom",
    "mum",
    "mummy",
    "grandma",
    "granny",
    "nana",
    "grandmother",
    "madam",
    "madame",
    "girl",
    "woman",
];
const OLD: (i32, i32) = (60, 120);
const YOUNG: (i32, i32) = (16, 25);

impl Wish {
    pub fn of(speaker: &Speaker<'_>, catalogue: &Catalogue) -> Self {
        let story = speaker.story.unwrap_or_default();
        let reading = Reading::of(story, Some(speaker.name), lexicon());
        let name = Reading::of(speaker.name, None, lexicon());
        let told_gender = || {
            let (is, by) = match reading.gender? {
                Gender::Male => (VoiceGender::Male, "the story speaks of a man"),
                Gender::Female => (VoiceGender::Female, "the story speaks of a woman"),
            };
            Some(Told {
                is,
                by: by.to_owned(),
            })
        };
        Self {
            gender: titled(&name).or_else(told_gender),
            accent: accent(&reading, catalogue).or_else(|| accent(&name, catalogue)),
            age: age(&reading)
                .or_else(|| age_in_name(&name))
                .map(|it| within(it, catalogue)),
        }
    }
}

fn titled(name: &Reading) -> Option<Told<VoiceGender>> {
    name.words.iter().find_map(|word| {
        let is = match word.text.as_str() {
            it if MALE_TITLES.contains(&it) => VoiceGender::Male,
            it if FEMALE_TITLES.contains(&it) => VoiceGender::Female,
            _ => return None,
        };
        Some(Told {
            is,
            by: format!("\"{}\" in the name", word.text),
        })
    })
}

/// The accent told most often, of equals the one told first.
fn accent(reading: &Reading, catalogue: &Catalogue) -> Option<Told<String>> {
    let mut found: Vec<(String, String, u32)> = Vec::new();
    for (accent, terms) in &accents().words {
        for term in terms
            .split([';', '\n'])
            .map(str::trim)
            .filter(|it| !it.is_empty())
        {
            count(reading, accent, term, &mut found);
        }
    }
    for voice in catalogue.voices() {
        // What an operator's file calls an accent is a word for it.
        if !accents().words.contains_key(&voice.accent)
            && found.iter().all(|it| it.0 != voice.accent)
        {
            count(reading, &voice.accent, &voice.accent, &mut found);
        }
    }
    // "Northern Ireland" is no "Ireland", "New England" no "England".
    let longer = |term: &str| {
        found
            .iter()
            .any(|(_, other, _)| other.len() > term.len() && other.ends_with(term))
    };
    let told = |term: &str| first_place(reading, term);
    found
        .iter()
        .filter(|(_, term, _)| !longer(term))
        .max_by_key(|(_, term, n)| (*n, std::cmp::Reverse(told(term))))
        .map(|(accent, term, _)| Told {
            is: accent.clone(),
            by: format!("\"{term}\""),
        })
}

fn count(reading: &Reading, accent: &str, term: &str, found: &mut Vec<(String, String, u32)>) {
    let n = places(reading, term).count();
    if n > 0 {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        found.push((accent.to_owned(), term.to_owned(), n));
    }
}

fn first_place(reading: &Reading, term: &str) -> usize {
    places(reading, term).next().unwrap_or(usize::MAX)
}

/// Where a term stands as whole words with capitals, told of the entity itself.
fn places<'a>(reading: &'a Reading, term: &'a str) -> impl Iterator<Item = usize> + 'a {
    let words = &reading.words;
    let wanted: Vec<String> = term.split_whitespace().map(str::to_lowercase).collect();
    (0..words.len()).filter(move |&i| {
        let here = &words[i..];
        here.len() >= wanted.len()
            && here
                .iter()
                .zip(&wanted)
                .all(|(word, wanted)| word.text == *wanted && word.capital)
            && words[i].holder == Holder::Own
            && !is_a_language(words, i)
    })
}

/// "learned English", "spoke in Irish".
fn is_a_language(words: &[Word], i: usize) -> bool {
    const VERBS: &[&str] = &[
        "learn", "learned", "learnt", "learning", "speak", "spoke", "speaks", "speaking", "teach",
        "taught", "teaches", "teaching", "study", "studied", "studying", "broken", "perfect",
        "fluent", "read", "reads", "wrote", "knew",
    ];
    let before = |n: usize| i.checked_sub(n).map(|it| words[it].text.as_str());
    before(1).is_some_and(|it| VERBS.contains(&it))
        || (before(1) == Some("in") && before(2).is_some_and(|it| VERBS.contains(&it)))
}

/// An age beyond the voices there are means the oldest or the youngest of them.
fn within(told: Told<(i32, i32)>, catalogue: &Catalogue) -> Told<(i32, i32)> {
    let (youngest, oldest) = catalogue.ages();
    let (low, high) = told.is;
    // Near the end is near enough.
    let is = (low.min(oldest - 2).max(1), high.max(youngest + 1));
    Told { is, ..told }
}

fn age_in_name(name: &Reading) -> Option<Told<(i32, i32)>> {
    name.words.iter().find_map(|word| {
        let is = match word.text.as_str() {
            "old" | "grandpa" | "granddad" | "grandad" | "grandfather" | "gramps" | "grandma"
            | "granny" | "nana" | "grandmother" => OLD,
            "young" | "little" | "junior" => YOUNG,
            _ => return None,
        };
        Some(Told {
            is,
            by: format!("\"{}\" in the name", word.text),
        })
    })
}

/// The age told of the entity as it is now, not as it was in the story.
fn age(reading: &Reading) -> Option<Told<(i32, i32)>> {
    let words = &reading.words;
    (0..words.len())
        .filter(|&i| words[i].holder == Holder::Own)
        .find_map(|i| {
            number_age(words, i)
                .or_else(|| decade_age(words, i))
                .or_else(|| word_age(words, i))
        })
}

fn told(words: &[Word], from: usize, to: usize, is: (i32, i32)) -> Told<(i32, i32)> {
    let by: Vec<_> = words[from..to].iter().map(|it| it.text.as_str()).collect();
    Told {
        is,
        by: format!("\"{}\"", by.join(" ")),
    }
}

/// Number and the place after it: "34", "twenty one".
fn number(words: &[Word], i: usize) -> Option<(i32, usize)> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = [
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let text = words.get(i)?.text.as_str();
    if let Ok(n) = text.parse::<i32>() {
        return (1..=120).contains(&n).then_some((n, i + 1));
    }
    let index = |list: &[&str], it: &str| {
        list.iter()
            .position(|word| *word == it)
            .and_then(|n| i32::try_from(n).ok())
    };
    if let Some(tens) = index(&TENS, text) {
        let tens = 20 + 10 * tens;
        let unit = words
            .get(i + 1)
            .and_then(|it| index(&UNITS[..10], &it.text))
            .filter(|it| *it > 0);
        return Some(unit.map_or((tens, i + 1), |unit| (tens + unit, i + 2)));
    }
    index(&UNITS, text).filter(|it| *it > 0).map(|n| (n, i + 1))
}

fn is_present(words: &[Word], i: usize) -> bool {
    const PRESENT: &[&str] = &[
        "is", "am", "are", "now", "i'm", "he's", "she's", "turns", "still",
    ];
    let clause = words[i].clause;
    let before = words[..i]
        .iter()
        .rev()
        .take_while(|it| it.clause == clause)
        .take(4);
    let owner_is = i.checked_sub(1).is_some_and(|j| words[j].possessive);
    owner_is || before.clone().any(|it| PRESENT.contains(&it.text.as_str()))
}

fn is_past(words: &[Word], i: usize) -> bool {
    const PAST: &[&str] = &[
        "was", "were", "when", "at", "from", "since", "until", "by", "had", "turned", "became",
        "before", "after", "died", "left", "till",
    ];
    let clause = words[i].clause;
    let before = words[..i]
        .iter()
        .rev()
        .take_while(|it| it.clause == clause)
        .take(4);
    before.clone().any(|it| PAST.contains(&it.text.as_str()))
}

fn number_age(words: &[Word], i: usize) -> Option<Told<(i32, i32)>> {
    let (n, next) = number(words, i)?;
    let word = |at: usize| words.get(at).map(|it| it.text.as_str());
    let range = (n - 2, n + 2);
    let years_old = matches!(word(next), Some("year" | "years")) && word(next + 1) == Some("old");
    if years_old && (is_present(words, i) || !is_past(words, i)) {
        return Some(told(words, i, next + 2, range));
    }
    let aged = i.checked_sub(1).is_some_and(|it| words[it].text == "aged");
    if aged && n >= 16 && !is_past(words, i) {
        return Some(told(words, i - 1, next, range));
    }
    // "is 34", at the end of what is said of it.
    let just_is = i.checked_sub(1).is_some_and(|it| {
        matches!(
            words[it].text.as_str(),
            "is" | "am" | "i'm" | "turns" | "now"
        )
    });
    let ends = words.get(next).is_none_or(|it| {
        it.clause != words[i].clause
            || matches!(it.text.as_str(), "and" | "now" | "today" | "years")
    });
    (just_is && ends && n >= 10).then(|| told(words, i, next, range))
}

/// "in her late sixties".
fn decade_age(words: &[Word], i: usize) -> Option<Told<(i32, i32)>> {
    const DECADES: [&str; 8] = [
        "twenties",
        "thirties",
        "forties",
        "fifties",
        "sixties",
        "seventies",
        "eighties",
        "nineties",
    ];
    let at = DECADES.iter().position(|it| *it == words[i].text)?;
    let low = 20 + 10 * i32::try_from(at).ok()?;
    let owned = words[..i]
        .iter()
        .rev()
        .take(2)
        .any(|it| matches!(it.text.as_str(), "his" | "her" | "their" | "my"));
    (owned && !is_past(words, i)).then(|| told(words, i.saturating_sub(1), i + 1, (low, low + 9)))
}

fn word_age(words: &[Word], i: usize) -> Option<Told<(i32, i32)>> {
    const PERSONS: &[&str] = &[
        "man",
        "woman",
        "lady",
        "gentleman",
        "sailor",
        "soldier",
        "widow",
        "widower",
        "soul",
        "fellow",
        "teacher",
        "cook",
        "baker",
        "farmer",
        "fisherman",
        "monk",
        "nun",
        "nurse",
        "clerk",
        "butler",
        "maid",
        "girl",
        "boy",
        "person",
        "servant",
        "captain",
    ];
    let word = |at: Option<usize>| at.and_then(|it| words.get(it)).map(|it| it.text.as_str());
    let (before, after) = (word(i.checked_sub(1)), word(Some(i + 1)));
    let person = after.is_some_and(|it| PERSONS.contains(&it))
        && matches!(
            before,
            Some("a" | "an" | "the" | "is" | "this" | "very" | "our") | None
        );
    let predicated = person || is_present(words, i) && after != Some("enough");
    let is = match words[i].text.as_str() {
        "old" | "elderly" | "aged" if predicated && !is_past(words, i) => OLD,
        "young" if predicated && !is_past(words, i) => YOUNG,
        "retired" | "pensioner" if is_present(words, i) => OLD,
        "grandfather" | "grandmother" | "grandpa" | "grandma" | "granny"
            if matches!(before, Some("a" | "as")) && is_present(words, i) =>
        {
            OLD
        }
        "teenager" | "teenage" | "teen" if is_present(words, i) => (13, 19),
        "middle" if after == Some("aged") && predicated => (40, 59),
        _ => return None,
    };
    Some(told(words, i, i + 1, is))
}
