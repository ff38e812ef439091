//! One schema resolved by the library and by us: the same answer to everything, byte for byte.

use std::time::Duration;

use async_graphql::{EmptyMutation, EmptySubscription, Schema, SimpleObject};

fn unless_one(number: i32) -> async_graphql::Result<i32> {
    if number == 1 {
        Err("broken".into())
    } else {
        Ok(number)
    }
}

/// The same schema, whose macros write `$path` where the library's name would be.
macro_rules! world {
    ($module:ident, $path:tt) => {
        mod $module {
            use super::*;

            pub struct Query;

            /// A column is there at once, a relation is not.
            #[derive(Clone, SimpleObject)]
            #[graphql(complex, crate = $path)]
            pub struct Leaf {
                number: i32,
                text: Option<String>,
            }

            #[derive(Clone, async_graphql::Interface)]
            #[graphql(crate = $path, field(name = "number", ty = "&i32"))]
            pub enum Thing {
                Leaf(Leaf),
                Stone(Stone),
            }

            #[derive(Clone, SimpleObject)]
            #[graphql(crate = $path)]
            pub struct Stone {
                number: i32,
                weight: f64,
            }

            fn leaf(number: i32) -> Leaf {
                let text = (number % 2 == 0).then(|| format!("leaf {number}"));
                Leaf { number, text }
            }

            #[async_graphql::ComplexObject(crate = $path)]
            impl Leaf {
                async fn late(&self) -> i32 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    -self.number
                }

                async fn firm(&self) -> async_graphql::Result<i32> {
                    unless_one(self.number)
                }

                async fn late_firm(&self) -> async_graphql::Result<i32> {
                    tokio::task::yield_now().await;
                    unless_one(self.number)
                }

                async fn loose(&self) -> Option<async_graphql::Result<i32>> {
                    Some(unless_one(self.number))
                }

                async fn next(&self) -> Option<Leaf> {
                    tokio::task::yield_now().await;
                    Some(leaf(self.number + 1))
                }
            }

            #[async_graphql::Object(crate = $path)]
            impl Query {
                async fn leaf(&self, number: i32) -> Option<Leaf> {
                    Some(leaf(number))
                }

                async fn leaves(&self, many: i32) -> Vec<Option<Leaf>> {
                    tokio::task::yield_now().await;
                    (0..many).map(|it| Some(leaf(it))).collect()
                }

                async fn firm_leaves(&self) -> Option<Vec<Leaf>> {
                    Some((0..3).map(leaf).collect())
                }

                async fn things(&self) -> Vec<Thing> {
                    let stone = Stone {
                        number: 7,
                        weight: 1.5,
                    };
                    vec![Thing::Leaf(leaf(2)), Thing::Stone(stone)]
                }
            }

            pub async fn answer(query: &str) -> String {
                let schema = Schema::build(Query, EmptyMutation, EmptySubscription).finish();
                serde_json::to_string(&schema.execute(query).await).unwrap()
            }
        }
    };
}
world!(library, "async_graphql");
world!(ours, "anima_resolver");

const QUERIES: [&str; 18] = [
    "{ leaf(number: 4) { late number next { text number } text } }",
    "{ leaf(number: 4) { a: late b: number late number __typename } __typename }",
    // The same key twice is merged; the values of one field may differ in depth.
    "{ leaf(number: 4) { number next { text } number next { number next { text } } } }",
    "{ leaf(number: 4) { next { text } ...F } } fragment F on Leaf { next { number } late }",
    "{ ...Q } fragment Q on Query { leaf(number: 0) { ...F text } } fragment F on Leaf { late ...G } fragment G on Leaf { number }",
    "{ leaf(number: 2) { ... { number } ... on Leaf { text } ... on Thing { number } } }",
    "{ leaf(number: 2) { number @include(if: false) text @skip(if: false) late @include(if: true) } }",
    "{ things { __typename number ... on Leaf { late text } ... on Stone { weight } } }",
    "{ things { ...T } } fragment T on Thing { number ... on Stone { weight number } }",
    // Errors: at once, later, of something that may be null, in lists, several.
    "{ leaf(number: 1) { number firm } }",
    "{ leaf(number: 1) { number late_firm: lateFirm late } }",
    "{ leaf(number: 1) { loose number } }",
    "{ leaf(number: 0) { number next { number firm next { number } } text } }",
    "{ leaf(number: 0) { number next { number lateFirm late } text } }",
    "{ leaves(many: 3) { number firm } leaf(number: 1) { lateFirm } }",
    "{ firmLeaves { number lateFirm } leaf(number: 3) { text } }",
    "{ leaves(many: 40) { late number next { number } } }",
    "{ __schema { queryType { name fields { name } } } __type(name: \"Leaf\") { kind fields { name type { name kind } } } }",
];

#[tokio::test]
async fn every_answer_is_that_of_the_library() {
    for query in QUERIES {
        let expected = library::answer(query).await;
        assert!(!expected.contains("Cannot query"), "{expected}");
        assert_eq!(ours::answer(query).await, expected, "{query}");
    }
}
