//! Extraction: a story becomes DNA, and every point of it has its words.

use std::{collections::HashMap, ops::RangeInclusive};

mod turn;
mod weigh;

use weigh::{Draft, Weight, is_ordinal, join, weigh};

use super::{
    Dna, DnaError, Evidence, EvidenceSource, OriginTheme, Predisposition,
    evidence::settle,
    lexicon::{Cue, Lexicon, Theme, lexicon},
    narrative::Narrative,
    reading::{Beside, Holder, Reading, Telling, Word},
    wording::{Leaning, Mark, features, wording},
};

/// How long a story may be, in characters after trimming.
pub const STORY_LENGTH: RangeInclusive<usize> = 20..=20_000;

/// Hits of one theme that count, and sentences whose wording counts for one trait: more would
/// add next to nothing, and would make the evidence as long as the story.
const MAX_HITS: u32 = 20;

/// How far a sentence moves a trait for each point of probability by which its wording says
/// one end rather than the other; at most by 1.
const POINTS_OF_WORDING: f64 = 1.6;

/// A sentence whose wording moves less says nothing of a trait.
const LEAST_OF_WORDING: f64 = 0.02;

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
/// An aversion ("hates sloppy work") turns what follows it. What the entity does itself outweighs
/// circumstances that would move the same trait the other way, and what is said outright of it as
/// it is ("she is never on time", "but he was no group person") outweighs what was told of the
/// past. Beside the cues stands the wording (`wording.rs`): what the words of each sentence say
/// together, learned from labelled sentences. It adds evidence where the cues say nothing and
/// outweighs them where it is sure of the contrary; points of a trait that add up to next to
/// nothing, or pull both ways nearly alike, are dropped.
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
    weigh(&mut drafts);
    join(&mut drafts, of_wording(story, &hits, &reading, lexicon));
    for draft in &drafts {
        if !found.iter().any(|it| it.theme == draft.theme) {
            found.push(Found::of(draft.theme));
        }
        // An ordinal's points are votes: no measure of how much was shaped.
        if !is_ordinal(draft.evidence.of)
            && let Some(it) = found.iter_mut().find(|it| it.theme == draft.theme)
        {
            it.weight += draft.evidence.points.abs();
        }
    }
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

/// What the wording of each sentence says, as reasons of the theme of conduct that says the same.
fn of_wording(story: &str, hits: &[Hit], reading: &Reading, lexicon: &Lexicon) -> Vec<Draft> {
    if !reading.of_a_life {
        return Vec::new();
    }
    let marks = marks(hits, reading, lexicon);
    let mut drafts = Vec::new();
    for sentence in reading.sentences() {
        if reading.telling(sentence.start) != Telling::Life {
            continue;
        }
        for Leaning { which, lean, words } in wording().read(reading, sentence, &marks, lexicon) {
            let points = rounded((POINTS_OF_WORDING * lean).clamp(-1.0, 1.0));
            let Some(theme) = lexicon.conduct(which, points > 0.0) else {
                continue;
            };
            if points.abs() < LEAST_OF_WORDING {
                continue;
            }
            let (first, last) = (&reading.words[*words.start()], &reading.words[*words.end()]);
            drafts.push(Draft {
                theme,
                weight: Weight::Conduct,
                evidence: Evidence {
                    of: which.into(),
                    points,
                    clamped: false,
                    source: EvidenceSource::Story,
                    theme: lexicon.themes[theme].label.clone(),
                    quote: Some(story[first.bytes.start..last.bytes.end].to_owned()),
                    start: Some(first.start),
                    end: Some(last.end),
                    entity: None,
                    inherited_from: None,
                },
            });
        }
    }
    strongest(&mut drafts);
    drafts
}

/// Keeps the strongest [`MAX_HITS`] reasons of each trait, in the order of the story.
fn strongest(drafts: &mut Vec<Draft>) {
    drafts.sort_by(|a, b| b.evidence.points.abs().total_cmp(&a.evidence.points.abs()));
    let mut counts: HashMap<Predisposition, u32> = HashMap::new();
    drafts.retain(|it| {
        let count = counts.entry(it.evidence.of).or_default();
        *count += 1;
        *count <= MAX_HITS
    });
    drafts.sort_by_key(|it| it.evidence.start);
}

/// What the cues of a story say, as one more thing its sentences are known by: the theme, whether
/// of kin, and whether it was told or denied.
fn marks(hits: &[Hit], reading: &Reading, lexicon: &Lexicon) -> Vec<Mark> {
    let mark = |hit: &Hit| {
        let theme = &lexicon.themes[hit.cue.theme].name;
        let of = if hit.holder == Holder::Kin { "k" } else { "" };
        let denied = hit.modifier(reading, lexicon).scale < 0.0;
        let sign = if denied { '-' } else { '+' };
        Mark {
            feature: format!("@{theme}{of}{sign}"),
            words: hit.from..=hit.to,
        }
    };
    hits.iter().map(mark).collect()
}

/// The features of each sentence of a story: what the wording's weights are learned from.
pub fn features_of(story: &str, name: Option<&str>) -> Vec<Vec<String>> {
    let lexicon = lexicon();
    let reading = Reading::of(story, name, lexicon);
    let marks = marks(&find_hits(&reading, lexicon), &reading, lexicon);
    reading
        .sentences()
        .map(|it| {
            features(&reading, it, &marks, lexicon)
                .into_keys()
                .collect()
        })
        .collect()
}

struct Found {
    theme: usize,
    holder: Holder,
    averted: bool,
    weight: f64,
}

impl Found {
    fn of(theme: usize) -> Self {
        Self {
            theme,
            holder: Holder::Own,
            averted: false,
            weight: 0.0,
        }
    }
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
            let tells_nothing = match reading.telling(i) {
                Telling::Listing => true,
                Telling::Particulars => scenery || lexicon.themes[cue.theme].conduct,
                Telling::Life => false,
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

/// Four decimals: enough for any use, and the points stay readable.
fn rounded(points: f64) -> f64 {
    (points * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "values that must be exact")]
mod tests;
