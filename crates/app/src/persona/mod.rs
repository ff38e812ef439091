//! Personas: authored definitions and their versions, what they know, who is on duty.
//!
//! Definitions belong to the installation: administrators write them, whoever is signed in reads
//! the active ones as they are in force. Versions, drafts and knowledge documents are the
//! administrators'.

mod definition;
mod duty;
mod knowledge;
mod ship;

pub use definition::{
    DefinitionCreate, DefinitionImport, DefinitionRollback, DefinitionUpdate, ImportSource,
    NextVersion, definition_create, definition_import, definition_publish, definition_rollback,
    definition_set_active, definition_update, difference, version_png,
};
pub use duty::{Activate, Activation, DutyPlace, activate, resolve};
pub use knowledge::{DocumentAdd, document_add, document_remove};
pub use ship::ship;

use domain::persona::{
    KnowledgeDocument, KnowledgeDocumentId, PersonaDefinition, PersonaVersion, PersonaVersionId,
    check_slug,
};
use persistence::{
    persona::{Named, definition_named},
    scope::DefinitionScope,
};

use crate::{Access, Cx, Error, Result, Txn};

/// The definition of this name, if the viewer may see it.
pub async fn definition(cx: &Cx, name: &Named) -> Result<Option<PersonaDefinition>> {
    let scope = cx.viewer.definitions(Access::Read)?;
    if could_be(name) {
        Ok(definition_named(cx.reader(), scope, name).await?)
    } else {
        Ok(None)
    }
}

/// The versions with these ids; for administrators, and for others nothing.
pub async fn versions_by_ids(cx: &Cx, ids: &[PersonaVersionId]) -> Result<Vec<PersonaVersion>> {
    if cx.viewer.is_admin() {
        Ok(persistence::persona::versions_by_ids(cx.reader(), ids).await?)
    } else {
        Ok(Vec::new())
    }
}

/// The knowledge documents with these ids, without content; for administrators, and for others
/// nothing.
pub async fn documents_by_ids(
    cx: &Cx,
    ids: &[KnowledgeDocumentId],
) -> Result<Vec<KnowledgeDocument>> {
    if cx.viewer.is_admin() {
        Ok(persistence::persona::documents_by_ids(cx.reader(), ids).await?)
    } else {
        Ok(Vec::new())
    }
}

/// The active definition of this name, to be given a duty.
///
/// # Errors
/// [`Error::NotFound`] with `field` when there is none.
pub(crate) async fn active(
    cx: &Cx,
    txn: &Txn,
    name: &Named,
    field: &str,
) -> Result<PersonaDefinition> {
    cx.viewer.require(Access::Read)?;
    let found = if could_be(name) {
        definition_named(&**txn, DefinitionScope::Active, name).await?
    } else {
        None
    };
    found.ok_or_else(|| Error::not_found(field))
}

/// Whether anything can have this name: what is no slug never reaches the database.
fn could_be(name: &Named) -> bool {
    match name {
        Named::Id(_) => true,
        Named::Slug(slug) => check_slug(slug).is_ok(),
    }
}
