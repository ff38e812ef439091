//! The outbox: tasks a second, from wake-up to done, and what telling other processes costs.
//!
//! `cargo bench -p anima-benches --bench outbox` measures on SQLite, and on PostgreSQL when
//! `TEST_DATABASE_URL` is set. The task is `record_event`: one row written for each.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use app::{
    Change, Services, Settings, audit,
    feed::relay,
    outbox::{Handlers, Options, Worker},
};
use persistence::outbox::depth;
use sea_orm::ConnectionTrait;
use testkit::{Database, Engine, database::postgres_url};
use tokio_util::sync::CancellationToken;

const TASKS: usize = 20_000;
const WAKES: usize = 500;
const WRITERS: usize = 8;
const LASTS: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

type Failable<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Failable {
    if std::env::args().any(|it| it == "--test") {
        return Ok(());
    }
    measure(Engine::Sqlite).await?;
    if postgres_url().is_some() {
        measure(Engine::Postgres).await?;
        commits().await?;
    }
    Ok(())
}

async fn over(database: &mut Database) -> Arc<Services> {
    database.options.connections = 16;
    Services::system(database.connect().await, Settings::default())
}

async fn measure(engine: Engine) -> Failable {
    let mut database = Database::new(engine).await;
    let services = over(&mut database).await;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        ask(&services, TASKS).await?;
        let begun = Instant::now();
        let (closing, work) = start(&services);
        while !depth(services.db.reader()).await?.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        rates.push(TASKS as f64 / begun.elapsed().as_secs_f64());
        closing.cancel();
        work.await?;
    }
    rates.sort_by(f64::total_cmp);
    println!("\noutbox, {engine:?}");
    println!(
        "  {TASKS} tasks at hand: {:.0} a second (of {ROUNDS} rounds: {:.0} to {:.0})",
        rates[ROUNDS / 2],
        rates[0],
        rates[ROUNDS - 1]
    );

    let (closing, work) = start(&services);
    let mut feed = services.bus.subscribe();
    let mut waits = Vec::new();
    for _ in 0..WAKES {
        tokio::time::sleep(Duration::from_millis(2)).await;
        ask(&services, 1).await?;
        // Committed: the worker has just been woken.
        let begun = Instant::now();
        while !matches!(feed.recv().await?, Change::EventLogged(_)) {}
        waits.push(begun.elapsed());
    }
    waits.sort();
    println!(
        "  wake-up to done: p50 {:.2?}, p99 {:.2?}",
        waits[WAKES / 2],
        waits[WAKES * 99 / 100]
    );
    closing.cancel();
    work.await?;
    Ok(())
}

fn start(services: &Arc<Services>) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let closing = CancellationToken::new();
    let worker = Worker::new(services, Handlers::built_in(), Options::default());
    let work = tokio::spawn(worker.run(closing.clone()));
    (closing, work)
}

/// Asks for tasks, many in a transaction.
async fn ask(services: &Arc<Services>, tasks: usize) -> Failable {
    let cx = services.system_cx();
    let mut left = tasks;
    while left > 0 {
        let txn = cx.begin().await?;
        for _ in 0..left.min(500) {
            audit::log_later(&cx, &txn, audit::event(&cx, "counted")).await?;
        }
        left -= left.min(500);
        txn.commit().await?;
    }
    Ok(())
}

/// How the feed tells the other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    Nobody,
    AfterCommit,
    InTransaction,
}

/// Writing transactions a second, with and without telling other processes.
async fn commits() -> Failable {
    println!("\ntransactions that log an event, PostgreSQL, {WRITERS} writers");
    for telling in [
        Telling::Nobody,
        Telling::AfterCommit,
        Telling::InTransaction,
    ] {
        let mut database = Database::new(Engine::Postgres).await;
        let services = over(&mut database).await;
        let closing = CancellationToken::new();
        if telling == Telling::AfterCommit {
            tokio::spawn(relay(Arc::clone(&services), closing.clone()));
        }
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let over = Arc::new(AtomicBool::new(false));
            let writers: Vec<_> = (0..WRITERS)
                .map(|_| tokio::spawn(write(Arc::clone(&services), telling, Arc::clone(&over))))
                .collect();
            tokio::time::sleep(LASTS).await;
            over.store(true, Ordering::Relaxed);
            let mut written = 0;
            for it in writers {
                written += it.await??;
            }
            rates.push(f64::from(written) / LASTS.as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        println!("  telling {telling:?}: {:.0} a second", rates[ROUNDS / 2]);
        closing.cancel();
    }
    Ok(())
}

async fn write(
    services: Arc<Services>,
    telling: Telling,
    over: Arc<AtomicBool>,
) -> Result<u32, app::Error> {
    let cx = services.system_cx();
    let mut written = 0;
    while !over.load(Ordering::Relaxed) {
        let txn = cx.begin().await?;
        audit::log(&cx, &txn, audit::event(&cx, "counted")).await?;
        if telling == Telling::InTransaction {
            txn.execute_unprepared("SELECT pg_notify('bench', 'event_01h455vb4pex5vsknk084sn02q')")
                .await?;
        }
        txn.commit().await?;
        written += 1;
    }
    Ok(written)
}
