//! Integration tests: through the schema, on both engines, a module per context.

mod audit;
mod identity;
mod schema;
