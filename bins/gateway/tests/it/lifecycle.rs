//! The process: starting, being asked how it is, stopping, and what it says when it cannot.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Answer, Server, eventually};

pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anima-gateway"));
    command.args(arguments).env_clear();
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn url(directory: &TempDir) -> String {
    format!(
        "--database-url=sqlite://{}/anima.db?mode=rwc",
        directory.path().display()
    )
}

/// A port that nothing listens on just now.
pub fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A gateway of its own process, ready.
pub struct Process {
    pub child: Child,
    pub address: String,
    first_words: String,
}

impl Process {
    fn start(directory: &TempDir, flags: &[&str]) -> Self {
        let mut all = vec![url(directory)];
        all.extend(flags.iter().map(ToString::to_string));
        Self::over(&all)
    }

    /// With these arguments, which name the database.
    pub fn over(arguments: &[String]) -> Self {
        let address = free_port();
        let listen = format!("--listen={address}");
        let mut child = program(&[&listen, "--log-format=json"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("\"ready\"") {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it did not start");
            // Every line is a JSON object.
            serde_json::from_str::<serde_json::Value>(&line).unwrap();
        }
        // Whatever else it says must not block it.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self {
            child,
            address,
            first_words: String::new(),
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end; gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut self.first_words).unwrap();
        code
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for words in says {
        assert!(text.contains(words), "{words} is not in: {text}");
    }
}

#[test]
fn the_first_start_prints_a_key_and_a_link_once() {
    let directory = TempDir::new().unwrap();
    let mut first = Process::start(&directory, &[]);
    let health = run(&["health", &format!("--listen={}", first.address)]);
    assert!(health.status.success(), "{health:?}");
    first.signal("-TERM");
    assert_eq!(first.end(), Some(0));
    let words = &first.first_words;
    let link = format!("http://{}/graphiql#token=anima_", first.address);
    assert!(words.contains(&link), "{words}");
    let mut second = Process::start(&directory, &[]);
    second.signal("-INT");
    assert_eq!(second.end(), Some(0));
    assert_eq!(second.first_words, "");
    let health = run(&["health", &format!("--listen={}", second.address)]);
    assert_fails(&health, 1, &[&second.address]);
}

#[test]
fn tokens_and_users_by_command() {
    let directory = TempDir::new().unwrap();
    let database = url(&directory);
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.push(&database);
        program(&all).output().unwrap()
    };
    let created = run(&["user", "create", "--name=Ann", "--user-name=ann"]);
    assert!(created.status.success(), "{created:?}");
    let id = String::from_utf8(created.stdout).unwrap();
    assert!(id.starts_with("user_"), "{id}");
    for user in ["admin", "ann", id.trim()] {
        let made = run(&[
            "token",
            "create",
            "--user",
            user,
            "--name=ci",
            "--expires=30d",
        ]);
        assert!(made.status.success(), "{made:?}");
        // The token, alone.
        let token = String::from_utf8(made.stdout).unwrap();
        assert!(
            token
                .trim_end()
                .parse::<domain::identity::TokenText>()
                .is_ok(),
            "{token}"
        );
        assert_eq!(token.lines().count(), 1);
    }
    let listed = run(&["token", "list", "--user=ann"]);
    let lines = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let token = lines.split('\t').next().unwrap();
    assert!(run(&["token", "revoke", token]).status.success());
    let listed = run(&["token", "list", "--user=ann"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 1);

    assert_fails(
        &run(&["token", "create", "--user=nobody", "--name=x"]),
        1,
        &["nobody"],
    );
    assert_fails(
        &run(&["token", "create", "--user=ann", "--name=x", "--scope=admin"]),
        1,
        &["admin"],
    );
    assert_fails(
        &run(&[
            "token",
            "create",
            "--user=ann",
            "--name=x",
            "--expires=soon",
        ]),
        2,
        &["--expires"],
    );
    assert_fails(
        &run(&["user", "create", "--name=B", "--role=king"]),
        2,
        &["--role"],
    );
}

#[test]
fn what_keeps_it_from_starting_is_said_with_its_own_exit_code() {
    let directory = TempDir::new().unwrap();
    let database = url(&directory);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let output = run(&[&listen, &database]);
    assert_fails(&output, 5, &["ANIMA_LISTEN", "in use"]);

    let output = run(&["--database-url=mysql://u:hunter2@h/d"]);
    assert_fails(&output, 2, &["ANIMA_DATABASE_URL", "postgres://"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    let mut by_variable = program(&[]);
    let output = by_variable
        .env("ANIMA_MAX_BODY", "plenty")
        .output()
        .unwrap();
    assert_fails(&output, 2, &["ANIMA_MAX_BODY", "plenty"]);
    let output = run(&["--log=a=b=c", &database]);
    assert_fails(&output, 2, &["ANIMA_LOG"]);

    // Nothing listens there.
    let port = free_port();
    let output = run(&[&format!(
        "--database-url=postgres://anima:hunter2@{port}/anima"
    )]);
    assert_fails(&output, 3, &["ANIMA_DATABASE_URL", &port]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
    let output = run(&["--database-url=sqlite:///no/such/folder/anima.db?mode=rwc"]);
    assert_fails(&output, 3, &["/no/such/folder/anima.db"]);
}

#[tokio::test]
async fn a_schema_that_does_not_fit_and_a_file_that_cannot_be_written_stop_it() {
    let directory = TempDir::new().unwrap();
    let database = url(&directory);
    let output = run(&["--no-migrate", &database]);
    assert_fails(&output, 4, &["pending", "ANIMA_NO_MIGRATE"]);
    // Nothing was changed: there is still no table.
    let file = format!("sqlite://{}/anima.db?mode=rwc", directory.path().display());
    let db = persistence::Db::connect(&persistence::engine::Options::new(&file))
        .await
        .unwrap();
    assert!(
        migration::state(db.reader())
            .await
            .unwrap()
            .applied
            .is_empty()
    );

    migration::migrate(db.writer()).await.unwrap();
    let read_only = database.replace("mode=rwc", "mode=ro");
    let output = run(&[&read_only, &format!("--listen={}", free_port())]);
    assert_fails(&output, 3, &["ANIMA_DATABASE_URL"]);

    db.writer()
        .execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_later', 0)")
        .await
        .unwrap();
    let output = run(&[&database]);
    assert_fails(&output, 4, &["newer", "m99990101_000001_later"]);
}

#[tokio::test]
async fn a_stop_lets_what_runs_finish() {
    let server = Server::start(&[]).await;
    let address = server.running.address;
    let mut slow = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // Idle, kept alive: closed at once.
    let mut idle = server.connect().await;
    idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut buffer = [0; 4096];
    assert_ne!(idle.read(&mut buffer).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopping = tokio::spawn(server.running.stop());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    eventually(async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    assert!(!stopping.is_finished());
    slow.write_all(br#"{"query":"{__typename}"}"#)
        .await
        .unwrap();
    let mut bytes = Vec::new();
    slow.read_to_end(&mut bytes).await.unwrap();
    let answer = Answer::parse(&bytes);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"data":{"__typename":"Query"}}"#)
    );
    assert!(stopping.await.unwrap());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = Server::start(&["--shutdown-timeout=300ms"]).await;
    let mut stuck = server.connect().await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n";
    stuck.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!server.running.stop().await);
}

#[test]
fn a_second_signal_stops_at_once() {
    let directory = TempDir::new().unwrap();
    let mut process = Process::start(&directory, &[]);
    let mut stuck = std::net::TcpStream::connect(&process.address).unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n";
    std::io::Write::write_all(&mut stuck, head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    process.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        process.child.try_wait().unwrap().is_none(),
        "it did not wait"
    );
    process.signal("-TERM");
    let begun = std::time::Instant::now();
    assert_eq!(process.end(), Some(0));
    // Its patience would be thirty seconds.
    assert!(begun.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn readiness_follows_the_database_and_metrics_are_for_this_machine() {
    let server = Server::start(&["--metrics-listen=127.0.0.1:0"]).await;
    let ready = async || server.send("GET /health/ready", &[], b"").await;
    assert_eq!(ready().await.status, 200);
    server.query("{ __typename }").await;
    server.query("{ nothing }").await;
    let text = server.send("GET /metrics", &[], b"").await.body;
    for line in [
        r#"anima_operations_total{type="query",code="OK"} "#,
        r#"anima_operations_total{type="query",code="BAD_USER_INPUT"} "#,
        "anima_operation_seconds_bucket{type=\"query\",le=\"0.001\"}",
        r#"anima_database_connections{pool="reader",state="idle"}"#,
        r#"anima_documents_total{cache="miss"} "#,
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("nothing"), "{text}");
    let forwarded = server
        .send("GET /metrics", &[("x-forwarded-for", "198.51.100.1")], b"")
        .await;
    assert_eq!(forwarded.status, 403);
    let mut other = tokio::net::TcpStream::connect(server.running.metrics_address.unwrap())
        .await
        .unwrap();
    other
        .write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    other.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(Answer::parse(&bytes).status, 200);

    server
        .services
        .db
        .writer()
        .execute_unprepared("DELETE FROM seaql_migrations")
        .await
        .unwrap();
    eventually(async || ready().await.status == 503).await;
    let answer = ready().await;
    assert!(answer.body.contains("schema"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(server.send("GET /health/live", &[], b"").await.status, 200);
}

#[test]
fn a_file_of_voices_that_cannot_be_read_is_said_with_its_line() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("voices.csv");
    std::fs::write(&file, "speaker,gender,age,accent\nv1,X,30,Welsh\n").unwrap();
    let voices = format!("--voices={}", file.display());
    let output = run(&[&url(&directory), "--listen=127.0.0.1:0", &voices]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("--voices") && told.contains("line 2"),
        "{told}"
    );
}
