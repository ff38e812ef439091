//! Device groups, as the API shows them.

use std::collections::HashMap;

use app::{
    Access, Cx,
    device::{
        DeviceGroupCreate, DeviceGroupUpdate, device_group_create, device_group_delete,
        device_group_update,
    },
};
use async_graphql::{
    ComplexObject, Context, InputObject, MaybeUndefined, Object, SimpleObject, dataloader::Loader,
};
use domain::{
    device::{self, DeviceGroupId, DeviceGroupProfile},
    identity::UserId,
};
use persistence::{
    device::{self as rows, DeviceParent},
    page::{self, Key},
};
use serde_json::json;

use super::{DeviceConnection, DeviceOrder, DevicesUnder, devices_under};
use crate::{
    Failure, Result,
    connection::{PageArgs, wants_total},
    cx,
    identity::User,
    loader::{self, Children, Loaders},
    payload,
    payload::{answer, patch},
    scalar::Json,
};

/// Devices of one owner that are coordinated together.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct DeviceGroup {
    /// The row.
    #[graphql(flatten)]
    pub row: device::DeviceGroup,
}

impl From<device::DeviceGroup> for DeviceGroup {
    fn from(row: device::DeviceGroup) -> Self {
        Self { row }
    }
}

#[ComplexObject]
impl DeviceGroup {
    /// Who owns it, if you can see them.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.owner_id).await
    }

    /// Settings shared by the group: a JSON object.
    async fn settings(&self) -> Json {
        Json(self.row.settings.0.clone())
    }

    /// The devices in it; by name unless asked otherwise.
    async fn devices(
        &self,
        ctx: &Context<'_>,
        order_by: Option<DeviceOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceConnection> {
        let under = DevicesUnder::new(DeviceParent::Group, None, order_by)?;
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        devices_under(ctx, under, self.row.id, args).await
    }
}

crate::connection!(
    DeviceGroupConnection,
    DeviceGroupEdge,
    DeviceGroup,
    "device groups"
);

pub(super) fn group_place(DeviceGroup { row }: &DeviceGroup) -> (Key, uuid::Uuid) {
    (Key::Text(row.name.clone()), row.id.0)
}

/// The device groups of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DeviceGroupsUnder;

impl Children for DeviceGroupsUnder {
    type Table = rows::device_groups::Entity;
    type Row = device::DeviceGroup;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.devices(Access::Read)?;
        Ok(rows::device_groups_under(scope.device_groups()))
    }
}

impl Loader<DeviceGroupId> for Loaders {
    type Value = DeviceGroup;
    type Error = Failure;

    async fn load(&self, ids: &[DeviceGroupId]) -> Result<HashMap<DeviceGroupId, DeviceGroup>> {
        let scope = self.cx.viewer.devices(Access::Read)?;
        let found = rows::device_groups_by_ids(self.cx.reader(), scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, DeviceGroup { row }))
            .collect())
    }
}

/// A device group to be made.
#[derive(Debug, InputObject)]
pub struct DeviceGroupCreateInput {
    /// Whose; yourself when not said. Administrators make groups for others.
    owner_id: Option<UserId>,
    /// Its name, 1–100 characters.
    name: String,
    /// What it is for, at most 500 characters.
    description: Option<String>,
    /// Settings shared by the group: a JSON object of at most 16 KiB.
    settings: Option<Json>,
    /// The same key again gives the same group; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `deviceGroupCreate`.
    DeviceGroupCreatePayload {
        /// The new group.
        device_group: DeviceGroup,
    }
}

/// Changes to a device group: what is left out stays; what is null is cleared.
#[derive(Debug, InputObject)]
pub struct DeviceGroupUpdateInput {
    /// Which group.
    id: DeviceGroupId,
    /// Its name, 1–100 characters; cannot be cleared.
    name: MaybeUndefined<String>,
    /// What it is for, at most 500 characters.
    description: MaybeUndefined<String>,
    /// Settings, in place of all that were there: a JSON object of at most 16 KiB; null: none.
    settings: MaybeUndefined<Json>,
}

payload! {
    /// Answer of `deviceGroupUpdate`.
    DeviceGroupUpdatePayload {
        /// The group as it is now.
        device_group: DeviceGroup,
    }
}

/// A device group to be removed.
#[derive(Debug, InputObject)]
pub struct DeviceGroupDeleteInput {
    /// Which group.
    id: DeviceGroupId,
}

payload! {
    /// Answer of `deviceGroupDelete`.
    DeviceGroupDeletePayload {
        /// The id of the group that is gone.
        deleted_device_group_id: DeviceGroupId,
    }
}

/// Queries of device groups.
#[derive(Debug, Default)]
pub struct GroupQuery;

#[Object]
impl GroupQuery {
    /// A device group; null when there is none that you can see.
    async fn device_group(
        &self,
        ctx: &Context<'_>,
        id: DeviceGroupId,
    ) -> Result<Option<DeviceGroup>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The device groups you can see, by name.
    async fn device_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceGroupConnection> {
        let cx = cx(ctx);
        let select = cx.viewer.devices(Access::Read)?.device_groups();
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::device_groups_page(cx.reader(), select, &args.page()?).await?;
        Ok(DeviceGroupConnection::of(
            slice.map(DeviceGroup::from),
            total,
            group_place,
        ))
    }
}

/// Mutations of device groups.
#[derive(Debug, Default)]
pub struct GroupMutation;

#[Object]
impl GroupMutation {
    /// Makes a device group, with no device in it.
    async fn device_group_create(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupCreateInput,
    ) -> Result<DeviceGroupCreatePayload> {
        let DeviceGroupCreateInput {
            owner_id,
            name,
            description,
            settings,
            idempotency_key,
        } = input;
        let input = DeviceGroupCreate {
            owner: owner_id,
            profile: DeviceGroupProfile {
                name,
                description,
                settings: settings.map_or_else(|| json!({}), |it| it.0),
            },
        };
        let done = device_group_create(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| DeviceGroupCreatePayload::of(it.into())))
    }

    /// Changes a device group.
    async fn device_group_update(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupUpdateInput,
    ) -> Result<DeviceGroupUpdatePayload> {
        let DeviceGroupUpdateInput {
            id,
            name,
            description,
            settings,
        } = input;
        let input = DeviceGroupUpdate {
            id,
            name: patch(name),
            description: patch(description),
            settings: patch(settings).map(|it| it.0),
        };
        let done = device_group_update(cx(ctx), input).await;
        answer(done.map(|it| DeviceGroupUpdatePayload::of(it.into())))
    }

    /// Removes a device group; its devices are in none.
    async fn device_group_delete(
        &self,
        ctx: &Context<'_>,
        input: DeviceGroupDeleteInput,
    ) -> Result<DeviceGroupDeletePayload> {
        let done = device_group_delete(cx(ctx), input.id).await;
        answer(done.map(DeviceGroupDeletePayload::of))
    }
}
