//! Heartbeats in, changes out.

use app::{
    Access, Change,
    device::{DeviceHeartbeat, device_heartbeat},
};
use async_graphql::{Context, InputObject, Object, Subscription};
use domain::device::{DeviceHealth, DeviceId, DeviceStatus};
use futures_util::{Stream, StreamExt};
use persistence::device::devices_by_ids;

use super::Device;
use crate::{Failure, Result, cx, feed, loader, payload, payload::answer};

/// What a device says of its health. What it leaves out is not known any more.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceHealthInput {
    /// Charge of its battery, 0–100 %.
    battery_percent: Option<f64>,
    /// Whether its battery is being charged.
    is_charging: Option<bool>,
    /// Load of its processor, 0–100 %.
    cpu_percent: Option<f64>,
    /// Memory in use, 0–100 %.
    memory_percent: Option<f64>,
    /// Storage in use, 0–100 %.
    storage_percent: Option<f64>,
    /// Temperature of the hardware, −100–500 °C.
    temperature_celsius: Option<f64>,
    /// Strength of the wireless signal as received (RSSI), −130–0 dBm.
    wifi_signal_dbm: Option<i32>,
    /// Time since its last start, in seconds, from 0.
    uptime_seconds: Option<i32>,
    /// Version of its firmware, 1–50 characters.
    firmware_version: Option<String>,
    /// What is wrong with it, in its maker's words: 1–200 characters.
    fault: Option<String>,
}

impl From<DeviceHealthInput> for DeviceHealth {
    fn from(input: DeviceHealthInput) -> Self {
        let DeviceHealthInput {
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
        } = input;
        Self {
            reported_at: Self::default().reported_at,
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
        }
    }
}

/// A sign of life.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceHeartbeatInput {
    /// Which device; a device that does not say means itself.
    id: Option<DeviceId>,
    /// `BUSY` or `ERROR`; `ONLINE` when not said. `OFFLINE` is refused: who is silent for 300
    /// seconds is offline.
    status: Option<DeviceStatus>,
    /// Its health, in place of what it said before; what it said before stays when left out.
    health: Option<DeviceHealthInput>,
}

payload! {
    /// Answer of `deviceHeartbeat`.
    DeviceHeartbeatPayload {
        /// The device as it is now.
        device: Device,
    }
}

/// Mutations of a device's life.
#[derive(Debug, Default)]
pub struct HeartbeatMutation;

#[Object]
impl HeartbeatMutation {
    /// Says that a device is alive, and how it is: every 30 seconds, by its own token or for
    /// its owner. One that is silent for more than 300 seconds is offline.
    async fn device_heartbeat(
        &self,
        ctx: &Context<'_>,
        input: DeviceHeartbeatInput,
    ) -> Result<DeviceHeartbeatPayload> {
        let DeviceHeartbeatInput { id, status, health } = input;
        let input = DeviceHeartbeat {
            id,
            status,
            health: health.map(DeviceHealth::from),
        };
        let done = device_heartbeat(cx(ctx), input).await;
        answer(done.map(|it| DeviceHeartbeatPayload::of(it.into())))
    }
}

/// Subscriptions to a device's life.
#[derive(Debug, Default)]
pub struct DeviceSubscription;

#[Subscription]
impl DeviceSubscription {
    /// A device whenever it is not as it was: registered, changed by its owner, online,
    /// offline, busy, faulty, cast upon. A heartbeat that only confirms what is known is not
    /// told: health between changes is for asking. Without a device: all that you can see.
    async fn device_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this device.")] device: Option<DeviceId>,
    ) -> Result<impl Stream<Item = async_graphql::Result<Device>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx).clone();
        let scope = cx.viewer.devices(Access::Read)?;
        let changes = feed::changes(&cx);
        if let Some(id) = device {
            let found = devices_by_ids(cx.reader(), scope, &[id]).await?;
            found
                .first()
                .ok_or_else(|| app::Error::not_found("device"))?;
        }
        Ok(changes.filter_map(move |change| {
            let cx = cx.clone();
            async move {
                let id = match change {
                    Ok(Change::DeviceChanged { device: id, owner }) => {
                        let wanted = device.is_none_or(|it| it == id);
                        (wanted && scope.may_hold(id, owner)).then_some(id)?
                    }
                    Ok(_) => return None,
                    Err(error) => return Some(Err(error)),
                };
                match devices_by_ids(cx.reader(), scope, &[id]).await {
                    Ok(mut found) => found.pop().map(|it| Ok(it.into())),
                    Err(error) => Some(Err(Failure::from(error).into())),
                }
            }
        }))
    }
}
