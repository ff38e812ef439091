//! The gateway from outside: bytes in, bytes out, over loopback.

mod attacks;
mod documents;
mod http;
mod lifecycle;
mod limits;
mod sse;
mod support;
mod ws;
