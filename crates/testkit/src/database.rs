//! A fresh, migrated database for each test: a copy of a template, made once per build of the
//! test program.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use migration::Migrator;
use persistence::{Db, engine::Options};
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connector, DatabaseConnection};
use tempfile::TempDir;

/// A database engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded default.
    Sqlite,
    /// The production engine.
    Postgres,
}

/// The PostgreSQL that tests may use: `TEST_DATABASE_URL`, of a role that may create databases.
///
/// Without it, tests on PostgreSQL are left out, and say so; unless `REQUIRE_POSTGRES` is set,
/// as `scripts/test` does, and then they fail.
///
/// # Panics
/// When PostgreSQL is required and not there.
pub fn postgres_url() -> Option<String> {
    let url = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|it| !it.is_empty());
    if url.is_none() {
        assert!(
            std::env::var_os("REQUIRE_POSTGRES").is_none(),
            "TEST_DATABASE_URL is not set, and REQUIRE_POSTGRES is"
        );
        eprintln!("LEFT OUT: no PostgreSQL; set TEST_DATABASE_URL to test on it");
    }
    url
}

/// A migrated database of one test. Dropping it removes the SQLite file; PostgreSQL's
/// databases go with [`Database::remove`] or with the server.
#[derive(Debug)]
pub struct Database {
    /// How to connect.
    pub options: Options,
    engine: Engine,
    _directory: Option<TempDir>,
}

impl Database {
    /// A fresh one.
    ///
    /// # Panics
    /// When the engine is not there.
    pub async fn new(engine: Engine) -> Self {
        let (url, directory) = match engine {
            Engine::Sqlite => {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("anima.db");
                std::fs::copy(sqlite_template().await, &file).unwrap();
                (
                    format!("sqlite://{}?mode=rwc", file.display()),
                    Some(directory),
                )
            }
            Engine::Postgres => (postgres_copy().await, None),
        };
        let mut options = Options::new(url);
        options.connections = 4;
        Self {
            options,
            engine,
            _directory: directory,
        }
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn connect(&self) -> Db {
        Db::connect(&self.options).await.unwrap()
    }

    /// Its engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.options.url
    }
}

/// What identifies this build of the test program, so that a changed migration makes a new
/// template.
fn build_id() -> u64 {
    let program = std::env::current_exe().unwrap();
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    std::fs::metadata(&program)
        .unwrap()
        .modified()
        .unwrap()
        .hash(&mut hasher);
    hasher.finish()
}

/// A name that no other test of this run has.
fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

async fn connection(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Connector::connect(options).await.unwrap()
}

async fn sqlite_template() -> PathBuf {
    let directory = std::env::temp_dir();
    let template = directory.join(format!("anima_template_{:x}.db", build_id()));
    if !template.exists() {
        let draft = directory.join(format!("anima_draft_{:x}_{}.db", build_id(), unique()));
        let db = connection(&format!("sqlite://{}?mode=rwc", draft.display())).await;
        migration::run::up::<Migrator>(&db, None).await.unwrap();
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)")
            .await
            .unwrap();
        db.close().await.unwrap();
        // Whoever is last wins, with the same content.
        std::fs::rename(draft, &template).unwrap();
    }
    template
}

async fn postgres_copy() -> String {
    let base = postgres_url().unwrap();
    let (server, _) = base.rsplit_once('/').unwrap();
    let admin = connection(&base).await;
    let template = format!("anima_template_{:x}", build_id());
    // Serializes the tests of all processes: a template cannot be copied by two at once
    // while anybody is connected to it.
    admin
        .execute_unprepared("SELECT pg_advisory_lock(712)")
        .await
        .unwrap();
    let exists = admin
        .query_one_raw(sea_orm::Statement::from_string(
            sea_orm::DbBackend::Postgres,
            format!("SELECT 1 FROM pg_database WHERE datname = '{template}'"),
        ))
        .await
        .unwrap()
        .is_some();
    if !exists {
        let draft = format!("anima_draft_{}", unique());
        admin
            .execute_unprepared(&format!("DROP DATABASE IF EXISTS {draft}"))
            .await
            .unwrap();
        admin
            .execute_unprepared(&format!("CREATE DATABASE {draft}"))
            .await
            .unwrap();
        let db = connection(&format!("{server}/{draft}")).await;
        migration::run::up::<Migrator>(&db, None).await.unwrap();
        db.close().await.unwrap();
        let rename = format!("ALTER DATABASE {draft} RENAME TO {template}");
        admin.execute_unprepared(&rename).await.unwrap();
    }
    let name = format!("anima_test_{}", unique());
    admin
        .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .await
        .unwrap();
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
        .await
        .unwrap();
    admin
        .execute_unprepared("SELECT pg_advisory_unlock(712)")
        .await
        .unwrap();
    admin.close().await.unwrap();
    format!("{server}/{name}")
}
