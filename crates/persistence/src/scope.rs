//! What a viewer may see, as a part of the query: handed in, never remembered.
//!
//! `app` makes these from the viewer; a query that could leak cannot be built without one.

use domain::{device::DeviceId, dna::EntityId, identity::UserId};

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
