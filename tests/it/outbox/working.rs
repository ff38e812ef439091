//! The worker at work: woken, side by side with others, stopped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use app::{
    Error, Viewer,
    outbox::{Enqueue, Handler, Handlers, Options, Worker, enqueue, store},
};
use chrono::TimeDelta;
use domain::outbox::TaskStatus;
use serde_json::json;
use testkit::{World, on_both_engines};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{NOTE, ask, lease, note, noted, notes, stored, write_note};

/// A worker in the background.
struct Running {
    closing: CancellationToken,
    work: JoinHandle<()>,
}

impl Running {
    fn start(world: &World, handlers: impl IntoIterator<Item = Handler>, options: Options) -> Self {
        let closing = CancellationToken::new();
        let worker = Worker::new(&world.services, Handlers::of(handlers), options);
        let work = tokio::spawn(worker.run(closing.clone()));
        Self { closing, work }
    }

    async fn stop(self) {
        self.closing.cancel();
        self.work.await.unwrap();
    }
}

/// Until it holds, for at most ten seconds; gives how long it took.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) -> Duration {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if holds().await {
            return begun.elapsed();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never held");
}

/// Well below the five seconds after which a worker looks by itself.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A slow handler that waits until the test lets it go; and what it waits for.
fn gated(
    task_type: &'static str,
    concurrency: usize,
) -> (Handler, Arc<Semaphore>, Arc<AtomicUsize>) {
    let (gate, begun) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (opens, count) = (Arc::clone(&gate), Arc::clone(&begun));
    let handler = Handler::slow(task_type, concurrency, move |_, task| {
        let opens = Arc::clone(&opens);
        count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            opens
                .acquire()
                .await
                .map_err(|it| Error::Internal(it.to_string()))?
                .forget();
            let payload = task.payload.0.clone();
            store(move |cx, txn| Box::pin(async move { write_note(cx, txn, &payload).await }))
        })
    });
    (handler, gate, begun)
}

on_both_engines! {
    async fn a_task_is_done_as_soon_as_it_is_committed(world: World) {
        let running = Running::start(&world, [notes()], Options::default());
        ask(&world, note(0)).await;
        until(async || noted(&world).await == [0]).await;
        // Now it has certainly gone to sleep.
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&world, note(1)).await;
        let took = until(async || noted(&world).await == [0, 1]).await;
        assert!(took < AT_ONCE, "{took:?}");
        // Not before it is committed.
        let cx = world.cx(&Viewer::system());
        let txn = cx.begin().await.unwrap();
        enqueue(&cx, &txn, note(2)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(noted(&world).await, [0, 1]);
        txn.commit().await.unwrap();
        let took = until(async || noted(&world).await == [0, 1, 2]).await;
        assert!(took < AT_ONCE, "{took:?}");
        running.stop().await;
    }

    async fn a_later_task_is_done_when_it_is_due(world: World) {
        let running = Running::start(&world, [notes()], Options::default());
        let run_after = Some(world.clock.now() + TimeDelta::seconds(1));
        ask(&world, Enqueue { run_after, ..note(1) }).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(noted(&world).await, [0_u64; 0]);
        world.clock.advance(TimeDelta::seconds(1));
        let took = until(async || noted(&world).await == [1]).await;
        assert!(took < AT_ONCE, "{took:?}");
        running.stop().await;
    }

    async fn long_jobs_do_not_starve_short_ones(world: World) {
        let (long, gate, begun) = gated("long", 2);
        let running = Running::start(&world, [long, notes()], Options::default());
        for n in 0..6 {
            ask(&world, Enqueue::new("long", json!({ "n": 100 + n }))).await;
        }
        until(async || begun.load(Ordering::SeqCst) == 2).await;
        for n in 0..50 {
            ask(&world, note(n)).await;
        }
        let all: Vec<u64> = (0..50).collect();
        until(async || noted(&world).await == all).await;
        // No more of the long ones than may run at once; the others wait, unleased.
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        gate.add_permits(6);
        until(async || noted(&world).await.len() == 56).await;
        assert_eq!(begun.load(Ordering::SeqCst), 6);
        running.stop().await;
    }

    async fn a_lease_is_extended_while_its_task_runs(world: World) {
        let (long, gate, begun) = gated("long", 1);
        let options = Options { lease: Duration::from_millis(300), ..Options::default() };
        let running = Running::start(&world, [long], options);
        let id = ask(&world, Enqueue::new("long", json!({ "n": 1 }))).await;
        until(async || begun.load(Ordering::SeqCst) == 1).await;
        let leased = stored(&world, id).await.lease_until.unwrap();
        world.clock.advance(TimeDelta::milliseconds(200));
        until(async || stored(&world, id).await.lease_until > Some(leased)).await;
        gate.add_permits(1);
        until(async || stored(&world, id).await.status == TaskStatus::Done).await;
        assert_eq!(stored(&world, id).await.attempts, 0);
        running.stop().await;
    }

    async fn a_stop_gives_back_what_does_not_finish(world: World) {
        let (long, gate, begun) = gated("long", 2);
        let options = Options { grace: Duration::from_millis(200), ..Options::default() };
        let running = Running::start(&world, [long], options);
        let first = ask(&world, Enqueue::new("long", json!({ "n": 1 }))).await;
        let second = ask(&world, Enqueue::new("long", json!({ "n": 2 }))).await;
        until(async || begun.load(Ordering::SeqCst) == 2).await;
        running.closing.cancel();
        // One finishes in time.
        gate.add_permits(1);
        running.stop().await;
        let mut states = [stored(&world, first).await, stored(&world, second).await]
            .map(|it| (it.status, it.attempts, it.lease_token));
        states.sort_by_key(|it| it.0);
        assert_eq!(states, [(TaskStatus::Pending, 0, None), (TaskStatus::Done, 0, None)]);
        assert_eq!(noted(&world).await.len(), 1);
        // Nothing is leased after the stop.
        let third = ask(&world, Enqueue::new("long", json!({ "n": 3 }))).await;
        assert_eq!(stored(&world, third).await.status, TaskStatus::Pending);
    }

    async fn workers_side_by_side_do_each_task_once(world: World) {
        let workers: Vec<Running> = (0..3)
            .map(|_| Running::start(&world, [notes()], Options::default()))
            .collect();
        let cx = world.cx(&Viewer::system());
        for batch in 0..20 {
            let txn = cx.begin().await.unwrap();
            for n in 0..25 {
                enqueue(&cx, &txn, note(batch * 25 + n)).await.unwrap();
            }
            txn.commit().await.unwrap();
        }
        until(async || noted(&world).await.len() >= 500).await;
        for worker in workers {
            worker.stop().await;
        }
        assert_eq!(noted(&world).await, (0..500).collect::<Vec<u64>>());
        let open = persistence::outbox::depth(cx.reader()).await.unwrap();
        assert_eq!(open, []);
    }

    async fn a_worker_goes_on_after_its_handler_failed(world: World) {
        let panics = Handler::quick("panics", 1, |_, _, _| panic!("out of beans"));
        let running = Running::start(&world, [panics, notes()], Options::default());
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(ask(&world, Enqueue::new("panics", json!({}))).await);
            ask(&world, note(n)).await;
        }
        until(async || noted(&world).await == [0, 1, 2]).await;
        for id in ids {
            until(async || stored(&world, id).await.attempts == 1).await;
            assert_eq!(stored(&world, id).await.status, TaskStatus::Pending);
        }
        running.stop().await;
    }

    async fn what_was_leased_before_is_found_by_whoever_starts(world: World) {
        ask(&world, note(1)).await;
        lease(&world, NOTE, 1).await;
        world.clock.advance(TimeDelta::seconds(61));
        let running = Running::start(&world, [notes()], Options::default());
        let took = until(async || noted(&world).await == [1]).await;
        assert!(took < AT_ONCE, "{took:?}");
        running.stop().await;
    }
}
