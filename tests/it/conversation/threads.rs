//! Which thread a message belongs to, and what becomes of threads.

use domain::identity::Role;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::*;
use crate::device::{lamp, outcome};

on_both_engines! {
    async fn a_thread_goes_on_for_an_hour(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let first = say(&world, &ann, &on_web(frank), "Hello").await;
        assert_eq!(first.at("/messageSend/conversationBegan"), &json!(true));
        let id = conversation_of(&first);
        minutes(&world, 59);
        let second = say(&world, &ann, &on_web(frank), "Still there?").await;
        assert_eq!(conversation_of(&second), id);
        assert_eq!(second.at("/messageSend/conversationBegan"), &json!(false));
        // To the very minute it goes on; 61 minutes begin anew.
        minutes(&world, 60);
        assert_eq!(conversation_of(&say(&world, &ann, &on_web(frank), "Now?").await), id);
        minutes(&world, 61);
        let third = say(&world, &ann, &on_web(frank), "And now?").await;
        assert_ne!(conversation_of(&third), id);
        assert_eq!(third.at("/messageSend/conversationBegan"), &json!(true));
        let before = read(&world, &ann, &id, "state endedAt messageCount").await;
        assert_snapshot!(before, @r#"{"endedAt":"2026-09-01T15:00:00+00:00","messageCount":3,"state":"ENDED"}"#);
        assert_eq!(logged(&world, &id, "session_start").await, 1);
        assert_eq!(logged(&world, &id, "session_end").await, 1);
        assert_eq!(logged(&world, &conversation_of(&third), "session_start").await, 1);
    }

    async fn who_where_and_with_whom_make_the_thread(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = world.entity(person(&ann), "Luna").await;
        let device = lamp(&world, &ann, "Kitchen").await;
        let mut seen = Vec::new();
        for to in [
            json!({ "entityId": frank, "platform": "WEB" }),
            json!({ "entityId": luna, "platform": "WEB" }),
            json!({ "platform": "WEB" }),
            json!({ "entityId": frank, "platform": "CLI" }),
            json!({ "entityId": frank, "platform": "WEB", "channelId": "a" }),
            json!({ "entityId": frank, "platform": "WEB", "channelId": "b" }),
            json!({ "entityId": frank, "platform": "DISCORD", "channelId": "a" }),
            json!({ "entityId": frank, "platform": "DEVICE", "deviceId": device }),
        ] {
            let to = json!({ "thread": to });
            let id = conversation_of(&say(&world, &ann, &to, "Hello").await);
            assert!(!seen.contains(&id), "{to} is not its own thread");
            assert_eq!(conversation_of(&say(&world, &ann, &to, "Again").await), id, "{to}");
            seen.push(id);
        }
    }

    async fn a_persona_says_how_long(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let behavior = json!({ "sessionGapMinutes": 5, "retentionHours": 2 });
        let nurse = definition(&world, "nurse", 10, behavior).await;
        plays(&world, frank, nurse).await;
        let id = hello(&world, &ann, frank).await;
        let it = read(&world, &ann, &id, "startedAt expiresAt").await;
        assert_snapshot!(it, @r#"{"expiresAt":"2026-09-01T14:00:00+00:00","startedAt":"2026-09-01T12:00:00+00:00"}"#);
        minutes(&world, 5);
        assert_eq!(hello(&world, &ann, frank).await, id);
        minutes(&world, 6);
        let next = hello(&world, &ann, frank).await;
        assert_ne!(next, id);
        minutes(&world, 121);
        assert_eq!(read(&world, &ann, &next, "state").await["state"], "ENDED");
    }

    async fn it_expires_a_day_after_the_last_message(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        minutes(&world, 23 * 60);
        assert_eq!(outcome(&say(&world, &ann, &by_id(&id), "Late").await), "ok");
        minutes(&world, 24 * 60 - 1);
        assert_eq!(read(&world, &ann, &id, "state").await["state"], "ACTIVE");
        minutes(&world, 2);
        let expired = read(&world, &ann, &id, "state endedAt").await;
        assert_snapshot!(expired, @r#"{"endedAt":"2026-09-03T11:00:00+00:00","state":"ENDED"}"#);
        let answer = say(&world, &ann, &by_id(&id), "Too late").await;
        assert_snapshot!(answer.user_errors(), @"CONVERSATION_ENDED to.conversationId: this conversation has ended: begin another");
        // The list knows it too, and a sweep makes it a row, once.
        let query = "{ active: conversations(filter: { states: [ACTIVE] }) { totalCount } \
                     ended: conversations(filter: { states: [ENDED] }) { totalCount } }";
        let lists = world.run(&ann, query, json!({})).await.data().clone();
        assert_snapshot!(lists, @r#"{"active":{"totalCount":0},"ended":{"totalCount":1}}"#);
        assert_eq!(logged(&world, &id, "session_end").await, 0);
        let cx = world.cx(&Viewer::system());
        assert_eq!(app::conversation::end_expired(&cx).await.unwrap(), 1);
        minutes(&world, 60);
        assert_eq!(app::conversation::end_expired(&cx).await.unwrap(), 0);
        assert_eq!(logged(&world, &id, "session_end").await, 1);
        assert_eq!(read(&world, &ann, &id, "state endedAt").await, expired);
        assert_eq!(world.run(&ann, query, json!({})).await.data(), &lists);
        assert_eq!(outcome(&say(&world, &ann, &by_id(&id), "?").await), "CONVERSATION_ENDED");
    }

    async fn it_is_paused_resumed_and_ended(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        let just = json!({ "id": id });
        let mut steps = String::new();
        for mutation in [
            "conversationResume", "conversationPause", "conversationPause", "conversationResume",
            "conversationPause", "conversationEnd", "conversationEnd", "conversationResume",
            "conversationPause", "conversationResetContext", "conversationUpdate",
        ] {
            let answer = change(&world, &ann, mutation, just.clone()).await;
            let (state, version) = (&answer.data()[mutation]["conversation"]["state"], &answer.data()[mutation]["conversation"]["version"]);
            steps += &format!("{mutation} {} {state} {version}\n", outcome(&answer));
            if mutation == "conversationPause" && outcome(&answer) == "ok" {
                let answer = say(&world, &ann, &by_id(&id), "Hello?").await;
                steps += &format!("    {}\n", answer.user_errors());
            }
        }
        assert_snapshot!(steps, @r#"
        conversationResume CONFLICT null null
        conversationPause ok "PAUSED" 2
            CONFLICT to.conversationId: this conversation is paused: resume it first
        conversationPause CONFLICT null null
        conversationResume ok "ACTIVE" 3
        conversationPause ok "PAUSED" 4
            CONFLICT to.conversationId: this conversation is paused: resume it first
        conversationEnd ok "ENDED" 5
        conversationEnd CONVERSATION_ENDED null null
        conversationResume CONVERSATION_ENDED null null
        conversationPause CONVERSATION_ENDED null null
        conversationResetContext CONVERSATION_ENDED null null
        conversationUpdate CONVERSATION_ENDED null null
        "#);
        for (event_type, times) in [("session_start", 1), ("session_pause", 2), ("session_resume", 1), ("session_end", 1)] {
            assert_eq!(logged(&world, &id, event_type).await, times, "{event_type}");
        }
    }

    async fn a_paused_thread_is_not_found_by_its_place(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        change(&world, &ann, "conversationPause", json!({ "id": id })).await.data();
        let other = hello(&world, &ann, frank).await;
        assert_ne!(other, id);
        assert_eq!(read(&world, &ann, &id, "state").await["state"], "PAUSED");
    }

    async fn a_stale_version_is_refused(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        let input = json!({ "id": id, "version": 1, "title": "Coffee", "intimacy": "LOW", "metadata": { "tab": 2 } });
        let answer = change(&world, &ann, "conversationUpdate", input).await;
        assert_eq!(answer.at("/conversationUpdate/conversation/version"), &json!(2));
        // Messages raise no version.
        say(&world, &ann, &by_id(&id), "Another").await.data();
        for mutation in ["conversationUpdate", "conversationPause", "conversationEnd", "conversationResetContext"] {
            let answer = change(&world, &ann, mutation, json!({ "id": id, "version": 1 })).await;
            assert_eq!(answer.user_errors(), "CONFLICT version: this conversation is at version 2: read it again", "{mutation}");
        }
        let it = read(&world, &ann, &id, "title intimacy metadata version state").await;
        assert_snapshot!(it, @r#"{"intimacy":"LOW","metadata":{"tab":2},"state":"ACTIVE","title":"Coffee","version":2}"#);
        let cleared = json!({ "id": id, "version": 2, "title": null, "metadata": null });
        change(&world, &ann, "conversationUpdate", cleared).await.data();
        let it = read(&world, &ann, &id, "title intimacy metadata").await;
        assert_snapshot!(it, @r#"{"intimacy":"LOW","metadata":{},"title":null}"#);
    }

    async fn the_place_says_how_private_it_is(world: World) {
        let ann = world.person("Ann").await;
        let service = world.service().await;
        let admin = world.admin().await;
        let frank = world.entity(person(&ann), "Frank").await;
        let device = lamp(&world, &ann, "Kitchen").await;
        let guild = mutate(&world, &service, "guildUpsert", json!({ "provider": "discord", "externalId": "1", "name": "G" }), "guild { id }").await;
        let guild = guild.text("/guildUpsert/guild/id").to_owned();
        let mut acting = service.clone();
        acting.acts_for = Some(person(&ann));
        let mut table = String::new();
        for (name, viewer, place) in [
            ("guild channel", &acting, json!({ "platform": "DISCORD", "guildId": guild, "channelId": "c" })),
            ("direct message", &acting, json!({ "platform": "DISCORD", "channelId": "d" })),
            ("web", &ann, json!({ "platform": "WEB" })),
            ("command line", &ann, json!({ "platform": "CLI" })),
            ("own device", &ann, json!({ "platform": "DEVICE", "deviceId": device })),
            ("another program", &ann, json!({ "platform": "API" })),
            ("another's device", &admin, json!({ "platform": "DEVICE", "deviceId": device, "userId": person(&world.with_role("Guest", Role::User).await) })),
            ("as it is set", &ann, json!({ "platform": "WEB", "channelId": "open", "intimacy": "LOW" })),
        ] {
            let mut input = place;
            input["entityId"] = json!(frank);
            let answer = change(&world, viewer, "conversationStart", input).await;
            table += &format!("{name}: {}\n", answer.text("/conversationStart/conversation/intimacy"));
        }
        assert_snapshot!(table, @"
        guild channel: LOW
        direct message: MEDIUM
        web: HIGH
        command line: HIGH
        own device: HIGH
        another program: MEDIUM
        another's device: LOW
        as it is set: LOW
        ");
    }

    async fn a_place_must_make_sense(world: World) {
        let ann = world.person("Ann").await;
        let device = lamp(&world, &ann, "Kitchen").await;
        let mut told = String::new();
        for place in [
            json!({ "platform": "DEVICE" }),
            json!({ "platform": "DEVICE", "deviceId": device, "channelId": "a" }),
            json!({ "platform": "WEB", "deviceId": device }),
            json!({ "platform": "DISCORD" }),
            json!({ "platform": "WEB", "channelId": "a\u{0}b" }),
            json!({ "platform": "WEB", "channelId": "x".repeat(201) }),
        ] {
            let answer = say(&world, &ann, &json!({ "thread": place }), "Hello").await;
            told += &format!("{}\n", answer.user_errors());
        }
        let title = json!({ "platform": "WEB", "title": "x".repeat(201), "metadata": [] });
        told += &change(&world, &ann, "conversationStart", title).await.user_errors();
        assert_snapshot!(told, @"
        REQUIRED to.thread.deviceId: deviceId must be given for a conversation on a device
        INVALID to.thread.channelId: a conversation on a device has no channel: leave channelId out
        INVALID to.thread.deviceId: deviceId goes with the platform DEVICE: leave it out
        REQUIRED to.thread.channelId: channelId must be given for a conversation on Discord
        INVALID to.thread.channelId: channelId contains a NUL character: remove it
        TOO_LONG to.thread.channelId: channelId has 201 characters: expected 1 to 200
        TOO_LONG title: title has 201 characters: expected 1 to 200
        INVALID metadata: metadata must be a JSON object
        ");
    }

    async fn begun_by_hand_it_ends_the_one_before(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let id = hello(&world, &ann, frank).await;
        let input = json!({ "entityId": frank, "platform": "WEB", "title": "New", "idempotencyKey": "k" });
        let begun = change(&world, &ann, "conversationStart", input.clone()).await;
        let new = begun.text("/conversationStart/conversation/id").to_owned();
        assert_eq!(read(&world, &ann, &id, "state").await["state"], "ENDED");
        // The same key begins nothing more.
        let again = change(&world, &ann, "conversationStart", input).await;
        assert_eq!(again.text("/conversationStart/conversation/id"), new);
        let last = read(&world, &ann, &new, "lastMessageAt messageCount title state").await;
        assert_snapshot!(last, @r#"{"lastMessageAt":null,"messageCount":0,"state":"ACTIVE","title":"New"}"#);
        assert_eq!(hello(&world, &ann, frank).await, new);
        // An hour counts from the beginning when nothing was said.
        minutes(&world, 61);
        assert_ne!(hello(&world, &ann, frank).await, new);
    }

    async fn an_inactive_entity_begins_nothing(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        entities::Entity::update_many()
            .col_expr(entities::Column::IsActive, Expr::value(false))
            .filter(entities::Column::Id.eq(frank))
            .exec(world.services.db.writer()).await.unwrap();
        let answer = say(&world, &ann, &on_web(frank), "Hello").await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT to.thread.entityId: this entity is inactive: activate it first");
    }

    async fn the_device_knows_what_goes_on_there(world: World) {
        let Household { ann, frank, kitchen, conversation, .. } = Household::new(&world).await;
        let active = async || {
            let query = "query($id: ID!) { device(id: $id) { activeConversation { id } conversations { totalCount } } }";
            world.run(&ann, query, json!({ "id": kitchen })).await.at("/device").clone()
        };
        assert_eq!(active().await["activeConversation"]["id"], json!(conversation));
        change(&world, &ann, "conversationPause", json!({ "id": conversation })).await.data();
        assert_eq!(active().await["activeConversation"], Value::Null);
        change(&world, &ann, "conversationResume", json!({ "id": conversation })).await.data();
        assert_eq!(active().await["activeConversation"]["id"], json!(conversation));
        minutes(&world, 61);
        let next = conversation_of(&say(&world, &ann, &on_device(frank, &kitchen), "Hello").await);
        assert_eq!(active().await, json!({ "activeConversation": { "id": next }, "conversations": { "totalCount": 2 } }));
        minutes(&world, 24 * 60 + 1);
        assert_eq!(active().await["activeConversation"], Value::Null);
    }

    async fn a_device_finds_the_entity_that_lives_on_it(world: World) {
        let Household { ann, frank, kitchen, kitchen_itself, conversation, .. } = Household::new(&world).await;
        let cast = json!({ "entityId": frank, "target": { "deviceId": kitchen } });
        mutate(&world, &ann, "entityCast", cast, "entity { id }").await.data();
        let to = json!({ "thread": { "platform": "DEVICE", "deviceId": kitchen } });
        let sent = say(&world, &kitchen_itself, &to, "Somebody is here").await;
        assert_eq!(conversation_of(&sent), conversation);
    }
}
