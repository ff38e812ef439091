//! Conversations, messages, hand-offs and what entities tell each other, through the schema.

mod access;
mod between_entities;
mod handoff;
mod history;
mod messages;
mod races;
mod subscriptions;
mod threads;

use app::Viewer;
use chrono::TimeDelta;
use domain::{dna::EntityId, persona::PersonaDefinitionId};
use persistence::{dna::entities, engine::statement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use testkit::{Answer, World};
use uuid::Uuid;

use crate::device::{heard, lamp_itself, mutate, person};

/// What is asked of a message that was sent.
pub const SENT: &str = "message { id content role sentiment tokenCount externalId \
    conversation { id state messageCount } } conversationBegan duplicate";

/// Says something.
pub async fn say(world: &World, viewer: &Viewer, to: &Value, content: &str) -> Answer {
    send(world, viewer, to, json!({ "content": content })).await
}

/// Sends a message with more said of it.
pub async fn send(world: &World, viewer: &Viewer, to: &Value, input: Value) -> Answer {
    let mut input = input;
    input["to"] = to.clone();
    mutate(world, viewer, "messageSend", input, SENT).await
}

/// The thread with an entity on the web.
pub fn on_web(entity: EntityId) -> Value {
    json!({ "thread": { "entityId": entity, "platform": "WEB" } })
}

/// The thread with an entity on a device.
pub fn on_device(entity: EntityId, device: &str) -> Value {
    json!({ "thread": { "entityId": entity, "platform": "DEVICE", "deviceId": device } })
}

/// A conversation by its id.
pub fn by_id(id: &str) -> Value {
    json!({ "conversationId": id })
}

/// In which conversation a message was stored.
pub fn conversation_of(sent: &Answer) -> String {
    sent.text("/messageSend/message/conversation/id").to_owned()
}

/// The id of a message that was sent.
pub fn message_of(sent: &Answer) -> String {
    sent.text("/messageSend/message/id").to_owned()
}

/// Says hello on the web; gives the conversation.
pub async fn hello(world: &World, viewer: &Viewer, entity: EntityId) -> String {
    conversation_of(&say(world, viewer, &on_web(entity), "Hello, how are you?").await)
}

/// A mutation whose input is a conversation's id, by whatever name.
pub async fn change(world: &World, viewer: &Viewer, mutation: &str, input: Value) -> Answer {
    let selection =
        "conversation { id state version endedAt expiresAt title intimacy device { id } }";
    mutate(world, viewer, mutation, input, selection).await
}

/// What a conversation says of itself.
pub async fn read(world: &World, viewer: &Viewer, id: &str, fields: &str) -> Value {
    let query = format!("query($id: ID!) {{ conversation(id: $id) {{ {fields} }} }}");
    let answer = world.run(viewer, &query, json!({ "id": id })).await;
    answer.at("/conversation").clone()
}

/// How many log entries there are of each of these types, of a conversation.
pub async fn logged(world: &World, id: &str, event_type: &str) -> usize {
    let events = world.events().await;
    let of = events.iter().filter(|it| {
        it.event_type == event_type && it.conversation_id.is_some_and(|it| it.to_string() == id)
    });
    of.count()
}

/// Lets minutes pass.
pub fn minutes(world: &World, minutes: i64) {
    world.clock.advance(TimeDelta::minutes(minutes));
}

/// Lets seconds pass.
pub fn seconds(world: &World, seconds: i64) {
    world.clock.advance(TimeDelta::seconds(seconds));
}

/// Adds a persona definition with this priority and behaviour.
pub async fn definition(
    world: &World,
    slug: &str,
    priority: i32,
    behavior: Value,
) -> PersonaDefinitionId {
    let db = world.services.db.writer();
    let id: Uuid = world.cx(&Viewer::system()).id();
    let now = world.clock.now();
    let sql = "INSERT INTO persona_definitions (id, slug, name, priority, behavior_config, \
               created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        id.into(),
        slug.into(),
        slug.to_uppercase().into(),
        priority.into(),
        behavior.into(),
        now.into(),
        now.into(),
    ];
    db.execute_raw(statement(db.get_database_backend(), sql, values))
        .await
        .unwrap();
    PersonaDefinitionId(id)
}

/// The entity plays this definition in conversations that begin from now on.
pub async fn plays(world: &World, entity: EntityId, definition: PersonaDefinitionId) {
    entities::Entity::update_many()
        .col_expr(
            entities::Column::PersonaDefinitionId,
            Expr::value(definition),
        )
        .filter(entities::Column::Id.eq(entity))
        .exec(world.services.db.writer())
        .await
        .unwrap();
}

/// Two devices of a person, online, and a conversation with an entity on the first.
pub struct Household {
    /// Who lives there.
    pub ann: Viewer,
    /// Whom she talks to.
    pub frank: EntityId,
    /// Where the conversation is.
    pub kitchen: String,
    /// The device there, by its own token.
    pub kitchen_itself: Viewer,
    /// Where it can go.
    pub bedroom: String,
    /// The device there, by its own token.
    pub bedroom_itself: Viewer,
    /// The conversation.
    pub conversation: String,
}

impl Household {
    /// Makes one.
    pub async fn new(world: &World) -> Self {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let (kitchen, kitchen_itself) = lamp_itself(world, &ann, "Kitchen").await;
        let (bedroom, bedroom_itself) = lamp_itself(world, &ann, "Bedroom").await;
        for device in [&kitchen, &bedroom] {
            heard(world, device, world.clock.now(), "online").await;
        }
        let sent = say(
            world,
            &ann,
            &on_device(frank, &kitchen),
            "Good morning, Frank!",
        )
        .await;
        Self {
            conversation: conversation_of(&sent),
            ann,
            frank,
            kitchen,
            kitchen_itself,
            bedroom,
            bedroom_itself,
        }
    }

    /// Asks for a hand-off to the bedroom.
    pub async fn request(&self, world: &World) -> Answer {
        let input = json!({
            "conversationId": self.conversation, "toDeviceId": self.bedroom, "reason": "Bedtime",
        });
        let selection = "handoff { id state reason } conversation { id state device { id } }";
        mutate(
            world,
            &self.ann,
            "conversationHandoffRequest",
            input,
            selection,
        )
        .await
    }

    /// Accepts it, as this viewer.
    pub async fn accept(&self, world: &World, viewer: &Viewer) -> Answer {
        let input = json!({ "conversationId": self.conversation });
        let selection = "handoff { id state resolvedAt } conversation { id state contextSnapshot \
                         platform contextWindow { content } messages { totalCount } }";
        mutate(world, viewer, "conversationHandoffAccept", input, selection).await
    }
}
