//! The change feed: what happened, told to whoever subscribes, in this process and the others;
//! and the knock on the worker's door.
//!
//! Within a process it is a broadcast. Between processes (PostgreSQL) it is `NOTIFY`, sent
//! after commit by a task of its own, which gathers what many transactions said into one
//! statement: `NOTIFY` inside a transaction takes a lock that makes commits queue. It is told
//! at most once: who must not miss anything reads the tables, as workers do.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use domain::{
    audit::{Event, EventId},
    conversation::{CommunicationId, ConversationEvent, ConversationId, MessageId},
    device::DeviceId,
    dna::EntityId,
    identity::{AccessTokenId, UserId},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Services;

/// Something that happened, for subscriptions. Small, since it goes to other processes: ids and
/// a few words. Subscribers read the rest themselves, with their own viewer's scope.
///
/// A new kind is a variant here, and `txn.publish(Change::…)` where it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// An event was logged.
    EventLogged(Logged),
    /// Many events were logged at once: at most [`EVENTS_AT_ONCE`] of them.
    EventsLogged(Vec<Logged>),
    /// A device is not as it was: what its owner says of it, its status, or who is cast there.
    DeviceChanged {
        /// Which.
        device: DeviceId,
        /// Whose.
        owner: UserId,
    },
    /// A command was sent to devices of a person; the event that keeps it says to which.
    DeviceCommanded {
        /// The event.
        event: EventId,
        /// Whose devices.
        owner: UserId,
    },
    /// Something happened to a conversation, other than a message.
    ConversationChanged {
        /// Which.
        conversation: ConversationId,
        /// What happened.
        event: ConversationEvent,
        /// The devices that it concerns: where it is, was, or is to go.
        devices: Vec<DeviceId>,
    },
    /// Something was said.
    MessageAdded {
        /// Where.
        conversation: ConversationId,
        /// What.
        message: MessageId,
        /// Of whose conversation.
        user: UserId,
        /// With whom.
        entity: Option<EntityId>,
        /// Said on which device.
        device: Option<DeviceId>,
    },
    /// An entity told another something.
    EntityMessageSent {
        /// What.
        communication: CommunicationId,
        /// Whom.
        to: EntityId,
    },
    /// A token was revoked: sockets that it opened must close.
    TokenRevoked(AccessTokenId),
    /// The connection to the other processes was away: what they said meanwhile is lost. Who
    /// follows something subscribes again.
    #[serde(skip)]
    Missed,
}

/// So many events are told in one change: a batch must not fill the feed, nor be too large for
/// the other processes.
pub const EVENTS_AT_ONCE: usize = 50;

/// An event that was logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logged {
    /// Which.
    pub id: EventId,
    /// What happened.
    pub event_type: String,
    /// The event itself, in the process that logged it; another one reads it by the id.
    #[serde(skip)]
    pub row: Option<Arc<Event>>,
}

impl From<Event> for Logged {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            event_type: event.event_type.clone(),
            row: Some(Arc::new(event)),
        }
    }
}

/// The change feed of this process: bounded, and a reader that falls behind is told so.
#[derive(Clone, Debug)]
pub struct Bus(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    changes: broadcast::Sender<Change>,
    work: Notify,
    /// To the other processes, where there may be some.
    outward: OnceLock<mpsc::Sender<Note>>,
}

/// How many changes a subscriber may lag behind before it is dropped with an error.
const BUS_CAPACITY: usize = 1024;
/// How many transactions may wait to be told to other processes; past it they hear nothing.
const OUTWARD_CAPACITY: usize = 16_384;
/// The channel of `NOTIFY`. Channels are of a database, so one name serves.
const CHANNEL: &str = "anima";
/// The most bytes of one notification: PostgreSQL takes fewer than 8000.
const MAX_BYTES: usize = 7_900;
/// A pause after each notification, in which more is gathered.
const GATHER: Duration = Duration::from_millis(2);
/// A pause before connecting again.
const AGAIN: Duration = Duration::from_secs(1);

/// What one process tells the others.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Note {
    /// Who tells it: a process does not listen to itself.
    #[serde(rename = "f", default, skip_serializing_if = "Uuid::is_nil")]
    from: Uuid,
    /// There is work.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    work: bool,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

impl Bus {
    /// A feed nobody listens to yet.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            changes: broadcast::Sender::new(BUS_CAPACITY),
            work: Notify::new(),
            outward: OnceLock::new(),
        }))
    }

    /// Everything published from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.changes.subscribe()
    }

    /// Until there may be work for a worker: a task that was committed, here or elsewhere.
    pub async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Tells this process and the others what a transaction did.
    pub(crate) fn tell(&self, changes: Vec<Change>, work: bool) {
        if changes.is_empty() && !work {
            return;
        }
        if let Some(outward) = self.0.outward.get() {
            let note = Note {
                from: Uuid::nil(),
                work,
                changes: changes.clone(),
            };
            if outward.try_send(note).is_err() {
                tracing::warn!("too much at once to tell the other processes: they miss some");
            }
        }
        self.hear(changes, work);
    }

    /// Tells this process.
    fn hear(&self, changes: Vec<Change>, work: bool) {
        if work {
            self.0.work.notify_one();
        }
        for change in changes {
            // An error means that nobody listens, which is fine.
            let _ = self.0.changes.send(change);
        }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

/// Ties the feed of this process to those of the others on the same database, until it is told
/// to stop. On SQLite there are no others. Every process runs one, once.
pub async fn relay(services: Arc<Services>, closing: CancellationToken) {
    if services.db.backend() == sea_orm::DbBackend::Sqlite {
        return;
    }
    let (sender, told) = mpsc::channel(OUTWARD_CAPACITY);
    if services.bus.0.outward.set(sender).is_err() {
        return;
    }
    let own: Uuid = services.system_cx().id();
    let listening = closing.run_until_cancelled(listen(&services, own));
    let _ = tokio::join!(listening, tell(&services, own, told, &closing));
}

/// Tells the others what this process says; at the end, what it has said.
async fn tell(
    services: &Services,
    own: Uuid,
    mut told: mpsc::Receiver<Note>,
    closing: &CancellationToken,
) {
    let mut notes = Vec::new();
    while !closing.is_cancelled() {
        tokio::select! {
            _ = told.recv_many(&mut notes, OUTWARD_CAPACITY) => {}
            () = closing.cancelled() => {
                notes.extend(std::iter::from_fn(|| told.try_recv().ok()));
            }
        }
        for text in texts(own, notes.drain(..)) {
            if let Err(error) = services.db.notify(CHANNEL, &text).await {
                tracing::warn!(%error, "the other processes could not be told what changed");
            }
        }
        let _ = closing
            .run_until_cancelled(tokio::time::sleep(GATHER))
            .await;
    }
}

/// Gathers notes into as few texts as PostgreSQL takes.
fn texts(own: Uuid, notes: impl Iterator<Item = Note>) -> Vec<String> {
    let mut work = false;
    // What stands around the changes.
    let frame = 80;
    let mut lists: Vec<(usize, Vec<Change>)> = Vec::new();
    for note in notes {
        work |= note.work;
        for change in note.changes {
            let Ok(size) = serde_json::to_string(&change).map(|it| it.len() + 1) else {
                continue;
            };
            if frame + size > MAX_BYTES {
                tracing::error!(?change, "a change is too large to be told other processes");
                continue;
            }
            match lists.last_mut() {
                Some((bytes, list)) if *bytes + size <= MAX_BYTES => {
                    *bytes += size;
                    list.push(change);
                }
                _ => lists.push((frame + size, vec![change])),
            }
        }
    }
    if lists.is_empty() && work {
        lists.push((frame, Vec::new()));
    }
    let last = lists.len().saturating_sub(1);
    let texts = lists.into_iter().enumerate().map(|(i, (_, changes))| {
        let note = Note {
            from: own,
            work: work && i == last,
            changes,
        };
        serde_json::to_string(&note)
    });
    texts.filter_map(Result::ok).collect()
}

/// Hears what the other processes say.
async fn listen(services: &Services, own: Uuid) {
    let mut lost = false;
    loop {
        match services.db.listen(CHANNEL).await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                if lost {
                    services.sessions.forget_all();
                    services.bus.hear(vec![Change::Missed], true);
                }
                lost = true;
                let error = loop {
                    match listener.next().await {
                        Ok(text) => heard(services, own, &text),
                        Err(error) => break error,
                    }
                };
                tracing::warn!(%error, "the feed of the other processes broke off");
            }
            Err(error) => tracing::warn!(%error, "the other processes cannot be heard"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn heard(services: &Services, own: Uuid, text: &str) {
    let note: Note = match serde_json::from_str(text) {
        Ok(note) => note,
        Err(error) => {
            // A kind that this version does not know, told by a later one.
            tracing::debug!(%error, "a change was not understood");
            return;
        }
    };
    if note.from == own {
        return;
    }
    for change in &note.changes {
        if let Change::TokenRevoked(token) = change {
            services.sessions.forget_token(*token);
        }
    }
    services.bus.hear(note.changes, note.work);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn logged(n: u128, event_type: &str) -> Change {
        let event = Event::new(
            EventId(Uuid::from_u128(n)),
            event_type,
            DateTime::UNIX_EPOCH,
        );
        Change::EventLogged(Logged::from(event))
    }

    #[test]
    fn many_changes_fill_few_texts_and_none_is_too_long() {
        let own = Uuid::max();
        let note = |n| Note {
            work: n == 0,
            changes: vec![logged(n, &"x".repeat(50))],
            ..Note::default()
        };
        let texts = texts(own, (0..1_000).map(note));
        assert!(texts.len() < 20, "{}", texts.len());
        let notes = texts.iter().map(|text| {
            assert!(text.len() <= MAX_BYTES, "{}", text.len());
            serde_json::from_str::<Note>(text).unwrap()
        });
        let notes: Vec<Note> = notes.collect();
        assert!(notes.iter().all(|it| it.from == own));
        assert_eq!(notes.iter().filter(|it| it.work).count(), 1);
        let changes: Vec<_> = notes.into_iter().flat_map(|it| it.changes).collect();
        assert_eq!(changes.len(), 1_000);
        // The row stays at home.
        assert!(matches!(&changes[7], Change::EventLogged(it)
            if it.id == EventId(Uuid::from_u128(7)) && it.row.is_none()));
    }

    #[test]
    fn work_alone_is_one_text_and_nothing_is_none() {
        let work = || Note {
            work: true,
            ..Note::default()
        };
        assert_eq!(texts(Uuid::max(), [work(), work()].into_iter()).len(), 1);
        assert_eq!(texts(Uuid::max(), std::iter::empty()).len(), 0);
    }

    #[test]
    fn as_many_events_as_are_told_at_once_fit_into_one_text() {
        let told = (0..EVENTS_AT_ONCE as u128).map(|n| {
            let event_type = "x".repeat(50);
            let id = EventId(Uuid::from_u128(u128::MAX - n));
            Logged::from(Event::new(id, &event_type, DateTime::UNIX_EPOCH))
        });
        let note = Note {
            changes: vec![Change::EventsLogged(told.collect())],
            ..Note::default()
        };
        assert_eq!(texts(Uuid::max(), [note].into_iter()).len(), 1);
    }

    #[test]
    fn a_change_too_large_is_left_out() {
        let note = Note {
            changes: vec![logged(1, &"x".repeat(8_000)), logged(2, "small")],
            ..Note::default()
        };
        let texts = texts(Uuid::max(), [note].into_iter());
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains("small") && texts[0].len() < 200);
    }
}
