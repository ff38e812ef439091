//! What entities tell each other, and the friendship that grows by it.

use domain::dna::{EntityRelationship, KinshipKind};
use insta::assert_snapshot;
use persistence::dna::entity_relationships;
use serde_json::json;
use testkit::{Answer, on_both_engines};

use super::*;
use crate::device::outcome;

/// Tells something.
pub async fn tell(world: &World, viewer: &Viewer, from: EntityId, to: EntityId) -> Answer {
    let input = json!({
        "fromEntityId": from, "toEntityId": to, "kind": "greeting", "content": "Good morning",
        "payload": { "temperature": 21 },
    });
    let selection = "entityMessage { id kind content payload status from { name } to { name } deliveredAt readAt }";
    mutate(world, viewer, "entityMessageSend", input, selection).await
}

/// How strong each friendship is.
async fn friendships(world: &World) -> Vec<f64> {
    let rows = entity_relationships::Entity::find()
        .filter(entity_relationships::Column::Kind.eq(KinshipKind::Friend))
        .all(world.services.db.reader())
        .await
        .unwrap();
    rows.iter().map(|it| it.strength).collect()
}

/// Ties two entities.
async fn tie(world: &World, from: EntityId, to: EntityId, kind: KinshipKind, strength: f64) {
    let cx = world.cx(&Viewer::system());
    let bond = EntityRelationship {
        id: cx.id(),
        from_entity_id: from,
        to_entity_id: to,
        kind,
        strength,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    entity_relationships::Entity::add(world.services.db.writer(), bond)
        .await
        .unwrap();
}

on_both_engines! {
    async fn it_is_told_and_read(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        let told = tell(&world, &ann, frank, luna).await;
        let mut it = told.at("/entityMessageSend/entityMessage").clone();
        let id = it["id"].take();
        assert_snapshot!(it, @r#"{"content":"Good morning","deliveredAt":null,"from":{"name":"Frank"},"id":null,"kind":"greeting","payload":{"temperature":21},"readAt":null,"status":"SENT","to":{"name":"Luna"}}"#);
        minutes(&world, 1);
        let read = async || {
            let input = json!({ "id": id });
            mutate(&world, &ann, "entityMessageRead", input, "entityMessage { status deliveredAt readAt }").await
        };
        let first = read().await;
        assert_snapshot!(first.at("/entityMessageRead/entityMessage"), @r#"{"deliveredAt":"2026-09-01T12:01:00+00:00","readAt":"2026-09-01T12:01:00+00:00","status":"READ"}"#);
        minutes(&world, 1);
        assert_eq!(read().await.data(), first.data());
        let query = "query($frank: ID!, $luna: ID!, $id: ID!) {
            frank: entity(id: $frank) { messagesSent { totalCount nodes { content } } messagesReceived { totalCount } }
            luna: entity(id: $luna) { messagesSent { totalCount } read: messagesReceived(status: READ) { totalCount } sent: messagesReceived(status: SENT) { totalCount } }
            node(id: $id) { id } }";
        let answer = world.run(&ann, query, json!({ "frank": frank, "luna": luna, "id": id })).await;
        assert_eq!(answer.at("/node/id"), &id);
        assert_eq!(answer.at("/frank"), &json!({ "messagesSent": { "totalCount": 1, "nodes": [{ "content": "Good morning" }] }, "messagesReceived": { "totalCount": 0 } }));
        assert_eq!(answer.at("/luna"), &json!({ "messagesSent": { "totalCount": 0 }, "read": { "totalCount": 1 }, "sent": { "totalCount": 0 } }));
    }

    async fn a_friendship_grows_up_to_one(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        tie(&world, luna, frank, KinshipKind::Friend, 0.95).await;
        for expected in [0.97, 0.99, 1.0, 1.0] {
            tell(&world, &ann, frank, luna).await.data();
            let strengths = friendships(&world).await;
            assert_eq!(strengths.len(), 1);
            assert!((strengths[0] - expected).abs() < 1e-9, "{strengths:?}");
        }
        // The first exchange begins one, unless they are rivals.
        let mia = world.entity(person(&ann), "Mia").await;
        tell(&world, &ann, mia, frank).await.data();
        tell(&world, &ann, frank, mia).await.data();
        let mut strengths = friendships(&world).await;
        strengths.sort_by(f64::total_cmp);
        assert_eq!(strengths.len(), 2);
        assert!((strengths[0] - 0.04).abs() < 1e-9, "{strengths:?}");
        tie(&world, mia, luna, KinshipKind::Rival, 0.5).await;
        tell(&world, &ann, mia, luna).await.data();
        assert_eq!(friendships(&world).await.len(), 2);
    }

    async fn only_kin_and_housemates_talk(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        let bert = world.entity(person(&ben), "Bert").await;
        let (device, itself) = lamp_itself(&world, &ann, "Kitchen").await;
        let cast = json!({ "entityId": frank, "target": { "deviceId": device } });
        mutate(&world, &ann, "entityCast", cast, "entity { id }").await.data();
        let mut told = String::new();
        for (name, viewer, from, to) in [
            ("a stranger's", &ann, frank, bert),
            ("for a stranger's", &ann, bert, frank),
            ("to itself", &ann, frank, frank),
            ("a device, for its entity", &itself, frank, luna),
            ("a device, for another", &itself, luna, frank),
            ("nobody", &Viewer::anonymous(), frank, luna),
        ] {
            told += &format!("{name}: {}\n", outcome(&tell(&world, viewer, from, to).await));
        }
        tie(&world, bert, frank, KinshipKind::Mentor, 0.5).await;
        told += &format!("a mentor elsewhere: {}\n", outcome(&tell(&world, &ann, frank, bert).await));
        assert_snapshot!(told, @"
        a stranger's: NOT_FOUND
        for a stranger's: NOT_FOUND
        to itself: INVALID
        a device, for its entity: ok
        a device, for another: NOT_FOUND
        nobody: UNAUTHENTICATED
        a mentor elsewhere: ok
        ");
        // Only who acts for the one that was told notes that it was read.
        let query = "query($id: ID!) { entity(id: $id) { messagesSent(first: 1) { nodes { id to { name } } } } }";
        let answer = world.run(&ann, query, json!({ "id": frank })).await;
        assert_eq!(answer.at("/entity/messagesSent/nodes/0/to"), &json!(null));
        let id = answer.text("/entity/messagesSent/nodes/0/id").to_owned();
        for (viewer, expected) in [(&ann, "NOT_FOUND"), (&ben, "ok")] {
            let read = mutate(&world, viewer, "entityMessageRead", json!({ "id": id }), "entityMessage { id }").await;
            assert_eq!(outcome(&read), expected);
        }
    }

    async fn what_cannot_be_told_is_refused(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        let input = json!({ "fromEntityId": frank, "toEntityId": luna, "kind": "Greeting!", "content": "a\u{0}", "payload": [] });
        let answer = mutate(&world, &ann, "entityMessageSend", input, "entityMessage { id }").await;
        assert_snapshot!(answer.user_errors(), @"
        INVALID kind: kind must be 1 to 50 characters of a–z and _
        INVALID content: content contains a NUL character: remove it
        INVALID payload: payload must be a JSON object
        ");
        let input = json!({ "fromEntityId": frank, "toEntityId": luna, "kind": "a", "content": "b", "idempotencyKey": "k" });
        let first = mutate(&world, &ann, "entityMessageSend", input.clone(), "entityMessage { id }").await;
        let again = mutate(&world, &ann, "entityMessageSend", input, "entityMessage { id }").await;
        assert_eq!(first.data(), again.data());
        let strengths = friendships(&world).await;
        assert!(strengths.len() == 1 && (strengths[0] - 0.02).abs() < 1e-9, "{strengths:?}");
    }
}
