//! `messageSend` through the gateway against the same writes by pgbench, on one PostgreSQL; and
//! how many a second SQLite takes.
//!
//! `cargo build --release && cargo bench -p anima-benches --bench messages` measures on SQLite,
//! and on PostgreSQL when `TEST_DATABASE_URL` is set and `pgbench` is installed. Both run on the
//! same rows with as many connections, one after the other, without a worker; what is printed is
//! the median of the rounds and the ratio.

use std::{collections::BTreeMap, fmt::Write as _, process::Command, sync::Arc, time::Duration};

use anima_benches::{
    load::{self, Requests},
    process::{Failable, Gateway, command},
};
use app::{
    Principal,
    conversation::{ConversationStart, ThreadOf, conversation_start},
};
use domain::{
    conversation::{Conversation, ConversationProfile, Place, Platform},
    identity::{Role, Scope},
};
use persistence::identity::users;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use testkit::{Database, Engine, World, database::postgres_url};

/// Threads that are written to, so that writers seldom wait for the same row.
const CONVERSATIONS: usize = 1_000;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const WARM: Duration = Duration::from_secs(2);
const SECONDS: u64 = 5;

const MUTATION: &str =
    "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } } }";
const CONTENT: &str = "Good morning, Frank! I slept well and would love a strong coffee.";

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
    let user = ["--user-name", "bench"];
    let create = ["user", "create", "--name", "bench", "--role", "user"];
    command(&url, &[&create[..], &user[..]].concat())?;
    let token = ["token", "create", "--user", "bench", "--name", "bench"];
    let token = command(&url, &token)?;
    let conversations = seed(&world).await?;

    let gateway = Gateway::start(&url, &["--no-worker"]).await?;
    let asked: Requests = Arc::new(
        conversations
            .iter()
            .map(|it| {
                let input = json!({ "to": { "conversationId": it.id }, "content": CONTENT });
                let body = json!({ "query": MUTATION, "variables": { "input": input } });
                load::post("/graphql", gateway.address, &token, &body.to_string())
            })
            .collect(),
    );
    let first: Value = serde_json::from_slice(&load::once(gateway.address, &asked[0]).await?)?;
    if first["data"]["messageSend"]["message"]["id"].is_null() {
        return Err(format!("nothing was stored: {first}").into());
    }
    load::run(gateway.address, Arc::clone(&asked), CONNECTIONS, WARM).await?;
    let script = match engine {
        Engine::Postgres => Some(script(&world, &conversations).await?),
        Engine::Sqlite => None,
    };
    let lasts = Duration::from_secs(SECONDS);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let ours = load::run(gateway.address, Arc::clone(&asked), CONNECTIONS, lasts).await?;
        let theirs = script.as_ref().map(|it| pgbench(&url, it)).transpose()?;
        rounds.push((ours, theirs));
    }
    rounds.sort_by(|(a, _), (b, _)| a.rate.total_cmp(&b.rate));
    let (ours, _) = &rounds[ROUNDS / 2];
    println!("\nmessageSend; {engine:?}, {CONNECTIONS} connections, {CONVERSATIONS} threads");
    println!(
        "  gateway: {:.0} messages/s, p50 {:.1?}, p99 {:.1?}",
        ours.rate, ours.p50, ours.p99
    );
    let mut ratios: Vec<(f64, f64)> = rounds
        .iter()
        .filter_map(|(ours, theirs)| theirs.map(|it| (ours.rate / it, it)))
        .collect();
    if !ratios.is_empty() {
        ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, rate) = ratios[ratios.len() / 2];
        println!("  pgbench, the same writes, prepared: {rate:.0} transactions/s");
        println!(
            "  ratio gateway / pgbench: {ratio:.2} (of {ROUNDS} rounds: {:.2} to {:.2})",
            ratios[0].0,
            ratios[ratios.len() - 1].0
        );
    }
    Ok(())
}

/// One person's conversations with an entity, each in a channel of its own.
async fn seed(world: &World) -> Failable<Vec<Conversation>> {
    let person = users::Entity::find()
        .filter(users::Column::UserName.eq("bench"))
        .one(world.services.db.reader())
        .await?
        .ok_or("the person is not there")?;
    let principal = Principal::User {
        id: person.id,
        role: Role::User,
    };
    let viewer = world.viewer(principal, &[Scope::Read, Scope::Write]);
    // By the system's clock, as the gateway's: the threads must not have expired.
    let cx = app::Services::system(world.services.db.clone(), app::Settings::default())
        .cx(viewer, app::Request::default());
    let entity = world.entity(person.id, "Frank").await;
    let mut conversations = Vec::with_capacity(CONVERSATIONS);
    for n in 0..CONVERSATIONS {
        let input = ConversationStart {
            of: ThreadOf {
                user: None,
                entity: Some(entity),
                place: Place {
                    platform: Platform::Web,
                    device: None,
                    guild: None,
                    channel: Some(n.to_string()),
                },
            },
            intimacy: None,
            profile: ConversationProfile {
                title: None,
                metadata: json!({}),
            },
        };
        conversations.push(conversation_start(&cx, None, input).await?);
    }
    Ok(conversations)
}

/// The writes of `messageSend` as pgbench runs them. The conversations are found by a number in
/// a table of their own, since pgbench knows no UUIDs.
async fn script(world: &World, conversations: &[Conversation]) -> Failable<String> {
    let db = world.services.db.writer();
    db.execute_unprepared("CREATE TABLE bench_threads (n int PRIMARY KEY, id uuid NOT NULL)")
        .await?;
    let mut rows = String::new();
    for (n, it) in conversations.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        write!(rows, "{comma}({n}, '{}')", it.id.0)?;
    }
    db.execute_unprepared(&format!("INSERT INTO bench_threads VALUES {rows}"))
        .await?;
    // The columns that a message of ours fills.
    let message: BTreeMap<&str, String> = [
        ("id", "gen_random_uuid()".to_owned()),
        ("conversation_id", "c.id".to_owned()),
        ("user_id", "c.user_id".to_owned()),
        ("entity_id", "c.entity_id".to_owned()),
        ("role", "'user'".to_owned()),
        ("content", format!("'{CONTENT}'")),
        ("image_urls", "'[]'".to_owned()),
        ("token_count", "17".to_owned()),
        ("sentiment", "0.8".to_owned()),
        ("created_at", "now()".to_owned()),
        ("updated_at", "now()".to_owned()),
    ]
    .into();
    let columns: Vec<&str> = message.keys().copied().collect();
    let values: Vec<&str> = message.values().map(String::as_str).collect();
    Ok(format!(
        "\\set n random(0, {})\n\
         BEGIN;\n\
         UPDATE conversations SET message_count = message_count + 1, last_message_at = now(), \
         expires_at = now() + interval '24 hours', updated_at = now() \
         WHERE id = (SELECT id FROM bench_threads WHERE n = :n) \
         AND state IN ('active', 'handed_off') AND expires_at > now();\n\
         INSERT INTO messages ({}) SELECT {} FROM conversations c \
         WHERE c.id = (SELECT id FROM bench_threads WHERE n = :n);\n\
         INSERT INTO outbox_tasks (id, task_type, payload, run_after, created_at, updated_at) \
         VALUES (gen_random_uuid(), 'message_appended', \
         '{{\"message\": \"message_01h45ytscbebyvny4gc8cr8ma2\"}}', now(), now(), now());\n\
         COMMIT;\n",
        conversations.len() - 1,
        columns.join(", "),
        values.join(", "),
    ))
}

/// Transactions a second.
fn pgbench(url: &str, script: &str) -> Failable<f64> {
    let file = std::env::temp_dir().join(format!("anima-messages-{}.sql", std::process::id()));
    std::fs::write(&file, script)?;
    let (connections, seconds) = (CONNECTIONS.to_string(), SECONDS.to_string());
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-c", &connections, "-j", "2"])
        .args(["-T", &seconds, "-f"])
        .arg(&file)
        .arg(url)
        .output()?;
    std::fs::remove_file(&file)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    text.lines()
        .find_map(|line| line.strip_prefix("tps = "))
        .and_then(|it| it.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| format!("no rate in what pgbench said: {text}").into())
}
