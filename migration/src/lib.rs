//! The schema and its migrations, for SQLite and PostgreSQL 14+ with pgvector.
//!
//! Each context has one file, `m<date>_<number>_<context>.rs`, which declares its tables in the
//! words of [`schema`]; [`engine`] turns a declaration into the SQL of either engine, and
//! [`mod@run`] applies it: under a lock, in one transaction.
//!
//! # How to add a table
//!
//! Until 0.1.0 is tagged, declare it in its context's file, and begin with an empty database
//! (`anima-migration fresh`). `id`, `created_at` and `updated_at` come by themselves, as does an
//! index for each foreign key:
//!
//! ```
//! use anima_migration::schema::{log, score, table, text, time, user};
//!
//! # let _ =
//! table("dreams", [user(), text("title").at_most(200), score("vividness"), time("dreamt_at")])
//!     .index(&["user_id", "dreamt_at desc"]);
//! # let _ =
//! log("dream_readings", [user(), text("reading")]);
//! ```
//!
//! [`schema::table`] is for rows that change, [`schema::log`] for rows that are written once. Give
//! every row about a person [`schema::user`]. Then describe the table in
//! `migration/tests/seeds.toml` and run the tests of this crate with `UPDATE_DOCS=1`, which writes
//! `docs/data-model.md` anew.
//!
//! From 0.1.0 on the files here are frozen. A change is a new file with a [`MigrationTrait`] of
//! its own, added to the end of [`Migrator::migrations`]; a new context's tables can still be
//! declared as above and passed to [`engine::create`]. Foreign keys are off on SQLite while a
//! migration runs and checked before it commits, so that a table can be rebuilt.

use async_trait::async_trait;
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbErr},
};

pub mod engine;
pub mod run;
pub mod schema;

mod m20260901_000001_identity;
mod m20260901_000002_device;
mod m20260901_000003_dna;
mod m20260901_000004_conversation;
mod m20260901_000005_relationship;
mod m20260901_000006_memory;
mod m20260901_000007_mindscape;
mod m20260901_000008_persona;
mod m20260901_000009_wellbeing;
mod m20260901_000010_schedule;
mod m20260901_000011_audit;
mod m20260901_000012_outbox;

pub use run::{Error, State};

/// The migrations of this version, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        NAMES
            .iter()
            .enumerate()
            .map(|(position, name)| {
                Box::new(CreateContext { name, position }) as Box<dyn MigrationTrait>
            })
            .collect()
    }
}

/// Names under which the migrations are recorded; in the order of [`contexts`].
const NAMES: [&str; 12] = [
    "m20260901_000001_identity",
    "m20260901_000002_device",
    "m20260901_000003_dna",
    "m20260901_000004_conversation",
    "m20260901_000005_relationship",
    "m20260901_000006_memory",
    "m20260901_000007_mindscape",
    "m20260901_000008_persona",
    "m20260901_000009_wellbeing",
    "m20260901_000010_schedule",
    "m20260901_000011_audit",
    "m20260901_000012_outbox",
];

/// The declared tables of every context, in the order of their creation.
#[must_use]
pub fn contexts() -> [schema::Context; NAMES.len()] {
    [
        m20260901_000001_identity::context(),
        m20260901_000002_device::context(),
        m20260901_000003_dna::context(),
        m20260901_000004_conversation::context(),
        m20260901_000005_relationship::context(),
        m20260901_000006_memory::context(),
        m20260901_000007_mindscape::context(),
        m20260901_000008_persona::context(),
        m20260901_000009_wellbeing::context(),
        m20260901_000010_schedule::context(),
        m20260901_000011_audit::context(),
        m20260901_000012_outbox::context(),
    ]
}

/// Creates the tables and views of one context.
struct CreateContext {
    name: &'static str,
    position: usize,
}

impl MigrationName for CreateContext {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for CreateContext {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = engine::create(manager.get_database_backend(), &contexts(), self.position);
        manager
            .get_connection()
            .execute_unprepared(&sql)
            .await
            .map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = engine::drop(manager.get_database_backend(), &contexts(), self.position);
        manager
            .get_connection()
            .execute_unprepared(&sql)
            .await
            .map(drop)
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// Brings the database up to this version, waiting for any other migrator to finish first, and
/// returns the names of the migrations that were applied: none when it was up to date.
///
/// # Errors
///
/// [`Error::Newer`] for a database of a later version; nothing is changed by any error.
pub async fn migrate(database: &DatabaseConnection) -> Result<Vec<String>, Error> {
    run::up::<Migrator>(database, None).await
}

/// What has been applied to the database. Only reads.
pub async fn state(database: &DatabaseConnection) -> Result<State, Error> {
    run::state::<Migrator, _>(database).await
}
