//! A conversation moves from device to device.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::*;
use crate::device::{lamp, outcome};

/// Where the conversation is and what of it is pending.
async fn standing(world: &World, it: &Household) -> Value {
    let fields =
        "state version device { name } pendingHandoff { state } handoffs { nodes { state } }";
    read(world, &it.ann, &it.conversation, fields).await
}

/// What goes on on each device.
async fn active(world: &World, it: &Household) -> [Value; 2] {
    let mut found = [Value::Null, Value::Null];
    for (device, found) in [&it.kitchen, &it.bedroom].into_iter().zip(&mut found) {
        let query = "query($id: ID!) { device(id: $id) { activeConversation { id } } }";
        let answer = world.run(&it.ann, query, json!({ "id": device })).await;
        *found = answer.at("/device/activeConversation").clone();
    }
    found
}

on_both_engines! {
    async fn it_moves_whole(world: World) {
        let it = Household::new(&world).await;
        let reply = json!({ "content": "Good morning, Ann.", "role": "ASSISTANT" });
        send(&world, &it.ann, &by_id(&it.conversation), reply).await.data();
        say(&world, &it.ann, &by_id(&it.conversation), "Shall we go upstairs?").await.data();
        let nap = conversation_of(&say(&world, &it.ann, &on_device(it.frank, &it.bedroom), "Good night").await);
        seconds(&world, 5);
        let asked = it.request(&world).await;
        assert_eq!(asked.text("/conversationHandoffRequest/conversation/state"), "HANDED_OFF");
        assert_eq!(asked.text("/conversationHandoffRequest/handoff/state"), "PENDING");
        // No word is lost on the way.
        say(&world, &it.ann, &by_id(&it.conversation), "Wait for me").await.data();
        seconds(&world, 30);
        let accepted = it.accept(&world, &it.bedroom_itself).await;
        let mut conversation = accepted.at("/conversationHandoffAccept/conversation").clone();
        assert_eq!(conversation["id"], json!(it.conversation));
        assert_eq!(conversation["contextSnapshot"]["messages"].as_array().unwrap().len(), 4);
        assert!(conversation["contextSnapshot"]["openMatters"]["unansweredMessage"].is_string());
        assert_eq!(conversation["contextSnapshot"]["mood"], Value::Null);
        conversation["contextSnapshot"] = Value::Null;
        conversation["id"] = Value::Null;
        assert_snapshot!(conversation, @r#"{"contextSnapshot":null,"contextWindow":[{"content":"Good morning, Frank!"},{"content":"Good morning, Ann."},{"content":"Shall we go upstairs?"},{"content":"Wait for me"}],"id":null,"messages":{"totalCount":4},"platform":"DEVICE","state":"ACTIVE"}"#);
        assert_snapshot!(standing(&world, &it).await, @r#"{"device":{"name":"Bedroom"},"handoffs":{"nodes":[{"state":"ACCEPTED"}]},"pendingHandoff":null,"state":"ACTIVE","version":3}"#);
        // What went on there is paused; the kitchen is free.
        assert_eq!(read(&world, &it.ann, &nap, "state").await["state"], "PAUSED");
        assert_eq!(active(&world, &it).await, [Value::Null, json!({ "id": it.conversation })]);
        // From now on it is found there, and not where it was.
        let there = say(&world, &it.ann, &on_device(it.frank, &it.bedroom), "Here I am").await;
        assert_eq!(conversation_of(&there), it.conversation);
        let here = say(&world, &it.ann, &on_device(it.frank, &it.kitchen), "Hello?").await;
        assert_ne!(conversation_of(&here), it.conversation);
        assert_eq!(outcome(&say(&world, &it.kitchen_itself, &by_id(&it.conversation), "x").await), "NOT_FOUND");
        // Both devices have it in their log, asked and accepted.
        let events = world.events().await;
        for device in [&it.kitchen, &it.bedroom] {
            let of: Vec<_> = events.iter()
                .filter(|event| event.event_type == "handoff" && event.device_id.is_some_and(|id| id.to_string() == *device))
                .map(|event| event.payload["step"].clone()).collect();
            assert_eq!(of, ["requested", "accepted"]);
        }
    }

    async fn the_mood_and_the_persona_go_along(world: World) {
        let it = Household::new(&world).await;
        let nurse = definition(&world, "nurse", 10, json!({})).await;
        plays(&world, it.frank, nurse).await;
        minutes(&world, 61);
        for device in [&it.kitchen, &it.bedroom] {
            heard(&world, device, world.clock.now(), "online").await;
        }
        let next = conversation_of(&say(&world, &it.ann, &on_device(it.frank, &it.kitchen), "Hello").await);
        let it = Household { conversation: next, ..it };
        world.work().await;
        it.request(&world).await.data();
        let accepted = it.accept(&world, &it.ann).await;
        let snapshot = accepted.at("/conversationHandoffAccept/conversation/contextSnapshot");
        assert_eq!(snapshot["mood"], json!({ "valence": 0.0, "arousal": 0.0 }));
        assert_eq!(snapshot["persona"]["name"], "NURSE");
    }

    async fn it_is_refused_with_nothing_changed(world: World) {
        let it = Household::new(&world).await;
        let other = world.person("Ben").await;
        let (theirs, _) = lamp_itself(&world, &other, "Theirs").await;
        heard(&world, &theirs, world.clock.now(), "online").await;
        let asleep = lamp(&world, &it.ann, "Asleep").await;
        let admin = world.admin().await;
        let before = standing(&world, &it).await;
        let mut told = String::new();
        let ask = async |viewer: &Viewer, conversation: &str, to: &str, version: Option<i32>| {
            let input = json!({ "conversationId": conversation, "toDeviceId": to, "version": version });
            mutate(&world, viewer, "conversationHandoffRequest", input, "handoff { id }").await
        };
        for (viewer, to, version) in [
            (&it.ann, &it.kitchen, None),
            (&it.ann, &asleep, None),
            (&it.ann, &theirs, None),
            (&admin, &theirs, None),
            (&it.kitchen_itself, &theirs, None),
            (&it.bedroom_itself, &it.bedroom, None),
            (&other, &theirs, None),
            (&it.ann, &it.bedroom, Some(7)),
        ] {
            told += &format!("{}\n", ask(viewer, &it.conversation, to, version).await.user_errors());
        }
        let long = json!({ "conversationId": it.conversation, "toDeviceId": it.bedroom, "reason": "x".repeat(501) });
        told += &format!("{}\n", mutate(&world, &it.ann, "conversationHandoffRequest", long, "handoff { id }").await.user_errors());
        assert_eq!(standing(&world, &it).await, before);
        // In a state that forbids it.
        let on_web = hello(&world, &it.ann, it.frank).await;
        change(&world, &it.ann, "conversationPause", json!({ "id": on_web })).await.data();
        told += &format!("{}\n", ask(&it.ann, &on_web, &it.bedroom, None).await.user_errors());
        change(&world, &it.ann, "conversationEnd", json!({ "id": on_web })).await.data();
        told += &format!("{}\n", ask(&it.ann, &on_web, &it.bedroom, None).await.user_errors());
        it.request(&world).await.data();
        told += &format!("{}\n", it.request(&world).await.user_errors());
        let paused = change(&world, &it.ann, "conversationPause", json!({ "id": it.conversation })).await;
        told += &paused.user_errors();
        assert_snapshot!(told, @"
        CONFLICT toDeviceId: this conversation is on that device already
        CONFLICT toDeviceId: that device is offline: wake it or choose another
        NOT_FOUND toDeviceId: toDeviceId names nothing that you can see
        CONFLICT toDeviceId: that device belongs to somebody else: choose one of the same owner
        NOT_FOUND toDeviceId: toDeviceId names nothing that you can see
        NOT_FOUND conversationId: conversationId names nothing that you can see
        NOT_FOUND conversationId: conversationId names nothing that you can see
        CONFLICT version: this conversation is at version 1: read it again
        TOO_LONG reason: reason has 501 characters: expected 1 to 500
        CONFLICT conversationId: this conversation is paused: resume it first
        CONVERSATION_ENDED conversationId: this conversation has ended: begin another
        CONFLICT conversationId: this conversation is being handed to another device: wait for its answer
        CONFLICT id: this conversation is being handed to another device: wait for its answer
        ");
    }

    async fn an_emergency_is_not_displaced(world: World) {
        let it = Household::new(&world).await;
        let emergency = definition(&world, "emergency", 100, json!({})).await;
        let luna = world.entity(person(&it.ann), "Luna").await;
        plays(&world, luna, emergency).await;
        let alarm = conversation_of(&say(&world, &it.ann, &on_device(luna, &it.bedroom), "Help!").await);
        let refused = it.request(&world).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT toDeviceId: that device holds an emergency: resolve it or choose another");
        assert_snapshot!(standing(&world, &it).await, @r#"{"device":{"name":"Kitchen"},"handoffs":{"nodes":[]},"pendingHandoff":null,"state":"ACTIVE","version":1}"#);
        change(&world, &it.ann, "conversationPause", json!({ "id": alarm })).await.data();
        it.request(&world).await.data();
        // It begins again before the answer.
        change(&world, &it.ann, "conversationResume", json!({ "id": alarm })).await.data();
        let refused = it.accept(&world, &it.bedroom_itself).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT conversationId: that device holds an emergency: resolve it or choose another");
        assert_eq!(read(&world, &it.ann, &alarm, "state").await["state"], "ACTIVE");
    }

    async fn thirty_seconds_are_in_time_thirty_one_are_not(world: World) {
        let it = Household::new(&world).await;
        it.request(&world).await.data();
        seconds(&world, 30);
        assert_eq!(standing(&world, &it).await["state"], "HANDED_OFF");
        seconds(&world, 1);
        let late = standing(&world, &it).await;
        assert_snapshot!(late, @r#"{"device":{"name":"Kitchen"},"handoffs":{"nodes":[{"state":"TIMED_OUT"}]},"pendingHandoff":null,"state":"ACTIVE","version":2}"#);
        let query = "{ conversations(filter: { states: [ACTIVE] }) { totalCount } }";
        assert_eq!(world.run(&it.ann, query, json!({})).await.at("/conversations/totalCount"), &json!(1));
        let refused = it.accept(&world, &it.bedroom_itself).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT conversationId: no hand-off of this conversation is pending: ask for another");
        // The sweep makes it a row, once.
        let cx = world.cx(&Viewer::system());
        // What was refused may still be letting go of the row, which a sweep then leaves alone.
        let mut swept = 0;
        for _ in 0..50 {
            swept += app::conversation::time_out_handoffs(&cx).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(swept, 1);
        assert_eq!(logged(&world, &it.conversation, "handoff").await, 4);
        assert_eq!(standing(&world, &it).await["state"], "ACTIVE");
        // Without a sweep, whoever asks next finds it back where it was.
        it.request(&world).await.data();
        seconds(&world, 31);
        assert_eq!(outcome(&it.request(&world).await), "ok");
        assert_eq!(outcome(&it.accept(&world, &it.bedroom_itself).await), "ok");
        let states = standing(&world, &it).await["handoffs"]["nodes"].clone();
        assert_eq!(states, json!([{ "state": "ACCEPTED" }, { "state": "TIMED_OUT" }, { "state": "TIMED_OUT" }]));
    }

    async fn it_comes_back_when_refused(world: World) {
        let it = Household::new(&world).await;
        it.request(&world).await.data();
        let input = json!({ "conversationId": it.conversation });
        let reject = async |viewer: &Viewer| mutate(&world, viewer, "conversationHandoffReject", input.clone(), "handoff { state } conversation { state device { name } }").await;
        let ben = world.person("Ben").await;
        for viewer in [&ben, &it.kitchen_itself] {
            assert_eq!(outcome(&it.accept(&world, viewer).await), "NOT_FOUND");
            assert_eq!(outcome(&reject(viewer).await), "NOT_FOUND");
        }
        let rejected = reject(&it.bedroom_itself).await;
        assert_eq!(rejected.text("/conversationHandoffReject/handoff/state"), "REJECTED");
        assert_snapshot!(standing(&world, &it).await, @r#"{"device":{"name":"Kitchen"},"handoffs":{"nodes":[{"state":"REJECTED"}]},"pendingHandoff":null,"state":"ACTIVE","version":3}"#);
        assert_eq!(outcome(&reject(&it.ann).await), "CONFLICT");
        assert_eq!(active(&world, &it).await, [json!({ "id": it.conversation }), Value::Null]);
    }

    async fn a_device_hands_on_what_it_holds(world: World) {
        let it = Household::new(&world).await;
        let input = json!({ "conversationId": it.conversation, "toDeviceId": it.bedroom, "idempotencyKey": "k" });
        let first = mutate(&world, &it.kitchen_itself, "conversationHandoffRequest", input.clone(), "handoff { id }").await;
        let again = mutate(&world, &it.kitchen_itself, "conversationHandoffRequest", input, "handoff { id }").await;
        assert_eq!(first.at("/conversationHandoffRequest/handoff"), again.at("/conversationHandoffRequest/handoff"));
        // The bedroom may see what is coming, but not write to it yet.
        let coming = read(&world, &it.bedroom_itself, &it.conversation, "state pendingHandoff { state }").await;
        assert_snapshot!(coming, @r#"{"pendingHandoff":{"state":"PENDING"},"state":"HANDED_OFF"}"#);
        assert_eq!(outcome(&say(&world, &it.bedroom_itself, &by_id(&it.conversation), "x").await), "NOT_FOUND");
        assert_eq!(outcome(&it.accept(&world, &it.bedroom_itself).await), "ok");
        assert_eq!(outcome(&say(&world, &it.bedroom_itself, &by_id(&it.conversation), "x").await), "ok");
        // Ended while it is on its way back, it stays ended.
        let back = json!({ "conversationId": it.conversation, "toDeviceId": it.kitchen });
        mutate(&world, &it.bedroom_itself, "conversationHandoffRequest", back, "handoff { id }").await.data();
        change(&world, &it.ann, "conversationEnd", json!({ "id": it.conversation })).await.data();
        assert_eq!(outcome(&it.accept(&world, &it.ann).await), "CONVERSATION_ENDED");
        assert_eq!(active(&world, &it).await, [Value::Null, Value::Null]);
    }

    async fn from_the_web_it_comes_home(world: World) {
        let it = Household::new(&world).await;
        let id = hello(&world, &it.ann, it.frank).await;
        let it = Household { conversation: id, ..it };
        it.request(&world).await.data();
        it.accept(&world, &it.bedroom_itself).await.data();
        let there = say(&world, &it.ann, &on_device(it.frank, &it.bedroom), "Here I am").await;
        assert_eq!(conversation_of(&there), it.conversation);
    }
}
