//! Sweeps: what must be done now and then, by every worker.
//!
//! Two processes may run the same sweep at once, so a sweep claims its rows by a conditional
//! `UPDATE … RETURNING` (or deletes them): each row is then done by one of them. A sweep reads
//! the time from its context, so a test moves the clock and calls the function.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{Cx, Result, conversation, idempotency, outbox};

/// Something to be done now and then.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Its name, in the log and the metrics.
    pub name: &'static str,
    /// How often.
    pub every: Duration,
    /// Does it; gives how many rows it changed.
    pub run: for<'a> fn(&'a Cx) -> BoxFuture<'a, Result<u64>>,
}

const SECONDS_5: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_mins(1);
const MINUTE_10: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);

/// All of them. A context adds its own by a line here.
pub const SWEEPS: &[Sweep] = &[
    Sweep {
        name: "outbox_prune",
        every: HOUR,
        run: |cx| Box::pin(outbox::prune(cx)),
    },
    Sweep {
        name: "idempotency_prune",
        every: MINUTE_10,
        run: |cx| Box::pin(idempotency::prune(cx)),
    },
    Sweep {
        name: "conversations_end",
        every: MINUTE,
        run: |cx| Box::pin(conversation::end_expired(cx)),
    },
    Sweep {
        name: "handoffs_time_out",
        every: SECONDS_5,
        run: |cx| Box::pin(conversation::time_out_handoffs(cx)),
    },
    Sweep {
        name: "tokens_prune",
        every: HOUR,
        run: |cx| Box::pin(crate::identity::tokens_prune(cx)),
    },
];

/// Runs all of them, each in its own time, until it is told to stop.
pub async fn run(cx: Cx, closing: CancellationToken) {
    let all = join_all(SWEEPS.iter().map(|it| keep(&cx, it)));
    let _ = closing.run_until_cancelled(all).await;
}

async fn keep(cx: &Cx, sweep: &Sweep) {
    let mut ticks = interval(sweep.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let begun = Instant::now();
        match (sweep.run)(cx).await {
            Ok(rows) => {
                let lasted = begun.elapsed().as_secs_f64();
                metrics::histogram!("anima_sweep_seconds", "sweep" => sweep.name).record(lasted);
                metrics::counter!("anima_sweep_rows_total", "sweep" => sweep.name).increment(rows);
            }
            Err(error) => {
                metrics::counter!("anima_sweep_failures_total", "sweep" => sweep.name).increment(1);
                tracing::warn!(sweep = sweep.name, %error, "a sweep failed");
            }
        }
    }
}
