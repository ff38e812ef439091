//! Values of the configuration, as they are written.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use axum::http::HeaderValue;
use ipnet::IpNet;
use persistence::engine::backend_of;

/// A database URL. Its password never appears in a message or a log.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole text, password and all, for connecting.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is PostgreSQL's.
    pub fn is_postgres(&self) -> bool {
        self.0.starts_with("postgres")
    }

    /// The file of a SQLite URL.
    pub fn file(&self) -> Option<&str> {
        let rest = self.0.strip_prefix("sqlite:")?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        rest.split('?').next()
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        backend_of(text).map_err(|_| {
            "not a database URL: expected sqlite://FILE?mode=rwc or \
             postgres://USER:PASSWORD@HOST:PORT/NAME"
        })?;
        Ok(Self(text.to_owned()))
    }
}

/// Without the password.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(&self.0);
        };
        // A password may hold a slash that nobody escaped: look for the last `@`.
        match rest.rsplit_once('@') {
            Some((credentials, place)) => {
                let user = credentials.split(':').next().unwrap_or_default();
                // `?password=…` is another way to write one.
                let place = place.split('?').next().unwrap_or_default();
                write!(f, "{scheme}://{user}@{place}")
            }
            None => write!(f, "{scheme}://{}", rest.split('?').next().unwrap_or(rest)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The origin of a web page, or every one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `*`
    Any,
    /// `https://app.example.org`, as browsers send it.
    One(HeaderValue),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let host = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or("an origin begins with http:// or https://")?;
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            return Err("an origin is a scheme, a host and perhaps a port, no more".to_owned());
        }
        HeaderValue::from_str(&text.to_ascii_lowercase())
            .map(Self::One)
            .map_err(|_| "not an origin".to_owned())
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub usize);

impl FromStr for Amount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            // Semaphores take no more than usize::MAX >> 3; nobody means that many.
            Ok(it @ 1..=1_000_000) => Ok(Self(it)),
            _ => Err("expected a number from 1 to 1000000"),
        }
    }
}

/// Points to spend: how many at once, how many come back each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// No limit.
    Off,
    /// A bucket.
    Bucket {
        /// What a full one holds.
        capacity: NonZeroU32,
        /// What comes back each second.
        refill: NonZeroU32,
    },
}

impl FromStr for RateLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected off, or CAPACITY/REFILL such as 1000/50";
        if text == "off" {
            return Ok(Self::Off);
        }
        let (capacity, refill) = text.split_once('/').ok_or(EXPECTED)?;
        Ok(Self::Bucket {
            capacity: capacity.parse().map_err(|_| EXPECTED)?,
            refill: refill.parse().map_err(|_| EXPECTED)?,
        })
    }
}

/// `500ms`, `30s`, `2m`, `1h`, `30d`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a duration such as 500ms, 30s, 2m or 1h";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| EXPECTED)?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or(EXPECTED)
}

/// `1048576`, `512KiB`, `1MiB`; at most 1 GiB.
pub fn bytes(text: &str) -> Result<usize, &'static str> {
    const EXPECTED: &str = "expected a size such as 1048576, 512KiB or 1MiB, at most 1024MiB";
    let (digits, unit) = if let Some(digits) = text.strip_suffix("KiB") {
        (digits, 1 << 10)
    } else if let Some(digits) = text.strip_suffix("MiB") {
        (digits, 1 << 20)
    } else {
        (text, 1)
    };
    let number: usize = digits.trim_end().parse().map_err(|_| EXPECTED)?;
    match number.checked_mul(unit) {
        Some(it @ 1..=0x4000_0000) => Ok(it),
        _ => Err(EXPECTED),
    }
}

/// `10.0.0.0/8`, or one address.
pub fn network(text: &str) -> Result<IpNet, &'static str> {
    text.parse()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()))
        .map_err(|_| "expected an address such as 10.0.0.1 or a network such as 10.0.0.0/8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_as_written() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("30d"), Ok(Duration::from_hours(720)));
        for wrong in [
            "",
            "s",
            "-1s",
            "1.5s",
            "3w",
            "99999999999999999999s",
            "99999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(bytes("1MiB"), Ok(1_048_576));
        assert_eq!(bytes("512KiB"), Ok(524_288));
        assert_eq!(bytes("7"), Ok(7));
        for wrong in ["", "0", "1GB", "-1", "2000MiB", "99999999999999999999"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_database_url_shows_no_password() {
        let shown = |it: &str| DatabaseUrl(it.to_owned()).to_string();
        assert_eq!(
            shown("postgres://anima:s3cret@db:5432/anima"),
            "postgres://anima@db:5432/anima"
        );
        assert_eq!(
            shown("postgres://anima:s3/cr@t@db/anima"),
            "postgres://anima@db/anima"
        );
        assert_eq!(
            shown("postgres://db/anima?password=s3cret"),
            "postgres://db/anima"
        );
        assert_eq!(shown("sqlite://anima.db?mode=rwc"), "sqlite://anima.db");
    }

    #[test]
    fn rate_limits_and_origins() {
        assert_eq!("off".parse(), Ok(RateLimit::Off));
        assert!("1000".parse::<RateLimit>().is_err());
        assert!("0/5".parse::<RateLimit>().is_err());
        assert!("https://App.example.org:8443".parse::<Origin>().is_ok());
        for wrong in [
            "app.example.org",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://u@a",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
