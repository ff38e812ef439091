//! An empty database per test, on each engine.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anima_migration::migrate;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaOrm, DatabaseConnection, DbBackend, DbErr,
    QueryResult, Statement, TryGetable,
};
use tempfile::TempDir;

/// An empty database of one engine.
#[derive(Clone)]
pub struct Database {
    pub connection: DatabaseConnection,
    pub url: String,
    _directory: Option<Arc<TempDir>>,
}

impl Database {
    pub fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    pub fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// Applies all migrations.
    pub async fn migrated(self) -> Self {
        migrate(&self.connection).await.unwrap();
        self
    }

    pub async fn execute(&self, sql: &str) -> Result<u64, DbErr> {
        self.connection
            .execute_unprepared(sql)
            .await
            .map(|done| done.rows_affected())
    }

    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.backend(), sql);
        self.connection
            .query_all_raw(statement)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The one column of every row.
    pub async fn column<T: TryGetable>(&self, sql: &str) -> Vec<T> {
        self.rows(sql)
            .await
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.column(&format!("SELECT count(*) FROM \"{table}\""))
            .await[0]
    }

    /// Names of the tables, without what the engine or an extension keeps for itself.
    pub async fn tables(&self) -> Vec<String> {
        self.column(if self.is_postgres() {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        } else {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
             AND name NOT LIKE '%\\_search%' ESCAPE '\\' ORDER BY 1"
        })
        .await
    }
}

/// Runs the test with an empty SQLite file, then with an empty PostgreSQL database.
pub async fn on_each_engine<Test, Done>(test: Test)
where
    Test: Fn(Database) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    on_sqlite(&test).await;
    on_postgres(&test).await;
}

pub async fn on_sqlite<Test, Done>(test: Test)
where
    Test: Fn(Database) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("anima.db").display()
    );
    let connection = connect(&url).await;
    test(Database {
        connection,
        url,
        _directory: Some(Arc::new(directory)),
    })
    .await;
}

pub async fn on_postgres<Test, Done>(test: Test)
where
    Test: Fn(Database) -> Done,
    Done: Future<Output = ()> + Send + 'static,
{
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
        eprintln!("NOT TESTED ON POSTGRESQL: TEST_DATABASE_URL is not set (see scripts/postgres)");
        return;
    };
    let admin = connect(&server).await;
    let name = format!(
        "anima_migration_{}_{}",
        process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
    admin
        .execute_unprepared(&format!("CREATE DATABASE \"{name}\""))
        .await
        .unwrap();
    let (before, _) = server.rsplit_once('/').unwrap();
    let url = format!("{before}/{name}");
    let connection = connect(&url).await;
    // In a task of its own, so that the database is dropped even when the test fails.
    let done = tokio::spawn(test(Database {
        connection,
        url,
        _directory: None,
    }))
    .await;
    admin.execute_unprepared(&drop).await.unwrap();
    if let Err(error) = done {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// A pool of its own for the same database.
pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false);
    SeaOrm::connect(options).await.unwrap()
}
