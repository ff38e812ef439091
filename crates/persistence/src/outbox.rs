//! The table of tasks: asked for in the transaction they belong to, leased by workers.
//!
//! Whoever finishes a task proves its lease by the token: a statement that finds the token no
//! longer there changes nothing, and says so.

use domain::{
    outbox::{OutboxTaskId, Task, TaskStatus},
    values::Json,
};
use sea_orm::{
    ActiveValue::Set, Condition, DbBackend, FromQueryResult, QueryOrder, QuerySelect, Select,
    entity::prelude::*,
};

use crate::{
    Result, engine,
    page::{self, Page, Slice},
};

/// Table `outbox_tasks`.
pub mod outbox_tasks {
    use super::*;

    /// A row.
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "outbox_tasks")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OutboxTaskId,
        pub task_type: String,
        pub payload: Json<serde_json::Value>,
        pub status: TaskStatus,
        pub attempts: i32,
        pub max_attempts: i32,
        pub last_error: Option<String>,
        pub run_after: DateTimeUtc,
        pub lease_token: Option<Uuid>,
        pub lease_until: Option<DateTimeUtc>,
        pub dedupe_key: Option<String>,
        pub again_at: Option<DateTimeUtc>,
        pub completed_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mirror!(outbox_tasks => Task {
    id, task_type, payload, status, attempts, max_attempts, last_error, run_after, lease_token, lease_until, dedupe_key, again_at, completed_at, created_at, updated_at
});
table!(outbox_tasks => Task);

/// Adds a task, or folds it into the open one with the same `dedupe_key`; gives the id of the
/// one that there is.
///
/// One that waits then runs at the earlier of the two times. One that runs may have read what
/// has changed since: it runs once more when it is done.
pub async fn enqueue(db: &impl ConnectionTrait, task: Task) -> Result<OutboxTaskId> {
    use outbox_tasks::Column;
    if task.dedupe_key.is_none() {
        let id = task.id;
        outbox_tasks::Entity::add(db, task).await?;
        return Ok(id);
    }
    let sql = "INSERT INTO outbox_tasks \
               (id, task_type, payload, status, attempts, max_attempts, run_after, dedupe_key, \
               created_at, updated_at) \
               VALUES ($1, $2, $3, 'pending', 0, $4, $5, $6, $7, $7) \
               ON CONFLICT (dedupe_key) WHERE status IN ('pending', 'in_progress') DO UPDATE SET \
               run_after = CASE WHEN outbox_tasks.status = 'pending' \
               AND excluded.run_after < outbox_tasks.run_after \
               THEN excluded.run_after ELSE outbox_tasks.run_after END, \
               again_at = CASE WHEN outbox_tasks.status = 'in_progress' \
               THEN excluded.run_after ELSE NULL END, \
               updated_at = excluded.updated_at \
               RETURNING id";
    let values: [sea_orm::Value; 7] = [
        task.id.into(),
        task.task_type.into(),
        task.payload.into(),
        task.max_attempts.into(),
        task.run_after.into(),
        task.dedupe_key.into(),
        task.created_at.into(),
    ];
    let statement = engine::statement(db.get_database_backend(), sql, values);
    match db.query_one_raw(statement).await? {
        Some(row) => Ok(row.try_get("", Column::Id.as_str())?),
        None => Ok(task.id),
    }
}

/// A kind of task that waits.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Waiting {
    /// The kind.
    pub task_type: String,
    /// When the first of them may run.
    pub run_after: DateTimeUtc,
}

/// The kinds of tasks that wait, each with its first time. However many wait, it reads two
/// entries of an index for each kind.
pub async fn waiting(db: &impl ConnectionTrait) -> Result<Vec<Waiting>> {
    let sql = "WITH RECURSIVE kinds (task_type) AS ( \
               SELECT MIN(task_type) FROM outbox_tasks WHERE status = 'pending' \
               UNION ALL \
               SELECT (SELECT MIN(later.task_type) FROM outbox_tasks AS later \
               WHERE later.status = 'pending' AND later.task_type > kinds.task_type) \
               FROM kinds WHERE kinds.task_type IS NOT NULL) \
               SELECT task_type, (SELECT MIN(run_after) FROM outbox_tasks AS first \
               WHERE first.status = 'pending' AND first.task_type = kinds.task_type) AS run_after \
               FROM kinds WHERE task_type IS NOT NULL";
    let statement = engine::statement(db.get_database_backend(), sql, []);
    Ok(Waiting::find_by_statement(statement).all(db).await?)
}

/// What a worker wants to lease.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Of this kind.
    pub task_type: &'a str,
    /// At most so many.
    pub limit: u64,
    /// What will prove the lease.
    pub token: Uuid,
    /// Until when.
    pub until: DateTimeUtc,
    /// The time: only what is due.
    pub now: DateTimeUtc,
}

/// Leases what is due, the oldest first. What another worker is just leasing is passed over.
///
/// A single statement: on SQLite it takes the write lock from its start, as `BEGIN IMMEDIATE`
/// does.
pub async fn claim(db: &impl ConnectionTrait, claim: Claim<'_>) -> Result<Vec<Task>> {
    let Claim {
        task_type,
        limit,
        token,
        until,
        now,
    } = claim;
    let backend = db.get_database_backend();
    let locking = match backend {
        DbBackend::Sqlite => "",
        _ => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "WITH due (due_id) AS MATERIALIZED ( \
         SELECT id FROM outbox_tasks \
         WHERE status = 'pending' AND task_type = $1 AND run_after <= $2 \
         ORDER BY run_after, id LIMIT $3 {locking}) \
         UPDATE outbox_tasks SET status = 'in_progress', lease_token = $4, lease_until = $5, \
         updated_at = $2 FROM due WHERE id = due_id \
         RETURNING id, task_type, payload, status, attempts, max_attempts, last_error, run_after, \
         lease_token, lease_until, dedupe_key, again_at, completed_at, created_at, updated_at"
    );
    let values: [sea_orm::Value; 5] = [
        task_type.into(),
        now.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
        token.into(),
        until.into(),
    ];
    let statement = engine::statement(backend, &sql, values);
    let rows = outbox_tasks::Model::find_by_statement(statement)
        .all(db)
        .await?;
    let mut tasks: Vec<Task> = rows.into_iter().map(Task::from).collect();
    tasks.sort_by_key(|it| (it.run_after, it.id));
    Ok(tasks)
}

/// Takes back the leases that ran out, each a failed attempt; gives the tasks as they are now.
pub async fn expire(db: &impl ConnectionTrait, now: DateTimeUtc) -> Result<Vec<Task>> {
    let sql = "UPDATE outbox_tasks SET \
               status = CASE WHEN attempts + 1 >= max_attempts AND again_at IS NULL \
               THEN 'failed' ELSE 'pending' END, \
               completed_at = CASE WHEN attempts + 1 >= max_attempts AND again_at IS NULL \
               THEN $1 END, \
               attempts = CASE WHEN attempts + 1 >= max_attempts AND again_at IS NOT NULL \
               THEN 0 ELSE attempts + 1 END, \
               run_after = COALESCE(again_at, run_after), last_error = 'the lease ran out: its worker ended, or was \
               cut off', lease_token = NULL, lease_until = NULL, again_at = NULL, updated_at = $1 \
               WHERE status = 'in_progress' AND lease_until < $1 \
               RETURNING id, task_type, payload, status, attempts, max_attempts, last_error, \
               run_after, lease_token, lease_until, dedupe_key, again_at, completed_at, \
               created_at, updated_at";
    let statement = engine::statement(db.get_database_backend(), sql, [now.into()]);
    let rows = outbox_tasks::Model::find_by_statement(statement)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Task::from).collect())
}

/// Keeps leases for longer; gives how many tasks they hold.
pub async fn extend(db: &impl ConnectionTrait, tokens: &[Uuid], until: DateTimeUtc) -> Result<u64> {
    use outbox_tasks::Column;
    let held = engine::one_of(
        db,
        (outbox_tasks::Entity, Column::LeaseToken),
        tokens.iter().copied(),
    );
    let updated = outbox_tasks::Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(Column::Status.eq(TaskStatus::InProgress))
        .filter(held)
        .exec(db)
        .await?;
    Ok(updated.rows_affected)
}

/// Gives a lease back untried: pending again, and no attempt counted.
pub async fn release(db: &impl ConnectionTrait, token: Uuid, now: DateTimeUtc) -> Result<u64> {
    use outbox_tasks::Column;
    let nothing = outbox_tasks::ActiveModel {
        status: Set(TaskStatus::Pending),
        lease_token: Set(None),
        lease_until: Set(None),
        again_at: Set(None),
        updated_at: Set(now),
        ..Default::default()
    };
    let updated = outbox_tasks::Entity::update_many()
        .set(nothing)
        .filter(Column::Status.eq(TaskStatus::InProgress))
        .filter(Column::LeaseToken.eq(token))
        .exec(db)
        .await?;
    Ok(updated.rows_affected)
}

/// Marks tasks done under a lease, to be committed with what they did; gives those that the
/// lease still held. The others belong to somebody else now: write nothing for them.
///
/// It locks the rows, so do it before the task's own writes: a lease that is held here is held
/// until the transaction ends.
pub async fn done(
    db: &impl ConnectionTrait,
    token: Uuid,
    ids: impl IntoIterator<Item = OutboxTaskId>,
    now: DateTimeUtc,
) -> Result<Vec<OutboxTaskId>> {
    let backend = db.get_database_backend();
    let list = match backend {
        DbBackend::Sqlite => "id IN (SELECT unhex(value) FROM json_each($3))",
        _ => "id = ANY($3)",
    };
    let sql = format!(
        "UPDATE outbox_tasks SET \
         status = CASE WHEN again_at IS NULL THEN 'done' ELSE 'pending' END, \
         run_after = COALESCE(again_at, run_after), \
         attempts = CASE WHEN again_at IS NULL THEN attempts ELSE 0 END, \
         completed_at = CASE WHEN again_at IS NULL THEN $1 END, \
         lease_token = NULL, lease_until = NULL, again_at = NULL, updated_at = $1 \
         WHERE lease_token = $2 AND {list} RETURNING id"
    );
    let values: [sea_orm::Value; 3] = [now.into(), token.into(), engine::id_list(backend, ids)];
    let rows = db
        .query_all_raw(engine::statement(backend, &sql, values))
        .await?;
    let ids = rows.iter().map(|it| it.try_get("", "id"));
    Ok(ids.collect::<Result<_, DbErr>>()?)
}

/// Writes how an attempt failed, under its lease; false when the lease is held no longer.
///
/// A task that was given up, but asked for again while it ran, starts anew.
pub async fn fail(db: &impl ConnectionTrait, token: Uuid, task: &Task) -> Result<bool> {
    let sql = "UPDATE outbox_tasks SET \
               status = CASE WHEN again_at IS NULL THEN $3 ELSE 'pending' END, \
               attempts = CASE WHEN again_at IS NULL OR $3 = 'pending' THEN $4 ELSE 0 END, \
               run_after = CASE WHEN again_at IS NULL OR $3 = 'pending' THEN $5 ELSE again_at END, \
               completed_at = CASE WHEN again_at IS NULL THEN $6 END, \
               last_error = $7, lease_token = NULL, lease_until = NULL, again_at = NULL, \
               updated_at = $8 WHERE id = $1 AND lease_token = $2";
    let values: [sea_orm::Value; 8] = [
        task.id.into(),
        token.into(),
        task.status.as_str().into(),
        task.attempts.into(),
        task.run_after.into(),
        task.completed_at.into(),
        task.last_error.clone().into(),
        task.updated_at.into(),
    ];
    let statement = engine::statement(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected() == 1)
}

/// A task that nobody else can change until the transaction ends.
pub async fn locked(db: &impl ConnectionTrait, id: OutboxTaskId) -> Result<Option<Task>> {
    let row = outbox_tasks::Entity::find_by_id(id)
        .lock_exclusive()
        .one(db)
        .await?;
    Ok(row.map(Task::from))
}

/// Forgets at most `limit` tasks that were done before `before`; gives how many.
pub async fn prune(db: &impl ConnectionTrait, before: DateTimeUtc, limit: u64) -> Result<u64> {
    use outbox_tasks::Column;
    // Nothing is done before it was due, which the index knows.
    let old = outbox_tasks::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Status.eq(TaskStatus::Done))
        .filter(Column::RunAfter.lt(before))
        .filter(Column::CompletedAt.lt(before))
        .limit(limit);
    let deleted = outbox_tasks::Entity::delete_many()
        .filter(Column::Id.in_subquery(sea_orm::QueryTrait::into_query(old)))
        .exec(db)
        .await?;
    Ok(deleted.rows_affected)
}

/// How many tasks of a kind are in a state.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Depth {
    /// The kind.
    pub task_type: String,
    /// The state.
    pub status: TaskStatus,
    /// How many.
    pub tasks: i64,
    /// When the first of them was to run.
    pub oldest: DateTimeUtc,
}

/// How many tasks there are that are not done.
pub async fn depth(db: &impl ConnectionTrait) -> Result<Vec<Depth>> {
    let sql = "SELECT task_type, status, COUNT(*) AS tasks, MIN(run_after) AS oldest \
               FROM outbox_tasks WHERE status IN ('pending', 'in_progress', 'failed') \
               GROUP BY task_type, status ORDER BY task_type, status";
    let statement = engine::statement(db.get_database_backend(), sql, []);
    Ok(Depth::find_by_statement(statement).all(db).await?)
}

/// Which tasks; whatever is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Of one of these types.
    pub types: Option<Vec<String>>,
    /// In one of these states.
    pub statuses: Option<Vec<TaskStatus>>,
    /// With this key.
    pub dedupe_key: Option<String>,
}

impl TaskFilter {
    fn select(&self) -> Select<outbox_tasks::Entity> {
        use outbox_tasks::Column;
        let Self {
            types,
            statuses,
            dedupe_key,
        } = self;
        let conditions = [
            types.as_ref().map(|it| Column::TaskType.is_in(it)),
            statuses
                .as_ref()
                .map(|it| Column::Status.is_in(it.iter().copied())),
            dedupe_key.as_ref().map(|it| Column::DedupeKey.eq(it)),
        ];
        let condition = conditions
            .into_iter()
            .flatten()
            .fold(Condition::all(), Condition::add);
        outbox_tasks::Entity::find().filter(condition)
    }
}

/// One page of the tasks by when they run. Only administrators may ask; `app` sees to that.
pub async fn tasks_page(
    db: &impl ConnectionTrait,
    filter: &TaskFilter,
    latest_first: bool,
    page: &Page,
) -> Result<Slice<Task>> {
    let place = (outbox_tasks::Column::RunAfter, outbox_tasks::Column::Id);
    let slice = page::fetch(db, filter.select(), place, latest_first, page).await?;
    Ok(slice.map(Task::from))
}

/// How many tasks the filter lets through.
pub async fn tasks_count(db: &impl ConnectionTrait, filter: &TaskFilter) -> Result<Option<i64>> {
    page::total(db, &filter.select(), true).await
}

/// The tasks with these ids. Only administrators may ask; `app` sees to that.
pub async fn tasks_by_ids(db: &impl ConnectionTrait, ids: &[OutboxTaskId]) -> Result<Vec<Task>> {
    let id = (outbox_tasks::Entity, outbox_tasks::Column::Id);
    let rows = outbox_tasks::Entity::find()
        .filter(engine::one_of(db, id, ids.iter().copied()))
        .order_by_asc(outbox_tasks::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Task::from).collect())
}
