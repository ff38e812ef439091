//! Integration tests: through the schema, on both engines, a module per context.

#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a panic is a failed test; what a snapshot shows is gathered line by line"
)]

mod audit;
mod conversation;
mod demo;
mod device;
mod dna;
mod identity;
mod library;
mod outbox;
mod persona;
mod readme;
mod schema;
mod statements;
