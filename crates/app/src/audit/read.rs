//! Reading the log, counting in it, and removing what is too old.

use chrono::TimeDelta;
use domain::{
    audit::{Event, EventId, check_event_type},
    check::{Check, UserErrorCode},
};
use persistence::{
    audit::{
        CountBy, CountKey, EventFilter, events_by_ids, events_count_by, events_page, events_prune,
    },
    page::{self, Page, Slice},
    scope::EventScope,
};

use crate::{Access, Cx, Error, Result};

/// At most so many types in a filter.
const MAX_TYPES: usize = 50;
/// At most so many groups of a count.
const MAX_COUNTS: i64 = 1_000;
/// A count that does not say since when is of so long.
const COUNTED: TimeDelta = TimeDelta::days(7);
/// So many entries are removed at once.
const PRUNED_AT_ONCE: u64 = 2_000;

/// Which entries of the log the viewer may read: all as an administrator, else what the devices
/// in sight lived through.
pub fn event_scope(cx: &Cx) -> Result<EventScope> {
    if cx.viewer.is_admin() {
        return Ok(EventScope::All);
    }
    Ok(EventScope::OfDevices(cx.viewer.devices(Access::Read)?))
}

/// The filter, seen to be well-formed.
///
/// # Errors
/// For more than 50 types, or a text that is none.
pub fn event_filter(filter: EventFilter) -> Result<EventFilter> {
    let mut check = Check::new();
    let types = filter.types.as_deref().unwrap_or_default();
    if types.len() > MAX_TYPES {
        let message = format!("{} types: expected at most {MAX_TYPES}", types.len());
        check.fail(UserErrorCode::TooLong, "filter.types", message);
    }
    for event_type in types.iter().take(MAX_TYPES) {
        check.nested("filter.types", check_event_type(event_type));
    }
    if let Some(id) = &filter.correlation_id {
        check.text("filter.correlationId", id, 0..=200);
    }
    check.done()?;
    Ok(filter)
}

/// One page of the log, with its length when it is wanted. Administrators only. From the
/// replica, where there is one: it may lag behind.
pub async fn events(
    cx: &Cx,
    filter: EventFilter,
    newest_first: bool,
    page: &Page,
    wants_total: bool,
) -> Result<(Slice<Event>, Option<i64>)> {
    cx.viewer.require_admin()?;
    let select = event_filter(filter)?.of(EventScope::All.events());
    let db = cx.lagging_reader();
    let total = page::total(db, &select, wants_total).await?;
    let slice = events_page(db, select, newest_first, page).await?;
    Ok((slice, total))
}

/// The entries with these ids that the viewer may read.
pub async fn by_ids(cx: &Cx, ids: &[EventId]) -> Result<Vec<Event>> {
    Ok(events_by_ids(cx.reader(), event_scope(cx)?, ids).await?)
}

/// How many entries have something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// What.
    pub key: CountKey,
    /// How many.
    pub count: i64,
}

/// How many entries there are of each type, hour or device: the most frequent first, hours the
/// newest first, at most `first` (1–1000). Of the last 7 days, when the filter does not say
/// since when. Administrators only. From the replica, where there is one.
pub async fn event_counts(
    cx: &Cx,
    by: CountBy,
    filter: EventFilter,
    first: i64,
) -> Result<Vec<EventCount>> {
    cx.viewer.require_admin()?;
    let mut filter = event_filter(filter)?;
    let mut check = Check::new();
    check.integer("first", first, 1..=MAX_COUNTS);
    check.done()?;
    if filter.from.is_none() {
        filter.from = Some(filter.to.unwrap_or_else(|| cx.now()) - COUNTED);
    }
    let select = filter.of(EventScope::All.events());
    let limit = u64::try_from(first).map_err(|error| Error::Internal(error.to_string()))?;
    let counts = events_count_by(cx.lagging_reader(), select, by, limit).await?;
    let counts = counts
        .into_iter()
        .map(|(key, count)| EventCount { key, count });
    Ok(counts.collect())
}

/// Removes entries older than the operator wants them kept, for a sweep; critical ones stay.
/// Gives how many. In small batches, so that writers of the log need not wait.
pub async fn prune(cx: &Cx) -> Result<u64> {
    let Some(kept) = cx.settings.events_kept else {
        return Ok(0);
    };
    let before = cx.now() - kept;
    let mut pruned = 0;
    loop {
        let rows = events_prune(cx.writer(), before, PRUNED_AT_ONCE).await?;
        pruned += rows;
        if rows < PRUNED_AT_ONCE {
            return Ok(pruned);
        }
    }
}
