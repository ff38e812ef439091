//! Entities and rules. Knows no database, no protocol, no clock, no runtime, no randomness
//! but what it is handed.
//!
//! # Recipe: a new rule
//!
//! 1. Find its context (the module names are the same in every crate); write the function
//!    beside its kin, pure: times, ids and seeds are arguments.
//! 2. Input is checked with [`check::Check`], which reports every fault with its field;
//!    a state that forbids something is a variant of the context's error enum.
//! 3. Public items say meaning, unit, range and source: field docs become the API's docs.
//! 4. Every acceptance number of the rule is a test beside the code; ranges, monotonicity
//!    and neutrality are property tests.
//!
//! # Recipe: a new entity
//!
//! A struct with a doc on every field, an [`id!`](values), `text_enum!`s for its enums;
//! derives for GraphQL and `SeaORM` under the crate's features only. Then see the module
//! docs of `persistence`, `graphql` and `migration`.

#[macro_use]
pub mod values;

pub mod audit;
pub mod check;
pub mod conversation;
pub mod device;
pub mod dna;
pub mod identity;
pub mod outbox;
pub mod persona;
pub mod relationship;
