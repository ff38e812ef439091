//! Applies and takes back migrations: one migrator at a time, all of a command or nothing.
//!
//! The lock and the transaction are one. SQLite: `BEGIN IMMEDIATE`, for which a second migrator
//! waits. PostgreSQL: an advisory lock that ends with the transaction. Neither leaves anything
//! behind when the process is killed, and neither needs a session, so that a pooler may stand
//! between. Each migration is a savepoint inside.

use std::time::Duration;

use sea_orm_migration::{
    MigratorTrait, SchemaManager,
    sea_orm::{
        ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
        SqliteTransactionMode, SqlxSqliteConnector, TransactionOptions, TransactionTrait,
        sea_query::{Order, Query},
        sqlx::{self, sqlite::SqlitePoolOptions},
    },
};

use crate::engine;

/// How long a migrator waits for another one on SQLite. PostgreSQL waits until it is done.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The advisory lock of Anima's migrators: "anima" in ASCII.
const ADVISORY_LOCK: i64 = 0x0061_6e69_6d61;

/// What was applied to a database, against what this version knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Known and applied, oldest first.
    pub applied: Vec<String>,
    /// Known and not applied, oldest first.
    pub pending: Vec<String>,
    /// Applied and not known: the database is of a later version.
    pub unknown: Vec<String>,
}

impl State {
    /// Whether this version and the database fit each other.
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }
}

/// Why a database could not be migrated. It is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Migrations were applied that this version does not know; their names.
    #[error(
        "the database is newer than this program, which does not know {}; \
         use the version of anima that made it",
        .0.join(", ")
    )]
    Newer(Vec<String>),
    /// After the migrations, rows of these tables refer to rows that do not exist.
    #[error("rows would refer to what does not exist, in {}", .0.join(", "))]
    Dangling(Vec<String>),
    /// The database refused something, or could not be reached.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// No connection of its own for the migrator.
    #[error("failed to connect: {0}")]
    Connection(#[from] sqlx::Error),
}

/// Reads what was applied; a database without the table of migrations has nothing.
pub async fn state<M: MigratorTrait, C: ConnectionTrait>(database: &C) -> Result<State, Error>
where
    for<'c> &'c C: sea_orm_migration::IntoSchemaManagerConnection<'c>,
{
    let known: Vec<String> = M::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    let table = M::migration_table_name();
    let recorded: Vec<String> = if SchemaManager::new(database)
        .has_table(table.to_string())
        .await?
    {
        let names = Query::select()
            .column("version")
            .from(table)
            .order_by("version", Order::Asc)
            .to_owned();
        let rows = database.query_all(&names).await?;
        rows.iter()
            .map(|row| row.try_get("", "version"))
            .collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    let unknown = recorded
        .iter()
        .filter(|name| !known.contains(name))
        .cloned()
        .collect();
    let (applied, pending) = known.into_iter().partition(|name| recorded.contains(name));
    Ok(State {
        applied,
        pending,
        unknown,
    })
}

/// Applies pending migrations, all or so many, and returns their names.
pub async fn up<M: MigratorTrait>(
    database: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, Error> {
    // Almost always there is nothing to do, and nothing to wait for.
    if state::<M, _>(database).await?.is_current() {
        return Ok(Vec::new());
    }
    let exclusive = Exclusive::begin(database).await?;
    let before = exclusive.known_state::<M>().await?;
    M::up(&exclusive.transaction, steps).await?;
    let after = state::<M, _>(&exclusive.transaction).await?;
    exclusive.commit().await?;
    Ok(after
        .applied
        .into_iter()
        .filter(|name| !before.applied.contains(name))
        .collect())
}

/// Takes back applied migrations, all or so many, newest first, with the data of their tables,
/// and returns their names.
pub async fn down<M: MigratorTrait>(
    database: &DatabaseConnection,
    steps: Option<u32>,
) -> Result<Vec<String>, Error> {
    let exclusive = Exclusive::begin(database).await?;
    let before = exclusive.known_state::<M>().await?;
    M::down(&exclusive.transaction, steps).await?;
    let after = state::<M, _>(&exclusive.transaction).await?;
    exclusive.commit().await?;
    Ok(before
        .applied
        .into_iter()
        .rev()
        .filter(|name| !after.applied.contains(name))
        .collect())
}

/// Drops every table and view of the database (on PostgreSQL, of the current schema), whoever
/// made it, and applies all migrations.
pub async fn fresh<M: MigratorTrait>(database: &DatabaseConnection) -> Result<Vec<String>, Error> {
    let exclusive = Exclusive::begin(database).await?;
    exclusive.known_state::<M>().await?;
    engine::drop_everything(&exclusive.transaction).await?;
    M::up(&exclusive.transaction, None).await?;
    let after = state::<M, _>(&exclusive.transaction).await?;
    exclusive.commit().await?;
    Ok(after.applied)
}

/// The transaction of the one migrator at work.
struct Exclusive {
    transaction: DatabaseTransaction,
    /// SQLite: the connection of its own, to be closed afterwards.
    own: Option<DatabaseConnection>,
}

impl Exclusive {
    async fn begin(database: &DatabaseConnection) -> Result<Self, Error> {
        if database.get_database_backend() == DbBackend::Postgres {
            let transaction = database.begin().await?;
            transaction
                .execute_unprepared(&format!(
                    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                     SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
                ))
                .await?;
            return Ok(Self {
                transaction,
                own: None,
            });
        }
        // A connection of its own: foreign keys cannot be turned off within a transaction, and
        // with them on, dropping a table to rebuild it would delete what refers to it.
        let options = database.get_sqlite_connection_pool().connect_options();
        let options = (*options)
            .clone()
            .foreign_keys(false)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        let own = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        let transaction = own
            .begin_with_options(TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await?;
        Ok(Self {
            transaction,
            own: Some(own),
        })
    }

    /// The state under the lock, if this version knows all of it.
    async fn known_state<M: MigratorTrait>(&self) -> Result<State, Error> {
        let state = state::<M, _>(&self.transaction).await?;
        if state.unknown.is_empty() {
            Ok(state)
        } else {
            Err(Error::Newer(state.unknown))
        }
    }

    async fn commit(self) -> Result<(), Error> {
        let dangling = engine::dangling(&self.transaction).await?;
        if !dangling.is_empty() {
            return Err(Error::Dangling(dangling));
        }
        self.transaction.commit().await?;
        if let Some(own) = self.own {
            own.close().await?;
        }
        Ok(())
    }
}
