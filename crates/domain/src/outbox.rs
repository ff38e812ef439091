//! Outbox: work that outlives the transaction which asked for it, done once.
//!
//! A task is *pending* until a worker leases it, *in progress* while it runs, and *done* or
//! *failed* at the end; the failed ones are the dead letters. An attempt is counted when it
//! failed or its lease ran out, so a task that is done has as many attempts as went wrong.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::values::Json;

id!(
    /// Work to be done after the transaction that asked for it.
    OutboxTaskId, "task"
);

text_enum! {
    /// How far a task is.
    #[derive(Default)]
    pub enum TaskStatus {
        /// Waits for its time, or for a worker.
        #[default]
        Pending = "pending",
        /// A worker has leased it.
        InProgress = "in_progress",
        /// Its effect is there.
        Done = "done",
        /// Given up or cancelled; it stays until somebody retries it.
        Failed = "failed",
    }
}

/// How often a task is tried unless it says otherwise.
pub const MAX_ATTEMPTS: i32 = 3;
/// How much of an error is kept, in characters.
pub const MAX_ERROR_CHARS: usize = 500;
/// The first pause after a failure, and the longest one.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(60);
const LONGEST_PAUSE: TimeDelta = TimeDelta::seconds(3_600);
/// How much a pause may differ, in millionths.
const JITTER: u64 = 100_000;

/// Work to be done after the transaction that asked for it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "OutboxTaskFields")
)]
pub struct Task {
    /// Stable identifier.
    pub id: OutboxTaskId,
    /// Which handler does it, such as `message_appended`.
    pub task_type: String,
    /// What the handler needs to know: a JSON object, of ids mostly.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub payload: Json<Value>,
    /// How far it is.
    pub status: TaskStatus,
    /// How often it failed, or its lease ran out.
    pub attempts: i32,
    /// It is given up when `attempts` reaches this, ≥ 1.
    pub max_attempts: i32,
    /// Why the last attempt failed, at most 500 characters.
    pub last_error: Option<String>,
    /// It is not tried before.
    pub run_after: DateTime<Utc>,
    /// Proves the lease: only its holder may finish the task.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub lease_token: Option<Uuid>,
    /// When the lease runs out, unless it is extended.
    pub lease_until: Option<DateTime<Utc>>,
    /// No two open tasks have the same; asking again folds into the one that is open.
    pub dedupe_key: Option<String>,
    /// Asked for again while it ran: it runs once more after that, not before this time.
    pub again_at: Option<DateTime<Utc>>,
    /// When it was done or given up.
    pub completed_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it changed.
    pub updated_at: DateTime<Utc>,
}

/// Why a task cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboxError {
    /// A task that is done, or runs, cannot be tried again.
    #[error("a task that is {0} cannot be retried: only one that failed, or waits")]
    NotRetryable(TaskStatus),
    /// A task that has ended cannot be cancelled.
    #[error("a task that is {0} cannot be cancelled: only one that is open")]
    NotOpen(TaskStatus),
}

impl Task {
    /// A task that may run from now on; name the rest with struct update.
    pub fn new(id: OutboxTaskId, task_type: &str, payload: Value, now: DateTime<Utc>) -> Self {
        Self {
            id,
            task_type: task_type.to_owned(),
            payload: Json(payload),
            status: TaskStatus::Pending,
            attempts: 0,
            max_attempts: MAX_ATTEMPTS,
            last_error: None,
            run_after: now,
            lease_token: None,
            lease_until: None,
            dedupe_key: None,
            again_at: None,
            completed_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// After a failed attempt: pending after a pause, or failed when it was the last one.
    ///
    /// `random` is any number, for the jitter of [`backoff`].
    #[must_use]
    pub fn fail(self, error: &str, now: DateTime<Utc>, random: u64) -> Self {
        let attempts = self.attempts.saturating_add(1);
        if attempts >= self.max_attempts {
            return self.give_up(error, now);
        }
        Self {
            status: TaskStatus::Pending,
            attempts,
            last_error: Some(cut(error)),
            run_after: now + backoff(attempts, random),
            lease_token: None,
            lease_until: None,
            again_at: None,
            updated_at: now,
            ..self
        }
    }

    /// After an attempt that no further one would better: failed.
    #[must_use]
    pub fn give_up(self, error: &str, now: DateTime<Utc>) -> Self {
        Self {
            status: TaskStatus::Failed,
            attempts: self.attempts.saturating_add(1),
            last_error: Some(cut(error)),
            lease_token: None,
            lease_until: None,
            completed_at: Some(now),
            updated_at: now,
            ..self
        }
    }

    /// Tried again from now on, with all its attempts; what it failed with stays to be read.
    ///
    /// # Errors
    /// Unless it failed, or waits.
    pub fn retry(self, now: DateTime<Utc>) -> Result<Self, OutboxError> {
        match self.status {
            TaskStatus::Failed | TaskStatus::Pending => Ok(Self {
                status: TaskStatus::Pending,
                attempts: 0,
                run_after: now,
                completed_at: None,
                updated_at: now,
                ..self
            }),
            TaskStatus::InProgress | TaskStatus::Done => {
                Err(OutboxError::NotRetryable(self.status))
            }
        }
    }

    /// Given up for `reason`. A worker that runs it has lost its lease, and writes nothing.
    ///
    /// # Errors
    /// Unless it is open.
    pub fn cancel(self, reason: &str, now: DateTime<Utc>) -> Result<Self, OutboxError> {
        match self.status {
            TaskStatus::Pending | TaskStatus::InProgress => Ok(Self {
                status: TaskStatus::Failed,
                last_error: Some(cut(reason)),
                lease_token: None,
                lease_until: None,
                again_at: None,
                completed_at: Some(now),
                updated_at: now,
                ..self
            }),
            TaskStatus::Done | TaskStatus::Failed => Err(OutboxError::NotOpen(self.status)),
        }
    }
}

/// How long to wait after the failure that made it `attempts`: min(60·2^(attempts−1), 3 600) s,
/// ±10 % by `random`, so that what failed together is not tried together.
pub fn backoff(attempts: i32, random: u64) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(6);
    let pause = (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    // Parts in a million, all of them small.
    let parts = 1_000_000 - JITTER + random % (2 * JITTER + 1);
    let millis = pause.num_milliseconds() * i64::try_from(parts).unwrap_or(1_000_000) / 1_000_000;
    TimeDelta::milliseconds(millis)
}

/// What is kept of an error. No database text may hold a NUL.
fn cut(error: &str) -> String {
    error
        .chars()
        .filter(|it| *it != '\0')
        .take(MAX_ERROR_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The random number in the middle, which changes nothing.
    const MIDDLE: u64 = JITTER;

    fn task() -> Task {
        let id = OutboxTaskId(Uuid::nil());
        Task::new(id, "x", Value::Null, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_pause_doubles_up_to_an_hour() {
        for (attempts, seconds) in [
            (1, 60),
            (2, 120),
            (3, 240),
            (4, 480),
            (5, 960),
            (6, 1_920),
            (7, 3_600),
            (8, 3_600),
            (1_000, 3_600),
            (i32::MAX, 3_600),
            (0, 60),
        ] {
            assert_eq!(backoff(attempts, MIDDLE), TimeDelta::seconds(seconds));
        }
    }

    #[test]
    fn a_pause_differs_by_a_tenth_at_most() {
        assert_eq!(backoff(1, 0), TimeDelta::seconds(54));
        assert_eq!(backoff(1, 2 * JITTER), TimeDelta::seconds(66));
        assert_eq!(backoff(9, 0), TimeDelta::seconds(3_240));
        assert_eq!(backoff(9, 2 * JITTER), TimeDelta::seconds(3_960));
    }

    proptest::proptest! {
        #[test]
        fn any_random_number_stays_within_a_tenth(attempts in 1..20_i32, random: u64) {
            let (plain, pause) = (backoff(attempts, MIDDLE), backoff(attempts, random));
            let difference = (pause - plain).abs();
            proptest::prop_assert!(difference <= plain / 10, "{pause} of {plain}");
        }
    }

    #[test]
    fn the_last_attempt_fails_it() {
        let mut task = task();
        let now = DateTime::UNIX_EPOCH;
        for attempts in 1..MAX_ATTEMPTS {
            task = task.fail("no", now, MIDDLE);
            assert_eq!(
                (task.status, task.attempts),
                (TaskStatus::Pending, attempts)
            );
            assert_eq!(task.run_after, now + backoff(attempts, MIDDLE));
            assert_eq!(task.completed_at, None);
        }
        task = task.fail("no more", now, MIDDLE);
        assert_eq!(task.status, TaskStatus::Failed);
        assert_eq!(task.attempts, MAX_ATTEMPTS);
        assert_eq!(task.last_error.as_deref(), Some("no more"));
        assert_eq!(task.completed_at, Some(now));
    }

    #[test]
    fn an_error_is_cut_by_characters() {
        let failed = task().fail(&"é\0".repeat(600), DateTime::UNIX_EPOCH, 0);
        assert_eq!(failed.last_error, Some("é".repeat(MAX_ERROR_CHARS)));
    }

    #[test]
    fn only_what_failed_or_waits_is_retried_and_only_what_is_open_cancelled() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        for status in TaskStatus::ALL.iter().copied() {
            let task = Task {
                status,
                attempts: 2,
                ..task()
            };
            let retried = task.clone().retry(now);
            match status {
                TaskStatus::Pending | TaskStatus::Failed => {
                    let it = retried.unwrap();
                    assert_eq!(
                        (it.status, it.attempts, it.run_after),
                        (TaskStatus::Pending, 0, now)
                    );
                }
                _ => assert_eq!(retried, Err(OutboxError::NotRetryable(status))),
            }
            let cancelled = task.cancel("no longer wanted", now);
            match status {
                TaskStatus::Pending | TaskStatus::InProgress => {
                    let it = cancelled.unwrap();
                    assert_eq!((it.status, it.lease_token), (TaskStatus::Failed, None));
                    assert_eq!(it.attempts, 2);
                }
                _ => assert_eq!(cancelled, Err(OutboxError::NotOpen(status))),
            }
        }
    }
}
