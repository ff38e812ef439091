//! Persona definitions, their versions and what they know, as the API shows them.

mod duty;
mod input;
mod mutation;
mod query;

use std::collections::HashMap;

use app::{Access, Cx};
use async_graphql::{ComplexObject, Context, Enum, SimpleObject};
use data_encoding::BASE64;
use domain::{
    identity::UserId,
    persona::{
        self, KnowledgeChunk, KnowledgeDocumentId, PersonaDefinitionId, PersonaVersionId,
        card::{self, CardSpec},
        export,
        prompt::{Names, PersonaPrompt, render},
    },
};
use persistence::{
    page::{self, Key},
    persona as rows,
};

use crate::{
    Failure, Result, connection,
    connection::PageArgs,
    cx,
    identity::User,
    loader::{self, Children, Loaders, by_key},
    scalar::{Base64, Json},
};

pub use duty::*;
pub use input::*;
pub use mutation::*;
pub use query::*;

/// An authored character role, as its version in force has it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct PersonaDefinition {
    /// The row.
    #[graphql(flatten)]
    pub row: persona::PersonaDefinition,
}

impl From<persona::PersonaDefinition> for PersonaDefinition {
    fn from(row: persona::PersonaDefinition) -> Self {
        Self { row }
    }
}

/// A whole state of a persona definition. Never changed.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct PersonaVersion {
    /// The row.
    #[graphql(flatten)]
    pub row: persona::PersonaVersion,
}

impl From<persona::PersonaVersion> for PersonaVersion {
    fn from(row: persona::PersonaVersion) -> Self {
        Self { row }
    }
}

/// A document that one persona knows, or every one of them.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct KnowledgeDocument {
    /// The row.
    #[graphql(flatten)]
    pub row: persona::KnowledgeDocument,
}

impl From<persona::KnowledgeDocument> for KnowledgeDocument {
    fn from(row: persona::KnowledgeDocument) -> Self {
        Self { row }
    }
}

/// A version of the character card format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
#[graphql(remote = "CardSpec")]
pub enum CharacterCardSpec {
    /// `chara_card_v2`.
    V2,
    /// `chara_card_v3`. A picture gets one of version 2 beside it.
    #[default]
    V3,
}

connection!(
    PersonaDefinitionConnection,
    PersonaDefinitionEdge,
    PersonaDefinition,
    "persona definitions"
);
connection!(
    PersonaVersionConnection,
    PersonaVersionEdge,
    PersonaVersion,
    "versions of a persona definition"
);
connection!(
    KnowledgeDocumentConnection,
    KnowledgeDocumentEdge,
    KnowledgeDocument,
    "knowledge documents"
);

by_key!(PersonaDefinitionId => PersonaDefinition, |it: &PersonaDefinition| it.row.id, async |loaders, ids| {
    let scope = loaders.cx.viewer.definitions(Access::Read)?;
    let found = rows::definitions_by_ids(loaders.cx.reader(), scope, ids).await?;
    found.into_iter().map(PersonaDefinition::from)
});

/// The definition that something the viewer sees goes by, be it active or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OnDuty(pub PersonaDefinitionId);

by_key!(OnDuty => PersonaDefinition, |it: &PersonaDefinition| OnDuty(it.row.id), async |loaders, keys| {
    let ids: Vec<PersonaDefinitionId> = keys.iter().map(|it| it.0).collect();
    let scope = persistence::scope::DefinitionScope::All;
    let found = rows::definitions_by_ids(loaders.cx.reader(), scope, &ids).await?;
    found.into_iter().map(PersonaDefinition::from)
});

/// The version in force of a definition that the viewer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct InForce(PersonaDefinitionId);

by_key!(InForce => PersonaVersion, |it: &PersonaVersion| InForce(it.row.definition_id), async |loaders, keys| {
    let ids: Vec<PersonaDefinitionId> = keys.iter().map(|it| it.0).collect();
    let found = rows::versions_in_force(loaders.cx.reader(), &ids).await?;
    found.into_iter().map(PersonaVersion::from)
});

by_key!(PersonaVersionId => PersonaVersion, |it: &PersonaVersion| it.row.id, async |loaders, ids| {
    let found = app::persona::versions_by_ids(&loaders.cx, ids).await?;
    found.into_iter().map(PersonaVersion::from)
});

by_key!(KnowledgeDocumentId => KnowledgeDocument, |it: &KnowledgeDocument| it.row.id, async |loaders, ids| {
    let found = app::persona::documents_by_ids(&loaders.cx, ids).await?;
    found.into_iter().map(KnowledgeDocument::from)
});

/// The content of a document that the viewer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ContentOf(KnowledgeDocumentId);

impl async_graphql::dataloader::Loader<ContentOf> for Loaders {
    type Value = String;
    type Error = Failure;

    async fn load(&self, keys: &[ContentOf]) -> Result<HashMap<ContentOf, String>> {
        let ids: Vec<KnowledgeDocumentId> = keys.iter().map(|it| it.0).collect();
        let found = rows::contents_of(self.cx.reader(), &ids).await?;
        Ok(found
            .into_iter()
            .map(|(id, it)| (ContentOf(id), it))
            .collect())
    }
}

/// The parts of a document that the viewer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ChunksOf(KnowledgeDocumentId);

impl async_graphql::dataloader::Loader<ChunksOf> for Loaders {
    type Value = Vec<KnowledgeChunk>;
    type Error = Failure;

    async fn load(&self, keys: &[ChunksOf]) -> Result<HashMap<ChunksOf, Vec<KnowledgeChunk>>> {
        let ids: Vec<KnowledgeDocumentId> = keys.iter().map(|it| it.0).collect();
        let mut found: HashMap<ChunksOf, Vec<KnowledgeChunk>> = HashMap::new();
        for chunk in rows::chunks_of(self.cx.reader(), &ids).await? {
            found
                .entry(ChunksOf(chunk.document_id))
                .or_default()
                .push(chunk);
        }
        Ok(found)
    }
}

/// The versions of a definition, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct VersionsUnder;

impl Children for VersionsUnder {
    type Table = rows::persona_versions::Entity;
    type Row = persona::PersonaVersion;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        cx.viewer.require_admin()?;
        Ok(rows::versions_under())
    }
}

/// The documents of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct DocumentsUnder;

impl Children for DocumentsUnder {
    type Table = rows::knowledge_documents::Entity;
    type Row = persona::KnowledgeDocument;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        cx.viewer.require_admin()?;
        Ok(rows::documents_under())
    }
}

fn document_place(KnowledgeDocument { row }: &KnowledgeDocument) -> (Key, uuid::Uuid) {
    (Key::Time(row.created_at), row.id.0)
}

#[ComplexObject]
impl PersonaDefinition {
    /// Whether it takes over in an emergency: its priority is at least 100.
    async fn is_emergency(&self) -> bool {
        self.row.is_emergency()
    }

    /// What a language model is told, with the placeholders filled in: the first three tone
    /// rules, constraints and dialogue examples, constraints last.
    async fn prompt(
        &self,
        #[graphql(desc = "What `{{char}}` becomes; its nickname or name when not said.")]
        character_name: Option<String>,
        #[graphql(desc = "What `{{user}}` becomes; `User` when not said.")] user_name: Option<
            String,
        >,
    ) -> PersonaPrompt {
        let names = Names {
            character: character_name.as_deref(),
            user: user_name.as_deref(),
        };
        render(&self.row.snapshot(), names)
    }

    /// The version in force, whole, to take along.
    async fn version_in_force(&self, ctx: &Context<'_>) -> Result<Option<PersonaVersion>> {
        loader::one(ctx, InForce(self.row.id)).await
    }

    /// Every version, the newest first; administrators only.
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PersonaVersionConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.row.id, VersionsUnder, args).await?;
        Ok(PersonaVersionConnection::of(
            slice.map(PersonaVersion::from),
            total,
            |it| (Key::Time(it.row.created_at), it.row.id.0),
        ))
    }

    /// The documents it knows beside those that every persona knows, by when they were added;
    /// administrators only.
    async fn knowledge_documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<KnowledgeDocumentConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.row.id, DocumentsUnder, args).await?;
        Ok(KnowledgeDocumentConnection::of(
            slice.map(KnowledgeDocument::from),
            total,
            document_place,
        ))
    }
}

#[ComplexObject]
impl PersonaVersion {
    /// Of which definition.
    async fn definition(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::one(ctx, OnDuty(self.row.definition_id)).await
    }

    /// Who made it, if you can see them; nobody for those that come with Anima.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::maybe::<UserId>(ctx, self.row.created_by).await
    }

    /// What has no place of its own, such as the rest of a character card.
    async fn extensions(&self) -> Json {
        Json(serde_json::Value::Object(
            self.row.artifacts.extensions.clone(),
        ))
    }

    /// As a document that `personaDefinitionImport` takes, here or elsewhere. Its keys are the
    /// names of the fields here.
    async fn export(&self, ctx: &Context<'_>) -> Result<Option<Json>> {
        let definition = loader::one(ctx, OnDuty(self.row.definition_id)).await?;
        Ok(definition.map(|PersonaDefinition { row }| {
            Json(export(&row.slug, &self.row.version, &self.row.artifacts))
        }))
    }

    /// As a character card that `SillyTavern` and its like read. It carries all but the priority;
    /// what came with a card goes back as it was.
    async fn character_card(
        &self,
        #[graphql(desc = "Which version of the format; V3 when not said.")] spec: Option<
            CharacterCardSpec,
        >,
    ) -> Json {
        let spec = CardSpec::from(spec.unwrap_or_default());
        Json(card::write(&self.row.artifacts, spec, &self.row.version))
    }

    /// As a character card in a PNG file: the picture it came with, or a plain one.
    async fn character_card_png(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version of the format; V3 when not said.")] spec: Option<
            CharacterCardSpec,
        >,
    ) -> Result<Base64> {
        let spec = spec.unwrap_or_default().into();
        let file = app::persona::version_png(cx(ctx), &self.row, spec).await?;
        Ok(Base64(BASE64.encode(&file)))
    }
}

#[ComplexObject]
impl KnowledgeDocument {
    /// Which persona knows it; null: every one.
    async fn definition(&self, ctx: &Context<'_>) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.definition_id.map(OnDuty)).await
    }

    /// Who added it, if you can see them.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::maybe::<UserId>(ctx, self.row.created_by).await
    }

    /// The whole text, at most 200 000 characters.
    async fn content(&self, ctx: &Context<'_>) -> Result<String> {
        let found = loader::one(ctx, ContentOf(self.row.id)).await?;
        Ok(found.unwrap_or_default())
    }

    /// Its parts in order, each of at most 500 characters.
    async fn chunks(&self, ctx: &Context<'_>) -> Result<Vec<KnowledgeChunk>> {
        let found = loader::one(ctx, ChunksOf(self.row.id)).await?;
        Ok(found.unwrap_or_default())
    }
}
