//! Two at once: one thread, every message, one hand-off.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;
use testkit::on_both_engines;

use super::*;
use crate::device::outcome;

/// So many at once.
const CROWD: usize = 12;

on_both_engines! {
    async fn first_messages_make_one_thread(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let to = on_web(frank);
        for _ in 0..3 {
            let contents: Vec<String> = (0..CROWD).map(|n| format!("message {n}")).collect();
            let sent = join_all(contents.iter().map(|it| say(&world, &ann, &to, it))).await;
            let threads: BTreeSet<String> = sent.iter().map(conversation_of).collect();
            assert_eq!(threads.len(), 1);
            let began = sent.iter().filter(|it| it.at("/messageSend/conversationBegan") == true).count();
            assert_eq!(began, 1);
            let id = threads.first().unwrap();
            let it = read(&world, &ann, id, "messageCount messages { totalCount }").await;
            assert_eq!(it, json!({ "messageCount": CROWD, "messages": { "totalCount": CROWD } }));
            assert_eq!(logged(&world, id, "session_start").await, 1);
            // Next time each finds a thread that is over.
            minutes(&world, 61);
        }
        let query = "{ conversations(filter: { states: [ACTIVE] }) { totalCount } ended: conversations(filter: { states: [ENDED] }) { totalCount } }";
        let lists = world.run(&ann, query, json!({})).await;
        assert_eq!(lists.data(), &json!({ "conversations": { "totalCount": 1 }, "ended": { "totalCount": 2 } }));
    }

    async fn a_resend_at_once_is_stored_once(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let to = on_web(frank);
        for (round, key) in [("externalId", "e-1"), ("idempotencyKey", "k-1")].iter().enumerate() {
            let input = json!({ "content": format!("round {round}"), key.0: key.1 });
            let sent = join_all((0..CROWD).map(|_| send(&world, &ann, &to, input.clone()))).await;
            let messages: BTreeSet<String> = sent.iter().map(message_of).collect();
            assert_eq!(messages.len(), 1);
            let new = sent.iter().filter(|it| it.at("/messageSend/duplicate") == false).count();
            assert_eq!(new, 1, "{}", key.0);
            let it = read(&world, &ann, &conversation_of(&sent[0]), "messageCount messages { totalCount }").await;
            assert_eq!(it, json!({ "messageCount": round + 1, "messages": { "totalCount": round + 1 } }));
        }
        world.work().await;
    }

    async fn messages_at_once_are_all_stored(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        let to = by_id(&id);
        let contents: Vec<String> = (0..CROWD).map(|n| format!("message {n}")).collect();
        let sent = join_all(contents.iter().map(|it| say(&world, &ann, &to, it))).await;
        let mut ids: Vec<String> = sent.iter().map(message_of).collect();
        ids.sort();
        let it = read(&world, &ann, &id, "messageCount messages { nodes { id } }").await;
        assert_eq!(it["messageCount"], CROWD + 1);
        // At one moment, so in the order of their ids.
        let listed = it["messages"]["nodes"].as_array().unwrap();
        let mut listed: Vec<String> = listed.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        listed.remove(0);
        assert_eq!(listed, ids);
    }

    async fn one_of_two_accepts_wins(world: World) {
        let it = Household::new(&world).await;
        for _ in 0..3 {
            assert_eq!(outcome(&it.request(&world).await), "ok");
            let viewers = [&it.bedroom_itself, &it.ann, &it.bedroom_itself, &it.ann];
            let answers = join_all(viewers.map(|viewer| it.accept(&world, viewer))).await;
            let mut outcomes: Vec<String> = answers.iter().map(outcome).collect();
            outcomes.sort();
            assert_eq!(outcomes, ["CONFLICT", "CONFLICT", "CONFLICT", "ok"]);
            // And back again.
            let back = json!({ "conversationId": it.conversation, "toDeviceId": it.kitchen });
            let ask = async || mutate(&world, &it.ann, "conversationHandoffRequest", back.clone(), "handoff { id }").await;
            let mut outcomes: Vec<String> = join_all((0..4).map(|_| ask())).await.iter().map(outcome).collect();
            outcomes.sort();
            assert_eq!(outcomes, ["CONFLICT", "CONFLICT", "CONFLICT", "ok"]);
            it.accept(&world, &it.kitchen_itself).await.data();
        }
    }

    async fn devices_swap_their_conversations(world: World) {
        let it = Household::new(&world).await;
        let other = conversation_of(&say(&world, &it.ann, &on_device(it.frank, &it.bedroom), "Hi").await);
        it.request(&world).await.data();
        let back = json!({ "conversationId": other, "toDeviceId": it.kitchen });
        mutate(&world, &it.ann, "conversationHandoffRequest", back, "handoff { id }").await.data();
        let there = it.accept(&world, &it.bedroom_itself);
        let here = mutate(&world, &it.kitchen_itself, "conversationHandoffAccept", json!({ "conversationId": other }), "conversation { id }");
        let (there, here) = futures_util::join!(there, here);
        assert_eq!((outcome(&there), outcome(&here)), ("ok".to_owned(), "ok".to_owned()));
        for (id, name) in [(&it.conversation, "Bedroom"), (&other, "Kitchen")] {
            let found = read(&world, &it.ann, id, "state device { name }").await;
            assert_eq!(found["device"]["name"], name);
        }
    }

    async fn sweeps_at_once_end_each_once(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let mut ids = Vec::new();
        for n in 0..5 {
            let to = json!({ "thread": { "entityId": frank, "platform": "WEB", "channelId": n.to_string() } });
            ids.push(conversation_of(&say(&world, &ann, &to, "Hello").await));
        }
        minutes(&world, 24 * 60 + 1);
        let cx = world.cx(&Viewer::system());
        let swept = join_all((0..4).map(|_| app::conversation::end_expired(&cx))).await;
        assert_eq!(swept.into_iter().map(Result::unwrap).sum::<u64>(), 5);
        for id in &ids {
            assert_eq!(logged(&world, id, "session_end").await, 1);
        }
    }

    async fn a_message_and_an_end_at_once_agree(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        for _ in 0..5 {
            let id = hello(&world, &ann, frank).await;
            let to = by_id(&id);
            let (said, ended) = futures_util::join!(
                say(&world, &ann, &to, "One more thing"),
                change(&world, &ann, "conversationEnd", json!({ "id": id }))
            );
            assert_eq!(outcome(&ended), "ok");
            let expected = match outcome(&said).as_str() {
                "ok" => 2,
                "CONVERSATION_ENDED" => 1,
                other => panic!("{other}"),
            };
            let it = read(&world, &ann, &id, "messageCount state messages { totalCount }").await;
            assert_eq!(it, json!({ "messageCount": expected, "state": "ENDED", "messages": { "totalCount": expected } }));
        }
    }
}
