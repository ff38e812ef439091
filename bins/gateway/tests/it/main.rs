//! The gateway from outside: bytes in, bytes out, over loopback.

#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a helper of a test may fail as the test does, and needs no speed"
)]

mod attacks;
mod documents;
mod export;
mod http;
mod lifecycle;
mod limits;
mod sse;
mod stock;
mod support;
mod worker;
mod ws;
