//! Devices, as the API shows them.

use app::Access;
use async_graphql::dataloader::Loader;
use async_graphql::{Context, Object, SimpleObject};
use domain::device::{self, DeviceId};
use std::collections::HashMap;

use crate::{
    Failure, Result, cx,
    loader::{self, Loaders},
};

/// Hardware that belongs to somebody. An entity may be cast onto it.
#[derive(Clone, Debug, SimpleObject)]
pub struct Device {
    /// The row.
    #[graphql(flatten)]
    pub row: device::Device,
}

impl From<device::Device> for Device {
    fn from(row: device::Device) -> Self {
        Self { row }
    }
}

impl Loader<DeviceId> for Loaders {
    type Value = Device;
    type Error = Failure;

    async fn load(&self, ids: &[DeviceId]) -> Result<HashMap<DeviceId, Device>> {
        let scope = self.cx.viewer.devices(Access::Read)?;
        let found = persistence::device::devices_by_ids(self.cx.reader(), scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, Device { row }))
            .collect())
    }
}

/// Queries of device.
#[derive(Debug, Default)]
pub struct DeviceQuery;

#[Object]
impl DeviceQuery {
    /// A device; null when there is none that you can see.
    async fn device(&self, ctx: &Context<'_>, id: DeviceId) -> Result<Option<Device>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }
}
