//! How platforms know persons: finding or making them, linking and unlinking.

use domain::{
    check::Check,
    identity::{User, UserId, UserIdentity, UserIdentityId, account},
};
use persistence::identity::{self as rows, person, platform, users};

use super::user::blank;
use crate::{Access, Cx, Error, Result, Txn, audit};

/// A person as a platform reports them.
#[derive(Clone, Debug)]
pub struct GetOrCreate {
    /// The platform, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's id of the account, 1–255 characters.
    pub external_id: String,
    /// The account's user name there, at most 255 characters.
    pub username: Option<String>,
    /// The name the account shows there, at most 255 characters.
    pub display_name: Option<String>,
    /// BCP 47, for a person not known yet.
    pub locale: Option<String>,
    /// IANA, for a person not known yet.
    pub time_zone: Option<String>,
}

/// Finds a person by a platform's account, or makes one. Names that are given replace those
/// known; `last_seen_at` is now. For services and administrators. Two at once make one.
pub async fn user_get_or_create(cx: &Cx, input: GetOrCreate) -> Result<User> {
    cx.viewer.require_service(Access::Write)?;
    let GetOrCreate {
        provider,
        external_id,
        username,
        display_name,
        locale,
        time_zone,
    } = input;
    let mut check = Check::new();
    let provider = account::check_provider(&mut check, "provider", &provider);
    let external_id = check.text("externalId", &external_id, 1..=255);
    let username = check.optional_text("username", username.as_deref(), 1..=255);
    let display_name = check.optional_text("displayName", display_name.as_deref(), 1..=255);
    let locale = locale.map(|it| account::check_locale(&mut check, "locale", &it));
    let time_zone = time_zone.map(|it| account::check_time_zone(&mut check, "timeZone", &it));
    check.done()?;

    let txn = cx.begin().await?;
    let found = platform::find(&*txn, &provider, &external_id).await?;
    let user_id = if let Some(found) = &found {
        found.user_id
    } else {
        let name = display_name.as_ref().or(username.as_ref());
        let name: String = name.unwrap_or(&external_id).chars().take(100).collect();
        let mut user = blank(cx, name);
        user.locale = locale.unwrap_or(user.locale);
        user.time_zone = time_zone.unwrap_or(user.time_zone);
        user.first_seen_at = Some(cx.now());
        users::Entity::add(&*txn, user.clone()).await?;
        user.id
    };
    let offered = UserIdentity {
        id: cx.id(),
        user_id,
        provider,
        external_id,
        username,
        display_name,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    let identity = platform::upsert(&*txn, offered).await?;
    if found.is_none() && identity.user_id != user_id {
        // Somebody else was faster: theirs is the person.
        person::delete(&*txn, user_id).await?;
    }
    let id = identity.user_id;
    person::seen(&*txn, id, cx.now()).await?;
    let user = rows::user_for_update(&*txn, id).await?;
    let user = user.ok_or_else(|| Error::Internal("an account without a person".to_owned()))?;
    audit::call(cx, &txn, "userGetOrCreate", Some(id.to_string()), Some(id)).await?;
    txn.commit().await?;
    Ok(user)
}

/// An account on a platform, to be made a person's.
#[derive(Clone, Debug)]
pub struct IdentityLink {
    /// Whose; oneself, or the one acted for, when not said.
    pub user: Option<UserId>,
    /// The platform, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's id of the account, 1–255 characters.
    pub external_id: String,
    /// The account's user name there, at most 255 characters.
    pub username: Option<String>,
    /// The name the account shows there, at most 255 characters.
    pub display_name: Option<String>,
}

/// Makes a platform's account a person's. Since nobody here can prove that an account is
/// theirs, only a service or an administrator links; linking again changes the names.
pub async fn user_identity_link(cx: &Cx, input: IdentityLink) -> Result<UserIdentity> {
    cx.viewer.require_service(Access::Write)?;
    let IdentityLink {
        user,
        provider,
        external_id,
        username,
        display_name,
    } = input;
    let user = cx.viewer.whose(user)?;
    let mut check = Check::new();
    let provider = account::check_provider(&mut check, "provider", &provider);
    let external_id = check.text("externalId", &external_id, 1..=255);
    let username = check.optional_text("username", username.as_deref(), 1..=255);
    let display_name = check.optional_text("displayName", display_name.as_deref(), 1..=255);
    check.done()?;

    let txn = cx.begin().await?;
    exists(&txn, user).await?;
    let offered = UserIdentity {
        id: cx.id(),
        user_id: user,
        provider,
        external_id,
        username,
        display_name,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    let identity = if platform::add_if_free(&*txn, offered.clone()).await? {
        offered
    } else {
        let there = platform::find(&*txn, &offered.provider, &offered.external_id).await?;
        if there.is_none_or(|it| it.user_id != user) {
            let message = "this account belongs to a person already";
            return Err(Error::taken("externalId", message));
        }
        platform::upsert(&*txn, offered).await?
    };
    let object = Some(identity.id.to_string());
    audit::call(cx, &txn, "userIdentityLink", object, Some(user)).await?;
    txn.commit().await?;
    Ok(identity)
}

/// Takes a platform's account from a person: oneself, the one acted for, or as an
/// administrator anyone.
pub async fn user_identity_unlink(cx: &Cx, id: UserIdentityId) -> Result<UserIdentity> {
    cx.viewer.require(Access::Write)?;
    let txn = cx.begin().await?;
    let identity = platform::by_id(&*txn, id)
        .await?
        .ok_or_else(|| Error::not_found("identity"))?;
    cx.viewer.require_person(identity.user_id, "identity")?;
    platform::delete(&*txn, id).await?;
    let object = Some(id.to_string());
    audit::call(
        cx,
        &txn,
        "userIdentityUnlink",
        object,
        Some(identity.user_id),
    )
    .await?;
    txn.commit().await?;
    Ok(identity)
}

/// Whether there is such a person, who then stays until the transaction ends.
pub(crate) async fn exists(txn: &Txn, user: UserId) -> Result<User> {
    let user = rows::user_for_update(&**txn, user).await?;
    user.ok_or_else(|| Error::not_found("user"))
}
