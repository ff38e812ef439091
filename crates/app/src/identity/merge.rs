//! Two rows that turn out to be one person.

use domain::identity::{Role, User, UserId};
use persistence::identity::{self as rows, merge, person, users};

use super::user::{close_sockets, keep_an_admin};
use crate::{Access, Cx, Error, Result, audit};

/// Moves everything of one person to another, in one transaction; the first is gone then.
/// Administrators only.
///
/// Of what there can be only one, the newer stays. Names, addresses and the password of the
/// first are taken where the other has none. The first's tokens speak for the other from now
/// on, within the scopes they have. A first of another role than `user` takes the same role.
pub async fn user_merge(cx: &Cx, from: UserId, into: UserId) -> Result<User> {
    cx.viewer.require(Access::Write)?;
    cx.viewer.require_admin()?;
    if from == into {
        let message = "from and into are the same person: nothing to merge";
        return Err(Error::invalid("from", message));
    }
    let txn = cx.begin().await?;
    let admins = person::active_admins_for_update(&*txn).await?;
    // In the order of their ids, so that two merges never wait for each other in a circle.
    // Whoever writes about either person waits from here on, and then finds who is left.
    let (first, second) = if from < into {
        (from, into)
    } else {
        (into, from)
    };
    let first = rows::user_for_update(&*txn, first).await?;
    let second = rows::user_for_update(&*txn, second).await?;
    let (before, other) = if from < into {
        (first, second)
    } else {
        (second, first)
    };
    let before = before.ok_or_else(|| Error::not_found("from"))?;
    let other = other.ok_or_else(|| Error::not_found("into"))?;
    if before.role != Role::User && before.role != other.role {
        let message = format!(
            "from is of the role {}, into is not: make their roles the same first",
            before.role
        );
        return Err(Error::conflict("from", message));
    }
    if admins.contains(&from) && !admins.contains(&into) {
        keep_an_admin(
            &admins,
            &User {
                is_active: false,
                ..before.clone()
            },
        )?;
    }
    close_sockets(&txn, from).await?;
    merge::move_everything(&*txn, from, into, cx.now()).await?;
    person::delete(&*txn, from).await?;
    persistence::idempotency::forget_principal(&*txn, &from.to_string()).await?;
    let User {
        id: _,
        name: _,
        user_name,
        email,
        custom_name,
        password_hash,
        role: _,
        locale: _,
        time_zone: _,
        is_active: _,
        first_seen_at,
        last_seen_at,
        last_login_at,
        created_at: _,
        updated_at: _,
    } = before;
    let user = User {
        user_name: other.user_name.or(user_name),
        email: other.email.or(email),
        custom_name: other.custom_name.or(custom_name),
        password_hash: other.password_hash.or(password_hash),
        first_seen_at: [other.first_seen_at, first_seen_at]
            .into_iter()
            .flatten()
            .min(),
        last_seen_at: other.last_seen_at.max(last_seen_at),
        last_login_at: other.last_login_at.max(last_login_at),
        updated_at: cx.now(),
        ..other
    };
    users::Entity::replace(&*txn, user.clone()).await?;
    audit::call(cx, &txn, "userMerge", Some(from.to_string()), Some(into)).await?;
    txn.commit().await?;
    cx.sessions.forget_all();
    Ok(user)
}
