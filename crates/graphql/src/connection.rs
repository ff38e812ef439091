//! Relay connections: arguments in, pages out.

use app::Error;
use async_graphql::{Context, InputObject, connection::PageInfo};
use data_encoding::BASE64URL_NOPAD;
use persistence::page::{Cursor, Key, Page, Slice};
use uuid::Uuid;

use crate::Result;

/// How many a list gives when not asked.
const DEFAULT_SIZE: u64 = 20;
/// How many a list gives at most.
const MAX_SIZE: i32 = 100;

/// The four Relay arguments, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageArgs {
    /// Forward: how many.
    pub first: Option<i32>,
    /// Forward: after which cursor.
    pub after: Option<String>,
    /// Backward: how many.
    pub last: Option<i32>,
    /// Backward: before which cursor.
    pub before: Option<String>,
}

impl PageArgs {
    /// The page they ask for.
    ///
    /// # Errors
    /// When both directions are asked for, a size lies outside 0–100, or a cursor is not one.
    pub fn page(self) -> Result<Page> {
        let Self {
            first,
            after,
            last,
            before,
        } = self;
        if first.is_some() && last.is_some() {
            return Err(bad("first", "give first or last, not both"));
        }
        if last.is_some() && after.is_some() {
            return Err(bad("after", "after goes with first, before goes with last"));
        }
        if last.is_none() && before.is_some() {
            return Err(bad(
                "before",
                "before goes with last, after goes with first",
            ));
        }
        let size = match (
            first.or(last),
            if first.is_some() { "first" } else { "last" },
        ) {
            (None, _) => DEFAULT_SIZE,
            (Some(n), name) if !(0..=MAX_SIZE).contains(&n) => {
                return Err(bad(
                    name,
                    &format!("{name} is {n}: expected 0 to {MAX_SIZE}"),
                ));
            }
            (Some(n), _) => u64::try_from(n).unwrap_or(DEFAULT_SIZE),
        };
        Ok(Page {
            after: after.map(|it| decode("after", &it)).transpose()?,
            before: before.map(|it| decode("before", &it)).transpose()?,
            size,
            last: last.is_some(),
        })
    }
}

/// How many, for a short list that is not paged: 1–100.
pub fn size(field: &str, n: i32) -> Result<u64> {
    match u64::try_from(n) {
        Ok(n @ 1..=100) => Ok(n),
        _ => Err(bad(
            field,
            &format!("{field} is {n}: expected 1 to {MAX_SIZE}"),
        )),
    }
}

fn bad(field: &str, message: &str) -> crate::Failure {
    Error::invalid(field, message).into()
}

/// A cursor as clients see it: opaque.
pub fn encode(key: Key, id: impl Into<Uuid>) -> String {
    let cursor = Cursor { key, id: id.into() };
    // A cursor is a text, number or time and an id: always JSON, save a number that is not
    // finite, which no score column admits.
    BASE64URL_NOPAD.encode(&serde_json::to_vec(&cursor).unwrap_or_default())
}

fn decode(field: &str, text: &str) -> Result<Cursor> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| bad(field, &format!("{field} is not a cursor of this list")))
}

/// Whether the query asks for `totalCount`, which costs a statement of its own.
pub fn wants_total(ctx: &Context<'_>) -> bool {
    ctx.look_ahead().field("totalCount").exists()
}

/// Page information of edges.
pub fn page_info<T>(slice: &Slice<T>, first: Option<&str>, last: Option<&str>) -> PageInfo {
    PageInfo {
        has_previous_page: slice.has_previous,
        has_next_page: slice.has_next,
        start_cursor: first.map(str::to_owned),
        end_cursor: last.map(str::to_owned),
    }
}

/// A range of a score: every bound given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, InputObject)]
pub struct ScoreFilter {
    /// Greater than.
    pub gt: Option<f64>,
    /// Greater than or equal to.
    pub gte: Option<f64>,
    /// Less than.
    pub lt: Option<f64>,
    /// Less than or equal to.
    pub lte: Option<f64>,
}

/// Declares the Relay connection of a node type.
///
/// `connection!(EntityConnection, EntityEdge, Entity, "entities")` makes both object types,
/// and `EntityConnection::of(slice, total, |node| (key, id))`.
#[macro_export]
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $what:literal) => {
        #[doc = concat!("A page of ", $what, ".")]
        pub struct $connection {
            edges: Vec<$edge>,
            page_info: async_graphql::connection::PageInfo,
            total_count: Option<i64>,
        }

        #[doc = concat!("One of a page of ", $what, ", with its place.")]
        #[derive(Clone, Debug, async_graphql::SimpleObject)]
        pub struct $edge {
            /// Its place in the list, for `after` and `before`.
            pub cursor: String,
            /// The thing itself.
            pub node: $node,
        }

        impl $connection {
            /// A page, with the cursor of each row.
            pub fn of(
                slice: persistence::page::Slice<$node>,
                total_count: Option<i64>,
                place: impl Fn(&$node) -> (persistence::page::Key, uuid::Uuid),
            ) -> Self {
                let slice = slice.map(|node| {
                    let (key, id) = place(&node);
                    $edge {
                        cursor: $crate::connection::encode(key, id),
                        node,
                    }
                });
                let page_info = $crate::connection::page_info(
                    &slice,
                    slice.rows.first().map(|it| it.cursor.as_str()),
                    slice.rows.last().map(|it| it.cursor.as_str()),
                );
                Self {
                    edges: slice.rows,
                    page_info,
                    total_count,
                }
            }
        }

        #[doc = concat!("A page of ", $what, ".")]
        #[async_graphql::Object]
        impl $connection {
            /// The page's rows with their places.
            async fn edges(&self) -> &[$edge] {
                &self.edges
            }

            /// The page's rows.
            async fn nodes(&self) -> Vec<&$node> {
                self.edges.iter().map(|it| &it.node).collect()
            }

            /// Whether there is more on either side, and from where.
            async fn page_info(&self) -> &async_graphql::connection::PageInfo {
                &self.page_info
            }

            /// How many there are in all pages; counted only when asked for.
            async fn total_count(&self) -> Option<i64> {
                self.total_count
            }
        }
    };
}
