//! Lists of conversations and messages: pages both ways, filters, search.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::*;

/// The texts at `content` of a list.
fn contents(list: &Value) -> Vec<&str> {
    let nodes = list["nodes"].as_array().unwrap();
    nodes
        .iter()
        .map(|it| it["content"].as_str().unwrap())
        .collect()
}

on_both_engines! {
    async fn messages_come_in_pages_both_ways(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = conversation_of(&say(&world, &ann, &on_web(frank), "m0").await);
        for n in 1..7 {
            // Two at one moment are told apart by their ids.
            seconds(&world, n % 2);
            say(&world, &ann, &by_id(&id), &format!("m{n}")).await.data();
        }
        for (order, first, all) in [("CREATED_AT_ASC", "m0", ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]), ("CREATED_AT_DESC", "m6", ["m6", "m5", "m4", "m3", "m2", "m1", "m0"])] {
            let page = async |args: &str| {
                let fields = format!("messages(orderBy: {order}, {args}) {{ totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} nodes {{ content }} }}");
                read(&world, &ann, &id, &fields).await["messages"].clone()
            };
            let (mut forward, mut backward) = (Vec::new(), Vec::new());
            let mut it = page("first: 3").await;
            assert_eq!(contents(&it)[0], first);
            assert_eq!(it["totalCount"], 7);
            loop {
                forward.extend(contents(&it).into_iter().map(str::to_owned));
                if it["pageInfo"]["hasNextPage"] == false { break; }
                it = page(&format!("first: 3, after: {}", it["pageInfo"]["endCursor"])).await;
            }
            it = page("last: 3").await;
            loop {
                backward.splice(0..0, contents(&it).into_iter().map(str::to_owned));
                if it["pageInfo"]["hasPreviousPage"] == false { break; }
                it = page(&format!("last: 3, before: {}", it["pageInfo"]["startCursor"])).await;
            }
            assert_eq!(forward, all);
            assert_eq!(backward, all);
        }
        let query = "query($id: ID!) { conversation(id: $id) { messages(first: 1000000) { totalCount } } }";
        assert_snapshot!(world.run(&ann, query, json!({ "id": id })).await.error(), @"BAD_USER_INPUT: first is 1000000: expected 0 to 100");
        assert_snapshot!(world.run(&ann, "{ conversations(first: 1000000) { totalCount } }", json!({})).await.error(), @"BAD_USER_INPUT: first is 1000000: expected 0 to 100");
        assert_snapshot!(world.run(&ann, "{ messages(first: 1, after: \"e30\") { totalCount } }", json!({})).await.error(), @"BAD_USER_INPUT: after is not a cursor of this list");
    }

    async fn messages_are_found_by_role_time_and_words(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = conversation_of(&say(&world, &ann, &on_web(frank), "The kettle boiled over, Frank").await);
        minutes(&world, 10);
        send(&world, &ann, &by_id(&id), json!({ "content": "Boiling kettles are loud", "role": "ASSISTANT" })).await.data();
        minutes(&world, 10);
        say(&world, &ann, &by_id(&id), "Ça va, naïve \u{1F600} 100%").await.data();
        for (filter, found) in [
            ("roles: [USER]", 2),
            ("roles: [ASSISTANT, SYSTEM]", 1),
            ("roles: []", 0),
            ("from: \"2026-09-01T12:10:00Z\"", 2),
            ("from: \"2026-09-01T12:10:00Z\", to: \"2026-09-01T12:20:00Z\"", 1),
            ("search: \"kettle\"", 2),
            ("search: \"KETTLES boil\"", 2),
            ("search: \"kettle loud\"", 1),
            ("search: \"teapot\"", 0),
            ("search: \"naïve\"", 1),
        ] {
            let fields = format!("messages(filter: {{ {filter} }}) {{ totalCount }}");
            let it = read(&world, &ann, &id, &fields).await;
            assert_eq!(it["messages"]["totalCount"], found, "{filter}");
        }
        // The language of the index is nothing but words.
        for search in [
            "kettle OR loud", "\"kettle", "kettle*", "content:kettle", "user_key:a", "NEAR(kettle boiled)", "kettle NOT loud",
            "kettle AND", "(kettle", "-kettle", "^kettle", "'; DROP TABLE messages; --", "kettle & | !", ":*", "\"\"", "***", "{kettle}", "<->",
        ] {
            let query = "query($s: String) { messages(filter: { search: $s }) { totalCount } }";
            world.run(&ann, query, json!({ "s": search })).await.data();
        }
        let query = "query($s: String) { messages(filter: { search: $s }) { totalCount } }";
        assert_snapshot!(world.run(&ann, query, json!({ "s": "a\u{0}b" })).await.error(), @"BAD_USER_INPUT: search contains a NUL character: remove it");
        assert_snapshot!(world.run(&ann, query, json!({ "s": "x".repeat(201) })).await.error(), @"BAD_USER_INPUT: search has 201 characters: expected 1 to 200");
        // Words that were changed or removed are found no more.
        let all = read(&world, &ann, &id, "messages { nodes { id } }").await;
        let first = all["messages"]["nodes"][0]["id"].clone();
        mutate(&world, &ann, "messageEdit", json!({ "id": first, "content": "The teapot sang" }), "message { id }").await.data();
        for (search, found) in [("boiled", 1), ("teapot", 1)] {
            assert_eq!(world.run(&ann, query, json!({ "s": search })).await.at("/messages/totalCount"), &json!(found), "{search}");
        }
        mutate(&world, &ann, "messageDelete", json!({ "id": first }), "deletedMessageId").await.data();
        assert_eq!(world.run(&ann, query, json!({ "s": "teapot" })).await.at("/messages/totalCount"), &json!(0));
    }

    async fn conversations_are_listed_under_what_they_are_of(world: World) {
        let it = Household::new(&world).await;
        minutes(&world, 5);
        let web = hello(&world, &it.ann, it.frank).await;
        minutes(&world, 5);
        let luna = world.entity(person(&it.ann), "Luna").await;
        let with_luna = hello(&world, &it.ann, luna).await;
        change(&world, &it.ann, "conversationUpdate", json!({ "id": with_luna, "title": "Lamps and light" })).await.data();
        minutes(&world, 5);
        say(&world, &it.ann, &by_id(&web), "Back again").await.data();
        let ids = async |query: &str, pointer: &str| -> Vec<String> {
            let answer = world.run(&it.ann, query, json!({ "user": person(&it.ann), "entity": it.frank, "device": it.kitchen })).await;
            let nodes = answer.at(pointer).as_array().unwrap().clone();
            nodes.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
        };
        let device = it.conversation.clone();
        for (query, pointer, expected) in [
            ("query { conversations { nodes { id } } }", "/conversations/nodes", vec![&web, &with_luna, &device]),
            ("query { conversations(orderBy: STARTED_AT_DESC) { nodes { id } } }", "/conversations/nodes", vec![&with_luna, &web, &device]),
            ("query { conversations(orderBy: STARTED_AT_ASC, last: 1) { nodes { id } } }", "/conversations/nodes", vec![&with_luna]),
            ("query { viewer { user { conversations(orderBy: LAST_MESSAGE_AT_ASC) { nodes { id } } } } }", "/viewer/user/conversations/nodes", vec![&device, &with_luna, &web]),
            ("query($user: ID!) { user(id: $user) { conversations(filter: { platforms: [WEB] }) { nodes { id } } } }", "/user/conversations/nodes", vec![&web, &with_luna]),
            ("query($entity: ID!) { entity(id: $entity) { conversations { nodes { id } } } }", "/entity/conversations/nodes", vec![&web, &device]),
            ("query($device: ID!) { device(id: $device) { conversations { nodes { id } } } }", "/device/conversations/nodes", vec![&device]),
            ("query($entity: ID!, $device: ID!) { conversations(filter: { entity: $entity, device: $device }) { nodes { id } } }", "/conversations/nodes", vec![&device]),
            ("query { conversations(filter: { search: \"LAMPS\" }) { nodes { id } } }", "/conversations/nodes", vec![&with_luna]),
            ("query { conversations(filter: { from: \"2026-09-01T12:05:00Z\", to: \"2026-09-01T12:10:00Z\" }) { nodes { id } } }", "/conversations/nodes", vec![&web]),
            ("query { conversations(filter: { intimacies: [LOW] }) { nodes { id } } }", "/conversations/nodes", vec![]),
            ("query { conversations(filter: { states: [] }) { nodes { id } } }", "/conversations/nodes", vec![]),
        ] {
            assert_eq!(ids(query, pointer).await, expected.into_iter().cloned().collect::<Vec<_>>(), "{query}");
        }
        // Pages of each parent, and nodes by their ids.
        let query = "query($id: ID!) { node(id: $id) { id ... on Conversation { messages(last: 1) { nodes { content } } } } }";
        let answer = world.run(&it.ann, query, json!({ "id": web })).await;
        assert_eq!(answer.text("/node/messages/nodes/0/content"), "Back again");
        let faults = world.run(&it.ann, "{ conversations(filter: { search: \"a\\u0000\", channelId: \"\\u0000\" }) { totalCount } }", json!({})).await;
        assert!(faults.error().starts_with("BAD_USER_INPUT"), "{}", faults.error());
    }
}
