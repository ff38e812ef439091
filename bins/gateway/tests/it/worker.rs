//! Workers as processes of their own: killed, stopped, beside gateways on one database.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use app::{
    Services, Settings, audit,
    outbox::{self, Enqueue},
};
use chrono::TimeDelta;
use domain::{
    audit::Event,
    outbox::{OutboxTaskId, Task, TaskStatus},
    values::Json,
};
use persistence::{
    audit::events,
    outbox::{depth, outbox_tasks, tasks_by_ids},
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use testkit::{Database, Engine, database::postgres_url};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    lifecycle::{Process, free_port, program},
    sse::Events,
    support::{Answer, eventually},
};

async fn over(database: &Database) -> Arc<Services> {
    Services::system(database.connect().await, Settings::default())
}

fn flags(database: &Database, flags: &[&str]) -> Vec<String> {
    let mut all = vec![format!("--database-url={}", database.url())];
    all.extend(flags.iter().map(ToString::to_string));
    all
}

async fn send(address: &str, head: &str, token: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    Answer::parse(&answer)
}

async fn run(process: &Process, token: &str, query: &str, variables: Value) -> Answer {
    let body = json!({ "query": query, "variables": variables }).to_string();
    send(&process.address, "POST /graphql", token, &body).await
}

/// How many tasks are asked for in one transaction, and how many transactions there are.
const TOGETHER: u64 = 10;
const TRANSACTIONS: u64 = 60;

/// Asks for events that carry a number each, a few at a time.
async fn ask(services: Arc<Services>) {
    let cx = services.system_cx();
    for n in 0..TRANSACTIONS {
        let txn = cx.begin().await.unwrap();
        for m in 0..TOGETHER {
            let event = Event {
                payload: Json(json!({ "n": n * TOGETHER + m })),
                ..audit::event(&cx, "counted")
            };
            audit::log_later(&cx, &txn, event).await.unwrap();
        }
        // Being killed is an attempt, and the same task may be unlucky often.
        txn.execute_unprepared(
            "UPDATE outbox_tasks SET max_attempts = 1000 WHERE max_attempts < 1000",
        )
        .await
        .unwrap();
        txn.commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every task has its effect, once, however often and whenever its worker is killed.
async fn killed_at_random_moments(engine: Engine) {
    let database = Database::new(engine).await;
    let services = over(&database).await;
    let start = || Process::over(&flags(&database, &["worker", "--outbox-lease=1s"]));
    let asking = tokio::spawn(ask(Arc::clone(&services)));
    for millis in [3, 40, 11, 90, 25, 60, 7, 150, 18, 33] {
        let mut worker = start();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        // SIGKILL.
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
    }
    asking.await.unwrap();
    let worker = start();
    let db = services.db.reader();
    let begun = Instant::now();
    while !depth(db).await.unwrap().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{:?}",
            depth(db).await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(worker);

    let rows = events::Entity::find()
        .filter(events::Column::EventType.eq("counted"))
        .all(db)
        .await
        .unwrap();
    let mut effects: BTreeMap<u64, u32> = BTreeMap::new();
    for row in rows {
        *effects
            .entry(row.payload.0["n"].as_u64().unwrap())
            .or_default() += 1;
    }
    let expected: BTreeMap<u64, u32> = (0..TRANSACTIONS * TOGETHER).map(|n| (n, 1)).collect();
    assert_eq!(effects, expected);
    let tasks = outbox_tasks::Entity::find().all(db).await.unwrap();
    let cut: i32 = tasks.iter().map(|it| it.attempts).sum();
    println!("{engine:?}: {cut} attempts were cut off");
}

// Threads of their own: starting a process blocks the test's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_loses_no_task_and_repeats_none_on_sqlite() {
    killed_at_random_moments(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_loses_no_task_and_repeats_none_on_postgres() {
    if postgres_url().is_some() {
        killed_at_random_moments(Engine::Postgres).await;
    }
}

/// A task that failed, by its row alone.
async fn failed_task(services: &Arc<Services>, n: u64) -> OutboxTaskId {
    let cx = services.system_cx();
    let record = json!({
        "event_type": "counted", "device": null, "entity": null, "user": null,
        "conversation": null, "payload": { "n": n }, "severity": "info",
        "correlation_id": null, "occurred_at": cx.now(),
    });
    let task = Task {
        status: TaskStatus::Failed,
        ..Task::new(cx.id(), audit::RECORD_EVENT, record, cx.now())
    };
    let id = task.id;
    outbox_tasks::Entity::add(cx.writer(), task).await.unwrap();
    id
}

async fn status(services: &Services, id: OutboxTaskId) -> TaskStatus {
    let found = tasks_by_ids(services.db.reader(), &[id]).await.unwrap();
    found[0].status
}

#[tokio::test]
async fn a_lone_worker_works_tells_its_metrics_and_stops_in_order() {
    let database = Database::new(Engine::Sqlite).await;
    let services = over(&database).await;
    let metrics = free_port();
    let listen = format!("--metrics-listen={metrics}");
    let mut worker = Process::over(&flags(&database, &["worker", &listen]));
    let cx = services.system_cx();
    let txn = cx.begin().await.unwrap();
    let event = audit::event(&cx, "counted");
    audit::log_later(&cx, &txn, event).await.unwrap();
    let unknown = outbox::enqueue(&cx, &txn, Enqueue::new("brew", json!({})))
        .await
        .unwrap();
    let later = Enqueue {
        run_after: Some(cx.now() + TimeDelta::hours(1)),
        ..Enqueue::new(audit::RECORD_EVENT, json!({}))
    };
    outbox::enqueue(&cx, &txn, later).await.unwrap();
    txn.commit().await.unwrap();
    // Another process on a SQLite file hears nothing, and finds it by looking.
    eventually(async || status(&services, unknown).await == TaskStatus::Failed).await;
    let text = send(&metrics, "GET /metrics", "", "").await.body;
    for line in [
        r#"anima_outbox_tasks{type="record_event",status="pending"} 1"#,
        r#"anima_outbox_tasks{type="record_event",status="in_progress"} 0"#,
        r#"anima_outbox_tasks{type="unknown",status="failed"} 1"#,
        r#"anima_outbox_attempts_total{type="record_event",outcome="done"} 1"#,
        r#"anima_outbox_attempts_total{type="unknown",outcome="failed"} 1"#,
        r#"anima_outbox_seconds_count{type="record_event"} 1"#,
        "anima_outbox_oldest_seconds 0",
        r#"anima_sweep_rows_total{sweep="outbox_prune"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    let ready = send(&metrics, "GET /health/ready", "", "").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    worker.signal("-TERM");
    assert_eq!(worker.end(), Some(0));
}

/// Waits until two processes listen to what others say on the database.
async fn both_listen(services: &Services) {
    let listeners = format!(
        "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = '{}' AND query LIKE 'LISTEN%'",
        persistence::engine::Listener::APPLICATION_NAME
    );
    eventually(async || {
        let statement =
            sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, listeners.as_str());
        let row = services
            .db
            .reader()
            .query_one_raw(statement)
            .await
            .unwrap()
            .unwrap();
        row.try_get::<i64>("", "n").unwrap() == 2
    })
    .await;
}

#[tokio::test]
async fn two_gateways_on_one_database_are_one_to_their_clients() {
    if postgres_url().is_none() {
        return;
    }
    let database = Database::new(Engine::Postgres).await;
    let services = over(&database).await;
    // The one serves only; the other works too.
    let serves = Process::over(&flags(&database, &["--no-worker"]));
    let made = program(&["token", "create", "--user=admin", "--name=test"])
        .args(flags(&database, &[]))
        .output()
        .unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let waits = failed_task(&services, 1).await;
    let retry = "mutation($id: ID!) { taskRetry(task: $id) { userErrors { message } } }";
    let answer = run(&serves, &token, retry, json!({ "id": waits })).await;
    assert_eq!(
        answer.json()["data"]["taskRetry"]["userErrors"],
        json!([]),
        "{answer:?}"
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(status(&services, waits).await, TaskStatus::Pending);
    let works = Process::over(&flags(&database, &[]));
    eventually(async || status(&services, waits).await == TaskStatus::Done).await;
    both_listen(&services).await;

    // A subscriber of the one hears what is done at the other.
    let follow = json!({ "query": "subscription { eventLogged(eventType: \"kettle_boiled\") { eventType payload } }" });
    let stream = TcpStream::connect(&serves.address).await.unwrap();
    let mut followed = Events::over(stream, &token, &follow).await;
    let record = "mutation { eventRecord(input: { eventType: \"kettle_boiled\", payload: { n: 1 } }) { userErrors { message } } }";
    let answer = run(&works, &token, record, json!({})).await;
    assert_eq!(
        answer.json()["data"]["eventRecord"]["userErrors"],
        json!([]),
        "{answer:?}"
    );
    let text = followed.until("\n\n").await;
    let told = r#"{"eventLogged":{"eventType":"kettle_boiled","payload":{"n":1}}}"#;
    assert!(text.contains(told), "{text}");

    // A task asked for at the one is done by the other, long before it looks by itself.
    let mut slowest = Duration::ZERO;
    for n in 2..7 {
        let id = failed_task(&services, n).await;
        let begun = Instant::now();
        run(&serves, &token, retry, json!({ "id": id })).await;
        while status(&services, id).await != TaskStatus::Done {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");

    // A token revoked at the one is refused at the other, which had seen it, in less than the
    // 30 seconds that it would be believed.
    let create = "mutation { tokenCreate(input: { name: \"k\", scopes: [\"read\"] }) { token { id } secret } }";
    let made = run(&works, &token, create, json!({})).await.json();
    let made = &made["data"]["tokenCreate"];
    let secret = made["secret"].as_str().unwrap();
    let viewer = "{ viewer { role } }";
    assert_eq!(
        run(&serves, secret, viewer, json!({})).await.json()["data"]["viewer"]["role"],
        "ADMIN"
    );
    let revoke = "mutation($id: ID!) { tokenRevoke(token: $id) { userErrors { message } } }";
    run(&works, &token, revoke, json!({ "id": made["token"]["id"] })).await;
    eventually(async || run(&serves, secret, viewer, json!({})).await.code() == "UNAUTHENTICATED")
        .await;
}

/// Every subscription to what happens in a household, followed at one gateway, hears what is
/// done at another.
#[tokio::test]
async fn what_happens_at_one_gateway_is_heard_at_another() {
    if postgres_url().is_none() {
        return;
    }
    let database = Database::new(Engine::Postgres).await;
    let services = over(&database).await;
    let here = Process::over(&flags(&database, &["--no-worker"]));
    let there = Process::over(&flags(&database, &["--no-worker"]));
    let made = program(&["token", "create", "--user=admin", "--name=test"])
        .args(flags(&database, &[]))
        .output()
        .unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    both_listen(&services).await;
    let done = async |query: &str, variables: Value| {
        let answer = run(&there, &token, query, variables).await.json();
        let payload = answer["data"].as_object().and_then(|it| it.values().next());
        let payload = payload.cloned().unwrap_or_default();
        assert_eq!(payload["userErrors"], json!([]), "{answer}");
        payload
    };
    let born = "mutation($name: String!) { entityCreate(input: { name: $name }) {
        entity { id } userErrors { message } } }";
    let frank = done(born, json!({ "name": "Frank" })).await["entity"]["id"].clone();
    let luna = done(born, json!({ "name": "Luna" })).await["entity"]["id"].clone();
    let register = "mutation { deviceRegister(input: { name: \"Lamp\", deviceType: LAMP }) {
        device { id } userErrors { message } } }";
    let lamp = done(register, json!({})).await["device"]["id"].clone();

    let follow = async |subscription: String| {
        let stream = TcpStream::connect(&here.address).await.unwrap();
        Events::over(stream, &token, &json!({ "query": subscription })).await
    };
    let said = "messageAdded(entityId: $id) { content conversation { messageCount } }";
    let changed = "conversationChanged(entityId: $id) { event }";
    let heard = "entityMessageReceived(entityId: $id) { content status }";
    let seen = "deviceChanged(device: $id) { name status }";
    let of = |field: &str, id: &Value| {
        format!(
            "subscription {{ {} }}",
            field.replace("$id", &id.to_string())
        )
    };
    let mut said = follow(of(said, &frank)).await;
    let mut changed = follow(of(changed, &frank)).await;
    let mut heard = follow(of(heard, &luna)).await;
    let mut seen = follow(of(seen, &lamp)).await;

    let say = "mutation($entity: ID!) { messageSend(input: {
        to: { thread: { entityId: $entity, platform: WEB } }, content: \"Good morning\" }) {
        message { id } userErrors { message } } }";
    done(say, json!({ "entity": frank })).await;
    let tell = "mutation($from: ID!, $to: ID!) { entityMessageSend(input: {
        fromEntityId: $from, toEntityId: $to, kind: \"greeting\", content: \"Hello, Luna\" }) {
        userErrors { message } } }";
    done(tell, json!({ "from": frank, "to": luna })).await;
    let beat =
        "mutation($id: ID!) { deviceHeartbeat(input: { id: $id }) { userErrors { message } } }";
    done(beat, json!({ "id": lamp })).await;

    for (events, told) in [
        (
            &mut said,
            r#"{"messageAdded":{"content":"Good morning","conversation":{"messageCount":1}}}"#,
        ),
        (
            &mut changed,
            r#"{"conversationChanged":{"event":"STARTED"}}"#,
        ),
        (
            &mut heard,
            r#"{"entityMessageReceived":{"content":"Hello, Luna","status":"DELIVERED"}}"#,
        ),
        (
            &mut seen,
            r#"{"deviceChanged":{"name":"Lamp","status":"ONLINE"}}"#,
        ),
    ] {
        let text = events.until("\n\n").await;
        assert!(text.contains(told), "{told} is not in {text}");
    }
}
