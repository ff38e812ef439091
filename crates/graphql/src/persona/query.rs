//! Queries of persona.

use app::{Access, Error};
use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use domain::{
    check::Check,
    persona::{AdaptationMode, KnowledgeDocumentId},
};
use persistence::{
    page::{self, Key},
    persona as rows,
};

use super::{
    KnowledgeDocument, KnowledgeDocumentConnection, PersonaDefinition, PersonaDefinitionConnection,
    PersonaDefinitionSelector, document_place,
};
use crate::{
    Result,
    connection::{PageArgs, wants_total},
    cx, loader,
    scalar::Json,
};

/// Which persona definitions; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PersonaDefinitionFilter {
    /// Active ones, or inactive ones, which only administrators see.
    is_active: Option<bool>,
    /// Of one of these modes.
    adaptation_mode: Option<Vec<AdaptationMode>>,
    /// With this tag.
    tag: Option<String>,
    /// Those that take over in an emergency, or those that do not.
    is_emergency: Option<bool>,
    /// Whose name contains this text, at most 100 characters, in any case of letters.
    search: Option<String>,
}

impl PersonaDefinitionFilter {
    fn checked(self) -> Result<rows::DefinitionFilter> {
        let Self {
            is_active,
            adaptation_mode,
            tag,
            is_emergency,
            search,
        } = self;
        let mut check = Check::new();
        let tag = check.optional_text("filter.tag", tag.as_deref(), 1..=50);
        let search = check.optional_text("filter.search", search.as_deref(), 1..=100);
        check.done().map_err(Error::from)?;
        Ok(rows::DefinitionFilter {
            is_active,
            adaptation_modes: adaptation_mode,
            tag,
            is_emergency,
            search,
        })
    }
}

/// The order of persona definitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "rows::DefinitionOrder")]
pub enum PersonaDefinitionOrder {
    /// By name.
    #[default]
    #[graphql(name = "NAME_ASC")]
    Name,
    /// The oldest first.
    #[graphql(name = "CREATED_AT_ASC")]
    Created,
    /// The newest first.
    #[graphql(name = "CREATED_AT_DESC")]
    CreatedDescending,
    /// The highest priority first.
    #[graphql(name = "PRIORITY_DESC")]
    PriorityDescending,
}

fn definition_place(
    order: rows::DefinitionOrder,
) -> impl Fn(&PersonaDefinition) -> (Key, uuid::Uuid) {
    move |PersonaDefinition { row }| {
        let key = match order {
            rows::DefinitionOrder::Name => Key::Text(row.name.clone()),
            rows::DefinitionOrder::Created | rows::DefinitionOrder::CreatedDescending => {
                Key::Time(row.created_at)
            }
            rows::DefinitionOrder::PriorityDescending => Key::Number(row.priority.into()),
        };
        (key, row.id.0)
    }
}

/// Something that is not the same in two versions.
#[derive(Clone, Debug, SimpleObject)]
pub struct PersonaDifference {
    /// Where, as a JSON Pointer (RFC 6901) into `PersonaVersion.export`'s `snapshot`.
    pub path: String,
    /// Whether something was there before; `before` is null otherwise.
    pub was_there: bool,
    /// What was there.
    pub before: Option<Json>,
    /// Whether something is there after; `after` is null otherwise.
    pub is_there: bool,
    /// What is there.
    pub after: Option<Json>,
}

/// Queries of persona.
#[derive(Debug, Default)]
pub struct PersonaQuery;

#[Object]
impl PersonaQuery {
    /// A persona definition; null when there is none that you can see.
    async fn persona_definition(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: by its id or its slug.")] by: PersonaDefinitionSelector,
    ) -> Result<Option<PersonaDefinition>> {
        let found = app::persona::definition(cx(ctx), &by.into()).await?;
        Ok(found.map(PersonaDefinition::from))
    }

    /// The persona definitions: the active ones, and for administrators all; by name unless asked
    /// otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn persona_definitions(
        &self,
        ctx: &Context<'_>,
        filter: Option<PersonaDefinitionFilter>,
        order_by: Option<PersonaDefinitionOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<PersonaDefinitionConnection> {
        let cx = cx(ctx);
        let scope = cx.viewer.definitions(Access::Read)?;
        let filter = filter.unwrap_or_default().checked()?;
        let select = filter.select(cx.reader(), scope);
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let order = order_by.unwrap_or_default().into();
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::definitions_page(cx.reader(), select, order, &args.page()?).await?;
        Ok(PersonaDefinitionConnection::of(
            slice.map(PersonaDefinition::from),
            total,
            definition_place(order),
        ))
    }

    /// What differs between two versions of a persona definition; administrators only. Null when
    /// there is no such definition.
    async fn persona_definition_diff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which definition.")] definition: PersonaDefinitionSelector,
        #[graphql(desc = "The version before.")] from: String,
        #[graphql(desc = "The version after.")] to: String,
    ) -> Result<Option<Vec<PersonaDifference>>> {
        let found = app::persona::difference(cx(ctx), &definition.into(), &from, &to).await?;
        let shown = |it: domain::persona::Difference| PersonaDifference {
            path: it.path,
            was_there: it.before.is_some(),
            before: it.before.map(Json),
            is_there: it.after.is_some(),
            after: it.after.map(Json),
        };
        Ok(found.map(|it| it.into_iter().map(shown).collect()))
    }

    /// A knowledge document; administrators only.
    async fn knowledge_document(
        &self,
        ctx: &Context<'_>,
        id: KnowledgeDocumentId,
    ) -> Result<Option<KnowledgeDocument>> {
        cx(ctx).viewer.require_admin()?;
        loader::one(ctx, id).await
    }

    /// The knowledge documents that every persona knows, by when they were added; administrators
    /// only. Those of one persona are under it.
    async fn knowledge_documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<KnowledgeDocumentConnection> {
        let cx = cx(ctx);
        cx.viewer.require_admin()?;
        let select = rows::global_documents();
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::documents_page(cx.reader(), select, &args.page()?).await?;
        Ok(KnowledgeDocumentConnection::of(
            slice.map(KnowledgeDocument::from),
            total,
            document_place,
        ))
    }
}
