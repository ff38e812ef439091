//! Who descends from whom: table `entity_relationships`, and lines of ancestors by recursion.

use std::collections::HashSet;

use domain::dna::{
    Entity as EntityRow, EntityId, EntityRelationship, EntityRelationshipId, KinshipKind,
};
use sea_orm::{
    Condition, DbBackend, FromQueryResult, QueryOrder, QuerySelect, Statement, entity::prelude::*,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{entities, entity_dna};
use crate::{
    Error, Result, Rows, engine,
    page::{Cursor, Key, Page, Slice},
    scope::EntityScope,
};

/// Table `entity_relationships`.
pub mod entity_relationships {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "entity_relationships")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: EntityRelationshipId,
        pub from_entity_id: EntityId,
        pub to_entity_id: EntityId,
        pub kind: KinshipKind,
        pub strength: f64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(entity_relationships => EntityRelationship {
    id, from_entity_id, to_entity_id, kind, strength, created_at, updated_at
});
table!(entity_relationships => EntityRelationship);

/// A direction along the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// Parents, their parents, and so on.
    Ancestors,
    /// Children, their children, and so on.
    Descendants,
}

/// One of a line, and how far along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Relative {
    /// Who.
    pub entity: EntityRow,
    /// 1 for a parent or child, 2 for theirs, and so on.
    pub distance: i32,
}

/// Relatives of an entity that are in scope, nearest first, ties by id; of several ways to one,
/// the shortest. With the number there are in all pages.
pub async fn line(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    of: EntityId,
    line: Line,
    max_distance: i32,
    page: &Page,
) -> Result<(Slice<Relative>, usize)> {
    let found = line_ids(db, of, line, max_distance).await?;
    let visible = visible_ids(db, scope, found.iter().map(|it| EntityId(it.id))).await?;
    let mut places: Vec<(i32, Uuid)> = found
        .into_iter()
        .filter(|it| visible.contains(&it.id))
        .map(|it| (it.distance, it.id))
        .collect();
    places.sort_unstable();
    let total = places.len();
    if let Some(after) = page.after.as_ref().map(place_of).transpose()? {
        places.retain(|it| *it > after);
    }
    if let Some(before) = page.before.as_ref().map(place_of).transpose()? {
        places.retain(|it| *it < before);
    }
    if page.last {
        places.reverse();
    }
    places.truncate(
        usize::try_from(page.size)
            .unwrap_or(usize::MAX)
            .saturating_add(1),
    );
    let ids: Vec<EntityId> = places.iter().map(|(_, id)| EntityId(*id)).collect();
    let rows = super::entities_by_ids(db, scope, &ids).await?;
    let relatives = places
        .into_iter()
        .filter_map(|(distance, id)| {
            let entity = rows.iter().find(|it| it.id.0 == id)?.clone();
            Some(Relative { entity, distance })
        })
        .collect();
    Ok((Slice::of(relatives, page), total))
}

/// The place that a cursor of a line names.
fn place_of(cursor: &Cursor) -> Result<(i32, Uuid)> {
    match cursor.key {
        Key::Number(distance) if (0.0..=1e6).contains(&distance) => {
            #[expect(clippy::cast_possible_truncation, reason = "within a million")]
            let distance = distance as i32;
            Ok((distance, cursor.id))
        }
        _ => Err(Error::Cursor),
    }
}

/// Those of the ids that are in scope.
async fn visible_ids(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: impl Iterator<Item = EntityId>,
) -> Result<HashSet<Uuid>> {
    let id = (entities::Entity, entities::Column::Id);
    let visible: Vec<EntityId> = scope
        .entities(db)
        .filter(engine::one_of(db, id, ids))
        .select_only()
        .column(entities::Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(visible.into_iter().map(|it| it.0).collect())
}

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
    distance: i32,
}

/// Every relative within the distance, by a recursive common table expression whose `UNION`
/// ends it even on a line that (against all rules) closes on itself.
async fn line_ids(
    db: &impl ConnectionTrait,
    of: EntityId,
    line: Line,
    max_distance: i32,
) -> Result<Vec<Found>> {
    let step = match line {
        Line::Ancestors => {
            "SELECT p.id, l.distance + 1 FROM line l \
             JOIN entity_dna d ON d.entity_id = l.id \
             JOIN entities p ON p.id = d.parent_id OR p.id = d.co_parent_id \
             WHERE l.distance < $2"
        }
        Line::Descendants => {
            "SELECT d.entity_id, l.distance + 1 FROM line l \
             JOIN entity_dna d ON d.parent_id = l.id OR d.co_parent_id = l.id \
             WHERE l.distance < $2"
        }
    };
    let start = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT $1, 0",
        _ => "SELECT $1::uuid, 0",
    };
    let sql = format!(
        "WITH RECURSIVE line(id, distance) AS ({start} UNION {step}) \
         SELECT id, MIN(distance) AS distance FROM line WHERE distance > 0 GROUP BY id"
    );
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        sql,
        [of.0.into(), max_distance.into()],
    );
    Ok(Found::find_by_statement(statement).all(db).await?)
}

/// Entities that share a parent with this one, in scope, oldest first, at most `limit`.
pub async fn siblings(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    of: EntityId,
    limit: u64,
) -> Result<Vec<EntityRow>> {
    let Some(own) = super::dna_of(db, of).await? else {
        return Ok(Vec::new());
    };
    let parents: Vec<EntityId> = [own.parent_id, own.co_parent_id]
        .into_iter()
        .flatten()
        .collect();
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let column = |it| (entity_dna::Entity, it);
    let of_the_same = entity_dna::Entity::find()
        .select_only()
        .column(entity_dna::Column::EntityId)
        .filter(
            Condition::any()
                .add(engine::one_of(
                    db,
                    column(entity_dna::Column::ParentId),
                    parents.clone(),
                ))
                .add(engine::one_of(
                    db,
                    column(entity_dna::Column::CoParentId),
                    parents,
                )),
        );
    let rows = scope
        .entities(db)
        .filter(
            entities::Column::Id
                .in_subquery(QuerySelect::query(&mut of_the_same.clone()).to_owned()),
        )
        .filter(entities::Column::Id.ne(of))
        .order_by_asc(entities::Column::CreatedAt)
        .order_by_asc(entities::Column::Id)
        .limit(limit)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(EntityRow::from).collect())
}

/// Children of these parents, whoever owns them, for making kinship rows.
pub async fn children_of(db: &impl ConnectionTrait, parents: &[EntityId]) -> Result<Vec<EntityId>> {
    let column = |it| (entity_dna::Entity, it);
    let rows = entity_dna::Entity::find()
        .filter(
            Condition::any()
                .add(engine::one_of(
                    db,
                    column(entity_dna::Column::ParentId),
                    parents.to_vec(),
                ))
                .add(engine::one_of(
                    db,
                    column(entity_dna::Column::CoParentId),
                    parents.to_vec(),
                )),
        )
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(|it| it.entity_id).collect())
}

/// How an entity stands to others, strongest first, at most `limit`; others in scope only.
pub async fn kinships(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    of: EntityId,
    limit: u64,
) -> Result<Vec<EntityRelationship>> {
    let rows = entity_relationships::Entity::find()
        .filter(entity_relationships::Column::FromEntityId.eq(of))
        .filter(scope.covers(db, entity_relationships::Column::ToEntityId))
        .order_by_desc(entity_relationships::Column::Strength)
        .order_by_asc(entity_relationships::Column::Id)
        .limit(limit)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(EntityRelationship::from).collect())
}

/// Notes how two entities stand to each other, unless it is noted already.
pub async fn relate(db: &impl ConnectionTrait, it: EntityRelationship) -> Result<()> {
    entity_relationships::Entity::insert(entity_relationships::ActiveModel::from(it))
        .on_conflict(
            sea_orm::sea_query::OnConflict::columns([
                entity_relationships::Column::FromEntityId,
                entity_relationships::Column::ToEntityId,
                entity_relationships::Column::Kind,
            ])
            .value(
                entity_relationships::Column::UpdatedAt,
                Expr::cust("excluded.updated_at"),
            )
            .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}
