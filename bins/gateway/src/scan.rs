//! A look at a GraphQL text before it is parsed: how deep it nests, how many tokens it has.
//!
//! The parser recurses into lists, objects and types without a limit of its own, so a
//! kilobyte of `[[[[…` could overflow the stack, which no handler survives.

use std::fmt;

/// How deep brackets of any kind may nest.
pub const MAX_NESTING: u32 = 64;
/// How many tokens a text may have.
pub const MAX_TOKENS: u32 = 15_000;

/// Why a text is not parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Deeper than [`MAX_NESTING`].
    TooDeep,
    /// More than [`MAX_TOKENS`].
    TooLong,
    /// A NUL character, or an escape for one.
    Nul,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "the document nests brackets deeper than {MAX_NESTING}"),
            Self::TooLong => write!(f, "the document has more than {MAX_TOKENS} tokens"),
            Self::Nul => f.write_str("the document holds a NUL character, which is not text"),
        }
    }
}

/// Reads the text once, without memory.
pub fn scan(text: &str) -> Result<(), Fault> {
    let bytes = text.as_bytes();
    if bytes.contains(&0) {
        return Err(Fault::Nul);
    }
    let (mut depth, mut tokens, mut i) = (0_u32, 0_u32, 0_usize);
    while let Some(&byte) = bytes.get(i) {
        i += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => continue,
            b'#' => {
                i += until(&bytes[i..], |it| it == b'\n' || it == b'\r');
                continue;
            }
            b'{' | b'[' | b'(' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(Fault::TooDeep);
                }
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'"' => {
                let end = string_end(bytes, i);
                if text.get(i..end).is_some_and(escapes_nul) {
                    return Err(Fault::Nul);
                }
                i = end;
            }
            b'_' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                i += until(
                    &bytes[i..],
                    |it| !matches!(it, b'_' | b'.' | b'+' | b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z'),
                );
            }
            _ => {}
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err(Fault::TooLong);
        }
    }
    Ok(())
}

fn until(bytes: &[u8], stop: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|it| stop(*it)).unwrap_or(bytes.len())
}

/// Where the string that begins before `i` ends: past its closing quote, or the text's end.
fn string_end(bytes: &[u8], mut i: usize) -> usize {
    let block = bytes.get(i..i + 2) == Some(b"\"\"");
    if block {
        i += 2;
    }
    while let Some(&byte) = bytes.get(i) {
        i += 1;
        match byte {
            b'\\' => i += 1,
            // An ordinary string ends with its line as well: the parser will say so.
            b'"' | b'\n' if !block => return i,
            b'"' if bytes.get(i..i + 2) == Some(b"\"\"") => return i + 2,
            _ => {}
        }
    }
    bytes.len()
}

fn escapes_nul(string: &str) -> bool {
    string.contains("\\u0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_pass() {
        for text in [
            "",
            "{ viewer { role } }",
            "query Q($a: [Int!] = [1, 2]) { f(a: $a, b: \"}{][\", c: \"\"\"\n}}}\"]]] \"\"\") } # {{{{",
            "{ f(a: \"a \\\" b\") }",
            "{ f(a: \"ünïcödé ❤\") }",
            "}}}]]",
            "\"",
            "\"\\",
            "\"\"\"",
        ] {
            assert_eq!(scan(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn nesting_of_every_bracket_is_bounded() {
        let at = |open: &str, n: usize| format!("{{ f(a: {}1", open.repeat(n));
        for open in ["[", "{a:", "("] {
            assert_eq!(scan(&at(open, 62)), Ok(()), "{open}");
            assert_eq!(scan(&at(open, 63)), Err(Fault::TooDeep), "{open}");
        }
        assert_eq!(scan(&"{a".repeat(500_000)), Err(Fault::TooDeep));
    }

    #[test]
    fn a_bracket_in_a_string_or_comment_does_not_nest() {
        let brackets = "[".repeat(1000);
        assert_eq!(scan(&format!("{{ f(a: \"{brackets}\") }}")), Ok(()));
        assert_eq!(scan(&format!("{{ f(a: \"\"\"{brackets}\"\"\") }}")), Ok(()));
        assert_eq!(scan(&format!("# {brackets}\n{{ f }}")), Ok(()));
        // A string that its line ends cannot hide what follows.
        assert_eq!(scan(&format!("\"\n{brackets}")), Err(Fault::TooDeep));
    }

    #[test]
    fn tokens_are_bounded_and_a_long_string_is_one() {
        assert_eq!(scan(&"a ".repeat(15_000)), Ok(()));
        assert_eq!(scan(&"a ".repeat(15_001)), Err(Fault::TooLong));
        assert_eq!(
            scan(&format!("{{ f(a: \"{}\") }}", "x".repeat(1_000_000))),
            Ok(())
        );
        assert_eq!(scan(&"a,".repeat(500_000)), Err(Fault::TooLong));
    }

    #[test]
    fn nul_is_refused_raw_and_escaped() {
        assert_eq!(scan("{ a\0 }"), Err(Fault::Nul));
        assert_eq!(scan("{ f(a: \"x\\u0000\") }"), Err(Fault::Nul));
    }
}
