//! Tables of persona: definitions, emergencies, what personas know.

mod definition;
mod emergency;
mod knowledge;

pub use definition::{
    DefinitionFilter, DefinitionOrder, Named, definition_add_if_free, definition_named,
    definition_to_change, definitions_by_ids, definitions_page, persona_definitions,
    persona_portraits, persona_versions, portrait_of, portrait_set, slugs, version_of,
    versions_by_ids, versions_in_force, versions_under,
};
pub use emergency::{
    EmergencyFilter, emergencies_by_ids, emergencies_page, emergency_to_change, open_emergencies,
    persona_emergencies,
};
pub use knowledge::{
    chunks_add, chunks_of, contents_of, document_remove, documents_by_ids, documents_page,
    documents_under, global_documents, knowledge_chunks, knowledge_documents,
};
