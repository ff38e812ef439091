//! Handing a conversation from one device to another of the same owner.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Conversation, ConversationError, ConversationId};
use crate::{
    check::UserErrorCode,
    device::{Device, DeviceId, DeviceStatus},
    identity::UserId,
};

id!(
    /// A hand-off of a conversation.
    HandoffId, "handoff"
);

/// So long the other device may take to accept.
pub const HANDOFF_TIMEOUT: TimeDelta = TimeDelta::seconds(30);

/// A persona definition of this priority or more is an emergency, and is not displaced.
const EMERGENCY_PRIORITY: i32 = 100;

text_enum! {
    /// What became of a hand-off.
    #[derive(Default)]
    pub enum HandoffState {
        /// The other device has not answered yet.
        #[default]
        Pending = "pending",
        /// The other device took the conversation over.
        Accepted = "accepted",
        /// The other device refused it.
        Rejected = "rejected",
        /// The other device did not answer within 30 seconds.
        TimedOut = "timed_out",
    }
}

/// One hand-off of a conversation between two devices, asked for and perhaps answered.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "ConversationHandoffFields")
)]
pub struct ConversationHandoff {
    /// Stable identifier.
    pub id: HandoffId,
    /// Which conversation.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub conversation_id: ConversationId,
    /// Whose conversation.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub user_id: UserId,
    /// Where it was; none for a conversation that was on no device.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub from_device_id: Option<DeviceId>,
    /// Where it is to go.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub to_device_id: Option<DeviceId>,
    /// What was last stored; see [`ConversationHandoff::state_at`].
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub state: HandoffState,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was answered, or given up.
    pub resolved_at: Option<DateTime<Utc>>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl ConversationHandoff {
    /// What has become of it at `now`, whether or not a sweep has come by.
    pub fn state_at(&self, now: DateTime<Utc>) -> HandoffState {
        match self.state {
            HandoffState::Pending if now - self.requested_at > HANDOFF_TIMEOUT => {
                HandoffState::TimedOut
            }
            state => state,
        }
    }

    /// Pending → whatever became of it.
    #[must_use]
    pub fn resolve(self, state: HandoffState, now: DateTime<Utc>) -> Self {
        Self {
            state,
            resolved_at: Some(now),
            updated_at: now,
            ..self
        }
    }
}

/// Where a conversation is to go.
#[derive(Clone, Copy, Debug)]
pub struct HandoffTarget<'a> {
    /// The device.
    pub device: &'a Device,
    /// The priority of the persona definition that speaks in its active conversation.
    pub priority: Option<i32>,
}

/// Why a conversation is not handed over. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoffError {
    /// The conversation is not in a state for it.
    #[error(transparent)]
    State(#[from] ConversationError),
    /// It is there already.
    #[error("this conversation is on that device already")]
    SameDevice,
    /// Nobody would answer.
    #[error("that device is offline: wake it or choose another")]
    Offline,
    /// It would leave the household.
    #[error("that device belongs to somebody else: choose one of the same owner")]
    AnotherOwner,
    /// Nothing displaces an emergency.
    #[error("that device holds an emergency: resolve it or choose another")]
    Emergency,
}

impl HandoffError {
    /// What a client is told.
    pub fn code(self) -> UserErrorCode {
        match self {
            Self::State(error) => error.code(),
            Self::SameDevice | Self::Offline | Self::AnotherOwner | Self::Emergency => {
                UserErrorCode::Conflict
            }
        }
    }
}

impl HandoffTarget<'_> {
    /// Whether a conversation of `owner`'s devices may go there at `now`.
    pub fn check(
        self,
        conversation: &Conversation,
        owner: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), HandoffError> {
        conversation.check_active(now)?;
        if conversation.device_id == Some(self.device.id) {
            return Err(HandoffError::SameDevice);
        }
        if self.device.owner_id != owner {
            return Err(HandoffError::AnotherOwner);
        }
        self.check_free(now)
    }

    /// Whether the device can take a conversation at `now`.
    pub fn check_free(self, now: DateTime<Utc>) -> Result<(), HandoffError> {
        if self.device.status_at(now) == DeviceStatus::Offline {
            Err(HandoffError::Offline)
        } else if self.priority.is_some_and(|it| it >= EMERGENCY_PRIORITY) {
            Err(HandoffError::Emergency)
        } else {
            Ok(())
        }
    }
}
