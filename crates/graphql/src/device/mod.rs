//! Devices, zones and groups, as the API shows them.

mod cast;
mod command;
mod group;
mod heartbeat;
mod pattern;
mod registry;
mod zone;

use std::collections::HashMap;

use app::{Access, Cx};
// `OutputType`: what flattening in `ComplexObject` calls without naming it.
use async_graphql::{
    ComplexObject, Context, Enum, InputObject, MergedObject, Object, OutputType, SimpleObject,
    dataloader::Loader,
};
use domain::{
    check::Check,
    device::{self, DeviceGroupId, DeviceId, DeviceStatus, DeviceType, ZoneId},
    identity::UserId,
};
use persistence::{
    device::{self as rows, DeviceParent, PatternParent, ZoneParent},
    page::{self, Key},
};

use crate::{
    Failure, Result,
    audit::{self, EventConnection, EventFilter, EventOrder},
    connection::{PageArgs, wants_total},
    cx,
    dna::Entity,
    identity::User,
    loader::{self, Children, Loaders},
    persona::{OnDuty, PersonaDefinition},
    scalar::Json,
};

pub use cast::*;
pub use command::*;
pub use group::*;
pub use heartbeat::*;
pub(crate) use pattern::patterns;
pub use pattern::*;
pub use registry::*;
pub use zone::*;

/// Hardware that belongs to somebody. An entity may be cast onto it.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
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

#[ComplexObject]
impl Device {
    /// Conversations.
    #[graphql(flatten)]
    #[expect(clippy::unused_async, reason = "the macro takes an async method")]
    async fn conversations_on(
        &self,
        _ctx: &Context<'_>,
    ) -> crate::conversation::DeviceConversations {
        crate::conversation::DeviceConversations {
            id: self.row.id,
            active: self.row.active_conversation_id,
        }
    }

    /// How it is now: what it last reported, or offline when it has been silent for more than
    /// 300 seconds.
    async fn status(&self, ctx: &Context<'_>) -> DeviceStatus {
        self.row.status_at(cx(ctx).now())
    }

    /// Who owns it, if you can see them.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.owner_id).await
    }

    /// The zone it stands in.
    async fn zone(&self, ctx: &Context<'_>) -> Result<Option<Zone>> {
        loader::maybe(ctx, self.row.zone_id).await
    }

    /// The group it is coordinated with.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<DeviceGroup>> {
        loader::maybe(ctx, self.row.group_id).await
    }

    /// The entity that is cast onto it.
    async fn entity(&self, ctx: &Context<'_>) -> Result<Option<Entity>> {
        loader::one(ctx, CastOn(self.row.id)).await
    }

    /// The persona definition on duty there.
    async fn active_persona_definition(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<PersonaDefinition>> {
        loader::maybe(ctx, self.row.active_persona_definition_id.map(OnDuty)).await
    }

    /// What the first start gathered: a JSON object.
    async fn onboarding(&self) -> Json {
        Json(self.row.onboarding.0.clone())
    }

    /// What it lived through, newest first unless asked otherwise: not what people did with the
    /// system.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        filter: Option<EventFilter>,
        order_by: Option<EventOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EventConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        audit::of_device(ctx, self.row.id, filter, order_by, args).await
    }

    /// What entities noticed there, the surest first.
    async fn learned_patterns(
        &self,
        ctx: &Context<'_>,
        filter: Option<LearnedPatternFilter>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<LearnedPatternConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        pattern::patterns(ctx, PatternParent::Device, self.row.id, filter, args).await
    }
}

/// Queries of device.
#[derive(Debug, Default, MergedObject)]
pub struct DeviceQuery(RegistryQuery, ZoneQuery, GroupQuery);

/// Mutations of device.
#[derive(Debug, Default, MergedObject)]
pub struct DeviceMutation(
    RegistryMutation,
    ZoneMutation,
    GroupMutation,
    CastMutation,
    HeartbeatMutation,
    CommandMutation,
    PatternMutation,
);

crate::connection!(DeviceConnection, DeviceEdge, Device, "devices");
/// Which devices; whatever is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DeviceFilter {
    /// Of one of these kinds.
    types: Option<Vec<DeviceType>>,
    /// With this status now.
    status: Option<DeviceStatus>,
    /// In this zone or in a zone within it.
    zone: Option<ZoneId>,
    /// In this group.
    group: Option<DeviceGroupId>,
    /// Whose name contains this text, at most 100 characters, in any case of letters.
    search: Option<String>,
}

impl DeviceFilter {
    /// As the database is asked.
    fn checked(self) -> Result<rows::DeviceFilter> {
        let Self {
            types,
            status,
            zone,
            group,
            search,
        } = self;
        let mut check = Check::new();
        let search = check.optional_text("filter.search", search.as_deref(), 1..=100);
        check.done().map_err(app::Error::from)?;
        Ok(rows::DeviceFilter {
            types,
            status,
            zone,
            group,
            search,
        })
    }
}

/// The order of a list of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum)]
#[graphql(remote = "rows::DeviceOrder")]
pub enum DeviceOrder {
    /// By name.
    #[default]
    #[graphql(name = "NAME_ASC")]
    Name,
    /// By name, backwards.
    #[graphql(name = "NAME_DESC")]
    NameDescending,
    /// The oldest first.
    #[graphql(name = "CREATED_AT_ASC")]
    Created,
    /// The newest first.
    #[graphql(name = "CREATED_AT_DESC")]
    CreatedDescending,
}

/// A device's place in a list of this order.
fn device_place(order: rows::DeviceOrder) -> impl Fn(&Device) -> (Key, uuid::Uuid) {
    move |Device { row }| {
        let key = match order {
            rows::DeviceOrder::Name | rows::DeviceOrder::NameDescending => {
                Key::Text(row.name.clone())
            }
            rows::DeviceOrder::Created | rows::DeviceOrder::CreatedDescending => {
                Key::Time(row.created_at)
            }
        };
        (key, row.id.0)
    }
}

/// The devices of an owner, a zone or a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DevicesUnder {
    parent: DeviceParent,
    filter: rows::DeviceFilter,
    order: rows::DeviceOrder,
}

impl DevicesUnder {
    fn new(
        parent: DeviceParent,
        filter: Option<DeviceFilter>,
        order: Option<DeviceOrder>,
    ) -> Result<Self> {
        Ok(Self {
            parent,
            filter: filter.unwrap_or_default().checked()?,
            order: order.unwrap_or_default().into(),
        })
    }
}

impl Children for DevicesUnder {
    type Table = rows::devices::Entity;
    type Row = device::Device;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.devices(Access::Read)?;
        let select = self.filter.select(cx.reader(), scope, cx.now());
        Ok(rows::devices_under(select, self.parent, self.order))
    }
}

async fn devices_under(
    ctx: &Context<'_>,
    list: DevicesUnder,
    parent: impl Into<uuid::Uuid>,
    args: PageArgs,
) -> Result<DeviceConnection> {
    let order = list.order;
    let (slice, total) = loader::page_of(ctx, parent, list, args).await?;
    Ok(DeviceConnection::of(
        slice.map(Device::from),
        total,
        device_place(order),
    ))
}

/// What a person has of devices; fields of `User`.
#[derive(Debug)]
pub struct UserDevices(pub UserId);

#[Object]
impl UserDevices {
    /// The devices the person owns; by name unless asked otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn devices(
        &self,
        ctx: &Context<'_>,
        filter: Option<DeviceFilter>,
        order_by: Option<DeviceOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceConnection> {
        let under = DevicesUnder::new(DeviceParent::Owner, filter, order_by)?;
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        devices_under(ctx, under, self.0, args).await
    }

    /// The zones of the person, by name.
    async fn zones(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ZoneConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        zones_under(ctx, ZoneParent::Owner, self.0, args).await
    }

    /// The device groups of the person, by name.
    async fn device_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceGroupConnection> {
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let (slice, total) = loader::page_of(ctx, self.0, DeviceGroupsUnder, args).await?;
        Ok(DeviceGroupConnection::of(
            slice.map(DeviceGroup::from),
            total,
            group_place,
        ))
    }
}

/// The entity that is cast onto a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CastOn(pub DeviceId);

impl Loader<CastOn> for Loaders {
    type Value = Entity;
    type Error = Failure;

    async fn load(&self, devices: &[CastOn]) -> Result<HashMap<CastOn, Entity>> {
        let scope = self.cx.viewer.entities(Access::Read)?;
        let ids: Vec<DeviceId> = devices.iter().map(|it| it.0).collect();
        let found = rows::entities_cast_on(self.cx.reader(), &scope, &ids).await?;
        Ok(found
            .into_iter()
            .filter_map(|row| Some((CastOn(row.device_id?), Entity::from(row))))
            .collect())
    }
}

impl Loader<DeviceId> for Loaders {
    type Value = Device;
    type Error = Failure;

    async fn load(&self, ids: &[DeviceId]) -> Result<HashMap<DeviceId, Device>> {
        let scope = self.cx.viewer.devices(Access::Read)?;
        let found = rows::devices_by_ids(self.cx.reader(), scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, Device { row }))
            .collect())
    }
}

/// Queries of the registry.
#[derive(Debug, Default)]
pub struct RegistryQuery;

#[Object]
impl RegistryQuery {
    /// A device; null when there is none that you can see.
    async fn device(&self, ctx: &Context<'_>, id: DeviceId) -> Result<Option<Device>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The devices you can see; by name unless asked otherwise.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn devices(
        &self,
        ctx: &Context<'_>,
        filter: Option<DeviceFilter>,
        order_by: Option<DeviceOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceConnection> {
        let cx = cx(ctx);
        let filter = filter.unwrap_or_default().checked()?;
        let select = filter.select(cx.reader(), cx.viewer.devices(Access::Read)?, cx.now());
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let order = order_by.unwrap_or_default().into();
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::devices_page(cx.reader(), select, order, &args.page()?).await?;
        Ok(DeviceConnection::of(
            slice.map(Device::from),
            total,
            device_place(order),
        ))
    }
}
