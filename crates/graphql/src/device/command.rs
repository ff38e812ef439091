//! Commands to devices, as the API shows them.

use app::device::{DeviceBroadcast, DeviceCommandSend, device_broadcast, device_command, listen};
use async_graphql::{ComplexObject, Context, InputObject, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use domain::{
    audit::EventId,
    device::{self, DeviceGroupId, DeviceId, Order},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;

use super::{Device, DeviceGroup};
use crate::{Failure, Result, cx, feed, loader, payload, payload::answer, scalar::Json};

/// A command that was sent to devices.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct DeviceCommand {
    /// The entry of the log that keeps it. A device that is sent the same command again after
    /// it came back knows it by this.
    pub event_id: EventId,
    /// What is to be done, `[a-z_]{1,50}`, such as `set_brightness`.
    #[graphql(name = "type")]
    pub command: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    #[graphql(skip)]
    row: device::DeviceCommand,
}

impl From<device::DeviceCommand> for DeviceCommand {
    fn from(row: device::DeviceCommand) -> Self {
        Self {
            event_id: row.id,
            command: row.order.command.clone(),
            sent_at: row.sent_at,
            row,
        }
    }
}

#[ComplexObject]
impl DeviceCommand {
    /// Its arguments: a JSON object.
    async fn payload(&self) -> Json {
        Json(self.row.order.payload.clone())
    }

    /// The hub that sent it, if you can see it; null for a broadcast.
    async fn hub(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        loader::maybe(ctx, self.row.hub).await
    }

    /// The group it was broadcast to, if you can see it.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<DeviceGroup>> {
        loader::maybe(ctx, self.row.group).await
    }

    /// The devices it was sent to, of those that you can see.
    async fn devices(&self, ctx: &Context<'_>) -> Result<Vec<Device>> {
        visible(ctx, &self.row.devices).await
    }

    /// The devices that were meant and are offline, of those that you can see: nothing was sent
    /// to them.
    async fn offline_devices(&self, ctx: &Context<'_>) -> Result<Vec<Device>> {
        visible(ctx, &self.row.offline).await
    }
}

async fn visible(ctx: &Context<'_>, ids: &[DeviceId]) -> Result<Vec<Device>> {
    let mut found = loader::many(ctx, ids.iter().copied()).await?;
    Ok(ids.iter().filter_map(|it| found.remove(it)).collect())
}

/// A command from a hub to an actuator.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceCommandInput {
    /// The hub that sends it, of tier 1; a hub that does not say means itself.
    hub_id: Option<DeviceId>,
    /// The actuator that is to take it, of tier 2 and of the same owner.
    device_id: DeviceId,
    /// What is to be done, `[a-z_]{1,50}`, such as `set_brightness`.
    #[graphql(name = "type")]
    command: String,
    /// Its arguments: a JSON object of at most 16 KiB.
    payload: Option<Json>,
    /// The same key again sends nothing, and gives the same command; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `deviceCommand`.
    DeviceCommandPayload {
        /// The command as it was sent.
        command: DeviceCommand,
    }
}

/// A command to many devices.
#[derive(Clone, Debug, InputObject)]
pub struct DeviceBroadcastInput {
    /// To all devices of this group, or to some of them.
    group_id: Option<DeviceGroupId>,
    /// To these devices, at most 1000; of the group, if one is named.
    device_ids: Option<Vec<DeviceId>>,
    /// What is to be done, `[a-z_]{1,50}`, such as `set_brightness`.
    #[graphql(name = "type")]
    command: String,
    /// Its arguments: a JSON object of at most 16 KiB.
    payload: Option<Json>,
    /// The same key again sends nothing, and gives the same command; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `deviceBroadcast`.
    DeviceBroadcastPayload {
        /// The command as it was sent; its `offlineDevices` were not sent it.
        command: DeviceCommand,
    }
}

fn order(command: String, payload: Option<Json>) -> Order {
    Order {
        command,
        payload: payload.map_or_else(|| json!({}), |it| it.0),
    }
}

/// Mutations of commands.
#[derive(Debug, Default)]
pub struct CommandMutation;

#[Object]
impl CommandMutation {
    /// Sends a command from a hub (tier 1) to an actuator (tier 2) of the same owner, by the
    /// hub's own token or for its owner. Refused when the actuator is offline: no command is
    /// lost in silence. The actuator hears it by `deviceCommandReceived`.
    async fn device_command(
        &self,
        ctx: &Context<'_>,
        input: DeviceCommandInput,
    ) -> Result<DeviceCommandPayload> {
        let DeviceCommandInput {
            hub_id,
            device_id,
            command,
            payload,
            idempotency_key,
        } = input;
        let input = DeviceCommandSend {
            hub: hub_id,
            device: device_id,
            order: order(command, payload),
        };
        let done = device_command(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| DeviceCommandPayload::of(it.into())))
    }

    /// Sends a command to the devices of a group, or to some devices of one owner: to those
    /// that are not offline. The answer says which are; refused when all of them are.
    async fn device_broadcast(
        &self,
        ctx: &Context<'_>,
        input: DeviceBroadcastInput,
    ) -> Result<DeviceBroadcastPayload> {
        let DeviceBroadcastInput {
            group_id,
            device_ids,
            command,
            payload,
            idempotency_key,
        } = input;
        let input = DeviceBroadcast {
            group: group_id,
            devices: device_ids,
            order: order(command, payload),
        };
        let done = device_broadcast(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| DeviceBroadcastPayload::of(it.into())))
    }
}

/// Subscriptions to commands.
#[derive(Debug, Default)]
pub struct CommandSubscription;

#[Subscription]
impl CommandSubscription {
    /// The commands to a device, broadcasts among them: for the device itself, or its owner in
    /// its place. A device that was away gives the time of the last command it got, and is
    /// first sent what came since: some perhaps again, none left out.
    async fn device_command_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which device; a device that does not say means itself.")] device: Option<
            DeviceId,
        >,
        #[graphql(
            desc = "First those sent at this time or later, at most 24 hours back and 1000 of \
                    the owner's; none when not said."
        )]
        since: Option<DateTime<Utc>>,
    ) -> Result<impl Stream<Item = async_graphql::Result<DeviceCommand>> + use<>> {
        loader::afresh(ctx);
        let cx = cx(ctx);
        let listener = listen(cx, device).await?;
        // Before what was missed is read, so that nothing falls in between.
        let changes = feed::changes(cx);
        let missed = match since {
            Some(since) => listener.missed(since).await?,
            None => Vec::new(),
        };
        let told: Vec<EventId> = missed.iter().map(|it| it.id).collect();
        let live = changes.filter_map(move |change| {
            let listener = listener.clone();
            async move {
                let change = match change {
                    Ok(change) => change,
                    Err(error) => return Some(Err(error)),
                };
                match listener.heard(&change).await {
                    Ok(command) => command.map(Ok),
                    Err(error) => Some(Err(Failure::from(error).into())),
                }
            }
        });
        let live = live.filter(move |it| {
            let again = matches!(it, Ok(it) if told.contains(&it.id));
            std::future::ready(!again)
        });
        let commands = stream::iter(missed.into_iter().map(Ok)).chain(live);
        Ok(commands.map(|it| it.map(DeviceCommand::from)))
    }
}
