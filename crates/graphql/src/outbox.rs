//! The outbox, for administrators: what waits, what failed, trying again.

use std::collections::HashMap;

use async_graphql::{
    ComplexObject, Context, Enum, InputObject, Object, SimpleObject, dataloader::Loader,
};
use domain::outbox::{OutboxTaskId, Task, TaskStatus};
use persistence::{outbox::TaskFilter, page::Key};

use crate::{
    Failure, Result,
    connection::{PageArgs, wants_total},
    cx,
    loader::{self, Loaders},
    payload,
    payload::answer,
    scalar::Json,
};

/// Work that the system does after the request that asked for it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct OutboxTask {
    /// The row.
    #[graphql(flatten)]
    pub row: Task,
}

#[ComplexObject]
impl OutboxTask {
    /// What its handler needs to know; ids mostly.
    async fn payload(&self) -> Json {
        Json(self.row.payload.0.clone())
    }
}

impl Loader<OutboxTaskId> for Loaders {
    type Value = OutboxTask;
    type Error = Failure;

    async fn load(&self, ids: &[OutboxTaskId]) -> Result<HashMap<OutboxTaskId, OutboxTask>> {
        let found = app::outbox::by_ids(&self.cx, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, OutboxTask { row }))
            .collect())
    }
}

/// Which tasks; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct OutboxFilter {
    /// Of one of these types, at most 50.
    types: Option<Vec<String>>,
    /// In one of these states; `[FAILED]` are the dead letters.
    status: Option<Vec<TaskStatus>>,
    /// Asked for under this key.
    dedupe_key: Option<String>,
}

/// The order of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum)]
pub enum OutboxOrder {
    /// What runs, or ran, last comes first.
    #[default]
    RunAfterDesc,
    /// What runs, or ran, first comes first.
    RunAfterAsc,
}

crate::connection!(
    OutboxTaskConnection,
    OutboxTaskEdge,
    OutboxTask,
    "the outbox"
);

/// Queries of the outbox.
#[derive(Debug, Default)]
pub struct OutboxQuery;

#[Object]
impl OutboxQuery {
    /// A task of the outbox; administrators only.
    async fn outbox_task(&self, ctx: &Context<'_>, id: OutboxTaskId) -> Result<Option<OutboxTask>> {
        cx(ctx).viewer.require_admin()?;
        loader::one(ctx, id).await
    }

    /// What the system has still to do, has done in the last seven days, or has given up;
    /// administrators only.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn outbox(
        &self,
        ctx: &Context<'_>,
        filter: Option<OutboxFilter>,
        order_by: Option<OutboxOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<OutboxTaskConnection> {
        let OutboxFilter {
            types,
            status,
            dedupe_key,
        } = filter.unwrap_or_default();
        let filter = TaskFilter {
            types,
            statuses: status,
            dedupe_key,
        };
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let latest_first = order_by.unwrap_or_default() == OutboxOrder::RunAfterDesc;
        let page = args.page()?;
        let (slice, total) =
            app::outbox::tasks(cx(ctx), &filter, latest_first, &page, wants_total(ctx)).await?;
        let slice = slice.map(|row| OutboxTask { row });
        Ok(OutboxTaskConnection::of(slice, total, |it| {
            (Key::Time(it.row.run_after), it.row.id.0)
        }))
    }
}

payload! {
    /// Answer of `taskRetry`.
    TaskRetryPayload {
        /// The task, which waits to be tried.
        task: OutboxTask,
    }
}

payload! {
    /// Answer of `taskCancel`.
    TaskCancelPayload {
        /// The task, given up.
        task: OutboxTask,
    }
}

/// Mutations of the outbox.
#[derive(Debug, Default)]
pub struct OutboxMutation;

#[Object]
impl OutboxMutation {
    /// Tries a task again that failed, at once and with all its attempts, or one that waits,
    /// rather than after its pause; administrators only.
    async fn task_retry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] task: OutboxTaskId,
    ) -> Result<TaskRetryPayload> {
        let task = app::outbox::task_retry(cx(ctx), task).await;
        answer(task.map(|row| TaskRetryPayload::of(OutboxTask { row })))
    }

    /// Gives up a task that waits or runs; one that runs just now writes nothing.
    /// Administrators only.
    async fn task_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which task.")] task: OutboxTaskId,
    ) -> Result<TaskCancelPayload> {
        let task = app::outbox::task_cancel(cx(ctx), task).await;
        answer(task.map(|row| TaskCancelPayload::of(OutboxTask { row })))
    }
}
