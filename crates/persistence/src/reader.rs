//! Reading for one request: statements that wait for each other share one connection.
//!
//! Taking a connection from the pool and giving it back costs more than a short statement
//! does. The statements of one level of a query are asked for together, so they go one after
//! the other over one connection, which is given back when none of them is left. It is never
//! held while nothing waits for it, so no request can wait for a connection that it holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_util::lock::Mutex;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult,
    RuntimeErr, Statement,
    metric::Info,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, Postgres, Sqlite, pool::PoolConnection},
};
use sea_query_sqlx::SqlxValues;

/// Told of every statement sent.
pub(crate) type Watch = Arc<dyn Fn(&Info<'_>) + Send + Sync>;

/// Reads for one request.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    pool: DatabaseConnection,
    watch: Option<Watch>,
    /// The connection, between two statements that wait for each other.
    held: Mutex<Option<Held>>,
    /// How many statements run or wait.
    asking: AtomicUsize,
}

enum Held {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.0.pool).finish()
    }
}

/// One of those that run or wait; the last to go gives back what is held.
struct Asking<'a>(&'a Inner);

impl<'a> Asking<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.asking.fetch_add(1, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.0.asking.fetch_sub(1, Ordering::SeqCst) == 1
            && let Some(mut held) = self.0.held.try_lock()
        {
            *held = None;
        }
    }
}

impl Reader {
    /// Over a pool.
    pub(crate) fn new(pool: DatabaseConnection, watch: Option<Watch>) -> Self {
        Self(Arc::new(Inner {
            pool,
            watch,
            held: Mutex::default(),
            asking: AtomicUsize::new(0),
        }))
    }

    async fn acquire(&self) -> Result<Held, DbErr> {
        let pool = &self.0.pool;
        let held = if pool.get_database_backend() == DbBackend::Sqlite {
            let pool = pool.get_sqlite_connection_pool();
            pool.acquire().await.map(Held::Sqlite)
        } else {
            let pool = pool.get_postgres_connection_pool();
            pool.acquire().await.map(Held::Postgres)
        };
        held.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
            sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            other => DbErr::Conn(RuntimeErr::SqlxError(other.into())),
        })
    }
}

/// Sends a statement by a method of sqlx's query; on an error the connection goes back to the
/// pool, which sees what became of it.
macro_rules! send {
    ($reader:ident, $statement:ident, $method:ident, $kind:ident) => {{
        let inner = &*$reader.0;
        let asking = Asking::new(inner);
        let mut between = inner.held.lock().await;
        let mut held = match between.take() {
            Some(held) => held,
            None => $reader.acquire().await?,
        };
        let begun = inner.watch.as_ref().map(|_| (Instant::now(), $statement.clone()));
        let Statement { sql, values, .. } = $statement;
        let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
        let query = AssertSqlSafe(sql);
        let outcome = match &mut held {
            Held::Postgres(it) => {
                let sent = sqlx::query_with::<Postgres, _>(query, values).$method(&mut **it);
                sent.await.map(|it| send!(@into $method, it))
            }
            Held::Sqlite(it) => {
                let sent = sqlx::query_with::<Sqlite, _>(query, values).$method(&mut **it);
                sent.await.map(|it| send!(@into $method, it))
            }
        };
        if outcome.is_ok() && inner.asking.load(Ordering::SeqCst) > 1 {
            *between = Some(held);
        }
        drop(between);
        drop(asking);
        if let (Some(watch), Some((begun, statement))) = (&inner.watch, begun) {
            watch(&Info {
                elapsed: begun.elapsed(),
                statement: &statement,
                failed: outcome.is_err(),
            });
        }
        outcome.map_err(|error| DbErr::$kind(RuntimeErr::SqlxError(error.into())))
    }};
    (@into execute, $done:ident) => {
        ExecResult::from($done)
    };
    (@into fetch_optional, $row:ident) => {
        $row.map(QueryResult::from)
    };
    (@into fetch_all, $rows:ident) => {
        $rows.into_iter().map(QueryResult::from).collect()
    };
}

#[async_trait::async_trait]
impl ConnectionTrait for Reader {
    fn get_database_backend(&self) -> DbBackend {
        self.0.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        send!(self, statement, execute, Exec)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.pool.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        send!(self, statement, fetch_optional, Query)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        send!(self, statement, fetch_all, Query)
    }
}
