//! Knowledge documents in parts that are embedded and recalled by themselves.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Characters of a document.
pub const MAX_DOCUMENT: usize = 200_000;
/// Characters of a part, what it repeats of the one before included.
pub const CHUNK_CHARACTERS: usize = 500;
/// Characters that a part repeats of the one before, at most.
pub const CHUNK_OVERLAP: usize = 50;

/// Parts a text: each of at most [`CHUNK_CHARACTERS`], ending at the end of a sentence (as
/// Unicode's UAX #29 finds them), or of a word where a sentence is longer, or anywhere where a word
/// is; each but the first begins with the last words of the one before, at most
/// [`CHUNK_OVERLAP`] characters.
pub fn chunks(text: &str) -> Vec<String> {
    let parts = spans(text).into_iter().map(|it| text[it].trim());
    parts
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Where the parts lie in the text, in bytes.
fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    // The part being made; what of it is no repetition begins at `own`.
    let (mut start, mut own, mut end) = (0, 0, 0);
    for piece in text.split_sentence_bounds().flat_map(pieces) {
        let next = end + piece.len();
        let fits = |from: usize| text[from..next].chars().count() <= CHUNK_CHARACTERS;
        if own < end && !fits(start) {
            spans.push(start..end);
            let repeated = end - overlap(&text[start..end]).len();
            // A piece may take a whole part, with no room for a repetition.
            start = if fits(repeated) { repeated } else { end };
            own = end;
        }
        end = next;
    }
    if own < end {
        spans.push(start..end);
    }
    spans
}

/// A sentence, or where it is too long for a part beside a repetition, its words in as long
/// runs as fit.
fn pieces(sentence: &str) -> Vec<&str> {
    const ROOM: usize = CHUNK_CHARACTERS - CHUNK_OVERLAP;
    let mut pieces = Vec::new();
    let mut rest = sentence;
    while rest.chars().count() > CHUNK_CHARACTERS {
        let (end, _) = rest.char_indices().nth(ROOM).unwrap_or((rest.len(), ' '));
        let space = rest[..end].rfind(char::is_whitespace);
        let after = |at: usize| rest[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        let end = space.map_or(end, after);
        let (piece, others) = rest.split_at(end);
        pieces.push(piece);
        rest = others;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// The last words of a part, at most [`CHUNK_OVERLAP`] characters; nothing when the last word
/// is longer.
fn overlap(chunk: &str) -> &str {
    let Some((from, _)) = chunk.char_indices().rev().nth(CHUNK_OVERLAP - 1) else {
        return chunk;
    };
    if chunk[..from].ends_with(char::is_whitespace) {
        return &chunk[from..];
    }
    let word = chunk[from..].find(char::is_whitespace);
    word.map_or("", |at| chunk[from + at..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_the_ends_of_sentences_and_overlap() {
        let sentence = |n: usize| {
            format!("Sentence number {n:02} says something about the clocks in the harbour. ")
        };
        let text: String = (0..20).map(sentence).collect();
        let parts = chunks(&text);
        assert_eq!(parts.len(), 4);
        for part in &parts {
            assert!(part.ends_with("harbour."), "{part}");
            assert!(part.chars().count() <= CHUNK_CHARACTERS);
        }
        for (a, b) in parts.iter().zip(&parts[1..]) {
            let repeated = b.split("Sentence").next().unwrap().trim();
            assert_eq!(repeated, "says something about the clocks in the harbour.");
            assert!(a.ends_with(repeated));
        }
        assert_eq!(chunks("One. Two."), ["One. Two."]);
        assert_eq!(chunks(" \n "), [""; 0]);
    }

    #[test]
    fn a_long_sentence_is_parted_at_words_and_a_long_word_anywhere() {
        let words = "clock ".repeat(200);
        let parts = chunks(&words);
        assert!(
            parts
                .iter()
                .all(|it| it.split(' ').all(|word| word == "clock"))
        );
        let word = "é".repeat(1_200);
        let lengths: Vec<usize> = chunks(&word).iter().map(|it| it.chars().count()).collect();
        assert_eq!(lengths.iter().sum::<usize>(), 1_200);
        assert!(lengths.iter().all(|it| *it <= CHUNK_CHARACTERS));
    }

    proptest::proptest! {
        #[test]
        fn no_part_is_too_long_and_nothing_is_left_out(text in "([a-zé]{1,80}|[.!?] |\\n|  |, ){0,300}") {
            let mut reached = 0;
            for Range { start, end } in spans(&text) {
                proptest::prop_assert!(start <= reached && reached < end);
                proptest::prop_assert!(text[start..end].chars().count() <= CHUNK_CHARACTERS);
                proptest::prop_assert!(text[start..reached].chars().count() <= CHUNK_OVERLAP);
                reached = end;
            }
            proptest::prop_assert_eq!(reached, text.len());
        }
    }
}
