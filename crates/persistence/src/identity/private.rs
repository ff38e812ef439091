//! Preferences and consents.

use domain::identity::{Consent, ConsentId, ConsentKind, UserId, UserPreference};
use sea_orm::{PaginatorTrait, QueryOrder, QuerySelect, entity::prelude::*, sea_query::OnConflict};

use super::{consents, user_preferences};
use crate::{Result, Rows, engine, page, scope::PersonScope};

/// Sets a preference; gives the row that is there now.
pub async fn put_preference(
    db: &impl ConnectionTrait,
    it: UserPreference,
) -> Result<UserPreference> {
    use user_preferences::Column;
    let row = user_preferences::Entity::insert(user_preferences::ActiveModel::from(it))
        .on_conflict(
            OnConflict::columns([Column::UserId, Column::Key])
                .update_columns([Column::Value, Column::UpdatedAt])
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    Ok(row.into())
}

/// Removes a preference; true when there was one.
pub async fn delete_preference(db: &impl ConnectionTrait, user: UserId, key: &str) -> Result<bool> {
    use user_preferences::Column;
    let deleted = user_preferences::Entity::delete_many()
        .filter(Column::UserId.eq(user))
        .filter(Column::Key.eq(key))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected > 0)
}

/// How many preferences a person has.
pub async fn count_preferences(db: &impl ConnectionTrait, user: UserId) -> Result<u64> {
    Ok(user_preferences::Entity::find()
        .filter(user_preferences::Column::UserId.eq(user))
        .count(db)
        .await?)
}

/// The preferences of persons, for those in scope, by key; constant text.
pub async fn preferences_of(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    persons: &[UserId],
) -> Result<Vec<UserPreference>> {
    use user_preferences::Column;
    let persons = persons.iter().copied().filter(|it| scope.allows(*it));
    let rows = user_preferences::Entity::find()
        .filter(engine::one_of(
            db,
            (user_preferences::Entity, Column::UserId),
            persons,
        ))
        .order_by_asc(Column::Key)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(UserPreference::from).collect())
}

/// Opens a consent unless it is open; gives the open one and whether it is new. Waits for a
/// transaction that is opening the same.
pub async fn open_consent(db: &impl ConnectionTrait, it: Consent) -> Result<(Consent, bool)> {
    use consents::Column;
    let (user, kind) = (it.user_id, it.kind);
    let added = consents::Entity::insert(consents::ActiveModel::from(it.clone()))
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    if added == 1 {
        return Ok((it, true));
    }
    let open = consents::Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Kind.eq(kind))
        .filter(Column::RevokedAt.is_null())
        .one(db)
        .await?;
    // Withdrawn between the two statements: what was offered was refused, and nothing is open.
    Ok(open.map_or((it, false), |row| (row.into(), false)))
}

/// The open consent of a kind, locked until the transaction ends.
pub async fn open_consent_for_update(
    db: &impl ConnectionTrait,
    user: UserId,
    kind: ConsentKind,
) -> Result<Option<Consent>> {
    use consents::Column;
    let row = consents::Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Kind.eq(kind))
        .filter(Column::RevokedAt.is_null())
        .lock_exclusive()
        .one(db)
        .await?;
    Ok(row.map(Consent::from))
}

/// The newest consent of a kind, open or withdrawn.
pub async fn last_consent(
    db: &impl ConnectionTrait,
    user: UserId,
    kind: ConsentKind,
) -> Result<Option<Consent>> {
    use consents::Column;
    let row = consents::Entity::find()
        .filter(Column::UserId.eq(user))
        .filter(Column::Kind.eq(kind))
        .order_by_desc(Column::GrantedAt)
        .order_by_desc(Column::Id)
        .one(db)
        .await?;
    Ok(row.map(Consent::from))
}

/// The consent with this id.
pub async fn consent_by_id(db: &impl ConnectionTrait, id: ConsentId) -> Result<Option<Consent>> {
    let row = consents::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(Consent::from))
}

/// The consents of a person in scope, the newest first.
pub fn consents_under(scope: PersonScope) -> page::Children<consents::Entity> {
    use consents::Column;
    page::Children {
        select: consents::Entity::find().filter(scope.condition(Column::UserId)),
        parent: Column::UserId,
        key: Column::GrantedAt,
        id: Column::Id,
        descending: true,
    }
}
