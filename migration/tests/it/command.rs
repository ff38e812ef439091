//! The command as an operator meets it.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use crate::{
    database::{on_each_engine, on_postgres, on_sqlite},
    sample,
};

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anima-migration"));
    command
        .env_remove("ANIMA_DATABASE_URL")
        .args(["--database-url", url])
        .args(arguments);
    command
}

fn run(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(url, arguments).output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code(), text)
}

fn sqlite(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

#[tokio::test]
async fn up_status_down_fresh() {
    on_each_engine(async |database| {
        let url = &database.url;
        let (code, text) = run(url, &["status"]);
        assert!(
            code == Some(0) && text.contains("0 applied, 12 pending, 0 unknown"),
            "{text}"
        );
        assert_eq!(run(url, &["status", "--check"]).0, Some(1));
        let (code, text) = run(url, &["up"]);
        assert!(
            code == Some(0) && text.contains("applied: m20260901_000012_outbox"),
            "{text}"
        );
        assert_eq!(run(url, &["up"]), (Some(0), "nothing to do\n".to_owned()));
        assert_eq!(run(url, &["status", "--check"]).0, Some(0));

        let taken = "taken back: m20260901_000012_outbox\ntaken back: m20260901_000011_audit\n";
        assert_eq!(run(url, &["down", "-n", "2"]), (Some(0), taken.to_owned()));
        assert_eq!(run(url, &["status", "--check"]).0, Some(1));
        assert_eq!(run(url, &["fresh"]).0, Some(0));
        assert_eq!(run(url, &["status", "--check"]).0, Some(0));
        assert_eq!(run(url, &["down", "--all"]).0, Some(0));
        assert_eq!(database.tables().await, ["seaql_migrations"]);
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_refused_by_name() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        let newer = "INSERT INTO seaql_migrations VALUES ('m20990101_000001_telepathy', 0)";
        database.execute(newer).await.unwrap();
        for arguments in [&["up"][..], &["down"], &["fresh"]] {
            let (code, text) = run(&database.url, arguments);
            assert_eq!(code, Some(1), "{text}");
            assert!(
                text.contains("newer") && text.contains("m20990101_000001_telepathy"),
                "{text}"
            );
        }
        let (code, text) = run(&database.url, &["status", "--check"]);
        assert!(
            code == Some(1) && text.contains("unknown: m20990101_000001_telepathy"),
            "{text}"
        );
        assert_eq!(database.tables().await.len(), sample::tables().len() + 1);
    })
    .await;
}

#[test]
fn status_creates_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("anima.db");
    let (code, text) = run(&sqlite(&path), &["status", "--check"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("does not exist yet"), "{text}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    std::fs::write(&path, "").unwrap();
    assert_eq!(run(&sqlite(&path), &["status", "--check"]).0, Some(1));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn status_only_reads() {
    on_sqlite(async |database| {
        let database = database.migrated().await;
        let path = database
            .url
            .trim_start_matches("sqlite://")
            .trim_end_matches("?mode=rwc");
        // As the gateway leaves it, closed and open.
        database.execute("PRAGMA journal_mode = WAL").await.unwrap();
        assert_eq!(run(&database.url, &["status", "--check"]).0, Some(0));
        database.connection.clone().close().await.unwrap();
        let before = std::fs::read(path).unwrap();
        assert_eq!(run(&database.url, &["status", "--check"]).0, Some(0));
        assert_eq!(std::fs::read(path).unwrap(), before);
    })
    .await;
    on_postgres(async |database| {
        assert_eq!(run(&database.url, &["status", "--check"]).0, Some(1));
        assert_eq!(database.tables().await, Vec::<String>::new());
    })
    .await;
}

#[test]
fn what_is_no_database_is_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("novel.txt");
    std::fs::write(&text, "It was a dark and stormy night. ".repeat(100)).unwrap();
    for (url, expected) in [
        (sqlite(&text), "not a database"),
        (
            format!("sqlite://{}", directory.path().join("missing.db").display()),
            "unable to open",
        ),
        (
            "mysql://127.0.0.1/anima".to_owned(),
            "neither sqlite: nor postgres:",
        ),
        ("nonsense".to_owned(), "neither sqlite: nor postgres:"),
    ] {
        let (code, message) = run(&url, &["up"]);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn passwords_are_not_printed() {
    // Nothing listens on port 1.
    for url in [
        "postgres://anima:sesame@127.0.0.1:1/anima",
        "postgres://anima:sesame@127.0.0.1:sesame/anima",
        "postgres://127.0.0.1:1/anima?password=sesame&sslmode=sesame",
        "oracle://anima:sesame@127.0.0.1/sesame",
    ] {
        let (code, text) = run(url, &["status"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(!text.contains("sesame"), "{text}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_anima-migration"))
        .env(
            "ANIMA_DATABASE_URL",
            "postgres://anima:sesame@127.0.0.1:1/anima",
        )
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(
        help.contains("ANIMA_DATABASE_URL") && help.contains("DELETES"),
        "{help}"
    );
    assert!(!help.contains("sesame"), "{help}");
}

#[tokio::test]
async fn two_commands_at_once() {
    on_each_engine(async |database| {
        let children: Vec<_> = (0..3)
            .map(|_| {
                let mut child = command(&database.url, &["up"]);
                child.stdout(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let mut applied = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            applied += String::from_utf8(output.stdout)
                .unwrap()
                .matches("applied:")
                .count();
        }
        assert_eq!(applied, 12);
    })
    .await;
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_all_or_nothing() {
    on_each_engine(async |database| {
        for delay in (0..120).step_by(10) {
            let mut child = command(&database.url, &["fresh"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            // The next one waits for what the server still does for the dead one.
            let tables = database.tables().await.len();
            assert!(
                [0, sample::tables().len() + 1].contains(&tables),
                "{tables} tables"
            );
        }
        assert_eq!(run(&database.url, &["up"]).0, Some(0));
        assert_eq!(run(&database.url, &["status", "--check"]).0, Some(0));
    })
    .await;
}
