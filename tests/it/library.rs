//! What we rely on async-graphql for, and what other versions of it got wrong (7.1 to 7.2.1:
//! fields in order of completion, a failing non-null field dropped instead of nulling its
//! parent). On a small schema of its own.

use std::time::Duration;

use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
use insta::assert_snapshot;

struct Query;

struct Leaf(i32);

#[Object]
impl Query {
    /// Late, so that its siblings are done first.
    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        1
    }

    async fn fast(&self) -> i32 {
        2
    }

    async fn leaf(&self) -> Option<Leaf> {
        Some(Leaf(0))
    }

    async fn leaves(&self) -> Vec<Option<Leaf>> {
        (0..3).map(|n| Some(Leaf(n))).collect()
    }

    async fn firm(&self) -> Option<Vec<Leaf>> {
        Some((0..3).map(Leaf).collect())
    }

    async fn optional(&self) -> Option<async_graphql::Result<i32>> {
        Some(Err("no".into()))
    }
}

#[Object]
impl Leaf {
    async fn number(&self) -> i32 {
        self.0
    }

    /// Non-null, and fails for 1.
    async fn firm(&self) -> async_graphql::Result<i32> {
        if self.0 == 1 {
            Err("broken".into())
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(self.0)
        }
    }

    async fn child(&self) -> Option<Leaf> {
        Some(Leaf(1))
    }
}

async fn answer(query: &str) -> String {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).finish();
    serde_json::to_string(&schema.execute(query).await).unwrap()
}

#[tokio::test]
async fn keys_come_in_the_order_of_the_query() {
    assert_snapshot!(answer("{ slow fast leaf { firm number } alias: slow }").await, @"");
    assert_snapshot!(
        answer("query { ...F fast } fragment F on Query { slow leaf { number firm } }").await,
        @""
    );
}

#[tokio::test]
async fn a_failing_field_nulls_the_nearest_parent_that_may_be_null() {
    assert_snapshot!(answer("{ leaf { number child { number firm } } fast }").await, @"");
    assert_snapshot!(answer("{ leaves { number firm } fast }").await, @"");
    assert_snapshot!(answer("{ firm { number firm } fast }").await, @"");
}

#[tokio::test]
async fn an_optional_field_that_fails_is_null_itself() {
    assert_snapshot!(answer("{ fast optional }").await, @"");
}

#[tokio::test]
async fn a_path_names_aliases_and_indices() {
    assert_snapshot!(answer("{ all: leaves { wrong: firm } }").await, @"");
}
