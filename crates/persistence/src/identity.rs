//! Tables of identity: persons, accounts, tokens, consents, communities.

use domain::{
    device::DeviceId,
    identity::{
        AccessToken, AccessTokenId, Consent, ConsentId, ConsentKind, Guild, GuildId, GuildMember,
        GuildMemberId, Role, Scope, TokenKind, User, UserId, UserIdentity, UserIdentityId,
        UserPreference, UserPreferenceId,
    },
    values::Json,
};
use sea_orm::{Condition, QuerySelect, entity::prelude::*};

use crate::{Result, Rows, engine, scope::PersonScope};

pub mod about;
pub mod community;
pub mod merge;
pub mod person;
pub mod platform;
pub mod private;

/// Table `users`.
pub mod users {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: UserId,
        pub name: String,
        pub user_name: Option<String>,
        pub email: Option<String>,
        pub custom_name: Option<String>,
        pub password_hash: Option<String>,
        pub role: Role,
        pub locale: String,
        pub time_zone: String,
        pub is_active: bool,
        pub first_seen_at: Option<DateTimeUtc>,
        pub last_seen_at: Option<DateTimeUtc>,
        pub last_login_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(users => User {
    id, name, user_name, email, custom_name, password_hash, role, locale, time_zone, is_active, first_seen_at, last_seen_at, last_login_at, created_at, updated_at
});
table!(users => User);

/// Table `user_identities`.
pub mod user_identities {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_identities")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: UserIdentityId,
        pub user_id: UserId,
        pub provider: String,
        pub external_id: String,
        pub username: Option<String>,
        pub display_name: Option<String>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(user_identities => UserIdentity {
    id, user_id, provider, external_id, username, display_name, created_at, updated_at
});
table!(user_identities => UserIdentity);

/// Table `user_preferences`.
pub mod user_preferences {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_preferences")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: UserPreferenceId,
        pub user_id: UserId,
        pub key: String,
        pub value: Json<serde_json::Value>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(user_preferences => UserPreference {
    id, user_id, key, value, created_at, updated_at
});
table!(user_preferences => UserPreference);

/// Table `access_tokens`.
pub mod access_tokens {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "access_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AccessTokenId,
        pub kind: TokenKind,
        pub user_id: Option<UserId>,
        pub device_id: Option<DeviceId>,
        pub name: String,
        pub prefix: String,
        pub secret_hash: String,
        pub scopes: Json<Vec<Scope>>,
        pub last_used_at: Option<DateTimeUtc>,
        pub expires_at: Option<DateTimeUtc>,
        pub revoked_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(access_tokens => AccessToken {
    id, kind, user_id, device_id, name, prefix, secret_hash, scopes, last_used_at, expires_at, revoked_at, created_at, updated_at
});
table!(access_tokens => AccessToken);

/// Table `consents`.
pub mod consents {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "consents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: ConsentId,
        pub user_id: UserId,
        pub kind: ConsentKind,
        pub granted_at: DateTimeUtc,
        pub revoked_at: Option<DateTimeUtc>,
        pub policy_version: String,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(consents => Consent {
    id, user_id, kind, granted_at, revoked_at, policy_version, created_at, updated_at
});
table!(consents => Consent);

/// Table `guilds`.
pub mod guilds {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "guilds")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: GuildId,
        pub provider: String,
        pub external_id: String,
        pub name: String,
        pub joined_at: DateTimeUtc,
        pub is_active: bool,
        pub settings: Json<serde_json::Value>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(guilds => Guild {
    id, provider, external_id, name, joined_at, is_active, settings, created_at, updated_at
});
table!(guilds => Guild);

/// Table `guild_members`.
pub mod guild_members {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "guild_members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: GuildMemberId,
        pub guild_id: GuildId,
        pub user_id: UserId,
        pub nickname: Option<String>,
        pub roles: Json<Vec<String>>,
        pub joined_guild_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(guild_members => GuildMember {
    id, guild_id, user_id, nickname, roles, joined_guild_at, created_at, updated_at
});
table!(guild_members => GuildMember);

/// A token with whom it speaks for, as far as a check of the token needs it.
#[derive(Clone, Debug)]
pub struct TokenOwner {
    /// The token.
    pub token: AccessToken,
    /// The person, when the token is a person's.
    pub user: Option<User>,
    /// The device's owner, when the token is a device's.
    pub device_owner: Option<UserId>,
}

/// The token with this prefix.
pub async fn token_by_prefix(
    db: &impl ConnectionTrait,
    prefix: &str,
) -> Result<Option<TokenOwner>> {
    let row = access_tokens::Entity::find()
        .filter(access_tokens::Column::Prefix.eq(prefix))
        .one(db)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let token = AccessToken::from(row);
    let user = match token.user_id {
        Some(id) => users::Entity::find_by_id(id).one(db).await?.map(User::from),
        None => None,
    };
    let device_owner = match token.device_id {
        Some(id) => crate::device::devices::Entity::find_by_id(id)
            .one(db)
            .await?
            .map(|it| it.owner_id),
        None => None,
    };
    Ok(Some(TokenOwner {
        token,
        user,
        device_owner,
    }))
}

/// Notes that a token was used, and moves its end.
pub async fn touch_token(
    db: &impl ConnectionTrait,
    id: AccessTokenId,
    now: DateTimeUtc,
    expires_at: Option<DateTimeUtc>,
) -> Result<()> {
    access_tokens::Entity::update_many()
        .col_expr(access_tokens::Column::LastUsedAt, Expr::value(now))
        .col_expr(access_tokens::Column::ExpiresAt, Expr::value(expires_at))
        .filter(access_tokens::Column::Id.eq(id))
        .filter(access_tokens::Column::RevokedAt.is_null())
        .exec(db)
        .await?;
    Ok(())
}

/// Those of the ids that are in scope; one statement with constant text.
pub async fn persons_by_ids(
    db: &impl ConnectionTrait,
    scope: PersonScope,
    ids: &[UserId],
) -> Result<Vec<User>> {
    let id = (users::Entity, users::Column::Id);
    let rows = scope
        .persons()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The token with this id.
pub async fn token_by_id(
    db: &impl ConnectionTrait,
    id: AccessTokenId,
) -> Result<Option<AccessToken>> {
    let row = access_tokens::Entity::find_by_id(id).one(db).await?;
    Ok(row.map(AccessToken::from))
}

/// A person's row, locked until the transaction ends (on SQLite the whole database is).
pub async fn user_for_update(db: &impl ConnectionTrait, id: UserId) -> Result<Option<User>> {
    let row = users::Entity::find_by_id(id)
        .lock_exclusive()
        .one(db)
        .await?;
    Ok(row.map(User::from))
}

/// Forgets tokens that expired or were revoked before a time; gives how many.
pub async fn prune_tokens(db: &impl ConnectionTrait, before: DateTimeUtc) -> Result<u64> {
    use access_tokens::Column;
    let deleted = access_tokens::Entity::delete_many()
        .filter(
            Condition::any()
                .add(Column::ExpiresAt.lt(before))
                .add(Column::RevokedAt.lt(before)),
        )
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}
