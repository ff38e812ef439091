//! How many events a second the gateway takes in, by the size of the batch, and how many
//! heartbeats.
//!
//! `cargo build --release && cargo bench -p anima-benches --bench events` measures on SQLite,
//! and on PostgreSQL when `TEST_DATABASE_URL` is set. What is printed is the median of the
//! rounds.

use std::{sync::Arc, time::Duration};

use anima_benches::{
    load::{self, Outcome, Requests},
    process::{Failable, Gateway, token},
};
use serde_json::{Value, json};
use testkit::{Database, Engine, World, database::postgres_url};

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 3;
const WARM: Duration = Duration::from_secs(1);
const LASTS: Duration = Duration::from_secs(3);
/// Events in a request.
const BATCHES: [u32; 4] = [1, 10, 100, 1_000];
/// Devices that report.
const DEVICES: usize = 50;

const RECORD: &str = "mutation($input: EventRecordBatchInput!) { eventRecordBatch(input: $input) { \
     recorded userErrors { message } } }";
const HEARTBEAT: &str = "mutation($input: DeviceHeartbeatInput!) { deviceHeartbeat(input: $input) { \
     userErrors { message } } }";

#[tokio::main]
async fn main() -> Failable {
    if std::env::args().any(|it| it == "--test") {
        return Ok(());
    }
    measure(Engine::Sqlite).await?;
    if postgres_url().is_some() {
        measure(Engine::Postgres).await?;
    }
    Ok(())
}

async fn measure(engine: Engine) -> Failable {
    let database = Database::new(engine).await;
    let url = database.url().to_owned();
    let db = database.connect().await;
    let world = World::over(database, db);
    let owner = world.person("Owner").await;
    let owner = owner.person().ok_or("a person is one")?;
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        devices.push(
            world
                .device(owner, &format!("Device {n}"))
                .await
                .to_string(),
        );
    }
    let token = token(&url, "admin")?;
    let gateway = Gateway::start(&url, &["--no-worker"]).await?;
    println!("\nevents through the gateway; {engine:?}, {CONNECTIONS} connections");
    for batch in BATCHES {
        let bodies = devices.iter().map(|device| events(device, batch));
        let outcome = rate(&gateway, &token, RECORD, bodies).await?;
        println!(
            "  {batch:>4} a request: {:>7.0} events/s, {:>6.0} requests/s, p50 {:.1?}, p99 {:.1?}",
            outcome.rate * f64::from(batch),
            outcome.rate,
            outcome.p50,
            outcome.p99
        );
    }
    let health = json!({ "batteryPercent": 81.5, "cpuPercent": 3, "uptimeSeconds": 4242 });
    let bodies = devices
        .iter()
        .map(|id| json!({ "id": id, "health": health }));
    let outcome = rate(&gateway, &token, HEARTBEAT, bodies).await?;
    println!(
        "  heartbeats: {:.0}/s, p50 {:.1?}, p99 {:.1?}",
        outcome.rate, outcome.p50, outcome.p99
    );
    Ok(())
}

/// What a device reports: a few numbers in each event.
fn events(device: &str, batch: u32) -> Value {
    let events = (0..batch).map(|n| {
        json!({ "eventType": "brewed", "device": device, "payload": { "cups": n % 4, "celsius": 92.5 } })
    });
    json!({ "events": events.collect::<Vec<_>>() })
}

/// The median of the rounds.
async fn rate(
    gateway: &Gateway,
    token: &str,
    query: &str,
    inputs: impl Iterator<Item = Value>,
) -> Failable<Outcome> {
    let requests: Requests = Arc::new(
        inputs
            .map(|input| {
                let body = json!({ "query": query, "variables": { "input": input } }).to_string();
                load::post("/graphql", gateway.address, token, &body)
            })
            .collect(),
    );
    let answer: Value = serde_json::from_slice(&load::once(gateway.address, &requests[0]).await?)?;
    let payload = answer["data"].as_object().and_then(|it| it.values().next());
    if payload.is_none_or(|it| it["userErrors"] != json!([])) {
        return Err(format!("refused: {answer}").into());
    }
    load::run(gateway.address, Arc::clone(&requests), CONNECTIONS, WARM).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(load::run(gateway.address, Arc::clone(&requests), CONNECTIONS, LASTS).await?);
    }
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    Ok(rounds.swap_remove(ROUNDS / 2))
}
