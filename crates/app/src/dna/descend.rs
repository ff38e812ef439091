//! Descent: a child of one or two entities.

use domain::{
    check::Check,
    dna::{
        Entity, EntityDna, EntityId, EntityRelationship, Extraction, Extractor, Inherited,
        KinshipKind, Parent, inherit,
    },
};
use persistence::dna::{children_of, dna_of, entities, entities_by_ids, relate};
use persistence::scope::{EntityReach, EntityScope};

use super::{Born, ExtractorChoice, born_before, dna_or_neutral, genome, reading, writable};
use crate::{
    Cx, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A birth.
#[derive(Clone, Debug)]
pub struct Descend {
    /// The one it descends from; its owner owns the child.
    pub parent: EntityId,
    /// The other one.
    pub co_parent: Option<EntityId>,
    /// What the child is called, 1–100 characters.
    pub name: String,
    /// A story of its own, which counts half.
    pub story: Option<String>,
    /// Who reads the story.
    pub extractor: Option<ExtractorChoice>,
    /// The same parents, story and seed give the same DNA. Drawn and stored when not given.
    pub seed: Option<i32>,
}

/// Makes a child of one or two entities.
pub async fn descend(cx: &Cx, once: Option<String>, input: Descend) -> Result<Born> {
    let once = Once::new(once, "entityDescend", &input);
    let Descend {
        parent,
        co_parent,
        name,
        story,
        extractor,
        seed,
    } = input;
    let mut check = Check::new();
    let name = check.text("name", &name, 1..=100);
    if let Some(story) = &story {
        reading::check_story(&mut check, story);
    }
    if let Some(seed) = seed {
        check.integer("seed", seed.into(), 0..=i32::MAX.into());
    }
    if co_parent == Some(parent) {
        check.fail(
            domain::check::UserErrorCode::Invalid,
            "coParent",
            "coParent is the parent itself: name another entity, or none",
        );
    }
    check.done()?;
    cx.viewer.entities(crate::Access::Write)?;
    let told = match &story {
        Some(story) => Some(reading::read(cx, story, &name, extractor).await?),
        None => None,
    };
    // 31 bits: a seed passes through every JSON and GraphQL client unharmed.
    let drawn = || i64::try_from(cx.random.number() >> 33).unwrap_or(0);
    let seed = seed.map_or_else(drawn, i64::from);

    let txn = cx.begin().await?;
    let claim = match idempotency::claim(cx, &txn, once).await? {
        Claim::Again(id) => return born_before(cx, &txn, id).await,
        Claim::First(claim) => claim,
    };
    let parents = Parents::of(cx, &txn, parent, co_parent).await?;
    let extraction = told.as_ref().map(|it| &it.extraction);
    let Inherited {
        dna,
        evidence,
        generation,
    } = parents.inherit(seed, extraction);

    let (owner, kind) = (parents.first.0.owner_id, parents.first.0.kind);
    let child = Entity::new(cx.id(), owner, kind, name, cx.now());
    entities::Entity::add(&*txn, child.clone()).await?;
    claim.keep(&txn, child.id).await?;
    let (told, warnings) = told.map(reading::Told::into_parts).unzip();
    let new = genome::New {
        dna,
        evidence,
        extractor: Extractor::Inherited,
        generation: i32::try_from(generation).unwrap_or(i32::MAX),
        parent: Some(parent),
        co_parent,
        seed: Some(seed),
        story: told.and_then(|it| it.story),
        cause: "inherited".to_owned(),
    };
    let siblings = children_of(&*txn, &parents.ids()).await?;
    let genome = genome::first(cx, &txn, &child, new).await?;
    for it in parents.ids() {
        kin(cx, &txn, it, child.id, KinshipKind::Parent).await?;
        kin(cx, &txn, child.id, it, KinshipKind::Child).await?;
    }
    for it in siblings {
        kin(cx, &txn, it, child.id, KinshipKind::Sibling).await?;
        kin(cx, &txn, child.id, it, KinshipKind::Sibling).await?;
    }
    audit::call(
        cx,
        &txn,
        "entityDescend",
        Some(child.id.to_string()),
        Some(child.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(Born {
        entity: child,
        dna: genome,
        warnings: warnings.unwrap_or_default(),
    })
}

/// The one or two that a child descends from.
struct Parents {
    first: (Entity, EntityDna),
    second: Option<(Entity, EntityDna)>,
}

impl Parents {
    /// Those the viewer may change, locked.
    async fn of(cx: &Cx, txn: &Txn, parent: EntityId, co_parent: Option<EntityId>) -> Result<Self> {
        let first = writable(cx, txn, "parent", parent).await?;
        let first = (first, dna_or_neutral(&**txn, cx, parent).await?);
        let second = match co_parent {
            Some(id) => {
                let second = writable(cx, txn, "coParent", id).await?;
                Some((second, dna_or_neutral(&**txn, cx, id).await?))
            }
            None => None,
        };
        Ok(Self { first, second })
    }

    fn ids(&self) -> Vec<EntityId> {
        std::iter::once(&self.first)
            .chain(&self.second)
            .map(|(it, _)| it.id)
            .collect()
    }

    fn inherit(&self, seed: i64, story: Option<&Extraction>) -> Inherited {
        let (entity, dna) = &self.first;
        let other = self.second.as_ref().map(|(it, dna)| as_parent(it, dna));
        inherit(
            &as_parent(entity, dna),
            other.as_ref(),
            seed.unsigned_abs(),
            story,
        )
    }
}

/// What a descendant inherits when its story is told anew: by the same seed, from its
/// parents as they are now. None for an entity that was told, or whose parents are gone.
pub(super) async fn again(
    txn: &Txn,
    child: &EntityDna,
    story: &Extraction,
) -> Result<Option<Inherited>> {
    let Some(seed) = child.seed else {
        return Ok(None);
    };
    // The parents' rows, whoever owns them now: the child's owner had them once.
    let all = EntityScope {
        reach: EntityReach::All,
        fence: None,
    };
    let ids: Vec<EntityId> = [child.parent_id, child.co_parent_id]
        .into_iter()
        .flatten()
        .collect();
    let parents = entities_by_ids(&**txn, &all, &ids).await?;
    let mut found = Vec::new();
    for id in ids {
        let entity = parents.iter().find(|it| it.id == id).cloned();
        found.extend(entity.zip(dna_of(&**txn, id).await?));
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else {
        return Ok(None);
    };
    let parents = Parents {
        first,
        second: found.next(),
    };
    Ok(Some(parents.inherit(seed, Some(story))))
}

fn as_parent<'a>(entity: &'a Entity, dna: &'a EntityDna) -> Parent<'a> {
    Parent {
        id: entity.id.0,
        name: &entity.name,
        dna: &dna.dna,
        generation: u32::try_from(dna.generation).unwrap_or(0),
    }
}

async fn kin(cx: &Cx, txn: &Txn, from: EntityId, to: EntityId, kind: KinshipKind) -> Result<()> {
    let row = EntityRelationship {
        id: cx.id(),
        from_entity_id: from,
        to_entity_id: to,
        kind,
        strength: 0.5,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    Ok(relate(&**txn, row).await?)
}
