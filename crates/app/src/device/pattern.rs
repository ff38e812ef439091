//! Learning: looking for what is regular in the events of an entity and its device.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use domain::{
    device::{
        DeviceId, LearnedPattern,
        pattern::{Detector, Found, Occurrence},
    },
    dna::{Entity, EntityId, PatternWindow},
    identity::UserId,
    outbox::Task,
};
use persistence::{
    device::{
        LivedBefore, Observer, devices_by_ids, entities_alive, lived_before, observer,
        patterns_forget, patterns_of, patterns_put,
    },
    dna::{entities_by_ids, entity_in_scope},
    engine,
    identity::persons_by_ids,
    scope::{DeviceScope, EntityScope, PersonScope},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Access, Cx, Error, Result, Txn, audit,
    outbox::{self, Enqueue, Store},
};

/// So many events are read at once.
const PAGE: u64 = 1_000;
/// So many events are looked at, the newest ones of the window.
const MAX_EVENTS: usize = 100_000;

/// Looks for patterns in what an entity lived through, now rather than when the sweep comes
/// round. Finding the same again changes nothing.
pub async fn patterns_refresh(cx: &Cx, id: EntityId) -> Result<Entity> {
    let scope = cx.viewer.entities(Access::Write)?;
    let entity = entity_in_scope(cx.reader(), &scope, id)
        .await?
        .ok_or_else(|| Error::not_found("entity"))?;
    let look = look(cx, &scope, id).await?;
    let txn = cx.begin().await?;
    if let Some(look) = look {
        keep(cx, &txn, look).await?;
    }
    let object = Some(id.to_string());
    audit::call(
        cx,
        &txn,
        "learnedPatternsRefresh",
        object,
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(entity)
}

/// What a look found.
struct Look {
    entity: EntityId,
    window: PatternWindow,
    found: Vec<Found>,
}

/// Looks at an entity's events, the newest first, a page at a time; none when the entity is
/// not there.
async fn look(cx: &Cx, scope: &EntityScope, entity: EntityId) -> Result<Option<Look>> {
    let Some(Observer {
        device_id,
        pattern_window,
        time_zone,
    }) = observer(cx.reader(), scope, entity).await?
    else {
        return Ok(None);
    };
    let window = pattern_window.unwrap_or_default();
    let now = cx.now();
    let mut detector = Detector::new(time_zone.parse().unwrap_or(Tz::UTC), window, now);
    let mut place = LivedBefore {
        entity,
        device: device_id,
        since: now - window.length(),
        before: (now, Uuid::max().into()),
    };
    let mut looked_at = 0;
    while looked_at < MAX_EVENTS {
        let page = lived_before(cx.reader(), &place, PAGE).await?;
        for it in &page {
            detector.look(Occurrence {
                event_type: &it.event_type,
                at: it.occurred_at,
                user: it.user_id,
                device: it.device_id,
            });
        }
        looked_at += page.len();
        match page.last() {
            Some(last) if u64::try_from(page.len()).is_ok_and(|it| it == PAGE) => {
                place.before = (last.occurred_at, last.id);
            }
            _ => break,
        }
    }
    Ok(Some(Look {
        entity,
        window,
        found: detector.finish(),
    }))
}

/// Keeps what a look found: a pattern that is known is updated, never there twice.
async fn keep(cx: &Cx, txn: &Txn, look: Look) -> Result<()> {
    let Look {
        entity,
        window,
        found,
    } = look;
    engine::lock(&**txn, "patterns", entity).await?;
    let everything = EntityScope {
        reach: persistence::scope::EntityReach::All,
        fence: None,
    };
    if entities_by_ids(&**txn, &everything, &[entity])
        .await?
        .is_empty()
    {
        // Gone while its events were read.
        return Ok(());
    }
    let there = There::of(txn, &found).await?;
    let mut known: HashMap<String, LearnedPattern> = patterns_of(&**txn, entity, window)
        .await?
        .into_iter()
        .map(|it| (it.pattern_key.clone(), it))
        .collect();
    let mut changed = Vec::new();
    for found in found {
        let Some(found) = there.only(found) else {
            continue;
        };
        changed.extend(match known.remove(&found.key) {
            Some(known) => known.seen_again(found, cx.now()),
            None => Some(found.learned(cx.id(), entity, window, cx.now())),
        });
    }
    Ok(patterns_put(&**txn, changed).await?)
}

/// Devices and persons that still exist: the log outlives them.
struct There {
    devices: HashSet<DeviceId>,
    persons: HashSet<UserId>,
}

impl There {
    async fn of(txn: &Txn, found: &[Found]) -> Result<Self> {
        let devices: HashSet<DeviceId> = found.iter().filter_map(|it| it.device).collect();
        let persons: HashSet<UserId> = found.iter().filter_map(|it| it.user).collect();
        let devices: Vec<DeviceId> = devices.into_iter().collect();
        let persons: Vec<UserId> = persons.into_iter().collect();
        let devices = devices_by_ids(&**txn, DeviceScope::All, &devices).await?;
        let persons = persons_by_ids(&**txn, PersonScope::All, &persons).await?;
        Ok(Self {
            devices: devices.into_iter().map(|it| it.id).collect(),
            persons: persons.into_iter().map(|it| it.id).collect(),
        })
    }

    /// The pattern, without a device that is gone; none when the person is.
    fn only(&self, found: Found) -> Option<Found> {
        if found.user.is_some_and(|it| !self.persons.contains(&it)) {
            return None;
        }
        Some(Found {
            device: found.device.filter(|it| self.devices.contains(it)),
            ..found
        })
    }
}

/// The task that looks for an entity's patterns.
pub const PATTERNS_LEARN: &str = "patterns_learn";

#[derive(Debug, Serialize, Deserialize)]
struct PatternsLearn {
    entity: EntityId,
}

/// Does [`PATTERNS_LEARN`].
pub(crate) async fn patterns_learn(cx: &Cx, task: &Task) -> Result<Store> {
    let PatternsLearn { entity } = outbox::payload(task)?;
    let scope = cx.viewer.entities(Access::Write)?;
    let look = look(cx, &scope, entity).await?;
    outbox::store(move |cx, txn| {
        Box::pin(async move {
            match look {
                Some(look) => keep(cx, txn, look).await,
                None => Ok(()),
            }
        })
    })
}

/// So many entities are gone through at once.
const ENTITIES_AT_ONCE: u64 = 500;
/// An entity is looked at when something happened to it within so long.
const RECENT: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Asks for a look at every entity that lived through something within 24 hours, and puts
/// patterns aside that were not seen for twice their window. For a sweep; gives how many
/// looks were asked for and patterns put aside.
pub async fn patterns_sweep(cx: &Cx) -> Result<u64> {
    let mut done = patterns_forget(cx.writer(), cx.now()).await?;
    let mut after = None;
    loop {
        let since = cx.now() - RECENT;
        let entities = entities_alive(cx.reader(), since, after, ENTITIES_AT_ONCE).await?;
        let Some(last) = entities.last() else {
            return Ok(done);
        };
        after = Some(*last);
        let txn = cx.begin().await?;
        for entity in &entities {
            let task = Enqueue {
                dedupe_key: Some(format!("{PATTERNS_LEARN}:{entity}")),
                ..Enqueue::new(PATTERNS_LEARN, json!(PatternsLearn { entity: *entity }))
            };
            outbox::enqueue(cx, &txn, task).await?;
            done += 1;
        }
        txn.commit().await?;
    }
}
