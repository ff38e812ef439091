//! Reading a story: words with their places, clauses, and whose experience each word tells.
//!
//! This is not a parser. It follows the few signs that carry most of the weight in short
//! life stories: who is named first in a clause, pronouns against known genders, "who",
//! "watched her mother", "the son of a".

mod listing;
mod others;
mod statements;
mod words;

use std::ops::Range;

pub(super) use listing::Telling;
use statements::disownings;
use words::split;

use super::lexicon::Lexicon;

/// Whose experience a word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// The entity's own.
    Own,
    /// A parent's or another elder's.
    Kin,
}

/// Somebody beside the entity and its elders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// Somebody unnamed: "the ones who were afraid".
    Others,
    /// A brother, a friend, a neighbour.
    Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gender {
    Male,
    Female,
}

#[derive(Debug)]
pub(super) struct Word {
    /// Lower-case, typographic apostrophes made plain, without a possessive ending.
    pub text: String,
    /// As told, in bytes of the story.
    pub bytes: Range<usize>,
    /// Where it begins and ends, in characters.
    pub start: u32,
    pub end: u32,
    pub sentence: u32,
    pub clause: u32,
    pub capital: bool,
    pub possessive: bool,
    /// The numbers the lexicon knows it by.
    pub numbers: [Option<u32>; 2],
    pub holder: Holder,
    /// Whether its clause says outright what the entity is like.
    pub stated: bool,
    /// Of whom it tells, if neither of the entity nor of those who raised it.
    pub beside: Option<Beside>,
}

#[derive(Debug)]
pub(super) struct Reading {
    pub words: Vec<Word>,
    /// What each sentence tells, by its number.
    pub tellings: Vec<Telling>,
    /// The sentences that say that the entity is not like those told of before.
    pub disownings: Vec<u32>,
    /// Whether anybody's life is told at all.
    pub of_a_life: bool,
    /// Whether it tells how a life went: relatives, childhood, work, learning.
    pub of_its_course: bool,
    /// Whether the entity is a man or a woman, where its own words say so.
    pub gender: Option<Gender>,
    /// The words of the entity's name.
    name: Vec<String>,
}

const PREPOSITIONS: &[&str] = &[
    "by",
    "from",
    "with",
    "for",
    "to",
    "of",
    "under",
    "without",
    "like",
    "about",
    "at",
    "on",
    "beside",
    "than",
    "near",
    "in",
    "alongside",
    "between",
    "against",
    "behind",
    "among",
    "through",
    "toward",
    "towards",
    "unlike",
];
/// What may stand between a preposition and the person it governs.
const DETERMINERS: &[&str] = &[
    "his", "her", "their", "my", "our", "your", "its", "the", "a", "an", "own", "old", "young",
    "late", "two", "both", "strict", "gentle", "kind", "loving", "patient", "tired", "poor",
    "elderly", "beloved", "widowed", "single", "stern",
];

impl Reading {
    pub fn of(story: &str, name: Option<&str>, lexicon: &Lexicon) -> Self {
        let mut words = split(story, lexicon);
        let name: Vec<String> = name
            .unwrap_or_default()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|it| it.chars().count() > 1)
            .map(str::to_lowercase)
            .filter(|it| !matches!(it.as_str(), "the" | "an" | "of" | "old" | "unit"))
            .collect();
        let mut reader = Reader {
            lexicon,
            name: &name,
            gender: None,
        };
        reader.gender = reader.own_gender(&words);
        let tellings = reader.tellings(&words);
        let of_a_life = reader.is_a_life(&words, &tellings);
        let of_its_course = reader.is_a_course(&words);
        reader.assign_holders(&mut words);
        reader.mark_others(&mut words);
        reader.mark_peers(&mut words);
        reader.mark_statements(&mut words);
        let disownings = disownings(&words);
        // A name says nothing of a life, whatever it means: Grace, Hope, Miller.
        for word in &mut words {
            if reader.is_name(word) && !lexicon.modifiers.titles.contains(&word.text) {
                word.numbers = [None, None];
            }
        }
        let gender = reader.gender;
        Self {
            words,
            tellings,
            disownings,
            of_a_life,
            of_its_course,
            gender,
            name,
        }
    }
}

impl Reading {
    /// The words of each sentence.
    pub fn sentences(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut from = 0;
        self.words
            .chunk_by(|a, b| a.sentence == b.sentence)
            .map(move |words| {
                let sentence = from..from + words.len();
                from = sentence.end;
                sentence
            })
    }

    /// Whether a word is of the entity's name.
    pub fn is_named(&self, word: &Word) -> bool {
        word.capital && self.name.contains(&word.text)
    }

    /// What the sentence of this word tells.
    pub fn telling(&self, word: usize) -> Telling {
        let sentence = self.words.get(word).map(|it| it.sentence as usize);
        let telling = sentence.and_then(|it| self.tellings.get(it));
        telling.copied().unwrap_or(Telling::Life)
    }
}

/// A parent or somebody else close, and of which gender, where the word says.
#[derive(Clone, Copy, Debug)]
struct Relative {
    gender: Option<Gender>,
}

/// Who a word mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mention {
    Own,
    Kin(Option<Gender>),
    Pronoun(Option<Gender>),
}

struct Reader<'a> {
    lexicon: &'a Lexicon,
    name: &'a [String],
    gender: Option<Gender>,
}

impl Reader<'_> {
    fn kin(&self, words: &[Word], i: usize) -> Option<Relative> {
        let people = &self.lexicon.people;
        let text = words[i].text.as_str();
        let gender = if people.women.contains(text) {
            Some(Gender::Female)
        } else if people.men.contains(text) {
            Some(Gender::Male)
        } else if people.either.contains(text) {
            None
        } else {
            return None;
        };
        // A mother plant is nobody's mother.
        let next = words.get(i + 1).map(|it| it.text.as_str());
        if next.is_some_and(|it| people.not_kin_before.contains(it)) {
            return None;
        }
        // "became a mother", "is the grandfather of": the entity's own.
        let own = i >= 2
            && matches!(words[i - 1].text.as_str(), "a" | "an")
            && matches!(
                words[i - 2].text.as_str(),
                "is" | "am" | "became" | "become" | "as" | "now"
            );
        // "my uncle Ivo", of whom the story is.
        let named = (i + 1..words.len().min(i + 4))
            .take_while(|&j| j == i + 1 || matches!(words[j - 1].text.as_str(), "in" | "law"))
            .any(|j| self.is_name(&words[j]) && words[j].clause == words[i].clause);
        if own || named || self.is_name(&words[i]) {
            None
        } else {
            Some(Relative { gender })
        }
    }

    fn is_name(&self, word: &Word) -> bool {
        word.capital && self.name.contains(&word.text)
    }

    fn mention(&self, words: &[Word], i: usize) -> Option<Mention> {
        let word = &words[i];
        if let Some(Relative { gender }) = self.kin(words, i) {
            // Of several, "she" is none.
            let several =
                word.text.ends_with('s') && !matches!(word.text.as_str(), "boss" | "gramps");
            return Some(Mention::Kin(gender.filter(|_| !several)));
        }
        if self.is_name(word) {
            return (!word.possessive).then_some(Mention::Own);
        }
        match word.text.as_str() {
            "i" | "we" | "you" | "i'm" | "i'd" | "i've" => Some(Mention::Own),
            "he" | "he'd" => Some(Mention::Pronoun(Some(Gender::Male))),
            "she" | "she'd" => Some(Mention::Pronoun(Some(Gender::Female))),
            "they" | "they'd" => Some(Mention::Pronoun(None)),
            _ => None,
        }
    }

    /// The entity's gender, where its own words tell: "his mother", "the daughter of",
    /// or "he" in a story in which nobody else can be meant.
    fn own_gender(&self, words: &[Word]) -> Option<Gender> {
        let people = &self.lexicon.people;
        let mut votes = [0_u32; 2];
        let mut vote = |gender: Gender, weight: u32| {
            votes[usize::from(gender == Gender::Female)] += weight;
        };
        let mut others = [false; 2];
        for (i, word) in words.iter().enumerate() {
            match self.kin(words, i).and_then(|it| it.gender) {
                Some(Gender::Male) => others[0] = true,
                Some(Gender::Female) => others[1] = true,
                _ => {}
            }
            let owner = match word.text.as_str() {
                "his" => Gender::Male,
                "her" => Gender::Female,
                _ => continue,
            };
            // "his mother", "her late father": whose parents are told of is the entity.
            let relative = (i + 1..words.len().min(i + 4))
                .find(|&j| self.kin(words, j).is_some())
                .filter(|&j| words[j].sentence == word.sentence);
            // "his father ... his father's father" is a rare thing; a kin just before is not.
            if relative.is_some() {
                vote(owner, 3);
            }
        }
        for (i, word) in words.iter().enumerate() {
            let gender = match word.text.as_str() {
                "son" | "boy" | "man" | "grandson" | "nephew" | "gentleman" | "lad" => Gender::Male,
                "daughter" | "girl" | "woman" | "granddaughter" | "niece" | "lady" | "lass" => {
                    Gender::Female
                }
                "he" | "him" | "his" | "himself" | "he'd" if !others[0] => {
                    vote(Gender::Male, 1);
                    continue;
                }
                "she" | "her" | "hers" | "herself" | "she'd" if !others[1] => {
                    vote(Gender::Female, 1);
                    continue;
                }
                _ => continue,
            };
            // "the daughter of", "a quiet boy who", not "her brother's daughter".
            let before = i.checked_sub(1).map(|it| words[it].text.as_str());
            let predicated = words[..i].iter().rev().take(4).any(|it| {
                matches!(
                    it.text.as_str(),
                    "a" | "an" | "the" | "only" | "as" | "youngest" | "eldest" | "oldest" | "first"
                )
            });
            if predicated && !matches!(before, Some("his" | "her" | "their")) {
                let of = words.get(i + 1).is_some_and(|it| it.text == "of");
                let offspring = people.offspring.contains(&word.text);
                vote(gender, if of && offspring { 3 } else { 1 });
            }
        }
        match votes {
            [m, f] if m > f => Some(Gender::Male),
            [m, f] if f > m => Some(Gender::Female),
            _ => None,
        }
    }

    fn is_a_life(&self, words: &[Word], tellings: &[Telling]) -> bool {
        let things = &self.lexicon.people.things;
        let of_things = words
            .iter()
            .any(|it| things.contains(&self.lexicon.stem(&it.text)));
        (0..words.len()).any(|i| {
            let word = &words[i];
            let text = word.text.as_str();
            let lives = tellings.get(word.sentence as usize) == Some(&Telling::Life);
            (self.is_name(word) && !of_things && lives)
                || matches!(
                    text,
                    "he" | "she"
                        | "i"
                        | "my"
                        | "his"
                        | "her"
                        | "him"
                        | "me"
                        | "you"
                        | "your"
                        | "i've"
                        | "i'm"
                        | "i'd"
                        | "i'll"
                        | "we"
                        | "us"
                        | "our"
                )
                || self.lexicon.people.upbringing.contains(text)
                || (text == "grew" && words.get(i + 1).is_some_and(|it| it.text == "up"))
                || (self.kin(words, i).is_some() && word.capital)
        })
    }

    fn is_a_course(&self, words: &[Word]) -> bool {
        let people = &self.lexicon.people;
        (0..words.len()).any(|i| {
            people.upbringing.contains(&words[i].text)
                || people
                    .life_course
                    .contains(&self.lexicon.stem(&words[i].text))
        })
    }

    fn assign_holders(&self, words: &mut [Word]) {
        // What was last told of, across clauses and sentences.
        let mut last = Mention::Own;
        let mut i = 0;
        while i < words.len() {
            let clause = words[i].clause;
            let end = (i..words.len())
                .find(|&j| words[j].clause != clause)
                .unwrap_or(words.len());
            last = self.read_clause(words, i..end, last);
            i = end;
        }
        // "Exhausted, his mother ...": an opening without anybody is of whom follows.
        for i in (0..words.len().saturating_sub(1)).rev() {
            let (here, next) = (&words[i], &words[i + 1]);
            let opening = here.sentence == next.sentence && here.clause + 1 == next.clause;
            let first = words[..i]
                .iter()
                .rev()
                .take_while(|it| it.sentence == here.sentence);
            if opening && first.clone().all(|it| it.clause == here.clause) {
                let from = i - first.count();
                if !(from..=i).any(|j| self.mention(words, j).is_some()) {
                    let holder = words[i + 1].holder;
                    words[from..=i].iter_mut().for_each(|it| it.holder = holder);
                }
            }
        }
    }

    /// Gives each word of a clause its holder; answers who was last told of.
    fn read_clause(&self, words: &mut [Word], clause: Range<usize>, last: Mention) -> Mention {
        let begin = clause.start;
        let first = words[begin].text.as_str();
        let mut subject = last;
        let mut found = false;

        // "..., a clockmaker, ..." and "who": of the person just named, if one was.
        let previous_kin = begin
            .checked_sub(1)
            .filter(|&j| words[j].sentence == words[begin].sentence)
            .and_then(|j| self.kin(words, j));
        if matches!(
            first,
            "a" | "an" | "the" | "who" | "both" | "himself" | "herself"
        ) && let Some(Relative { gender }) = previous_kin
        {
            subject = Mention::Kin(gender);
            found = true;
        }
        let subordinate = matches!(
            first,
            "when" | "while" | "after" | "before" | "until" | "since" | "because" | "if"
        );

        let mut holders = Vec::with_capacity(clause.len());
        let mut kin_from_here = false;
        for i in clause.clone() {
            let governed = is_governed(words, i, begin);
            let mention = self.mention(words, i);
            let perceived = words[begin..i].iter().rev().take(3).any(|it| {
                self.lexicon
                    .people
                    .perceiving
                    .contains(&self.lexicon.stem(&it.text))
            });
            match mention {
                Some(Mention::Kin(gender)) if perceived || (!found && !governed) => {
                    subject = Mention::Kin(gender);
                    found = true;
                }
                Some(Mention::Own) if !found && !governed => {
                    subject = Mention::Own;
                    found = true;
                }
                Some(Mention::Pronoun(gender))
                    if !found || i > begin && words[i - 1].text == "and" =>
                {
                    subject = self.resolve(gender, last, subordinate);
                    found = true;
                }
                _ => {}
            }
            // "the son of a ...", "born to a ...", "raised by ...": theirs from there.
            if i >= 2 && i - 2 >= begin {
                let (verb, link) = (words[i - 2].text.as_str(), words[i - 1].text.as_str());
                let descent = self.lexicon.people.offspring.contains(verb)
                    && matches!(link, "of" | "to" | "by")
                    && words[i].text != "the";
                kin_from_here |= descent;
            }
            let before_kin = (i + 1..clause.end.min(i + 3))
                .find(|&j| self.kin(words, j).is_some())
                .is_some_and(|j| {
                    (i + 1..j).all(|k| {
                        !PREPOSITIONS.contains(&words[k].text.as_str())
                            && words[k].text != "and"
                            && !DETERMINERS[..9].contains(&words[k].text.as_str())
                    })
                })
                && !PREPOSITIONS.contains(&words[i].text.as_str());
            let adjective =
                before_kin && i > begin && DETERMINERS.contains(&words[i - 1].text.as_str());
            holders.push(if kin_from_here || adjective {
                Holder::Kin
            } else {
                match subject {
                    Mention::Kin(_) => Holder::Kin,
                    Mention::Own | Mention::Pronoun(_) => Holder::Own,
                }
            });
        }
        // What stands before the subject is the subject's too.
        if let Some(at) = (0..holders.len()).find(|&k| self.mention(words, begin + k).is_some()) {
            let of = holders[at];
            if !is_governed(words, begin + at, begin) {
                holders[..at].iter_mut().for_each(|it| *it = of);
            }
        }
        for (i, holder) in clause.zip(holders) {
            words[i].holder = holder;
        }
        if kin_from_here { last } else { subject }
    }

    fn resolve(&self, pronoun: Option<Gender>, last: Mention, subordinate: bool) -> Mention {
        let Mention::Kin(kin) = last else {
            return Mention::Own;
        };
        match (pronoun, kin) {
            // "they" after "his parents".
            (None, None) => last,
            (None, Some(_)) => Mention::Own,
            (Some(told), None) if self.gender.is_none_or(|it| it == told) => Mention::Own,
            (Some(told), kin) => {
                let may_be_kin = kin.is_none_or(|it| it == told);
                let may_be_own = self.gender.is_none_or(|it| it == told);
                // "died when she was six": the entity's age is told more often.
                let rather_own = may_be_own && subordinate;
                if may_be_kin && !rather_own {
                    last
                } else {
                    Mention::Own
                }
            }
        }
    }
}

/// Whether the person at `i` depends on a preposition: "by his mother".
fn is_governed(words: &[Word], i: usize, begin: usize) -> bool {
    words[begin..i]
        .iter()
        .rev()
        .find(|it| !DETERMINERS.contains(&it.text.as_str()))
        .is_some_and(|it| PREPOSITIONS.contains(&it.text.as_str()))
}
