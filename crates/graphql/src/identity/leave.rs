//! Merging, exporting and erasing persons.

use app::identity as cases;
use async_graphql::{Context, InputObject, Object, SimpleObject};
use domain::identity::UserId;

use super::person::User;
use crate::{Result, cx, payload, payload::answer, scalar::Json};

/// Two that are one person.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct UserMergeInput {
    /// Whose everything moves; gone after.
    pub from: UserId,
    /// Who stays.
    pub into: UserId,
}

/// A person to be forgotten.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct UserEraseInput {
    /// Whom.
    pub user: UserId,
    /// Only count what would go.
    #[graphql(default)]
    pub dry_run: bool,
}

/// How many rows of a table are concerned.
#[derive(Clone, Debug, SimpleObject)]
pub struct TableCount {
    /// The table's name.
    pub table: String,
    /// How many of its rows.
    pub rows: i64,
}

payload! {
    /// Answer of `userMerge`.
    UserMergePayload {
        /// The person who stays.
        user: User,
    }
}
payload! {
    /// Answer of `dataExport`.
    DataExportPayload {
        /// The document: `tables` with every row about the person and of what they own, by
        /// table, and `traces` of what they made that is about something else. Identifiers are
        /// UUIDs.
        document: Json,
    }
}
payload! {
    /// Answer of `userErase`.
    UserErasePayload {
        /// How many rows of each table went, or would go; those of `events` are emptied. Tables
        /// with none are left out.
        counts: Vec<TableCount>,
        /// Whether it was only counted.
        dry_run: bool,
    }
}

/// Mutations that merge, export and erase persons.
#[derive(Debug, Default)]
pub struct LeaveMutation;

#[Object]
impl LeaveMutation {
    /// Moves everything of one person to another and removes the first, for two that are one
    /// person. Of what there can be only one, the newer stays. Administrators only.
    async fn user_merge(
        &self,
        ctx: &Context<'_>,
        input: UserMergeInput,
    ) -> Result<UserMergePayload> {
        let UserMergeInput { from, into } = input;
        let merged = cases::user_merge(cx(ctx), from, into).await;
        answer(merged.map(|it| UserMergePayload::of(it.into())))
    }

    /// Everything about a person as one document, up to 16 MiB; for the person themself or an
    /// administrator. It is logged.
    async fn data_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "About whom.")] user: UserId,
    ) -> Result<DataExportPayload> {
        let document = cases::data_export(cx(ctx), user).await;
        answer(document.map(|it| DataExportPayload::of(Json(it))))
    }

    /// Forgets a person with everything about them and everything they own, for ever; for the
    /// person themself or an administrator. Try it with `dryRun` first.
    async fn user_erase(
        &self,
        ctx: &Context<'_>,
        input: UserEraseInput,
    ) -> Result<UserErasePayload> {
        let UserEraseInput { user, dry_run } = input;
        let erased = cases::user_erase(cx(ctx), user, dry_run).await;
        answer(erased.map(|it| {
            let counts = it.counts.into_iter().map(|(table, rows)| TableCount {
                table: table.to_owned(),
                rows,
            });
            UserErasePayload::of(counts.collect(), it.dry_run)
        }))
    }
}
