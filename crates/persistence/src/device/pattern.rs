//! Learned patterns, and the events they are learned from.

use domain::{
    audit::{AUDIT_TYPES, EventId},
    device::{DeviceId, LearnedPattern, LearnedPatternId, PatternKind, pattern::PatternEvidence},
    dna::{EntityId, PatternWindow},
    identity::UserId,
    values::Json,
};
use sea_orm::{
    Condition, FromQueryResult, JoinType, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{LikeExpr, OnConflict},
};

use crate::{
    Result,
    dna::{entities, entity_dna},
    engine,
    identity::users,
    page::{Children, Key},
    scope::EntityScope,
};

/// Table `learned_patterns`.
pub mod learned_patterns {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "learned_patterns")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: LearnedPatternId,
        pub entity_id: EntityId,
        pub device_id: Option<DeviceId>,
        pub user_id: Option<UserId>,
        pub kind: PatternKind,
        pub window: PatternWindow,
        pub pattern_key: String,
        pub description: String,
        pub evidence: Json<PatternEvidence>,
        pub confidence: f64,
        pub support: i32,
        pub first_seen_at: DateTimeUtc,
        pub last_seen_at: DateTimeUtc,
        pub is_active: bool,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(learned_patterns => LearnedPattern {
    id, entity_id, device_id, user_id, kind, window, pattern_key, description, evidence, confidence, support, first_seen_at, last_seen_at, is_active, created_at, updated_at
});

/// Which patterns; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PatternFilter {
    /// Of one of these kinds.
    pub kinds: Option<Vec<PatternKind>>,
    /// Looked for in this time.
    pub window: Option<PatternWindow>,
    /// Seen within twice their window, or not.
    pub is_active: Option<bool>,
    /// At least as sure as this number.
    pub confidence_at_least: Option<Key>,
    /// About this type of event; either of two for a sequence.
    pub event_type: Option<String>,
}

impl PatternFilter {
    /// The patterns of entities in scope that it lets through.
    pub fn select(
        &self,
        db: &impl ConnectionTrait,
        scope: &EntityScope,
    ) -> Select<learned_patterns::Entity> {
        use learned_patterns::Column;
        let Self {
            kinds,
            window,
            is_active,
            confidence_at_least,
            event_type,
        } = self;
        let condition = Condition::all().add(scope.covers(db, Column::EntityId));
        let conditions = [
            kinds
                .as_ref()
                .map(|it| Column::Kind.is_in(it.iter().copied())),
            window.map(|it| Column::Window.eq(it)),
            is_active.map(|it| Column::IsActive.eq(it)),
            confidence_at_least
                .as_ref()
                .map(|it| Column::Confidence.gte(it.clone())),
            event_type.as_ref().map(|it| {
                // In LIKE an underscore stands for any character, unless it is escaped.
                let event_type = it.replace('_', "\\_");
                let like = LikeExpr::new(format!("%:{event_type}:%")).escape('\\');
                Column::PatternKey.like(like)
            }),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(condition, Condition::add);
        learned_patterns::Entity::find().filter(condition)
    }
}

/// What patterns can be listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PatternParent {
    /// The entity that noticed them.
    Entity,
    /// The device where they were seen last.
    Device,
}

/// The patterns of each parent, the surest first.
pub fn patterns_under(
    select: Select<learned_patterns::Entity>,
    parent: PatternParent,
) -> Children<learned_patterns::Entity> {
    Children {
        select,
        parent: match parent {
            PatternParent::Entity => learned_patterns::Column::EntityId,
            PatternParent::Device => learned_patterns::Column::DeviceId,
        },
        key: learned_patterns::Column::Confidence,
        id: learned_patterns::Column::Id,
        descending: true,
    }
}

/// The patterns with these ids, of entities in scope.
pub async fn patterns_by_ids(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    ids: &[LearnedPatternId],
) -> Result<Vec<LearnedPattern>> {
    let id = (learned_patterns::Entity, learned_patterns::Column::Id);
    let select = PatternFilter::default().select(db, scope);
    let rows = select
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(LearnedPattern::from).collect())
}

/// All patterns that an entity, which the caller has in scope, noticed in windows of this
/// length.
pub async fn patterns_of(
    db: &impl ConnectionTrait,
    entity: EntityId,
    window: PatternWindow,
) -> Result<Vec<LearnedPattern>> {
    let rows = learned_patterns::Entity::find()
        .filter(learned_patterns::Column::EntityId.eq(entity))
        .filter(learned_patterns::Column::Window.eq(window))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(LearnedPattern::from).collect())
}

/// Adds patterns, and overwrites those that are there.
pub async fn patterns_put(db: &impl ConnectionTrait, patterns: Vec<LearnedPattern>) -> Result<()> {
    use learned_patterns::Column;
    if patterns.is_empty() {
        return Ok(());
    }
    let changing = [
        Column::DeviceId,
        Column::Description,
        Column::Evidence,
        Column::Confidence,
        Column::Support,
        Column::FirstSeenAt,
        Column::LastSeenAt,
        Column::IsActive,
        Column::UpdatedAt,
    ];
    let rows = patterns
        .into_iter()
        .map(learned_patterns::ActiveModel::from);
    learned_patterns::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([Column::EntityId, Column::Window, Column::PatternKey])
                .update_columns(changing)
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}

/// Notes which patterns were not seen for twice their window; gives how many there were.
pub async fn patterns_forget(db: &impl ConnectionTrait, now: DateTimeUtc) -> Result<u64> {
    use learned_patterns::Column;
    let faded = PatternWindow::ALL
        .iter()
        .fold(Condition::any(), |any, window| {
            any.add(
                Condition::all()
                    .add(Column::Window.eq(*window))
                    .add(Column::LastSeenAt.lt(now - window.forgotten_after())),
            )
        });
    let updated = learned_patterns::Entity::update_many()
        .col_expr(Column::IsActive, Expr::value(false))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::IsActive.eq(true))
        .filter(faded)
        .exec(db)
        .await?;
    Ok(updated.rows_affected)
}

/// What a look for patterns needs to know of an entity.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Observer {
    /// Where it lives.
    pub device_id: Option<DeviceId>,
    /// How far back it looks; medium when it has no DNA.
    pub pattern_window: Option<PatternWindow>,
    /// Its owner's IANA time zone.
    pub time_zone: String,
}

/// How an entity in scope looks for patterns.
pub async fn observer(
    db: &impl ConnectionTrait,
    scope: &EntityScope,
    id: EntityId,
) -> Result<Option<Observer>> {
    let dna = entities::Entity::belongs_to(entity_dna::Entity)
        .from(entities::Column::Id)
        .to(entity_dna::Column::EntityId)
        .into();
    let owner = entities::Entity::belongs_to(users::Entity)
        .from(entities::Column::OwnerId)
        .to(users::Column::Id)
        .into();
    Ok(scope
        .entities(db)
        .filter(entities::Column::Id.eq(id))
        .join(JoinType::LeftJoin, dna)
        .join(JoinType::InnerJoin, owner)
        .select_only()
        .column(entities::Column::DeviceId)
        .column(entity_dna::Column::PatternWindow)
        .column(users::Column::TimeZone)
        .into_model()
        .one(db)
        .await?)
}

/// An event, as far as patterns go.
#[derive(Clone, Debug, PartialEq, FromQueryResult)]
pub struct Lived {
    /// Which.
    pub id: EventId,
    /// What happened.
    pub event_type: String,
    /// When.
    pub occurred_at: DateTimeUtc,
    /// Whose doing it was.
    pub user_id: Option<UserId>,
    /// Where.
    pub device_id: Option<DeviceId>,
}

/// Where to go on reading what an entity and its device lived through.
#[derive(Clone, Debug)]
pub struct LivedBefore {
    /// The entity, which the caller has in scope.
    pub entity: EntityId,
    /// The device it lives on.
    pub device: Option<DeviceId>,
    /// Not before this time.
    pub since: DateTimeUtc,
    /// Before this place of the log; that of the last one read.
    pub before: (DateTimeUtc, EventId),
}

/// What an entity and its device lived through, the newest first; not what people did with
/// the system. Two index scans, whatever the log holds besides.
pub async fn lived_before(
    db: &impl ConnectionTrait,
    place: &LivedBefore,
    limit: u64,
) -> Result<Vec<Lived>> {
    let LivedBefore {
        entity,
        device,
        since,
        before: (at, id),
    } = place;
    let audit = AUDIT_TYPES.map(|it| format!("'{it}'")).join(", ");
    let part = |column: &str, parameter: u8| {
        format!(
            "SELECT * FROM (SELECT id, event_type, occurred_at, user_id, device_id FROM events \
             WHERE {column} = ${parameter} AND occurred_at >= $3 AND (occurred_at, id) < ($4, $5) \
             AND event_type NOT IN ({audit}) ORDER BY occurred_at DESC, id DESC LIMIT $6) AS {column}_part"
        )
    };
    let sql = format!(
        "{} UNION {} ORDER BY occurred_at DESC, id DESC LIMIT $6",
        part("entity_id", 1),
        part("device_id", 2)
    );
    let values = [
        (*entity).into(),
        (*device).into(),
        (*since).into(),
        (*at).into(),
        (*id).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let statement = engine::statement(db.get_database_backend(), &sql, values);
    Ok(Lived::find_by_statement(statement).all(db).await?)
}

/// Active entities, those after `after` in the order of their ids, that lived through
/// something since.
pub async fn entities_alive(
    db: &impl ConnectionTrait,
    since: DateTimeUtc,
    after: Option<EntityId>,
    limit: u64,
) -> Result<Vec<EntityId>> {
    #[derive(FromQueryResult)]
    struct Row {
        id: EntityId,
    }
    let audit = AUDIT_TYPES.map(|it| format!("'{it}'")).join(", ");
    let lived = |column: &str, of: &str| {
        format!(
            "EXISTS (SELECT 1 FROM events WHERE events.{column} = entities.{of} \
             AND occurred_at >= $1 AND event_type NOT IN ({audit}))"
        )
    };
    let sql = format!(
        "SELECT id FROM entities WHERE is_active AND id > $2 AND ({} OR {}) ORDER BY id LIMIT $3",
        lived("entity_id", "id"),
        lived("device_id", "device_id")
    );
    let values = [
        since.into(),
        after.unwrap_or(EntityId(Uuid::nil())).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let statement = engine::statement(db.get_database_backend(), &sql, values);
    let rows = Row::find_by_statement(statement).all(db).await?;
    Ok(rows.into_iter().map(|it| it.id).collect())
}
