//! What the benchmarks share: a load generator, and the hand-written handler to compare with.
//!
//! Nothing here is a test: benchmarks print figures and ratios, and judge nothing.

pub mod load;
pub mod process;
pub mod reference;
