//! Tables of persona: definitions, their versions and pictures, emergencies, what personas know.

use domain::{
    conversation::ConversationId,
    device::DeviceId,
    identity::UserId,
    persona::{
        AdaptationMode, BehaviorConfig, KnowledgeChunk, KnowledgeChunkId, KnowledgeDocument,
        KnowledgeDocumentId, PersonaDefinition, PersonaDefinitionId, PersonaEmergency,
        PersonaEmergencyId, PersonaPortrait, PersonaPortraitId, PersonaSnapshot, PersonaVersion,
        PersonaVersionId, VoiceConfig,
    },
    values::Json,
};
use sea_orm::{
    Condition, QueryOrder, QuerySelect, Select,
    entity::prelude::*,
    sea_query::{ExprTrait, LockType, OnConflict},
};

use crate::{
    Result, engine,
    page::{self, Children, Page, Slice},
    scope::{DefinitionScope, EmergencyScope},
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

/// Table `persona_emergencies`.
pub mod persona_emergencies {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "persona_emergencies")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: PersonaEmergencyId,
        pub user_id: UserId,
        pub device_id: Option<DeviceId>,
        pub conversation_id: Option<ConversationId>,
        pub definition_id: Option<PersonaDefinitionId>,
        pub priority: i32,
        pub device_previous_id: Option<PersonaDefinitionId>,
        pub conversation_previous_id: Option<PersonaDefinitionId>,
        pub started_at: DateTimeUtc,
        pub resolved_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(persona_emergencies => PersonaEmergency {
    id, user_id, device_id, conversation_id, definition_id, priority, device_previous_id, conversation_previous_id, started_at, resolved_at, created_at, updated_at
});
table!(persona_emergencies => PersonaEmergency);

/// Table `knowledge_documents`.
pub mod knowledge_documents {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "knowledge_documents")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: KnowledgeDocumentId,
        pub definition_id: Option<PersonaDefinitionId>,
        pub title: String,
        pub content: String,
        pub created_by: Option<UserId>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(knowledge_documents => KnowledgeDocument {
    id, definition_id, title, content, created_by, created_at
});
table!(knowledge_documents => KnowledgeDocument);

/// Table `knowledge_chunks`, but for the embedding, which is recall's.
pub mod knowledge_chunks {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "knowledge_chunks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: KnowledgeChunkId,
        pub document_id: KnowledgeDocumentId,
        pub position: i32,
        pub content: String,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(knowledge_chunks => KnowledgeChunk { id, document_id, position, content, created_at });

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
        .all(db)
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
        .all(db)
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
        .all(db)
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

/// The emergencies that go on on this device or in this conversation. Who asks holds both.
pub async fn open_emergencies(
    db: &impl ConnectionTrait,
    device: Option<DeviceId>,
    conversation: Option<ConversationId>,
) -> Result<Vec<PersonaEmergency>> {
    use persona_emergencies::Column;
    let there = [
        device.map(|it| Column::DeviceId.eq(it)),
        conversation.map(|it| Column::ConversationId.eq(it)),
    ];
    let there = there
        .into_iter()
        .flatten()
        .fold(Condition::any(), Condition::add);
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let rows = persona_emergencies::Entity::find()
        .filter(Column::ResolvedAt.is_null())
        .filter(there)
        .order_by_asc(Column::StartedAt)
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(PersonaEmergency::from).collect())
}

/// Those of the ids that are in scope; one statement with constant text.
pub async fn emergencies_by_ids(
    db: &impl ConnectionTrait,
    scope: EmergencyScope,
    ids: &[PersonaEmergencyId],
) -> Result<Vec<PersonaEmergency>> {
    let id = (persona_emergencies::Entity, persona_emergencies::Column::Id);
    let rows = scope
        .emergencies()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(PersonaEmergency::from).collect())
}

/// The emergency in scope, held until the transaction ends.
pub async fn emergency_to_change(
    db: &impl ConnectionTrait,
    scope: EmergencyScope,
    id: PersonaEmergencyId,
) -> Result<Option<PersonaEmergency>> {
    let row = scope
        .emergencies()
        .filter(persona_emergencies::Column::Id.eq(id))
        .lock(LockType::NoKeyUpdate)
        .one(db)
        .await?;
    Ok(row.map(PersonaEmergency::from))
}

/// Which emergencies; whatever is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmergencyFilter {
    /// Those that go on, or those that are over.
    pub is_open: Option<bool>,
    /// On this device.
    pub device: Option<DeviceId>,
    /// In this conversation.
    pub conversation: Option<ConversationId>,
}

impl EmergencyFilter {
    /// The emergencies in scope that it lets through.
    pub fn select(self, scope: EmergencyScope) -> Select<persona_emergencies::Entity> {
        use persona_emergencies::Column;
        let Self {
            is_open,
            device,
            conversation,
        } = self;
        let conditions = [
            is_open.map(|it| {
                if it {
                    Column::ResolvedAt.is_null()
                } else {
                    Column::ResolvedAt.is_not_null()
                }
            }),
            device.map(|it| Column::DeviceId.eq(it)),
            conversation.map(|it| Column::ConversationId.eq(it)),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(Condition::all(), Condition::add);
        scope.emergencies().filter(condition)
    }
}

/// One page of emergencies, the newest first.
pub async fn emergencies_page(
    db: &impl ConnectionTrait,
    select: Select<persona_emergencies::Entity>,
    page: &Page,
) -> Result<Slice<PersonaEmergency>> {
    use persona_emergencies::Column;
    let place = (Column::StartedAt, Column::Id);
    let slice = page::fetch(db, select, place, true, page).await?;
    Ok(slice.map(PersonaEmergency::from))
}

/// Documents without their content, which is most of a row.
fn slim_documents() -> Select<knowledge_documents::Entity> {
    use knowledge_documents::Column;
    knowledge_documents::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::DefinitionId,
            Column::Title,
            Column::CreatedBy,
            Column::CreatedAt,
        ])
        .column_as(Expr::cust("''"), "content")
}

/// The content of these documents. Only administrators may ask; `app` sees to that.
pub async fn contents_of(
    db: &impl ConnectionTrait,
    documents: &[KnowledgeDocumentId],
) -> Result<Vec<(KnowledgeDocumentId, String)>> {
    use knowledge_documents::{Column, Entity};
    let rows = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Content])
        .filter(engine::one_of(
            db,
            (Entity, Column::Id),
            documents.iter().copied(),
        ))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows)
}

/// The documents of each definition, without content, by when they were added. Only
/// administrators may ask; `app` sees to that.
pub fn documents_under() -> Children<knowledge_documents::Entity> {
    use knowledge_documents::Column;
    Children {
        select: slim_documents(),
        parent: Column::DefinitionId,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: false,
    }
}

/// The documents that every persona knows, without content.
pub fn global_documents() -> Select<knowledge_documents::Entity> {
    slim_documents().filter(knowledge_documents::Column::DefinitionId.is_null())
}

/// One page of documents, by when they were added.
pub async fn documents_page(
    db: &impl ConnectionTrait,
    select: Select<knowledge_documents::Entity>,
    page: &Page,
) -> Result<Slice<KnowledgeDocument>> {
    use knowledge_documents::Column;
    let place = (Column::CreatedAt, Column::Id);
    let slice = page::fetch(db, select, place, false, page).await?;
    Ok(slice.map(KnowledgeDocument::from))
}

/// The documents with these ids, without content. Only administrators may ask; `app` sees to
/// that.
pub async fn documents_by_ids(
    db: &impl ConnectionTrait,
    ids: &[KnowledgeDocumentId],
) -> Result<Vec<KnowledgeDocument>> {
    let id = (knowledge_documents::Entity, knowledge_documents::Column::Id);
    let rows = slim_documents()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(KnowledgeDocument::from).collect())
}

/// Adds the parts of a document.
pub async fn chunks_add(db: &impl ConnectionTrait, chunks: Vec<KnowledgeChunk>) -> Result<()> {
    // Five values a row: far below what a statement may bind.
    for some in chunks.chunks(500) {
        let rows = some
            .iter()
            .cloned()
            .map(knowledge_chunks::ActiveModel::from);
        knowledge_chunks::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// The parts of these documents, in order.
pub async fn chunks_of(
    db: &impl ConnectionTrait,
    documents: &[KnowledgeDocumentId],
) -> Result<Vec<KnowledgeChunk>> {
    use knowledge_chunks::{Column, Entity};
    let rows = Entity::find()
        .filter(engine::one_of(
            db,
            (Entity, Column::DocumentId),
            documents.iter().copied(),
        ))
        .order_by_asc(Column::Position)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(KnowledgeChunk::from).collect())
}

/// Removes a document with its parts: false when there was none.
pub async fn document_remove(db: &impl ConnectionTrait, id: KnowledgeDocumentId) -> Result<bool> {
    let removed = knowledge_documents::Entity::delete_by_id(id)
        .exec(db)
        .await?;
    Ok(removed.rows_affected == 1)
}
