//! Persons and how platforms know them.

use std::collections::HashMap;

use app::{
    Access, Patch,
    identity::{self as cases, Password},
};
// `OutputType`: what flattening in `ComplexObject` calls without naming it.
use async_graphql::{
    ComplexObject, Context, Enum, ID, InputObject, MaybeUndefined, Object, OutputType,
    SimpleObject, dataloader::Loader,
};
use domain::identity::{self, Role, UserId, UserIdentityId};
use persistence::{
    identity::{person as rows, platform},
    page::Key,
};

use super::{
    community::{GuildMember, GuildMemberConnection, MembershipsOf},
    private::{Consent, ConsentConnection, ConsentsOf, Preference, PreferencesOf},
    token::{AccessToken, AccessTokenConnection, TokensOf},
};
use crate::{
    Failure, Result, connection,
    connection::{PageArgs, wants_total},
    cx,
    loader::{self, Loaders, by_key},
    payload,
    payload::answer,
    scalar::Json,
};

/// A person known to the system, with or without credentials.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct User {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::User,
}

impl From<identity::User> for User {
    fn from(row: identity::User) -> Self {
        Self { row }
    }
}

/// How one platform knows a person.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserIdentity {
    /// The row.
    #[graphql(flatten)]
    pub row: identity::UserIdentity,
}

connection!(UserConnection, UserEdge, User, "persons");

by_key!(UserId => User, |it: &User| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.persons(Access::Read)?;
    let found = persistence::identity::persons_by_ids(loaders.cx.reader(), scope, ids).await?;
    found.into_iter().map(User::from)
});

/// The accounts of a person on platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentitiesOf(pub UserId);

impl Loader<IdentitiesOf> for Loaders {
    type Value = Vec<identity::UserIdentity>;
    type Error = Failure;

    async fn load(&self, keys: &[IdentitiesOf]) -> Result<HashMap<IdentitiesOf, Self::Value>> {
        let scope = self.cx.viewer.persons(Access::Read)?;
        let persons: Vec<UserId> = keys.iter().map(|it| it.0).collect();
        let mut found: HashMap<_, Self::Value> = HashMap::new();
        for row in platform::of_persons(self.cx.reader(), scope, &persons).await? {
            found
                .entry(IdentitiesOf(row.user_id))
                .or_default()
                .push(row);
        }
        Ok(found)
    }
}

#[ComplexObject]
impl User {
    /// Entities.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn entities_of(&self, _ctx: &Context<'_>) -> crate::dna::UserEntities {
        crate::dna::UserEntities(self.row.id)
    }

    /// Devices, zones and groups.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn devices_of(&self, _ctx: &Context<'_>) -> crate::device::UserDevices {
        crate::device::UserDevices(self.row.id)
    }

    /// Conversations.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn conversations_of(&self, _ctx: &Context<'_>) -> crate::conversation::UserConversations {
        crate::conversation::UserConversations(self.row.id)
    }

    /// What to call the person: their own choice, else the name that the platform which last
    /// reported them shows, else the name first told.
    async fn display_name(&self, ctx: &Context<'_>) -> Result<String> {
        if let Some(chosen) = &self.row.custom_name {
            return Ok(chosen.clone());
        }
        let accounts = loader::one(ctx, IdentitiesOf(self.row.id)).await?;
        let shown = accounts
            .iter()
            .flatten()
            .find_map(|it| it.display_name.as_deref());
        Ok(self.row.display_name(shown).to_owned())
    }

    /// The person's accounts on platforms, the last updated first.
    async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<UserIdentity>> {
        let accounts = loader::one(ctx, IdentitiesOf(self.row.id)).await?;
        Ok(accounts
            .into_iter()
            .flatten()
            .map(|row| UserIdentity { row })
            .collect())
    }

    /// The person's preferences as one document, key by key; null where they are not yours to
    /// see.
    async fn preferences(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        if !cx(ctx).viewer.private(Access::Read)?.allows(self.row.id) {
            return Ok(None);
        }
        let found = loader::one(ctx, PreferencesOf(self.row.id)).await?;
        let members = found
            .into_iter()
            .flatten()
            .map(|it| (it.key, it.value.0))
            .collect();
        Ok(Some(Json(serde_json::Value::Object(members))))
    }

    /// The person's preferences one by one, by key, with their times: at most 200 there are.
    async fn preference_list(&self, ctx: &Context<'_>) -> Result<Vec<Preference>> {
        let found = loader::one(ctx, PreferencesOf(self.row.id)).await?;
        Ok(found.into_iter().flatten().map(Preference::from).collect())
    }

    /// What the person agreed to, and withdrew, the newest first.
    async fn consents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ConsentConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.row.id, ConsentsOf, args).await?;
        Ok(ConsentConnection::of(
            slice.map(Consent::from),
            total,
            |it| (Key::Time(it.row.granted_at), it.row.id.0),
        ))
    }

    /// The communities the person is in, in the order of joining them.
    async fn guild_memberships(
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
        let (slice, total) = loader::page_of(ctx, self.row.id, MembershipsOf, args).await?;
        Ok(GuildMemberConnection::of(
            slice.map(GuildMember::from),
            total,
            |it| (Key::Time(it.row.created_at), it.row.id.0),
        ))
    }

    /// The person's access tokens, the newest first, without their secrets; the person's own
    /// and an administrator's to see.
    async fn tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<AccessTokenConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.row.id, TokensOf, args).await?;
        Ok(AccessTokenConnection::of(
            slice.map(AccessToken::from),
            total,
            |it| (Key::Time(it.row.created_at), it.row.id.0),
        ))
    }
}

/// Which persons; everything said must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct UserFilter {
    /// Of this role.
    pub role: Option<Role>,
    /// Active, or not.
    pub is_active: Option<bool>,
    /// Whose name, user name, e-mail address or chosen name contains this text, 1–100
    /// characters, whatever its case.
    pub search: Option<String>,
    /// Who have an account on this platform.
    pub provider: Option<String>,
    /// Who are members of this community.
    pub guild: Option<identity::GuildId>,
}

/// The order of persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserOrder {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
    /// By name.
    Name,
}

/// Queries about persons.
#[derive(Debug, Default)]
pub struct PersonQuery;

#[Object]
impl PersonQuery {
    /// A person; null when there is none that you can see.
    async fn user(&self, ctx: &Context<'_>, id: UserId) -> Result<Option<User>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The persons that you can see: everybody for services and administrators, yourself
    /// otherwise.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four, a filter and an order"
    )]
    async fn users(
        &self,
        ctx: &Context<'_>,
        filter: Option<UserFilter>,
        #[graphql(default_with = "UserOrder::Newest")] order_by: UserOrder,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<UserConnection> {
        let page = PageArgs {
            first,
            after,
            last,
            before,
        }
        .page()?;
        let cx = cx(ctx);
        let scope = cx.viewer.persons(Access::Read)?;
        let UserFilter {
            role,
            is_active,
            search,
            provider,
            guild,
        } = filter.unwrap_or_default();
        let mut check = domain::check::Check::new();
        let filter = rows::PersonFilter {
            role,
            is_active,
            search: search.map(|it| check.text("filter.search", &it, 1..=100)),
            provider: provider.map(|it| check.text("filter.provider", &it, 1..=50)),
            guild,
        };
        check.done().map_err(app::Error::from)?;
        let order = match order_by {
            UserOrder::Newest => rows::PersonOrder::Newest,
            UserOrder::Oldest => rows::PersonOrder::Oldest,
            UserOrder::Name => rows::PersonOrder::Name,
        };
        let slice = rows::list(cx.reader(), scope, &filter, order, &page).await?;
        let total = if wants_total(ctx) {
            Some(super::count(
                rows::count(cx.reader(), scope, &filter).await?,
            ))
        } else {
            None
        };
        Ok(UserConnection::of(slice.map(User::from), total, |it| {
            let key = match order_by {
                UserOrder::Newest | UserOrder::Oldest => Key::Time(it.row.created_at),
                UserOrder::Name => Key::Text(it.row.name.clone()),
            };
            (key, it.row.id.0)
        }))
    }
}

/// A person to be added.
#[derive(Clone, InputObject)]
pub struct UserCreateInput {
    /// What the person is called, 1–100 characters.
    pub name: String,
    /// A unique handle, `[a-z0-9_.-]{1,50}`.
    pub user_name: Option<String>,
    /// Unique e-mail address; kept in lower case.
    pub email: Option<String>,
    /// What the person asked to be called, 1–100 characters.
    pub custom_name: Option<String>,
    /// What the person may do; `USER` when not said.
    pub role: Option<Role>,
    /// BCP 47 language tag; `en` when not said.
    pub locale: Option<String>,
    /// IANA time zone; `UTC` when not said.
    pub time_zone: Option<String>,
    /// 10–256 characters; without one the person cannot log in with a password.
    #[graphql(secret)]
    pub password: Option<String>,
}

/// A change of a person. A field that is left out stays as it is; null clears it.
#[derive(Clone, Debug, InputObject)]
pub struct UserUpdateInput {
    /// Whom to change.
    pub user: UserId,
    /// The name first told, 1–100 characters; null changes nothing.
    pub name: Option<String>,
    /// A unique handle, `[a-z0-9_.-]{1,50}`; not for services.
    pub user_name: MaybeUndefined<String>,
    /// Unique e-mail address; not for services.
    pub email: MaybeUndefined<String>,
    /// What to call the person, 1–100 characters.
    pub custom_name: MaybeUndefined<String>,
    /// BCP 47 language tag; cleared, it is `en`.
    pub locale: MaybeUndefined<String>,
    /// IANA time zone; cleared, it is `UTC`.
    pub time_zone: MaybeUndefined<String>,
}

/// Another role for a person.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct UserRoleSetInput {
    /// Whose.
    pub user: UserId,
    /// The new role.
    pub role: Role,
}

/// A new password for a person.
#[derive(Clone, InputObject)]
pub struct UserPasswordSetInput {
    /// Whose; yours when not said.
    pub user: Option<UserId>,
    /// The one in force: needed for your own, if you have one.
    #[graphql(secret)]
    pub current_password: Option<String>,
    /// The new one, 10–256 characters.
    #[graphql(secret)]
    pub password: String,
}

payload! {
    /// Answer of `userCreate`.
    UserCreatePayload {
        /// The new person.
        user: User,
    }
}
payload! {
    /// Answer of `userUpdate`.
    UserUpdatePayload {
        /// The person as they are now.
        user: User,
    }
}
payload! {
    /// Answer of `userDeactivate`.
    UserDeactivatePayload {
        /// The person, no longer active.
        user: User,
    }
}
payload! {
    /// Answer of `userActivate`.
    UserActivatePayload {
        /// The person, active.
        user: User,
    }
}
payload! {
    /// Answer of `userRoleSet`.
    UserRoleSetPayload {
        /// The person in the new role.
        user: User,
    }
}
payload! {
    /// Answer of `userPasswordSet`.
    UserPasswordSetPayload {
        /// Whose password it is.
        user: User,
    }
}

/// What an update's field asks for.
pub(super) fn patch<T>(field: MaybeUndefined<T>) -> Patch<T> {
    match field {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(it) => Patch::Set(it),
    }
}

/// Mutations of persons and their accounts.
#[derive(Debug, Default)]
pub struct PersonMutation;

#[Object]
impl PersonMutation {
    /// Adds a person. Administrators only; for a platform's person see `userGetOrCreate`.
    async fn user_create(
        &self,
        ctx: &Context<'_>,
        input: UserCreateInput,
        #[graphql(desc = "The same key and input again give the first answer, for 24 hours.")]
        idempotency_key: Option<String>,
    ) -> Result<UserCreatePayload> {
        let UserCreateInput {
            name,
            user_name,
            email,
            custom_name,
            role,
            locale,
            time_zone,
            password,
        } = input;
        let input = cases::UserCreate {
            name,
            user_name,
            email,
            custom_name,
            role,
            locale,
            time_zone,
            password: password.map(Password),
        };
        let made = cases::user_create(cx(ctx), idempotency_key, input).await;
        answer(made.map(|it| UserCreatePayload::of(it.into())))
    }

    /// Changes a person: you, the one you act for, or as an administrator anyone.
    async fn user_update(
        &self,
        ctx: &Context<'_>,
        input: UserUpdateInput,
    ) -> Result<UserUpdatePayload> {
        let UserUpdateInput {
            user,
            name,
            user_name,
            email,
            custom_name,
            locale,
            time_zone,
        } = input;
        let input = cases::UserUpdate {
            name,
            user_name: patch(user_name),
            email: patch(email),
            custom_name: patch(custom_name),
            locale: patch(locale),
            time_zone: patch(time_zone),
        };
        let changed = cases::user_update(cx(ctx), user, input).await;
        answer(changed.map(|it| UserUpdatePayload::of(it.into())))
    }

    /// Closes a person's account: their tokens are refused at once. Administrators only, and
    /// never for the last active one.
    async fn user_deactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] user: UserId,
    ) -> Result<UserDeactivatePayload> {
        let changed = cases::user_deactivate(cx(ctx), user).await;
        answer(changed.map(|it| UserDeactivatePayload::of(it.into())))
    }

    /// Opens a person's account again. Administrators only.
    async fn user_activate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom.")] user: UserId,
    ) -> Result<UserActivatePayload> {
        let changed = cases::user_activate(cx(ctx), user).await;
        answer(changed.map(|it| UserActivatePayload::of(it.into())))
    }

    /// Gives a person another role. Administrators only; the last active one stays one.
    async fn user_role_set(
        &self,
        ctx: &Context<'_>,
        input: UserRoleSetInput,
    ) -> Result<UserRoleSetPayload> {
        let UserRoleSetInput { user, role } = input;
        let changed = cases::user_role_set(cx(ctx), user, role).await;
        answer(changed.map(|it| UserRoleSetPayload::of(it.into())))
    }

    /// Sets a password: your own, which takes the current one, or as an administrator anyone's.
    /// Other logins of that person end.
    async fn user_password_set(
        &self,
        ctx: &Context<'_>,
        input: UserPasswordSetInput,
    ) -> Result<UserPasswordSetPayload> {
        let UserPasswordSetInput {
            user,
            current_password,
            password,
        } = input;
        let input = cases::PasswordSet {
            user,
            current: current_password.map(Password),
            password: Password(password),
        };
        let changed = cases::user_password_set(cx(ctx), input).await;
        answer(changed.map(|it| UserPasswordSetPayload::of(it.into())))
    }
}

/// A person as a platform reports them.
#[derive(Clone, Debug, InputObject)]
pub struct UserGetOrCreateInput {
    /// The platform, such as `discord`, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's own id of the account, 1–255 characters.
    pub external_id: String,
    /// The account's user name there; left out, it stays.
    pub username: Option<String>,
    /// The name the account shows there; left out, it stays.
    pub display_name: Option<String>,
    /// BCP 47 language tag, for a person not known yet.
    pub locale: Option<String>,
    /// IANA time zone, for a person not known yet.
    pub time_zone: Option<String>,
}

/// A platform's account to be made a person's.
#[derive(Clone, Debug, InputObject)]
pub struct UserIdentityLinkInput {
    /// Whose; of the one you act for when not said.
    pub user: Option<UserId>,
    /// The platform, such as `discord`, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's own id of the account, 1–255 characters.
    pub external_id: String,
    /// The account's user name there.
    pub username: Option<String>,
    /// The name the account shows there.
    pub display_name: Option<String>,
}

payload! {
    /// Answer of `userGetOrCreate`.
    UserGetOrCreatePayload {
        /// The person.
        user: User,
    }
}
payload! {
    /// Answer of `userIdentityLink`.
    UserIdentityLinkPayload {
        /// The account.
        identity: UserIdentity,
    }
}
payload! {
    /// Answer of `userIdentityUnlink`.
    UserIdentityUnlinkPayload {
        /// The id the account had.
        deleted_id: ID,
    }
}

/// Mutations of how platforms know persons.
#[derive(Debug, Default)]
pub struct PlatformMutation;

#[Object]
impl PlatformMutation {
    /// Finds a person by a platform's account, or makes one; updates the account's names and
    /// when the person was last seen. Services and administrators only. Two at once make one.
    async fn user_get_or_create(
        &self,
        ctx: &Context<'_>,
        input: UserGetOrCreateInput,
    ) -> Result<UserGetOrCreatePayload> {
        let UserGetOrCreateInput {
            provider,
            external_id,
            username,
            display_name,
            locale,
            time_zone,
        } = input;
        let input = cases::GetOrCreate {
            provider,
            external_id,
            username,
            display_name,
            locale,
            time_zone,
        };
        let found = cases::user_get_or_create(cx(ctx), input).await;
        answer(found.map(|it| UserGetOrCreatePayload::of(it.into())))
    }

    /// Makes a platform's account a person's, or updates its names. Services, for the one they
    /// act for, and administrators only: nobody else can prove whose account it is.
    async fn user_identity_link(
        &self,
        ctx: &Context<'_>,
        input: UserIdentityLinkInput,
    ) -> Result<UserIdentityLinkPayload> {
        let UserIdentityLinkInput {
            user,
            provider,
            external_id,
            username,
            display_name,
        } = input;
        let input = cases::IdentityLink {
            user,
            provider,
            external_id,
            username,
            display_name,
        };
        let linked = cases::user_identity_link(cx(ctx), input).await;
        answer(linked.map(|row| UserIdentityLinkPayload::of(UserIdentity { row })))
    }

    /// Takes a platform's account from a person: you, the one you act for, or as an
    /// administrator anyone.
    async fn user_identity_unlink(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which account.")] identity: UserIdentityId,
    ) -> Result<UserIdentityUnlinkPayload> {
        let unlinked = cases::user_identity_unlink(cx(ctx), identity).await;
        answer(unlinked.map(|it| UserIdentityUnlinkPayload::of(ID(it.id.to_string()))))
    }
}
