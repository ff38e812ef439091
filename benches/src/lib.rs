//! What the benchmarks share: a load generator, the gateway as a process, and the hand-written
//! handler to compare with.
//!
//! Nothing here is a test: benchmarks print figures and ratios, and judge nothing.

pub mod load;
pub mod process;
pub mod reference;
