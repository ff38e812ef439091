//! Changing what an entity is predisposed to: by a story, by hand, back to what it was.

use domain::{
    audit::Event,
    check::Check,
    dna::{
        DNA_VERSION, Dna, DnaAdjustment, DnaSnapshot, Entity, EntityDna, EntityDnaRevision,
        EntityId, EntityOrigin, Evidence, Extractor,
    },
    values::Json,
};
use persistence::dna::{
    entity_dna, entity_dna_revisions, entity_origins, origin_of, origin_remove, revision_of,
};
use serde_json::json;

use super::{Born, ExtractorChoice, descend, dna_or_neutral, reading, reading::Told, writable};
use crate::{Access, Cx, Error, Result, Txn, audit};

/// A story told of an entity.
#[derive(Clone, Debug)]
pub struct Tell {
    /// Of whom.
    pub entity: EntityId,
    /// 20–20 000 characters after trimming.
    pub story: String,
    /// Who reads it.
    pub extractor: Option<ExtractorChoice>,
    /// The revision the caller has seen; another one is a conflict.
    pub revision: Option<i32>,
}

/// An edit by hand.
#[derive(Clone, Debug)]
pub struct Adjust {
    /// Of whom.
    pub entity: EntityId,
    /// What is set.
    pub adjustment: DnaAdjustment,
    /// The revision the caller has seen; another one is a conflict.
    pub revision: Option<i32>,
}

/// A return to a former state.
#[derive(Clone, Debug)]
pub struct Restore {
    /// Of whom.
    pub entity: EntityId,
    /// The revision to return to.
    pub to: i32,
    /// The revision the caller has seen; another one is a conflict.
    pub revision: Option<i32>,
}

/// The story behind a DNA.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub text: String,
    pub narrative_context: Option<String>,
    pub themes: Vec<String>,
}

/// A DNA to store, with all that comes along.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub dna: Dna,
    pub evidence: Vec<Evidence>,
    pub extractor: Extractor,
    pub generation: i32,
    pub parent: Option<EntityId>,
    pub co_parent: Option<EntityId>,
    pub seed: Option<i64>,
    pub story: Option<Story>,
    pub cause: String,
}

impl New {
    /// No predisposition at all.
    pub fn neutral() -> Self {
        Self {
            dna: Dna::default(),
            evidence: Vec::new(),
            extractor: Extractor::Manual,
            generation: 0,
            parent: None,
            co_parent: None,
            seed: None,
            story: None,
            cause: "created without a story".to_owned(),
        }
    }

    /// As a story was read.
    pub fn told(told: Told) -> Self {
        let Told {
            story,
            extraction,
            extractor,
            warnings: _,
        } = told;
        Self {
            dna: extraction.dna,
            evidence: extraction.evidence,
            extractor,
            story: Some(Story {
                text: story,
                narrative_context: Some(extraction.narrative_context).filter(|it| !it.is_empty()),
                themes: extraction.themes.into_iter().map(|it| it.name).collect(),
            }),
            cause: "a story was told".to_owned(),
            ..Self::neutral()
        }
    }
}

/// Tells a story of an entity: replaces its origin and DNA. A descendant keeps what it
/// inherited, by the same seed from its parents as they are now, and the story counts half.
pub async fn tell(cx: &Cx, input: Tell) -> Result<Born> {
    let Tell {
        entity: id,
        story,
        extractor,
        revision,
    } = input;
    let mut check = Check::new();
    reading::check_story(&mut check, &story);
    let entity = super::entity_in_scope(cx.reader(), &cx.viewer.entities(Access::Write)?, id)
        .await?
        .ok_or_else(|| Error::not_found("entity"))?;
    check.done()?;
    // Read before the transaction: a language model may take its time.
    let told = reading::read(cx, &story, &entity.name, extractor).await?;
    let extraction = told.extraction.clone();
    let (told, warnings) = told.into_parts();

    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "entity", id).await?;
    let before = dna_or_neutral(&*txn, cx, id).await?;
    expect_revision(&before, revision)?;
    let told = match descend::again(&txn, &before, &extraction).await? {
        None => told,
        Some(inherited) => New {
            dna: inherited.dna,
            evidence: inherited.evidence,
            extractor: Extractor::Inherited,
            ..told
        },
    };
    let dna = store(cx, &txn, &entity, before, told).await?;
    audit::call(
        cx,
        &txn,
        "originTell",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(Born {
        entity,
        dna,
        warnings,
    })
}

/// Sets single traits by hand.
pub async fn adjust(cx: &Cx, input: Adjust) -> Result<EntityDna> {
    let Adjust {
        entity: id,
        adjustment,
        revision,
    } = input;
    if adjustment == DnaAdjustment::default() {
        return Err(Error::invalid(
            "values",
            "nothing to adjust: name at least one value",
        ));
    }
    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "entity", id).await?;
    let before = dna_or_neutral(&*txn, cx, id).await?;
    expect_revision(&before, revision)?;
    let (dna, evidence) = domain::dna::adjust(&before.dna, &before.evidence, &adjustment)?;
    let story = story_of(&txn, id).await?;
    let new = New {
        dna,
        evidence,
        extractor: Extractor::Manual,
        seed: before.seed,
        story,
        cause: "adjusted by hand".to_owned(),
        ..New::neutral()
    };
    let dna = store(cx, &txn, &entity, before, new).await?;
    audit::call(
        cx,
        &txn,
        "dnaAdjust",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(dna)
}

/// Returns to a former revision, story and all, as a new revision.
pub async fn restore(cx: &Cx, input: Restore) -> Result<EntityDna> {
    let Restore {
        entity: id,
        to,
        revision,
    } = input;
    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "entity", id).await?;
    let before = dna_or_neutral(&*txn, cx, id).await?;
    expect_revision(&before, revision)?;
    let former = revision_of(&*txn, id, to)
        .await?
        .ok_or_else(|| Error::not_found("to"))?;
    let DnaSnapshot {
        dna,
        extractor,
        dna_version: _,
        evidence,
        seed,
        origin_story,
        narrative_context,
        themes,
    } = former.dna.0;
    let new = New {
        dna,
        evidence,
        extractor,
        seed,
        story: origin_story.map(|text| Story {
            text,
            narrative_context,
            themes,
        }),
        cause: format!("restored from revision {to}"),
        ..New::neutral()
    };
    let dna = store(cx, &txn, &entity, before, new).await?;
    audit::call(
        cx,
        &txn,
        "dnaRestore",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(dna)
}

/// The first DNA of a new entity.
pub(super) async fn first(cx: &Cx, txn: &Txn, entity: &Entity, new: New) -> Result<EntityDna> {
    let before = dna_or_neutral(&**txn, cx, entity.id).await?;
    let before = EntityDna {
        generation: new.generation,
        parent_id: new.parent,
        co_parent_id: new.co_parent,
        ..before
    };
    store(cx, txn, entity, before, new).await
}

/// Stores a DNA as the revision after `before`, with its origin, its revision and the event.
async fn store(
    cx: &Cx,
    txn: &Txn,
    entity: &Entity,
    before: EntityDna,
    new: New,
) -> Result<EntityDna> {
    let now = cx.now();
    let New {
        dna,
        evidence,
        extractor,
        generation: _,
        parent: _,
        co_parent: _,
        seed,
        story,
        cause,
    } = new;
    let row = EntityDna {
        dna,
        evidence: Json(evidence),
        extractor,
        seed: seed.or(before.seed),
        dna_version: DNA_VERSION.to_owned(),
        revision: before.revision + 1,
        updated_at: now,
        ..before.clone()
    };
    if before.revision == 0 {
        entity_dna::Entity::add(&**txn, row.clone()).await?;
    } else {
        entity_dna::Entity::replace(&**txn, row.clone()).await?;
    }
    let snapshot = DnaSnapshot {
        dna: row.dna,
        extractor,
        dna_version: row.dna_version.clone(),
        evidence: row.evidence.0.clone(),
        seed: row.seed,
        origin_story: story.as_ref().map(|it| it.text.clone()),
        narrative_context: story.as_ref().and_then(|it| it.narrative_context.clone()),
        themes: story
            .as_ref()
            .map(|it| it.themes.clone())
            .unwrap_or_default(),
    };
    store_story(cx, txn, entity.id, story).await?;
    let revision = EntityDnaRevision {
        id: cx.id(),
        entity_id: entity.id,
        revision: row.revision,
        dna: Json(snapshot),
        cause: cause.clone(),
        created_at: now,
    };
    entity_dna_revisions::Entity::add(&**txn, revision).await?;
    let event = Event {
        entity_id: Some(entity.id),
        user_id: Some(entity.owner_id),
        payload: Json(json!({
            "revision": row.revision,
            "cause": cause,
            "extractor": extractor.as_str(),
        })),
        ..audit::event(cx, "dna_changed")
    };
    audit::log(cx, txn, event).await?;
    Ok(row)
}

/// Makes the origin what the story says: there, changed or gone.
async fn store_story(cx: &Cx, txn: &Txn, entity: EntityId, story: Option<Story>) -> Result<()> {
    let before = origin_of(&**txn, entity).await?;
    let Some(Story {
        text,
        narrative_context,
        themes,
    }) = story
    else {
        if before.is_some() {
            origin_remove(&**txn, entity).await?;
        }
        return Ok(());
    };
    let now = cx.now();
    let row = EntityOrigin {
        id: before.as_ref().map_or_else(|| cx.id(), |it| it.id),
        entity_id: entity,
        origin_story: text,
        narrative_context,
        themes: Json(themes),
        created_at: before.as_ref().map_or(now, |it| it.created_at),
        updated_at: now,
    };
    if before.is_some() {
        entity_origins::Entity::replace(&**txn, row).await?;
    } else {
        entity_origins::Entity::add(&**txn, row).await?;
    }
    Ok(())
}

/// The story an entity has now.
async fn story_of(txn: &Txn, entity: EntityId) -> Result<Option<Story>> {
    Ok(origin_of(&**txn, entity).await?.map(|it| Story {
        text: it.origin_story,
        narrative_context: it.narrative_context,
        themes: it.themes.0,
    }))
}

fn expect_revision(before: &EntityDna, seen: Option<i32>) -> Result<()> {
    match seen {
        Some(seen) if seen != before.revision => Err(Error::conflict(
            "revision",
            format!(
                "the DNA is at revision {}, not {seen}: read it again and decide anew",
                before.revision
            ),
        )),
        _ => Ok(()),
    }
}
