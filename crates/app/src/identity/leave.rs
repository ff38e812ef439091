//! What a person is owed: everything about them, and to be forgotten.

use std::collections::VecDeque;

use domain::{
    audit::Event,
    identity::{User, UserId},
    values::Json,
};
use futures_util::{Stream, StreamExt, stream};
use persistence::{
    Db,
    identity::{
        self as rows,
        about::{self, TABLES, Table},
        person, users,
    },
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::user::{close_sockets, keep_an_admin};
use crate::{Change, Cx, Error, Principal, Result, audit};

/// So many rows are read at once.
const BATCH: usize = 200;
/// An export that is bigger is only to be had as a stream.
const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// Everything about a person as one JSON document, in pieces: for the person themself or an
/// administrator, and logged as `data_exported`.
///
/// `{"user": …, "exportedAt": …, "tables": {name: [row, …], …}, "traces": {name: [{id,
/// created_at}, …], …}}`. `tables` has every row about the person and of what they own, with
/// identifiers as UUIDs; secrets, embeddings and encrypted words are left out, as is what
/// speaks of others. `traces` has what they made or caused that is about something else.
pub async fn export(
    cx: &Cx,
    user: UserId,
) -> Result<impl Stream<Item = Result<String>> + Send + use<>> {
    cx.viewer.require_account(user, "user")?;
    let txn = cx.begin().await?;
    rows::user_for_update(&*txn, user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let event = Event {
        user_id: Some(user),
        payload: Json(json!({ "by": by(cx), "object": user })),
        ..audit::event(cx, "data_exported")
    };
    audit::log(cx, &txn, event).await?;
    txn.commit().await?;

    let head = format!(
        "{{\"user\":\"{user}\",\"exportedAt\":{},\"tables\":{{",
        json!(cx.now())
    );
    let reading = Reading {
        db: cx.db.clone(),
        user,
        parts: parts(),
        after: None,
    };
    let body = stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(Some(text)) => Some((Ok(text), Some(reading))),
            Ok(None) => Some((Ok("}}".to_owned()), None)),
            // What has been sent cannot be taken back: the document stays incomplete.
            Err(error) => Some((Err(error), None)),
        }
    });
    let head = stream::once(std::future::ready(Ok(head)));
    Ok(head.chain(body))
}

/// A part of the document: a table's rows or traces, and the text before them.
struct Part {
    table: &'static Table,
    traces: bool,
    opening: String,
}

fn parts() -> VecDeque<Part> {
    let mut parts = VecDeque::new();
    for traces in [false, true] {
        let mut separator = if traces { "},\"traces\":{" } else { "" };
        for table in TABLES {
            let has = if traces {
                !table.traces.is_empty()
            } else {
                !table.about.is_empty() || !table.through.is_empty()
            };
            if has {
                parts.push_back(Part {
                    table,
                    traces,
                    opening: format!("{separator}\"{}\":[", table.name),
                });
                separator = ",";
            }
        }
    }
    parts
}

/// How far an export has come.
struct Reading {
    db: Db,
    user: UserId,
    parts: VecDeque<Part>,
    /// The last row that was read of the part at the front.
    after: Option<Uuid>,
}

impl Reading {
    /// The next piece of text; none at the end.
    async fn next(&mut self) -> Result<Option<String>> {
        let Some(part) = self.parts.front() else {
            return Ok(None);
        };
        let (db, table) = (self.db.reader(), part.table);
        let found = if part.traces {
            about::traces(db, table, self.user, self.after, BATCH).await?
        } else {
            about::rows(db, table, self.user, self.after, BATCH).await?
        };
        let mut text = match self.after {
            None => part.opening.clone(),
            Some(_) if found.rows.is_empty() => String::new(),
            Some(_) => ",".to_owned(),
        };
        text.push_str(&found.rows.join(","));
        self.after = found.next;
        if self.after.is_none() {
            text.push(']');
            self.parts.pop_front();
        }
        Ok(Some(text))
    }
}

/// The same as one value, for persons of whom there is not too much.
pub async fn data_export(cx: &Cx, user: UserId) -> Result<Value> {
    let mut pieces = std::pin::pin!(export(cx, user).await?);
    let mut text = String::new();
    while let Some(piece) = pieces.next().await {
        text.push_str(&piece?);
        if text.len() > MAX_DOCUMENT {
            let message = "this is too much for one answer: fetch the export as a stream";
            return Err(Error::conflict("user", message));
        }
    }
    serde_json::from_str(&text).map_err(|error| Error::Internal(format!("export: {error}")))
}

/// What is forgotten with a person.
#[derive(Clone, Debug)]
pub struct Erasure {
    /// Whom.
    pub user: User,
    /// How many rows of each table, those with none left out. Rows of `events` are emptied,
    /// all others go.
    pub counts: Vec<(&'static str, i64)>,
    /// Whether it was only tried.
    pub dry_run: bool,
}

/// Forgets a person: every row about them and everything they own, entities with their
/// conversations included. The log keeps no more than that it was done. For the person
/// themself or an administrator; the last active administrator stays.
pub async fn user_erase(cx: &Cx, id: UserId, dry_run: bool) -> Result<Erasure> {
    cx.viewer.require_account(id, "user")?;
    if dry_run {
        let row = users::Entity::find_by_id(id).one(cx.reader()).await?;
        let user = row.ok_or_else(|| Error::not_found("user"))?.into();
        let counts = about::count(cx.reader(), id).await?;
        return Ok(Erasure {
            user,
            counts,
            dry_run,
        });
    }
    let txn = cx.begin().await?;
    let admins = person::active_admins_for_update(&*txn).await?;
    let user = rows::user_for_update(&*txn, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let gone = User {
        is_active: false,
        ..user.clone()
    };
    keep_an_admin(&admins, &gone)?;
    let counts = about::count(&*txn, id).await?;
    close_sockets(&txn, id).await?;
    for token in person::device_tokens(&*txn, id).await? {
        txn.publish(Change::TokenRevoked(token));
    }
    about::scrub(&*txn, id).await?;
    persistence::idempotency::forget_principal(&*txn, &id.to_string()).await?;
    person::delete(&*txn, id).await?;
    let rows: i64 = counts.iter().map(|(_, n)| n).sum();
    let event = Event {
        payload: Json(json!({ "by": by(cx), "object": id, "rows": rows })),
        ..audit::event(cx, "user_erased")
    };
    audit::log(cx, &txn, event).await?;
    txn.commit().await?;
    cx.sessions.forget_all();
    Ok(Erasure {
        user,
        counts,
        dry_run,
    })
}

/// Who did it: an id, which for an erased person names nobody any more.
fn by(cx: &Cx) -> Option<String> {
    match cx.viewer.principal {
        Principal::User { id, .. } | Principal::Service { id } => Some(id.to_string()),
        Principal::System => Some("system".to_owned()),
        Principal::Device { .. } | Principal::Anonymous => None,
    }
}
