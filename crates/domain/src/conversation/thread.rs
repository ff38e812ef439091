//! Threads: where a conversation takes place, how long it goes on, how private it is.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Conversation, ConversationId, ConversationState, Intimacy, Platform};
use crate::{
    check::{Check, Invalid, UserErrorCode},
    device::DeviceId,
    dna::EntityId,
    identity::{GuildId, UserId},
    persona::PersonaDefinitionId,
    values::Json,
};

/// A thread whose newest message is older than this is over, unless the persona definition
/// says otherwise.
pub const DEFAULT_SESSION_GAP: TimeDelta = TimeDelta::minutes(60);
/// A conversation ends by itself so long after its newest message, unless the persona
/// definition says otherwise.
pub const DEFAULT_RETENTION: TimeDelta = TimeDelta::hours(24);
/// What a front end keeps with a conversation takes at most so many bytes as JSON.
pub const MAX_METADATA_BYTES: usize = 16 * 1_024;

/// How long a conversation goes on; of the persona definition that speaks in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// The longest silence within one thread.
    pub gap: TimeDelta,
    /// The longest silence after which the conversation can still be written to by its id.
    pub retention: TimeDelta,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            gap: DEFAULT_SESSION_GAP,
            retention: DEFAULT_RETENTION,
        }
    }
}

impl SessionLimits {
    /// Those that a persona definition's behaviour sets (`sessionGapMinutes`, 1 to a week;
    /// `retentionHours`, 1–168), and the defaults for the rest.
    pub fn of(behavior: Option<&Value>) -> Self {
        let number = |key: &str, range: std::ops::RangeInclusive<i64>| {
            let it = behavior?.get(key)?.as_i64()?;
            range.contains(&it).then_some(it)
        };
        Self {
            gap: number("sessionGapMinutes", 1..=10_080)
                .map_or(DEFAULT_SESSION_GAP, TimeDelta::minutes),
            retention: number("retentionHours", 1..=168)
                .map_or(DEFAULT_RETENTION, TimeDelta::hours),
        }
    }
}

/// Where a conversation takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// On which platform.
    pub platform: Platform,
    /// On which device; of the platform `device` alone, which needs one.
    pub device: Option<DeviceId>,
    /// In which community.
    pub guild: Option<GuildId>,
    /// In which channel; Discord needs one, a device has none.
    pub channel: Option<String>,
}

impl Place {
    /// The place, cleaned.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            platform,
            device,
            guild,
            channel,
        } = self;
        let mut check = Check::new();
        let channel = check.optional_text("channelId", channel.as_deref(), 1..=200);
        match (platform, device, &channel) {
            (Platform::Device, None, _) => check.fail(
                UserErrorCode::Required,
                "deviceId",
                "deviceId must be given for a conversation on a device",
            ),
            (Platform::Device, _, Some(_)) => check.fail(
                UserErrorCode::Invalid,
                "channelId",
                "a conversation on a device has no channel: leave channelId out",
            ),
            (Platform::Discord, _, None) => check.fail(
                UserErrorCode::Required,
                "channelId",
                "channelId must be given for a conversation on Discord",
            ),
            _ => {}
        }
        if platform != Platform::Device && device.is_some() {
            check.fail(
                UserErrorCode::Invalid,
                "deviceId",
                "deviceId goes with the platform DEVICE: leave it out",
            );
        }
        if platform == Platform::Device && guild.is_some() {
            check.fail(
                UserErrorCode::Invalid,
                "guildId",
                "a conversation on a device is in no community: leave guildId out",
            );
        }
        check.done()?;
        Ok(Self {
            platform,
            device,
            guild,
            channel,
        })
    }
}

/// How private a place is unless somebody says otherwise: a community's channel is low, a direct
/// message medium, the web, a command line and one's own device high. Another program says
/// nothing of where it is used, so it counts as a direct message; somebody else's device, which
/// others hear, as a channel.
pub fn default_intimacy(place: &Place, own_device: bool) -> Intimacy {
    match place.platform {
        _ if place.guild.is_some() => Intimacy::Low,
        Platform::Device if !own_device => Intimacy::Low,
        Platform::Device | Platform::Web | Platform::Cli => Intimacy::High,
        Platform::Discord | Platform::Api => Intimacy::Medium,
    }
}

/// What is said of a conversation by those who hold it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConversationProfile {
    /// At most 200 characters.
    pub title: Option<String>,
    /// A JSON object of at most 16 KiB.
    pub metadata: Value,
}

impl ConversationProfile {
    /// The profile, cleaned.
    ///
    /// # Errors
    /// With every fault of it.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self { title, metadata } = self;
        let mut check = Check::new();
        let title = check.optional_text("title", title.as_deref(), 1..=200);
        if metadata.is_object() {
            check.document("metadata", &metadata, MAX_METADATA_BYTES);
        } else {
            check.fail(
                UserErrorCode::Invalid,
                "metadata",
                "metadata must be a JSON object",
            );
        }
        check.done()?;
        Ok(Self { title, metadata })
    }
}

/// What a conversation begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// Its id.
    pub id: ConversationId,
    /// Who talks.
    pub user: UserId,
    /// With whom.
    pub entity: Option<EntityId>,
    /// Where.
    pub place: Place,
    /// Under which persona definition.
    pub persona_definition: Option<PersonaDefinitionId>,
    /// How private that is.
    pub intimacy: Intimacy,
    /// What is said of it.
    pub profile: ConversationProfile,
    /// How long it lives when nothing is said.
    pub retention: TimeDelta,
}

impl Conversation {
    /// A new one, in which nothing has been said yet.
    pub fn begin(beginning: Beginning, now: DateTime<Utc>) -> Self {
        let Beginning {
            id,
            user,
            entity,
            place:
                Place {
                    platform,
                    device,
                    guild,
                    channel,
                },
            persona_definition,
            intimacy,
            profile: ConversationProfile { title, metadata },
            retention,
        } = beginning;
        Self {
            id,
            user_id: user,
            entity_id: entity,
            device_id: device,
            guild_id: guild,
            channel_id: channel,
            persona_definition_id: persona_definition,
            platform,
            intimacy,
            state: ConversationState::Active,
            title,
            message_count: 0,
            context_snapshot: Json(serde_json::json!({})),
            metadata: Json(metadata),
            context_reset_at: None,
            started_at: now,
            last_message_at: Some(now),
            expires_at: now + retention,
            ended_at: None,
            handoff_expires_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether something said at `now` in the same place still belongs to it: it is open, and its
    /// newest message is no older than the longest silence within a thread. 59 minutes: yes;
    /// 61: no.
    pub fn continues(&self, limits: SessionLimits, now: DateTime<Utc>) -> bool {
        self.check_open(now).is_ok() && now - self.last_activity() <= limits.gap
    }
}
