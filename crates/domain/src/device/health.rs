//! What a device reports of its health, and its limits.

use chrono::{DateTime, Utc};

use crate::check::{Check, Invalid};

/// What a device last reported of its health. What it did not say is null.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[cfg_attr(feature = "graphql", derive(async_graphql::SimpleObject))]
pub struct DeviceHealth {
    /// When it said so.
    pub reported_at: DateTime<Utc>,
    /// Charge of its battery, 0–100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_percent: Option<f64>,
    /// Whether its battery is being charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_charging: Option<bool>,
    /// Load of its processor, 0–100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Memory in use, 0–100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Storage in use, 0–100 %.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_percent: Option<f64>,
    /// Temperature of the hardware, −100–500 °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<f64>,
    /// Strength of the wireless signal as received (RSSI), −130–0 dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wifi_signal_dbm: Option<i32>,
    /// Time since its last start, in seconds, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<i32>,
    /// Version of its firmware, 1–50 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_version: Option<String>,
    /// What is wrong with it, in its maker's words: 1–200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl DeviceHealth {
    /// The same, with its texts trimmed; blank ones count as not said.
    ///
    /// # Errors
    /// Every value outside its range, with its field.
    pub fn checked(self) -> Result<Self, Invalid> {
        let Self {
            reported_at,
            battery_percent,
            is_charging,
            cpu_percent,
            memory_percent,
            storage_percent,
            temperature_celsius,
            wifi_signal_dbm,
            uptime_seconds,
            firmware_version,
            fault,
        } = self;
        let mut check = Check::new();
        for (name, value, range) in [
            ("batteryPercent", battery_percent, 0.0..=100.0),
            ("cpuPercent", cpu_percent, 0.0..=100.0),
            ("memoryPercent", memory_percent, 0.0..=100.0),
            ("storagePercent", storage_percent, 0.0..=100.0),
            ("temperatureCelsius", temperature_celsius, -100.0..=500.0),
        ] {
            if let Some(value) = value {
                check.number(name, value, range);
            }
        }
        for (name, value, range) in [
            ("wifiSignalDbm", wifi_signal_dbm, -130..=0),
            ("uptimeSeconds", uptime_seconds, 0..=i32::MAX.into()),
        ] {
            if let Some(value) = value {
                check.integer(name, value.into(), range);
            }
        }
        let firmware_version =
            check.optional_text("firmwareVersion", firmware_version.as_deref(), 1..=50);
        let fault = check.optional_text("fault", fault.as_deref(), 1..=200);
        check.done()?;
        Ok(Self {
            reported_at,
            battery_percent,
            is_charging,
            cpu_percent,
            memory_percent,
            storage_percent,
            temperature_celsius,
            wifi_signal_dbm,
            uptime_seconds,
            firmware_version,
            fault,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_range() {
        let edge = DeviceHealth {
            battery_percent: Some(100.0),
            is_charging: Some(false),
            cpu_percent: Some(0.0),
            memory_percent: Some(41.5),
            storage_percent: Some(100.0),
            temperature_celsius: Some(-100.0),
            wifi_signal_dbm: Some(-130),
            uptime_seconds: Some(0),
            firmware_version: Some(" 1.4.2 ".to_owned()),
            fault: Some("  ".to_owned()),
            ..DeviceHealth::default()
        };
        let cleaned = edge.clone().checked().unwrap();
        assert_eq!(cleaned.firmware_version.as_deref(), Some("1.4.2"));
        assert_eq!(cleaned.fault, None);

        let Invalid(errors) = DeviceHealth {
            battery_percent: Some(100.1),
            cpu_percent: Some(-1.0),
            memory_percent: Some(f64::NAN),
            storage_percent: Some(101.0),
            temperature_celsius: Some(500.5),
            wifi_signal_dbm: Some(1),
            uptime_seconds: Some(-1),
            firmware_version: Some("x".repeat(51)),
            fault: Some("a\0b".to_owned()),
            ..edge
        }
        .checked()
        .unwrap_err();
        let told: Vec<_> = errors.iter().map(|it| it.message.as_str()).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        batteryPercent is 100.1: expected 0 to 100
        cpuPercent is -1: expected 0 to 100
        memoryPercent is NaN: expected 0 to 100
        storagePercent is 101: expected 0 to 100
        temperatureCelsius is 500.5: expected -100 to 500
        wifiSignalDbm is 1: expected -130 to 0
        uptimeSeconds is -1: expected 0 to 2147483647
        firmwareVersion has 51 characters: expected 1 to 50
        fault contains a NUL character: remove it
        ");
    }

    #[test]
    fn what_was_not_said_is_not_kept() {
        let health = DeviceHealth {
            cpu_percent: Some(7.0),
            ..DeviceHealth::default()
        };
        let kept = serde_json::to_value(&health).unwrap();
        assert_eq!(
            kept,
            serde_json::json!({ "reported_at": "1970-01-01T00:00:00Z", "cpu_percent": 7.0 })
        );
        assert_eq!(
            serde_json::from_value::<DeviceHealth>(kept).unwrap(),
            health
        );
    }
}
