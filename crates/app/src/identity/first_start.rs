//! The first administrator.

use std::sync::Arc;

use domain::identity::{Role, Scope, TokenText, User};
use persistence::identity::person;

use super::{Holder, NewToken, mint, user::blank};
use crate::{Result, Services, audit};

/// What a first start made. The token's text is to be printed once.
#[derive(Clone, Debug)]
pub struct FirstStart {
    /// The administrator `admin`.
    pub user: User,
    /// The administrator's API key.
    pub token: TokenText,
}

/// Makes the administrator `admin` with one API key if there is no person yet. Of two
/// processes that start at once, one does it.
pub async fn first_start(services: &Arc<Services>) -> Result<Option<FirstStart>> {
    let cx = services.system_cx();
    if person::any(cx.reader()).await? {
        return Ok(None);
    }
    let txn = cx.begin().await?;
    if person::any(&*txn).await? {
        return Ok(None);
    }
    let user = User {
        user_name: Some("admin".to_owned()),
        role: Role::Admin,
        ..blank(&cx, "Administrator".to_owned())
    };
    // Whoever is second waits here for the first to commit, and then adds nothing.
    if !person::add_if_free(&*txn, user.clone()).await? {
        return Ok(None);
    }
    let new = NewToken {
        holder: Holder::ApiKey(user.id),
        name: "first start".to_owned(),
        scopes: vec![Scope::Read, Scope::Write, Scope::Admin],
        expires_at: None,
    };
    let (_, token) = mint(&cx, &txn, new).await?;
    let object = Some(user.id.to_string());
    audit::call(&cx, &txn, "firstStart", object, Some(user.id)).await?;
    txn.commit().await?;
    Ok(Some(FirstStart { user, token }))
}
