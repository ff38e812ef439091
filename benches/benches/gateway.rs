//! The gateway against a hand-written axum and sqlx handler, side by side on the same rows.
//!
//! `cargo build --release && cargo bench -p anima-benches --bench gateway` measures on SQLite,
//! and on PostgreSQL when `TEST_DATABASE_URL` is set. Both are processes of their own, warm,
//! take turns, and give the same bytes. What is printed: the median rate of the rounds, the
//! CPU time of the server process for an answer (steadier than the rate, where others share
//! the machine), and the ratio of the rates, round by round.
//!
//! `BENCH_ENGINE` and `BENCH_QUESTION` pick (a part of the name), `BENCH_ROUNDS` and
//! `BENCH_SECONDS` set how long; `ANIMA_GATEWAY` is the program, if not the release build.
//! `cargo build --profile profiling` makes one with symbols for `perf`.

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
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
use domain::{
    dna::EntityId,
    identity::{Role, UserId},
};
use sea_orm::ConnectionTrait;
use serde_json::json;
use testkit::{Database, Engine, World, database::postgres_url};
use uuid::Uuid;

/// As in the gateway, for the hand-written handler.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const OWNERS: usize = 200;
const ENTITIES: usize = 10;
const CONNECTIONS: usize = 32;
const WARM: Duration = Duration::from_secs(1);

const ENTITY: &str = "name kind \
     dna { anxietyThreshold confidenceBaseline wearinessAccumulationRate resilience \
     serviceOrientation temporalPrecision generation revision } \
     origin { originStory narrativeContext } \
     device { name deviceType tier }";

/// A program that serves, for comparison with the gateway: a name and the path.
type Route = (&'static str, &'static str);

/// One question, asked of the gateway and of the hand-written handler.
struct Question {
    name: &'static str,
    query: String,
    /// For the variable `$id`: as a `TypeID` and as a UUID.
    ids: Vec<(String, Uuid)>,
    routes: &'static [Route],
}

type Failable<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Failable {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|it| it == "--test") {
        return Ok(());
    }
    if let [_, "reference", url] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return reference::serve(url).await;
    }
    if wanted("BENCH_ENGINE", "sqlite") {
        measure(Engine::Sqlite).await?;
    }
    if wanted("BENCH_ENGINE", "postgres") && postgres_url().is_some() {
        measure(Engine::Postgres).await?;
    }
    Ok(())
}

/// Whether the environment asks for this, or for nothing in particular.
fn wanted(name: &str, what: &str) -> bool {
    std::env::var(name).ok().is_none_or(|it| what.contains(&it))
}

/// A number out of the environment, to measure shorter or longer.
fn setting(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok().and_then(|it| it.parse().ok());
    given.unwrap_or(default)
}

async fn measure(engine: Engine) -> Failable {
    let database = Database::new(engine).await;
    let url = database.url().to_owned();
    let db = database.connect().await;
    let world = World::over(database, db);
    let (owners, entities) = seed(&world).await?;
    if engine == Engine::Postgres {
        // As the autovacuum does within a minute of so many rows.
        world
            .services
            .db
            .writer()
            .execute_unprepared("ANALYZE")
            .await?;
    }

    let questions = [
        Question {
            name: "one entity with DNA, origin and device",
            query: format!("query Entity($id: ID!) {{ entity(id: $id) {{ {ENTITY} }} }}"),
            ids: entities.iter().map(|it| (it.to_string(), it.0)).collect(),
            routes: &[("one joined statement", "/entity")],
        },
        Question {
            name: "owner -> 10 entities -> DNA, origin, device",
            query: format!(
                "query Owner($id: ID!) {{ user(id: $id) {{ name entities(first: 10) {{ \
                 nodes {{ {ENTITY} }} }} }} }}"
            ),
            ids: owners.iter().map(|it| (it.to_string(), it.0)).collect(),
            routes: &[
                ("one joined statement", "/owner"),
                ("a statement per level, one connection", "/owner/levels"),
            ],
        },
    ];
    let token = token(&url)?;
    let gateway = Server::gateway(&url).await?;
    let reference = Server::reference(&url)?;
    for question in &questions {
        if !wanted("BENCH_QUESTION", question.name) {
            continue;
        }
        ask(engine, question, &token, &gateway, &reference).await?;
    }
    Ok(())
}

/// Rounds of one question: each server in its turn.
async fn ask(
    engine: Engine,
    question: &Question,
    token: &str,
    gateway: &Server,
    reference: &Server,
) -> Failable {
    let Question {
        name,
        query,
        ids,
        routes,
    } = question;
    let asked = ids.iter().map(|(id, _)| {
        let body = json!({ "query": query, "variables": { "id": id } });
        load::post("/graphql", gateway.address, token, &body.to_string())
    });
    let mut servers: Vec<(&str, &Server, Requests, Vec<Round>)> =
        vec![("gateway", gateway, Arc::new(asked.collect()), Vec::new())];
    for (how, path) in *routes {
        let asked = ids.iter().map(|(_, id)| {
            let body = json!({ "id": id }).to_string();
            load::post(path, reference.address, token, &body)
        });
        servers.push((how, reference, Arc::new(asked.collect()), Vec::new()));
    }

    let expected = load::once(gateway.address, &servers[0].2[0]).await?;
    for (how, server, asked, _) in &servers {
        let got = load::once(server.address, &asked[0]).await?;
        if got != expected {
            let [ours, theirs] = [&expected, &got].map(|it| String::from_utf8_lossy(it));
            return Err(format!("{how} does not say the same:\n{ours}\n{theirs}").into());
        }
        load::run(server.address, Arc::clone(asked), CONNECTIONS, WARM).await?;
    }
    let lasts = Duration::from_secs(setting("BENCH_SECONDS", 3));
    for _ in 0..setting("BENCH_ROUNDS", 5) {
        for (_, server, asked, rounds) in &mut servers {
            let before = server.cpu()?;
            let outcome = load::run(server.address, Arc::clone(asked), CONNECTIONS, lasts).await?;
            let cpu = server.cpu()?.saturating_sub(before);
            rounds.push(Round { outcome, cpu });
        }
    }
    println!("\n{name}; {engine:?}, {CONNECTIONS} connections");
    for (how, _, _, rounds) in &servers {
        let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        let ratios = servers[0].3.iter().zip(rounds);
        let ratio = median(ratios.map(|(it, that)| it.rate() / that.rate()).collect());
        println!(
            "  {how}: {:.0} answers/s, {:.3} ms CPU each, p50 {:.2} ms, p99 {:.2} ms, \
             {:.0} bytes; gateway reaches {ratio:.2} of it",
            of(Round::rate),
            of(Round::cpu_milliseconds),
            of(|it| it.outcome.p50.as_secs_f64() * 1_000.0),
            of(|it| it.outcome.p99.as_secs_f64() * 1_000.0),
            of(Round::bytes),
        );
    }
    Ok(())
}

/// What came of one load.
struct Round {
    outcome: Outcome,
    cpu: Duration,
}

impl Round {
    fn rate(&self) -> f64 {
        self.outcome.rate
    }

    fn cpu_milliseconds(&self) -> f64 {
        self.cpu.as_secs_f64() * 1_000.0 / self.outcome.answers
    }

    fn bytes(&self) -> f64 {
        self.outcome.bytes
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Owners with entities that have DNA, an origin, and a device each.
async fn seed(world: &World) -> Failable<(Vec<UserId>, Vec<EntityId>)> {
    let (mut owners, mut entities) = (Vec::new(), Vec::new());
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
            entities.push(create(&cx, None, input).await?.entity.id);
        }
        owners.push(owner);
    }
    Ok((owners, entities))
}

/// Makes an administrator's token.
fn token(url: &str) -> Failable<String> {
    let run = |args: &[&str]| {
        let out = Command::new(program()?)
            .args(["--database-url", url])
            .args(args)
            .output()?;
        if out.status.success() {
            Ok(String::from_utf8(out.stdout)?.trim().to_owned())
        } else {
            Err(Box::<dyn Error>::from(
                String::from_utf8_lossy(&out.stderr).into_owned(),
            ))
        }
    };
    let name = ["--name", "bench", "--user-name", "bench", "--role", "admin"];
    run(&[&["user", "create"], &name[..]].concat())?;
    run(&["token", "create", "--user", "bench", "--name", "bench"])
}

/// A process that serves.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// The gateway as it is run.
    async fn gateway(url: &str) -> Failable<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(program()?)
            .args(["--database-url", url, "--listen", &address.to_string()])
            .args(["--rate-limit", "off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, address };
        let ready = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\n\r\n");
        for _ in 0..100 {
            if load::once(address, ready.as_bytes()).await.is_ok() {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err("the gateway did not become ready in ten seconds".into())
    }

    /// The hand-written handler: this very program, asked for it.
    fn reference(url: &str) -> Failable<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["reference", url])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("its output is piped")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse();
        Ok(Self {
            child,
            address: address.map_err(|_| "the hand-written handler did not start")?,
        })
    }

    /// CPU time it has used, in its own code and the kernel's for it (Linux).
    fn cpu(&self) -> Failable<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name in brackets: state is field 3, utime 14, stime 15, in ticks of 10 ms.
        let fields = stat.rsplit_once(')').ok_or("not a process")?.1;
        let fields = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|it| it.parse::<u64>().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `ANIMA_GATEWAY`, or the build beside this benchmark.
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
