//! Logging in and out with a password, and setting one.

use domain::{
    audit::{Event, Severity},
    check::Check,
    identity::{AccessToken, Role, Scope, TokenKind, TokenText, User, UserId},
    values::Json,
};
use persistence::identity::{self as rows, person, users};
use serde_json::json;

use super::{
    Holder, NewToken, Password, mint, password,
    session::{LOGIN_LASTS, hash},
    token::revoke,
    user::end_logins,
};
use crate::{Access, Cx, Error, Result, audit};

/// Who wants in.
#[derive(Clone, Debug)]
pub struct Login {
    /// E-mail address or user name.
    pub user: String,
    /// The password.
    pub password: Password,
}

/// Who is in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// The person.
    pub user: User,
    /// Their token: ends 12 hours after its last use.
    pub token: AccessToken,
    /// The token's text, shown this once.
    pub text: TokenText,
}

/// A token for whoever knows a person's password. Takes nobody signed in.
///
/// # Errors
/// [`Error::Invalid`], the same after the same time, for an unknown person, an inactive one,
/// one without a password and a wrong password; [`Error::RateLimited`] after five of them in
/// 15 minutes for one account from one address, for 15 minutes.
pub async fn login(cx: &Cx, input: Login) -> Result<LoggedIn> {
    let Login {
        user: name,
        password,
    } = input;
    let name = name.trim().to_lowercase();
    // What cannot be anybody's name is not asked for: a NUL would be an error of PostgreSQL.
    let can_be = name.len() <= 254 && !name.contains('\0');
    let found = if can_be {
        person::by_login(cx.reader(), &name).await?
    } else {
        None
    };
    let known = found.as_ref().map(|it| it.id);
    let account = known.map_or_else(|| hash(name.as_bytes()), |it| it.to_string());
    let attempt = cx
        .sessions
        .limits
        .login(&account, cx.request.address, cx.now())?;
    let stored = found
        .filter(|it| it.is_active)
        .and_then(|it| it.password_hash);
    let same = password::verify(cx, password, stored.clone()).await?;

    let txn = cx.begin().await?;
    let user = match known {
        // Only if nothing changed while the password was verified.
        Some(id) if same => rows::user_for_update(&*txn, id)
            .await?
            .filter(|it| it.is_active && it.password_hash == stored),
        _ => None,
    };
    let Some(user) = user else {
        let event = Event {
            user_id: known,
            severity: if attempt.locks {
                Severity::Warning
            } else {
                Severity::Info
            },
            payload: Json(json!({
                "operation": "login",
                "outcome": "refused",
                "locked": attempt.locks,
            })),
            ..audit::event(cx, "api_call")
        };
        audit::log(cx, &txn, event).await?;
        txn.commit().await?;
        let message = "this user and password do not match";
        return Err(Error::invalid("password", message));
    };
    let mut scopes = vec![Scope::Read, Scope::Write];
    if user.role == Role::Admin {
        scopes.push(Scope::Admin);
    }
    let new = NewToken {
        holder: Holder::Login(user.id),
        name: "login".to_owned(),
        scopes,
        expires_at: Some(cx.now() + LOGIN_LASTS),
    };
    let (token, text) = mint(cx, &txn, new).await?;
    let user = User {
        last_login_at: Some(cx.now()),
        ..user
    };
    users::Entity::replace(&*txn, user.clone()).await?;
    let object = Some(user.id.to_string());
    audit::call(cx, &txn, "login", object, Some(user.id)).await?;
    txn.commit().await?;
    cx.sessions.limits.forgive(attempt);
    Ok(LoggedIn { user, token, text })
}

/// Ends the login that this request came by.
pub async fn logout(cx: &Cx) -> Result<AccessToken> {
    cx.viewer.require(Access::Read)?;
    let not_a_login = || {
        let message = "this request did not come by a login: revoke an API key with tokenRevoke";
        Error::conflict("", message)
    };
    let id = cx.viewer.token.ok_or_else(not_a_login)?;
    let txn = cx.begin().await?;
    let token = rows::token_by_id(&*txn, id)
        .await?
        .filter(|it| it.kind == TokenKind::Login)
        .ok_or_else(not_a_login)?;
    revoke(cx, &txn, vec![token.clone()]).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "logout", object, token.user_id).await?;
    txn.commit().await?;
    cx.sessions.forget(&token.prefix);
    Ok(AccessToken {
        revoked_at: token.revoked_at.or(Some(cx.now())),
        ..token
    })
}

/// A new password.
#[derive(Clone, Debug)]
pub struct PasswordSet {
    /// Whose; oneself when not said.
    pub user: Option<UserId>,
    /// The one in force, needed for one's own if there is one.
    pub current: Option<Password>,
    /// The new one, 10–256 characters.
    pub password: Password,
}

/// Sets a password: one's own, which takes the current one, or as an administrator anyone's.
/// Other logins of that person end.
pub async fn user_password_set(cx: &Cx, input: PasswordSet) -> Result<User> {
    let PasswordSet {
        user,
        current,
        password,
    } = input;
    cx.viewer.require(Access::Write)?;
    let id = user
        .or(cx.viewer.account())
        .ok_or_else(|| Error::invalid("user", "say whose: user is required here"))?;
    cx.viewer.require_account(id, "user")?;
    let mut check = Check::new();
    password::check(&mut check, "password", &password);
    check.done()?;
    let nobody = || Error::not_found("user");
    let [before] = persistence::identity::persons_by_ids(
        cx.reader(),
        cx.viewer.accounts(Access::Write)?,
        &[id],
    )
    .await?
    .try_into()
    .map_err(|_| nobody())?;
    let own = cx.viewer.account() == Some(id);
    if own && before.password_hash.is_some() {
        let Some(current) = current else {
            let message = "give the current password, to set another";
            return Err(Error::invalid("currentPassword", message));
        };
        let limits = &cx.sessions.limits;
        let attempt = limits.login(&id.to_string(), cx.request.address, cx.now())?;
        if !password::verify(cx, current, before.password_hash.clone()).await? {
            let message = "this is not the current password";
            return Err(Error::invalid("currentPassword", message));
        }
        limits.forgive(attempt);
    }
    let password_hash = Some(password::hash(cx, password).await?);

    let txn = cx.begin().await?;
    let now = rows::user_for_update(&*txn, id).await?.ok_or_else(nobody)?;
    if own && now.password_hash != before.password_hash {
        let message = "the password was changed meanwhile: give the new one";
        return Err(Error::conflict("currentPassword", message));
    }
    let user = User {
        password_hash,
        updated_at: cx.now(),
        ..now
    };
    users::Entity::replace(&*txn, user.clone()).await?;
    end_logins(cx, &txn, id).await?;
    audit::call(cx, &txn, "userPasswordSet", Some(id.to_string()), Some(id)).await?;
    txn.commit().await?;
    cx.sessions.forget_all();
    Ok(user)
}
