//! Clauses that say outright what somebody is like: "she prefers to be alone".

use std::ops::Range;

use super::{Holder, Mention, Reader, Word, is_governed};

/// With one of these a clause says under what condition, of whom else, or in spite of what.
const SUBORDINATE: &[&str] = &[
    "when", "while", "after", "before", "until", "since", "because", "if", "although", "though",
    "whereas", "who", "whom", "whose", "which",
];

/// What opens a sentence that stands against what was told before it.
const CONTRASTS: &[&str] = &[
    "but",
    "yet",
    "still",
    "however",
    "nevertheless",
    "nonetheless",
    "unlike",
    "even",
    "today",
    "now",
    "instead",
];

/// Verbs of the present that place somebody rather than describe them.
const PLACING: &[&str] = &[
    "lives", "live", "comes", "come", "owns", "own", "works", "work",
];

/// Present forms that do not end in `s`, or end in it only here.
const PRESENT: &[&str] = &[
    "is", "isn't", "am", "are", "aren't", "has", "hasn't", "does", "doesn't", "do", "don't", "can",
    "can't", "cannot", "will", "won't", "would", "wouldn't", "must", "need", "may",
];

/// End in `s` and are no verbs.
const NO_VERBS: &[&str] = &[
    "was",
    "as",
    "his",
    "always",
    "sometimes",
    "perhaps",
    "this",
    "its",
    "us",
    "yes",
    "besides",
    "nowadays",
    "thus",
    "afterwards",
    "hers",
    "ours",
    "theirs",
    "less",
    "unless",
    "has",
];

/// Between a subject and its verb.
const ADVERBS: &[&str] = &[
    "never",
    "always",
    "still",
    "also",
    "now",
    "often",
    "just",
    "soon",
    "even",
    "not",
    "sometimes",
    "seldom",
    "almost",
    "today",
    "no",
    "longer",
    "ever",
    "then",
    "all",
    "both",
    "too",
    "rather",
];

const OBJECTS: &[&str] = &["him", "her", "me", "them", "us"];

impl Reader<'_> {
    /// Marks the words of such clauses.
    pub(super) fn mark_statements(&self, words: &mut [Word]) {
        let mut begin = 0;
        let mut before = false;
        while begin < words.len() {
            let clause = begin
                ..begin
                    + words[begin..]
                        .iter()
                        .take_while(|it| it.clause == words[begin].clause)
                        .count();
            let opens = begin == 0 || words[begin - 1].sentence != words[begin].sentence;
            let stated = self.is_statement(words, clause.clone(), before && !opens);
            for word in &mut words[clause.clone()] {
                word.stated = stated;
            }
            before = stated;
            begin = clause.end;
        }
    }

    fn is_statement(&self, words: &[Word], clause: Range<usize>, before: bool) -> bool {
        let begin = clause.start;
        let first = words[begin].text.as_str();
        // "prefers it when somebody else decides".
        let complement = before && begin > 0 && words[begin - 1].text == "it";
        if SUBORDINATE.contains(&first) && !complement {
            return false;
        }
        let subject = clause.clone().find(|&i| {
            // "nothing frightens Ada": not who frightens.
            let object = i > begin && is_third_person(&words[i - 1].text);
            self.mention(words, i).is_some()
                && !is_governed(words, i, begin)
                && !(object && self.is_name(&words[i]))
        });
        if let Some(subject) = subject {
            let own = !matches!(self.mention(words, subject), Some(Mention::Kin(_)))
                && words[subject].holder == Holder::Own
                && words[subject].beside.is_none();
            return own && (complement || self.is_told_now(words, subject, &clause));
        }
        let told_of = clause.clone().any(|i| {
            let text = words[i].text.as_str();
            OBJECTS.contains(&text)
                || matches!(text, "his" | "her" | "my")
                || self.is_name(&words[i])
        });
        let now = clause.clone().any(|i| {
            let text = words[i].text.as_str();
            let object = words
                .get(i + 1)
                .is_some_and(|it| OBJECTS.contains(&it.text.as_str()) || self.is_name(it));
            PRESENT.contains(&text) || is_third_person(text) && object
        });
        let own = words[begin].holder == Holder::Own && words[begin].beside.is_none();
        let past = clause.clone().any(|i| self.is_past(&words[i].text));
        own && !past && (told_of && now || before || complement)
    }

    /// Whether what is said of the subject is said of today, or against what was told before.
    fn is_told_now(&self, words: &[Word], subject: usize, clause: &Range<usize>) -> bool {
        let sentence = words[..clause.start]
            .iter()
            .rposition(|it| it.sentence != words[clause.start].sentence)
            .map_or(0, |it| it + 1);
        let contrasts = |i: usize| CONTRASTS.contains(&words[i].text.as_str());
        if contrasts(clause.start) || contrasts(sentence) {
            return true;
        }
        // "he's been booed off a stage" befell him.
        let befell = clause.clone().any(|i| {
            words[i].text == "been"
                && words[i + 1..clause.end]
                    .first()
                    .is_some_and(|it| it.text.ends_with("ed") && it.text.len() > 4)
        });
        if befell {
            return false;
        }
        let told = &words[subject];
        if told.text == "i'm" || (told.text.len() <= 3 && told.possessive) {
            return true;
        }
        let Some(verb) = (subject + 1..clause.end).find(|&i| {
            let text = words[i].text.as_str();
            !ADVERBS.contains(&text) && !text.ends_with("ly")
        }) else {
            return false;
        };
        let text = words[verb].text.as_str();
        if PLACING.contains(&text) {
            return false;
        }
        if matches!(told.text.as_str(), "i" | "we" | "you" | "they") {
            return !self.is_past(text);
        }
        PRESENT.contains(&text) || is_third_person(text)
    }

    fn is_past(&self, text: &str) -> bool {
        matches!(
            text,
            "was"
                | "were"
                | "had"
                | "did"
                | "wasn't"
                | "weren't"
                | "hadn't"
                | "didn't"
                | "couldn't"
        ) || self.lexicon.is_irregular_past(text)
            || (text.len() > 4 && text.ends_with("ed"))
    }
}

/// The sentences that say that the entity is not like those told of just before it: "she
/// never took after him", "Milan is different".
pub(super) fn disownings(words: &[Word]) -> Vec<u32> {
    let text = |i: usize| words.get(i).map_or("", |it| it.text.as_str());
    let mut sentences: Vec<u32> = (1..words.len())
        .filter(|&i| words[i].holder == Holder::Own && words[i].beside.is_none())
        .filter(|&i| {
            let is = matches!(text(i - 1), "is" | "was" | "turned" | "became");
            let denied =
                text(i - 1) == "never" || text(i - 1) == "not" || text(i - 1).ends_with("n't");
            let them = matches!(
                text(i + 1),
                "him" | "her" | "them" | "that" | "his" | "either"
            );
            let ends = words
                .get(i + 1)
                .is_none_or(|it| it.clause != words[i].clause);
            match text(i) {
                "different" => is && (ends || text(i + 1) == "from"),
                "opposite" => text(i - 1) == "the" && (ends || text(i + 1) == "of"),
                "took" | "takes" | "take" => denied && text(i + 1) == "after",
                "like" => (text(i - 1) == "nothing" || is_denied_being(text(i - 1))) && them,
                _ => false,
            }
        })
        .map(|i| words[i].sentence)
        .collect();
    sentences.dedup();
    sentences
}

fn is_denied_being(text: &str) -> bool {
    matches!(text, "not" | "isn't" | "wasn't")
}

fn is_third_person(text: &str) -> bool {
    text.len() > 3 && text.ends_with('s') && !text.ends_with("ss") && !NO_VERBS.contains(&text)
}
