//! Communities and who is in them.

use app::{Access, identity as cases};
use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::identity::{self, GuildId, GuildMemberId, UserId};
use persistence::{identity::community as rows, page::Key};

use super::person::User;
use crate::{
    Result, connection,
    connection::{PageArgs, wants_total},
    cx,
    loader::{self, by_key},
    payload,
    payload::answer,
    scalar::Json,
};

/// A community on a platform.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Guild {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::Guild,
}

impl From<identity::Guild> for Guild {
    fn from(row: identity::Guild) -> Self {
        Self { row }
    }
}

/// A person's membership in a community.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct GuildMember {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::GuildMember,
}

impl From<identity::GuildMember> for GuildMember {
    fn from(row: identity::GuildMember) -> Self {
        Self { row }
    }
}

connection!(GuildConnection, GuildEdge, Guild, "communities");
connection!(
    GuildMemberConnection,
    GuildMemberEdge,
    GuildMember,
    "memberships"
);

/// The members of a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembersOf;

impl loader::Children for MembersOf {
    type Table = persistence::identity::guild_members::Entity;
    type Row = identity::GuildMember;

    fn children(&self, cx: &app::Cx) -> app::Result<persistence::page::Children<Self::Table>> {
        Ok(rows::members_under(cx.viewer.persons(Access::Read)?))
    }
}

/// The memberships of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MembershipsOf;

impl loader::Children for MembershipsOf {
    type Table = persistence::identity::guild_members::Entity;
    type Row = identity::GuildMember;

    fn children(&self, cx: &app::Cx) -> app::Result<persistence::page::Children<Self::Table>> {
        Ok(rows::memberships_under(cx.viewer.persons(Access::Read)?))
    }
}

by_key!(GuildId => Guild, |it: &Guild| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.persons(Access::Read)?;
    let found = rows::guilds_by_ids(loaders.cx.reader(), scope, ids).await?;
    found.into_iter().map(Guild::from)
});
by_key!(GuildMemberId => GuildMember, |it: &GuildMember| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.persons(Access::Read)?;
    let found = rows::members_by_ids(loaders.cx.reader(), scope, ids).await?;
    found.into_iter().map(GuildMember::from)
});

#[ComplexObject]
impl Guild {
    /// Settings of the community: any JSON object. For services and administrators; null for
    /// others.
    async fn settings(&self, ctx: &Context<'_>) -> Option<Json> {
        let viewer = &cx(ctx).viewer;
        let may = viewer.require_service(Access::Read).is_ok();
        may.then(|| Json(self.row.settings.0.clone()))
    }

    /// Who is in it, of those that you can see, in the order of coming.
    async fn members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<GuildMemberConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.row.id, MembersOf, args).await?;
        Ok(GuildMemberConnection::of(
            slice.map(GuildMember::from),
            total,
            |it| (Key::Time(it.row.created_at), it.row.id.0),
        ))
    }
}

#[ComplexObject]
impl GuildMember {
    /// The person.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.user_id).await
    }

    /// The community.
    async fn guild(&self, ctx: &Context<'_>) -> Result<Option<Guild>> {
        loader::one(ctx, self.row.guild_id).await
    }
}

/// Which communities; everything said must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct GuildFilter {
    /// On this platform.
    pub provider: Option<String>,
    /// Known there by this id.
    pub external_id: Option<String>,
    /// Active, or not.
    pub is_active: Option<bool>,
}

/// Queries about communities.
#[derive(Debug, Default)]
pub struct CommunityQuery;

#[Object]
impl CommunityQuery {
    /// A community; null when there is none that you can see. Its members see it.
    async fn guild(&self, ctx: &Context<'_>, id: GuildId) -> Result<Option<Guild>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The communities that you can see, by name.
    async fn guilds(
        &self,
        ctx: &Context<'_>,
        filter: Option<GuildFilter>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<GuildConnection> {
        let page = PageArgs {
            first,
            after,
            last,
            before,
        }
        .page()?;
        let cx = cx(ctx);
        let scope = cx.viewer.persons(Access::Read)?;
        let GuildFilter {
            provider,
            external_id,
            is_active,
        } = filter.unwrap_or_default();
        let mut check = domain::check::Check::new();
        let filter = rows::GuildFilter {
            provider: provider.map(|it| check.text("filter.provider", &it, 1..=50)),
            external_id: external_id.map(|it| check.text("filter.externalId", &it, 1..=255)),
            is_active,
        };
        check.done().map_err(app::Error::from)?;
        let slice = rows::list_guilds(cx.reader(), scope, &filter, &page).await?;
        let total = if wants_total(ctx) {
            Some(super::count(
                rows::count_guilds(cx.reader(), scope, &filter).await?,
            ))
        } else {
            None
        };
        Ok(GuildConnection::of(slice.map(Guild::from), total, |it| {
            (Key::Text(it.row.name.clone()), it.row.id.0)
        }))
    }
}

/// A community as a platform reports it.
#[derive(Clone, Debug, InputObject)]
pub struct GuildUpsertInput {
    /// The platform, such as `discord`, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's own id of the community, 1–255 characters.
    pub external_id: String,
    /// 1–100 characters.
    pub name: String,
    /// When the companion joined, for a community not known yet; now when not said.
    pub joined_at: Option<DateTime<Utc>>,
}

/// A change of a community; what is left out stays as it is.
#[derive(Clone, Debug, InputObject)]
pub struct GuildUpdateInput {
    /// Which.
    pub guild: GuildId,
    /// 1–100 characters.
    pub name: Option<String>,
    /// A JSON object of at most 16 KiB, in place of the former.
    pub settings: Option<Json>,
    /// Whether the companion is active there.
    pub is_active: Option<bool>,
}

/// A membership as a platform reports it, the whole of it.
#[derive(Clone, Debug, InputObject)]
pub struct GuildMemberUpsertInput {
    /// In which community.
    pub guild: GuildId,
    /// Who.
    pub user: UserId,
    /// The nickname there, at most 100 characters.
    pub nickname: Option<String>,
    /// The roles there, as the platform names them: at most 250.
    #[graphql(default)]
    pub roles: Vec<String>,
    /// When the person joined.
    pub joined_guild_at: Option<DateTime<Utc>>,
}

/// A membership to be removed.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct GuildMemberRemoveInput {
    /// From which community.
    pub guild: GuildId,
    /// Who.
    pub user: UserId,
}

payload! {
    /// Answer of `guildUpsert`.
    GuildUpsertPayload {
        /// The community as it is now.
        guild: Guild,
    }
}
payload! {
    /// Answer of `guildUpdate`.
    GuildUpdatePayload {
        /// The community as it is now.
        guild: Guild,
    }
}
payload! {
    /// Answer of `guildMemberUpsert`.
    GuildMemberUpsertPayload {
        /// The membership as it is now.
        member: GuildMember,
    }
}
payload! {
    /// Answer of `guildMemberRemove`.
    GuildMemberRemovePayload {
        /// The id the membership had.
        deleted_id: ID,
    }
}

/// Mutations of communities: services and administrators only.
#[derive(Debug, Default)]
pub struct CommunityMutation;

#[Object]
impl CommunityMutation {
    /// Adds a community, or updates the name of the one that is there and makes it active.
    async fn guild_upsert(
        &self,
        ctx: &Context<'_>,
        input: GuildUpsertInput,
    ) -> Result<GuildUpsertPayload> {
        let GuildUpsertInput {
            provider,
            external_id,
            name,
            joined_at,
        } = input;
        let input = cases::GuildUpsert {
            provider,
            external_id,
            name,
            joined_at,
        };
        let done = cases::guild_upsert(cx(ctx), input).await;
        answer(done.map(|it| GuildUpsertPayload::of(it.into())))
    }

    /// Changes a community: its name, its settings, whether the companion is active there.
    async fn guild_update(
        &self,
        ctx: &Context<'_>,
        input: GuildUpdateInput,
    ) -> Result<GuildUpdatePayload> {
        let GuildUpdateInput {
            guild,
            name,
            settings,
            is_active,
        } = input;
        let input = cases::GuildUpdate {
            name,
            settings: settings.map(|it| it.0),
            is_active,
        };
        let done = cases::guild_update(cx(ctx), guild, input).await;
        answer(done.map(|it| GuildUpdatePayload::of(it.into())))
    }

    /// Adds a member, or replaces what is known of the membership.
    async fn guild_member_upsert(
        &self,
        ctx: &Context<'_>,
        input: GuildMemberUpsertInput,
    ) -> Result<GuildMemberUpsertPayload> {
        let GuildMemberUpsertInput {
            guild,
            user,
            nickname,
            roles,
            joined_guild_at,
        } = input;
        let input = cases::MemberUpsert {
            guild,
            user,
            nickname,
            roles,
            joined_guild_at,
        };
        let done = cases::guild_member_upsert(cx(ctx), input).await;
        answer(done.map(|it| GuildMemberUpsertPayload::of(it.into())))
    }

    /// Removes a member.
    async fn guild_member_remove(
        &self,
        ctx: &Context<'_>,
        input: GuildMemberRemoveInput,
    ) -> Result<GuildMemberRemovePayload> {
        let GuildMemberRemoveInput { guild, user } = input;
        let done = cases::guild_member_remove(cx(ctx), guild, user).await;
        answer(done.map(|it| GuildMemberRemovePayload::of(ID(it.id.to_string()))))
    }
}
