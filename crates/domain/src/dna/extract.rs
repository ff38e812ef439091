//! Extraction: a story becomes DNA, and every point of it has its words.

use std::{collections::HashMap, ops::RangeInclusive};

mod weigh;

use weigh::{Draft, Weight, is_ordinal, weigh};

use super::{
    Dna, DnaError, Evidence, EvidenceSource, OriginTheme, Predisposition,
    evidence::settle,
    lexicon::{Cue, Lexicon, Theme, lexicon},
    narrative::Narrative,
    reading::{Beside, Holder, Reading, Telling, Word},
};

/// How long a story may be, in characters after trimming.
pub const STORY_LENGTH: RangeInclusive<usize> = 20..=20_000;

/// Hits of one theme that count: later ones would add next to nothing, at 1/k each, and
/// would make the evidence as long as the story.
const MAX_HITS: u32 = 20;

/// What a story predisposes to, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    /// The predispositions. A trait without evidence is exactly 0.5.
    pub dna: Dna,
    /// Every reason, in the order of the story.
    pub evidence: Vec<Evidence>,
    /// The themes found, strongest first.
    pub themes: Vec<OriginTheme>,
    /// Two or three sentences on what shaped the entity and how it shows.
    pub narrative_context: String,
}

/// Reads a story with the built-in lexicon. `name` is the entity's, so that its own
/// experience can be told from its parents'.
///
/// Per sentence: a negation within three words before a cue flips it at half weight;
/// intensifiers count ×1.5, diminishers ×0.5; what was seen in a parent counts in full for
/// what it models and half for the rest; the k-th hit of a theme counts 1/k, up to the 20th.
/// What the entity does itself outweighs circumstances that would move the same trait the other
/// way, and points of a trait that add up to next to nothing are dropped.
/// A single word of a place or a trade counts only where somebody does something about it or
/// a second cue of its theme backs it; what was met in passing ("tried it once") or shrugged
/// off does not. A trait is 0.5 plus its points, clamped. Offsets of quotes are characters of `story` as given.
pub fn extract(story: &str, name: Option<&str>) -> Result<Extraction, DnaError> {
    let characters = story.trim().chars().count();
    if characters < *STORY_LENGTH.start() {
        return Err(DnaError::StoryTooShort { characters });
    }
    if characters > *STORY_LENGTH.end() {
        return Err(DnaError::StoryTooLong { characters });
    }
    let lexicon = lexicon();
    let reading = Reading::of(story, name, lexicon);
    let hits = if reading.of_a_life {
        find_hits(&reading, lexicon)
    } else {
        Vec::new()
    };

    let (mut drafts, mut found) = draft(story, &hits, &reading, lexicon);
    for draft in &drafts {
        // An ordinal's points are votes: no measure of how much was shaped.
        if !is_ordinal(draft.evidence.of)
            && let Some(it) = found.iter_mut().find(|it| it.theme == draft.theme)
        {
            it.weight += draft.evidence.points.abs();
        }
    }
    weigh(&mut drafts);
    found.retain(|it| drafts.iter().any(|draft| draft.theme == it.theme));
    let mut evidence: Vec<_> = drafts.into_iter().map(|it| it.evidence).collect();
    // Stable: of two as strong the one told first.
    found.sort_by(|a, b| b.weight.total_cmp(&a.weight));

    let dna = settle(&mut evidence);
    let told: Vec<_> = found
        .iter()
        // A theme whose first mention is its denial did not shape anybody.
        .filter(|it| !it.averted)
        .map(|it| match it.holder {
            Holder::Own => lexicon.themes[it.theme].own.as_str(),
            Holder::Kin => lexicon.themes[it.theme].witnessed.as_str(),
        })
        .collect();
    let narrative_context = Narrative {
        name,
        gender: reading.gender,
        shaped_by: &told,
        dna: &dna,
    }
    .compose();
    let themes = found
        .iter()
        .map(|it| OriginTheme {
            name: lexicon.themes[it.theme].name.clone(),
            label: lexicon.themes[it.theme].label.clone(),
            weight: rounded(it.weight),
        })
        .collect();
    Ok(Extraction {
        dna,
        evidence,
        themes,
        narrative_context,
    })
}

/// The reasons that hits give, and the themes they speak for, in the order of the story.
fn draft(
    story: &str,
    hits: &[Hit],
    reading: &Reading,
    lexicon: &Lexicon,
) -> (Vec<Draft>, Vec<Found>) {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut found: Vec<Found> = Vec::new();
    let mut counts: HashMap<usize, u32> = HashMap::new();
    for hit in hits {
        let theme = &lexicon.themes[hit.cue.theme];
        let k = counts
            .entry(hit.cue.theme)
            .and_modify(|it| *it += 1)
            .or_insert(1);
        if *k > MAX_HITS {
            continue;
        }
        let (first, last) = (&reading.words[hit.from], &reading.words[hit.to]);
        let factor = hit.modifier(reading, lexicon);
        for &(of, base) in &theme.points {
            let share = match hit.holder {
                Holder::Kin if !theme.models.contains(&of) => 0.5,
                Holder::Kin | Holder::Own => 1.0,
            };
            let points = rounded(base * share * factor.scale / f64::from(*k));
            if points == 0.0 {
                continue;
            }
            let from = factor.from.map_or(first, |it| &reading.words[it]);
            let evidence = Evidence {
                of,
                points,
                clamped: false,
                source: EvidenceSource::Story,
                theme: theme.label.clone(),
                quote: Some(story[from.bytes.start..last.bytes.end].to_owned()),
                start: Some(from.start),
                end: Some(last.end),
                entity: None,
                inherited_from: None,
            };
            drafts.push(Draft {
                theme: hit.cue.theme,
                weight: hit.weight(theme, base, reading),
                evidence,
            });
        }
        if !found.iter().any(|it| it.theme == hit.cue.theme) {
            found.push(Found {
                theme: hit.cue.theme,
                holder: hit.holder,
                averted: factor.scale < 0.0,
                weight: 0.0,
            });
        }
    }
    (drafts, found)
}

struct Found {
    theme: usize,
    holder: Holder,
    averted: bool,
    weight: f64,
}

struct Hit<'a> {
    cue: &'a Cue,
    /// The words of the cue, in order.
    words: Vec<usize>,
    from: usize,
    to: usize,
    holder: Holder,
}

struct Factor {
    scale: f64,
    /// The word that turned it, when it stands before the cue.
    from: Option<usize>,
}

fn find_hits<'a>(reading: &Reading, lexicon: &'a Lexicon) -> Vec<Hit<'a>> {
    let words = &reading.words;
    let mut hits: Vec<Hit<'a>> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        for cue in lexicon.cues_from(word.numbers) {
            let scenery = lexicon.themes[cue.theme].scenery;
            let telling = reading.tellings.get(word.sentence as usize);
            let tells_nothing = match telling {
                Some(Telling::Listing) => true,
                Some(Telling::Particulars) => scenery || lexicon.themes[cue.theme].conduct,
                Some(Telling::Life) | None => false,
            };
            if tells_nothing {
                continue;
            }
            let Some(matched) = match_from(words, i, cue) else {
                continue;
            };
            // Whose it is says the word that carries the meaning, not the "father" in front.
            let holder = matched.last().map_or(word.holder, |&it| words[it].holder);
            if cue.holder.is_some_and(|it| it != holder) {
                continue;
            }
            let to = matched.last().copied().unwrap_or(i);
            let of_another = match words[to].beside {
                Some(Beside::Others) => !scenery,
                Some(Beside::Peer) => lexicon.themes[cue.theme].state,
                None => false,
            };
            if of_another || is_passing(words, i..=to, scenery) {
                continue;
            }
            hits.push(Hit {
                cue,
                words: matched,
                from: i,
                to,
                holder,
            });
        }
    }
    // A place or a trade shapes somebody only where a life's course is told.
    let shaped = |it: &Hit| {
        let theme = &lexicon.themes[it.cue.theme];
        !theme.scenery && !theme.conduct
    };
    if !reading.of_its_course && !hits.iter().any(shaped) {
        hits.retain(|it| lexicon.themes[it.cue.theme].conduct);
    }
    // Longer cues first: they know more of what is meant.
    hits.sort_by_key(|it| (std::cmp::Reverse(it.words.len()), it.to - it.from, it.from));
    let mut kept: Vec<Hit<'a>> = Vec::new();
    let mut kept_at: Vec<Vec<usize>> = vec![Vec::new(); words.len()];
    for hit in hits {
        let mut rivals = hit
            .words
            .iter()
            .flat_map(|&it| &kept_at[it])
            .map(|&i| &kept[i]);
        let overshadowed = rivals.any(|other| {
            let within = hit.words.iter().all(|it| other.words.contains(it));
            let told_alike =
                within && lexicon.themes[hit.cue.theme].repeats(other.cue.theme, lexicon);
            other.cue.theme == hit.cue.theme
                || told_alike
                || (within && other.words.len() > hit.words.len())
        });
        if !overshadowed {
            hit.words
                .iter()
                .for_each(|&it| kept_at[it].push(kept.len()));
            kept.push(hit);
        }
    }
    let stray: Vec<bool> = (0..kept.len())
        .map(|i| is_stray(&kept, i, words, lexicon))
        .collect();
    let mut stray = stray.into_iter();
    kept.retain(|_| !stray.next().unwrap_or(false));
    kept.sort_by_key(|it| (it.from, it.to, it.cue.theme));
    kept
}

/// One word of scenery, with nothing else of its theme and nobody doing anything about it,
/// is no reason to believe that it shaped somebody.
fn is_stray(hits: &[Hit], at: usize, words: &[Word], lexicon: &Lexicon) -> bool {
    let hit = &hits[at];
    if !lexicon.themes[hit.cue.theme].scenery || hit.cue.elements.len() > 1 {
        return false;
    }
    let backed = hits
        .iter()
        .any(|it| it.cue.theme == hit.cue.theme && !std::ptr::eq(it.cue, hit.cue));
    let sentence = words[hit.from].sentence;
    let done = (0..words.len())
        .filter(|&i| words[i].sentence == sentence)
        .any(|i| {
            let before = match i.checked_sub(1).map(|it| &words[it]) {
                Some(it) if it.sentence == sentence => it.text.as_str(),
                _ => "",
            };
            if matches!(words[i].text.as_str(), "a" | "an" | "the") {
                return matches!(before, "was" | "were" | "as" | "by");
            }
            // "a building" builds nothing.
            let acts = !matches!(before, "a" | "an" | "the");
            acts && lexicon.people.doing.contains(&lexicon.stem(&words[i].text))
        });
    !backed && !done
}

/// "tried a timetable once", "had an alarm clock one time", "flowers? He doesn't care": what
/// was met in passing or shrugged off shaped nobody.
fn is_passing(words: &[Word], hit: RangeInclusive<usize>, scenery: bool) -> bool {
    let (from, to) = (*hit.start(), *hit.end());
    let text = |i: usize| words.get(i).map_or("", |it| it.text.as_str());
    let once = (to..words.len().min(to + 3))
        .take_while(|&i| words[i].clause == words[to].clause)
        .any(|i| {
            let more = matches!(text(i + 1), "a" | "every" | "more" | "again" | "upon");
            text(i) == "once" && !more || text(i) == "one" && text(i + 1) == "time"
        });
    let tried = (0..=from)
        .rev()
        .take_while(|&i| words[i].clause == words[from].clause)
        .any(|i| {
            matches!(text(i), "tried" | "try")
                || scenery && matches!(text(i), "had" | "owned" | "bought")
        });
    let shrugged = || {
        (0..words.len())
            .filter(|&i| words[i].sentence == words[from].sentence)
            .any(|i| {
                text(i).ends_with("n't")
                    && (text(i + 1) == "care" && text(i + 2) != "what"
                        || text(i + 1) == "see" && text(i + 2) == "why")
            })
    };
    once && tried || scenery && shrugged()
}

fn match_from(words: &[Word], first: usize, cue: &Cue) -> Option<Vec<usize>> {
    let mut matched = vec![first];
    let mut at = first;
    for (element, link) in cue.elements.iter().skip(1).zip(&cue.links) {
        let reach = words.len().min(at + 2 + link.gap);
        at = (at + 1..reach)
            .take_while(|&j| words[j].sentence == words[first].sentence)
            .find(|&j| {
                (link.crosses_clauses || words[j].clause == words[at].clause)
                    && words[j]
                        .numbers
                        .iter()
                        .flatten()
                        .any(|it| element.contains(it))
            })?;
        matched.push(at);
    }
    Some(matched)
}

/// How many words a negation reaches forward.
const NEGATION_REACH: usize = 3;

/// How many words after a cue may call it an insult.
const SCORN_REACH: usize = 5;

/// From how many points of authority a theme is one of rules, which can be rejected.
const LEAST_OF_AUTHORITY: f64 = 0.1;

impl Hit<'_> {
    /// What the hit weighs for a trait which its theme moves by `base` points.
    fn weight(&self, theme: &Theme, base: f64, reading: &Reading) -> Weight {
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

    fn modifier(&self, reading: &Reading, lexicon: &Lexicon) -> Factor {
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
            if is_negation(text, lexicon) && !known && !is_undone(words, j, lexicon) {
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
            .any(|&it| is_negation(&words[it].text, lexicon));
        for j in between {
            let text = words[j].text.as_str();
            if is_negation(text, lexicon) && !is_undone(words, j, lexicon) {
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
            let unbearable = is_negation(&words[j].text, lexicon)
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
        let denying = |i: usize| is_negation(&words[i].text, lexicon);
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

fn is_negation(word: &str, lexicon: &Lexicon) -> bool {
    word.ends_with("n't") || lexicon.modifiers.negations.contains(word)
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

/// Four decimals: enough for any use, and the points stay readable.
fn rounded(points: f64) -> f64 {
    (points * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that must be exact")]
mod tests;
