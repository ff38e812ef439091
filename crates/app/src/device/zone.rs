//! Zones: places that lie within each other.

use domain::{
    device::{Zone, ZoneId, ZoneProfile, ZoneTree},
    identity::UserId,
};
use persistence::{
    device::{self as rows, zones},
    scope::DeviceScope,
};

use super::managed;
use crate::{
    Cx, Error, Patch, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A zone to be made.
#[derive(Clone, Debug)]
pub struct ZoneCreate {
    /// Whose; oneself when not said.
    pub owner: Option<UserId>,
    /// What is said of it.
    pub profile: ZoneProfile,
    /// The zone it lies within, of the same owner.
    pub parent: Option<ZoneId>,
}

/// Makes a zone.
///
/// # Errors
/// [`Error::Taken`] when the owner has a zone of this name.
pub async fn zone_create(cx: &Cx, once: Option<String>, input: ZoneCreate) -> Result<Zone> {
    let scope = managed(cx)?;
    let once = Once::new(once, "zoneCreate", &input);
    let ZoneCreate {
        owner,
        profile,
        parent,
    } = input;
    let owner = cx.viewer.owner(owner)?;
    let ZoneProfile { name, description } = profile.checked()?;
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<ZoneId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let zone = rows::zone_to_change(&*txn, scope, id).await?;
            return zone.ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    let zone = Zone {
        id: cx.id(),
        owner_id: owner,
        name,
        parent_id: parent,
        description,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    check_parent(&txn, scope, &zone).await?;
    zones::Entity::add(&*txn, zone.clone())
        .await
        .map_err(name_taken)?;
    claim.keep(&txn, zone.id).await?;
    let object = Some(zone.id.to_string());
    audit::call(cx, &txn, "zoneCreate", object, Some(owner)).await?;
    txn.commit().await?;
    Ok(zone)
}

/// Whether the zone may lie where it says. The owner's tree is held from here on, so that two
/// moves at once, each fine by itself, do not make a cycle together.
async fn check_parent(txn: &Txn, scope: DeviceScope, zone: &Zone) -> Result<()> {
    let tree = rows::lock_zone_tree(&**txn, zone.owner_id).await?;
    let Some(parent) = zone.parent_id else {
        return Ok(());
    };
    // Only the owner's own zones are in the tree; the scope has let the owner through.
    if !scope.allows(zone.owner_id) || !tree.iter().any(|(id, _)| *id == parent) {
        return Err(Error::not_found("parentId"));
    }
    ZoneTree::from_iter(tree)
        .check(zone.id, Some(parent))
        .map_err(|error| Error::invalid("parentId", error.to_string()))
}

/// Two zones of one owner do not have the same name.
fn name_taken(error: persistence::Error) -> Error {
    match error {
        persistence::Error::Taken(_) => {
            Error::taken("name", "name is taken: the owner has a zone of this name")
        }
        other => other.into(),
    }
}

/// Changes to a zone.
#[derive(Clone, Debug)]
pub struct ZoneUpdate {
    /// Which.
    pub id: ZoneId,
    /// Cannot be cleared.
    pub name: Patch<String>,
    /// What it is like.
    pub description: Patch<String>,
    /// The zone it lies within; cleared: none.
    pub parent: Patch<ZoneId>,
}

/// Changes a zone, or moves it with all that lies within it.
pub async fn zone_update(cx: &Cx, input: ZoneUpdate) -> Result<Zone> {
    let scope = managed(cx)?;
    let ZoneUpdate {
        id,
        name,
        description,
        parent,
    } = input;
    let txn = cx.begin().await?;
    let zone = rows::zone_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    let moves = parent != Patch::Keep;
    let profile = ZoneProfile {
        name: name.or(zone.name, String::new()),
        description: description.apply(zone.description),
    };
    let ZoneProfile { name, description } = profile.checked()?;
    let zone = Zone {
        name,
        description,
        parent_id: parent.apply(zone.parent_id),
        updated_at: cx.now(),
        ..zone
    };
    if moves {
        check_parent(&txn, scope, &zone).await?;
    }
    zones::Entity::replace(&*txn, zone.clone())
        .await
        .map_err(name_taken)?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "zoneUpdate", object, Some(zone.owner_id)).await?;
    txn.commit().await?;
    Ok(zone)
}

/// Removes a zone and the zones within it; devices that stood there stand in none.
pub async fn zone_delete(cx: &Cx, id: ZoneId) -> Result<ZoneId> {
    let scope = managed(cx)?;
    let txn = cx.begin().await?;
    let zone = rows::zone_to_change(&*txn, scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    rows::zone_delete(&*txn, id).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "zoneDelete", object, Some(zone.owner_id)).await?;
    txn.commit().await?;
    Ok(id)
}
