//! Mutations of persona.

use app::persona::{
    DefinitionImport, DefinitionRollback, DocumentAdd, ImportSource, definition_create,
    definition_import, definition_publish, definition_rollback, definition_set_active,
    definition_update, document_add, document_remove,
};
use async_graphql::{Context, Object};
use data_encoding::BASE64;
use domain::{check::UserErrorCode, persona::KnowledgeDocumentId};

use super::{
    KnowledgeDocument, KnowledgeDocumentAddInput, PersonaDefinition, PersonaDefinitionCreateInput,
    PersonaDefinitionImportInput, PersonaDefinitionPublishInput, PersonaDefinitionRollbackInput,
    PersonaDefinitionSelector, PersonaDefinitionSource, PersonaDefinitionUpdateInput,
    PersonaVersion,
};
use crate::{
    Result, cx, payload,
    payload::answer,
    scalar::{Base64, Json},
};

payload! {
    /// Answer of `personaDefinitionCreate`.
    PersonaDefinitionCreatePayload {
        /// The new definition.
        persona_definition: PersonaDefinition,
    }
}

payload! {
    /// Answer of `personaDefinitionUpdate`.
    PersonaDefinitionUpdatePayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
        /// The new version.
        version: PersonaVersion,
    }
}

payload! {
    /// Answer of `personaDefinitionPublish`.
    PersonaDefinitionPublishPayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
        /// The version in force.
        version: PersonaVersion,
    }
}

payload! {
    /// Answer of `personaDefinitionRollback`.
    PersonaDefinitionRollbackPayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
        /// The new version, which equals the earlier one.
        version: PersonaVersion,
    }
}

payload! {
    /// Answer of `personaDefinitionImport`.
    PersonaDefinitionImportPayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
        /// The version that was brought in.
        version: PersonaVersion,
    }
}

payload! {
    /// Answer of `personaDefinitionDeactivate`.
    PersonaDefinitionDeactivatePayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
    }
}

payload! {
    /// Answer of `personaDefinitionActivate`.
    PersonaDefinitionActivatePayload {
        /// The definition as it is now.
        persona_definition: PersonaDefinition,
    }
}

payload! {
    /// Answer of `knowledgeDocumentAdd`.
    KnowledgeDocumentAddPayload {
        /// The new document.
        knowledge_document: KnowledgeDocument,
    }
}

payload! {
    /// Answer of `knowledgeDocumentRemove`.
    KnowledgeDocumentRemovePayload {
        /// The id of the document that is gone.
        removed_knowledge_document_id: KnowledgeDocumentId,
    }
}

fn source(it: PersonaDefinitionSource) -> app::Result<ImportSource> {
    match it {
        PersonaDefinitionSource::Json(Json(value)) => Ok(ImportSource::Json(value)),
        PersonaDefinitionSource::Png(Base64(text)) => {
            let file = BASE64.decode(text.as_bytes()).map_err(|_| {
                let message = "png must be base64 with its padding (RFC 4648, section 4)";
                domain::check::Invalid::one(UserErrorCode::Invalid, "source.png", message)
            })?;
            Ok(ImportSource::Png(file))
        }
    }
}

/// Mutations of persona.
#[derive(Debug, Default)]
pub struct PersonaMutation;

#[Object]
impl PersonaMutation {
    /// Makes a persona definition; its first version is in force. Administrators only, like every
    /// change of a definition.
    async fn persona_definition_create(
        &self,
        ctx: &Context<'_>,
        input: PersonaDefinitionCreateInput,
    ) -> Result<PersonaDefinitionCreatePayload> {
        let (once, input) = input.into_parts();
        let done = definition_create(cx(ctx), once, input).await;
        answer(done.map(|it| PersonaDefinitionCreatePayload::of(it.into())))
    }

    /// Changes a persona definition by a new version.
    async fn persona_definition_update(
        &self,
        ctx: &Context<'_>,
        input: PersonaDefinitionUpdateInput,
    ) -> Result<PersonaDefinitionUpdatePayload> {
        let (update, change) = input.into_parts();
        let done = definition_update(cx(ctx), update, |before| change.apply(before)).await;
        answer(done.map(|(definition, version)| {
            PersonaDefinitionUpdatePayload::of(definition.into(), version.into())
        }))
    }

    /// Puts a version in force that comes after the one that is.
    async fn persona_definition_publish(
        &self,
        ctx: &Context<'_>,
        input: PersonaDefinitionPublishInput,
    ) -> Result<PersonaDefinitionPublishPayload> {
        let PersonaDefinitionPublishInput {
            definition,
            version,
        } = input;
        let done = definition_publish(cx(ctx), &definition.into(), &version).await;
        answer(done.map(|(definition, version)| {
            PersonaDefinitionPublishPayload::of(definition.into(), version.into())
        }))
    }

    /// Returns to an earlier version: a new one that equals it is in force at once.
    async fn persona_definition_rollback(
        &self,
        ctx: &Context<'_>,
        input: PersonaDefinitionRollbackInput,
    ) -> Result<PersonaDefinitionRollbackPayload> {
        let PersonaDefinitionRollbackInput {
            definition,
            base_version,
            to,
            notes,
        } = input;
        let input = DefinitionRollback {
            definition: definition.into(),
            base_version,
            to,
            notes,
        };
        let done = definition_rollback(cx(ctx), input).await;
        answer(done.map(|(definition, version)| {
            PersonaDefinitionRollbackPayload::of(definition.into(), version.into())
        }))
    }

    /// Brings a persona definition in: as a new one, or as a new version of one that is there.
    async fn persona_definition_import(
        &self,
        ctx: &Context<'_>,
        input: PersonaDefinitionImportInput,
    ) -> Result<PersonaDefinitionImportPayload> {
        let PersonaDefinitionImportInput {
            source: from,
            slug,
            base_version,
            notes,
            publish,
            idempotency_key,
        } = input;
        let done = async {
            let input = DefinitionImport {
                source: source(from)?,
                slug,
                base_version,
                notes,
                publish: publish.unwrap_or_default(),
            };
            definition_import(cx(ctx), idempotency_key, input).await
        };
        answer(done.await.map(|(definition, version)| {
            PersonaDefinitionImportPayload::of(definition.into(), version.into())
        }))
    }

    /// Takes a persona definition out of use: it is given no duty any more; those on duty stay.
    async fn persona_definition_deactivate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which definition.")] definition: PersonaDefinitionSelector,
    ) -> Result<PersonaDefinitionDeactivatePayload> {
        let done = definition_set_active(cx(ctx), &definition.into(), false).await;
        answer(done.map(|it| PersonaDefinitionDeactivatePayload::of(it.into())))
    }

    /// Takes a persona definition into use again.
    async fn persona_definition_activate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which definition.")] definition: PersonaDefinitionSelector,
    ) -> Result<PersonaDefinitionActivatePayload> {
        let done = definition_set_active(cx(ctx), &definition.into(), true).await;
        answer(done.map(|it| PersonaDefinitionActivatePayload::of(it.into())))
    }

    /// Adds a document that one persona knows, or every one: in parts of at most 500 characters.
    async fn knowledge_document_add(
        &self,
        ctx: &Context<'_>,
        input: KnowledgeDocumentAddInput,
    ) -> Result<KnowledgeDocumentAddPayload> {
        let KnowledgeDocumentAddInput {
            definition,
            title,
            content,
            idempotency_key,
        } = input;
        let input = DocumentAdd {
            definition: definition.map(Into::into),
            title,
            content,
        };
        let done = document_add(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| KnowledgeDocumentAddPayload::of(it.into())))
    }

    /// Removes a knowledge document with its parts.
    async fn knowledge_document_remove(
        &self,
        ctx: &Context<'_>,
        id: KnowledgeDocumentId,
    ) -> Result<KnowledgeDocumentRemovePayload> {
        let done = document_remove(cx(ctx), id).await;
        answer(done.map(KnowledgeDocumentRemovePayload::of))
    }
}
