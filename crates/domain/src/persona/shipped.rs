//! The personas that come with Anima. Their prompts are its own.

use super::{PersonaSnapshot, snapshot::typed};
use crate::check::Invalid;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipped {
    /// `companion`, `medication_nurse`, `storyteller`, `entertainer` or `emergency`.
    pub slug: &'static str,
    /// What it is at first; an installation may make it something else.
    pub snapshot: PersonaSnapshot,
}

/// Their first version.
pub const SHIPPED_VERSION: &str = "1.0.0";

const TEXTS: [(&str, &str); 5] = [
    ("companion", include_str!("shipped/companion.toml")),
    (
        "medication_nurse",
        include_str!("shipped/medication_nurse.toml"),
    ),
    ("storyteller", include_str!("shipped/storyteller.toml")),
    ("entertainer", include_str!("shipped/entertainer.toml")),
    ("emergency", include_str!("shipped/emergency.toml")),
];

/// All of them.
///
/// # Errors
/// Where one is faulty, which a test sees to.
pub fn all() -> Result<Vec<Shipped>, Invalid> {
    let read = |(slug, text): &(&'static str, &str)| {
        let value: serde_json::Value = toml::from_str(text).unwrap_or_default();
        let snapshot: PersonaSnapshot = typed(value, slug)?;
        Ok(Shipped {
            slug,
            snapshot: snapshot.checked()?,
        })
    };
    TEXTS.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persona::{check_slug, duty::EMERGENCY_PRIORITY};

    #[test]
    fn they_are_what_they_should_be() {
        let all = all().unwrap();
        assert_eq!(all.len(), 5);
        for Shipped { slug, snapshot } in all {
            assert!(check_slug(slug).is_ok());
            let emergency = slug == "emergency";
            assert_eq!(snapshot.priority >= EMERGENCY_PRIORITY, emergency, "{slug}");
            assert!(
                snapshot.description.is_some() && snapshot.system_prompt.is_some(),
                "{slug}"
            );
            let behavior = &snapshot.behavior;
            // The prompt takes three of each: there are three that matter.
            assert!(behavior.tone_rules.len() >= 3, "{slug}");
            assert!(behavior.constraints.len() >= 3, "{slug}");
            assert!(behavior.dialogue_examples.len() >= 3, "{slug}");
            assert!(behavior.greeting.is_some(), "{slug}");
        }
    }
}
