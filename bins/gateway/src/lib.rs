//! The gateway: everything between the socket and the schema.
//!
//! A request goes through [`http`] (or [`ws`], [`sse`]) into [`operation`], where it is found
//! ([`documents`]), measured ([`budget`]), paid for ([`limits`]), checked ([`variables`]) and
//! executed. What it may see is decided further down, by its viewer.
//!
//! The library's own parts are used where they serve: its parser, its two validation modes,
//! its executor. Its HTTP and WebSocket handlers are not, since they fail the specification in
//! a dozen places; and its limits are not, since they walk a document before they bound it.
//!
//! [`serve`] starts one, in this process: the program does, and so do tests and benchmarks.

pub mod budget;
pub mod caller;
pub mod commands;
pub mod config;
pub mod documents;
pub mod export;
pub mod graphiql;
pub mod health;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod model;
pub mod operation;
pub mod refusal;
pub mod scan;
pub mod serve;
pub mod shutdown;
pub mod sockets;
pub mod sse;
pub mod start;
pub mod value;
pub mod variables;
pub mod ws;

pub use config::Config;
pub use serve::{Gateway, Running, ServeError, serve};
