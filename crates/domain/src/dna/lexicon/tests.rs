//! The lexicon is sound, and a faulty one is refused with the reason.

use super::*;

#[test]
fn the_lexicon_is_sound_and_covers_every_predisposition_both_ways() {
    let lexicon = Lexicon::parse(BUILT_IN).unwrap();
    assert!(
        lexicon.themes.len() >= 40,
        "{} themes",
        lexicon.themes.len()
    );
    assert!(lexicon.cues.len() >= 1_000, "{} cues", lexicon.cues.len());
    for &of in Predisposition::ALL {
        for up in [true, false] {
            let themes = lexicon.themes.iter().filter(|it| {
                it.points
                    .iter()
                    .any(|&(moved, points)| moved == of && (points > 0.0) == up)
            });
            assert!(themes.count() >= 2, "{of} is hardly ever moved (up: {up})");
        }
    }
}

#[test]
fn every_trait_has_prose_both_ways() {
    for &which in Trait::ALL {
        for value in [0.0, 1.0] {
            let told = prose(which, value);
            assert!(
                !told.shows.is_empty() && told.conduct.ends_with('.'),
                "{which}"
            );
            let named = which.as_str().replace('_', " ");
            assert!(!told.shows.contains(&named) && !told.conduct.contains(&named));
        }
    }
}

#[test]
fn a_faulty_lexicon_is_refused_with_the_reason() {
    let whole = BUILT_IN;
    let with = |theme: &str| format!("{whole}\n[[theme]]\n{theme}");
    for (theme, reason) in [
        (
            "name = 'x'\nlabel = 'x'\nown = 'x'\npoints = {}\ncues = 'a;b;c;d;e'",
            "moves nothing",
        ),
        (
            "name = 'x'\nlabel = 'x'\nown = 'x'\npoints = { resilience = 0.1 }\ncues = 'a'",
            "too few",
        ),
        (
            "name = 'x'\nlabel = 'x'\nown = 'x'\npoints = { resilience = 3.0 }\ncues = 'a'",
            "expected 0.01",
        ),
        (
            "name = 'x'\nlabel = 'x'\nown = 'x'\npoints = { charm = 0.1 }\ncues = 'a'",
            "not a lexicon",
        ),
        (
            "name = 'x'\nlabel = 'x'\nown = 'x'\npoints = { resilience = 0.1 }\ncues = '@a;b;c;d;e'",
            "no class",
        ),
        (
            "name = 'overwork'\nlabel = 'x'\nown = 'x'\npoints = { resilience = 0.1 }\ncues = 'a;b;c;d;e'",
            "told twice",
        ),
    ] {
        let error = Lexicon::parse(&with(theme)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
