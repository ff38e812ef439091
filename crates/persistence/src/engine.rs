//! Where the two engines differ, and nowhere else: connecting, transactions, lists of ids,
//! the words of SQL that are not the same.
//!
//! | | SQLite | PostgreSQL |
//! |---|---|---|
//! | UUID | 16-byte BLOB | `uuid` |
//! | timestamp | RFC 3339 text with `+00:00`, which sorts | `timestamptz` |
//! | JSON | text | `jsonb` |
//! | list of ids in a constant statement | `json_each` over hex | `= ANY(uuid[])` |
//! | named lock in a transaction | none: there is one writer | `pg_advisory_xact_lock` |
//! | rows that another transaction has | there is none | `SKIP LOCKED` |
//! | word to other processes | none: there are none | `LISTEN`, `NOTIFY` |
//! | write transaction | `BEGIN IMMEDIATE` on the one writer connection | `BEGIN` |

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
    sea_query::{ArrayType, Expr, IntoColumnRef},
    sqlx::{
        Executor,
        postgres::{PgListener, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    Error, Result,
    reader::{Reader, Watch},
};

/// How to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://anima.db?mode=rwc` or `postgres://user:password@host:port/database`.
    pub url: String,
    /// A read replica, for reads that tolerate lag (PostgreSQL).
    pub replica_url: Option<String>,
    /// Connections of the reader pool on SQLite, of the whole pool on PostgreSQL.
    pub connections: u32,
    /// A statement that runs longer is cancelled (PostgreSQL; SQLite waits this long for a lock).
    pub statement_timeout: Duration,
    /// A request that waits longer for a connection fails.
    pub acquire_timeout: Duration,
}

impl Options {
    /// The defaults, for `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replica_url: None,
            connections: 10,
            statement_timeout: Duration::from_secs(10),
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

/// The database: on SQLite one writer and a pool of readers over one file, on PostgreSQL one
/// pool for both.
#[derive(Clone)]
pub struct Db {
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    replica: Option<DatabaseConnection>,
    watch: Option<Watch>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("writer", &self.writer)
            .field("reader", &self.reader)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

/// The state of a pool of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// `reader`, `writer` (SQLite) or `replica`; on PostgreSQL the reader writes too.
    pub name: &'static str,
    /// How many connections are open.
    pub open: u32,
    /// How many of them nobody uses.
    pub idle: u32,
}

/// How many prepared statements a connection keeps. Every statement of the loaders has
/// constant text, so this is about the number of distinct statements there are.
const STATEMENT_CACHE: usize = 500;

impl Db {
    /// Opens the database.
    ///
    /// # Errors
    /// When the URL is of another engine or malformed, or nothing answers there.
    pub async fn connect(options: &Options) -> Result<Self> {
        if options.url.starts_with("sqlite:") {
            Ok(Self {
                writer: sqlite(options, 1).await?,
                reader: sqlite(options, options.connections).await?,
                replica: None,
                watch: None,
            })
        } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
            let pool = postgres(options, &options.url).await?;
            let replica = match &options.replica_url {
                Some(url) => Some(postgres(options, url).await?),
                None => None,
            };
            Ok(Self {
                writer: pool.clone(),
                reader: pool,
                replica,
                watch: None,
            })
        } else {
            Err(Error::Url)
        }
    }

    /// The engine.
    pub fn backend(&self) -> DbBackend {
        self.writer.get_database_backend()
    }

    /// For the reads of one request, see [`reader`](crate::reader).
    pub fn read(&self) -> Reader {
        Reader::new(self.reader.clone(), self.watch.clone())
    }

    /// For reading outside a transaction and a request.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For reads that tolerate lag: the replica where there is one.
    pub fn lagging_reader(&self) -> &DatabaseConnection {
        self.replica.as_ref().unwrap_or(&self.reader)
    }

    /// The pool that writes, for migrations and maintenance; use cases take [`Db::begin`].
    pub fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// A transaction that writes. On SQLite it holds the write lock from the start, so that
    /// two writers queue instead of failing halfway.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let mode = match self.backend() {
            DbBackend::Sqlite => Some(SqliteTransactionMode::Immediate),
            _ => None,
        };
        let options = TransactionOptions {
            sqlite_transaction_mode: mode,
            ..Default::default()
        };
        Ok(self.writer.begin_with_options(options).await?)
    }

    /// Sees that the database can be written, by a write that is undone.
    ///
    /// # Errors
    /// For a read-only file, a full one, or a standby.
    pub async fn check_writable(&self) -> Result<()> {
        let txn = self.begin().await?;
        if self.backend() == DbBackend::Sqlite {
            // `BEGIN IMMEDIATE` says nothing on a read-only file; only a write does.
            txn.execute_unprepared("CREATE TABLE is_writable (id INTEGER)")
                .await?;
        } else {
            let sql = "SELECT current_setting('transaction_read_only') AS read_only";
            let row = txn
                .query_one_raw(statement(DbBackend::Postgres, sql, []))
                .await?;
            let read_only = row.map(|it| it.try_get::<String>("", "read_only"));
            if read_only.transpose()?.as_deref() == Some("on") {
                let message = "the server allows no writing: a standby, or set read-only";
                return Err(sea_orm::DbErr::Custom(message.to_owned()).into());
            }
        }
        Ok(txn.rollback().await?)
    }

    /// Hears what other processes [`notify`](Self::notify), by a connection of its own; nothing
    /// on SQLite, where there are no others.
    ///
    /// # Errors
    /// When the server does not take another connection.
    pub async fn listen(&self, channel: &str) -> Result<Option<Listener>> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(None);
        }
        let pool = self.writer.get_postgres_connection_pool();
        let options = (*pool.connect_options())
            .clone()
            .application_name(Listener::APPLICATION_NAME);
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(LISTENER_PATIENCE)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with(options);
        let mut inner = PgListener::connect_with(&own).await.map_err(unavailable)?;
        inner.eager_reconnect(false);
        inner.listen(channel).await.map_err(unavailable)?;
        Ok(Some(Listener(inner)))
    }

    /// Tells the processes that [`listen`](Self::listen), this one included; nothing on SQLite.
    ///
    /// In a statement of its own: `NOTIFY` in a transaction makes all such transactions commit
    /// one after the other.
    ///
    /// # Errors
    /// When the server is away, or the text has 8000 bytes or more.
    pub async fn notify(&self, channel: &str, text: &str) -> Result<()> {
        if self.backend() == DbBackend::Postgres {
            let sql = "SELECT pg_notify($1, $2)";
            let values = [channel.into(), text.into()];
            self.writer
                .execute_raw(statement(DbBackend::Postgres, sql, values))
                .await?;
        }
        Ok(())
    }

    /// How many connections each pool has open.
    pub fn pools(&self) -> Vec<Pool> {
        let state = |name, it: &DatabaseConnection| {
            let (open, idle) = if it.get_database_backend() == DbBackend::Sqlite {
                let pool = it.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle())
            } else {
                let pool = it.get_postgres_connection_pool();
                (pool.size(), pool.num_idle())
            };
            Pool {
                name,
                open,
                idle: u32::try_from(idle).unwrap_or(open),
            }
        };
        let mut pools = vec![state("reader", &self.reader)];
        if self.backend() == DbBackend::Sqlite {
            pools.push(state("writer", &self.writer));
        }
        pools.extend(self.replica.as_ref().map(|it| state("replica", it)));
        pools
    }

    /// Calls `watch` with every statement sent, for tests that count them.
    pub fn watch<F>(&mut self, watch: F)
    where
        F: Fn(&sea_orm::metric::Info<'_>) + Send + Sync + Clone + 'static,
    {
        self.writer.set_metric_callback(watch.clone());
        self.reader.set_metric_callback(watch.clone());
        self.watch = Some(Arc::new(watch));
    }

    /// Closes every connection, when the last statement has ended.
    pub async fn close(self) -> Result<()> {
        if let Some(replica) = self.replica {
            replica.close().await?;
        }
        self.reader.close_by_ref().await?;
        self.writer.close().await?;
        Ok(())
    }
}

/// How long a listener waits for its connection, and for an answer on it.
const LISTENER_PATIENCE: Duration = Duration::from_secs(5);
/// A connection that said nothing for so long is asked whether it is still there.
const LISTENER_QUIET: Duration = Duration::from_secs(30);

/// A connection that hears notifications.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// What its connection is called in `pg_stat_activity`.
    pub const APPLICATION_NAME: &str = "anima feed";

    /// The next text that somebody told.
    ///
    /// # Errors
    /// When the connection is lost, and with it what was told meanwhile: listen again.
    pub async fn next(&mut self) -> Result<String> {
        loop {
            match timeout(LISTENER_QUIET, self.0.try_recv()).await {
                Ok(Ok(Some(notification))) => return Ok(notification.payload().to_owned()),
                Ok(Ok(None)) => return Err(unavailable("the connection was closed")),
                Ok(Err(error)) => return Err(unavailable(error)),
                Err(_) => {
                    let asked = timeout(LISTENER_PATIENCE, self.0.execute("SELECT 1")).await;
                    asked.map_err(unavailable)?.map_err(unavailable)?;
                }
            }
        }
    }
}

fn unavailable(cause: impl std::fmt::Display) -> Error {
    let cause = sea_orm::RuntimeErr::Internal(cause.to_string());
    Error::Unavailable(sea_orm::DbErr::Conn(cause))
}

fn pool(options: &Options, url: &str, connections: u32) -> ConnectOptions {
    let mut pool = ConnectOptions::new(url);
    pool.max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .idle_timeout(Some(Duration::from_mins(10)))
        .test_before_acquire_if_idle_for(Duration::from_secs(10))
        .sqlx_logging(false);
    pool
}

async fn sqlite(options: &Options, connections: u32) -> Result<DatabaseConnection> {
    let busy = options.statement_timeout;
    let mut pool = pool(options, &options.url, connections);
    pool.map_sqlx_sqlite_opts(move |it| {
        it.journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(busy)
            .statement_cache_capacity(STATEMENT_CACHE)
            .optimize_on_close(true, None)
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "-16000")
            .pragma("mmap_size", "268435456")
    });
    Ok(Database::connect(pool).await?)
}

async fn postgres(options: &Options, url: &str) -> Result<DatabaseConnection> {
    backend_of(url)?;
    // SeaORM knows only the shorter of the two names of the scheme.
    let url = url.replacen("postgresql:", "postgres:", 1);
    let mut pool = pool(options, &url, options.connections);
    pool.statement_timeout(options.statement_timeout)
        .set_application_name("anima")
        .map_sqlx_postgres_opts(|it| it.statement_cache_capacity(STATEMENT_CACHE));
    Ok(Database::connect(pool).await?)
}

/// A statement whose text never changes. `$1`, `$2` … on both engines.
///
/// Write the text once per engine where they differ, with [`one_of`] for a list of ids.
pub fn statement(
    backend: DbBackend,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(backend, sql, values)
}

/// A list of ids as one parameter, for [`one_of`] and for joins.
pub fn id_list(backend: DbBackend, ids: impl IntoIterator<Item = impl Into<Uuid>>) -> Value {
    match backend {
        DbBackend::Sqlite => {
            let mut json = String::from("[");
            for (i, id) in ids.into_iter().enumerate() {
                let separator = if i == 0 { "" } else { "," };
                let id: Uuid = id.into();
                json.push_str(separator);
                json.push('"');
                json.push_str(id.simple().encode_lower(&mut Uuid::encode_buffer()));
                json.push('"');
            }
            json.push(']');
            json.into()
        }
        _ => Value::Array(
            ArrayType::Uuid,
            Some(Box::new(
                ids.into_iter()
                    .map(|id| Value::Uuid(Some(id.into())))
                    .collect(),
            )),
        ),
    }
}

/// Whether a text is a database URL of an engine we know, before connecting.
pub fn backend_of(url: &str) -> Result<DbBackend> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") if SqliteConnectOptions::from_str(url).is_ok() => Ok(DbBackend::Sqlite),
        Some("postgres" | "postgresql")
            if sea_orm::sqlx::postgres::PgConnectOptions::from_str(url).is_ok() =>
        {
            Ok(DbBackend::Postgres)
        }
        _ => Err(Error::Url),
    }
}

/// A time as text, as SQLite keeps it; PostgreSQL reads it too.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// The hour a time lies in, in UTC, as text: `2026-09-01T12`.
pub fn hour_text(db: &impl ConnectionTrait, column: impl IntoColumnRef) -> Expr {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "SUBSTR(?, 1, 13)",
        _ => "TO_CHAR($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')",
    };
    Expr::cust_with_exprs(sql, [Expr::col(column)])
}

/// An empty JSON array, of the type of a JSON column.
pub fn empty_array(db: &impl ConnectionTrait) -> &'static str {
    match db.get_database_backend() {
        DbBackend::Sqlite => "'[]'",
        _ => "'[]'::jsonb",
    }
}

/// "column is one of these ids", with constant text for any number of them.
pub fn one_of(
    db: &impl ConnectionTrait,
    column: impl IntoColumnRef,
    ids: impl IntoIterator<Item = impl Into<Uuid>>,
) -> Expr {
    let backend = db.get_database_backend();
    let list = Expr::val(id_list(backend, ids));
    let text = match backend {
        DbBackend::Sqlite => "? IN (SELECT unhex(value) FROM json_each(?))",
        _ => "$1 = ANY($2)",
    };
    Expr::cust_with_exprs(text, [Expr::col(column), list])
}

/// The same in a text: "column is one of the ids" of a parameter that [`id_list`] made.
pub fn listed(backend: DbBackend, column: &str, parameter: &str) -> String {
    match backend {
        DbBackend::Sqlite => {
            format!("{column} IN (SELECT unhex(value) FROM json_each({parameter}))")
        }
        _ => format!("{column} = ANY({parameter})"),
    }
}

/// At the end of a subquery: takes the rows that it finds, and passes over those that another
/// transaction has. On SQLite there is no other that writes.
pub fn skip_locked(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Sqlite => "",
        _ => "FOR UPDATE SKIP LOCKED",
    }
}

/// Waits until no other transaction holds the lock of this name and id, and holds it until
/// this one ends. For rules that span rows, such as "zones form a tree": what is read after
/// it stays so.
pub async fn lock(
    db: &impl ConnectionTrait,
    name: &'static str,
    id: impl Into<Uuid>,
) -> Result<()> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        let key = format!("{name}:{}", id.into());
        db.execute_raw(statement(
            backend,
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            [key.into()],
        ))
        .await?;
    }
    Ok(())
}

/// "column contains this text", taken literally, without regard to the case of ASCII letters
/// (PostgreSQL: of all letters that its locale knows).
pub fn contains(db: &impl ConnectionTrait, column: impl IntoColumnRef, text: &str) -> Expr {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "INSTR(LOWER(?), LOWER(?)) > 0",
        _ => "STRPOS(LOWER($1), LOWER($2)) > 0",
    };
    Expr::cust_with_exprs(sql, [Expr::col(column), Expr::val(text)])
}

/// "this array of texts has this one in it".
pub fn array_has(db: &impl ConnectionTrait, column: impl IntoColumnRef, text: &str) -> Expr {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => "EXISTS (SELECT 1 FROM json_each(?) AS one WHERE one.value = ?)",
        // The operator `?` would be taken for a parameter.
        _ => "jsonb_exists($1, $2)",
    };
    Expr::cust_with_exprs(sql, [Expr::col(column), Expr::val(text)])
}

/// "the row's words have all of these in them", by the full-text index of `table`, whatever
/// their case and ending. Only letters and digits of `text` count: its marks are never read as
/// a query language.
pub fn has_words(db: &impl ConnectionTrait, table: &'static str, text: &str) -> Expr {
    let words: Vec<&str> = text
        .split(|it: char| !it.is_alphanumeric())
        .filter(|it| !it.is_empty())
        .collect();
    if words.is_empty() {
        return Expr::cust("1 = 0");
    }
    if db.get_database_backend() == DbBackend::Sqlite {
        let quoted: Vec<String> = words.iter().map(|it| format!("\"{it}\"")).collect();
        // All columns but the first, which holds the person's id.
        let query = format!("- user_key : ({})", quoted.join(" AND "));
        let sql = format!(
            "\"{table}\".search_row IN (SELECT rowid FROM \"{table}_search\" \
             WHERE \"{table}_search\" MATCH ?)"
        );
        Expr::cust_with_values(sql, [query])
    } else {
        let sql = format!("\"{table}\".search_vector @@ plainto_tsquery('english', $1)");
        Expr::cust_with_values(sql, [words.join(" ")])
    }
}

/// A text in lower case as `lower()` of the database makes it: SQLite's knows ASCII only.
pub fn lower_case(db: &impl ConnectionTrait, text: &str) -> String {
    match db.get_database_backend() {
        DbBackend::Sqlite => text.to_ascii_lowercase(),
        _ => text.to_lowercase(),
    }
}

/// What a column holds, as far as JSON is concerned.
enum Holds {
    Plain,
    Uuid,
    Boolean,
    Json,
}

/// SQL that makes a JSON text of a row of `table`, known as `it`, without the columns `hidden`.
pub async fn row_as_json(
    db: &impl ConnectionTrait,
    table: &str,
    hidden: &[&str],
) -> Result<String> {
    let names = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM pragma_table_info($1) ORDER BY cid",
        _ => {
            "SELECT attname::text AS name FROM pg_attribute \
             WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        }
    };
    let query = statement(db.get_database_backend(), names, [table.into()]);
    let mut columns: Vec<String> = Vec::new();
    for row in db.query_all_raw(query).await? {
        columns.push(row.try_get("", "name")?);
    }
    columns.retain(|it| !hidden.contains(&it.as_str()));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    columns_as_json(db, table, &columns).await
}

/// SQL that makes a JSON text of some columns of a row of `table`, known as `it`.
///
/// Both engines give the same: identifiers as UUIDs with hyphens, times in RFC 3339.
pub async fn columns_as_json(
    db: &impl ConnectionTrait,
    table: &str,
    columns: &[&str],
) -> Result<String> {
    if db.get_database_backend() != DbBackend::Sqlite {
        let pairs = columns.iter().map(|it| format!("'{it}', it.\"{it}\""));
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        return Ok(format!("jsonb_build_object({pairs})::text"));
    }
    // SQLite knows no UUID, boolean or JSON; the checks of the declaration tell them.
    let declared = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = $1";
    let query = statement(DbBackend::Sqlite, declared, [table.into()]);
    let sql: String = match db.query_one_raw(query).await? {
        Some(row) => row.try_get("", "sql")?,
        None => String::new(),
    };
    let pairs = columns.iter().map(|it| {
        let column = format!("it.\"{it}\"");
        let value = match holds(&sql, it) {
            Holds::Plain => column,
            Holds::Boolean => {
                format!("iif({column} IS NULL, NULL, json(iif({column}, 'true', 'false')))")
            }
            Holds::Json => format!("json({column})"),
            Holds::Uuid => {
                let part = |from, length| format!("substr(hex({column}), {from}, {length})");
                let parts = [
                    part(1, 8),
                    part(9, 4),
                    part(13, 4),
                    part(17, 4),
                    part(21, 12),
                ];
                format!(
                    "iif({column} IS NULL, NULL, lower({}))",
                    parts.join(" || '-' || ")
                )
            }
        };
        format!("'{it}', {value}")
    });
    Ok(format!(
        "json_object({})",
        pairs.collect::<Vec<_>>().join(", ")
    ))
}

fn holds(table: &str, column: &str) -> Holds {
    if table.contains(&format!("json_valid(\"{column}\"")) {
        Holds::Json
    } else if table.contains(&format!("\"{column}\" IN (0, 1)")) {
        Holds::Boolean
    } else if table.contains(&format!("\"{column}\" BLOB")) {
        Holds::Uuid
    } else {
        Holds::Plain
    }
}
