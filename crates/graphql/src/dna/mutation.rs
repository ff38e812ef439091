//! Mutations of dna.

use app::dna::{self, Adjust, Born, Descend, Restore, Tell, VoiceAssign};
use async_graphql::{Context, ID, InputObject, Object};
use domain::dna::{DnaWarning, EntityId, voice::VoiceMatch};

use super::{
    Entity, EntityDna,
    input::{DnaExtractor, DnaValues, EntityCreateInput, EntityUpdateInput},
};
use crate::{Result, cx, payload, payload::answer};

/// A story to be told of an entity.
#[derive(Clone, Debug, InputObject)]
pub struct OriginTellInput {
    /// Of which entity.
    pub entity: EntityId,
    /// The story, 20–20 000 characters after trimming.
    pub story: String,
    /// Who reads it.
    pub extractor: Option<DnaExtractor>,
    /// The revision of the DNA that you have seen: when it is another by now, nothing is
    /// changed and the answer is a `CONFLICT`.
    pub revision: Option<i32>,
}

/// An edit of DNA by hand.
#[derive(Clone, Debug, InputObject)]
pub struct DnaAdjustInput {
    /// Of which entity.
    pub entity: EntityId,
    /// The new values.
    pub values: DnaValues,
    /// The revision of the DNA that you have seen: when it is another by now, nothing is
    /// changed and the answer is a `CONFLICT`.
    pub revision: Option<i32>,
}

/// A return to a former state of DNA.
#[derive(Clone, Debug, InputObject)]
pub struct DnaRestoreInput {
    /// Of which entity.
    pub entity: EntityId,
    /// The revision to return to.
    pub to: i32,
    /// The revision of the DNA that you have seen: when it is another by now, nothing is
    /// changed and the answer is a `CONFLICT`.
    pub revision: Option<i32>,
}

/// A birth.
#[derive(Clone, Debug, InputObject)]
pub struct EntityDescendInput {
    /// The entity it descends from; its owner owns the child.
    pub parent: EntityId,
    /// The other entity it descends from.
    pub co_parent: Option<EntityId>,
    /// What the child is called, 1–100 characters.
    pub name: String,
    /// A story of its own, which counts half on top of what it inherits.
    pub story: Option<String>,
    /// Who reads the story.
    pub extractor: Option<DnaExtractor>,
    /// From 0 to 2 147 483 647: the same parents, story and seed give the same DNA to the last
    /// bit. Drawn and stored when not given.
    pub seed: Option<i32>,
    /// Makes a repeat harmless, see `Mutation`; 1–200 characters.
    pub idempotency_key: Option<String>,
}

/// A voice to be given to an entity.
#[derive(Clone, Debug, InputObject)]
pub struct VoiceAssignInput {
    /// To which entity.
    pub entity: EntityId,
    /// The speaker's id, as `voices` lists it; the one that fits best when not said.
    pub speaker: Option<String>,
}

payload! {
    /// Answer of `entityCreate`.
    EntityCreatePayload {
        /// The new entity.
        entity: Entity,
        /// What was amiss on the way, such as a language model that did not answer.
        warnings: Vec<DnaWarning>,
    }
}
payload! {
    /// Answer of `entityUpdate`.
    EntityUpdatePayload {
        /// The entity as it is now.
        entity: Entity,
    }
}
payload! {
    /// Answer of `entityDelete`.
    EntityDeletePayload {
        /// The id it had.
        deleted_id: ID,
    }
}
payload! {
    /// Answer of `originTell`.
    OriginTellPayload {
        /// The entity.
        entity: Entity,
        /// Its DNA as it is now.
        dna: EntityDna,
        /// What was amiss on the way, such as a language model that did not answer.
        warnings: Vec<DnaWarning>,
    }
}
payload! {
    /// Answer of `dnaAdjust`.
    DnaAdjustPayload {
        /// The DNA as it is now.
        dna: EntityDna,
    }
}
payload! {
    /// Answer of `dnaRestore`.
    DnaRestorePayload {
        /// The DNA as it is now.
        dna: EntityDna,
    }
}
payload! {
    /// Answer of `entityDescend`.
    EntityDescendPayload {
        /// The child.
        entity: Entity,
        /// What was amiss on the way, such as a language model that did not answer.
        warnings: Vec<DnaWarning>,
    }
}
payload! {
    /// Answer of `voiceAssign`.
    VoiceAssignPayload {
        /// The entity with its new voice.
        entity: Entity,
        /// The voice, and why it fits.
        voice_match: VoiceMatch,
    }
}

/// Mutations of dna.
#[derive(Debug, Default)]
pub struct DnaMutation;

#[Object]
impl DnaMutation {
    /// Makes an entity: with the DNA of its story, or neutral DNA when none is told.
    async fn entity_create(
        &self,
        ctx: &Context<'_>,
        input: EntityCreateInput,
    ) -> Result<EntityCreatePayload> {
        let (once, input) = input.into_parts();
        let born = dna::create(cx(ctx), once, input).await;
        answer(born.map(
            |Born {
                 entity, warnings, ..
             }| { EntityCreatePayload::of(Entity::from(entity), warnings) },
        ))
    }

    /// Changes an entity: what is left out stays, null clears.
    async fn entity_update(
        &self,
        ctx: &Context<'_>,
        input: EntityUpdateInput,
    ) -> Result<EntityUpdatePayload> {
        let (id, input) = input.into_parts();
        let entity = dna::update(cx(ctx), id, input).await;
        answer(entity.map(|it| EntityUpdatePayload::of(Entity::from(it))))
    }

    /// Removes an entity with all that is its own. Its children stay, without this parent.
    async fn entity_delete(&self, ctx: &Context<'_>, id: EntityId) -> Result<EntityDeletePayload> {
        let deleted = dna::delete(cx(ctx), id).await;
        answer(deleted.map(|id| EntityDeletePayload::of(ID(id.to_string()))))
    }

    /// Tells a story of an entity: replaces its origin and DNA, and raises the revision. A
    /// descendant keeps what it inherited, and the story counts half on top.
    async fn origin_tell(
        &self,
        ctx: &Context<'_>,
        input: OriginTellInput,
    ) -> Result<OriginTellPayload> {
        let OriginTellInput {
            entity,
            story,
            extractor,
            revision,
        } = input;
        let input = Tell {
            entity,
            story,
            extractor: extractor.map(Into::into),
            revision,
        };
        answer(dna::tell(cx(ctx), input).await.map(
            |Born {
                 entity,
                 dna,
                 warnings,
             }| {
                OriginTellPayload::of(Entity::from(entity), EntityDna { row: dna }, warnings)
            },
        ))
    }

    /// Sets single values of DNA by hand, and raises the revision.
    async fn dna_adjust(
        &self,
        ctx: &Context<'_>,
        input: DnaAdjustInput,
    ) -> Result<DnaAdjustPayload> {
        let DnaAdjustInput {
            entity,
            values,
            revision,
        } = input;
        let input = Adjust {
            entity,
            adjustment: values.into(),
            revision,
        };
        let dna = dna::adjust(cx(ctx), input).await;
        answer(dna.map(|row| DnaAdjustPayload::of(EntityDna { row })))
    }

    /// Returns DNA and story to a former revision, as a new revision.
    async fn dna_restore(
        &self,
        ctx: &Context<'_>,
        input: DnaRestoreInput,
    ) -> Result<DnaRestorePayload> {
        let DnaRestoreInput {
            entity,
            to,
            revision,
        } = input;
        let dna = dna::restore(
            cx(ctx),
            Restore {
                entity,
                to,
                revision,
            },
        )
        .await;
        answer(dna.map(|row| DnaRestorePayload::of(EntityDna { row })))
    }

    /// Makes a child of one or two entities: it inherits their DNA with a little variation,
    /// and a story of its own counts half on top.
    async fn entity_descend(
        &self,
        ctx: &Context<'_>,
        input: EntityDescendInput,
    ) -> Result<EntityDescendPayload> {
        let EntityDescendInput {
            parent,
            co_parent,
            name,
            story,
            extractor,
            seed,
            idempotency_key,
        } = input;
        let extractor = extractor.map(Into::into);
        let input = Descend {
            parent,
            co_parent,
            name,
            story,
            extractor,
            seed,
        };
        answer(dna::descend(cx(ctx), idempotency_key, input).await.map(
            |Born {
                 entity, warnings, ..
             }| { EntityDescendPayload::of(Entity::from(entity), warnings) },
        ))
    }

    /// Gives an entity a voice: the one named, or the one that fits best.
    async fn voice_assign(
        &self,
        ctx: &Context<'_>,
        input: VoiceAssignInput,
    ) -> Result<VoiceAssignPayload> {
        let VoiceAssignInput { entity, speaker } = input;
        let given = dna::voice_assign(cx(ctx), VoiceAssign { entity, speaker }).await;
        answer(given.map(|(entity, voice)| VoiceAssignPayload::of(Entity::from(entity), voice)))
    }
}
