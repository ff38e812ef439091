//! What a viewer may see, as a part of the query: handed in, never remembered.
//!
//! `app` makes these from the viewer; a query that could leak cannot be built without one.

use domain::{device::DeviceId, dna::EntityId, identity::UserId};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

use crate::{
    device::{device_groups, devices, zones},
    dna::entities,
    engine,
    identity::users,
};

/// Whose entities a query may touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityScope {
    /// By whose right.
    pub reach: EntityReach,
    /// A key fenced to some entities reaches no others.
    pub fence: Option<Vec<EntityId>>,
}

/// By whose right entities are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityReach {
    /// Nobody's.
    None,
    /// A person's own.
    OwnedBy(UserId),
    /// The one that lives on a device.
    CastOn(DeviceId),
    /// Everybody's: administrators and services.
    All,
}

/// Whose devices, zones and groups a query may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceScope {
    /// Nobody's.
    None,
    /// A person's own.
    OwnedBy(UserId),
    /// A device, itself.
    Itself(DeviceId),
    /// Everybody's.
    All,
}

/// Which persons a query may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersonScope {
    /// Nobody.
    None,
    /// One person, oneself.
    Only(UserId),
    /// Everybody: administrators and services.
    All,
}

impl PersonScope {
    /// Whether the person lies in scope.
    pub fn allows(self, user: UserId) -> bool {
        match self {
            Self::None => false,
            Self::Only(own) => own == user,
            Self::All => true,
        }
    }
}

/// The condition that nothing meets.
pub(crate) fn nothing() -> Condition {
    Condition::all().add(Expr::val(1).eq(0))
}

impl EntityScope {
    /// The condition on `entities`.
    pub fn condition(&self, db: &impl ConnectionTrait) -> Condition {
        let reach = match self.reach {
            EntityReach::None => nothing(),
            EntityReach::OwnedBy(owner) => {
                Condition::all().add(entities::Column::OwnerId.eq(owner))
            }
            EntityReach::CastOn(device) => {
                Condition::all().add(entities::Column::DeviceId.eq(device))
            }
            EntityReach::All => Condition::all(),
        };
        match &self.fence {
            None => reach,
            Some(ids) => {
                let id = (entities::Entity, entities::Column::Id);
                reach.add(engine::one_of(db, id, ids.iter().copied()))
            }
        }
    }

    /// The ids of the entities in scope, for a subquery.
    pub fn ids(&self, db: &impl ConnectionTrait) -> SelectStatement {
        let mut select = self.entities(db).select_only().column(entities::Column::Id);
        QuerySelect::query(&mut select).to_owned()
    }

    /// Whether there is nothing to check.
    pub fn is_everything(&self) -> bool {
        self.reach == EntityReach::All && self.fence.is_none()
    }

    /// The condition that a column of another table names an entity in scope: nothing for a
    /// viewer who sees everything, else a look-up for each row at hand. (A list of all that is
    /// in scope would be made anew for each statement.)
    pub fn covers(&self, db: &impl ConnectionTrait, entity: impl ColumnTrait) -> Condition {
        if self.is_everything() {
            return Condition::all();
        }
        let entity = Expr::col((entity.entity_name(), entity));
        let mut one = self
            .entities(db)
            .select_only()
            .expr(Expr::cust("1"))
            .filter(Expr::col((entities::Entity, entities::Column::Id)).eq(entity));
        let one = QuerySelect::query(&mut one).to_owned();
        Condition::all().add(Expr::exists(one))
    }

    /// The entities in scope.
    pub fn entities(&self, db: &impl ConnectionTrait) -> Select<entities::Entity> {
        entities::Entity::find().filter(self.condition(db))
    }
}

impl DeviceScope {
    /// The devices in scope.
    pub fn devices(self) -> Select<devices::Entity> {
        let select = devices::Entity::find();
        match self {
            Self::None => select.filter(nothing()),
            Self::OwnedBy(owner) => select.filter(devices::Column::OwnerId.eq(owner)),
            Self::Itself(id) => select.filter(devices::Column::Id.eq(id)),
            Self::All => select,
        }
    }

    /// The zones in scope.
    pub fn zones(self) -> Select<zones::Entity> {
        let select = zones::Entity::find();
        match self {
            Self::None | Self::Itself(_) => select.filter(nothing()),
            Self::OwnedBy(owner) => select.filter(zones::Column::OwnerId.eq(owner)),
            Self::All => select,
        }
    }

    /// The device groups in scope.
    pub fn device_groups(self) -> Select<device_groups::Entity> {
        let select = device_groups::Entity::find();
        match self {
            Self::None | Self::Itself(_) => select.filter(nothing()),
            Self::OwnedBy(owner) => select.filter(device_groups::Column::OwnerId.eq(owner)),
            Self::All => select,
        }
    }

    /// Whether what this person owns (a zone, a group) lies in scope.
    pub fn allows(self, owner: UserId) -> bool {
        match self {
            Self::None | Self::Itself(_) => false,
            Self::OwnedBy(own) => own == owner,
            Self::All => true,
        }
    }
}

impl PersonScope {
    /// The persons in scope.
    pub fn persons(self) -> Select<users::Entity> {
        users::Entity::find().filter(self.condition(users::Column::Id))
    }

    /// The condition on a column that names a person.
    pub fn condition(self, person: impl ColumnTrait) -> Condition {
        match self {
            Self::None => nothing(),
            Self::Only(own) => Condition::all().add(person.eq(own)),
            Self::All => Condition::all(),
        }
    }
}
