//! Conversation: a thread of messages of one person with one entity; also the seeds' session,
//! with a state, an expiry and hand-offs between devices.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    check::UserErrorCode,
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
    persona::PersonaDefinitionId,
    values::Json,
};

mod communication;
mod handoff;
mod message;
mod thread;
mod window;

pub use communication::{
    Communication, CommunicationDraft, CommunicationId, CommunicationStatus, EXCHANGE_STRENGTH,
    MAX_COMMUNICATION_PAYLOAD_BYTES, strengthened,
};
pub use handoff::{
    ConversationHandoff, HANDOFF_TIMEOUT, HandoffError, HandoffId, HandoffState, HandoffTarget,
};
pub use message::{
    MAX_CONTENT, MAX_DEVICE_STATE_BYTES, MAX_IMAGES, Message, MessageDraft, MessageId, MessageRole,
    estimated_tokens,
};
pub use thread::{
    Beginning, ConversationProfile, DEFAULT_RETENTION, DEFAULT_SESSION_GAP, MAX_METADATA_BYTES,
    Place, SessionLimits, default_intimacy,
};
pub use window::{WINDOW_MESSAGES, context_window};

id!(
    /// A thread of messages.
    ConversationId, "conversation"
);

text_enum! {
    /// Where a conversation takes place.
    pub enum Platform {
        /// On a device.
        Device = "device",
        /// In a Discord channel or a direct message there.
        Discord = "discord",
        /// On a web page.
        Web = "web",
        /// On a command line.
        Cli = "cli",
        /// In another program.
        Api = "api",
    }
}

text_enum! {
    /// How private the place of a conversation is; what is learned at one level never surfaces
    /// at a lower one.
    pub enum Intimacy {
        /// Others read along: a channel of a community.
        Low = "low",
        /// Only the two, on somebody else's platform: a direct message.
        Medium = "medium",
        /// Only the two, at home: the web, a command line, one's own device.
        High = "high",
    }
}

text_enum! {
    /// What a conversation is doing.
    #[derive(Default)]
    pub enum ConversationState {
        /// It goes on.
        #[default]
        Active = "active",
        /// It waits to be resumed.
        Paused = "paused",
        /// It is over, for good.
        Ended = "ended",
        /// It is on its way to another device, which has not accepted it yet.
        HandedOff = "handed_off",
    }
}

text_enum! {
    /// What happened to a conversation.
    pub enum ConversationEvent {
        /// It began.
        Started = "started",
        /// Its title, intimacy or metadata changed, or its context was reset.
        Updated = "updated",
        /// It waits.
        Paused = "paused",
        /// It goes on.
        Resumed = "resumed",
        /// It is over.
        Ended = "ended",
        /// A hand-off to another device was asked for.
        HandoffRequested = "handoff_requested",
        /// The other device took it over.
        HandoffAccepted = "handoff_accepted",
        /// The other device refused it; it is back where it was.
        HandoffRejected = "handoff_rejected",
        /// The other device did not answer in time; it is back where it was.
        HandoffTimedOut = "handoff_timed_out",
        /// Another persona speaks.
        PersonaSwitched = "persona_switched",
    }
}

/// A thread of messages of one person with one entity on one channel or device.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "ConversationFields")
)]
pub struct Conversation {
    /// Stable identifier.
    pub id: ConversationId,
    /// Who talks.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// With whom.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub entity_id: Option<EntityId>,
    /// On which device.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub device_id: Option<DeviceId>,
    /// In which community.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub guild_id: Option<GuildId>,
    /// The platform's id of the channel, at most 200 characters.
    pub channel_id: Option<String>,
    /// The persona definition that speaks.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub persona_definition_id: Option<PersonaDefinitionId>,
    /// Where it takes place.
    pub platform: Platform,
    /// How private that is.
    pub intimacy: Intimacy,
    /// What was last stored; see [`Conversation::state_at`], which knows what time has done.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub state: ConversationState,
    /// What it is called, at most 200 characters.
    pub title: Option<String>,
    /// How many messages it has.
    pub message_count: i32,
    /// What the last hand-off took along: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub context_snapshot: Json<serde_json::Value>,
    /// What the front end keeps with it: any JSON object of at most 16 KiB.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub metadata: Json<serde_json::Value>,
    /// Messages before this are not in the context any more; they are kept.
    pub context_reset_at: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When the newest message was said; when it began, until there is one.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub last_message_at: Option<DateTime<Utc>>,
    /// When it ends by itself, unless something is said before.
    pub expires_at: DateTime<Utc>,
    /// When it ended, as stored; see [`Conversation::ended_by`].
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub ended_at: Option<DateTime<Utc>>,
    /// Until when a pending hand-off can be accepted.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub handoff_expires_at: Option<DateTime<Utc>>,
    /// Counted up by every change but a message; give it back with a change to be told of
    /// others' in between.
    pub version: i32,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// Why a conversation does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConversationError {
    /// It is over.
    #[error("this conversation has ended: begin another")]
    Ended,
    /// It waits.
    #[error("this conversation is paused: resume it first")]
    Paused,
    /// It does not wait.
    #[error("this conversation is not paused")]
    NotPaused,
    /// It is between two devices.
    #[error("this conversation is being handed to another device: wait for its answer")]
    HandedOff,
    /// It is not between two devices.
    #[error("no hand-off of this conversation is pending: ask for another")]
    NotHandedOff,
    /// Somebody else changed it.
    #[error("this conversation is at version {current}: read it again")]
    Stale {
        /// What it is now.
        current: i32,
    },
}

impl ConversationError {
    /// What a client is told.
    pub fn code(self) -> UserErrorCode {
        match self {
            Self::Ended => UserErrorCode::ConversationEnded,
            Self::Paused
            | Self::NotPaused
            | Self::HandedOff
            | Self::NotHandedOff
            | Self::Stale { .. } => UserErrorCode::Conflict,
        }
    }
}

impl Conversation {
    /// What it is doing at `now`: over when it has expired, and back where it was when a
    /// hand-off was not accepted in time, whether or not a sweep has come by.
    pub fn state_at(&self, now: DateTime<Utc>) -> ConversationState {
        match self.state {
            ConversationState::Ended => ConversationState::Ended,
            _ if self.expires_at <= now => ConversationState::Ended,
            ConversationState::HandedOff if self.handoff_timed_out(now) => {
                ConversationState::Active
            }
            state => state,
        }
    }

    /// When it ended, if it has by `now`.
    pub fn ended_by(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.state {
            ConversationState::Ended => self.ended_at,
            _ => Some(self.expires_at).filter(|it| *it <= now),
        }
    }

    /// Whether a pending hand-off has gone unanswered for too long: 30 s are in time, 31 not.
    pub fn handoff_timed_out(&self, now: DateTime<Utc>) -> bool {
        self.state == ConversationState::HandedOff
            && self.handoff_expires_at.is_none_or(|it| it < now)
    }

    /// When something was last said, or when it began.
    pub fn last_activity(&self) -> DateTime<Utc> {
        self.last_message_at.unwrap_or(self.started_at)
    }

    /// Whether this is the version the caller has seen, if they say which.
    pub fn expect(&self, version: Option<i32>) -> Result<(), ConversationError> {
        match version {
            Some(it) if it != self.version => Err(ConversationError::Stale {
                current: self.version,
            }),
            _ => Ok(()),
        }
    }

    /// Whether something may be said in it: while it goes on, also while a hand-off is pending,
    /// so that no word is lost on the way.
    pub fn check_open(&self, now: DateTime<Utc>) -> Result<(), ConversationError> {
        match self.state_at(now) {
            ConversationState::Active | ConversationState::HandedOff => Ok(()),
            ConversationState::Paused => Err(ConversationError::Paused),
            ConversationState::Ended => Err(ConversationError::Ended),
        }
    }

    /// Only while it goes on and no hand-off is pending.
    pub fn check_active(&self, now: DateTime<Utc>) -> Result<(), ConversationError> {
        match self.state_at(now) {
            ConversationState::Active => Ok(()),
            ConversationState::HandedOff => Err(ConversationError::HandedOff),
            ConversationState::Paused => Err(ConversationError::Paused),
            ConversationState::Ended => Err(ConversationError::Ended),
        }
    }

    /// Only while a hand-off is pending.
    pub fn check_handed_off(&self, now: DateTime<Utc>) -> Result<(), ConversationError> {
        match self.state_at(now) {
            ConversationState::HandedOff => Ok(()),
            ConversationState::Ended => Err(ConversationError::Ended),
            ConversationState::Active | ConversationState::Paused => {
                Err(ConversationError::NotHandedOff)
            }
        }
    }

    /// Active → paused.
    pub fn pause(self, now: DateTime<Utc>) -> Result<Self, ConversationError> {
        self.check_active(now)?;
        Ok(self.into_state(ConversationState::Paused, now))
    }

    /// Paused → active; it lives on for `retention` from now.
    pub fn resume(
        self,
        retention: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Self, ConversationError> {
        match self.state_at(now) {
            ConversationState::Paused => Ok(Self {
                expires_at: now + retention,
                ..self.into_state(ConversationState::Active, now)
            }),
            ConversationState::Ended => Err(ConversationError::Ended),
            ConversationState::Active | ConversationState::HandedOff => {
                Err(ConversationError::NotPaused)
            }
        }
    }

    /// Any state → ended. One that has expired ended when it did.
    pub fn end(self, now: DateTime<Utc>) -> Result<Self, ConversationError> {
        if self.state == ConversationState::Ended {
            return Err(ConversationError::Ended);
        }
        let ended_at = self.expires_at.min(now);
        Ok(Self {
            ended_at: Some(ended_at),
            ..self.into_state(ConversationState::Ended, now)
        })
    }

    /// Active → handed off.
    pub fn hand_off(self, now: DateTime<Utc>) -> Result<Self, ConversationError> {
        self.check_active(now)?;
        Ok(Self {
            handoff_expires_at: Some(now + HANDOFF_TIMEOUT),
            ..self.into_state(ConversationState::HandedOff, now)
        })
    }

    /// Handed off → active, on the other device; it is a conversation of that device from now
    /// on, found again there by person, entity and device.
    pub fn arrive(
        self,
        device: DeviceId,
        snapshot: serde_json::Value,
        now: DateTime<Utc>,
    ) -> Result<Self, ConversationError> {
        self.check_handed_off(now)?;
        Ok(Self {
            device_id: Some(device),
            platform: Platform::Device,
            channel_id: None,
            context_snapshot: Json(snapshot),
            ..self.into_state(ConversationState::Active, now)
        })
    }

    /// Handed off → active, where it was: the other device refused or did not answer.
    pub fn come_back(self, now: DateTime<Utc>) -> Result<Self, ConversationError> {
        match self.state {
            ConversationState::HandedOff => Ok(self.into_state(ConversationState::Active, now)),
            ConversationState::Ended => Err(ConversationError::Ended),
            ConversationState::Active | ConversationState::Paused => {
                Err(ConversationError::NotHandedOff)
            }
        }
    }

    /// Leaves everything said so far out of the context; it stays in the history.
    pub fn reset_context(self, now: DateTime<Utc>) -> Result<Self, ConversationError> {
        if self.state_at(now) == ConversationState::Ended {
            return Err(ConversationError::Ended);
        }
        Ok(Self {
            context_reset_at: Some(now),
            ..self.changed(now)
        })
    }

    /// The next version.
    #[must_use]
    pub fn changed(self, now: DateTime<Utc>) -> Self {
        Self {
            version: self.version.saturating_add(1),
            updated_at: now,
            ..self
        }
    }

    fn into_state(self, state: ConversationState, now: DateTime<Utc>) -> Self {
        Self {
            state,
            handoff_expires_at: None,
            ..self.changed(now)
        }
    }
}
