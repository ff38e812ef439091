//! What entities tell each other.

use domain::{
    check::UserErrorCode,
    conversation::{
        Communication, CommunicationDraft, CommunicationId, CommunicationStatus, EXCHANGE_STRENGTH,
    },
    dna::{EntityId, EntityRelationship, KinshipKind},
    values::Json,
};
use persistence::{
    conversation::{self as rows, inter_entity_communications},
    dna::{entity_in_scope, entity_relationships},
    engine,
    scope::EntityScope,
};

use crate::{
    Access, Change, Cx, Error, Result, audit,
    idempotency::{self, Claim, Once},
};

/// Something one entity is to tell another.
#[derive(Clone, Debug)]
pub struct EntityMessageSend {
    /// Who tells it: an entity that the viewer acts for.
    pub from: EntityId,
    /// Whom: one of the same owner, or a related one.
    pub to: EntityId,
    /// What.
    pub draft: CommunicationDraft,
}

/// The entities that the viewer lets act: a person's own, the one that lives on the device,
/// any for a service.
fn acting(cx: &Cx) -> Result<EntityScope> {
    cx.viewer.require(Access::Write)?;
    cx.viewer.entities(Access::Read)
}

/// Tells an entity something on behalf of another. Each exchange strengthens their friendship
/// by 0.02, up to 1; the first one begins it, unless they are rivals.
///
/// # Errors
/// When the two are neither of one owner nor related: the other looks as if it were not there.
pub async fn entity_message_send(
    cx: &Cx,
    once: Option<String>,
    input: EntityMessageSend,
) -> Result<Communication> {
    let scope = acting(cx)?;
    let once = Once::new(once, "entityMessageSend", &input);
    let EntityMessageSend { from, to, draft } = input;
    let CommunicationDraft {
        kind,
        content,
        payload,
    } = draft.checked()?;
    if from == to {
        return Err(Error::Invalid(domain::check::Invalid::one(
            UserErrorCode::Invalid,
            "toEntityId",
            "an entity does not tell itself anything: choose another",
        )));
    }
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<CommunicationId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let found = rows::communications_by_ids(&*txn, &scope, &[id]).await?;
            return found.into_iter().next().ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    let sender = entity_in_scope(&*txn, &scope, from)
        .await?
        .ok_or_else(|| Error::not_found("fromEntityId"))?;
    engine::lock(&*txn, "friendship", from.min(to)).await?;
    let bonds = rows::bonds_between(&*txn, from, to).await?;
    let other = rows::entity_to_tell(&*txn, to)
        .await?
        .filter(|it| it.owner_id == sender.owner_id || !bonds.is_empty())
        .ok_or_else(|| Error::not_found("toEntityId"))?;
    for (field, it) in [("fromEntityId", &sender), ("toEntityId", &other)] {
        if !it.is_active {
            let message = "this entity is inactive: activate it first";
            return Err(Error::conflict(field, message));
        }
    }
    let now = cx.now();
    let told = Communication {
        id: cx.id(),
        from_entity_id: from,
        to_entity_id: to,
        kind,
        content,
        payload: Json(payload),
        status: CommunicationStatus::Sent,
        delivered_at: None,
        read_at: None,
        created_at: now,
        updated_at: now,
    };
    inter_entity_communications::Entity::add(&*txn, told.clone()).await?;
    let of = |kind| bonds.iter().any(|it| it.kind == kind);
    if of(KinshipKind::Friend) {
        rows::befriend(&*txn, &bonds, now).await?;
    } else if !of(KinshipKind::Rival) {
        let friendship = EntityRelationship {
            id: cx.id(),
            from_entity_id: from,
            to_entity_id: to,
            kind: KinshipKind::Friend,
            strength: EXCHANGE_STRENGTH,
            created_at: now,
            updated_at: now,
        };
        entity_relationships::Entity::add(&*txn, friendship).await?;
    }
    claim.keep(&txn, told.id).await?;
    let object = Some(told.id.to_string());
    audit::call(cx, &txn, "entityMessageSend", object, Some(sender.owner_id)).await?;
    txn.publish(Change::EntityMessageSent {
        communication: told.id,
        to,
    });
    txn.commit().await?;
    Ok(told)
}

/// Notes that an entity has taken note of what it was told; again: nothing changes.
pub async fn entity_message_read(cx: &Cx, id: CommunicationId) -> Result<Communication> {
    let scope = acting(cx)?;
    let txn = cx.begin().await?;
    let told = rows::communication_to_change(&*txn, &scope, id)
        .await?
        .ok_or_else(|| Error::not_found("id"))?;
    if told.status == CommunicationStatus::Read {
        return Ok(told);
    }
    let now = cx.now();
    let told = Communication {
        status: CommunicationStatus::Read,
        delivered_at: told.delivered_at.or(Some(now)),
        read_at: Some(now),
        updated_at: now,
        ..told
    };
    inter_entity_communications::Entity::replace(&*txn, told.clone()).await?;
    let object = Some(id.to_string());
    audit::call(cx, &txn, "entityMessageRead", object, None).await?;
    txn.commit().await?;
    Ok(told)
}

/// What was told to an entity that the viewer can see, as it is handed over to them: delivered
/// now, if it was not before and the viewer may act for the entity.
pub async fn hand_over(cx: &Cx, id: CommunicationId) -> Result<Option<Communication>> {
    let scope = cx.viewer.entities(Access::Read)?;
    if cx.viewer.require(Access::Write).is_ok() {
        rows::communication_deliver(cx.writer(), &scope, id, cx.now()).await?;
    }
    let found = rows::communications_by_ids(cx.reader(), &scope, &[id]).await?;
    Ok(found.into_iter().next())
}
