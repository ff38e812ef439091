//! Keyset pagination: pages by position (sort key, id), never by OFFSET.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, EntityTrait, FromQueryResult, Iterable, ModelTrait, Order, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select, Value,
    sea_query::{Alias, Expr, ExprTrait, Func, Query, WindowStatement},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Result, engine};

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
    select = within(select, (key, id), descending, page);
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

/// Only what lies between the page's cursors.
fn within<E: EntityTrait>(
    mut select: Select<E>,
    (key, id): (E::Column, E::Column),
    descending: bool,
    page: &Page,
) -> Select<E> {
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
    select
}

/// How the children of many parents are paged.
#[derive(Clone, Copy, Debug)]
pub struct Each<C> {
    /// The column that names the parent.
    pub parent: C,
    /// The sort key and the id.
    pub place: (C, C),
    /// The order.
    pub descending: bool,
}

/// Fetches the same page of the children of each parent, in one statement with constant text:
/// for loaders. A parent without children is left out.
pub async fn fetch_each<E>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    each: Each<E::Column>,
    parents: impl IntoIterator<Item = Uuid>,
    page: &Page,
    parent_of: impl Fn(&E::Model) -> Uuid,
) -> Result<Vec<(Uuid, Slice<E::Model>)>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + FromQueryResult + Send + Sync,
{
    let Each {
        parent,
        place: (key, id),
        descending,
    } = each;
    let order = if descending == page.last {
        Order::Asc
    } else {
        Order::Desc
    };
    let rank = Alias::new("rank_in_parent");
    let mut window = WindowStatement::partition_by((E::default(), parent));
    window
        .order_by((E::default(), key), order.clone())
        .order_by((E::default(), id), order.clone());
    let mut ranked = within(select, (key, id), descending, page)
        .filter(engine::one_of(db, (E::default(), parent), parents))
        .into_query();
    ranked.expr_window_as(Func::cust("ROW_NUMBER"), window, rank.clone());
    let size = i64::try_from(page.size)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let mut outer = Query::select();
    outer
        .columns(E::Column::iter())
        .from_subquery(ranked, Alias::new("ranked"))
        .and_where(Expr::col(rank.clone()).lte(size))
        .order_by(parent, Order::Asc)
        .order_by(rank, Order::Asc);
    let rows = E::Model::find_by_statement(db.get_database_backend().build(&outer))
        .all(db)
        .await?;
    let mut groups: Vec<(Uuid, Vec<E::Model>)> = Vec::new();
    for row in rows {
        let parent = parent_of(&row);
        match groups.last_mut() {
            Some((last, rows)) if *last == parent => rows.push(row),
            _ => groups.push((parent, vec![row])),
        }
    }
    Ok(groups
        .into_iter()
        .map(|(parent, rows)| (parent, Slice::of(rows, page)))
        .collect())
}

/// How many children each parent has, in one statement with constant text. A parent without
/// children is left out.
pub async fn count_each<E: EntityTrait>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    parent: E::Column,
    parents: impl IntoIterator<Item = Uuid>,
) -> Result<Vec<(Uuid, i64)>> {
    Ok(select
        .select_only()
        .column_as(Expr::col((E::default(), parent)), "parent")
        .column_as(Expr::cust("COUNT(*)"), "children")
        .filter(engine::one_of(db, (E::default(), parent), parents))
        .group_by(Expr::col((E::default(), parent)))
        .into_tuple()
        .all(db)
        .await?)
}
