//! Reading rows by position: the text of a table's columns is a constant, and no column is
//! looked up by its name for every row.
//!
//! Over `SeaORM`'s own way (an expression for each column, rendered for each statement; a look-up
//! by name for each value) this saves building, rendering and looking up.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryResult, QuerySelect, QueryTrait, Select};
use sea_orm::{TryGetable, sea_query::Expr};

use crate::Result;

/// What a table's rows are read into; made by `mirror!`, or by `row!` where the domain's
/// struct is not field by field the row.
pub trait Row: Sized {
    /// The columns, in the order of reading, as SQL names them.
    const COLUMNS: &'static str;
    /// The same for lists, where what makes a row heavy may stand empty.
    const LISTED: &'static str = Self::COLUMNS;

    /// Reads a row that begins with those columns.
    ///
    /// # Errors
    /// When a value is not of its field's type.
    fn read(row: &QueryResult) -> Result<Self, DbErr>;
}

/// Reads rows of a table by position: `row!(devices { every, field })`. The literal is
/// exhaustive. `listed "…"` after it says the columns of lists, where they differ.
macro_rules! row {
    ($entity:ident { $($field:ident),+ $(,)? } $(listed $listed:literal)?) => {
        impl crate::row::Row for $entity::Model {
            const COLUMNS: &'static str = crate::row::without_comma(concat!(
                $("\"", stringify!($entity), "\".\"", stringify!($field), "\", "),+
            ));
            $(const LISTED: &'static str = $listed;)?

            fn read(row: &sea_orm::QueryResult) -> Result<Self, sea_orm::DbErr> {
                let mut places = 0..;
                Ok(Self { $($field: crate::row::next(row, &mut places)?),+ })
            }
        }
    };
}
pub(crate) use row;

/// A list without the separator at its end.
pub(crate) const fn without_comma(list: &'static str) -> &'static str {
    list.split_at(list.len() - 2).0
}

/// The value at the next place.
pub(crate) fn next<T: TryGetable>(
    row: &QueryResult,
    places: &mut impl Iterator<Item = usize>,
) -> Result<T, DbErr> {
    row.try_get_by_index(places.next().unwrap_or_default())
}

/// Fetches what a query selects, by position.
pub trait Rows<E: EntityTrait<Model: Row>>: Sized {
    /// The query with constant columns: those of [`Row`], or a text that stands for the same.
    #[must_use]
    fn columns_as(self, columns: impl Into<std::borrow::Cow<'static, str>>) -> Self;

    /// Every row.
    fn rows(self, db: &impl ConnectionTrait) -> impl Future<Output = Result<Vec<E::Model>>> + Send;

    /// Every row, as lists have them.
    fn listed(
        self,
        db: &impl ConnectionTrait,
    ) -> impl Future<Output = Result<Vec<E::Model>>> + Send;

    /// Every row, of a query whose columns [`Rows::columns_as`] has set.
    fn rows_as_set(
        self,
        db: &impl ConnectionTrait,
    ) -> impl Future<Output = Result<Vec<E::Model>>> + Send;
}

impl<E: EntityTrait<Model: Row>> Rows<E> for Select<E> {
    fn columns_as(mut self, columns: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        QuerySelect::query(&mut self)
            .clear_selects()
            .expr(Expr::cust(columns));
        self
    }

    async fn rows(self, db: &impl ConnectionTrait) -> Result<Vec<E::Model>> {
        self.columns_as(E::Model::COLUMNS).rows_as_set(db).await
    }

    async fn listed(self, db: &impl ConnectionTrait) -> Result<Vec<E::Model>> {
        self.columns_as(E::Model::LISTED).rows_as_set(db).await
    }

    async fn rows_as_set(self, db: &impl ConnectionTrait) -> Result<Vec<E::Model>> {
        read(db, &self.into_query()).await
    }
}

/// Every row of a query whose columns begin with those of the row.
pub(crate) async fn read<R: Row>(
    db: &impl ConnectionTrait,
    query: &sea_orm::sea_query::SelectStatement,
) -> Result<Vec<R>> {
    let statement = db.get_database_backend().build(query);
    let found = db.query_all_raw(statement).await?;
    Ok(found.iter().map(R::read).collect::<Result<_, DbErr>>()?)
}
