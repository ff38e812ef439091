//! Persons: finding, listing, and the administrators among them.

use domain::identity::{AccessToken, GuildId, Role, User, UserId};
use sea_orm::{
    Condition, PaginatorTrait, QueryOrder, QuerySelect, QueryTrait, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, Func, LikeExpr, OnConflict},
};

use super::{access_tokens, guild_members, user_identities, users};
use crate::{
    Result, Rows, engine,
    page::{self, Page, Slice},
    scope::PersonScope,
};

/// Whether there is any person yet.
pub async fn any(db: &impl ConnectionTrait) -> Result<bool> {
    Ok(users::Entity::find().limit(1).one(db).await?.is_some())
}

/// Adds a person unless a unique value is in use; true when added. Waits for a transaction
/// that is adding the same.
pub async fn add_if_free(db: &impl ConnectionTrait, user: User) -> Result<bool> {
    let added = users::Entity::insert(users::ActiveModel::from(user))
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(added == 1)
}

/// The person with this e-mail address or handle, in lower case.
pub async fn by_login(db: &impl ConnectionTrait, login: &str) -> Result<Option<User>> {
    let column = if login.contains('@') {
        users::Column::Email
    } else {
        users::Column::UserName
    };
    let row = users::Entity::find()
        .filter(column.eq(login))
        .one(db)
        .await?;
    Ok(row.map(User::from))
}

/// The active administrators, locked until the transaction ends.
pub async fn active_admins_for_update(db: &impl ConnectionTrait) -> Result<Vec<UserId>> {
    let rows = users::Entity::find()
        .filter(users::Column::Role.eq(Role::Admin))
        .filter(users::Column::IsActive.eq(true))
        .order_by_asc(users::Column::Id)
        .lock_exclusive()
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(|it| it.id).collect())
}

/// A person's tokens that have not been revoked.
pub async fn unrevoked_tokens(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<AccessToken>> {
    let rows = access_tokens::Entity::find()
        .filter(access_tokens::Column::UserId.eq(user))
        .filter(access_tokens::Column::RevokedAt.is_null())
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(AccessToken::from).collect())
}

/// Removes a person's row, and what goes with it by foreign key.
pub async fn delete(db: &impl ConnectionTrait, id: UserId) -> Result<()> {
    users::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

/// Notes that a platform reported the person.
pub async fn seen(db: &impl ConnectionTrait, id: UserId, now: DateTimeUtc) -> Result<()> {
    users::Entity::update_many()
        .col_expr(users::Column::LastSeenAt, Expr::value(now))
        .filter(users::Column::Id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

/// Which persons of a list.
#[derive(Clone, Debug, Default)]
pub struct PersonFilter {
    /// Of this role.
    pub role: Option<Role>,
    /// Active, or not.
    pub is_active: Option<bool>,
    /// Whose name, handle, e-mail address or chosen name contains this, whatever its case.
    pub search: Option<String>,
    /// Who have an account on this platform.
    pub provider: Option<String>,
    /// Who are members of this community.
    pub guild: Option<GuildId>,
}

/// The order of a list of persons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PersonOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By name.
    Name,
}

fn select(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    filter: &PersonFilter,
) -> Select<users::Entity> {
    let PersonFilter {
        role,
        is_active,
        search,
        provider,
        guild,
    } = filter;
    let mut select = scope.persons();
    if let Some(role) = role {
        select = select.filter(users::Column::Role.eq(*role));
    }
    if let Some(is_active) = is_active {
        select = select.filter(users::Column::IsActive.eq(*is_active));
    }
    if let Some(search) = search {
        let search = engine::lower_case(db, search);
        let mut any = Condition::any();
        for column in [
            users::Column::Name,
            users::Column::UserName,
            users::Column::Email,
            users::Column::CustomName,
        ] {
            let text = Func::lower(Expr::col((users::Entity, column)));
            any = any.add(Expr::expr(text).like(containing(&search)));
        }
        select = select.filter(any);
    }
    if let Some(provider) = provider {
        let known = user_identities::Entity::find()
            .select_only()
            .column(user_identities::Column::UserId)
            .filter(user_identities::Column::Provider.eq(provider))
            .into_query();
        select = select.filter(users::Column::Id.in_subquery(known));
    }
    if let Some(guild) = guild {
        let members = guild_members::Entity::find()
            .select_only()
            .column(guild_members::Column::UserId)
            .filter(guild_members::Column::GuildId.eq(*guild))
            .into_query();
        select = select.filter(users::Column::Id.in_subquery(members));
    }
    select
}

/// The pattern of a text that contains `search`, whose own `%` and `_` mean
/// themselves.
fn containing(search: &str) -> LikeExpr {
    let mut pattern = String::from("%");
    for c in search.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

/// One page of the persons in scope.
pub async fn list(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    filter: &PersonFilter,
    order: PersonOrder,
    page: &Page,
) -> Result<Slice<User>> {
    let (key, descending) = match order {
        PersonOrder::Newest => (users::Column::CreatedAt, true),
        PersonOrder::Oldest => (users::Column::CreatedAt, false),
        PersonOrder::Name => (users::Column::Name, false),
    };
    let select = select(db, scope, filter);
    let slice = page::fetch(db, select, (key, users::Column::Id), descending, page).await?;
    Ok(slice.map(User::from))
}

/// How many persons are in scope.
pub async fn count(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    filter: &PersonFilter,
) -> Result<u64> {
    Ok(select(db, scope, filter).count(db).await?)
}

/// The tokens of a person's devices.
pub async fn device_tokens(
    db: &impl ConnectionTrait,
    owner: UserId,
) -> Result<Vec<domain::identity::AccessTokenId>> {
    use crate::device::devices;
    let own = devices::Entity::find()
        .select_only()
        .column(devices::Column::Id)
        .filter(devices::Column::OwnerId.eq(owner))
        .into_query();
    let rows = access_tokens::Entity::find()
        .filter(access_tokens::Column::DeviceId.in_subquery(own))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(|it| it.id).collect())
}

/// The tokens of a person in scope, the newest first.
pub fn tokens_under(scope: PersonScope) -> page::Children<access_tokens::Entity> {
    use access_tokens::Column;
    page::Children {
        select: access_tokens::Entity::find().filter(scope.condition(Column::UserId)),
        parent: Column::UserId,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: true,
    }
}

/// Notes that a person was heard at `at`, unless they were heard later already.
pub async fn person_seen(db: &impl ConnectionTrait, id: UserId, at: DateTimeUtc) -> Result<()> {
    use users::Column;
    let seen = Condition::any()
        .add(Column::LastSeenAt.is_null())
        .add(Column::LastSeenAt.lt(at));
    let first = Func::coalesce([Expr::col(Column::FirstSeenAt), Expr::val(at)]);
    users::Entity::update_many()
        .col_expr(Column::LastSeenAt, Expr::value(at))
        .col_expr(Column::FirstSeenAt, first.into())
        .filter(Column::Id.eq(id))
        .filter(seen)
        .exec(db)
        .await?;
    Ok(())
}
