//! The narrative context: what shaped an entity and how it shows, in two or three sentences.

use super::{Dna, Trait, lexicon::prose, reading::Gender};

/// What is known when it is told.
pub(super) struct Narrative<'a> {
    pub name: Option<&'a str>,
    pub gender: Option<Gender>,
    /// Noun phrases, strongest first.
    pub shaped_by: &'a [&'a str],
    pub dna: &'a Dna,
}

/// How far from neutral a trait must be to be told of.
const NOTABLE: f64 = 0.08;

impl Narrative<'_> {
    /// From the three strongest themes and the four traits furthest from neutral.
    pub fn compose(&self) -> String {
        let name = self
            .name
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .unwrap_or("This character");
        let pronoun = match self.gender {
            Some(Gender::Male) => "He",
            Some(Gender::Female) => "She",
            None => name,
        };
        let shaped_by: Vec<_> = self.shaped_by.iter().take(3).copied().collect();
        let shows = self.shows();

        // The same story always gives the same text; other stories give other turns.
        let turn = shaped_by.iter().map(|it| it.len()).sum::<usize>();
        let first = match (shaped_by.is_empty(), turn % 4) {
            (true, _) => format!("What is told of {name} leaves no strong mark either way."),
            (_, 0) => format!("{name} was shaped by {}.", joined(&shaped_by)),
            (_, 1) => format!("{name} carries {}.", joined(&shaped_by)),
            (_, 2) => format!("{name} comes from {}.", joined(&shaped_by)),
            _ => format!("Much of {name} goes back to {}.", joined(&shaped_by)),
        };
        let (second, third) = match shows.as_slice() {
            [] if shaped_by.is_empty() => ("Who this will be is open.".to_owned(), None),
            [] => ("It has left no strong leaning.".to_owned(), None),
            [one] => (format!("{pronoun} {one}."), None),
            [one, two] => (format!("{pronoun} {one} and {two}."), None),
            [one, two, rest @ ..] => {
                let who = lowered(pronoun, name);
                let second = match turn % 3 {
                    0 => format!("It shows: {who} {one} and {two}."),
                    1 => format!("{pronoun} {one} and {two}."),
                    _ => format!("To this day {who} {one} and {two}."),
                };
                (second, Some(format!("{pronoun} {}.", joined(rest))))
            }
        };
        let sentences: Vec<_> = [first, second].into_iter().chain(third).collect();
        sentences.join(" ")
    }

    fn shows(&self) -> Vec<&'static str> {
        let mut notable: Vec<(Trait, f64)> = self
            .dna
            .traits()
            .filter(|(_, value)| (value - 0.5).abs() >= NOTABLE)
            .collect();
        notable.sort_by(|(_, a), (_, b)| (b - 0.5).abs().total_cmp(&(a - 0.5).abs()));
        notable
            .into_iter()
            .take(4)
            .map(|(which, value)| prose(which, value).shows)
            .collect()
    }
}

fn lowered(pronoun: &str, name: &str) -> String {
    if pronoun == name {
        name.to_owned()
    } else {
        pronoun.to_lowercase()
    }
}

fn joined(parts: &[&str]) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use crate::dna::{Trait, extract};

    #[test]
    fn it_names_what_shaped_and_how_it_shows() {
        let frank = "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
                     Frank grew up helping in the kitchen from age 7.";
        insta::assert_snapshot!(extract(frank, Some("Frank")).unwrap().narrative_context, @"Much of Frank goes back to watching somebody close burn out, a parent who was not there and growing up in the timing of a kitchen. To this day Frank wears out sooner than anyone notices and looks first to what others need. Frank braces for what may go wrong and has a clock running inside.");
        let sea = "Her grandfather kept the lighthouse and taught her the names of the tides. \
                   She never minded the storms, and she laughed when her boat capsized and tried again.";
        insta::assert_snapshot!(extract(sea, Some("Ines")).unwrap().narrative_context, @"Ines comes from learning that mistakes are allowed, having fallen and got up again and a family that lived by the sea. She gets up again after every blow and takes mistakes as part of learning. She keeps a steady footing when blamed and holds to habits as to a handrail.");
    }

    #[test]
    fn a_story_that_shapes_nobody_says_so() {
        let story = "The kettle holds one and a half litres and has a red handle.";
        insta::assert_snapshot!(extract(story, Some("Ada")).unwrap().narrative_context, @"What is told of Ada leaves no strong mark either way. Who this will be is open.");
    }

    #[test]
    fn no_trait_is_named() {
        let story = "His mother was exhausted, his father strict. He was praised for his drawings.";
        let told = extract(story, None)
            .unwrap()
            .narrative_context
            .to_lowercase();
        for which in Trait::ALL {
            assert!(!told.contains(&which.as_str().replace('_', " ")), "{told}");
        }
    }
}
