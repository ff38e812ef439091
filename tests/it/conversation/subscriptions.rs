//! What subscribers hear, and what they do not.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use insta::assert_snapshot;
use persistence::device::devices;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::*;

type Heard = std::pin::Pin<Box<dyn Stream<Item = Value> + Send>>;

/// Follows something from now on.
async fn follow(world: &World, viewer: &Viewer, field: &str) -> Heard {
    let query = format!("subscription {{ {field} }}");
    let request = graphql::prepare(async_graphql::Request::new(query), world.cx(viewer));
    let stream = world.schema().execute_stream(request);
    let stream = stream.map(|it| serde_json::to_value(it).unwrap());
    let mut stream = Box::pin(stream.peekable());
    // The feed is joined when the stream is first asked.
    let _ = tokio::time::timeout(Duration::from_millis(300), stream.as_mut().peek()).await;
    stream
}

/// What is heard next.
async fn next(heard: &mut Heard) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(10), heard.next()).await;
    next.unwrap_or_else(|_| panic!("nothing was heard"))
        .unwrap()
}

/// Nothing more is heard.
async fn silent(heard: &mut Heard) {
    let next = tokio::time::timeout(Duration::from_millis(200), heard.next()).await;
    assert!(next.is_err(), "unexpected: {next:?}");
}

on_both_engines! {
    async fn messages_are_heard_by_those_who_may(world: World) {
        let it = Household::new(&world).await;
        let ben = world.person("Ben").await;
        let id = &it.conversation;
        let fields = "{ content conversation { messageCount } }";
        let mut of_conversation = follow(&world, &it.ann, &format!("messageAdded(conversationId: \"{id}\") {fields}")).await;
        let mut of_entity = follow(&world, &it.ann, &format!("messageAdded(entityId: \"{}\") {fields}", it.frank)).await;
        let mut of_device = follow(&world, &it.kitchen_itself, &format!("messageAdded(deviceId: \"{}\") {fields}", it.kitchen)).await;
        let mut of_other = follow(&world, &it.ann, &format!("messageAdded(deviceId: \"{}\") {fields}", it.bedroom)).await;
        let mut of_ben = follow(&world, &ben, &format!("messageAdded(userId: \"{}\") {fields}", person(&ben))).await;
        for n in 2..4 {
            say(&world, &it.ann, &by_id(id), &format!("message {n}")).await.data();
            for heard in [&mut of_conversation, &mut of_entity, &mut of_device] {
                // What is told along is read anew each time.
                let expected = json!({ "content": format!("message {n}"), "conversation": { "messageCount": n } });
                assert_eq!(next(heard).await["data"]["messageAdded"], expected);
            }
        }
        silent(&mut of_other).await;
        silent(&mut of_ben).await;
        for (viewer, field, error) in [
            (&ben, format!("conversationId: \"{id}\""), "NOT_FOUND"),
            (&ben, format!("userId: \"{}\"", person(&it.ann)), "NOT_FOUND"),
            (&ben, format!("entityId: \"{}\"", it.frank), "NOT_FOUND"),
            (&ben, format!("deviceId: \"{}\"", it.kitchen), "NOT_FOUND"),
            (&it.bedroom_itself, format!("deviceId: \"{}\"", it.kitchen), "NOT_FOUND"),
            (&it.bedroom_itself, format!("conversationId: \"{id}\""), "NOT_FOUND"),
            (&it.ann, "conversationId: null".to_owned(), "BAD_USER_INPUT"),
            (&Viewer::anonymous(), format!("conversationId: \"{id}\""), "UNAUTHENTICATED"),
        ] {
            for subscription in ["messageAdded", "conversationChanged"] {
                let selection = if subscription == "messageAdded" { "content" } else { "event" };
                let mut heard = follow(&world, viewer, &format!("{subscription}({field}) {{ {selection} }}")).await;
                let refused = next(&mut heard).await;
                assert_eq!(refused["errors"][0]["extensions"]["code"], error, "{field}: {refused}");
            }
        }
    }

    async fn a_scope_that_is_lost_is_lost_at_once(world: World) {
        let it = Household::new(&world).await;
        let ben = world.person("Ben").await;
        let mut acting = world.service().await;
        acting.acts_for = Some(person(&ben));
        let to = json!({ "thread": { "entityId": it.frank, "platform": "API" } });
        let mut of_entity = follow(&world, &it.ann, &format!("messageAdded(entityId: \"{}\") {{ content }}", it.frank)).await;
        say(&world, &acting, &to, "heard").await.data();
        assert_eq!(next(&mut of_entity).await["data"]["messageAdded"]["content"], "heard");
        // The entity goes to somebody else.
        entities::Entity::update_many()
            .col_expr(entities::Column::OwnerId, Expr::value(person(&ben)))
            .filter(entities::Column::Id.eq(it.frank))
            .exec(world.services.db.writer()).await.unwrap();
        say(&world, &acting, &to, "not heard").await.data();
        silent(&mut of_entity).await;
    }

    async fn both_devices_hear_of_a_hand_off(world: World) {
        let it = Household::new(&world).await;
        let fields = "{ event conversation { state device { name } } }";
        let mut from = follow(&world, &it.kitchen_itself, &format!("conversationChanged(deviceId: \"{}\") {fields}", it.kitchen)).await;
        let mut to = follow(&world, &it.bedroom_itself, &format!("conversationChanged(deviceId: \"{}\") {fields}", it.bedroom)).await;
        let mut owner = follow(&world, &it.ann, &format!("conversationChanged(conversationId: \"{}\") {fields}", it.conversation)).await;
        it.request(&world).await.data();
        let mut told = String::new();
        for heard in [&mut from, &mut to, &mut owner] {
            told += &format!("{}\n", next(heard).await["data"]["conversationChanged"]);
        }
        it.accept(&world, &it.bedroom_itself).await.data();
        for heard in [&mut from, &mut to, &mut owner] {
            told += &format!("{}\n", next(heard).await["data"]["conversationChanged"]);
        }
        assert_snapshot!(told, @r#"
        {"conversation":{"device":{"name":"Kitchen"},"state":"HANDED_OFF"},"event":"HANDOFF_REQUESTED"}
        {"conversation":{"device":null,"state":"HANDED_OFF"},"event":"HANDOFF_REQUESTED"}
        {"conversation":{"device":{"name":"Kitchen"},"state":"HANDED_OFF"},"event":"HANDOFF_REQUESTED"}
        {"conversation":null,"event":"HANDOFF_ACCEPTED"}
        {"conversation":{"device":{"name":"Bedroom"},"state":"ACTIVE"},"event":"HANDOFF_ACCEPTED"}
        {"conversation":{"device":{"name":"Bedroom"},"state":"ACTIVE"},"event":"HANDOFF_ACCEPTED"}
        "#);
        // What goes on in the bedroom is the kitchen's business no more.
        change(&world, &it.ann, "conversationPause", json!({ "id": it.conversation })).await.data();
        assert_eq!(next(&mut to).await["data"]["conversationChanged"]["event"], "PAUSED");
        silent(&mut from).await;
    }

    async fn every_change_is_told(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let mut heard = follow(&world, &ann, &format!("conversationChanged(userId: \"{}\") {{ event conversation {{ state }} }}", person(&ann))).await;
        let id = hello(&world, &ann, frank).await;
        for mutation in ["conversationUpdate", "conversationResetContext", "conversationPause", "conversationResume"] {
            change(&world, &ann, mutation, json!({ "id": id })).await.data();
        }
        minutes(&world, 24 * 60 + 1);
        app::conversation::end_expired(&world.cx(&Viewer::system())).await.unwrap();
        let mut told = Vec::new();
        for _ in 0..6 {
            told.push(next(&mut heard).await["data"]["conversationChanged"]["event"].as_str().unwrap().to_owned());
        }
        assert_eq!(told, ["STARTED", "UPDATED", "UPDATED", "PAUSED", "RESUMED", "ENDED"]);
        silent(&mut heard).await;
    }

    async fn what_is_told_an_entity_is_delivered(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        super::between_entities::tell(&world, &ann, frank, luna).await.data();
        minutes(&world, 1);
        let field = format!("entityMessageReceived(entityId: \"{luna}\") {{ status deliveredAt from {{ name }} }}");
        let mut refused = follow(&world, &ben, &field).await;
        assert_eq!(next(&mut refused).await["errors"][0]["extensions"]["code"], "NOT_FOUND");
        // What waited comes first.
        let mut heard = follow(&world, &ann, &field).await;
        let expected = json!({ "status": "DELIVERED", "deliveredAt": "2026-09-01T12:01:00+00:00", "from": { "name": "Frank" } });
        assert_eq!(next(&mut heard).await["data"]["entityMessageReceived"], expected);
        super::between_entities::tell(&world, &ann, luna, frank).await.data();
        super::between_entities::tell(&world, &ann, frank, luna).await.data();
        assert_eq!(next(&mut heard).await["data"]["entityMessageReceived"], expected);
        silent(&mut heard).await;
        let mut later = follow(&world, &ann, &field).await;
        silent(&mut later).await;
    }

    async fn a_device_that_is_gone_is_no_trouble(world: World) {
        let it = Household::new(&world).await;
        it.request(&world).await.data();
        devices::Entity::delete_many()
            .filter(devices::Column::Id.eq(it.bedroom.parse::<domain::device::DeviceId>().unwrap()))
            .exec(world.services.db.writer()).await.unwrap();
        let refused = it.accept(&world, &it.ann).await;
        assert_eq!(crate::device::outcome(&refused), "NOT_FOUND");
        seconds(&world, 31);
        app::conversation::time_out_handoffs(&world.cx(&Viewer::system())).await.unwrap();
        assert_eq!(read(&world, &it.ann, &it.conversation, "state").await["state"], "ACTIVE");
    }
}
