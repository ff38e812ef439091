//! `viewer`, `node` and `nodes`: where a client begins, and how it gets back to a thing.

use app::{Access, Error, Principal};
use async_graphql::{ComplexObject, Context, ID, Interface, Object, SimpleObject};
use domain::{
    audit::EventId,
    conversation::{CommunicationId, ConversationId, HandoffId, MessageId},
    device::{DeviceGroupId, DeviceId, LearnedPatternId, ZoneId},
    dna::EntityId,
    identity::{GuildId, GuildMemberId, Role, UserId},
    outbox::OutboxTaskId,
    persona::{KnowledgeDocumentId, PersonaDefinitionId, PersonaEmergencyId, PersonaVersionId},
    values::split_typeid,
};
use futures_util::future::try_join_all;

use crate::{
    Failure, Result,
    audit::Event,
    conversation::{Conversation, ConversationHandoff, EntityMessage, Message},
    cx,
    device::{Device, DeviceGroup, LearnedPattern, Zone},
    dna::Entity,
    identity::{Guild, GuildMember, User},
    loader,
    outbox::OutboxTask,
    persona::{KnowledgeDocument, PersonaDefinition, PersonaEmergency, PersonaVersion},
    scalar::Moment,
};

/// A thing with an id that `node` finds again.
#[derive(Clone, Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Stable identifier: a TypeID."))]
pub enum Node {
    /// A person.
    User(User),
    /// A device.
    Device(Device),
    /// A zone.
    Zone(Zone),
    /// A device group.
    DeviceGroup(DeviceGroup),
    /// An entity.
    Entity(Entity),
    /// An entry of the log.
    Event(Event),
    /// A community.
    Guild(Guild),
    /// A membership in a community.
    GuildMember(GuildMember),
    /// A learned pattern.
    LearnedPattern(LearnedPattern),
    /// A persona definition.
    PersonaDefinition(PersonaDefinition),
    /// A version of a persona definition.
    PersonaVersion(PersonaVersion),
    /// A persona that took over in an emergency.
    PersonaEmergency(PersonaEmergency),
    /// A knowledge document.
    KnowledgeDocument(KnowledgeDocument),
    /// A conversation.
    Conversation(Conversation),
    /// A message.
    Message(Message),
    /// A hand-off of a conversation.
    ConversationHandoff(ConversationHandoff),
    /// Something one entity told another.
    EntityMessage(EntityMessage),
    /// Work of the system.
    OutboxTask(OutboxTask),
}

/// Gives a wrapper the `id` method that the `Node` interface calls.
macro_rules! node {
    ($ty:ty) => {
        impl $ty {
            /// Its TypeID, for the `Node` interface.
            pub async fn id(
                &self,
                _: &async_graphql::Context<'_>,
            ) -> $crate::Result<async_graphql::ID> {
                Ok(async_graphql::ID(self.row.id.to_string()))
            }
        }
    };
}
node!(User);
node!(Device);
node!(Zone);
node!(DeviceGroup);
node!(Entity);
node!(Event);
node!(Guild);
node!(GuildMember);
node!(LearnedPattern);
node!(PersonaDefinition);
node!(PersonaVersion);
node!(PersonaEmergency);
node!(KnowledgeDocument);
node!(Conversation);
node!(Message);
node!(ConversationHandoff);
node!(EntityMessage);
node!(OutboxTask);

/// Who is asking, as the server understood it.
#[derive(Debug, SimpleObject)]
#[graphql(complex)]
pub struct Viewer {
    /// What the principal may do; empty when nobody is signed in, or for a device.
    pub role: Option<Role>,
    /// What the token allows: `read`, `write`, `admin`, and `entity:ID` for no entity but this
    /// one.
    pub scopes: Vec<String>,
}

#[ComplexObject]
impl Viewer {
    /// The person who asks, or the service's own account; null for a device, and for a token
    /// that is fenced to entities.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match cx(ctx).viewer.principal {
            Principal::User { id, .. } | Principal::Service { id } => loader::one(ctx, id).await,
            Principal::Device { .. } | Principal::Anonymous | Principal::System => Ok(None),
        }
    }

    /// The person a service acts for.
    async fn acts_for(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        match cx(ctx).viewer.acts_for {
            Some(id) => loader::one(ctx, id).await,
            None => Ok(None),
        }
    }

    /// The device that asks.
    async fn device(&self, ctx: &Context<'_>) -> Result<Option<Device>> {
        match cx(ctx).viewer.principal {
            Principal::Device { id, .. } => loader::one(ctx, id).await,
            _ => Ok(None),
        }
    }
}

/// Where every client begins.
#[derive(Debug, Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The server's time, which new rows are stamped with.
    async fn server_time(&self, ctx: &Context<'_>) -> Moment {
        Moment(cx(ctx).now())
    }

    /// Who is asking, as the server understood it.
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let role = match cx(ctx).viewer.principal {
            Principal::User { role, .. } => Some(role),
            Principal::Service { .. } => Some(Role::Service),
            Principal::Device { .. } | Principal::Anonymous | Principal::System => None,
        };
        let scopes = cx(ctx).viewer.scopes();
        Viewer {
            role,
            scopes: scopes.iter().map(ToString::to_string).collect(),
        }
    }

    /// A thing by its id; null when there is none that you can see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Node>> {
        cx(ctx).viewer.require(Access::Read)?;
        by_id(ctx, "id", &id).await
    }

    /// Things by their ids, at most 100, in the order asked for; null for each that there is
    /// none of that you can see.
    async fn nodes(&self, ctx: &Context<'_>, ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        cx(ctx).viewer.require(Access::Read)?;
        if ids.len() > 100 {
            return Err(
                Error::invalid("ids", format!("{} ids: expected at most 100", ids.len())).into(),
            );
        }
        try_join_all(ids.iter().map(|id| by_id(ctx, "ids", id))).await
    }
}

/// Whatever has this id. A new type with an id of its own is a line here.
async fn by_id(ctx: &Context<'_>, field: &str, id: &ID) -> Result<Option<Node>> {
    let (prefix, uuid) = split_typeid(id).ok_or_else(|| {
        let message = format!(
            "{field} is not an id: expected a TypeID such as user_01h45ytscbebyvny4gc8cr8ma2"
        );
        Failure::from(Error::invalid(field, message))
    })?;
    Ok(match prefix.as_str() {
        UserId::PREFIX => loader::one(ctx, UserId(uuid)).await?.map(Node::User),
        DeviceId::PREFIX => loader::one(ctx, DeviceId(uuid)).await?.map(Node::Device),
        ZoneId::PREFIX => loader::one(ctx, ZoneId(uuid)).await?.map(Node::Zone),
        DeviceGroupId::PREFIX => loader::one(ctx, DeviceGroupId(uuid))
            .await?
            .map(Node::DeviceGroup),
        EventId::PREFIX => loader::one(ctx, EventId(uuid)).await?.map(Node::Event),
        GuildId::PREFIX => loader::one(ctx, GuildId(uuid)).await?.map(Node::Guild),
        GuildMemberId::PREFIX => loader::one(ctx, GuildMemberId(uuid))
            .await?
            .map(Node::GuildMember),
        LearnedPatternId::PREFIX => loader::one(ctx, LearnedPatternId(uuid))
            .await?
            .map(Node::LearnedPattern),
        ConversationId::PREFIX => loader::one(ctx, ConversationId(uuid))
            .await?
            .map(Node::Conversation),
        MessageId::PREFIX => loader::one(ctx, MessageId(uuid)).await?.map(Node::Message),
        HandoffId::PREFIX => loader::one(ctx, HandoffId(uuid))
            .await?
            .map(Node::ConversationHandoff),
        CommunicationId::PREFIX => loader::one(ctx, CommunicationId(uuid))
            .await?
            .map(Node::EntityMessage),
        OutboxTaskId::PREFIX => loader::one(ctx, OutboxTaskId(uuid))
            .await?
            .map(Node::OutboxTask),
        EntityId::PREFIX => loader::one(ctx, EntityId(uuid)).await?.map(Node::Entity),
        PersonaDefinitionId::PREFIX => loader::one(ctx, PersonaDefinitionId(uuid))
            .await?
            .map(Node::PersonaDefinition),
        PersonaVersionId::PREFIX => loader::one(ctx, PersonaVersionId(uuid))
            .await?
            .map(Node::PersonaVersion),
        PersonaEmergencyId::PREFIX => loader::one(ctx, PersonaEmergencyId(uuid))
            .await?
            .map(Node::PersonaEmergency),
        KnowledgeDocumentId::PREFIX => loader::one(ctx, KnowledgeDocumentId(uuid))
            .await?
            .map(Node::KnowledgeDocument),
        _ => None,
    })
}
