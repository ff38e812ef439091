//! How platforms know persons.

use domain::identity::{UserId, UserIdentity, UserIdentityId};
use sea_orm::{
    QueryOrder,
    entity::prelude::*,
    sea_query::{Func, OnConflict},
};

use super::user_identities::{self, Column};
use crate::{Result, Rows, engine, scope::PersonScope};

/// The account with this id.
pub async fn by_id(db: &impl ConnectionTrait, id: UserIdentityId) -> Result<Option<UserIdentity>> {
    let row = user_identities::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(UserIdentity::from))
}

/// The account that a platform knows by this id.
pub async fn find(
    db: &impl ConnectionTrait,
    provider: &str,
    external_id: &str,
) -> Result<Option<UserIdentity>> {
    let row = user_identities::Entity::find()
        .filter(Column::Provider.eq(provider))
        .filter(Column::ExternalId.eq(external_id))
        .one(db)
        .await?;
    Ok(row.map(UserIdentity::from))
}

/// Adds an account, or updates the names of the one that is there; gives the one that is there
/// now. One statement: of two at once, the second waits and updates.
pub async fn upsert(db: &impl ConnectionTrait, it: UserIdentity) -> Result<UserIdentity> {
    let newer = |column: Column| {
        Expr::expr(Func::coalesce([
            Expr::cust(format!("excluded.{}", column.to_string())),
            Expr::col((user_identities::Entity, column)),
        ]))
    };
    let row = user_identities::Entity::insert(user_identities::ActiveModel::from(it))
        .on_conflict(
            OnConflict::columns([Column::Provider, Column::ExternalId])
                .value(Column::Username, newer(Column::Username))
                .value(Column::DisplayName, newer(Column::DisplayName))
                .update_column(Column::UpdatedAt)
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    Ok(row.into())
}

/// Adds an account unless it is there; true when added.
pub async fn add_if_free(db: &impl ConnectionTrait, it: UserIdentity) -> Result<bool> {
    let added = user_identities::Entity::insert(user_identities::ActiveModel::from(it))
        .on_conflict(
            OnConflict::columns([Column::Provider, Column::ExternalId])
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(added == 1)
}

/// Removes an account.
pub async fn delete(db: &impl ConnectionTrait, id: UserIdentityId) -> Result<()> {
    user_identities::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// The accounts of persons, for those in scope, the last updated first; constant text.
pub async fn of_persons(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    persons: &[UserId],
) -> Result<Vec<UserIdentity>> {
    let persons = persons.iter().copied().filter(|it| scope.allows(*it));
    let rows = user_identities::Entity::find()
        .filter(engine::one_of(
            db,
            (user_identities::Entity, Column::UserId),
            persons,
        ))
        .order_by_desc(Column::UpdatedAt)
        .order_by_desc(Column::Id)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(UserIdentity::from).collect())
}
