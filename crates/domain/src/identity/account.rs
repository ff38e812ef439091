//! The forms of what names and describes an account.

use email_address::{EmailAddress, Options};
use oxilangtag::LanguageTag;

use crate::check::{Check, UserErrorCode};

/// A handle: `[a-z0-9_.-]{1,50}`.
pub fn check_user_name(check: &mut Check, path: &str, text: &str) -> String {
    let text = text.trim();
    of_characters(check, path, text, "_.-");
    text.to_owned()
}

/// A platform's name: `[a-z0-9_-]{1,50}`.
pub fn check_provider(check: &mut Check, path: &str, text: &str) -> String {
    let text = text.trim();
    of_characters(check, path, text, "_-");
    text.to_owned()
}

fn of_characters(check: &mut Check, path: &str, text: &str, marks: &str) {
    let well_formed = (1..=50).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || marks.contains(c));
    if !well_formed {
        let name = path.rsplit('.').next().unwrap_or(path);
        let marks: Vec<_> = marks.chars().map(String::from).collect();
        let message = format!(
            "{name} must be 1 to 50 characters of a–z, 0–9, {}",
            marks.join(" ")
        );
        check.fail(UserErrorCode::Invalid, path, message);
    }
}

/// An e-mail address (RFC 5321, at most 254 characters), in lower case. No display name and no
/// address literal.
pub fn check_email(check: &mut Check, path: &str, text: &str) -> String {
    let text = text.trim().to_lowercase();
    let options = Options::default()
        .without_display_text()
        .without_domain_literal()
        .with_no_minimum_sub_domains();
    if text.len() > 254 || EmailAddress::parse_with_options(&text, options).is_err() {
        let message = "not an e-mail address: expected one like ann@example.org";
        check.fail(UserErrorCode::Invalid, path, message);
    }
    text
}

/// A BCP 47 language tag in its usual case, such as `sw-KE`; at most 35 characters.
pub fn check_locale(check: &mut Check, path: &str, text: &str) -> String {
    let text = text.trim();
    match LanguageTag::parse_and_normalize(text) {
        Ok(tag) if text.len() <= 35 => tag.into_inner(),
        _ => {
            let message = "not a language tag: expected BCP 47, such as en or sw-KE";
            check.fail(UserErrorCode::Invalid, path, message);
            String::new()
        }
    }
}

/// An IANA time zone, such as `Africa/Nairobi`.
pub fn check_time_zone(check: &mut Check, path: &str, text: &str) -> String {
    if let Ok(zone) = text.trim().parse::<chrono_tz::Tz>() {
        zone.name().to_owned()
    } else {
        let message = "not a time zone: expected an IANA name, such as Africa/Nairobi or UTC";
        check.fail(UserErrorCode::Invalid, path, message);
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(f: impl Fn(&mut Check, &str, &str) -> String, text: &str) -> Result<String, String> {
        let mut check = Check::new();
        let it = f(&mut check, "field", text);
        check.done().map(|()| it).map_err(|error| error.to_string())
    }

    #[test]
    fn handles_and_providers() {
        for text in ["ann", "ann.b-c_9", &"a".repeat(50)] {
            assert_eq!(told(check_user_name, text).as_deref(), Ok(text));
        }
        for text in [
            "",
            "Ann",
            "ann b",
            "änn",
            "a@b",
            "a\0",
            &"a".repeat(51),
            "a'--",
        ] {
            assert!(told(check_user_name, text).is_err(), "{text:?} was taken");
        }
        assert!(told(check_provider, "discord").is_ok());
        insta::assert_snapshot!(
            told(check_provider, "a.b").unwrap_err(),
            @"field must be 1 to 50 characters of a–z, 0–9, _ -"
        );
    }

    #[test]
    fn addresses_are_kept_in_lower_case() {
        assert_eq!(
            told(check_email, " Ann@Example.ORG ").as_deref(),
            Ok("ann@example.org")
        );
        assert!(told(check_email, "root@localhost").is_ok());
        let long = format!("{}@example.org", "a".repeat(250));
        for text in [
            "",
            "ann",
            "ann@",
            "@b",
            "Ann <a@b.org>",
            "a@[127.0.0.1]",
            "a\0@b.org",
            "a b@c.org",
            &long,
        ] {
            assert!(told(check_email, text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn locales_and_time_zones() {
        assert_eq!(told(check_locale, "SW-ke").as_deref(), Ok("sw-KE"));
        for text in ["", "english please", "en_US", "a\0"] {
            assert!(told(check_locale, text).is_err(), "{text:?} was taken");
        }
        assert_eq!(
            told(check_time_zone, "Africa/Nairobi").as_deref(),
            Ok("Africa/Nairobi")
        );
        for text in ["", "Nairobi", "+03:00", "../etc/passwd"] {
            assert!(told(check_time_zone, text).is_err(), "{text:?} was taken");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            for check in [check_user_name, check_provider, check_email, check_locale, check_time_zone] {
                let _ = told(check, &text);
            }
        }
    }
}
