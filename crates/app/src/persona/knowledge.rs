//! What personas know: documents, in parts.
//!
//! The parts wait for recall, which embeds them and finds them again; a document is searchable
//! from then on.

use domain::persona::{
    KnowledgeChunk, KnowledgeDocument, KnowledgeDocumentId, checked_document, knowledge::chunks,
};
use persistence::persona::{
    Named, chunks_add, definition_named, document_remove as remove, documents_by_ids,
    knowledge_documents,
};

use super::could_be;
use crate::{
    Access, Cx, Error, Principal, Result, audit,
    idempotency::{self, Claim, Once},
};

/// A document to be added.
#[derive(Clone, Debug)]
pub struct DocumentAdd {
    /// Which persona knows it; every one when not said.
    pub definition: Option<Named>,
    /// 1–200 characters.
    pub title: String,
    /// 1–200 000 characters.
    pub content: String,
}

/// Adds a document, in parts.
pub async fn document_add(
    cx: &Cx,
    once: Option<String>,
    input: DocumentAdd,
) -> Result<KnowledgeDocument> {
    let scope = cx.viewer.definitions(Access::Write)?;
    let once = Once::new(once, "knowledgeDocumentAdd", &input);
    let DocumentAdd {
        definition,
        title,
        content,
    } = input;
    let (title, content) = checked_document(&title, &content)?;
    let parts = chunks(&content);
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<KnowledgeDocumentId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let found = documents_by_ids(&*txn, &[id]).await?.pop();
            return found.ok_or_else(idempotency::gone);
        }
        Claim::First(claim) => claim,
    };
    let definition_id = match definition {
        None => None,
        Some(name) => {
            let missing = || Error::not_found("definition");
            if !could_be(&name) {
                return Err(missing());
            }
            let found = definition_named(&*txn, scope, &name).await?;
            Some(found.ok_or_else(missing)?.id)
        }
    };
    let created_by = match cx.viewer.principal {
        Principal::User { id, .. } => Some(id),
        _ => None,
    };
    let document = KnowledgeDocument {
        id: cx.id(),
        definition_id,
        title,
        content,
        created_by,
        created_at: cx.now(),
    };
    knowledge_documents::Entity::add(&*txn, document.clone()).await?;
    let rows = parts
        .into_iter()
        .zip(0..)
        .map(|(content, position)| KnowledgeChunk {
            id: cx.id(),
            document_id: document.id,
            position,
            content,
            created_at: cx.now(),
        });
    chunks_add(&*txn, rows.collect()).await?;
    claim.keep(&txn, document.id).await?;
    let object = Some(document.id.to_string());
    audit::call(cx, &txn, "knowledgeDocumentAdd", object, None).await?;
    txn.commit().await?;
    Ok(document)
}

/// Removes a document with its parts.
pub async fn document_remove(cx: &Cx, id: KnowledgeDocumentId) -> Result<KnowledgeDocumentId> {
    cx.viewer.definitions(Access::Write)?;
    let txn = cx.begin().await?;
    if !remove(&*txn, id).await? {
        return Err(Error::not_found("id"));
    }
    let object = Some(id.to_string());
    audit::call(cx, &txn, "knowledgeDocumentRemove", object, None).await?;
    txn.commit().await?;
    Ok(id)
}
