//! Identity: persons, how platforms know them, what they agreed to, and the tokens that
//! prove who is asking.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{device::DeviceId, dna::EntityId, values::Json};

pub mod account;
mod token;

pub use token::{NotAToken, TokenPrefix, TokenSecret, TokenText};

id!(
    /// A person.
    UserId, "user"
);
id!(
    /// A person's account on a platform.
    UserIdentityId, "identity"
);
id!(
    /// One preference of a person.
    UserPreferenceId, "preference"
);
id!(
    /// An access token's row; not its secret.
    AccessTokenId, "token"
);
id!(
    /// One consent, given and perhaps withdrawn.
    ConsentId, "consent"
);
id!(
    /// A community: a Discord server or its like.
    GuildId, "guild"
);
id!(
    /// A person's membership in a community.
    GuildMemberId, "member"
);

text_enum! {
    /// What a person, or a program in a person's place, may do.
    #[derive(Default)]
    pub enum Role {
        /// Runs the installation: may do everything, audited.
        Admin = "admin",
        /// A person with what is their own.
        #[default]
        User = "user",
        /// A program that acts for persons, such as a bot adapter.
        Service = "service",
        /// Reviews risk, with a reason that is audited; sees nothing else.
        Counselor = "counselor",
    }
}

text_enum! {
    /// What an access token was made for.
    pub enum TokenKind {
        /// Made by hand for a program or a script.
        ApiKey = "api_key",
        /// Made by `login`, lives 12 hours past its last use.
        Login = "login",
        /// A device's own.
        Device = "device",
    }
}

text_enum! {
    /// What a person can agree to; nothing of it runs without an open consent.
    pub enum ConsentKind {
        /// Reading emotion from voice and words.
        EmotionAnalysis = "emotion_analysis",
        /// Telling a human when risk is high.
        CrisisIntervention = "crisis_intervention",
        /// Finding what is shared with other persons of a community.
        SocialAssociation = "social_association",
        /// Use of pseudonymous data for research.
        Research = "research",
    }
}

/// A person known to the system, with or without credentials.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "UserFields")
)]
pub struct User {
    /// Stable identifier.
    pub id: UserId,
    /// The person's name as first told, 1–100 characters.
    pub name: String,
    /// A unique handle to log in or be found by, `[a-z0-9_.-]{1,50}`.
    pub user_name: Option<String>,
    /// Unique e-mail address, stored in lower case.
    pub email: Option<String>,
    /// What the person, or an administrator for them, asked to be called.
    pub custom_name: Option<String>,
    /// Argon2id hash of the password, in PHC string form.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub password_hash: Option<String>,
    /// What the person may do.
    pub role: Role,
    /// BCP 47 language tag, such as `sw-KE`; `en` when never told.
    pub locale: String,
    /// IANA time zone, such as `Africa/Nairobi`; `UTC` when never told.
    pub time_zone: String,
    /// An inactive person's tokens are refused.
    pub is_active: bool,
    /// When a platform first reported the person.
    pub first_seen_at: Option<DateTime<Utc>>,
    /// When a platform last reported the person.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When the person last logged in with a password.
    pub last_login_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// How one platform knows a person.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "UserIdentityFields")
)]
pub struct UserIdentity {
    /// Stable identifier.
    pub id: UserIdentityId,
    /// Whose account it is.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// The platform in lower case, such as `discord`, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's own id of the account, unique within the platform.
    pub external_id: String,
    /// The account's user name there.
    pub username: Option<String>,
    /// The name the account shows there.
    pub display_name: Option<String>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// One preference of a person: a key and any JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct UserPreference {
    /// Stable identifier.
    pub id: UserPreferenceId,
    /// Whose preference it is.
    pub user_id: UserId,
    /// What it is about, at most 100 characters; unique for the person.
    pub key: String,
    /// Its value.
    pub value: Json<serde_json::Value>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// One consent: open while `revoked_at` is empty.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "ConsentFields")
)]
pub struct Consent {
    /// Stable identifier.
    pub id: ConsentId,
    /// Who consented.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// To what.
    pub kind: ConsentKind,
    /// When it was given.
    pub granted_at: DateTime<Utc>,
    /// When it was withdrawn; empty while it is open.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The version of the policy that the person agreed to.
    pub policy_version: String,
    /// When the row was made.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub updated_at: DateTime<Utc>,
}

/// A community on a platform.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "GuildFields")
)]
pub struct Guild {
    /// Stable identifier.
    pub id: GuildId,
    /// The platform in lower case, such as `discord`.
    pub provider: String,
    /// The platform's own id of the community, unique within the platform.
    pub external_id: String,
    /// The community's name.
    pub name: String,
    /// When the companion joined it.
    pub joined_at: DateTime<Utc>,
    /// Whether the companion is active in it.
    pub is_active: bool,
    /// Settings of the community: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub settings: Json<serde_json::Value>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// A person's membership in a community.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "GuildMemberFields")
)]
pub struct GuildMember {
    /// Stable identifier.
    pub id: GuildMemberId,
    /// Which community.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub guild_id: GuildId,
    /// Which person.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// The person's nickname there.
    pub nickname: Option<String>,
    /// The person's roles there, as the platform names them.
    pub roles: Json<Vec<String>>,
    /// When the person joined the community.
    pub joined_guild_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a token may be used for: `read`, `write`, `admin`, or one entity only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Queries and subscriptions.
    Read,
    /// Mutations.
    Write,
    /// What only administrators may do.
    Admin,
    /// No entity but this one (several such scopes: but these).
    Entity(EntityId),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read => f.write_str("read"),
            Self::Write => f.write_str("write"),
            Self::Admin => f.write_str("admin"),
            Self::Entity(id) => write!(f, "entity:{id}"),
        }
    }
}

/// A text that is not a token scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: expected read, write, admin or entity:ID")]
pub struct NotAScope;

impl std::str::FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => {
                let id = text.strip_prefix("entity:").ok_or(NotAScope)?;
                id.parse().map(Self::Entity).map_err(|_| NotAScope)
            }
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// An access token, without its secret. Holds a hash, so it is never a GraphQL object.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Stable identifier.
    pub id: AccessTokenId,
    /// What it was made for.
    pub kind: TokenKind,
    /// The person it speaks for; empty for a device's.
    pub user_id: Option<UserId>,
    /// The device it speaks for; empty for a person's.
    pub device_id: Option<DeviceId>,
    /// What it is for, in the owner's words.
    pub name: String,
    /// The eight characters it is found by.
    pub prefix: String,
    /// SHA-256 of the secret, in hexadecimal.
    pub secret_hash: String,
    /// What it may be used for.
    pub scopes: Json<Vec<Scope>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl AccessToken {
    /// Whether it may still be used: not revoked, not expired.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

impl User {
    /// What to call the person: their own choice, else what the platform shows, else the name.
    pub fn display_name<'a>(&'a self, platform: Option<&'a str>) -> &'a str {
        self.custom_name
            .as_deref()
            .or(platform)
            .unwrap_or(&self.name)
    }
}
