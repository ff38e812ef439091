//! Who is asking, and the only way to the scopes that queries demand.
//!
//! The matrix (`docs/architecture.md`, "Who may do what") is here and nowhere else. A viewer
//! who may not see a thing finds nothing; one who may never do a thing is told so.

use domain::{
    device::DeviceId,
    dna::EntityId,
    identity::{AccessTokenId, Role, Scope, UserId},
};
use persistence::scope::{
    ConversationReach, ConversationScope, DefinitionScope, DeviceScope, EmergencyScope,
    EntityReach, EntityScope, PersonScope,
};

use crate::{Error, Result};

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// Nobody we know.
    Anonymous,
    /// A person.
    User {
        /// Who.
        id: UserId,
        /// What they may do.
        role: Role,
    },
    /// A device, by its own token.
    Device {
        /// Which.
        id: DeviceId,
        /// Whose.
        owner: UserId,
    },
    /// A program that acts for persons.
    Service {
        /// Its own user.
        id: UserId,
    },
    /// This process itself: first start, sweepers, handlers.
    System,
}

/// A principal with the limits of the token it came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Who.
    pub principal: Principal,
    /// By which token.
    pub token: Option<AccessTokenId>,
    /// For whom, when a service acts for a person.
    pub acts_for: Option<UserId>,
    scopes: Scopes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Scopes {
    read: bool,
    write: bool,
    admin: bool,
    entities: Option<Vec<EntityId>>,
}

/// What is wanted of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To see it.
    Read,
    /// To change it.
    Write,
}

impl Viewer {
    /// Nobody we know.
    pub fn anonymous() -> Self {
        let scopes = Scopes {
            read: false,
            write: false,
            admin: false,
            entities: None,
        };
        Self {
            principal: Principal::Anonymous,
            token: None,
            acts_for: None,
            scopes,
        }
    }

    /// This process itself.
    pub fn system() -> Self {
        let scopes = Scopes {
            read: true,
            write: true,
            admin: true,
            entities: None,
        };
        Self {
            principal: Principal::System,
            token: None,
            acts_for: None,
            scopes,
        }
    }

    /// A principal by a token with these scopes.
    pub fn by_token(principal: Principal, token: AccessTokenId, scopes: &[Scope]) -> Self {
        let entities: Vec<EntityId> = scopes
            .iter()
            .filter_map(|it| match it {
                Scope::Entity(id) => Some(*id),
                _ => None,
            })
            .collect();
        let scopes = Scopes {
            read: scopes.contains(&Scope::Read)
                || scopes.contains(&Scope::Write)
                || scopes.contains(&Scope::Admin),
            write: scopes.contains(&Scope::Write) || scopes.contains(&Scope::Admin),
            admin: scopes.contains(&Scope::Admin),
            entities: (!entities.is_empty()).then_some(entities),
        };
        Self {
            principal,
            token: Some(token),
            acts_for: None,
            scopes,
        }
    }

    /// The person who asks, or for whom a service acts.
    pub fn person(&self) -> Option<UserId> {
        match self.principal {
            Principal::User { id, .. } => Some(id),
            Principal::Service { .. } => self.acts_for,
            Principal::Device { .. } | Principal::Anonymous | Principal::System => None,
        }
    }

    /// Somebody known, whose token allows this kind of access.
    pub fn require(&self, access: Access) -> Result<()> {
        if self.principal == Principal::Anonymous {
            return Err(Error::Unauthenticated);
        }
        match access {
            Access::Read if !self.scopes.read => Err(Error::Forbidden(
                "this token does not have the scope \"read\"",
            )),
            Access::Write if !self.scopes.write => Err(Error::Forbidden(
                "this token does not have the scope \"write\"",
            )),
            _ => Ok(()),
        }
    }

    /// Whether this is an administrator, by a token that is not limited to less.
    pub fn is_admin(&self) -> bool {
        let role = matches!(
            self.principal,
            Principal::System
                | Principal::User {
                    role: Role::Admin,
                    ..
                }
        );
        role && self.scopes.admin && self.scopes.entities.is_none()
    }

    /// Only administrators.
    pub fn require_admin(&self) -> Result<()> {
        self.require(Access::Read)?;
        if self.is_admin() {
            Ok(())
        } else {
            Err(Error::Forbidden("this takes an administrator"))
        }
    }

    /// Whether this is a service, not fenced to entities.
    pub fn is_service(&self) -> bool {
        matches!(self.principal, Principal::Service { .. }) && self.scopes.entities.is_none()
    }

    /// Only services and administrators.
    pub fn require_service(&self, access: Access) -> Result<()> {
        self.require(access)?;
        if self.is_admin() || self.is_service() {
            Ok(())
        } else {
            Err(Error::Forbidden("this takes a service or an administrator"))
        }
    }

    /// Whether the token is fenced to entities, and so reaches no person and no device.
    pub fn is_fenced(&self) -> bool {
        self.scopes.entities.is_some()
    }

    /// What the token allows, as scopes.
    pub fn scopes(&self) -> Vec<Scope> {
        let Scopes {
            read,
            write,
            admin,
            entities,
        } = &self.scopes;
        let mut scopes = Vec::new();
        scopes.extend(read.then_some(Scope::Read));
        scopes.extend(write.then_some(Scope::Write));
        scopes.extend(admin.then_some(Scope::Admin));
        scopes.extend(entities.iter().flatten().copied().map(Scope::Entity));
        scopes
    }

    /// Whether a token made by this viewer may have this scope: never more than it has itself.
    pub fn may_grant(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Read => self.scopes.read,
            Scope::Write => self.scopes.write,
            Scope::Admin => self.scopes.admin,
            Scope::Entity(_) => true,
        }
    }

    /// The account the viewer itself has, never one it acts for: whose tokens and password
    /// it may see to.
    pub fn account(&self) -> Option<UserId> {
        match self.principal {
            Principal::User { id, .. } | Principal::Service { id }
                if self.acts_for.is_none() && !self.is_fenced() =>
            {
                Some(id)
            }
            _ => None,
        }
    }

    /// What persons keep to themselves: preferences and consents. A service sees those of the
    /// person it acts for.
    pub fn private(&self, access: Access) -> Result<PersonScope> {
        self.require(access)?;
        Ok(match self.person() {
            _ if self.is_admin() => PersonScope::All,
            Some(id) if !self.is_fenced() => PersonScope::Only(id),
            _ => PersonScope::None,
        })
    }

    /// Accounts with their tokens: one's own, never those of a person one acts for.
    pub fn accounts(&self, access: Access) -> Result<PersonScope> {
        self.require(access)?;
        Ok(match self.account() {
            _ if self.is_admin() => PersonScope::All,
            Some(id) => PersonScope::Only(id),
            None => PersonScope::None,
        })
    }

    /// To change what is a person's own: the person, a service that acts for them, or an
    /// administrator. `field` is the input field that names the person.
    pub fn require_person(&self, id: UserId, field: &str) -> Result<()> {
        let scope = self.private(Access::Write)?;
        if scope.allows(id) {
            Ok(())
        } else if self.is_service() && self.acts_for.is_none() {
            Err(Error::Forbidden(
                "a service changes what is a person's for that person: say actAs",
            ))
        } else {
            Err(Error::not_found(field))
        }
    }

    /// Whose private things are changed: the person named, else oneself or the one acted for;
    /// as [`require_person`](Self::require_person).
    pub fn whose(&self, named: Option<UserId>) -> Result<UserId> {
        self.require(Access::Write)?;
        match named.or(self.person()) {
            Some(user) => self.require_person(user, "user").map(|()| user),
            None => Err(Error::invalid("user", "say whose: user is required here")),
        }
    }

    /// To see to a person's account (password, tokens, export, erasure): the person, or an
    /// administrator; no service in their place.
    pub fn require_account(&self, id: UserId, field: &str) -> Result<()> {
        if self.accounts(Access::Write)?.allows(id) {
            Ok(())
        } else if self.is_service() {
            Err(Error::Forbidden(
                "a service cannot see to a person's account",
            ))
        } else {
            Err(Error::not_found(field))
        }
    }

    /// Entities, their state, DNA and opinions.
    pub fn entities(&self, access: Access) -> Result<EntityScope> {
        self.require(access)?;
        let reach = match self.principal {
            _ if self.is_admin() => EntityReach::All,
            Principal::User {
                id,
                role: Role::User | Role::Admin,
            } => EntityReach::OwnedBy(id),
            Principal::Device { id, .. } => match access {
                Access::Read => EntityReach::CastOn(id),
                Access::Write => return Err(Error::Forbidden("a device cannot change entities")),
            },
            Principal::Service { .. } => match (access, self.acts_for) {
                (Access::Read, _) => EntityReach::All,
                (Access::Write, Some(person)) => EntityReach::OwnedBy(person),
                (Access::Write, None) => {
                    return Err(Error::Forbidden(
                        "a service changes entities for a person: say actAs",
                    ));
                }
            },
            Principal::User { .. } | Principal::System | Principal::Anonymous => EntityReach::None,
        };
        Ok(EntityScope {
            reach,
            fence: self.scopes.entities.clone(),
        })
    }

    /// Conversations and the messages in them. The owner of an entity reads what others say to
    /// it; a device has those on itself.
    pub fn conversations(&self, access: Access) -> Result<ConversationScope> {
        self.require(access)?;
        let reach = match self.principal {
            _ if self.is_admin() => ConversationReach::All,
            Principal::User {
                id,
                role: Role::User | Role::Admin,
            } if access == Access::Read => ConversationReach::OfOrWithEntitiesOf(id),
            Principal::User { id, .. } => ConversationReach::Of(id),
            Principal::Device { id, .. } => match access {
                Access::Read => ConversationReach::OnOrComingTo(id),
                Access::Write => ConversationReach::On(id),
            },
            Principal::Service { .. } => match (access, self.acts_for) {
                (Access::Read, _) => ConversationReach::All,
                (Access::Write, Some(person)) => ConversationReach::Of(person),
                (Access::Write, None) => {
                    return Err(Error::Forbidden(
                        "a service takes part in a conversation for a person: say actAs",
                    ));
                }
            },
            Principal::System | Principal::Anonymous => ConversationReach::None,
        };
        Ok(ConversationScope {
            reach,
            fence: self.scopes.entities.clone(),
        })
    }

    /// Devices, zones and groups.
    pub fn devices(&self, access: Access) -> Result<DeviceScope> {
        self.require(access)?;
        Ok(match self.principal {
            _ if self.is_admin() => DeviceScope::All,
            _ if self.scopes.entities.is_some() => DeviceScope::None,
            Principal::User {
                id,
                role: Role::User | Role::Admin,
            } => DeviceScope::OwnedBy(id),
            Principal::Device { id, .. } => DeviceScope::Itself(id),
            Principal::Service { .. } => match (access, self.acts_for) {
                (Access::Read, _) => DeviceScope::All,
                (Access::Write, Some(person)) => DeviceScope::OwnedBy(person),
                (Access::Write, None) => {
                    return Err(Error::Forbidden(
                        "a service changes devices for a person: say actAs",
                    ));
                }
            },
            Principal::User { .. } | Principal::System | Principal::Anonymous => DeviceScope::None,
        })
    }

    /// Emergencies: one's own, and those on devices one may reach.
    pub fn emergencies(&self, access: Access) -> Result<EmergencyScope> {
        Ok(EmergencyScope {
            persons: self.private(access)?,
            devices: self.devices(access)?,
        })
    }

    /// Persona definitions: whoever is signed in reads the active ones, administrators write them
    /// and see all.
    pub fn definitions(&self, access: Access) -> Result<DefinitionScope> {
        self.require(access)?;
        match access {
            _ if self.is_admin() => Ok(DefinitionScope::All),
            Access::Read => Ok(DefinitionScope::Active),
            Access::Write => Err(Error::Forbidden(
                "persona definitions are written by administrators",
            )),
        }
    }

    /// Persons: their names and accounts; not what others know of them.
    pub fn persons(&self, access: Access) -> Result<PersonScope> {
        self.require(access)?;
        Ok(match self.principal {
            _ if self.is_admin() => PersonScope::All,
            _ if self.scopes.entities.is_some() => PersonScope::None,
            Principal::User { id, .. } => PersonScope::Only(id),
            Principal::Service { .. } => PersonScope::All,
            Principal::Device { .. } | Principal::System | Principal::Anonymous => {
                PersonScope::None
            }
        })
    }

    /// Whose a new thing is: the person named, if the viewer may act for them, else oneself.
    pub fn owner(&self, named: Option<UserId>) -> Result<UserId> {
        self.require(Access::Write)?;
        let own = self.person();
        match named.or(own) {
            None => Err(Error::invalid(
                "ownerId",
                "say for whom: ownerId is required here",
            )),
            Some(owner) if Some(owner) == own && self.scopes.entities.is_none() => Ok(owner),
            Some(owner) if self.is_admin() => Ok(owner),
            Some(_) => Err(Error::not_found("ownerId")),
        }
    }
}
