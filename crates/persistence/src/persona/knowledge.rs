//! Tables of what personas know: documents and their parts.

use domain::{
    identity::UserId,
    persona::{
        KnowledgeChunk, KnowledgeChunkId, KnowledgeDocument, KnowledgeDocumentId,
        PersonaDefinitionId,
    },
};
use sea_orm::{QueryOrder, QuerySelect, Select, entity::prelude::*};

use crate::{
    Result, Rows, engine,
    page::{self, Children, Page, Slice},
};

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

// A list leaves the content out, which is most of a row.
mirror!(knowledge_documents => KnowledgeDocument {
    id, definition_id, title, content, created_by, created_at
} listed r#""knowledge_documents"."id", "definition_id", "title", '' AS "content", "created_by", "created_at""#);
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
        select: knowledge_documents::Entity::find(),
        parent: Column::DefinitionId,
        key: Column::CreatedAt,
        id: Column::Id,
        descending: false,
    }
}

/// The documents that every persona knows, without content.
pub fn global_documents() -> Select<knowledge_documents::Entity> {
    use knowledge_documents::{Column, Entity};
    Entity::find().filter(Column::DefinitionId.is_null())
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
    let rows = knowledge_documents::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .listed(db)
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
        .rows(db)
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
