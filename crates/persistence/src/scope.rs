//! What a viewer may see, as a part of the query: handed in, never remembered.
//!
//! `app` makes these from the viewer; a query that could leak cannot be built without one.

use domain::{
    audit::AUDIT_TYPES, conversation::HandoffState, device::DeviceId, dna::EntityId,
    identity::UserId,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, IntoColumnRef, SelectStatement},
};

use crate::{
    audit::events,
    conversation::{conversation_handoffs, conversations, messages},
    device::{device_groups, devices, zones},
    dna::entities,
    engine,
    identity::users,
    persona::{persona_definitions, persona_emergencies},
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

/// Which entries of the log a query may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventScope {
    /// What devices live through: not what people did with the system.
    OfDevices(DeviceScope),
    /// Everything.
    All,
}

/// Which emergencies a query may touch: those of persons in scope, and those on devices in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmergencyScope {
    /// Whose.
    pub persons: PersonScope,
    /// On which devices.
    pub devices: DeviceScope,
}

impl EmergencyScope {
    /// The emergencies in scope.
    pub fn emergencies(self) -> Select<persona_emergencies::Entity> {
        use persona_emergencies::{Column, Entity};
        let Self { persons, devices } = self;
        if persons == PersonScope::All || devices == DeviceScope::All {
            return Entity::find();
        }
        let mut ids = devices.devices().select_only().column(devices::Column::Id);
        let on = Column::DeviceId.in_subquery(QuerySelect::query(&mut ids).to_owned());
        let any = Condition::any()
            .add(persons.condition(Column::UserId))
            .add(on);
        Entity::find().filter(any)
    }
}

/// Which persona definitions a query may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefinitionScope {
    /// Those that may be given a duty.
    Active,
    /// Every one of them.
    All,
}

impl DefinitionScope {
    /// The definitions in scope.
    pub fn definitions(self) -> Select<persona_definitions::Entity> {
        let select = persona_definitions::Entity::find();
        match self {
            Self::Active => select.filter(persona_definitions::Column::IsActive.eq(true)),
            Self::All => select,
        }
    }
}

/// Whose conversations a query may touch, with the messages in them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationScope {
    /// By whose right.
    pub reach: ConversationReach,
    /// A key fenced to some entities reaches conversations with no others.
    pub fence: Option<Vec<EntityId>>,
}

/// By whose right conversations are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConversationReach {
    /// Nobody's.
    None,
    /// A person's own.
    Of(UserId),
    /// A person's own, and others' with an entity that the person owns.
    OfOrWithEntitiesOf(UserId),
    /// Those on a device.
    On(DeviceId),
    /// Those on a device, and those that are being handed to it.
    OnOrComingTo(DeviceId),
    /// Everybody's: administrators and services.
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

impl ConversationScope {
    /// Everybody's, for the system's own work and for what is already known to be in scope.
    pub const EVERYTHING: Self = Self {
        reach: ConversationReach::All,
        fence: None,
    };

    /// The conversations in scope.
    pub fn conversations(&self, db: &impl ConnectionTrait) -> Select<conversations::Entity> {
        use conversations::Column;
        let reach = match self.reach {
            ConversationReach::None => nothing(),
            ConversationReach::Of(user) => Condition::all().add(Column::UserId.eq(user)),
            ConversationReach::OfOrWithEntitiesOf(user) => Condition::any()
                .add(Column::UserId.eq(user))
                .add(Column::EntityId.in_subquery(owned_by(user))),
            ConversationReach::On(device) => Condition::all().add(Column::DeviceId.eq(device)),
            ConversationReach::OnOrComingTo(device) => Condition::any()
                .add(Column::DeviceId.eq(device))
                .add(Column::Id.in_subquery(coming_to(device))),
            ConversationReach::All => Condition::all(),
        };
        conversations::Entity::find()
            .filter(reach)
            .filter(self.within_fence(db, (conversations::Entity, Column::EntityId)))
    }

    /// The messages in scope: every message names the person and the entity of its conversation.
    pub fn messages(&self, db: &impl ConnectionTrait) -> Select<messages::Entity> {
        use messages::Column;
        let reach = match self.reach {
            ConversationReach::None => nothing(),
            ConversationReach::Of(user) => Condition::all().add(Column::UserId.eq(user)),
            ConversationReach::OfOrWithEntitiesOf(user) => Condition::any()
                .add(Column::UserId.eq(user))
                .add(Column::EntityId.in_subquery(owned_by(user))),
            ConversationReach::On(_) | ConversationReach::OnOrComingTo(_) => {
                Condition::all().add(Column::ConversationId.in_subquery(self.ids(db)))
            }
            ConversationReach::All => Condition::all(),
        };
        messages::Entity::find()
            .filter(reach)
            .filter(self.within_fence(db, (messages::Entity, Column::EntityId)))
    }

    /// The ids of the conversations in scope, for a subquery.
    pub fn ids(&self, db: &impl ConnectionTrait) -> SelectStatement {
        let mut select = self
            .conversations(db)
            .select_only()
            .column(conversations::Column::Id);
        QuerySelect::query(&mut select).to_owned()
    }

    fn within_fence(&self, db: &impl ConnectionTrait, entity: impl IntoColumnRef) -> Condition {
        match &self.fence {
            None => Condition::all(),
            Some(ids) => Condition::all().add(engine::one_of(db, entity, ids.iter().copied())),
        }
    }
}

/// The ids of a person's entities.
fn owned_by(user: UserId) -> SelectStatement {
    let mut select = entities::Entity::find()
        .select_only()
        .column(entities::Column::Id)
        .filter(entities::Column::OwnerId.eq(user));
    QuerySelect::query(&mut select).to_owned()
}

/// The ids of the conversations that a device has been asked to take over.
fn coming_to(device: DeviceId) -> SelectStatement {
    use conversation_handoffs::Column;
    let mut select = conversation_handoffs::Entity::find()
        .select_only()
        .column(Column::ConversationId)
        .filter(Column::ToDeviceId.eq(device))
        .filter(Column::State.eq(HandoffState::Pending));
    QuerySelect::query(&mut select).to_owned()
}

impl DeviceScope {
    /// The condition on `devices`.
    pub fn condition(self) -> Condition {
        match self {
            Self::None => nothing(),
            Self::OwnedBy(owner) => Condition::all().add(devices::Column::OwnerId.eq(owner)),
            Self::Itself(id) => Condition::all().add(devices::Column::Id.eq(id)),
            Self::All => Condition::all(),
        }
    }

    /// The devices in scope.
    pub fn devices(self) -> Select<devices::Entity> {
        devices::Entity::find().filter(self.condition())
    }

    /// The ids of the devices in scope, for a subquery.
    pub fn device_ids(self) -> SelectStatement {
        let mut select = self.devices().select_only().column(devices::Column::Id);
        QuerySelect::query(&mut select).to_owned()
    }

    /// Whether a device of this owner can be in scope, as far as that is known without asking.
    pub fn may_hold(self, device: DeviceId, owner: UserId) -> bool {
        match self {
            Self::None => false,
            Self::OwnedBy(own) => own == owner,
            Self::Itself(id) => id == device,
            Self::All => true,
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

impl EventScope {
    /// The entries in scope.
    pub fn events(self) -> Select<events::Entity> {
        let select = events::Entity::find();
        match self {
            Self::OfDevices(scope) => select
                .filter(events::Column::DeviceId.in_subquery(scope.device_ids()))
                .filter(events::Column::EventType.is_not_in(AUDIT_TYPES)),
            Self::All => select,
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
