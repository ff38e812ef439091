//! Finding entities: by DNA, by likeness, by profile.

use domain::{
    device::{DeviceId, DeviceType},
    dna::{
        Dna, Entity as EntityRow, EntityId, EntityKind, EntityProfile, PatternWindow,
        TemporalResolution, Trait,
    },
    identity::UserId,
    values::Json,
};
use sea_orm::{
    Condition, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use super::{entities, entity_dna};
use crate::{
    Result, Rows, engine,
    page::{self, Page, Slice},
    scope::EntityScope,
};

/// View `entity_profile`.
pub mod entity_profile {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_profile")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub entity_id: EntityId,
        pub owner_id: UserId,
        pub device_id: Option<DeviceId>,
        pub device_name: Option<String>,
        pub ai_name: String,
        pub device_type: Option<DeviceType>,
        pub location: Option<String>,
        pub serial_number: Option<String>,
        pub tier: Option<i32>,
        pub origin_story: Option<String>,
        pub narrative_context: Option<String>,
        pub anxiety_threshold: Option<f64>,
        pub service_orientation: Option<f64>,
        pub autonomy_desire: Option<f64>,
        pub resilience: Option<f64>,
        pub generation: Option<i32>,
        pub voice_config: Json<serde_json::Value>,
        pub personality_config: Json<serde_json::Value>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entity_profile => EntityProfile {
    entity_id, owner_id, device_id, device_name, ai_name, device_type, location, serial_number,
    tier, origin_story, narrative_context, anxiety_threshold, service_orientation,
    autonomy_desire, resilience, generation, voice_config, personality_config, created_at
});

/// Bounds of a number; every one given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Greater than.
    pub gt: Option<f64>,
    /// Greater than or equal to.
    pub gte: Option<f64>,
    /// Less than.
    pub lt: Option<f64>,
    /// Less than or equal to.
    pub lte: Option<f64>,
}

/// Which entities.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityFilter {
    /// Owned by this person.
    pub owner: Option<UserId>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<EntityKind>>,
    /// Named exactly so.
    pub name: Option<String>,
    /// Whose name has this in it, whatever the case.
    pub name_contains: Option<String>,
    /// Active or not.
    pub is_active: Option<bool>,
    /// Cast onto a device or not.
    pub is_cast: Option<bool>,
    /// Whose traits lie within these bounds.
    pub traits: Vec<(Trait, Bounds)>,
    /// Of one of these resolutions.
    pub temporal_resolutions: Option<Vec<TemporalResolution>>,
    /// Of one of these windows.
    pub pattern_windows: Option<Vec<PatternWindow>>,
    /// Born within these generations.
    pub generation: Option<Bounds>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EntityOrder {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By name, A to Z.
    Name,
}

fn bounded(mut all: Condition, column: &SimpleExpr, bounds: Bounds) -> Condition {
    let Bounds { gt, gte, lt, lte } = bounds;
    all = all.add_option(gt.map(|x| column.clone().gt(x)));
    all = all.add_option(gte.map(|x| column.clone().gte(x)));
    all = all.add_option(lt.map(|x| column.clone().lt(x)));
    all.add_option(lte.map(|x| column.clone().lte(x)))
}

fn filtered(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    filter: &EntityFilter,
) -> Select<entities::Entity> {
    let EntityFilter {
        owner,
        kinds,
        name,
        name_contains,
        is_active,
        is_cast,
        traits,
        temporal_resolutions,
        pattern_windows,
        generation,
    } = filter;
    let mut all = Condition::all();
    all = all.add_option(owner.map(|it| entities::Column::OwnerId.eq(it)));
    all = all.add_option(kinds.clone().map(|it| entities::Column::Kind.is_in(it)));
    all = all.add_option(name.as_ref().map(|it| entities::Column::Name.eq(it)));
    let name_contains = name_contains.as_ref();
    all = all.add_option(
        name_contains
            .map(|it| engine::contains(db, (entities::Entity, entities::Column::Name), it)),
    );
    all = all.add_option(is_active.map(|it| entities::Column::IsActive.eq(it)));
    all = all.add_option(is_cast.map(|cast| {
        if cast {
            entities::Column::DeviceId.is_not_null()
        } else {
            entities::Column::DeviceId.is_null()
        }
    }));

    let gene = |it| Expr::col((entity_dna::Entity, it));
    let mut genes = Condition::all();
    for (which, bounds) in traits {
        genes = bounded(genes, &gene(entity_dna::Column::of(*which)), *bounds);
    }
    if let Some(bounds) = generation {
        genes = bounded(genes, &gene(entity_dna::Column::Generation), *bounds);
    }
    let resolutions = temporal_resolutions.clone();
    genes =
        genes.add_option(resolutions.map(|it| entity_dna::Column::TemporalResolution.is_in(it)));
    let windows = pattern_windows.clone();
    genes = genes.add_option(windows.map(|it| entity_dna::Column::PatternWindow.is_in(it)));
    if !genes.is_empty() {
        let mut with = entity_dna::Entity::find()
            .select_only()
            .column(entity_dna::Column::EntityId)
            .filter(genes);
        all = all.add(entities::Column::Id.in_subquery(QuerySelect::query(&mut with).to_owned()));
    }
    scope.entities(db).filter(all)
}

impl EntityOrder {
    /// The sort key, and whether the greatest comes first.
    fn key(self) -> (entities::Column, bool) {
        match self {
            Self::Newest => (entities::Column::CreatedAt, true),
            Self::Oldest => (entities::Column::CreatedAt, false),
            Self::Name => (entities::Column::Name, false),
        }
    }
}

/// The entities in scope that each of several persons owns.
pub fn entities_under(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    order: EntityOrder,
) -> page::Children<entities::Entity> {
    let (key, descending) = order.key();
    page::Children {
        select: scope.entities(db),
        parent: entities::Column::OwnerId,
        key,
        id: entities::Column::Id,
        descending,
    }
}

/// Entities in scope.
pub async fn entities_page(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    filter: &EntityFilter,
    order: EntityOrder,
    page: &Page,
) -> Result<Slice<EntityRow>> {
    let (key, descending) = order.key();
    let select = filtered(db, scope, filter);
    let slice = page::fetch(db, select, (key, entities::Column::Id), descending, page).await?;
    Ok(slice.map(EntityRow::from))
}

/// How many entities in scope.
pub async fn entities_count(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    filter: &EntityFilter,
) -> Result<u64> {
    Ok(filtered(db, scope, filter).count(db).await?)
}

/// The profiles of these entities, which the caller has in scope.
pub async fn profiles_of(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: &[EntityId],
) -> Result<Vec<EntityProfile>> {
    let id = (entity_profile::Entity, entity_profile::Column::EntityId);
    let rows = entity_profile::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .filter(scope.covers(db, entity_profile::Column::EntityId))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(EntityProfile::from).collect())
}

/// An entity, and how far its DNA is from another's.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// Which.
    pub entity: EntityRow,
    /// Its DNA's squared Euclidean distance over the traits.
    pub squared_distance: f64,
}

#[derive(FromQueryResult)]
struct Distance {
    entity_id: EntityId,
    squared_distance: f64,
}

/// The entities in scope with the nearest DNA, nearest first, ties by id.
pub async fn nearest(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    to: EntityId,
    dna: &Dna,
    limit: u64,
) -> Result<Vec<Neighbour>> {
    let distance = Trait::ALL
        .iter()
        .map(|&which| {
            let column = || Expr::col((entity_dna::Entity, entity_dna::Column::of(which)));
            let x = dna.get(which);
            column().sub(x).mul(column().sub(x))
        })
        .reduce(ExprTrait::add)
        .unwrap_or_else(|| Expr::val(0.0));
    let distances = entity_dna::Entity::find()
        .select_only()
        .column(entity_dna::Column::EntityId)
        .column_as(distance.clone(), "squared_distance")
        .filter(entity_dna::Column::EntityId.ne(to))
        .filter(scope.covers(db, entity_dna::Column::EntityId))
        .order_by_asc(distance)
        .order_by_asc(entity_dna::Column::EntityId)
        .limit(limit)
        .into_model::<Distance>()
        .all(db)
        .await?;
    let ids: Vec<EntityId> = distances.iter().map(|it| it.entity_id).collect();
    let rows = super::entities_by_ids(db, scope, &ids).await?;
    Ok(distances
        .into_iter()
        .filter_map(|it| {
            let entity = rows.iter().find(|row| row.id == it.entity_id)?.clone();
            Some(Neighbour {
                entity,
                squared_distance: it.squared_distance,
            })
        })
        .collect())
}
