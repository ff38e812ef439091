//! Groups: devices of one owner that are coordinated together.

use domain::{
    device::{DeviceGroup, DeviceGroupId, DeviceGroupProfile},
    identity::UserId,
    values::Json,
};
use persistence::device::{self as rows, device_groups};
use serde_json::{Value, json};

use super::managed;
use crate::{
    Cx, Error, Patch, Result, audit,
    idempotency::{self, Claim, Once},
};

/// A group to be made.
#[derive(Clone, Debug)]
pub struct DeviceGroupCreate {
    /// Whose; oneself when not said.
    pub owner: Option<UserId>,
    /// What is said of it.
    pub profile: DeviceGroupProfile,
}

/// Makes a group, with no device in it.
pub async fn device_group_create(
    cx: &Cx,
    once: Option<String>,
    input: DeviceGroupCreate,
) -> Result<DeviceGroup> {
    let scope = managed(cx)?;
    let once = Once::new(once, "deviceGroupCreate", &input);
    let DeviceGroupCreate { owner, profile } = input;
    let owner = cx.viewer.owner(owner)?;
    let DeviceGroupProfile {
        name,
        description,
        settings,
    } = profile.checked()?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<DeviceGroupId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let group = rows::device_group_to_change(&*txn, scope, id).await?;
            return group.ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    let group = DeviceGroup {
        id: cx.id(),
        owner_id: owner,
        name,
        description,
        settings: Json(settings),
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    device_groups::Entity::add(&*txn, group.clone()).await?;
    claim.keep(&txn, group.id).await?;
    let object = Some(group.id.to_string());
    audit::call(cx, &txn, "deviceGroupCreate", object, Some(owner)).await?;
    txn.commit().await?;
    Ok(group)
}

/// Changes to a group.
#[derive(Clone, Debug)]
pub struct DeviceGroupUpdate {
    /// Which.
    pub id: DeviceGroupId,
    /// Cannot be cleared.
    pub name: Patch<String>,
    /// What it is for.
    pub description: Patch<String>,
    /// Replaces all settings; cleared: none.
    pub settings: Patch<Value>,
}

/// Changes a group.
pub async fn device_group_update(cx: &Cx, input: DeviceGroupUpdate) -> Result<DeviceGroup> {
    let scope = managed(cx)?;
    let DeviceGroupUpdate {
        id,
        name,
        description,
        settings,
    } = input;
    let txn = cx.begin().await?;
    let group = rows::device_group_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let profile = DeviceGroupProfile {
        name: name.or(group.name, String::new()),
        description: description.apply(group.description),
        settings: settings.or(group.settings.0, json!({})),
    };
    let DeviceGroupProfile {
        name,
        description,
        settings,
    } = profile.checked()?;
    let group = DeviceGroup {
        name,
        description,
        settings: Json(settings),
        updated_at: cx.now(),
        ..group
    };
    device_groups::Entity::replace(&*txn, group.clone()).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "deviceGroupUpdate", object, Some(group.owner_id)).await?;
    txn.commit().await?;
    Ok(group)
}

/// Removes a group; its devices are in none.
pub async fn device_group_delete(cx: &Cx, id: DeviceGroupId) -> Result<DeviceGroupId> {
    let scope = managed(cx)?;
    let txn = cx.begin().await?;
    let group = rows::device_group_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    rows::device_group_delete(&*txn, id).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "deviceGroupDelete", object, Some(group.owner_id)).await?;
    txn.commit().await?;
    Ok(id)
}
