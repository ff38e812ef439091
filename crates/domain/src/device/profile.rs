//! What an owner may say of a device, a zone or a group, and its limits.

use serde_json::{Map, Value};

use super::{DeviceType, default_capabilities};
use crate::check::{Check, Invalid, UserErrorCode};

/// A settings or onboarding document takes at most so many bytes as JSON.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024;
/// A device has at most so many capabilities.
pub const MAX_CAPABILITIES: usize = 32;
/// Status LEDs of a device that does not say.
pub const DEFAULT_LED_COUNT: i32 = 5;

/// What an owner says of a device, when it is registered or changed.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceProfile {
    /// 1–100 characters.
    pub name: String,
    /// What kind of hardware it is.
    pub device_type: DeviceType,
    /// The maker's model name, at most 100 characters.
    pub model: Option<String>,
    /// `[A-Za-z0-9._:/-]{1,100}`, unique in the installation.
    pub serial_number: Option<String>,
    /// Six bytes in hexadecimal with colons, as in `A4:C1:38:00:11:22`.
    pub ble_address: Option<String>,
    /// 0–1 024.
    pub led_count: i32,
    /// 1 or 2.
    pub tier: i32,
    /// At most 200 characters.
    pub location: Option<String>,
    /// At most 32, each `[a-z0-9_]{1,50}`, without repetition.
    pub capabilities: Vec<String>,
    /// A JSON object of at most 16 KiB.
    pub onboarding: Value,
}

impl DeviceProfile {
    /// A device of which no more is said than its name and kind.
    pub fn new(name: impl Into<String>, device_type: DeviceType) -> Self {
        Self {
            name: name.into(),
            device_type,
            model: None,
            serial_number: None,
            ble_address: None,
            led_count: DEFAULT_LED_COUNT,
            tier: 1,
            location: None,
            capabilities: default_capabilities(),
            onboarding: Value::Object(Map::new()),
        }
    }

    /// The same, cleaned: texts trimmed, the address in upper case.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            name,
            device_type,
            model,
            serial_number,
            ble_address,
            led_count,
            tier,
            location,
            capabilities,
            onboarding,
        } = self;
        let mut check = Check::new();
        let profile = Self {
            name: check.text("name", &name, 1..=100),
            device_type,
            model: check.optional_text("model", model.as_deref(), 1..=100),
            serial_number: serial_number
                .map(|it| it.trim().to_owned())
                .filter(|it| !it.is_empty())
                .inspect(|it| check_serial_number(&mut check, "serialNumber", it)),
            ble_address: ble_address
                .map(|it| it.trim().to_ascii_uppercase())
                .filter(|it| !it.is_empty())
                .inspect(|it| check_ble_address(&mut check, it)),
            led_count: {
                check.integer("ledCount", led_count.into(), 0..=1024);
                led_count
            },
            tier: {
                check.integer("tier", tier.into(), 1..=2);
                tier
            },
            location: check.optional_text("location", location.as_deref(), 1..=200),
            capabilities: check_capabilities(&mut check, capabilities),
            onboarding: check_object(&mut check, "onboarding", onboarding),
        };
        check.done()?;
        Ok(profile)
    }
}

fn check_serial_number(check: &mut Check, path: &str, serial: &str) {
    let of_alphabet =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'/' | b'-');
    if !serial.bytes().all(of_alphabet) || serial.len() > 100 {
        check.fail(
            UserErrorCode::Invalid,
            path,
            "serialNumber must be 1 to 100 letters, digits or . _ : / -",
        );
    }
}

fn check_ble_address(check: &mut Check, address: &str) {
    let bytes: Vec<&str> = address.split(':').collect();
    let well_formed = bytes.len() == 6
        && bytes
            .iter()
            .all(|it| it.len() == 2 && it.bytes().all(|b| b.is_ascii_hexdigit()));
    if !well_formed {
        check.fail(
            UserErrorCode::Invalid,
            "bleAddress",
            "bleAddress must be six bytes in hexadecimal, as in A4:C1:38:00:11:22",
        );
    }
}

fn check_capabilities(check: &mut Check, capabilities: Vec<String>) -> Vec<String> {
    if capabilities.len() > MAX_CAPABILITIES {
        check.fail(
            UserErrorCode::TooLong,
            "capabilities",
            format!(
                "{} capabilities: expected at most {MAX_CAPABILITIES}",
                capabilities.len()
            ),
        );
        return Vec::new();
    }
    let mut distinct: Vec<String> = Vec::with_capacity(capabilities.len());
    for (i, capability) in capabilities.into_iter().enumerate() {
        let well_formed = (1..=50).contains(&capability.len())
            && capability
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !well_formed {
            check.fail(
                UserErrorCode::Invalid,
                &format!("capabilities.{i}"),
                "a capability must be 1 to 50 characters of a–z, 0–9 and _",
            );
        }
        if !distinct.contains(&capability) {
            distinct.push(capability);
        }
    }
    distinct
}

/// A JSON object of at most 16 KiB.
fn check_object(check: &mut Check, path: &str, value: Value) -> Value {
    if value.is_object() {
        check.document(path, &value, MAX_DOCUMENT_BYTES);
    } else {
        check.fail(
            UserErrorCode::Invalid,
            path,
            format!("{path} must be a JSON object"),
        );
    }
    value
}

/// What the first start of a device gathered: a JSON object of at most 16 KiB.
pub fn checked_onboarding(onboarding: Value) -> Result<Value, Invalid> {
    let mut check = Check::new();
    let onboarding = check_object(&mut check, "onboarding", onboarding);
    check.done()?;
    Ok(onboarding)
}

/// What an owner says of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneProfile {
    /// 1–100 characters, unique for the owner.
    pub name: String,
    /// At most 500 characters.
    pub description: Option<String>,
}

impl ZoneProfile {
    /// The same, trimmed.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self { name, description } = self;
        let mut check = Check::new();
        let profile = Self {
            name: check.text("name", &name, 1..=100),
            description: check.optional_text("description", description.as_deref(), 1..=500),
        };
        check.done()?;
        Ok(profile)
    }
}

/// What an owner says of a device group.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceGroupProfile {
    /// 1–100 characters.
    pub name: String,
    /// At most 500 characters.
    pub description: Option<String>,
    /// A JSON object of at most 16 KiB.
    pub settings: Value,
}

impl DeviceGroupProfile {
    /// The same, trimmed.
    ///
    /// # Errors
    /// Every fault, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            name,
            description,
            settings,
        } = self;
        let mut check = Check::new();
        let profile = Self {
            name: check.text("name", &name, 1..=100),
            description: check.optional_text("description", description.as_deref(), 1..=500),
            settings: check_object(&mut check, "settings", settings),
        };
        check.done()?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamp() -> DeviceProfile {
        DeviceProfile::new("Luna", DeviceType::Lamp)
    }

    fn faults(profile: DeviceProfile) -> String {
        match profile.checked() {
            Ok(_) => String::new(),
            Err(invalid) => invalid.to_string(),
        }
    }

    #[test]
    fn texts_are_cleaned() {
        let profile = DeviceProfile {
            name: "  Luna ".to_owned(),
            model: Some("  ".to_owned()),
            serial_number: Some(" L-1 ".to_owned()),
            ble_address: Some("a4:c1:38:00:11:ff".to_owned()),
            capabilities: vec!["light".to_owned(), "light".to_owned()],
            ..lamp()
        };
        let expected = DeviceProfile {
            serial_number: Some("L-1".to_owned()),
            ble_address: Some("A4:C1:38:00:11:FF".to_owned()),
            capabilities: vec!["light".to_owned()],
            ..lamp()
        };
        assert_eq!(profile.checked(), Ok(expected));
    }

    #[test]
    fn limits_are_inclusive() {
        for (led_count, tier, ok) in [
            (0, 1, true),
            (1024, 2, true),
            (-1, 1, false),
            (1025, 1, false),
            (5, 0, false),
            (5, 3, false),
        ] {
            let profile = DeviceProfile {
                led_count,
                tier,
                ..lamp()
            };
            assert_eq!(profile.checked().is_ok(), ok, "{led_count} {tier}");
        }
        for (characters, ok) in [(1, true), (100, true), (101, false)] {
            let profile = DeviceProfile {
                name: "ä".repeat(characters),
                ..lamp()
            };
            assert_eq!(profile.checked().is_ok(), ok, "{characters}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let profile = DeviceProfile {
            name: " ".to_owned(),
            serial_number: Some("a b".to_owned()),
            ble_address: Some("A4:C1:38:00:11".to_owned()),
            led_count: 2000,
            tier: 3,
            capabilities: vec!["Light!".to_owned()],
            onboarding: serde_json::json!([]),
            ..lamp()
        };
        insta::assert_snapshot!(faults(profile).replace("; ", "\n"), @r"
        name must not be blank: give 1 to 100 characters
        serialNumber must be 1 to 100 letters, digits or . _ : / -
        bleAddress must be six bytes in hexadecimal, as in A4:C1:38:00:11:22
        ledCount is 2000: expected 0 to 1024
        tier is 3: expected 1 to 2
        a capability must be 1 to 50 characters of a–z, 0–9 and _
        onboarding must be a JSON object
        ");
        let profile = DeviceProfile {
            onboarding: serde_json::json!({ "a": "x".repeat(MAX_DOCUMENT_BYTES) }),
            capabilities: vec!["a".to_owned(); 33],
            ..lamp()
        };
        insta::assert_snapshot!(faults(profile).replace("; ", "\n"), @r"
        33 capabilities: expected at most 32
        onboarding takes 16392 bytes as JSON: expected at most 16384
        ");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_cleaning_is_idempotent(name in ".*", serial in ".*", ble in ".*") {
            let profile = DeviceProfile {
                name,
                serial_number: Some(serial),
                ble_address: Some(ble),
                ..lamp()
            };
            if let Ok(clean) = profile.checked() {
                proptest::prop_assert_eq!(clean.clone().checked(), Ok(clean));
            }
        }
    }
}
