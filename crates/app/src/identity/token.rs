//! Making and revoking access tokens.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::Event,
    check::{Check, UserErrorCode},
    device::DeviceId,
    identity::{AccessToken, AccessTokenId, Role, Scope, TokenKind, TokenText, UserId},
    values::Json,
};
use persistence::{
    dna::entities_by_ids,
    identity::{self as rows, access_tokens},
};
use serde_json::json;

use crate::{
    Access, Change, Cx, Error, Result, Txn, audit,
    idempotency::{self, Claim, Once},
    identity::hash,
};

/// Whom a new token speaks for, and so what kind it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person's program or script.
    ApiKey(UserId),
    /// A person who logged in.
    Login(UserId),
    /// A device.
    Device(DeviceId),
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whom it speaks for.
    pub holder: Holder,
    /// What it is for, in the owner's words.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes a token within a transaction, and logs `token_created`. Authorizes nothing: the use
/// case that calls it has. The text is to be shown once; only its hash is stored.
pub async fn mint(cx: &Cx, txn: &Txn, new: NewToken) -> Result<(AccessToken, TokenText)> {
    let NewToken {
        holder,
        name,
        scopes,
        expires_at,
    } = new;
    let (kind, user_id, device_id) = match holder {
        Holder::ApiKey(id) => (TokenKind::ApiKey, Some(id), None),
        Holder::Login(id) => (TokenKind::Login, Some(id), None),
        Holder::Device(id) => (TokenKind::Device, None, Some(id)),
    };
    let text = TokenText::from_random(cx.random.bytes(), cx.random.bytes());
    let token = AccessToken {
        id: cx.id(),
        kind,
        user_id,
        device_id,
        name,
        prefix: text.prefix.0.clone(),
        secret_hash: hash(text.secret.as_bytes()),
        scopes: Json(scopes),
        last_used_at: None,
        expires_at,
        revoked_at: None,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    access_tokens::Entity::add(&**txn, token.clone()).await?;
    log(cx, txn, "token_created", &token).await?;
    Ok((token, text))
}

/// Revokes tokens within a transaction, logs `token_revoked` for each, and closes the sockets
/// they opened after commit. Gives those that were live; call `sessions.forget_all()` or
/// `forget` after commit.
pub(crate) async fn revoke(cx: &Cx, txn: &Txn, tokens: Vec<AccessToken>) -> Result<()> {
    for token in tokens.into_iter().filter(|it| it.revoked_at.is_none()) {
        let token = AccessToken {
            revoked_at: Some(cx.now()),
            updated_at: cx.now(),
            ..token
        };
        access_tokens::Entity::replace(&**txn, token.clone()).await?;
        log(cx, txn, "token_revoked", &token).await?;
        txn.publish(Change::TokenRevoked(token.id));
    }
    Ok(())
}

async fn log(cx: &Cx, txn: &Txn, event_type: &str, token: &AccessToken) -> Result<()> {
    let event = Event {
        user_id: token.user_id,
        device_id: token.device_id,
        payload: Json(json!({
            "token": token.id,
            "kind": token.kind,
            "scopes": token.scopes,
        })),
        ..audit::event(cx, event_type)
    };
    audit::log(cx, txn, event).await
}

/// An API key to be made for a person or a service.
#[derive(Clone, Debug)]
pub struct TokenCreate {
    /// Whose; oneself when not said.
    pub user: Option<UserId>,
    /// What it is for, 1–100 characters.
    pub name: String,
    /// `read`, `write`, `admin`, `entity:<id>`.
    pub scopes: Vec<String>,
    /// When it ends by itself, if ever; in the future.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Makes an API key for oneself or, as an administrator, for anyone. It never has more scopes
/// than the token that makes it. The text is there the first time only: a repeat with the
/// same key of idempotency gives the token without it.
pub async fn token_create(
    cx: &Cx,
    once: Option<String>,
    input: TokenCreate,
) -> Result<(AccessToken, Option<TokenText>)> {
    cx.viewer.require(Access::Write)?;
    if cx.viewer.is_fenced() {
        return Err(Error::Forbidden(
            "a token fenced to entities cannot make tokens",
        ));
    }
    let once = Once::new(once, "tokenCreate", &input);
    let TokenCreate {
        user,
        name,
        scopes,
        expires_at,
    } = input;
    let user = match user.or(cx.viewer.account()) {
        Some(id) => id,
        None if cx.viewer.acts_for.is_some() => {
            return Err(Error::Forbidden("a service cannot make tokens for persons"));
        }
        None => {
            return Err(Error::invalid(
                "user",
                "say for whom: user is required here",
            ));
        }
    };
    cx.viewer.require_account(user, "user")?;
    let mut check = Check::new();
    let name = check.text("name", &name, 1..=100);
    let scopes = check_scopes(cx, &mut check, &scopes).await?;
    if expires_at.is_some_and(|at| at <= cx.now()) {
        let message = "expiresAt has passed: expected a time to come, or none";
        check.fail(UserErrorCode::OutOfRange, "expiresAt", message);
    }
    check.done()?;

    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<AccessTokenId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let token = rows::token_by_id(&*txn, id).await?;
            return Ok((token.ok_or_else(idempotency::gone)?, None));
        }
        Claim::First(claim) => claim,
    };
    let holder = rows::user_for_update(&*txn, user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    if scopes.contains(&Scope::Admin) && holder.role != Role::Admin {
        let message = "the scope admin is for administrators";
        return Err(Error::invalid("scopes", message));
    }
    if !holder.is_active {
        let message = "an inactive person can have no new token: activate them first";
        return Err(Error::conflict("user", message));
    }
    let new = NewToken {
        holder: Holder::ApiKey(user),
        name,
        scopes,
        expires_at,
    };
    let (token, text) = mint(cx, &txn, new).await?;
    claim.keep(&txn, token.id).await?;
    let object = Some(token.id.to_string());
    audit::call(cx, &txn, "tokenCreate", object, Some(user)).await?;
    txn.commit().await?;
    Ok((token, Some(text)))
}

/// The scopes of a list of texts: at least one that allows something, none that the viewer
/// does not have, and no entity that the viewer cannot see.
async fn check_scopes(cx: &Cx, check: &mut Check, texts: &[String]) -> Result<Vec<Scope>> {
    let mut scopes: Vec<Scope> = Vec::new();
    if texts.len() > 100 {
        let message = format!("{} scopes: expected at most 100", texts.len());
        check.fail(UserErrorCode::TooLong, "scopes", message);
        return Ok(scopes);
    }
    for text in texts {
        match text.parse::<Scope>() {
            Err(error) => check.fail(UserErrorCode::Invalid, "scopes", error.to_string()),
            Ok(scope) if !cx.viewer.may_grant(&scope) => {
                let message = format!("the token you use does not have the scope {scope} itself");
                check.fail(UserErrorCode::Invalid, "scopes", message);
            }
            Ok(scope) if scopes.contains(&scope) => {}
            Ok(scope) => scopes.push(scope),
        }
    }
    let entities: Vec<_> = scopes
        .iter()
        .filter_map(|it| match it {
            Scope::Entity(id) => Some(*id),
            _ => None,
        })
        .collect();
    if scopes.len() == entities.len() && !texts.is_empty() {
        let message = "an entity alone allows nothing: add read or write";
        check.fail(UserErrorCode::Invalid, "scopes", message);
    } else if texts.is_empty() {
        let message = "scopes must not be empty: give read, write or admin";
        check.fail(UserErrorCode::Required, "scopes", message);
    }
    if !entities.is_empty() {
        let scope = cx.viewer.entities(Access::Read)?;
        let found = entities_by_ids(cx.reader(), &scope, &entities).await?;
        if found.len() < entities.len() {
            let message = "scopes names an entity that you cannot see";
            check.fail(UserErrorCode::NotFound, "scopes", message);
        }
    }
    Ok(scopes)
}

/// Revokes a token: one's own, or any as an administrator; also a device's by its owner. At
/// once in this process and as soon as they hear of it in others, within 30 seconds in any
/// case. Revoking again changes nothing.
pub async fn token_revoke(cx: &Cx, id: AccessTokenId) -> Result<AccessToken> {
    let scope = cx.viewer.accounts(Access::Write)?;
    let devices = cx.viewer.devices(Access::Write);
    let txn = cx.begin().await?;
    let token = rows::token_by_id(&*txn, id).await?;
    let visible = match &token {
        Some(it) => match (it.user_id, it.device_id, devices) {
            (Some(user), ..) => scope.allows(user),
            (None, Some(device), Ok(devices)) => {
                let found = persistence::device::devices_by_ids(&*txn, devices, &[device]).await?;
                // A device does not revoke its own token: its owner does.
                found.iter().any(|it| devices.allows(it.owner_id))
            }
            _ => false,
        },
        None => false,
    };
    let token = token
        .filter(|_| visible)
        .ok_or_else(|| Error::not_found("token"))?;
    revoke(cx, &txn, vec![token.clone()]).await?;
    let object = Some(token.id.to_string());
    audit::call(cx, &txn, "tokenRevoke", object, token.user_id).await?;
    txn.commit().await?;
    cx.sessions.forget(&token.prefix);
    Ok(AccessToken {
        revoked_at: token.revoked_at.or(Some(cx.now())),
        ..token
    })
}

/// A token that ended is kept so long, to be seen in the list of tokens.
const ENDED_KEPT: TimeDelta = TimeDelta::days(30);

/// Forgets tokens that expired or were revoked over 30 days ago, for a sweep; gives how many.
/// What was done with them is in the log.
pub async fn tokens_prune(cx: &Cx) -> Result<u64> {
    Ok(rows::prune_tokens(cx.writer(), cx.now() - ENDED_KEPT).await?)
}
