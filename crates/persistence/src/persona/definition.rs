//! Tables of persona definitions: themselves, their versions and pictures.

use domain::{
    identity::UserId,
    persona::{
        AdaptationMode, BehaviorConfig, PersonaDefinition, PersonaDefinitionId, PersonaPortrait,
        PersonaPortraitId, PersonaSnapshot, PersonaVersion, PersonaVersionId, VoiceConfig,
    },
    values::Json,
};
use sea_orm::{
    Condition, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, LockType, OnConflict},
};

use crate::{
    Result, Rows, engine,
    page::{self, Children, Page, Slice},
    scope::DefinitionScope,
};

/// Table `persona_definitions`.
pub mod persona_definitions {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "persona_definitions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PersonaDefinitionId,
        pub slug: String,
        pub name: String,
        pub description: Option<String>,
        pub current_version: String,
        pub latest_version: String,
        pub adaptation_mode: AdaptationMode,
        pub voice_config: Json<VoiceConfig>,
        pub behavior_config: Json<BehaviorConfig>,
        pub system_prompt: Option<String>,
        pub tags: Json<Vec<String>>,
        pub priority: i32,
        pub is_active: bool,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(persona_definitions => PersonaDefinition {
    id, slug, name, description, current_version, latest_version, adaptation_mode, voice_config, behavior_config, system_prompt, tags, priority, is_active, created_at, updated_at
});
table!(persona_definitions => PersonaDefinition);

/// Table `persona_versions`.
pub mod persona_versions {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "persona_versions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PersonaVersionId,
        pub definition_id: PersonaDefinitionId,
        pub version: String,
        pub artifacts: Json<PersonaSnapshot>,
        pub created_by: Option<UserId>,
        pub change_notes: Option<String>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(persona_versions => PersonaVersion {
    id, definition_id, version, artifacts, created_by, change_notes, created_at
});
table!(persona_versions => PersonaVersion);

/// Table `persona_portraits`.
pub mod persona_portraits {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "persona_portraits")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PersonaPortraitId,
        pub definition_id: PersonaDefinitionId,
        pub image: String,
        pub width: i32,
        pub height: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(persona_portraits => PersonaPortrait {
    id, definition_id, image, width, height, created_at, updated_at
});
table!(persona_portraits => PersonaPortrait);

/// Which definitions; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionFilter {
    /// Active ones, or inactive ones.
    pub is_active: Option<bool>,
    /// Of one of these modes.
    pub adaptation_modes: Option<Vec<AdaptationMode>>,
    /// With this tag.
    pub tag: Option<String>,
    /// Those that take over in an emergency, or those that do not.
    pub is_emergency: Option<bool>,
    /// Whose name contains this text.
    pub search: Option<String>,
}

impl DefinitionFilter {
    /// The definitions in scope that it lets through.
    pub fn select(
        &self,
        db: &impl ConnectionTrait,
        scope: DefinitionScope,
    ) -> Select<persona_definitions::Entity> {
        use persona_definitions::{Column, Entity};
        let Self {
            is_active,
            adaptation_modes,
            tag,
            is_emergency,
            search,
        } = self;
        let emergency = domain::persona::duty::EMERGENCY_PRIORITY;
        let conditions = [
            is_active.map(|it| Column::IsActive.eq(it)),
            adaptation_modes
                .as_ref()
                .map(|it| Column::AdaptationMode.is_in(it.iter().copied())),
            tag.as_ref()
                .map(|it| engine::array_has(db, (Entity, Column::Tags), it)),
            is_emergency.map(|it| {
                if it {
                    Column::Priority.gte(emergency)
                } else {
                    Column::Priority.lt(emergency)
                }
            }),
            search
                .as_ref()
                .map(|it| engine::contains(db, (Entity, Column::Name), it)),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(Condition::all(), Condition::add);
        scope.definitions().filter(condition)
    }
}

/// The order of a list of definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DefinitionOrder {
    /// By name.
    #[default]
    Name,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedDescending,
    /// The highest priority first.
    PriorityDescending,
}

/// One page of definitions.
pub async fn definitions_page(
    db: &impl ConnectionTrait,
    select: Select<persona_definitions::Entity>,
    order: DefinitionOrder,
    page: &Page,
) -> Result<Slice<PersonaDefinition>> {
    use persona_definitions::Column;
    let (key, descending) = match order {
        DefinitionOrder::Name => (Column::Name, false),
        DefinitionOrder::Created => (Column::CreatedAt, false),
        DefinitionOrder::CreatedDescending => (Column::CreatedAt, true),
        DefinitionOrder::PriorityDescending => (Column::Priority, true),
    };
    let slice = page::fetch(db, select, (key, Column::Id), descending, page).await?;
    Ok(slice.map(PersonaDefinition::from))
}

/// Those of the ids that are in scope; one statement with constant text.
pub async fn definitions_by_ids(
    db: &impl ConnectionTrait,
    scope: DefinitionScope,
    ids: &[PersonaDefinitionId],
) -> Result<Vec<PersonaDefinition>> {
    let id = (persona_definitions::Entity, persona_definitions::Column::Id);
    let rows = scope
        .definitions()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(PersonaDefinition::from).collect())
}

/// How a definition is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(PersonaDefinitionId),
    /// By its slug.
    Slug(String),
}

fn named(scope: DefinitionScope, name: &Named) -> Select<persona_definitions::Entity> {
    use persona_definitions::Column;
    let select = scope.definitions();
    match name {
        Named::Id(id) => select.filter(Column::Id.eq(*id)),
        Named::Slug(slug) => select.filter(Column::Slug.eq(slug.as_str())),
    }
}

/// The definition in scope of this name.
pub async fn definition_named(
    db: &impl ConnectionTrait,
    scope: DefinitionScope,
    name: &Named,
) -> Result<Option<PersonaDefinition>> {
    let row = named(scope, name).one(db).await?;
    Ok(row.map(PersonaDefinition::from))
}

/// The definition in scope of this name, held until the transaction ends, so that of two writers
/// the second sees what the first wrote.
pub async fn definition_to_change(
    db: &impl ConnectionTrait,
    scope: DefinitionScope,
    name: &Named,
) -> Result<Option<PersonaDefinition>> {
    let row = named(scope, name)
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(PersonaDefinition::from))
}

/// Adds a definition unless its slug is taken: true when it was free. Waits for a transaction
/// that is taking it.
pub async fn definition_add_if_free(
    db: &impl ConnectionTrait,
    it: PersonaDefinition,
) -> Result<bool> {
    let row = persona_definitions::ActiveModel::from(it);
    let inserted = persona_definitions::Entity::insert(row)
        .on_conflict(
            OnConflict::column(persona_definitions::Column::Slug)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(inserted == 1)
}

/// The slugs that are taken.
pub async fn slugs(db: &impl ConnectionTrait) -> Result<Vec<String>> {
    let rows = persona_definitions::Entity::find()
        .select_only()
        .column(persona_definitions::Column::Slug)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows)
}

/// A version of a definition.
pub async fn version_of(
    db: &impl ConnectionTrait,
    definition: PersonaDefinitionId,
    version: &str,
) -> Result<Option<PersonaVersion>> {
    use persona_versions::Column;
    let row = persona_versions::Entity::find()
        .filter(Column::DefinitionId.eq(definition))
        .filter(Column::Version.eq(version))
        .one(db)
        .await?;
    Ok(row.map(PersonaVersion::from))
}

/// The versions in force of these definitions; one statement with constant text.
pub async fn versions_in_force(
    db: &impl ConnectionTrait,
    definitions: &[PersonaDefinitionId],
) -> Result<Vec<PersonaVersion>> {
    use persona_versions::{Column, Entity};
    let in_force = Expr::col((Entity, Column::Version)).eq(Expr::col((
        persona_definitions::Entity,
        persona_definitions::Column::CurrentVersion,
    )));
    let rows = Entity::find()
        .join(
            sea_orm::JoinType::InnerJoin,
            Entity::belongs_to(persona_definitions::Entity)
                .from(Column::DefinitionId)
                .to(persona_definitions::Column::Id)
                .into(),
        )
        .filter(engine::one_of(
            db,
            (Entity, Column::DefinitionId),
            definitions.iter().copied(),
        ))
        .filter(in_force)
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(PersonaVersion::from).collect())
}

/// The versions with these ids. Only administrators may ask; `app` sees to that.
pub async fn versions_by_ids(
    db: &impl ConnectionTrait,
    ids: &[PersonaVersionId],
) -> Result<Vec<PersonaVersion>> {
    let id = (persona_versions::Entity, persona_versions::Column::Id);
    let rows = persona_versions::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .rows(db)
        .await?;
    Ok(rows.into_iter().map(PersonaVersion::from).collect())
}

/// The versions of each definition, the newest first. Only administrators may ask; `app` sees to
/// that.
pub fn versions_under() -> Children<persona_versions::Entity> {
    use persona_versions::Column;
    Children {
        select: persona_versions::Entity::find(),
        parent: Column::DefinitionId,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: true,
    }
}

/// The picture of a definition.
pub async fn portrait_of(
    db: &impl ConnectionTrait,
    definition: PersonaDefinitionId,
) -> Result<Option<PersonaPortrait>> {
    let row = persona_portraits::Entity::find()
        .filter(persona_portraits::Column::DefinitionId.eq(definition))
        .one(db)
        .await?;
    Ok(row.map(PersonaPortrait::from))
}

/// Gives a definition this picture in place of any.
pub async fn portrait_set(db: &impl ConnectionTrait, it: PersonaPortrait) -> Result<()> {
    use persona_portraits::Column;
    persona_portraits::Entity::insert(persona_portraits::ActiveModel::from(it))
        .on_conflict(
            OnConflict::column(Column::DefinitionId)
                .update_columns([
                    Column::Image,
                    Column::Width,
                    Column::Height,
                    Column::UpdatedAt,
                ])
                .to_owned(),
        )
        .exec_without_returning(db)
        .await?;
    Ok(())
}
