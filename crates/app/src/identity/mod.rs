//! Persons, their accounts, tokens and consents.

mod acting;
mod attempts;
mod community;
mod consent;
mod first_start;
mod leave;
mod login;
mod merge;
mod password;
mod platform;
mod preference;
mod session;
mod token;
mod user;

pub use acting::act_as;
pub use community::{
    GuildUpdate, GuildUpsert, MemberUpsert, guild_member_remove, guild_member_upsert, guild_update,
    guild_upsert,
};
pub use consent::{consent_grant, consent_revoke};
pub use first_start::{FirstStart, first_start};
pub use leave::{Erasure, data_export, export, user_erase};
pub use login::{LoggedIn, Login, PasswordSet, login, logout, user_password_set};
pub use merge::user_merge;
pub use password::Password;
pub use platform::{
    GetOrCreate, IdentityLink, user_get_or_create, user_identity_link, user_identity_unlink,
};
pub use preference::{user_preference_delete, user_preference_set, user_preferences_set};
pub(crate) use session::hash;
pub use session::{Sessions, authenticate, check_token};
pub(crate) use token::revoke;
pub use token::{Holder, NewToken, TokenCreate, mint, token_create, token_revoke, tokens_prune};
pub use user::{
    UserCreate, UserUpdate, user_activate, user_create, user_deactivate, user_role_set, user_update,
};
