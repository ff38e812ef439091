//! Device: the hardware a companion lives on, and the zones and groups it stands in.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    conversation::ConversationId, identity::UserId, persona::PersonaDefinitionId, values::Json,
};

mod command;
mod health;
pub mod pattern;
mod profile;
mod tree;

pub use command::{
    COMMANDS_KEPT, DEVICE_COMMAND, DeviceCommand, MAX_BROADCAST, Order, check_command,
};
pub use health::DeviceHealth;
pub use pattern::{LearnedPattern, LearnedPatternId, PatternKind};
pub use profile::{
    DEFAULT_LED_COUNT, DeviceGroupProfile, DeviceProfile, MAX_CAPABILITIES, MAX_DOCUMENT_BYTES,
    ZoneProfile, checked_onboarding,
};
pub use tree::{MAX_ZONE_DEPTH, ZoneTree, ZoneTreeError};

id!(
    /// A piece of hardware, or a simulator of one.
    DeviceId, "device"
);
id!(
    /// A place in a home, perhaps within another place.
    ZoneId, "zone"
);
id!(
    /// Devices that are coordinated together.
    DeviceGroupId, "group"
);
text_enum! {
    /// What kind of hardware a device is.
    pub enum DeviceType {
        /// Brews coffee.
        CoffeeMaker = "coffee_maker",
        /// Toasts.
        Toaster = "toaster",
        /// Heats a room.
        Heater = "heater",
        /// Gives light.
        Lamp = "lamp",
        /// A Raspberry Pi or its like.
        RaspberryPi = "raspberry_pi",
        /// Listens and speaks.
        SmartSpeaker = "smart_speaker",
        /// Has a screen.
        Tablet = "tablet",
        /// Software that stands in for hardware.
        Simulator = "simulator",
        /// Anything else.
        Custom = "custom",
    }
}

text_enum! {
    /// How a device is, by its own last report.
    #[derive(Default)]
    pub enum DeviceStatus {
        /// Ready.
        Online = "online",
        /// Not heard for 300 seconds, or never.
        #[default]
        Offline = "offline",
        /// Ready, but occupied.
        Busy = "busy",
        /// Reports a fault.
        Error = "error",
    }
}

/// A device unheard for longer than this is offline.
pub const OFFLINE_AFTER: TimeDelta = TimeDelta::seconds(300);

/// What a device can do unless it says otherwise.
pub fn default_capabilities() -> Vec<String> {
    vec!["audio_input".to_owned(), "audio_output".to_owned()]
}

/// Hardware that belongs to somebody. An entity may be cast onto it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "DeviceFields")
)]
pub struct Device {
    /// Stable identifier.
    pub id: DeviceId,
    /// Who owns it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub owner_id: UserId,
    /// What its owner calls it, 1–100 characters.
    pub name: String,
    /// What kind of hardware it is.
    pub device_type: DeviceType,
    /// The maker's model name.
    pub model: Option<String>,
    /// What it last reported; see `status`, which knows how long ago that was.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub status: DeviceStatus,
    /// The hardware's serial number, unique in the installation.
    pub serial_number: Option<String>,
    /// Bluetooth Low Energy address.
    pub ble_address: Option<String>,
    /// Number of status LEDs.
    pub led_count: i32,
    /// 1: a hub that acts by itself. 2: an actuator that takes commands from a hub.
    pub tier: i32,
    /// Where it stands, in the owner's words.
    pub location: Option<String>,
    /// The zone it stands in.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub zone_id: Option<ZoneId>,
    /// The group it is coordinated with.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub group_id: Option<DeviceGroupId>,
    /// What it can do, such as `audio_input`.
    pub capabilities: Json<Vec<String>>,
    /// Whether its first start has been gone through with a person.
    pub first_boot_complete: bool,
    /// What the first start gathered: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub onboarding: Json<serde_json::Value>,
    /// What it last reported of its health.
    pub health: Option<Json<DeviceHealth>>,
    /// When it last reported.
    pub last_heartbeat_at: Option<DateTime<Utc>>,
    /// The persona definition on duty there.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub active_persona_definition_id: Option<PersonaDefinitionId>,
    /// The conversation that goes on there.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub active_conversation_id: Option<ConversationId>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

impl Device {
    /// How the device is now: what it last reported, unless it has been silent for longer
    /// than 300 seconds. 299 s: as reported; 301 s: offline.
    pub fn status_at(&self, now: DateTime<Utc>) -> DeviceStatus {
        match self.last_heartbeat_at {
            Some(at) if now - at <= OFFLINE_AFTER => self.status,
            _ => DeviceStatus::Offline,
        }
    }

    /// Since when the device is offline although its row does not say so yet: 300 seconds
    /// after it was last heard.
    pub fn unnoticed_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let gone =
            self.status != DeviceStatus::Offline && self.status_at(now) == DeviceStatus::Offline;
        let heard = self.last_heartbeat_at.unwrap_or(self.updated_at);
        gone.then(|| (heard + OFFLINE_AFTER).min(now))
    }
}

/// A place, such as a room; zones form a tree.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "ZoneFields")
)]
pub struct Zone {
    /// Stable identifier.
    pub id: ZoneId,
    /// Whose home it is in.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub owner_id: UserId,
    /// Its name, unique for the owner, 1–100 characters.
    pub name: String,
    /// The zone it lies within.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub parent_id: Option<ZoneId>,
    /// What it is like, at most 500 characters.
    pub description: Option<String>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

/// Devices of one owner that are coordinated together.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::SimpleObject),
    graphql(name = "DeviceGroupFields")
)]
pub struct DeviceGroup {
    /// Stable identifier.
    pub id: DeviceGroupId,
    /// Who owns it.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub owner_id: UserId,
    /// Its name, 1–100 characters.
    pub name: String,
    /// What it is for, at most 500 characters.
    pub description: Option<String>,
    /// Settings shared by the group: any JSON object.
    #[cfg_attr(feature = "graphql", graphql(skip))]
    pub settings: Json<serde_json::Value>,
    /// When the row was made.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_device_is_offline_after_300_seconds() {
        let heard = DateTime::UNIX_EPOCH;
        let mut device = Device {
            id: DeviceId(uuid::Uuid::nil()),
            owner_id: UserId(uuid::Uuid::nil()),
            name: "Kitchen".to_owned(),
            device_type: DeviceType::CoffeeMaker,
            model: None,
            status: DeviceStatus::Online,
            serial_number: None,
            ble_address: None,
            led_count: 5,
            tier: 1,
            location: None,
            zone_id: None,
            group_id: None,
            capabilities: Json(default_capabilities()),
            first_boot_complete: false,
            onboarding: Json(serde_json::json!({})),
            health: None,
            last_heartbeat_at: Some(heard),
            active_persona_definition_id: None,
            active_conversation_id: None,
            created_at: heard,
            updated_at: heard,
        };
        let after = |seconds| heard + TimeDelta::seconds(seconds);
        assert_eq!(device.status_at(after(299)), DeviceStatus::Online);
        assert_eq!(device.status_at(after(301)), DeviceStatus::Offline);
        device.status = DeviceStatus::Busy;
        assert_eq!(device.status_at(after(299)), DeviceStatus::Busy);
        assert_eq!(device.unnoticed_since(after(300)), None);
        assert_eq!(device.unnoticed_since(after(301)), Some(after(300)));
        device.last_heartbeat_at = None;
        assert_eq!(device.status_at(after(0)), DeviceStatus::Offline);
        device.status = DeviceStatus::Offline;
        assert_eq!(device.unnoticed_since(after(999)), None);
    }
}
