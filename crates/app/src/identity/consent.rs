//! Consents: given, withdrawn, never erased while the person is known.

use domain::identity::{Consent, ConsentKind, UserId};
use persistence::identity::{consents, private};

use super::platform::exists;
use crate::{Cx, Result, audit};

/// Gives a consent, to the policy in force: one's own, that of the person acted for, or as an
/// administrator anyone's. Giving it again changes nothing, unless the policy has changed:
/// then the old one is closed and a new one opened.
pub async fn consent_grant(cx: &Cx, user: Option<UserId>, kind: ConsentKind) -> Result<Consent> {
    let user = cx.viewer.whose(user)?;
    let txn = cx.begin().await?;
    exists(&txn, user).await?;
    let policy_version = cx.settings.policy_version.clone();
    if let Some(open) = private::open_consent_for_update(&*txn, user, kind).await?
        && open.policy_version != policy_version
    {
        let closed = Consent {
            revoked_at: Some(cx.now()),
            updated_at: cx.now(),
            ..open
        };
        consents::Entity::replace(&*txn, closed).await?;
    }
    let offered = Consent {
        id: cx.id(),
        user_id: user,
        kind,
        granted_at: cx.now(),
        revoked_at: None,
        policy_version,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    let (consent, _) = private::open_consent(&*txn, offered).await?;
    let object = Some(consent.id.to_string());
    audit::call(cx, &txn, "consentGrant", object, Some(user)).await?;
    txn.commit().await?;
    Ok(consent)
}

/// Withdraws a consent. Withdrawing again changes nothing; gives the last one, if there ever
/// was one.
pub async fn consent_revoke(
    cx: &Cx,
    user: Option<UserId>,
    kind: ConsentKind,
) -> Result<Option<Consent>> {
    let user = cx.viewer.whose(user)?;
    let txn = cx.begin().await?;
    let consent = match private::open_consent_for_update(&*txn, user, kind).await? {
        Some(open) => {
            let closed = Consent {
                revoked_at: Some(cx.now()),
                updated_at: cx.now(),
                ..open
            };
            consents::Entity::replace(&*txn, closed.clone()).await?;
            Some(closed)
        }
        None => private::last_consent(&*txn, user, kind).await?,
    };
    let object = consent.as_ref().map(|it| it.id.to_string());
    audit::call(cx, &txn, "consentRevoke", object, Some(user)).await?;
    txn.commit().await?;
    Ok(consent)
}
