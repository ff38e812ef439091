//! Keyset pagination: pages by position (sort key, id), never by OFFSET.
//!
//! [`fetch`] gives one page of one list; [`Children`] one page of each parent's list, or
//! their lengths, in one statement with constant text for any number of parents.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
};

use chrono::{DateTime, Datelike, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ModelTrait, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Value,
    sea_query::{
        Asterisk, ColumnType, Expr, ExprTrait, Func, IntoCondition, JoinType, Query,
        SelectStatement, WindowStatement,
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error, Result, engine,
    row::{self, Row, Rows},
};

/// The sort key of a row, of the column's type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Key {
    /// A timestamp.
    #[serde(rename = "t")]
    Time(DateTime<Utc>),
    /// A text.
    #[serde(rename = "s")]
    Text(String),
    /// A score: finite, since JSON has no other.
    #[serde(rename = "n")]
    Number(f64),
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Time(it) => it.hash(state),
            Self::Text(it) => it.hash(state),
            // Adding zero makes the two zeros one, which are equal.
            Self::Number(it) => (it + 0.0).to_bits().hash(state),
        }
    }
}

impl Key {
    /// Whether a database can compare it with a column of this type. A client may send a
    /// cursor of another list, or one it made up.
    fn fits(&self, column: &ColumnType) -> bool {
        let of_time = matches!(
            column,
            ColumnType::DateTime | ColumnType::Timestamp | ColumnType::TimestampWithTimeZone
        );
        let of_text = matches!(
            column,
            ColumnType::Char(_)
                | ColumnType::String(_)
                | ColumnType::Text
                | ColumnType::Enum { .. }
        );
        match self {
            Self::Time(at) => of_time && (0..=9999).contains(&at.year()),
            Self::Text(text) => of_text && !text.contains('\0'),
            Self::Number(_) => !of_time && !of_text,
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// The row's sort key.
    #[serde(rename = "k")]
    pub key: Key,
    /// The row's id, which breaks ties.
    #[serde(rename = "i")]
    pub id: Uuid,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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

/// The order of a list: by a column, then by id.
struct Place<E: EntityTrait> {
    key: E::Column,
    id: E::Column,
    descending: bool,
}

impl<E: EntityTrait> Place<E> {
    /// Only the rows beyond the page's cursor.
    ///
    /// # Errors
    /// [`Error::Cursor`] when the cursor is of another list.
    fn beyond(&self, select: Select<E>, page: &Page) -> Result<Select<E>> {
        let place = || {
            Expr::tuple([
                Expr::col((E::default(), self.key)),
                Expr::col((E::default(), self.id)),
            ])
        };
        let at = |cursor: &Cursor| {
            if cursor.key.fits(self.key.def().get_column_type()) {
                Ok(Expr::tuple([
                    Expr::val(cursor.key.clone()),
                    Expr::val(cursor.id),
                ]))
            } else {
                Err(Error::Cursor)
            }
        };
        let mut select = select;
        for (cursor, later) in [(&page.after, true), (&page.before, false)] {
            if let Some(cursor) = cursor {
                let at = at(cursor)?;
                select = select.filter(if later == self.descending {
                    place().lt(at)
                } else {
                    place().gt(at)
                });
            }
        }
        Ok(select)
    }

    /// The direction in which rows are fetched: the end of a list comes backwards.
    fn direction(&self, page: &Page) -> Order {
        if self.descending == page.last {
            Order::Asc
        } else {
            Order::Desc
        }
    }
}

/// Fetches one page of `select`, ordered by (`key`, `id`).
///
/// # Errors
/// [`Error::Cursor`] when the page's cursor is of another list.
pub async fn fetch<E>(
    db: &impl ConnectionTrait,
    select: Select<E>,
    (key, id): (E::Column, E::Column),
    descending: bool,
    page: &Page,
) -> Result<Slice<E::Model>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Row + Send + Sync,
{
    let place = Place::<E> {
        key,
        id,
        descending,
    };
    let direction = place.direction(page);
    let rows = place
        .beyond(select, page)?
        .order_by(Expr::col((E::default(), key)), direction.clone())
        .order_by(Expr::col((E::default(), id)), direction)
        .limit(page.size.saturating_add(1))
        .listed(db)
        .await?;
    Ok(Slice::of(rows, page))
}

/// How many rows there are, if that is wanted: it costs a statement of its own.
pub async fn total<E: Table>(
    db: &impl ConnectionTrait,
    select: &Select<E>,
    wanted: bool,
) -> Result<Option<i64>> {
    if !wanted {
        return Ok(None);
    }
    let rows = select.clone().count(db).await?;
    Ok(Some(i64::try_from(rows).unwrap_or(i64::MAX)))
}

/// A table whose rows can be listed; every entity is one.
pub trait Table: EntityTrait<Model: Row + Send + Sync> {}

impl<E: EntityTrait<Model: Row + Send + Sync>> Table for E {}

/// A row of a table.
pub type Model<E> = <E as EntityTrait>::Model;

/// The rows that each of several parents has, such as the devices of each owner.
///
/// PostgreSQL looks up each parent's page by itself (`LATERAL`), so an index on (parent, key,
/// id) reads no more than the page; SQLite numbers the rows of the parents asked for.
#[derive(Debug)]
pub struct Children<E: EntityTrait> {
    /// All rows that may appear, in scope and filtered.
    pub select: Select<E>,
    /// The column that names the parent.
    pub parent: E::Column,
    /// The sort key.
    pub key: E::Column,
    /// The id, which breaks ties.
    pub id: E::Column,
    /// Whether the greatest key comes first.
    pub descending: bool,
}

impl<E: Table> Children<E> {
    /// One page of each parent's rows; every parent is in the answer.
    ///
    /// # Errors
    /// [`Error::Cursor`] when the page's cursor is of another list.
    pub async fn fetch(
        self,
        db: &impl ConnectionTrait,
        parents: &[Uuid],
        page: &Page,
    ) -> Result<HashMap<Uuid, Slice<E::Model>>> {
        let Self {
            select,
            parent,
            key,
            id,
            descending,
        } = self;
        let place = Place::<E> {
            key,
            id,
            descending,
        };
        let direction = place.direction(page);
        let select = place.beyond(select, page)?.columns_as(E::Model::LISTED);
        let limit = page.size.saturating_add(1);

        let backend = db.get_database_backend();
        let mut query = if backend == sea_orm::DbBackend::Sqlite {
            let window = WindowStatement::partition_by((E::default(), parent))
                .order_by((E::default(), key), direction.clone())
                .order_by((E::default(), id), direction.clone())
                .take();
            let mut numbered = select
                .filter(engine::one_of(
                    db,
                    (E::default(), parent),
                    parents.iter().copied(),
                ))
                .into_query();
            numbered.expr_window_as(Expr::cust("ROW_NUMBER()"), window, "row_place");
            Query::select()
                .column(("page", Asterisk))
                .from_subquery(numbered, "page")
                .and_where(Expr::col(("page", "row_place")).lte(limit))
                .take()
        } else {
            let of_parent = select
                .filter(Expr::col((E::default(), parent)).eq(Expr::col(("wanted", "id"))))
                .order_by(Expr::col((E::default(), key)), direction.clone())
                .order_by(Expr::col((E::default(), id)), direction.clone())
                .limit(limit)
                .into_query();
            let list = engine::id_list(backend, parents.iter().copied());
            let wanted: SelectStatement = Query::select()
                .expr_as(Expr::cust_with_values("unnest($1)", [list]), "id")
                .take();
            Query::select()
                .column(("page", Asterisk))
                .from_subquery(wanted, "wanted")
                .join_lateral(
                    JoinType::InnerJoin,
                    of_parent,
                    "page",
                    Expr::cust("TRUE").into_condition(),
                )
                .take()
        };
        query
            .order_by(("page", key), direction.clone())
            .order_by(("page", id), direction);

        let rows = row::read::<E::Model>(db, &query).await?;
        let mut pages: HashMap<Uuid, Vec<E::Model>> =
            parents.iter().map(|it| (*it, Vec::new())).collect();
        for row in rows {
            if let Value::Uuid(Some(parent)) = row.get(parent) {
                pages.entry(parent).or_default().push(row);
            }
        }
        Ok(pages
            .into_iter()
            .map(|(parent, rows)| (parent, Slice::of(rows, page)))
            .collect())
    }

    /// How many rows each parent has; every parent is in the answer.
    pub async fn count(
        self,
        db: &impl ConnectionTrait,
        parents: &[Uuid],
    ) -> Result<HashMap<Uuid, u64>> {
        let column = (E::default(), self.parent);
        let mut query = self
            .select
            .filter(engine::one_of(db, column, parents.iter().copied()))
            .into_query();
        query
            .clear_selects()
            .expr_as(Expr::col(column), "parent")
            .expr_as(Func::count(Expr::col(Asterisk)), "rows")
            .group_by_col(column);
        let mut counts: HashMap<Uuid, u64> = parents.iter().map(|it| (*it, 0)).collect();
        for row in db.query_all(&query).await? {
            let rows: i64 = row.try_get("", "rows")?;
            let rows = u64::try_from(rows).map_err(|error| DbErr::Type(error.to_string()))?;
            counts.insert(row.try_get("", "parent")?, rows);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_columns_of_its_type() {
        let time = ColumnType::TimestampWithTimeZone;
        let now = DateTime::UNIX_EPOCH;
        assert!(Key::Time(now).fits(&time));
        assert!(!Key::Time(DateTime::<Utc>::MAX_UTC).fits(&time));
        assert!(!Key::Text("x".to_owned()).fits(&time));
        assert!(!Key::Number(0.0).fits(&time));
        assert!(Key::Text("x".to_owned()).fits(&ColumnType::Text));
        assert!(!Key::Text("a\0b".to_owned()).fits(&ColumnType::Text));
        assert!(!Key::Time(now).fits(&ColumnType::Text));
        assert!(Key::Number(0.5).fits(&ColumnType::Double));
        assert!(!Key::Number(0.5).fits(&ColumnType::Text));
    }
}
