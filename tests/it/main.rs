//! Integration tests: through the schema, on both engines, a module per context.

mod audit;
mod device;
mod dna;
mod library;
mod schema;
mod statements;
