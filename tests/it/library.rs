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

    async fn other(&self) -> async_graphql::Result<Option<i32>> {
        tokio::task::yield_now().await;
        Err("no".into())
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
    assert_snapshot!(answer("{ slow fast leaf { firm number } alias: slow }").await, @r#"{"data":{"slow":1,"fast":2,"leaf":{"firm":0,"number":0},"alias":1}}"#);
    assert_snapshot!(
        answer("query { ...F fast } fragment F on Query { slow leaf { number firm } }").await,
        @r#"{"data":{"slow":1,"leaf":{"number":0,"firm":0},"fast":2}}"#
    );
}

#[tokio::test]
async fn a_failing_field_nulls_the_nearest_parent_that_may_be_null() {
    assert_snapshot!(answer("{ leaf { number child { number firm } } fast }").await, @r#"{"errors":[{"message":"broken","locations":[{"line":1,"column":32}],"path":["leaf","child","firm"]}],"data":{"leaf":{"number":0,"child":null},"fast":2}}"#);
    assert_snapshot!(answer("{ leaves { number firm } fast }").await, @r#"{"errors":[{"message":"broken","locations":[{"line":1,"column":19}],"path":["leaves",1,"firm"]}],"data":{"leaves":[{"number":0,"firm":0},null,{"number":2,"firm":2}],"fast":2}}"#);
    // A list of non-null things: nulled whole, but the path stops at the index, a fault of rc.5.
    assert_snapshot!(answer("{ firm { number firm } fast }").await, @r#"{"errors":[{"message":"broken","locations":[{"line":1,"column":17}],"path":["firm",1]}],"data":{"firm":null,"fast":2}}"#);
}

#[tokio::test]
async fn an_optional_field_that_fails_is_null_itself() {
    assert_snapshot!(answer("{ fast optional }").await, @r#"{"errors":[{"message":"no","locations":[{"line":1,"column":8}],"path":["optional"]}],"data":{"fast":2,"optional":null}}"#);
}

/// A fault of rc.5: the same in the contract, but the error nulls the parent. Where a field is
/// to fail by itself, write `Option<Result<T>>`.
#[tokio::test]
async fn a_result_of_an_option_that_fails_nulls_its_parent() {
    assert_snapshot!(answer("{ fast other }").await, @r#"{"errors":[{"message":"no","locations":[{"line":1,"column":8}],"path":["other"]}],"data":null}"#);
}

#[tokio::test]
async fn a_path_names_aliases_and_indices() {
    assert_snapshot!(answer("{ all: leaves { wrong: firm } }").await, @r#"{"errors":[{"message":"broken","locations":[{"line":1,"column":17}],"path":["all",1,"wrong"]}],"data":{"all":[{"wrong":0},null,{"wrong":2}]}}"#);
}
