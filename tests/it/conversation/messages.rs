//! What is said: checked, scored, stored once, changed, removed.

use domain::identity::{Role, Scope};
use insta::assert_snapshot;
use persistence::{identity::users, relationship::entity_states};
use serde_json::json;
use testkit::{Engine, database::postgres_url, on_both_engines};

use super::*;
use crate::device::outcome;

on_both_engines! {
    async fn a_message_is_stored_with_what_it_says(world: World) {
        let Household { ann, kitchen, conversation, .. } = Household::new(&world).await;
        let input = json!({
            "content": "  I love this coffee, it is wonderful!  ", "externalId": "m-1",
            "imageUrls": ["https://example.org/cup.png"], "audioUrl": "https://example.org/a.ogg",
            "durationMs": 1200, "deviceState": { "led": "blue" }, "responseLatencyMs": 30,
        });
        let sent = send(&world, &ann, &by_id(&conversation), input).await;
        let query = "query($id: ID!) { message(id: $id) { content role externalId imageUrls hasImages audioUrl durationMs \
            deviceState responseLatencyMs sentiment tokenCount editedAt device { id } user { name } entity { name } conversation { id } } }";
        let answer = world.run(&ann, query, json!({ "id": message_of(&sent) })).await;
        let mut it = answer.at("/message").clone();
        assert_eq!(it["device"]["id"], json!(kitchen));
        assert_eq!(it["conversation"]["id"], json!(conversation));
        it["device"] = json!(null);
        it["conversation"] = json!(null);
        assert_snapshot!(it, @r#"{"audioUrl":"https://example.org/a.ogg","content":"I love this coffee, it is wonderful!","conversation":null,"device":null,"deviceState":{"led":"blue"},"durationMs":1200,"editedAt":null,"entity":{"name":"Frank"},"externalId":"m-1","hasImages":true,"imageUrls":["https://example.org/cup.png"],"responseLatencyMs":30,"role":"USER","sentiment":0.8478,"tokenCount":9,"user":{"name":"Ann"}}"#);
    }

    async fn a_message_that_cannot_be_is_refused(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        let mut told = String::new();
        for input in [
            json!({ "content": "" }),
            json!({ "content": "a\u{0}b" }),
            json!({ "content": "x".repeat(32_001) }),
            json!({ "content": "x", "imageUrls": ["file:///etc/passwd"], "audioUrl": "javascript:alert(1)" }),
            json!({ "content": "x", "imageUrls": vec!["https://example.org/"; 11] }),
            json!({ "content": "x", "externalId": "e".repeat(201), "durationMs": -1, "responseLatencyMs": 86_400_001 }),
            json!({ "content": "x", "deviceState": [1] }),
            json!({ "content": "x", "deviceState": { "a": "\u{0}" } }),
        ] {
            told += &format!("{}\n", send(&world, &ann, &by_id(&id), input).await.user_errors());
        }
        assert_snapshot!(told, @"
        REQUIRED content: content must not be blank: give 1 to 32000 characters
        INVALID content: content contains a NUL character: remove it
        TOO_LONG content: content has 32001 characters: expected 1 to 32000
        INVALID imageUrls: imageUrls must be an http or https address without a password
        INVALID audioUrl: audioUrl must be an http or https address without a password
        TOO_LONG imageUrls: imageUrls has 11 addresses: expected at most 10
        TOO_LONG externalId: externalId has 201 characters: expected 1 to 200
        OUT_OF_RANGE durationMs: durationMs is -1: expected 0 to 86400000
        OUT_OF_RANGE responseLatencyMs: responseLatencyMs is 86400001: expected 0 to 86400000
        INVALID deviceState: deviceState must be a JSON object
        INVALID deviceState: deviceState contains a NUL character or is nested deeper than 32
        ");
        assert_eq!(read(&world, &ann, &id, "messageCount").await["messageCount"], 1);
        let long = say(&world, &ann, &by_id(&id), &"é".repeat(32_000)).await;
        assert_eq!(long.at("/messageSend/message/tokenCount"), &json!(8_000));
    }

    async fn a_resend_is_harmless(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let input = json!({ "content": "Hello", "externalId": "discord-77" });
        let first = send(&world, &ann, &on_web(frank), input.clone()).await;
        let id = conversation_of(&first);
        minutes(&world, 30);
        for to in [on_web(frank), by_id(&id)] {
            let again = send(&world, &ann, &to, input.clone()).await;
            assert_eq!(message_of(&again), message_of(&first));
            assert_eq!(again.at("/messageSend/duplicate"), &json!(true));
        }
        // Also when the thread is over: no new one begins for an old message.
        minutes(&world, 120);
        let again = send(&world, &ann, &on_web(frank), input.clone()).await;
        assert_eq!(message_of(&again), message_of(&first));
        assert_eq!(read(&world, &ann, &id, "messageCount lastMessageAt").await, json!({ "messageCount": 1, "lastMessageAt": "2026-09-01T12:00:00+00:00" }));
        // Elsewhere the same id is another message.
        let to = json!({ "thread": { "entityId": frank, "platform": "CLI" } });
        assert_eq!(send(&world, &ann, &to, input).await.at("/messageSend/duplicate"), &json!(false));
    }

    async fn a_key_makes_it_one_message(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let input = json!({ "content": "Hello", "idempotencyKey": "k-1" });
        let first = send(&world, &ann, &on_web(frank), input.clone()).await;
        let again = send(&world, &ann, &on_web(frank), input).await;
        assert_eq!(message_of(&first), message_of(&again));
        let other = json!({ "content": "Something else", "idempotencyKey": "k-1" });
        let refused = send(&world, &ann, &on_web(frank), other).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT idempotencyKey: this key was used for another request: take a new one");
        assert_eq!(read(&world, &ann, &conversation_of(&first), "messageCount").await["messageCount"], 1);
    }

    async fn who_may_speak_for_whom(world: World) {
        let household = Household::new(&world).await;
        let bob = world.person("Bob").await;
        let service = world.service().await;
        let mut acting = service.clone();
        acting.acts_for = Some(person(&bob));
        // Bob talks to Ann's entity, by way of an adapter.
        let to = json!({ "thread": { "entityId": household.frank, "platform": "DISCORD", "channelId": "1" } });
        let id = conversation_of(&say(&world, &acting, &to, "Hi").await);
        let mut table = String::new();
        for (name, viewer, to) in [
            ("the person, to somebody else's entity", &bob, by_id(&id)),
            ("the adapter for him", &acting, by_id(&id)),
            ("the adapter for nobody", &service, by_id(&id)),
            ("the entity's owner, in his conversation", &household.ann, by_id(&id)),
            ("the entity's owner, in her own", &household.ann, by_id(&household.conversation)),
            ("the device", &household.kitchen_itself, by_id(&household.conversation)),
            ("another device", &household.bedroom_itself, by_id(&household.conversation)),
            ("an administrator", &world.admin().await, by_id(&id)),
        ] {
            table += name;
            for role in ["USER", "ASSISTANT", "SYSTEM"] {
                let answer = send(&world, viewer, &to, json!({ "content": "x", "role": role })).await;
                table += &format!(" {}", outcome(&answer));
            }
            table += "\n";
        }
        assert_snapshot!(table, @"
        the person, to somebody else's entity ok FORBIDDEN FORBIDDEN
        the adapter for him ok ok ok
        the adapter for nobody FORBIDDEN FORBIDDEN FORBIDDEN
        the entity's owner, in his conversation NOT_FOUND NOT_FOUND NOT_FOUND
        the entity's owner, in her own ok ok ok
        the device ok ok FORBIDDEN
        another device NOT_FOUND NOT_FOUND NOT_FOUND
        an administrator ok ok ok
        ");
        // What is done in somebody's place is in the log.
        let events = world.events().await;
        let noted = events.iter().filter(|it| it.payload["operation"] == "messageSend").count();
        assert_eq!(noted, 1 + 3 + 3);
    }

    async fn words_are_changed_and_removed(world: World) {
        let ann = world.person("Ann").await;
        let bob = world.person("Bob").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        minutes(&world, 1);
        let second = message_of(&say(&world, &ann, &by_id(&id), "I hate mornings, secretly").await);
        minutes(&world, 1);
        let edit = |content: &str| json!({ "id": second, "content": content });
        let selection = "message { content sentiment tokenCount editedAt }";
        let answer = mutate(&world, &ann, "messageEdit", edit("I love mornings"), selection).await;
        assert_snapshot!(answer.at("/messageEdit/message"), @r#"{"content":"I love mornings","editedAt":"2026-09-01T12:02:00+00:00","sentiment":0.6369,"tokenCount":4}"#);
        for content in ["", "a\u{0}", &"x".repeat(32_001)] {
            assert_ne!(outcome(&mutate(&world, &ann, "messageEdit", edit(content), selection).await), "ok");
        }
        for (mutation, input) in [("messageEdit", edit("mine")), ("messageDelete", json!({ "id": second }))] {
            let answer = mutate(&world, &bob, mutation, input, "__typename").await;
            assert_eq!(answer.user_errors(), "NOT_FOUND id: id names nothing that you can see");
        }
        // Also in a conversation that is over.
        change(&world, &ann, "conversationEnd", json!({ "id": id })).await.data();
        let answer = mutate(&world, &ann, "messageDelete", json!({ "id": second }), "deletedMessageId").await;
        assert_eq!(answer.text("/messageDelete/deletedMessageId"), second);
        let it = read(&world, &ann, &id, "messageCount lastMessageAt messages { totalCount }").await;
        assert_snapshot!(it, @r#"{"lastMessageAt":"2026-09-01T12:00:00+00:00","messageCount":1,"messages":{"totalCount":1}}"#);
        assert_eq!(outcome(&mutate(&world, &ann, "messageDelete", json!({ "id": second }), "deletedMessageId").await), "NOT_FOUND");
        // Audited, without the words.
        let events = world.events().await;
        for operation in ["messageEdit", "messageDelete"] {
            let of: Vec<_> = events.iter().filter(|it| it.payload["operation"] == operation).collect();
            assert_eq!(of.len(), 1, "{operation}");
            assert_eq!(of[0].user_id, Some(person(&ann)));
        }
        assert!(events.iter().all(|it| !it.payload.0.to_string().contains("mornings")));
    }

    async fn only_who_may_say_it_changes_what_the_entity_said(world: World) {
        let ann = world.person("Ann").await;
        let bob = world.person("Bob").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let mut acting = world.service().await;
        acting.acts_for = Some(person(&bob));
        let id = hello(&world, &acting, frank).await;
        let reply = send(&world, &acting, &by_id(&id), json!({ "content": "Hi Bob", "role": "ASSISTANT" })).await;
        let input = json!({ "id": message_of(&reply) });
        assert_eq!(outcome(&mutate(&world, &bob, "messageDelete", input.clone(), "deletedMessageId").await), "FORBIDDEN");
        assert_eq!(outcome(&mutate(&world, &acting, "messageDelete", input, "deletedMessageId").await), "ok");
    }

    async fn what_follows_from_a_message_is_counted_once(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        minutes(&world, 1);
        for content in ["Good morning", "Coffee?"] {
            send(&world, &ann, &by_id(&id), json!({ "content": content, "role": "ASSISTANT" })).await.data();
        }
        assert_eq!(world.work().await, 3);
        assert_eq!(world.work().await, 0);
        let db = world.services.db.reader();
        let states = entity_states::Entity::find().all(db).await.unwrap();
        assert_eq!(states.len(), 1);
        assert_eq!(states[0].total_messages_sent, 2);
        assert_eq!(states[0].first_activated_at.to_rfc3339(), "2026-09-01T12:00:00+00:00");
        let user = users::Entity::find_by_id(person(&ann)).one(db).await.unwrap().unwrap();
        assert_eq!(user.last_seen_at.unwrap().to_rfc3339(), "2026-09-01T12:00:00+00:00");
        assert_eq!(user.first_seen_at, user.last_seen_at);
        // A message that is gone before its turn is no failure.
        let gone = message_of(&say(&world, &ann, &by_id(&id), "Never mind").await);
        mutate(&world, &ann, "messageDelete", json!({ "id": gone }), "deletedMessageId").await.data();
        assert_eq!(world.work().await, 1);
        // Each community has its own count.
        let service = world.service().await;
        let guild = mutate(&world, &service, "guildUpsert", json!({ "provider": "discord", "externalId": "1", "name": "G" }), "guild { id }").await;
        let mut acting = service;
        acting.acts_for = Some(person(&ann));
        let to = json!({ "thread": { "entityId": frank, "platform": "DISCORD", "guildId": guild.text("/guildUpsert/guild/id"), "channelId": "c" } });
        for _ in 0..2 {
            send(&world, &acting, &to, json!({ "content": "Hi all", "role": "ASSISTANT" })).await.data();
        }
        world.work().await;
        let states = entity_states::Entity::find().all(db).await.unwrap();
        let mut counts: Vec<_> = states.iter().map(|it| (it.guild_id.is_some(), it.total_messages_sent)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [(false, 2), (true, 2)]);
    }

    async fn the_window_is_the_last_twenty(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        for n in 1..=24 {
            seconds(&world, 1);
            say(&world, &ann, &by_id(&id), &format!("message {n}")).await.data();
        }
        let window = async || -> Vec<String> {
            let it = read(&world, &ann, &id, "contextWindow { content }").await;
            let list = it["contextWindow"].as_array().unwrap().clone();
            list.iter().map(|it| it["content"].as_str().unwrap().to_owned()).collect()
        };
        let all = window().await;
        assert_eq!((all.len(), all[0].as_str(), all[19].as_str()), (20, "message 5", "message 24"));
        // At most as many tokens as the entity is given, whole messages only, the newest ones.
        let tokens = |n: i32| {
            entities::Entity::update_many()
                .col_expr(entities::Column::PersonalityTokens, Expr::value(n))
                .filter(entities::Column::Id.eq(frank))
        };
        seconds(&world, 1);
        say(&world, &ann, &by_id(&id), &"long ".repeat(40)).await.data();
        tokens(53).exec(world.services.db.writer()).await.unwrap();
        assert_eq!(window().await.len(), 2);
        tokens(52).exec(world.services.db.writer()).await.unwrap();
        assert_eq!(window().await.len(), 1);
        tokens(49).exec(world.services.db.writer()).await.unwrap();
        assert_eq!(window().await.len(), 0);
        tokens(2_000).exec(world.services.db.writer()).await.unwrap();
        // A reset leaves the past out; the history keeps it.
        change(&world, &ann, "conversationResetContext", json!({ "id": id })).await.data();
        assert_eq!(window().await, Vec::<String>::new());
        seconds(&world, 1);
        say(&world, &ann, &by_id(&id), "a new beginning").await.data();
        assert_eq!(window().await, ["a new beginning"]);
        assert_eq!(read(&world, &ann, &id, "messages { totalCount }").await["messages"]["totalCount"], 27);
    }

    async fn a_fenced_key_talks_to_its_entities_alone(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        let principal = app::Principal::User { id: person(&ann), role: Role::User };
        let key = world.viewer(principal, &[Scope::Read, Scope::Write, Scope::Entity(frank)]);
        let with_frank = hello(&world, &key, frank).await;
        let with_luna = hello(&world, &ann, luna).await;
        assert_eq!(outcome(&say(&world, &key, &on_web(luna), "Hello").await), "NOT_FOUND");
        assert_eq!(outcome(&say(&world, &key, &by_id(&with_luna), "Hello").await), "NOT_FOUND");
        assert_eq!(outcome(&say(&world, &key, &by_id(&with_frank), "Hello").await), "ok");
        let listed = world.run(&key, "{ conversations { nodes { id } } messages { totalCount } }", json!({})).await;
        assert_eq!(listed.at("/conversations/nodes"), &json!([{ "id": with_frank }]));
        assert_eq!(listed.at("/messages/totalCount"), &json!(2));
    }
}

/// What it takes to say one more thing in a thread that goes on.
async fn few_statements(engine: Engine) {
    let (world, statements) = World::watched(engine).await;
    let ann = world.person("Ann").await;
    let frank = world.entity(person(&ann), "Frank").await;
    let id = hello(&world, &ann, frank).await;
    let (device, _) = lamp_itself(&world, &ann, "Kitchen").await;
    say(&world, &ann, &on_device(frank, &device), "Hello")
        .await
        .data();
    for to in [by_id(&id), on_web(frank), on_device(frank, &device)] {
        statements.take();
        let query = "mutation($input: MessageSendInput!) { messageSend(input: $input) { message { id } userErrors { code } } }";
        let input = json!({ "to": to, "content": "One more" });
        world
            .run(&ann, query, json!({ "input": input }))
            .await
            .data();
        // The conversation; then its count, the message and the task.
        let sent = statements.take();
        assert_eq!(sent.len(), 4, "{}", sent.join("\n"));
    }
}

#[tokio::test]
async fn few_statements_sqlite() {
    few_statements(Engine::Sqlite).await;
}

#[tokio::test]
async fn few_statements_postgres() {
    if postgres_url().is_some() {
        few_statements(Engine::Postgres).await;
    }
}
