//! Zones, as the API shows them.

use std::collections::HashMap;

use app::{
    Access, Cx,
    device::{ZoneCreate, ZoneUpdate, zone_create, zone_delete, zone_update},
};
use async_graphql::{
    ComplexObject, Context, InputObject, MaybeUndefined, Object, SimpleObject, dataloader::Loader,
};
use domain::{
    device::{self, ZoneId, ZoneProfile},
    identity::UserId,
};
use persistence::{
    device::{self as rows, DeviceParent, ZoneParent},
    page::{self, Key},
};

use super::{DeviceConnection, DeviceOrder, DevicesUnder, devices_under};
use crate::{
    Failure, Result,
    connection::{PageArgs, wants_total},
    cx,
    identity::User,
    loader::{self, Children, Loaders},
    payload,
    payload::{answer, patch},
};

/// A place, such as a room; zones form a tree.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub struct Zone {
    /// The row.
    #[graphql(flatten)]
    pub row: device::Zone,
}

impl From<device::Zone> for Zone {
    fn from(row: device::Zone) -> Self {
        Self { row }
    }
}

#[ComplexObject]
impl Zone {
    /// Whose home it is in, if you can see them.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        loader::one(ctx, self.row.owner_id).await
    }

    /// The zone it lies within.
    async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Zone>> {
        loader::maybe(ctx, self.row.parent_id).await
    }

    /// The zones right within it, by name.
    async fn children(
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
        zones_under(ctx, ZoneParent::Zone, self.row.id, args).await
    }

    /// The devices that stand in it, not those in zones within it; by name unless asked
    /// otherwise.
    async fn devices(
        &self,
        ctx: &Context<'_>,
        order_by: Option<DeviceOrder>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<DeviceConnection> {
        let under = DevicesUnder::new(DeviceParent::Zone, None, order_by)?;
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        devices_under(ctx, under, self.row.id, args).await
    }
}

crate::connection!(ZoneConnection, ZoneEdge, Zone, "zones");

fn zone_place(Zone { row }: &Zone) -> (Key, uuid::Uuid) {
    (Key::Text(row.name.clone()), row.id.0)
}

/// The zones of an owner, or right within a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ZonesUnder(ZoneParent);

impl Children for ZonesUnder {
    type Table = rows::zones::Entity;
    type Row = device::Zone;

    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>> {
        let scope = cx.viewer.devices(Access::Read)?;
        Ok(rows::zones_under(scope.zones(), self.0))
    }
}

pub(super) async fn zones_under(
    ctx: &Context<'_>,
    under: ZoneParent,
    parent: impl Into<uuid::Uuid>,
    args: PageArgs,
) -> Result<ZoneConnection> {
    let (slice, total) = loader::page_of(ctx, parent, ZonesUnder(under), args).await?;
    Ok(ZoneConnection::of(slice.map(Zone::from), total, zone_place))
}

impl Loader<ZoneId> for Loaders {
    type Value = Zone;
    type Error = Failure;

    async fn load(&self, ids: &[ZoneId]) -> Result<HashMap<ZoneId, Zone>> {
        let scope = self.cx.viewer.devices(Access::Read)?;
        let found = rows::zones_by_ids(self.cx.reader(), scope, ids).await?;
        Ok(found
            .into_iter()
            .map(|row| (row.id, Zone { row }))
            .collect())
    }
}

/// A zone to be made.
#[derive(Debug, InputObject)]
pub struct ZoneCreateInput {
    /// Whose; yourself when not said. Administrators make zones for others.
    owner_id: Option<UserId>,
    /// Its name, 1–100 characters, unique for the owner.
    name: String,
    /// What it is like, at most 500 characters.
    description: Option<String>,
    /// The zone it lies within, of the same owner; zones nest at most 8 deep.
    parent_id: Option<ZoneId>,
    /// The same key again gives the same zone; kept 24 hours.
    idempotency_key: Option<String>,
}

payload! {
    /// Answer of `zoneCreate`.
    ZoneCreatePayload {
        /// The new zone.
        zone: Zone,
    }
}

/// Changes to a zone: what is left out stays; what is null is cleared.
#[derive(Debug, InputObject)]
pub struct ZoneUpdateInput {
    /// Which zone.
    id: ZoneId,
    /// Its name, 1–100 characters, unique for the owner; cannot be cleared.
    name: MaybeUndefined<String>,
    /// What it is like, at most 500 characters.
    description: MaybeUndefined<String>,
    /// The zone it lies within, of the same owner; neither itself nor one within it.
    parent_id: MaybeUndefined<ZoneId>,
}

payload! {
    /// Answer of `zoneUpdate`.
    ZoneUpdatePayload {
        /// The zone as it is now.
        zone: Zone,
    }
}

/// A zone to be removed.
#[derive(Debug, InputObject)]
pub struct ZoneDeleteInput {
    /// Which zone.
    id: ZoneId,
}

payload! {
    /// Answer of `zoneDelete`.
    ZoneDeletePayload {
        /// The id of the zone that is gone.
        deleted_zone_id: ZoneId,
    }
}

/// Queries of zones.
#[derive(Debug, Default)]
pub struct ZoneQuery;

#[Object]
impl ZoneQuery {
    /// A zone; null when there is none that you can see.
    async fn zone(&self, ctx: &Context<'_>, id: ZoneId) -> Result<Option<Zone>> {
        cx(ctx).viewer.require(Access::Read)?;
        loader::one(ctx, id).await
    }

    /// The zones you can see, by name.
    async fn zones(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Forward: how many, 0–100; 20 when not said.")] first: Option<i32>,
        #[graphql(desc = "Forward: only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "Backward: how many, 0–100.")] last: Option<i32>,
        #[graphql(desc = "Backward: only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ZoneConnection> {
        let cx = cx(ctx);
        let select = cx.viewer.devices(Access::Read)?.zones();
        let args = PageArgs {
            first,
            after,
            last,
            before,
        };
        let total = page::total(cx.reader(), &select, wants_total(ctx)).await?;
        let slice = rows::zones_page(cx.reader(), select, &args.page()?).await?;
        Ok(ZoneConnection::of(slice.map(Zone::from), total, zone_place))
    }
}

/// Mutations of zones.
#[derive(Debug, Default)]
pub struct ZoneMutation;

#[Object]
impl ZoneMutation {
    /// Makes a zone.
    async fn zone_create(
        &self,
        ctx: &Context<'_>,
        input: ZoneCreateInput,
    ) -> Result<ZoneCreatePayload> {
        let ZoneCreateInput {
            owner_id,
            name,
            description,
            parent_id,
            idempotency_key,
        } = input;
        let input = ZoneCreate {
            owner: owner_id,
            profile: ZoneProfile { name, description },
            parent: parent_id,
        };
        let done = zone_create(cx(ctx), idempotency_key, input).await;
        answer(done.map(|it| ZoneCreatePayload::of(it.into())))
    }

    /// Changes a zone, or moves it with all that lies within it.
    async fn zone_update(
        &self,
        ctx: &Context<'_>,
        input: ZoneUpdateInput,
    ) -> Result<ZoneUpdatePayload> {
        let ZoneUpdateInput {
            id,
            name,
            description,
            parent_id,
        } = input;
        let input = ZoneUpdate {
            id,
            name: patch(name),
            description: patch(description),
            parent: patch(parent_id),
        };
        let done = zone_update(cx(ctx), input).await;
        answer(done.map(|it| ZoneUpdatePayload::of(it.into())))
    }

    /// Removes a zone and the zones within it; devices that stood there stand in none.
    async fn zone_delete(
        &self,
        ctx: &Context<'_>,
        input: ZoneDeleteInput,
    ) -> Result<ZoneDeletePayload> {
        let done = zone_delete(cx(ctx), input.id).await;
        answer(done.map(ZoneDeletePayload::of))
    }
}
