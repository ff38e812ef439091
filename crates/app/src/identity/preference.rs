//! Preferences: a key and any JSON.

use domain::{
    check::Check,
    identity::{UserId, UserPreference},
    values::Json,
};
use persistence::identity::private;
use serde_json::{Map, Value};

use super::platform::exists;
use crate::{Cx, Error, Result, Txn, audit};

/// A value takes at most so many bytes as JSON.
const MAX_VALUE: usize = 16 * 1024;
/// A person has at most so many preferences.
const MAX_PREFERENCES: usize = 200;

async fn put(
    cx: &Cx,
    txn: &Txn,
    user: UserId,
    key: String,
    value: Value,
) -> Result<UserPreference> {
    let row = UserPreference {
        id: cx.id(),
        user_id: user,
        key,
        value: Json(value),
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    Ok(private::put_preference(&**txn, row).await?)
}

async fn bounded(txn: &Txn, user: UserId, field: &str) -> Result<()> {
    let count = private::count_preferences(&**txn, user).await?;
    if usize::try_from(count).unwrap_or(usize::MAX) > MAX_PREFERENCES {
        let message = format!("that makes {count} preferences: expected at most {MAX_PREFERENCES}");
        return Err(Error::invalid(field, message));
    }
    Ok(())
}

/// Sets one preference: one's own, of the person acted for, or as an administrator anyone's.
/// The key has 1–100 characters, the value at most 16 KiB.
pub async fn user_preference_set(
    cx: &Cx,
    user: Option<UserId>,
    key: String,
    value: Value,
) -> Result<UserPreference> {
    let user = cx.viewer.whose(user)?;
    let mut check = Check::new();
    let key = check.text("key", &key, 1..=100);
    check.document("value", &value, MAX_VALUE);
    check.done()?;
    let txn = cx.begin().await?;
    exists(&txn, user).await?;
    let row = put(cx, &txn, user, key, value).await?;
    bounded(&txn, user, "key").await?;
    let object = Some(row.id.to_string());
    audit::call(cx, &txn, "userPreferenceSet", object, Some(user)).await?;
    txn.commit().await?;
    Ok(row)
}

/// Removes one preference; true when there was one.
pub async fn user_preference_delete(cx: &Cx, user: Option<UserId>, key: String) -> Result<bool> {
    let user = cx.viewer.whose(user)?;
    let mut check = Check::new();
    let key = check.text("key", &key, 1..=100);
    check.done()?;
    let txn = cx.begin().await?;
    let deleted = private::delete_preference(&*txn, user, &key).await?;
    let object = Some(user.to_string());
    audit::call(cx, &txn, "userPreferenceDelete", object, Some(user)).await?;
    txn.commit().await?;
    Ok(deleted)
}

/// Merges a document into the preferences, key by key: a null removes the key (RFC 7386, one
/// level deep). All or nothing.
pub async fn user_preferences_set(
    cx: &Cx,
    user: Option<UserId>,
    document: Value,
) -> Result<UserId> {
    let user = cx.viewer.whose(user)?;
    let Value::Object(members) = document else {
        let message = "preferences must be a JSON object: its keys are the preferences' keys";
        return Err(Error::invalid("preferences", message));
    };
    let mut checked = Map::new();
    let mut check = Check::new();
    for (key, value) in members {
        // The key may hold anything, dots too: the fault names the field, the text the key.
        let key = check.text("preferences", &key, 1..=100);
        check.document("preferences", &value, MAX_VALUE);
        checked.insert(key, value);
    }
    check.done()?;
    let txn = cx.begin().await?;
    exists(&txn, user).await?;
    for (key, value) in checked {
        if value.is_null() {
            private::delete_preference(&*txn, user, &key).await?;
        } else {
            put(cx, &txn, user, key, value).await?;
        }
    }
    bounded(&txn, user, "preferences").await?;
    let object = Some(user.to_string());
    audit::call(cx, &txn, "userPreferencesSet", object, Some(user)).await?;
    txn.commit().await?;
    Ok(user)
}
