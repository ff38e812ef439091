//! Tests of the schema and its migrations, on SQLite and, where `TEST_DATABASE_URL` names a
//! server, PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod command;
mod constraints;
mod database;
mod introspection;
mod running;
mod sample;
mod search;
mod seeds;
