//! The gateway against a hand-written axum and sqlx handler, side by side on the same rows.
//!
//! `cargo build --release && cargo bench -p anima-benches --bench gateway` measures on SQLite,
//! and on PostgreSQL when `TEST_DATABASE_URL` is set. Both processes are warm, take turns, and
//! give the same JSON; what is printed is the median of the rounds and the ratio.

use std::{
    error::Error,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anima_benches::{
    load::{self, Outcome, Requests},
    reference,
};
use app::{
    Viewer,
    dna::{EntityCreate, create},
};
use domain::identity::{Role, UserId};
use serde_json::{Value, json};
use testkit::{Database, Engine, World, database::postgres_url};

const OWNERS: usize = 200;
const ENTITIES: usize = 10;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const WARM: Duration = Duration::from_secs(2);
const LASTS: Duration = Duration::from_secs(4);

const QUERY: &str = "query Owner($id: ID!) { user(id: $id) { name entities(first: 10) { nodes { \
     name kind \
     dna { anxietyThreshold confidenceBaseline wearinessAccumulationRate resilience \
     serviceOrientation temporalPrecision generation revision } \
     origin { originStory narrativeContext } \
     device { name deviceType tier } } } } }";

type Failable<T = ()> = Result<T, Box<dyn Error>>;

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
    let owners = seed(&world).await?;

    let gateway = Gateway::start(&url)?;
    gateway.ready().await?;
    let reference = reference::serve(&url).await?;
    let asked: Requests = Arc::new(
        owners
            .iter()
            .map(|id| {
                let body = json!({ "query": QUERY, "variables": { "id": id } }).to_string();
                load::post("/graphql", gateway.address, &gateway.token, &body)
            })
            .collect(),
    );
    let plain: Requests = Arc::new(
        owners
            .iter()
            .map(|id| load::post("/", reference, "-", &json!({ "id": id.0 }).to_string()))
            .collect(),
    );

    same(gateway.address, &asked[0], reference, &plain[0]).await?;
    load::run(gateway.address, Arc::clone(&asked), CONNECTIONS, WARM).await?;
    load::run(reference, Arc::clone(&plain), CONNECTIONS, WARM).await?;
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let it = load::run(gateway.address, Arc::clone(&asked), CONNECTIONS, LASTS).await?;
        let by_hand = load::run(reference, Arc::clone(&plain), CONNECTIONS, LASTS).await?;
        ratios.push(it.rate / by_hand.rate);
        ours.push(it);
        theirs.push(by_hand);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "\nowner -> {ENTITIES} entities -> DNA, origin, device; {engine:?}, {CONNECTIONS} connections"
    );
    show("gateway", ours);
    show("hand-written, one joined statement", theirs);
    println!(
        "  ratio gateway / hand-written: {:.2} (of {ROUNDS} rounds: {:.2} to {:.2})",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
    Ok(())
}

/// Owners with entities that have DNA, an origin, and a device each.
async fn seed(world: &World) -> Failable<Vec<UserId>> {
    let mut owners = Vec::new();
    for n in 0..OWNERS {
        let viewer: Viewer = world.with_role(&format!("Owner {n}"), Role::User).await;
        let cx = world.cx(&viewer);
        let owner = viewer.person().ok_or("a person is one")?;
        for m in 0..ENTITIES {
            let device = world.device(owner, &format!("Device {m}")).await;
            let input = EntityCreate {
                name: Some(format!("Frank {m}")),
                device: Some(device),
                story: Some(format!(
                    "Frank's mom was a tired waitress who worked doubles, {n} in a row. Dad was \
                     never around. Frank grew up helping in the kitchen from age {m}."
                )),
                ..EntityCreate::default()
            };
            create(&cx, None, input).await?;
        }
        owners.push(owner);
    }
    Ok(owners)
}

/// Both must say the same, or the comparison means nothing.
async fn same(gateway: SocketAddr, asked: &[u8], reference: SocketAddr, plain: &[u8]) -> Failable {
    let ours: Value = serde_json::from_slice(&load::once(gateway, asked).await?)?;
    let theirs: Value = serde_json::from_slice(&load::once(reference, plain).await?)?;
    if ours != theirs {
        return Err(format!("not the same:\n{ours:#}\n{theirs:#}").into());
    }
    Ok(())
}

fn show(name: &str, mut rounds: Vec<Outcome>) {
    rounds.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let it = &rounds[rounds.len() / 2];
    println!(
        "  {name}: {:.0} requests/s, p50 {:.1?}, p99 {:.1?}, {} bytes",
        it.rate, it.p50, it.p99, it.bytes
    );
}

/// The gateway as it is run, in a process of its own.
struct Gateway {
    child: Child,
    address: SocketAddr,
    token: String,
}

impl Gateway {
    fn start(url: &str) -> Failable<Self> {
        let program = program()?;
        let user = Command::new(&program)
            .args([
                "--database-url",
                url,
                "user",
                "create",
                "--name",
                "bench",
                "--role",
                "admin",
            ])
            .args(["--user-name", "bench"])
            .output()?;
        if !user.status.success() {
            return Err(String::from_utf8_lossy(&user.stderr).into_owned().into());
        }
        let token = Command::new(&program)
            .args([
                "--database-url",
                url,
                "token",
                "create",
                "--user",
                "bench",
                "--name",
                "bench",
            ])
            .output()?;
        if !token.status.success() {
            return Err(String::from_utf8_lossy(&token.stderr).into_owned().into());
        }
        let token = String::from_utf8(token.stdout)?.trim().to_owned();
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(&program)
            .args(["--database-url", url, "--listen", &address.to_string()])
            .args(["--rate-limit", "off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            address,
            token,
        })
    }

    async fn ready(&self) -> Failable {
        let ready = format!(
            "GET /health/ready HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        );
        for _ in 0..100 {
            if load::once(self.address, ready.as_bytes()).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway did not become ready in ten seconds".into())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ANIMA_GATEWAY`, or the release build beside this benchmark.
fn program() -> Failable<PathBuf> {
    if let Some(path) = std::env::var_os("ANIMA_GATEWAY") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let release = here
        .parent()
        .and_then(|it| it.parent())
        .ok_or("no folder above this program")?;
    let program = release.join("anima-gateway");
    if program.exists() {
        Ok(program)
    } else {
        Err("no gateway to measure: run `cargo build --release` first".into())
    }
}
