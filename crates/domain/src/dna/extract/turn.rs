//! What turns a hit or scales it: denials, aversions, scorn, and how much it weighs.

use super::{
    Factor, Hit, Holder, Lexicon, Predisposition, Reading, Theme, Weight, Word, is_ordinal,
};

/// How many words a negation reaches forward.
const NEGATION_REACH: usize = 3;

/// How many words after a cue may call it an insult.
const SCORN_REACH: usize = 5;

/// From how many points of authority a theme is one of rules, which can be rejected.
const LEAST_OF_AUTHORITY: f64 = 0.1;

impl Hit<'_> {
    /// What the hit weighs for a trait which its theme moves by `base` points.
    pub(super) fn weight(&self, theme: &Theme, base: f64, reading: &Reading) -> Weight {
        let most = theme
            .points
            .iter()
            .filter(|it| !is_ordinal(it.0))
            .fold(0.0_f64, |most, it| most.max(it.1.abs()));
        // What a theme moves besides was not said.
        let stated = reading.words[self.to].stated && 2.0 * base.abs() >= most;
        match (self.holder, theme.conduct, stated) {
            (Holder::Kin, _, _) | (Holder::Own, false, false) => Weight::Circumstance,
            (Holder::Own, true, false) => Weight::Conduct,
            (Holder::Own, false, true) => Weight::Statement,
            (Holder::Own, true, true) => Weight::StatedConduct,
        }
    }

    pub(super) fn modifier(&self, reading: &Reading, lexicon: &Lexicon) -> Factor {
        let words = &reading.words;
        let modifiers = &lexicon.modifiers;
        // "the shop burned, and she never cried": over a comma a denial is part of the tale.
        if lexicon.themes[self.cue.theme].conduct
            && words[self.from].clause != words[self.to].clause
        {
            return Factor {
                scale: 1.0,
                from: None,
            };
        }
        let mut scale = 1.0;
        let mut from = None;
        let mut heavy = 0;
        let mut negated = false;
        let before = (0..self.from)
            .rev()
            .take_while(|&j| words[j].clause == words[self.from].clause);
        let between = (self.from..self.to).filter(|it| !self.words.contains(it));
        let mut scaled = false;
        for j in before {
            let text = words[j].text.as_str();
            // "Unlike his brothers he likes ...": they are unlike, he is not.
            // "trusts nobody and does everything himself": denied is what stands before "and".
            if text == "and" && words[j + 1].text.ends_with('s') && words[j + 1].text.len() > 3 {
                break;
            }
            let of_another = text == "unlike"
                && (j + 1..self.from).any(|i| {
                    words[i].capital || matches!(words[i].text.as_str(), "he" | "she" | "i")
                });
            if of_another {
                break;
            }
            // "can't stand ...": an aversion which the cue knows of.
            let known = j + 1 == self.from && modifiers.bearing.contains(&words[self.from].text);
            if lexicon.negates(text) && !known && !is_undone(words, j, lexicon) {
                // The nearest decides: "tips nothing and has never helped anyone".
                negated |= from.is_none();
                from.get_or_insert(j);
            } else if heavy < 2 && !scaled && modifiers.intensifiers.contains(text) {
                scale *= 1.5;
                scaled = true;
            } else if heavy < 2 && !scaled && modifiers.diminishers.contains(text) {
                scale *= 0.5;
                scaled = true;
            }
            if !modifiers.light.contains(text) {
                heavy += 1;
                if heavy == NEGATION_REACH {
                    break;
                }
            }
        }
        let denying = self
            .words
            .iter()
            .any(|&it| lexicon.negates(&words[it].text));
        for j in between {
            let text = words[j].text.as_str();
            if lexicon.negates(text) && !is_undone(words, j, lexicon) {
                // "gives nothing and never helped": a denial in the cue is only confirmed.
                negated ^= !denying;
            } else if modifiers.intensifiers.contains(text) && !scaled {
                scale *= 1.5;
                scaled = true;
            } else if modifiers.diminishers.contains(text) && !scaled {
                scale *= 0.5;
                scaled = true;
            }
        }
        // "mended nothing", "trusted nobody".
        let after = words
            .get(self.to + 1)
            .filter(|it| it.clause == words[self.to].clause);
        if after.is_some_and(|it| matches!(it.text.as_str(), "nothing" | "nobody" | "none")) {
            negated = !negated;
        }
        negated |= self.is_denied_afterwards(words, lexicon);
        if !negated {
            from = self.turned_from_afar(reading, lexicon);
            negated = from.is_some() || self.is_scorned(reading, lexicon);
        }
        // "She never took after him": what was seen in him did not shape her that way.
        let sentence = words[self.from].sentence;
        negated ^= self.holder == Holder::Kin && reading.disownings.contains(&(sentence + 1));
        if negated {
            scale *= -0.5;
        } else if let Some(at) = self.aversion(words, lexicon) {
            return Factor {
                scale: -scale,
                from: Some(at),
            };
        }
        Factor {
            scale,
            from: from.filter(|_| negated),
        }
    }
}

impl Hit<'_> {
    /// "can't imagine doing a thing alone", "ran away from a strict school": a word that
    /// turns what follows, wherever it stands in the clause.
    fn turned_from_afar(&self, reading: &Reading, lexicon: &Lexicon) -> Option<usize> {
        let words = &reading.words;
        let modifiers = &lexicon.modifiers;
        let of_authority = lexicon.themes[self.cue.theme]
            .points
            .iter()
            .any(|&(of, points)| {
                of == Predisposition::AuthorityRecognition && points >= LEAST_OF_AUTHORITY
            });
        (0..self.from)
            .rev()
            .take_while(|&j| words[j].clause == words[self.from].clause)
            .find(|&j| {
                let (text, next) = (words[j].text.as_str(), words[j + 1].text.as_str());
                let denied = text == "cannot" || text.ends_with("n't");
                // "couldn't tell you what colour it is".
                let idle = next == "tell" && words.get(j + 2).is_some_and(|it| it.text == "you");
                let unthinkable = denied && (idle || modifiers.imagining.contains(next));
                let rejected = of_authority
                    && (modifiers.rejecting.contains(text)
                        || matches!((text, next), ("away", "from") | ("out", "of")));
                unthinkable || rejected
            })
    }

    /// "hates sloppy work", "can't stand being late": an aversion that is no part of the cue.
    fn aversion(&self, words: &[Word], lexicon: &Lexicon) -> Option<usize> {
        let modifiers = &lexicon.modifiers;
        let averse = |j: usize| {
            let next = words.get(j + 1).map_or("", |it| it.text.as_str());
            let unbearable = lexicon.negates(&words[j].text)
                && modifiers.bearing.contains(next)
                && !self.words.contains(&(j + 1));
            modifiers.averse.contains(&words[j].text) || unbearable
        };
        if (self.from..=self.to).any(averse) {
            return None;
        }
        let mut heavy = 0;
        (0..self.from)
            .rev()
            .take_while(|&j| words[j].sentence == words[self.from].sentence)
            // "hates it when somebody is late".
            .take_while(|&j| words[j].clause == words[j + 1].clause || words[j].text == "it")
            // "hates change and prefers": what follows is another verb's.
            .take_while(|&j| words[j].text != "and" || !words[j + 1].text.ends_with('s'))
            .take_while(|&j| {
                heavy += usize::from(!modifiers.light.contains(&words[j].text));
                heavy <= NEGATION_REACH
            })
            .find(|&j| averse(j))
    }

    /// "setbacks don't keep him down": denied of the entity, of which the cue is told.
    fn is_denied_afterwards(&self, words: &[Word], lexicon: &Lexicon) -> bool {
        let clause = words[self.to].clause;
        let begins = self.from < 2 || words[self.from - 2].clause != clause;
        let denying = |i: usize| lexicon.negates(&words[i].text);
        let after = || {
            (self.to + 1..words.len().min(self.to + 6)).take_while(|&i| words[i].clause == clause)
        };
        begins
            && !(self.from..=self.to).any(denying)
            && after().take(2).any(denying)
            && after().any(|i| matches!(words[i].text.as_str(), "him" | "her" | "me" | "them"))
    }

    /// "'good enough' was a swear word".
    fn is_scorned(&self, reading: &Reading, lexicon: &Lexicon) -> bool {
        let words = &reading.words;
        words[self.to..]
            .iter()
            .take(SCORN_REACH)
            .take_while(|it| it.sentence == words[self.to].sentence)
            .any(|it| lexicon.modifiers.scorned.contains(&it.text))
    }
}

/// "not only", "never failed to": no negation of what follows.
fn is_undone(words: &[Word], at: usize, lexicon: &Lexicon) -> bool {
    let modifiers = &lexicon.modifiers;
    // "nobody can shake".
    let able = words
        .get(at + 1)
        .is_some_and(|it| matches!(it.text.as_str(), "can" | "could"));
    let at = if able { at + 1 } else { at };
    words.get(at + 1).is_some_and(|next| {
        next.clause == words[at].clause
            && (modifiers.not_negating.contains(&next.text)
                || modifiers.undoing.contains(&next.text)
                // "never tired of it" does it gladly; "never tired" is simply not.
                || matches!(next.text.as_str(), "tired" | "tire" | "tires")
                    && words.get(at + 2).is_some_and(|it| it.text == "of"))
    })
}
