//! Communities and who is in them.

use domain::identity::{Guild, GuildId, GuildMember, GuildMemberId, UserId};
use sea_orm::{
    Condition, PaginatorTrait, QuerySelect, QueryTrait, Select, entity::prelude::*,
    sea_query::OnConflict,
};

use super::{guild_members, guilds};
use crate::{
    Result, Rows, engine,
    page::{self, Page, Slice},
    scope::{PersonScope, nothing},
};

/// Adds a community, or updates the name of the one that is there and wakes it; gives the one
/// that is there now.
pub async fn upsert_guild(db: &impl ConnectionTrait, it: Guild) -> Result<Guild> {
    use guilds::Column;
    let row = guilds::Entity::insert(guilds::ActiveModel::from(it))
        .on_conflict(
            OnConflict::columns([Column::Provider, Column::ExternalId])
                .update_columns([Column::Name, Column::IsActive, Column::UpdatedAt])
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    Ok(row.into())
}

/// A community's row, locked until the transaction ends.
pub async fn guild_for_update(db: &impl ConnectionTrait, id: GuildId) -> Result<Option<Guild>> {
    let row = guilds::Entity::find_by_id(id)
        .lock_exclusive()
        .one(db)
        .await?;
    Ok(row.map(Guild::from))
}

/// Communities are seen by their members, and by whoever sees every person.
fn guilds_in(scope: PersonScope) -> Select<guilds::Entity> {
    let select = guilds::Entity::find();
    match scope {
        PersonScope::All => select,
        PersonScope::None => select.filter(nothing()),
        PersonScope::Only(own) => {
            let joined = guild_members::Entity::find()
                .select_only()
                .column(guild_members::Column::GuildId)
                .filter(guild_members::Column::UserId.eq(own))
                .into_query();
            select.filter(guilds::Column::Id.in_subquery(joined))
        }
    }
}

/// Memberships are seen by the member, and by whoever sees every person.
fn members_in(scope: PersonScope) -> Select<guild_members::Entity> {
    let select = guild_members::Entity::find();
    match scope {
        PersonScope::All => select,
        PersonScope::None => select.filter(nothing()),
        PersonScope::Only(own) => select.filter(guild_members::Column::UserId.eq(own)),
    }
}

/// Those of the ids that are in scope; constant text.
pub async fn guilds_by_ids(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    ids: &[GuildId],
) -> Result<Vec<Guild>> {
    let id = (guilds::Entity, guilds::Column::Id);
    let rows = guilds_in(scope)
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(Guild::from).collect())
}

/// Which communities of a list.
#[derive(Clone, Debug, Default)]
pub struct GuildFilter {
    /// On this platform.
    pub provider: Option<String>,
    /// Known there by this id.
    pub external_id: Option<String>,
    /// Active, or not.
    pub is_active: Option<bool>,
}

fn filtered(scope: PersonScope, filter: &GuildFilter) -> Select<guilds::Entity> {
    let GuildFilter {
        provider,
        external_id,
        is_active,
    } = filter;
    let mut all = Condition::all();
    if let Some(provider) = provider {
        all = all.add(guilds::Column::Provider.eq(provider));
    }
    if let Some(external_id) = external_id {
        all = all.add(guilds::Column::ExternalId.eq(external_id));
    }
    if let Some(is_active) = is_active {
        all = all.add(guilds::Column::IsActive.eq(*is_active));
    }
    guilds_in(scope).filter(all)
}

/// One page of the communities in scope, by name.
pub async fn list_guilds(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    filter: &GuildFilter,
    page: &Page,
) -> Result<Slice<Guild>> {
    let place = (guilds::Column::Name, guilds::Column::Id);
    let slice = page::fetch(db, filtered(scope, filter), place, false, page).await?;
    Ok(slice.map(Guild::from))
}

/// How many communities are in scope.
pub async fn count_guilds(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    filter: &GuildFilter,
) -> Result<u64> {
    Ok(filtered(scope, filter).count(db).await?)
}

/// Adds a member, or updates the one that is there; gives the one that is there now.
pub async fn upsert_member(db: &impl ConnectionTrait, it: GuildMember) -> Result<GuildMember> {
    use guild_members::Column;
    let row = guild_members::Entity::insert(guild_members::ActiveModel::from(it))
        .on_conflict(
            OnConflict::columns([Column::GuildId, Column::UserId])
                .update_columns([
                    Column::Nickname,
                    Column::Roles,
                    Column::JoinedGuildAt,
                    Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_with_returning(db)
        .await?;
    Ok(row.into())
}

/// Removes a member; gives who it was.
pub async fn remove_member(
    db: &impl ConnectionTrait,
    guild: GuildId,
    user: UserId,
) -> Result<Option<GuildMember>> {
    use guild_members::Column;
    let row = guild_members::Entity::find()
        .filter(Column::GuildId.eq(guild))
        .filter(Column::UserId.eq(user))
        .one(db)
        .await?;
    if let Some(row) = &row {
        guild_members::Entity::delete_by_id(row.id).exec(db).await?;
    }
    Ok(row.map(GuildMember::from))
}

/// Those of the ids that are in scope; constant text.
pub async fn members_by_ids(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    ids: &[GuildMemberId],
) -> Result<Vec<GuildMember>> {
    let id = (guild_members::Entity, guild_members::Column::Id);
    let rows = members_in(scope)
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(GuildMember::from).collect())
}

/// The members of a community, those in scope, by when they came.
pub fn members_under(scope: PersonScope) -> page::Children<guild_members::Entity> {
    use guild_members::Column;
    page::Children {
        select: members_in(scope),
        parent: Column::GuildId,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: false,
    }
}

/// The memberships of a person in scope, by when they came.
pub fn memberships_under(scope: PersonScope) -> page::Children<guild_members::Entity> {
    page::Children {
        parent: guild_members::Column::UserId,
        ..members_under(scope)
    }
}
