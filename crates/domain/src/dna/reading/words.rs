//! A story cut into words, with the sentence and the clause each stands in.

use super::{Holder, Lexicon, Word};

const CLAUSE_OPENERS: &[&str] = &[
    "but", "while", "when", "because", "although", "though", "whereas", "who", "whom", "whose",
    "which", "until", "after", "before", "if", "since", "yet", "so",
];
/// With these "after" opens no clause.
const AFTER_VERBS: &[&str] = &[
    "look", "looks", "looking", "take", "takes", "took", "taken", "ask", "asks", "asked",
];
const SENTENCE_ENDS: &[char] = &['.', '!', '?', '\n', '…', '。'];
const CLAUSE_ENDS: &[char] = &[',', ';', ':', '—', '–', '(', ')', '"', '“', '”', '/'];
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "st", "prof", "sgt", "capt", "lt", "jr", "sr", "no", "vs",
];

/// The words of a story, all held to be the entity's own.
pub(super) fn split(story: &str, lexicon: &Lexicon) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut sentence, mut clause) = (0, 0);
    let mut characters = story.char_indices().zip(0_u32..).peekable();
    while let Some(((at, c), start)) = characters.next() {
        if !c.is_alphanumeric() {
            let next_is_digit = characters
                .peek()
                .is_some_and(|((_, it), _)| it.is_ascii_digit());
            let abbreviated = words.last().is_some_and(|it| {
                it.bytes.end == at
                    && (ABBREVIATIONS.contains(&it.text.as_str())
                        || (it.capital && it.end - it.start == 1 && it.text != "i"))
            });
            if c == '.' && (next_is_digit || abbreviated) {
                continue;
            }
            // A line that goes on in lower case was only wrapped.
            let wrapped = c == '\n'
                && characters
                    .peek()
                    .is_some_and(|((_, it), _)| it.is_lowercase());
            if wrapped {
                continue;
            }
            if SENTENCE_ENDS.contains(&c) {
                sentence += 1;
                clause += 1;
            } else if CLAUSE_ENDS.contains(&c) {
                clause += 1;
            }
            // A hyphen between blanks is a dash.
            if c == '-'
                && characters
                    .peek()
                    .is_some_and(|((_, it), _)| it.is_whitespace())
            {
                clause += 1;
            }
            continue;
        }
        let mut end = (at + c.len_utf8(), start + 1);
        while let Some(&((next_at, next), index)) = characters.peek() {
            let inside = next.is_alphanumeric()
                || (matches!(next, '\'' | '’')
                    && story[next_at + next.len_utf8()..]
                        .chars()
                        .next()
                        .is_some_and(char::is_alphanumeric));
            if !inside {
                break;
            }
            end = (next_at + next.len_utf8(), index + 1);
            characters.next();
        }
        let told = &story[at..end.0];
        let lower = told.to_lowercase().replace('’', "'");
        let (text, possessive) = match lower.strip_suffix("'s") {
            Some(owner) => (owner.to_owned(), true),
            None => (lower, false),
        };
        // "looks after them", "took after her": of the verb.
        let of_verb = text == "after"
            && words
                .last()
                .is_some_and(|it| AFTER_VERBS.contains(&it.text.as_str()));
        if CLAUSE_OPENERS.contains(&text.as_str()) && !of_verb {
            clause += 1;
        }
        words.push(Word {
            numbers: lexicon.numbers(&text),
            text,
            bytes: at..end.0,
            start,
            end: end.1,
            sentence,
            clause,
            capital: told.chars().next().is_some_and(char::is_uppercase),
            possessive,
            holder: Holder::Own,
            stated: false,
            beside: None,
        });
    }
    words
}
