//! The lexicon: themes and their cues, read from data once and compiled for matching.
//!
//! `lexicon.toml` says what a theme is and which words speak for it, `conduct.toml` the same of
//! what somebody does; `prose.toml` says how traits show. All are checked whole when they are read, and by a test.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::LazyLock,
};

use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;

use super::{Predisposition, Trait, reading::Holder};

/// Circumstances, then conduct.
const BUILT_IN: &str = concat!(include_str!("lexicon.toml"), include_str!("conduct.toml"));

/// The built-in lexicon.
pub fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
        Lexicon::parse(BUILT_IN)
            .unwrap_or_else(|fault| panic!("the built-in lexicon, which a test reads: {fault}"))
    });
    &LEXICON
}

/// How a trait shows when it is marked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prose {
    /// A predicate in the third person, for the narrative context: "braces for what may go wrong".
    pub shows: String,
    /// A sentence addressed to the one who speaks, for the prompt.
    pub conduct: String,
}

impl Prose {
    fn low_and_high() -> &'static BTreeMap<Trait, LowAndHigh> {
        static PROSE: LazyLock<BTreeMap<Trait, LowAndHigh>> = LazyLock::new(|| {
            toml::from_str(include_str!("prose.toml"))
                .unwrap_or_else(|fault| panic!("the built-in prose, which a test reads: {fault}"))
        });
        &PROSE
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LowAndHigh {
    low: Prose,
    high: Prose,
}

/// How a trait of this value is told of: `&'static` texts, below 0.5 the low ones.
pub(super) fn prose(which: Trait, value: f64) -> ToldTrait {
    match Prose::low_and_high().get(&which) {
        Some(LowAndHigh { low, .. }) if value < 0.5 => ToldTrait::from(low),
        Some(LowAndHigh { high, .. }) => ToldTrait::from(high),
        // Every trait has its prose; a test says so.
        None => ToldTrait {
            shows: "",
            conduct: "",
        },
    }
}

pub(super) struct ToldTrait {
    pub shows: &'static str,
    pub conduct: &'static str,
}

impl From<&'static Prose> for ToldTrait {
    fn from(it: &'static Prose) -> Self {
        Self {
            shows: &it.shows,
            conduct: &it.conduct,
        }
    }
}

/// Why a lexicon cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LexiconError {
    /// Not TOML of the expected shape.
    #[error("not a lexicon: {0}")]
    Shape(String),
    /// A theme that says nothing, twice, or nonsense.
    #[error("theme {theme}: {fault}")]
    Theme {
        /// Its name.
        theme: String,
        /// What is wrong with it.
        fault: String,
    },
}

/// Themes, cues and the words that modify them, compiled.
#[derive(Debug)]
pub struct Lexicon {
    pub(super) themes: Vec<Theme>,
    pub(super) cues: Vec<Cue>,
    pub(super) words: Words,
    pub(super) people: People,
    pub(super) modifiers: Modifiers,
    stems: HashMap<String, u32>,
    irregular: HashMap<String, String>,
    by_first: HashMap<u32, Vec<usize>>,
}

/// A theme: what it is about and what it moves.
#[derive(Debug)]
pub struct Theme {
    /// Its stable name.
    pub name: String,
    /// What it is about, in a few words.
    pub label: String,
    /// What shaped the entity, as a noun phrase, when it happened to itself.
    pub own: String,
    /// The same when it was seen in a parent or another elder.
    pub witnessed: String,
    /// Signed points of one full hit.
    pub points: Vec<(Predisposition, f64)>,
    /// What a witness takes in full; the rest counts half.
    pub models: HashSet<Predisposition>,
    /// Whether its words may be mere setting, which counts only where a life is told.
    pub scenery: bool,
    /// Whether it is somebody's state of mind: that of a brother or a friend is no model.
    pub state: bool,
    /// Whether it says what somebody does, which outweighs what somebody went through.
    pub conduct: bool,
}

impl Theme {
    /// Whether, being of conduct, it says of its trait what `other` says already.
    pub(super) fn repeats(&self, other: usize, lexicon: &Lexicon) -> bool {
        let said = |of: Predisposition, points: f64| {
            lexicon.themes[other]
                .points
                .iter()
                .any(|&(it, said)| it == of && said * points > 0.0)
        };
        self.conduct && self.points.iter().all(|&(of, points)| said(of, points))
    }
}

/// Words that speak for a theme.
#[derive(Debug)]
pub(super) struct Cue {
    pub theme: usize,
    pub elements: Vec<Element>,
    /// Whose experience it must be, if that matters.
    pub holder: Option<Holder>,
    /// What may stand before each element but the first.
    pub links: Vec<Link>,
}

/// What may stand between two elements of a cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// How many other words.
    pub gap: usize,
    /// Whether it may reach over a comma.
    pub crosses_clauses: bool,
}

impl Link {
    /// `~2`, or `~2,` for one that reaches over commas.
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('~')?;
        let (gap, crosses_clauses) = match text.strip_suffix(',') {
            Some(gap) => (gap, true),
            None => (text, false),
        };
        Some(Self {
            gap: gap.parse().ok()?,
            crosses_clauses,
        })
    }
}

/// One place of a cue: any of these words.
pub(super) type Element = Vec<u32>;

/// Word classes that the reading of a story needs, as sets of words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct People {
    pub women: HashSet<String>,
    pub men: HashSet<String>,
    pub either: HashSet<String>,
    pub not_kin_before: HashSet<String>,
    pub life_course: HashSet<String>,
    pub upbringing: HashSet<String>,
    pub things: HashSet<String>,
    pub offspring: HashSet<String>,
    pub perceiving: HashSet<String>,
    /// Stems by which a mention of a place or a trade becomes part of a life.
    pub doing: HashSet<String>,
    /// Relatives and others beside the entity rather than above it.
    pub peers: HashSet<String>,
}

/// Words that turn or scale what follows them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Modifiers {
    pub negations: HashSet<String>,
    /// After a negation these make it a double one: "never failed to".
    pub undoing: HashSet<String>,
    /// After "not" these make it no negation: "not only".
    pub not_negating: HashSet<String>,
    pub intensifiers: HashSet<String>,
    pub diminishers: HashSet<String>,
    /// Words too light to count in the reach of a negation.
    pub light: HashSet<String>,
    /// After "can't" these negate to the end of the clause.
    pub imagining: HashSet<String>,
    /// Before rules and those who make them these negate.
    pub rejecting: HashSet<String>,
    /// What somebody cannot bear is turned: "hates sloppy work".
    pub averse: HashSet<String>,
    /// After a negation these are an aversion: "can't stand".
    pub bearing: HashSet<String>,
    /// "was a swear word": these negate what stands before.
    pub scorned: HashSet<String>,
    /// Before "who": people other than the entity and those close to it.
    pub others: HashSet<String>,
    /// Parts of a name that say what somebody is.
    pub titles: HashSet<String>,
    /// Verbs by which a thing is listed rather than a life told.
    pub listing: HashSet<String>,
}

#[derive(Debug)]
pub(super) struct Words {
    stemmer: Debuggable<Stemmer>,
}

/// The stemmer has no `Debug` of its own.
struct Debuggable<T>(T);

impl<T> std::fmt::Debug for Debuggable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stemmer")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    people: People,
    modifiers: Modifiers,
    irregular: BTreeMap<String, String>,
    classes: BTreeMap<String, Vec<String>>,
    theme: Vec<ThemeSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeSource {
    name: String,
    label: String,
    own: String,
    witnessed: Option<String>,
    points: BTreeMap<Predisposition, f64>,
    #[serde(default)]
    models: Vec<String>,
    #[serde(default)]
    scenery: bool,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    conduct: bool,
    cues: String,
}

impl Lexicon {
    /// Reads and checks a lexicon.
    pub fn parse(text: &str) -> Result<Self, LexiconError> {
        let source: Source =
            toml::from_str(text).map_err(|error| LexiconError::Shape(error.to_string()))?;
        let irregular = source
            .irregular
            .iter()
            .flat_map(|(base, forms)| {
                forms
                    .split_whitespace()
                    .map(|form| (form.to_owned(), base.clone()))
            })
            .collect();
        let mut lexicon = Self {
            themes: Vec::new(),
            cues: Vec::new(),
            words: Words {
                stemmer: Debuggable(Stemmer::create(Algorithm::English)),
            },
            people: source.people,
            modifiers: source.modifiers,
            stems: HashMap::new(),
            irregular,
            by_first: HashMap::new(),
        };
        let mut names = HashSet::new();
        for theme in source.theme {
            let name = theme.name.clone();
            let fault = |fault: String| LexiconError::Theme {
                theme: name.clone(),
                fault,
            };
            if !names.insert(theme.name.clone()) {
                return Err(fault("is told twice".to_owned()));
            }
            lexicon.add(theme, &source.classes).map_err(fault)?;
        }
        for (i, cue) in lexicon.cues.iter().enumerate() {
            for &word in cue.elements.first().into_iter().flatten() {
                lexicon.by_first.entry(word).or_default().push(i);
            }
        }
        Ok(lexicon)
    }

    fn add(
        &mut self,
        theme: ThemeSource,
        classes: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), String> {
        if theme.points.is_empty() {
            return Err("moves nothing".to_owned());
        }
        if let Some((of, points)) = theme
            .points
            .iter()
            .find(|(_, it)| !(0.01..=0.5).contains(&it.abs()))
        {
            return Err(format!("{of} = {points}: expected 0.01 to 0.5 either way"));
        }
        let mut models = HashSet::new();
        for modelled in &theme.models {
            if modelled == "*" {
                models.extend(theme.points.keys().copied());
            } else {
                let of: Predisposition = modelled
                    .parse()
                    .map_err(|_| format!("models unknown {modelled}"))?;
                if !theme.points.contains_key(&of) {
                    return Err(format!("models {of}, which it does not move"));
                }
                models.insert(of);
            }
        }
        let index = self.themes.len();
        let mut seen = HashSet::new();
        for cue in theme
            .cues
            .split([';', '\n'])
            .map(str::trim)
            .filter(|it| !it.is_empty())
        {
            if !seen.insert(cue.to_owned()) {
                return Err(format!("cue \"{cue}\" is written twice"));
            }
            let cue = self.compile(index, cue, classes)?;
            self.cues.push(cue);
        }
        if seen.len() < 5 {
            return Err(format!("{} cues are too few to generalise", seen.len()));
        }
        self.themes.push(Theme {
            name: theme.name,
            label: theme.label,
            witnessed: theme.witnessed.unwrap_or_else(|| theme.own.clone()),
            own: theme.own,
            points: theme.points.into_iter().collect(),
            models,
            scenery: theme.scenery,
            state: theme.state,
            conduct: theme.conduct,
        });
        Ok(())
    }

    fn compile(
        &mut self,
        theme: usize,
        text: &str,
        classes: &BTreeMap<String, Vec<String>>,
    ) -> Result<Cue, String> {
        let (holder, pattern) = match text.split_once(": ") {
            Some(("own", rest)) => (Some(Holder::Own), rest),
            Some(("kin", rest)) => (Some(Holder::Kin), rest),
            Some((other, _)) => return Err(format!("cue \"{text}\": no holder \"{other}\"")),
            None => (None, text),
        };
        let of_kin = pattern.contains("@parent") || pattern.contains("@kin");
        let mut usual = Link {
            gap: if of_kin { 4 } else { 2 },
            crosses_clauses: of_kin,
        };
        let mut elements = Vec::new();
        let mut own_links: HashMap<usize, Link> = HashMap::new();
        let places: Vec<_> = pattern.split_whitespace().collect();
        for (i, place) in places.iter().enumerate() {
            if place.starts_with('~') {
                let link = Link::parse(place)
                    .ok_or_else(|| format!("cue \"{text}\": no gap \"{place}\""))?;
                if i + 1 == places.len() {
                    usual = link;
                } else {
                    own_links.insert(elements.len(), link);
                }
                continue;
            }
            let mut element = Vec::new();
            for word in place.split('|') {
                if let Some(class) = word.strip_prefix('@') {
                    let members = classes
                        .get(class)
                        .ok_or_else(|| format!("cue \"{text}\": no class \"{class}\""))?;
                    element.extend(members.iter().map(|it| self.intern(it)));
                } else if word.is_empty() {
                    return Err(format!("cue \"{text}\": an empty alternative"));
                } else if self.is_derived(word) {
                    element.push(self.intern(&format!("={word}")));
                    element.push(self.intern(&format!("={word}s")));
                } else {
                    element.push(self.intern(word));
                }
            }
            elements.push(element);
        }
        if elements.is_empty() {
            return Err(format!("cue \"{text}\": no words"));
        }
        let links = (2..=elements.len())
            .map(|it| own_links.get(&it).copied().unwrap_or(usual))
            .collect();
        Ok(Cue {
            theme,
            elements,
            holder,
            links,
        })
    }

    /// Whether the stem of a word loses what the word means: "playful" is not "played",
    /// "allowance" not "allowed". Such words match by their form, or its plural.
    fn is_derived(&self, word: &str) -> bool {
        const SUFFIXES: &[&str] = &[
            "ful", "ness", "ance", "ence", "ity", "ment", "able", "ible", "ous", "ive", "ally",
            "ist", "ism", "ship", "ion", "or", "er", "al", "ate", "ly",
        ];
        SUFFIXES.iter().any(|it| word.ends_with(it))
            && word.len() >= self.stem(word).len() + 2
            && !self.irregular.contains_key(word)
    }

    /// Whether a lower-case word denies what follows.
    pub(super) fn negates(&self, word: &str) -> bool {
        word.ends_with("n't") || self.modifiers.negations.contains(word)
    }

    /// The theme of conduct that says this of a trait: of its high end or its low end.
    pub(super) fn conduct(&self, which: Trait, high: bool) -> Option<usize> {
        let of = Predisposition::from(which);
        self.themes.iter().position(|it| {
            let main = it
                .points
                .iter()
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            it.conduct && main.is_some_and(|it| it.0 == of && (it.1 > 0.0) == high)
        })
    }

    /// A number for a word of a cue: of its stem, or of the very form when it begins with `=`.
    fn intern(&mut self, word: &str) -> u32 {
        let key = match word.strip_prefix('=') {
            Some(form) => format!("={form}"),
            None => self.stem(word),
        };
        // A lexicon has a few thousand words.
        let next = u32::try_from(self.stems.len()).unwrap_or(u32::MAX);
        *self.stems.entry(key).or_insert(next)
    }

    /// The stem of a lower-case word; irregular forms give that of their base form.
    pub(super) fn stem(&self, word: &str) -> String {
        let base = self.irregular.get(word).map_or(word, String::as_str);
        self.words.stemmer.0.stem(base).into_owned()
    }

    /// Whether a lower-case word is the past form of an irregular verb: "broke", "taught".
    pub(super) fn is_irregular_past(&self, word: &str) -> bool {
        !self.people.women.contains(word)
            && !self.people.men.contains(word)
            && self.irregular.get(word).is_some_and(|base| {
                !matches!(
                    base.as_str(),
                    "be" | "have" | "child" | "man" | "woman" | "wife" | "knife" | "bad"
                )
            })
            && !word.ends_with("es")
    }

    /// The numbers a lower-case word goes by in cues: its stem's and its form's.
    pub(super) fn numbers(&self, word: &str) -> [Option<u32>; 2] {
        let form = self.stems.get(&format!("={word}")).copied();
        [self.stems.get(&self.stem(word)).copied(), form]
    }

    /// The cues that can begin with a word of these numbers.
    pub(super) fn cues_from(&self, numbers: [Option<u32>; 2]) -> impl Iterator<Item = &Cue> + '_ {
        numbers
            .into_iter()
            .flatten()
            .filter_map(|it| self.by_first.get(&it))
            .flatten()
            .map(|&i| &self.cues[i])
    }
}

#[cfg(test)]
mod tests;
