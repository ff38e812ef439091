//! What tests share: a fresh database on either engine, a clock that the test moves, people,
//! and requests through the schema. A development dependency only.
//!
//! ```ignore
//! on_both_engines! {
//!     async fn a_zone_is_renamed(world: World) {
//!         let ann = world.person("Ann").await;
//!         let answer = world.run(&ann, "mutation { … }", json!({})).await;
//!         assert_snapshot!(answer.data(), @"…");
//!     }
//! }
//! ```

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its world should panic"
)]

pub mod database;
mod llm;
mod world;

pub use database::{Database, Engine};
pub use llm::FakeLlm;
pub use world::{Answer, Statements, TestClock, World};

/// One test, run on SQLite and on PostgreSQL, each with a fresh database: makes
/// `mod name { sqlite, postgres }`.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn scenario($world: $crate::World) $body

            #[tokio::test]
            async fn sqlite() {
                scenario($crate::World::new($crate::Engine::Sqlite).await).await;
            }

            #[tokio::test]
            async fn postgres() {
                if $crate::database::postgres_url().is_some() {
                    scenario($crate::World::new($crate::Engine::Postgres).await).await;
                }
            }
        }
    )+};
}
