//! Who may do what with conversations: every principal against every operation, and another
//! person's ids in every field that takes one.

use app::Principal;
use domain::identity::{Role, Scope};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::*;
use crate::device::{lamp, outcome};

/// Whether a viewer sees a conversation and what is in it, and what they can do with it.
async fn attempts(world: &World, viewer: &Viewer, id: &str, message: &str) -> String {
    let query = "query($id: ID!, $message: ID!) { conversation(id: $id) { id messages { totalCount } contextWindow { id } } \
        node(id: $id) { id } message(id: $message) { id } conversations { totalCount } messages { totalCount } }";
    let variables = json!({ "id": id, "message": message });
    let answer = world.run(viewer, query, variables).await;
    let mut line = if answer.0.get("errors").is_some() {
        format!("reads {}", outcome(&answer))
    } else {
        let it = answer.data();
        let seen = ["conversation", "node", "message"].map(|field| !it[field].is_null());
        assert!(seen == [true; 3] || seen == [false; 3], "{it:#}");
        let told = &it["conversation"]["messages"]["totalCount"];
        let told = told.as_u64().unwrap_or(0);
        assert_eq!(it["messages"]["totalCount"], json!(told));
        // Who was here before may have reset the context.
        let window = it["conversation"]["contextWindow"].as_array();
        assert!(window.map_or(0, Vec::len) as u64 <= told);
        format!("reads {told}")
    };
    line += ";";
    for (mutation, input) in [
        ("conversationUpdate", json!({ "id": id })),
        ("conversationResetContext", json!({ "id": id })),
        ("conversationPause", json!({ "id": id })),
        ("conversationResume", json!({ "id": id })),
    ] {
        let answer = change(world, viewer, mutation, input).await;
        line += &format!(
            " {} {};",
            &mutation["conversation".len()..],
            outcome(&answer)
        );
    }
    let edit = json!({ "id": message, "content": "Hello, how are you?" });
    let answer = mutate(world, viewer, "messageEdit", edit, "message { id }").await;
    line += &format!(" edit {};", outcome(&answer));
    line
}

on_both_engines! {
    async fn the_matrix_of_conversations(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let (device, itself) = lamp_itself(&world, &ann, "Kitchen").await;
        let (_, sibling) = lamp_itself(&world, &ann, "Bedroom").await;
        // A conversation of Ben's with Ann's entity, on a device of hers.
        let admin = world.admin().await;
        let mut to = on_device(frank, &device);
        to["thread"]["userId"] = json!(person(&ben));
        let sent = say(&world, &admin, &to, "Hello, how are you?").await;
        let (id, message) = (conversation_of(&sent), message_of(&sent));
        let service = world.service().await;
        let mut for_ben = service.clone();
        for_ben.acts_for = Some(person(&ben));
        let mut for_ann = service.clone();
        for_ann.acts_for = Some(person(&ann));
        let own = |id| Principal::User { id, role: Role::User };
        let all = [Scope::Read, Scope::Write];
        let other_entity = world.entity(person(&ben), "Bert").await;
        let mut table = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()),
            ("himself", ben.clone()),
            ("his reading key", world.viewer(own(person(&ben)), &[Scope::Read])),
            ("his key fenced to the entity", world.viewer(own(person(&ben)), &[all[0].clone(), all[1].clone(), Scope::Entity(frank)])),
            ("his key fenced to another", world.viewer(own(person(&ben)), &[all[0].clone(), all[1].clone(), Scope::Entity(other_entity)])),
            ("the entity's owner", ann.clone()),
            ("another person", world.person("Cem").await),
            ("a counselor", world.with_role("Counselor", Role::Counselor).await),
            ("the device", itself),
            ("another device of its owner", sibling),
            ("a service", service),
            ("a service for him", for_ben),
            ("a service for the owner", for_ann),
            ("an administrator", admin),
        ] {
            table += &format!("{name}: {}\n", attempts(&world, &viewer, &id, &message).await);
        }
        assert_snapshot!(table, @"
        anonymous: reads UNAUTHENTICATED; Update UNAUTHENTICATED; ResetContext UNAUTHENTICATED; Pause UNAUTHENTICATED; Resume UNAUTHENTICATED; edit UNAUTHENTICATED;
        himself: reads 1; Update ok; ResetContext ok; Pause ok; Resume ok; edit ok;
        his reading key: reads 1; Update FORBIDDEN; ResetContext FORBIDDEN; Pause FORBIDDEN; Resume FORBIDDEN; edit FORBIDDEN;
        his key fenced to the entity: reads 1; Update ok; ResetContext ok; Pause ok; Resume ok; edit ok;
        his key fenced to another: reads 0; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        the entity's owner: reads 1; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        another person: reads 0; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        a counselor: reads 0; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        the device: reads 1; Update ok; ResetContext ok; Pause ok; Resume ok; edit ok;
        another device of its owner: reads 0; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        a service: reads 1; Update FORBIDDEN; ResetContext FORBIDDEN; Pause FORBIDDEN; Resume FORBIDDEN; edit FORBIDDEN;
        a service for him: reads 1; Update ok; ResetContext ok; Pause ok; Resume ok; edit ok;
        a service for the owner: reads 1; Update NOT_FOUND; ResetContext NOT_FOUND; Pause NOT_FOUND; Resume NOT_FOUND; edit NOT_FOUND;
        an administrator: reads 1; Update ok; ResetContext ok; Pause ok; Resume ok; edit ok;
        ");
    }

    async fn ids_of_another_are_refused_everywhere(world: World) {
        let it = Household::new(&world).await;
        let ben = world.person("Ben").await;
        let bert = world.entity(person(&ben), "Bert").await;
        let bens = lamp(&world, &ben, "Ben's").await;
        let own = hello(&world, &ben, bert).await;
        let message = message_of(&say(&world, &it.ann, &by_id(&it.conversation), "Secret").await);
        let service = world.service().await;
        let guild = mutate(&world, &service, "guildUpsert", json!({ "provider": "discord", "externalId": "1", "name": "G" }), "guild { id }").await;
        let guild = guild.text("/guildUpsert/guild/id").to_owned();
        let mut told = String::new();
        let theirs = &it.conversation;
        for (mutation, input) in [
            ("conversationStart", json!({ "platform": "WEB", "userId": person(&it.ann) })),
            ("conversationStart", json!({ "platform": "WEB", "entityId": it.frank })),
            ("conversationStart", json!({ "platform": "DEVICE", "deviceId": it.kitchen })),
            ("conversationStart", json!({ "platform": "WEB", "guildId": guild })),
            ("messageSend", json!({ "to": by_id(theirs), "content": "x" })),
            ("messageSend", json!({ "to": { "thread": { "platform": "WEB", "userId": person(&it.ann) } }, "content": "x" })),
            ("messageSend", json!({ "to": { "thread": { "platform": "WEB", "entityId": it.frank } }, "content": "x" })),
            ("messageSend", json!({ "to": { "thread": { "platform": "DEVICE", "deviceId": it.kitchen } }, "content": "x" })),
            ("messageSend", json!({ "to": { "thread": { "platform": "WEB", "guildId": guild } }, "content": "x" })),
            ("messageEdit", json!({ "id": message, "content": "x" })),
            ("messageDelete", json!({ "id": message })),
            ("conversationUpdate", json!({ "id": theirs, "title": "x" })),
            ("conversationPause", json!({ "id": theirs })),
            ("conversationResume", json!({ "id": theirs })),
            ("conversationEnd", json!({ "id": theirs })),
            ("conversationResetContext", json!({ "id": theirs })),
            ("conversationHandoffRequest", json!({ "conversationId": theirs, "toDeviceId": bens })),
            ("conversationHandoffRequest", json!({ "conversationId": own, "toDeviceId": it.bedroom })),
            ("conversationHandoffAccept", json!({ "conversationId": theirs })),
            ("conversationHandoffReject", json!({ "conversationId": theirs })),
            ("entityMessageSend", json!({ "fromEntityId": it.frank, "toEntityId": bert, "kind": "a", "content": "b" })),
            ("entityMessageSend", json!({ "fromEntityId": bert, "toEntityId": it.frank, "kind": "a", "content": "b" })),
        ] {
            let answer = mutate(&world, &ben, mutation, input, "__typename").await;
            told += &format!("{mutation} {}\n", answer.user_errors());
        }
        assert_snapshot!(told, @"
        conversationStart NOT_FOUND userId: userId names nothing that you can see
        conversationStart NOT_FOUND entityId: entityId names nothing that you can see
        conversationStart NOT_FOUND deviceId: deviceId names nothing that you can see
        conversationStart NOT_FOUND guildId: guildId names nothing that you can see
        messageSend NOT_FOUND to.conversationId: conversationId names nothing that you can see
        messageSend NOT_FOUND to.thread.userId: userId names nothing that you can see
        messageSend NOT_FOUND to.thread.entityId: entityId names nothing that you can see
        messageSend NOT_FOUND to.thread.deviceId: deviceId names nothing that you can see
        messageSend NOT_FOUND to.thread.guildId: guildId names nothing that you can see
        messageEdit NOT_FOUND id: id names nothing that you can see
        messageDelete NOT_FOUND id: id names nothing that you can see
        conversationUpdate NOT_FOUND id: id names nothing that you can see
        conversationPause NOT_FOUND id: id names nothing that you can see
        conversationResume NOT_FOUND id: id names nothing that you can see
        conversationEnd NOT_FOUND id: id names nothing that you can see
        conversationResetContext NOT_FOUND id: id names nothing that you can see
        conversationHandoffRequest NOT_FOUND conversationId: conversationId names nothing that you can see
        conversationHandoffRequest NOT_FOUND toDeviceId: toDeviceId names nothing that you can see
        conversationHandoffAccept NOT_FOUND conversationId: conversationId names nothing that you can see
        conversationHandoffReject NOT_FOUND conversationId: conversationId names nothing that you can see
        entityMessageSend NOT_FOUND fromEntityId: fromEntityId names nothing that you can see
        entityMessageSend NOT_FOUND toEntityId: toEntityId names nothing that you can see
        ");
        // Filters by what others have find nothing.
        let query = "query($user: ID!, $entity: ID!, $device: ID!, $id: ID!) { \
            a: conversations(filter: { user: $user }) { totalCount } b: conversations(filter: { entity: $entity }) { totalCount } \
            c: conversations(filter: { device: $device }) { totalCount } d: messages(filter: { conversation: $id }) { totalCount } \
            e: messages(filter: { search: \"secret\" }) { totalCount } user(id: $user) { id } entity(id: $entity) { id } device(id: $device) { id } }";
        let variables = json!({ "user": person(&it.ann), "entity": it.frank, "device": it.kitchen, "id": theirs });
        let answer = world.run(&ben, query, variables).await;
        assert_snapshot!(answer.data(), @r#"{"a":{"totalCount":0},"b":{"totalCount":0},"c":{"totalCount":0},"d":{"totalCount":0},"device":null,"e":{"totalCount":0},"entity":null,"user":null}"#);
        // Nothing of Ann's has changed.
        let untouched = read(&world, &it.ann, theirs, "state version messageCount title").await;
        assert_snapshot!(untouched, @r#"{"messageCount":2,"state":"ACTIVE","title":null,"version":1}"#);
        // A conversation's owner is not told who owns the entity, nor the owner who the person is.
        let mut acting = service.clone();
        acting.acts_for = Some(person(&ben));
        let to = json!({ "thread": { "entityId": it.frank, "platform": "API" } });
        let shared = conversation_of(&say(&world, &acting, &to, "Hello").await);
        let fields = "user { id } entity { id } messages { nodes { content user { id } } }";
        let seen = read(&world, &it.ann, &shared, fields).await;
        assert_eq!(seen["user"], Value::Null);
        assert_eq!(seen["messages"]["nodes"], json!([{ "content": "Hello", "user": null }]));
        assert_eq!(read(&world, &ben, &shared, fields).await["entity"], Value::Null);
    }
}
