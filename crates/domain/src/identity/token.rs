//! The text of an access token: `anima_<prefix>_<secret>`.
//!
//! The prefix (8 characters, 40 bits) finds the row; the secret (52 characters of base32,
//! 256 random bits) proves it. Only SHA-256 of the secret is stored: a random 256-bit secret
//! gains nothing from a slow hash.

use std::{fmt, sync::LazyLock};

use data_encoding::{Encoding, Specification};

/// RFC 4648 base32 in lower case, without padding: no character that a shell, a URL or a
/// double click would trip over.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    // The alphabet above is a constant of 32 distinct symbols: always an encoding.
    specification
        .encoding()
        .unwrap_or(data_encoding::BASE32_NOPAD)
});

/// The eight characters a token is found by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TokenPrefix(pub String);

/// The secret part. Never shown by `Debug`, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// The characters, for hashing.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A whole token, as its holder has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    /// Finds the row.
    pub prefix: TokenPrefix,
    /// Proves it.
    pub secret: TokenSecret,
}

/// A text that does not have the form of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an access token: expected anima_<8 characters>_<52 characters>")]
pub struct NotAToken;

impl TokenText {
    /// A token of the given random bytes: 5 for the prefix, 32 for the secret.
    pub fn from_random(prefix: [u8; 5], secret: [u8; 32]) -> Self {
        Self {
            prefix: TokenPrefix(BASE32.encode(&prefix)),
            secret: TokenSecret(BASE32.encode(&secret)),
        }
    }

    /// The token's text, shown once to whoever made it.
    pub fn reveal(&self) -> String {
        format!("anima_{}_{}", self.prefix.0, self.secret.0)
    }
}

impl std::str::FromStr for TokenText {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let rest = text.strip_prefix("anima_").ok_or(NotAToken)?;
        let (prefix, secret) = rest.split_once('_').ok_or(NotAToken)?;
        let of_alphabet = |it: &str| it.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        if prefix.len() == 8 && secret.len() == 52 && of_alphabet(prefix) && of_alphabet(secret) {
            Ok(Self {
                prefix: TokenPrefix(prefix.to_owned()),
                secret: TokenSecret(secret.to_owned()),
            })
        } else {
            Err(NotAToken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_shown() {
        let token = TokenText::from_random([7; 5], [255; 32]);
        let shown = token.reveal();
        assert_eq!(shown.len(), 6 + 8 + 1 + 52);
        assert_eq!(shown.parse(), Ok(token.clone()));
        assert!(
            !format!("{token:?}").contains(&shown[15..]),
            "the secret is in the debug output"
        );
    }

    #[test]
    fn forged_and_truncated_tokens_are_refused() {
        let shown = TokenText::from_random([7; 5], [255; 32]).reveal();
        for text in [
            "",
            "anima_",
            "anima__",
            &shown[..shown.len() - 1],
            &shown[1..],
            &format!("{shown}a"),
            &shown.to_uppercase(),
            "anima_abcdefgh_é",
            "Bearer anima_abcdefgh_x",
        ] {
            assert_eq!(
                text.parse::<TokenText>(),
                Err(NotAToken),
                "{text:?} was taken"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*", prefix: [u8; 5], secret: [u8; 32]) {
            let _ = text.parse::<TokenText>();
            let token = TokenText::from_random(prefix, secret);
            proptest::prop_assert_eq!(token.reveal().parse(), Ok(token));
        }
    }
}
