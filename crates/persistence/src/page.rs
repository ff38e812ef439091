//! Keyset pagination: pages by position (sort key, id), never by OFFSET.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, EntityTrait, ModelTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
    Value,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Result;

/// The sort key of a row, of the column's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Key {
    /// A timestamp.
    #[serde(rename = "t")]
    Time(DateTime<Utc>),
    /// A text.
    #[serde(rename = "s")]
    Text(String),
    /// A score.
    #[serde(rename = "n")]
    Number(f64),
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Time(it) => it.into(),
            Key::Text(it) => it.into(),
            Key::Number(it) => it.into(),
        }
    }
}

/// A position in a list: after the row with this key and id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The row's sort key.
    #[serde(rename = "k")]
    pub key: Key,
    /// The row's id, which breaks ties.
    #[serde(rename = "i")]
    pub id: Uuid,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Only what comes after this position.
    pub after: Option<Cursor>,
    /// Only what comes before this position.
    pub before: Option<Cursor>,
    /// At most so many.
    pub size: u64,
    /// The last ones rather than the first.
    pub last: bool,
}

impl Page {
    /// The first `size`.
    pub fn first(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }
}

/// One page, in the list's order, and whether more lies on either side.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// There is more after the last one.
    pub has_next: bool,
    /// There is more before the first one.
    pub has_previous: bool,
}

impl<T> Slice<T> {
    /// Of rows fetched with `size + 1` as the limit, in the order of fetching.
    pub fn of(mut rows: Vec<T>, page: &Page) -> Self {
        let size = usize::try_from(page.size).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        rows.truncate(size);
        if page.last {
            rows.reverse();
            Self {
                rows,
                has_previous: more,
                has_next: page.before.is_some(),
            }
        } else {
            Self {
                rows,
                has_next: more,
                has_previous: page.after.is_some(),
            }
        }
    }

    /// The same page of something made from the rows.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Slice<U> {
        Slice {
            rows: self.rows.into_iter().map(f).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

/// Fetches one page of `select`, ordered by (`key`, `id`).
pub async fn fetch<E>(
    db: &impl ConnectionTrait,
    mut select: Select<E>,
    (key, id): (E::Column, E::Column),
    descending: bool,
    page: &Page,
) -> Result<Slice<E::Model>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Send + Sync,
{
    let place = || {
        Expr::tuple([
            Expr::col((E::default(), key)),
            Expr::col((E::default(), id)),
        ])
    };
    let at = |cursor: &Cursor| Expr::tuple([Expr::val(cursor.key.clone()), Expr::val(cursor.id)]);
    if let Some(after) = &page.after {
        let it = if descending {
            place().lt(at(after))
        } else {
            place().gt(at(after))
        };
        select = select.filter(it);
    }
    if let Some(before) = &page.before {
        let it = if descending {
            place().gt(at(before))
        } else {
            place().lt(at(before))
        };
        select = select.filter(it);
    }
    let order = if descending == page.last {
        Order::Asc
    } else {
        Order::Desc
    };
    let rows = select
        .order_by(Expr::col((E::default(), key)), order.clone())
        .order_by(Expr::col((E::default(), id)), order)
        .limit(page.size.saturating_add(1))
        .all(db)
        .await?;
    Ok(Slice::of(rows, page))
}
