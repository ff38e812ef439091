//! How a text sounds: VADER, a lexicon with rules for emphasis, negation and "but"
//! (Hutto and Gilbert, ICWSM 2014). English; a text in another language is mostly neutral.

use std::sync::LazyLock;

use vader_parity::SentimentIntensityAnalyzer;

static ANALYZER: LazyLock<SentimentIntensityAnalyzer> =
    LazyLock::new(SentimentIntensityAnalyzer::new);

/// The model is made for texts of a few sentences, and of many words the sum is always one end
/// of the scale: longer texts are read piece by piece.
const WORDS_AT_ONCE: usize = 100;

/// How a text sounds: the compound score, from −1 (bad) over 0 (neutral) to 1 (good), to four
/// places as the model is published. Of a text of more than 100 words, the mean over pieces of
/// 100 words.
pub fn score(text: &str) -> f64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (sum, pieces) = words
        .chunks(WORDS_AT_ONCE)
        .map(|words| compound(&words.join(" ")))
        .fold((0.0, 0.0), |(sum, n), it| (sum + it, n + 1.0));
    if pieces == 0.0 {
        return 0.0;
    }
    ((sum / pieces) * 10_000.0).round() / 10_000.0
}

fn compound(text: &str) -> f64 {
    let score = ANALYZER.polarity_scores(text).compound;
    if score.is_finite() {
        score.clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the published implementation, with its scores.
    #[test]
    fn the_published_examples_score_as_published() {
        for (text, published) in [
            ("VADER is smart, handsome, and funny.", 0.8316),
            ("VADER is smart, handsome, and funny!", 0.8439),
            ("VADER is very smart, handsome, and funny.", 0.8545),
            ("VADER is VERY SMART, handsome, and FUNNY.", 0.9227),
            ("VADER is VERY SMART, handsome, and FUNNY!!!", 0.9342),
            ("VADER is not smart, handsome, nor funny.", -0.7424),
            ("The book was good.", 0.4404),
            ("At least it isn't a horrible book.", 0.431),
            ("The book was only kind of good.", 0.3832),
            (
                "The plot was good, but the characters are uncompelling and the dialog is not great.",
                -0.7042,
            ),
            ("Today SUX!", -0.5461),
            ("Today only kinda sux! But I'll get by, lol", 0.5249),
            ("Make sure you :) or :D today!", 0.8633),
            ("Not bad at all", 0.431),
        ] {
            assert!(
                (score(text) - published).abs() < 0.0001,
                "{text}: {}",
                score(text)
            );
        }
    }

    #[test]
    fn any_text_has_a_score_in_range() {
        for text in [
            "",
            " ",
            "!",
            "?",
            "\u{0}",
            "😀",
            "a",
            "Ich bin traurig.",
            "but",
            "so so so so",
        ] {
            assert!((-1.0..=1.0).contains(&score(text)), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_read_in_pieces() {
        let long = "good xx xx xx ".repeat(2_000);
        assert!(score(&long) > 0.9);
        let mixed = format!("{} {}", "I love it. ".repeat(40), "I hate it. ".repeat(40));
        assert!(score(&mixed).abs() < 0.5, "{}", score(&mixed));
    }

    #[test]
    fn the_same_text_scores_the_same() {
        let text = "somehow the most utterly good and bad little thing was almost so fully nice";
        let first = score(text);
        assert!((0..50).all(|_| (score(text) - first).abs() < f64::EPSILON));
    }
}
