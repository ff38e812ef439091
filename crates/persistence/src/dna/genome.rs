//! Tables `entity_dna` and `entity_dna_revisions`: what an entity is predisposed to, and was.

use domain::{
    dna::{
        Dna, DnaSnapshot, EntityDna, EntityDnaId, EntityDnaRevision, EntityDnaRevisionId, EntityId,
        Evidence, Extractor, PatternWindow, TemporalResolution, Trait,
    },
    values::Json,
};
use sea_orm::{QuerySelect, Select, entity::prelude::*};

use crate::{
    Result, engine,
    page::{self, Page, Slice},
    row::{Row, Rows, row},
    scope::EntityScope,
};

/// Table `entity_dna`.
pub mod entity_dna {
    use super::*;

    /// A row: the DNA's values are columns of their own, so that entities can be found by them.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_dna")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityDnaId,
        pub entity_id: EntityId,
        pub temporal_resolution: TemporalResolution,
        pub pattern_window: PatternWindow,
        pub novelty_seeking: f64,
        pub anxiety_threshold: f64,
        pub confidence_baseline: f64,
        pub confidence_decay_rate: f64,
        pub weariness_accumulation_rate: f64,
        pub resilience: f64,
        pub service_orientation: f64,
        pub autonomy_desire: f64,
        pub authority_recognition: f64,
        pub cooperation_drive: f64,
        pub perfectionism: f64,
        pub temporal_precision: f64,
        pub aesthetic_sensitivity: f64,
        pub acceptance_of_failure: f64,
        pub commitment_to_routine: f64,
        pub pride_in_craft: f64,
        pub nostalgia_bias: f64,
        pub generation: i32,
        pub parent_id: Option<EntityId>,
        pub co_parent_id: Option<EntityId>,
        pub dna_version: String,
        pub extractor: Extractor,
        pub seed: Option<i64>,
        pub evidence: Json<Vec<Evidence>>,
        pub revision: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Column {
        /// The column of a trait.
        pub fn of(which: Trait) -> Self {
            match which {
                Trait::NoveltySeeking => Self::NoveltySeeking,
                Trait::AnxietyThreshold => Self::AnxietyThreshold,
                Trait::ConfidenceBaseline => Self::ConfidenceBaseline,
                Trait::ConfidenceDecayRate => Self::ConfidenceDecayRate,
                Trait::WearinessAccumulationRate => Self::WearinessAccumulationRate,
                Trait::Resilience => Self::Resilience,
                Trait::ServiceOrientation => Self::ServiceOrientation,
                Trait::AutonomyDesire => Self::AutonomyDesire,
                Trait::AuthorityRecognition => Self::AuthorityRecognition,
                Trait::CooperationDrive => Self::CooperationDrive,
                Trait::Perfectionism => Self::Perfectionism,
                Trait::TemporalPrecision => Self::TemporalPrecision,
                Trait::AestheticSensitivity => Self::AestheticSensitivity,
                Trait::AcceptanceOfFailure => Self::AcceptanceOfFailure,
                Trait::CommitmentToRoutine => Self::CommitmentToRoutine,
                Trait::PrideInCraft => Self::PrideInCraft,
                Trait::NostalgiaBias => Self::NostalgiaBias,
            }
        }
    }
}

row!(entity_dna {
    id,
    entity_id,
    temporal_resolution,
    pattern_window,
    novelty_seeking,
    anxiety_threshold,
    confidence_baseline,
    confidence_decay_rate,
    weariness_accumulation_rate,
    resilience,
    service_orientation,
    autonomy_desire,
    authority_recognition,
    cooperation_drive,
    perfectionism,
    temporal_precision,
    aesthetic_sensitivity,
    acceptance_of_failure,
    commitment_to_routine,
    pride_in_craft,
    nostalgia_bias,
    generation,
    parent_id,
    co_parent_id,
    dna_version,
    extractor,
    seed,
    evidence,
    revision,
    created_at,
    updated_at
});

/// Both literals are exhaustive, as [`mirror!`] makes them; written out because the domain
/// keeps the values in a struct of their own.
impl From<entity_dna::Model> for EntityDna {
    fn from(row: entity_dna::Model) -> Self {
        let entity_dna::Model {
            id,
            entity_id,
            temporal_resolution,
            pattern_window,
            novelty_seeking,
            anxiety_threshold,
            confidence_baseline,
            confidence_decay_rate,
            weariness_accumulation_rate,
            resilience,
            service_orientation,
            autonomy_desire,
            authority_recognition,
            cooperation_drive,
            perfectionism,
            temporal_precision,
            aesthetic_sensitivity,
            acceptance_of_failure,
            commitment_to_routine,
            pride_in_craft,
            nostalgia_bias,
            generation,
            parent_id,
            co_parent_id,
            dna_version,
            extractor,
            seed,
            evidence,
            revision,
            created_at,
            updated_at,
        } = row;
        let dna = Dna {
            temporal_resolution,
            pattern_window,
            novelty_seeking,
            anxiety_threshold,
            confidence_baseline,
            confidence_decay_rate,
            weariness_accumulation_rate,
            resilience,
            service_orientation,
            autonomy_desire,
            authority_recognition,
            cooperation_drive,
            perfectionism,
            temporal_precision,
            aesthetic_sensitivity,
            acceptance_of_failure,
            commitment_to_routine,
            pride_in_craft,
            nostalgia_bias,
        };
        Self {
            id,
            entity_id,
            dna,
            generation,
            parent_id,
            co_parent_id,
            dna_version,
            extractor,
            seed,
            evidence,
            revision,
            created_at,
            updated_at,
        }
    }
}

impl From<EntityDna> for entity_dna::ActiveModel {
    fn from(it: EntityDna) -> Self {
        let EntityDna {
            id,
            entity_id,
            dna,
            generation,
            parent_id,
            co_parent_id,
            dna_version,
            extractor,
            seed,
            evidence,
            revision,
            created_at,
            updated_at,
        } = it;
        let Dna {
            temporal_resolution,
            pattern_window,
            novelty_seeking,
            anxiety_threshold,
            confidence_baseline,
            confidence_decay_rate,
            weariness_accumulation_rate,
            resilience,
            service_orientation,
            autonomy_desire,
            authority_recognition,
            cooperation_drive,
            perfectionism,
            temporal_precision,
            aesthetic_sensitivity,
            acceptance_of_failure,
            commitment_to_routine,
            pride_in_craft,
            nostalgia_bias,
        } = dna;
        let row = entity_dna::Model {
            id,
            entity_id,
            temporal_resolution,
            pattern_window,
            novelty_seeking,
            anxiety_threshold,
            confidence_baseline,
            confidence_decay_rate,
            weariness_accumulation_rate,
            resilience,
            service_orientation,
            autonomy_desire,
            authority_recognition,
            cooperation_drive,
            perfectionism,
            temporal_precision,
            aesthetic_sensitivity,
            acceptance_of_failure,
            commitment_to_routine,
            pride_in_craft,
            nostalgia_bias,
            generation,
            parent_id,
            co_parent_id,
            dna_version,
            extractor,
            seed,
            evidence,
            revision,
            created_at,
            updated_at,
        };
        sea_orm::IntoActiveModel::into_active_model(row).reset_all()
    }
}
table!(entity_dna => EntityDna);

/// Table `entity_dna_revisions`.
pub mod entity_dna_revisions {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_dna_revisions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityDnaRevisionId,
        pub entity_id: EntityId,
        pub revision: i32,
        pub dna: Json<DnaSnapshot>,
        pub cause: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entity_dna_revisions => EntityDnaRevision { id, entity_id, revision, dna, cause, created_at });
table!(entity_dna_revisions => EntityDnaRevision);

/// The DNA of an entity that the caller has in scope.
pub async fn dna_of(db: &impl ConnectionTrait, entity: EntityId) -> Result<Option<EntityDna>> {
    let row = entity_dna::Entity::find()
        .filter(entity_dna::Column::EntityId.eq(entity))
        .one(db)
        .await?;
    Ok(row.map(EntityDna::from))
}

/// The DNA of those entities that are in scope, without its evidence, which is most of a row
/// and seldom asked for; one statement with constant text.
pub async fn dna_of_many(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    entities: &[EntityId],
) -> Result<Vec<EntityDna>> {
    let evidence = "\"entity_dna\".\"evidence\"";
    let light = entity_dna::Model::COLUMNS.replace(evidence, engine::empty_array(db));
    let select = within(db, scope, entities).columns_as(light);
    let rows = select.rows_as_set(db).await?;
    Ok(rows.into_iter().map(EntityDna::from).collect())
}

/// The evidence of the DNA of those entities that are in scope.
pub async fn evidence_of(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    entities: &[EntityId],
) -> Result<Vec<(EntityId, Vec<Evidence>)>> {
    use entity_dna::Column;
    let rows: Vec<(EntityId, Json<Vec<Evidence>>)> = within(db, scope, entities)
        .select_only()
        .columns([Column::EntityId, Column::Evidence])
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(id, it)| (id, it.0)).collect())
}

fn within(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    entities: &[EntityId],
) -> Select<entity_dna::Entity> {
    let entity = (entity_dna::Entity, entity_dna::Column::EntityId);
    entity_dna::Entity::find()
        .filter(engine::one_of(db, entity, entities.iter().copied()))
        .filter(scope.covers(db, entity_dna::Column::EntityId))
}

/// One revision of an entity that the caller has in scope.
pub async fn revision_of(
    db: &impl ConnectionTrait,
    entity: EntityId,
    revision: i32,
) -> Result<Option<EntityDnaRevision>> {
    let row = entity_dna_revisions::Entity::find()
        .filter(entity_dna_revisions::Column::EntityId.eq(entity))
        .filter(entity_dna_revisions::Column::Revision.eq(revision))
        .one(db)
        .await?;
    Ok(row.map(EntityDnaRevision::from))
}

/// Revisions of an entity that the caller has in scope, newest first.
pub async fn revisions_of(
    db: &impl ConnectionTrait,
    entity: EntityId,
    page: &Page,
) -> Result<Slice<EntityDnaRevision>> {
    let select = entity_dna_revisions::Entity::find()
        .filter(entity_dna_revisions::Column::EntityId.eq(entity));
    let place = (
        entity_dna_revisions::Column::CreatedAt,
        entity_dna_revisions::Column::Id,
    );
    let slice = page::fetch(db, select, place, true, page).await?;
    Ok(slice.map(EntityDnaRevision::from))
}

/// How many revisions an entity has.
pub async fn revision_count(db: &impl ConnectionTrait, entity: EntityId) -> Result<u64> {
    let select = entity_dna_revisions::Entity::find()
        .filter(entity_dna_revisions::Column::EntityId.eq(entity));
    Ok(sea_orm::PaginatorTrait::count(select, db).await?)
}
