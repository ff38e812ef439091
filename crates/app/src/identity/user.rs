//! Persons and their accounts: making, changing, closing them.

use domain::{
    check::Check,
    identity::{Role, User, UserId, account},
};
use persistence::identity::{self as rows, person, users};

use super::{Password, password, token::revoke};
use crate::{
    Access, Cx, Error, Patch, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A person of this moment of whom nothing but the name is known.
pub(crate) fn blank(cx: &Cx, name: String) -> User {
    User {
        id: cx.id(),
        name,
        user_name: None,
        email: None,
        custom_name: None,
        password_hash: None,
        role: Role::User,
        locale: "en".to_owned(),
        time_zone: "UTC".to_owned(),
        is_active: true,
        first_seen_at: None,
        last_seen_at: None,
        last_login_at: None,
        created_at: cx.now(),
        updated_at: cx.now(),
    }
}

/// Which of the unique values is in use; never by whom.
fn taken(error: persistence::Error) -> Error {
    match &error {
        persistence::Error::Taken(cause) if cause.to_string().contains("email") => {
            Error::taken("email", "this e-mail address is in use")
        }
        persistence::Error::Taken(_) => Error::taken("userName", "this user name is in use"),
        _ => error.into(),
    }
}

/// A person to be added, by an administrator.
#[derive(Clone, Debug)]
pub struct UserCreate {
    /// 1–100 characters.
    pub name: String,
    /// `[a-z0-9_.-]{1,50}`, unique.
    pub user_name: Option<String>,
    /// Unique.
    pub email: Option<String>,
    /// What to call the person, 1–100 characters.
    pub custom_name: Option<String>,
    /// `user` when not said.
    pub role: Option<Role>,
    /// BCP 47; `en` when not said.
    pub locale: Option<String>,
    /// IANA; `UTC` when not said.
    pub time_zone: Option<String>,
    /// 10–256 characters; without one, the person cannot log in with a password.
    pub password: Option<Password>,
}

/// Adds a person. Administrators only; platforms' persons come by `user_get_or_create`.
pub async fn user_create(cx: &Cx, once: Option<String>, input: UserCreate) -> Result<User> {
    cx.viewer.require(Access::Write)?;
    cx.viewer.require_admin()?;
    let once = Once::new(once, "userCreate", &input);
    let UserCreate {
        name,
        user_name,
        email,
        custom_name,
        role,
        locale,
        time_zone,
        password,
    } = input;
    let mut check = Check::new();
    let user = User {
        user_name: user_name.map(|it| account::check_user_name(&mut check, "userName", &it)),
        email: email.map(|it| account::check_email(&mut check, "email", &it)),
        custom_name: check.optional_text("customName", custom_name.as_deref(), 1..=100),
        role: role.unwrap_or_default(),
        locale: locale.map_or_else(
            || "en".to_owned(),
            |it| account::check_locale(&mut check, "locale", &it),
        ),
        time_zone: time_zone.map_or_else(
            || "UTC".to_owned(),
            |it| account::check_time_zone(&mut check, "timeZone", &it),
        ),
        ..blank(cx, check.text("name", &name, 1..=100))
    };
    if let Some(password) = &password {
        password::check(&mut check, "password", password);
    }
    check.done()?;
    let password_hash = match password {
        Some(it) => Some(password::hash(cx, it).await?),
        None => None,
    };
    let user = User {
        password_hash,
        ..user
    };

    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<UserId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let user = rows::user_for_update(&*txn, id).await?;
            return user.ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    let added = users::Entity::add(&*txn, user.clone()).await;
    added.map_err(taken)?;
    claim.keep(&txn, user.id).await?;
    let object = Some(user.id.to_string());
    audit::call(cx, &txn, "userCreate", object, Some(user.id)).await?;
    txn.commit().await?;
    Ok(user)
}

/// A change of a person; what is kept stays as it is.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// 1–100 characters.
    pub name: Option<String>,
    /// `[a-z0-9_.-]{1,50}`, unique.
    pub user_name: Patch<String>,
    /// Unique.
    pub email: Patch<String>,
    /// What to call the person, 1–100 characters.
    pub custom_name: Patch<String>,
    /// BCP 47; cleared, it is `en`.
    pub locale: Patch<String>,
    /// IANA; cleared, it is `UTC`.
    pub time_zone: Patch<String>,
}

/// Changes a person: oneself, the one a service acts for, or anyone as an administrator. What
/// one logs in with, a service does not change.
pub async fn user_update(cx: &Cx, id: UserId, input: UserUpdate) -> Result<User> {
    cx.viewer.require_person(id, "user")?;
    let UserUpdate {
        name,
        user_name,
        email,
        custom_name,
        locale,
        time_zone,
    } = input;
    if user_name != Patch::Keep || email != Patch::Keep {
        cx.viewer.require_account(id, "user")?;
    }
    let mut check = Check::new();
    let name = name.map(|it| check.text("name", &it, 1..=100));
    let user_name = user_name.map(|it| account::check_user_name(&mut check, "userName", &it));
    let email = email.map(|it| account::check_email(&mut check, "email", &it));
    let custom_name = custom_name.map(|it| check.text("customName", &it, 1..=100));
    let locale = locale.map(|it| account::check_locale(&mut check, "locale", &it));
    let time_zone = time_zone.map(|it| account::check_time_zone(&mut check, "timeZone", &it));
    check.done()?;

    let txn = cx.begin().await?;
    let before = rows::user_for_update(&*txn, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let user = User {
        name: name.unwrap_or(before.name),
        user_name: user_name.apply(before.user_name),
        email: email.apply(before.email),
        custom_name: custom_name.apply(before.custom_name),
        locale: locale.apply(Some(before.locale)).unwrap_or("en".to_owned()),
        time_zone: time_zone
            .apply(Some(before.time_zone))
            .unwrap_or("UTC".to_owned()),
        updated_at: cx.now(),
        ..before
    };
    let replaced = users::Entity::replace(&*txn, user.clone()).await;
    replaced.map_err(taken)?;
    audit::call(cx, &txn, "userUpdate", Some(id.to_string()), Some(id)).await?;
    txn.commit().await?;
    Ok(user)
}

/// Closes a person's account: from now on every token of theirs is refused. Administrators
/// only, and never the last active one.
pub async fn user_deactivate(cx: &Cx, id: UserId) -> Result<User> {
    change(cx, id, "userDeactivate", |user| user.is_active = false).await
}

/// Opens a person's account again. Administrators only.
pub async fn user_activate(cx: &Cx, id: UserId) -> Result<User> {
    change(cx, id, "userActivate", |user| user.is_active = true).await
}

/// Gives a person another role. Administrators only; the last active one stays one.
pub async fn user_role_set(cx: &Cx, id: UserId, role: Role) -> Result<User> {
    change(cx, id, "userRoleSet", |user| user.role = role).await
}

/// Changes what a person may do.
async fn change(
    cx: &Cx,
    id: UserId,
    operation: &'static str,
    decide: impl FnOnce(&mut User),
) -> Result<User> {
    cx.viewer.require(Access::Write)?;
    cx.viewer.require_admin()?;
    let txn = cx.begin().await?;
    let admins = person::active_admins_for_update(&*txn).await?;
    let before = rows::user_for_update(&*txn, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let mut user = before.clone();
    decide(&mut user);
    let may_more = |it: &User| (it.role, it.is_active);
    if may_more(&user) != may_more(&before) {
        keep_an_admin(&admins, &user)?;
        user.updated_at = cx.now();
        users::Entity::replace(&*txn, user.clone()).await?;
        close_sockets(&txn, id).await?;
    }
    audit::call(cx, &txn, operation, Some(id.to_string()), Some(id)).await?;
    txn.commit().await?;
    cx.sessions.forget_all();
    Ok(user)
}

/// Refuses a change that would leave nobody to run the installation. `admins` are the active
/// ones, locked; `user` is the person as they are to be.
pub(crate) fn keep_an_admin(admins: &[UserId], user: &User) -> Result<()> {
    let stays = user.role == Role::Admin && user.is_active;
    if !stays && admins == [user.id] {
        let message = "this is the last active administrator: make another one first";
        return Err(Error::conflict("user", message));
    }
    Ok(())
}

/// Has the sockets closed that a person's tokens opened, after commit: what they may do has
/// changed.
pub(crate) async fn close_sockets(txn: &Txn, id: UserId) -> Result<()> {
    for token in person::unrevoked_tokens(&**txn, id).await? {
        txn.publish(crate::Change::TokenRevoked(token.id));
    }
    Ok(())
}

/// Ends a person's logins but the one of the viewer, within a transaction.
pub(crate) async fn end_logins(cx: &Cx, txn: &Txn, id: UserId) -> Result<()> {
    let mut tokens = person::unrevoked_tokens(&**txn, id).await?;
    tokens.retain(|it| {
        it.kind == domain::identity::TokenKind::Login && Some(it.id) != cx.viewer.token
    });
    revoke(cx, txn, tokens).await
}
