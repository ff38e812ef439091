//! Limits on guessing: failed logins and failed token checks, counted in memory, bounded.
//!
//! An attempt counts before it is checked, and stops counting when it succeeds: a hundred
//! guesses at once get no further than five in a row.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache};

use crate::{Error, Result};

/// So many failures within the window lock for as long as the window.
#[derive(Clone, Copy, Debug)]
struct Rule {
    failures: usize,
    window: TimeDelta,
}

/// One account from one address.
const LOGIN: Rule = Rule {
    failures: 5,
    window: TimeDelta::minutes(15),
};
/// One account from everywhere: a guesser with many addresses. High, because it lets a
/// stranger lock the account's password (not its tokens) for a while.
const LOGIN_OF_ACCOUNT: Rule = Rule {
    failures: 50,
    window: TimeDelta::minutes(15),
};
/// One address, whatever the account: a guesser with many accounts.
const LOGIN_FROM_ADDRESS: Rule = Rule {
    failures: 50,
    window: TimeDelta::minutes(15),
};
/// One address with tokens that are none. Guessing 256 bits is hopeless; this keeps the
/// attempt from costing the database anything.
const TOKEN_FROM_ADDRESS: Rule = Rule {
    failures: 100,
    window: TimeDelta::minutes(1),
};

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Login(String, Option<IpAddr>),
    LoginOfAccount(String),
    LoginFromAddress(IpAddr),
    TokenFromAddress(IpAddr),
}

impl Counted {
    fn rule(&self) -> Rule {
        match self {
            Self::Login(..) => LOGIN,
            Self::LoginOfAccount(_) => LOGIN_OF_ACCOUNT,
            Self::LoginFromAddress(_) => LOGIN_FROM_ADDRESS,
            Self::TokenFromAddress(_) => TOKEN_FROM_ADDRESS,
        }
    }
}

/// Times of the attempts within the window, oldest first, and the end of the lock.
#[derive(Clone, Debug, Default)]
struct Attempts {
    times: Vec<DateTime<Utc>>,
    locked_until: Option<DateTime<Utc>>,
}

/// The failures of this process, at most 100 000 counters of them, the least used forgotten.
#[derive(Debug)]
pub(crate) struct Limits(Cache<Counted, Attempts>);

/// A login attempt that counts as failed until it is [`forgiven`](Limits::forgive).
#[derive(Debug)]
pub(crate) struct LoginAttempt {
    counted: Vec<Counted>,
    at: DateTime<Utc>,
    /// This one used up what the account has from this address.
    pub locks: bool,
}

impl Limits {
    pub fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(100_000)
            // Not the default, which would refuse a new counter once many are in use.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_hours(1))
            .build();
        Self(cache)
    }

    /// Counts a login attempt.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when there were too many.
    pub fn login(
        &self,
        account: &str,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<LoginAttempt> {
        let address = address.map(network);
        let pair = Counted::Login(account.to_owned(), address);
        let mut counted = vec![pair, Counted::LoginOfAccount(account.to_owned())];
        counted.extend(address.map(Counted::LoginFromAddress));
        for it in &counted {
            self.open(it, now)?;
        }
        let mut locks = false;
        for (i, it) in counted.iter().enumerate() {
            let locked = self.count(it.clone(), now)?;
            locks |= locked && i == 0;
        }
        Ok(LoginAttempt {
            counted,
            at: now,
            locks,
        })
    }

    /// The attempt succeeded: it does not count, and the account starts afresh from there.
    pub fn forgive(&self, attempt: LoginAttempt) {
        for it in attempt.counted {
            let rule = it.rule();
            if let Counted::Login(..) = it {
                self.0.invalidate(&it);
                continue;
            }
            self.0.entry(it).and_compute_with(|entry| {
                let Some(entry) = entry else { return Op::Nop };
                let mut attempts = entry.into_value();
                if let Some(i) = attempts.times.iter().position(|at| *at == attempt.at) {
                    attempts.times.remove(i);
                }
                if attempts.times.len() < rule.failures {
                    attempts.locked_until = None;
                }
                Op::Put(attempts)
            });
        }
    }

    /// Whether an address may have a token checked.
    pub fn token_check(&self, address: IpAddr, now: DateTime<Utc>) -> Result<()> {
        self.open(&Counted::TokenFromAddress(network(address)), now)
    }

    /// A token check from the address failed.
    pub fn token_failed(&self, address: IpAddr, now: DateTime<Utc>) {
        // The refusal is for the next check.
        let _ = self.count(Counted::TokenFromAddress(network(address)), now);
    }

    /// Not locked.
    fn open(&self, counted: &Counted, now: DateTime<Utc>) -> Result<()> {
        match self.0.get(counted).and_then(|it| it.locked_until) {
            Some(until) if now < until => Err(locked(until - now)),
            _ => Ok(()),
        }
    }

    /// Counts one; true when it was the last there was. Refused when another was faster.
    fn count(&self, counted: Counted, now: DateTime<Utc>) -> Result<bool> {
        let rule = counted.rule();
        let mut refused = None;
        let mut locks = false;
        self.0.entry(counted).and_compute_with(|entry| {
            let mut attempts = entry.map(moka::Entry::into_value).unwrap_or_default();
            match attempts.locked_until {
                Some(until) if now < until => {
                    refused = Some(locked(until - now));
                    return Op::Nop;
                }
                Some(_) => attempts = Attempts::default(),
                None => attempts.times.retain(|at| now - *at < rule.window),
            }
            attempts.times.push(now);
            if attempts.times.len() >= rule.failures {
                attempts.locked_until = Some(now + rule.window);
                locks = true;
            }
            Op::Put(attempts)
        });
        refused.map_or(Ok(locks), Err)
    }
}

fn locked(remaining: TimeDelta) -> Error {
    // Rounded up, so that whoever waits as told is let in.
    let seconds = (remaining + TimeDelta::milliseconds(999)).num_seconds();
    Error::RateLimited {
        retry_after_seconds: u64::try_from(seconds).unwrap_or(0).max(1),
    }
}

/// The address that counts: of IPv6 the /64, which is what one customer gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(it) => IpAddr::V4(it),
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_788_264_000 + seconds, 0).unwrap()
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the limits take it")]
    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn five_failures_in_fifteen_minutes_lock_for_fifteen_minutes() {
        let limits = Limits::new();
        let here = address("192.0.2.1");
        for i in 0..5 {
            let attempt = limits.login("ann", here, at(i)).unwrap();
            assert_eq!(attempt.locks, i == 4);
        }
        let Err(Error::RateLimited {
            retry_after_seconds,
        }) = limits.login("ann", here, at(4))
        else {
            panic!("the sixth was let in")
        };
        assert_eq!(retry_after_seconds, 900);
        assert!(limits.login("ann", address("192.0.2.2"), at(5)).is_ok());
        assert!(limits.login("bob", here, at(5)).is_ok());
        assert!(limits.login("ann", here, at(4 + 899)).is_err());
        assert!(limits.login("ann", here, at(4 + 900)).is_ok());
    }

    #[test]
    fn failures_age_and_success_forgives() {
        let limits = Limits::new();
        for i in 0..20 {
            let later = at(i * 226);
            assert!(limits.login("slow", None, later).is_ok(), "attempt {i}");
        }
        for i in 0..200 {
            let attempt = limits.login("ann", address("192.0.2.1"), at(i)).unwrap();
            limits.forgive(attempt);
        }
    }

    #[test]
    fn one_address_cannot_try_every_account_nor_one_account_be_tried_from_everywhere() {
        let limits = Limits::new();
        let one = |i: u32| limits.login(&format!("user{i}"), address("192.0.2.1"), at(0));
        assert!((0..50).all(|i| one(i).is_ok()));
        assert!(one(50).is_err());
        let limits = Limits::new();
        let one = |i: u32| limits.login("ann", address(&format!("10.0.{i}.1")), at(0));
        assert!((0..50).all(|i| one(i).is_ok()));
        assert!(one(50).is_err());
    }

    #[test]
    fn neighbours_of_an_ipv6_network_count_as_one() {
        let limits = Limits::new();
        for i in 0..5 {
            let here = address(&format!("2001:db8::{i}"));
            assert!(limits.login("ann", here, at(0)).is_ok());
        }
        assert!(
            limits
                .login("ann", address("2001:db8::beef"), at(0))
                .is_err()
        );
        assert!(
            limits
                .login("ann", address("2001:db8:0:1::1"), at(0))
                .is_ok()
        );
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn failed_token_checks_are_limited_by_address() {
        let limits = Limits::new();
        let here = "192.0.2.1".parse().unwrap();
        for _ in 0..100 {
            assert!(limits.token_check(here, at(0)).is_ok());
            limits.token_failed(here, at(0));
        }
        assert!(limits.token_check(here, at(59)).is_err());
        assert!(
            limits
                .token_check("192.0.2.2".parse().unwrap(), at(0))
                .is_ok()
        );
        assert!(limits.token_check(here, at(60)).is_ok());
    }
}
