//! Rows and queries, on both engines. Every function takes `&impl ConnectionTrait`, so the
//! caller decides whether it runs on the pool or inside a transaction.
//!
//! No decision is made here and nothing is authorized here; but a query that could leak
//! takes its scope in its constructor ([`scope`]), so that forgetting it does not compile.
//!
//! # Recipe: a new table
//!
//! 1. `migration`: the table, in its context's file.
//! 2. `domain`: the entity, a doc on every field.
//! 3. Here, in the context's module: `pub mod <table> { … Model … }`, one field per column,
//!    and `mirror!(<table> => <Entity> { every, field })`. Both struct literals it makes are
//!    exhaustive: a column forgotten on either side does not compile. Add the table to
//!    `every_table_can_be_selected` in `tests/it/schema.rs`.
//! 4. Queries beside it: `insert`, `update`, `by_ids` (for a loader: constant text, see
//!    [`engine::one_of`], and [`Rows::rows`] rather than `all`), lists through [`page::fetch`], and lists of each of several parents
//!    through [`page::Children`].
//! 5. `graphql`: the wrapper with `#[graphql(flatten)]`, its relations, its loader.

/// Ties a row to the domain entity it stores, field by field.
///
/// Both struct literals are exhaustive: a new column that is missing on either
/// side, or here, does not compile. Rows are read by position ([`row::Row`]).
macro_rules! mirror {
    ($entity:ident => $domain:ty { $($field:ident),+ $(,)? } $(listed $listed:literal)?) => {
        crate::row::row!($entity { $($field),+ } $(listed $listed)?);

        impl From<$entity::Model> for $domain {
            fn from(row: $entity::Model) -> Self {
                Self { $($field: row.$field),+ }
            }
        }

        impl From<$domain> for $entity::ActiveModel {
            fn from(it: $domain) -> Self {
                Self { $($field: sea_orm::Set(it.$field)),+ }
            }
        }
    };
}

/// The queries that nearly every table has, as functions of its `Entity`: `insert`,
/// `replace`, `delete`, `by_id` and `by_ids`. They ask no scope: use cases reach for them
/// only with an id that a scoped query gave them.
macro_rules! table {
    ($entity:ident => $domain:ty) => {
        impl $entity::Entity {
            /// Adds a row.
            pub async fn add(db: &impl ConnectionTrait, it: $domain) -> crate::Result<()> {
                <Self as EntityTrait>::insert($entity::ActiveModel::from(it))
                    .exec_without_returning(db)
                    .await?;
                Ok(())
            }

            /// Overwrites the row with the same id.
            pub async fn replace(db: &impl ConnectionTrait, it: $domain) -> crate::Result<()> {
                let row = $entity::ActiveModel::from(it).reset_all();
                <Self as EntityTrait>::update(row)
                    .validate()?
                    .exec_without_returning(db)
                    .await?;
                Ok(())
            }
        }
    };
}

pub mod audit;
pub mod conversation;
pub mod device;
pub mod dna;
pub mod engine;
pub mod idempotency;
pub mod identity;
pub mod outbox;
pub mod page;
pub mod persona;
pub mod reader;
pub mod relationship;
pub mod row;
pub mod scope;

pub use engine::Db;
pub use reader::Reader;
pub use row::Rows;

/// What went wrong in the database.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A unique key is taken.
    #[error("already exists")]
    Taken(#[source] sea_orm::DbErr),
    /// A referenced row does not exist.
    #[error("refers to something that does not exist")]
    Dangling(#[source] sea_orm::DbErr),
    /// No connection, or none in time: worth trying again.
    #[error("database is not available")]
    Unavailable(#[source] sea_orm::DbErr),
    /// Anything else; the cause is for the log.
    #[error("database failure")]
    Failure(#[source] sea_orm::DbErr),
    /// A cursor that belongs to another list, or to none.
    #[error("not a cursor of this list")]
    Cursor,
    /// Not a URL of an engine we know.
    #[error(
        "not a database URL: expected sqlite://FILE?mode=rwc or postgres://USER:PASSWORD@HOST:PORT/NAME"
    )]
    Url,
}

/// The result of a query.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sea_orm::DbErr> for Error {
    fn from(error: sea_orm::DbErr) -> Self {
        use sea_orm::{DbErr, SqlErr};
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Taken(error),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::Dangling(error),
            _ if matches!(error, DbErr::Conn(_) | DbErr::ConnectionAcquire(_)) => {
                Self::Unavailable(error)
            }
            _ => Self::Failure(error),
        }
    }
}
