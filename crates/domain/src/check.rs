//! Checking input: every field's fault at once, each with its path and what would be right.

use std::ops::RangeInclusive;

text_enum! {
    /// What kind of fault a `UserError` reports.
    pub enum UserErrorCode {
        /// The value does not have the form or the meaning the field needs.
        Invalid = "invalid",
        /// A required value is missing or blank.
        Required = "required",
        /// A text or list is shorter than allowed.
        TooShort = "too_short",
        /// A text or list is longer than allowed.
        TooLong = "too_long",
        /// A number or time lies outside its range.
        OutOfRange = "out_of_range",
        /// The value must be unique and is in use.
        Taken = "taken",
        /// What the id names does not exist, or the viewer may not see it.
        NotFound = "not_found",
        /// Somebody else changed it first, or it is in a state that forbids this.
        Conflict = "conflict",
        /// An emergency goes on, and only `emergencyResolve` ends it.
        EmergencyActive = "emergency_active",
        /// The conversation is over: begin another.
        ConversationEnded = "conversation_ended",
    }
}

/// One thing wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// What kind of fault it is.
    pub code: UserErrorCode,
    /// Where in the input, from the outside in, in GraphQL names: `["metadata", "age"]`.
    pub field: Vec<String>,
    /// What was wrong and what would be right, for a person.
    pub message: String,
}

impl FieldError {
    /// A fault of one field; a dotted `path` leads into nested input.
    pub fn new(code: UserErrorCode, path: &str, message: impl Into<String>) -> Self {
        let field = path
            .split('.')
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            code,
            field,
            message: message.into(),
        }
    }
}

/// An input that was refused whole, with every fault found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct Invalid(pub Vec<FieldError>);

impl Invalid {
    /// A refusal for one reason.
    pub fn one(code: UserErrorCode, path: &str, message: impl Into<String>) -> Self {
        Self(vec![FieldError::new(code, path, message)])
    }
}

/// Collects the faults of an input, so that a caller mends them in one go.
///
/// Each method gives back the cleaned value, or a stand-in when it was faulty; nothing
/// may be used before [`Check::done`] has said that there was no fault.
#[derive(Debug, Default)]
pub struct Check(Vec<FieldError>);

impl Check {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a fault.
    pub fn fail(&mut self, code: UserErrorCode, path: &str, message: impl Into<String>) {
        self.0.push(FieldError::new(code, path, message));
    }

    /// A text, trimmed, of so many characters (Unicode scalar values), without NUL.
    pub fn text(&mut self, path: &str, text: &str, length: RangeInclusive<usize>) -> String {
        let text = text.trim();
        let count = text.chars().count();
        let name = path.rsplit('.').next().unwrap_or(path);
        if count == 0 && *length.start() > 0 {
            self.fail(
                UserErrorCode::Required,
                path,
                format!(
                    "{name} must not be blank: give {} characters",
                    span(&length)
                ),
            );
        } else if count < *length.start() {
            self.fail(
                UserErrorCode::TooShort,
                path,
                format!("{name} has {count} characters: expected {}", span(&length)),
            );
        } else if count > *length.end() {
            self.fail(
                UserErrorCode::TooLong,
                path,
                format!("{name} has {count} characters: expected {}", span(&length)),
            );
        } else if text.contains('\0') {
            // PostgreSQL cannot store it in text; refused on both engines.
            self.fail(
                UserErrorCode::Invalid,
                path,
                format!("{name} contains a NUL character: remove it"),
            );
        }
        text.to_owned()
    }

    /// A text that may be missing; blank counts as missing.
    pub fn optional_text(
        &mut self,
        path: &str,
        text: Option<&str>,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = text.map(str::trim).filter(|it| !it.is_empty())?;
        Some(self.text(path, text, length))
    }

    /// A finite number within a closed range.
    pub fn number(&mut self, path: &str, x: f64, range: RangeInclusive<f64>) -> f64 {
        if !range.contains(&x) {
            let name = path.rsplit('.').next().unwrap_or(path);
            self.fail(
                UserErrorCode::OutOfRange,
                path,
                format!(
                    "{name} is {x}: expected {} to {}",
                    range.start(),
                    range.end()
                ),
            );
        }
        x
    }

    /// A whole number within a closed range.
    pub fn integer(&mut self, path: &str, x: i64, range: RangeInclusive<i64>) -> i64 {
        if !range.contains(&x) {
            let name = path.rsplit('.').next().unwrap_or(path);
            self.fail(
                UserErrorCode::OutOfRange,
                path,
                format!(
                    "{name} is {x}: expected {} to {}",
                    range.start(),
                    range.end()
                ),
            );
        }
        x
    }

    /// A JSON document's size in bytes and its texts: no NUL anywhere, not nested past 32.
    pub fn document(&mut self, path: &str, value: &serde_json::Value, max_bytes: usize) {
        let name = path.rsplit('.').next().unwrap_or(path);
        let bytes = value.to_string().len();
        if bytes > max_bytes {
            self.fail(
                UserErrorCode::TooLong,
                path,
                format!("{name} takes {bytes} bytes as JSON: expected at most {max_bytes}"),
            );
        } else if !storable(value, 32) {
            self.fail(
                UserErrorCode::Invalid,
                path,
                format!("{name} contains a NUL character or is nested deeper than 32"),
            );
        }
    }

    /// Adds the faults of a nested check, below `path`.
    pub fn nested<T>(&mut self, path: &str, result: Result<T, Invalid>) -> Option<T> {
        match result {
            Ok(it) => Some(it),
            Err(Invalid(errors)) => {
                self.0.extend(errors.into_iter().map(|mut error| {
                    let outer = path.split('.').filter(|it| !it.is_empty());
                    let mut field: Vec<String> = outer.map(str::to_owned).collect();
                    field.append(&mut error.field);
                    FieldError { field, ..error }
                }));
                None
            }
        }
    }

    /// The end: `Ok` when no fault was found.
    pub fn done(self) -> Result<(), Invalid> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Invalid(self.0))
        }
    }
}

fn span(length: &RangeInclusive<usize>) -> String {
    match (*length.start(), *length.end()) {
        (low, usize::MAX) => format!("at least {low}"),
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low} to {high}"),
    }
}

fn storable(value: &serde_json::Value, depth: usize) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => depth > 0 && items.iter().all(|it| storable(it, depth - 1)),
        Value::Object(members) => {
            depth > 0
                && members
                    .iter()
                    .all(|(key, it)| !key.contains('\0') && storable(it, depth - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let mut check = Check::new();
        assert_eq!(check.text("name", "  Frank ", 1..=100), "Frank");
        check.text("name", "   ", 1..=100);
        check.text("story", "short", 20..=20_000);
        check.text("story", "a\0b", 1..=10);
        check.number("dna.resilience", f64::NAN, 0.0..=1.0);
        check.integer("first", 0, 1..=100);
        let Err(Invalid(errors)) = check.done() else {
            panic!("nothing was found")
        };
        let told: Vec<_> = errors
            .iter()
            .map(|e| format!("{}: {}", e.field.join("."), e.message))
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        name: name must not be blank: give 1 to 100 characters
        story: story has 5 characters: expected 20 to 20000
        story: story contains a NUL character: remove it
        dna.resilience: resilience is NaN: expected 0 to 1
        first: first is 0: expected 1 to 100
        ");
    }

    #[test]
    fn a_document_is_bounded() {
        let mut deep = serde_json::json!(1);
        for _ in 0..40 {
            deep = serde_json::json!([deep]);
        }
        for (value, ok) in [
            (serde_json::json!({"theme": "dark"}), true),
            (serde_json::json!({"a": "\u{0}"}), false),
            (serde_json::json!({"a": "x".repeat(200)}), false),
            (deep, false),
        ] {
            let mut check = Check::new();
            check.document("preferences", &value, 100);
            assert_eq!(check.done().is_ok(), ok, "{value}");
        }
    }
}
