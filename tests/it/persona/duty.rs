//! Who is on duty: in conversations and on devices, in emergencies and after them.

use std::sync::Arc;

use app::{Change, Principal, Request, Services, Settings, Viewer, persona::ship};
use domain::{
    audit::Severity,
    conversation::ConversationEvent,
    dna::EntityId,
    identity::{Role, Scope},
};
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, World, on_both_engines};
use uuid::Uuid;

use super::{create, read};
use crate::device::{group, heard, lamp_itself, mutate, next, person, quiet, register, subscribe};

/// Ann's kitchen: a lamp that Frank lives on, in a group with a lamp that is awake and one that
/// is not; Ann talks with Frank there. The five shipped personas are there.
struct Kitchen {
    admin: Viewer,
    ann: Viewer,
    lamp: String,
    lamp_itself: Viewer,
    group: String,
    awake: String,
    asleep: String,
    frank: EntityId,
    conversation: String,
}

impl Kitchen {
    async fn new(world: &World) -> Self {
        ship(&world.services).await.unwrap();
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let group = group(world, &ann, "Home").await;
        let (lamp, itself) = lamp_itself(world, &ann, "Kitchen").await;
        let update = json!({ "id": lamp, "groupId": group });
        mutate(world, &ann, "deviceUpdate", update, "device { id }")
            .await
            .data();
        let more = |name: &str| json!({ "name": name, "deviceType": "LAMP", "groupId": group });
        let awake = register(world, &ann, more("Awake")).await;
        let asleep = register(world, &ann, more("Asleep")).await;
        for id in [&lamp, &awake] {
            heard(world, id, world.clock.now(), "online").await;
        }
        let frank = world.entity(person(&ann), "Frank").await;
        let cast = json!({ "entityId": frank, "target": { "deviceId": lamp } });
        mutate(world, &ann, "entityCast", cast, "entity { id }")
            .await
            .data();
        let conversation = say(world, &ann, frank, &lamp, "Hello").await;
        Self {
            admin,
            ann,
            lamp,
            lamp_itself: itself,
            group,
            awake,
            asleep,
            frank,
            conversation,
        }
    }
}

/// Says something on a device; gives the conversation.
async fn say(
    world: &World,
    viewer: &Viewer,
    entity: EntityId,
    device: &str,
    content: &str,
) -> String {
    let thread = json!({ "entityId": entity, "platform": "DEVICE", "deviceId": device });
    let input = json!({ "to": { "thread": thread }, "content": content });
    let answer = mutate(
        world,
        viewer,
        "messageSend",
        input,
        "message { conversation { id } }",
    )
    .await;
    answer
        .text("/messageSend/message/conversation/id")
        .to_owned()
}

const DONE: &str = "previous { slug } persona { slug } conversation { id version personaDefinition { slug } contextResetAt } \
                    device { id activePersonaDefinition { slug } } emergency { id priority startedAt resolvedAt persona { slug } } latencyMs";

async fn activate(world: &World, viewer: &Viewer, place: Value, slug: &str) -> Answer {
    let input = json!({ "place": place, "slug": slug });
    mutate(world, viewer, "personaActivate", input, DONE).await
}

async fn resolve(world: &World, viewer: &Viewer, id: &str) -> Answer {
    let query = "mutation($id: ID!) { emergencyResolve(id: $id) { persona { slug } conversation { personaDefinition { slug } } \
                 device { activePersonaDefinition { slug } } emergency { resolvedAt } latencyMs userErrors { code field message } } }";
    world.run(viewer, query, json!({ "id": id })).await
}

/// Who is on duty in the conversation and on the device.
async fn on_duty(world: &World, it: &Kitchen) -> String {
    let query = "query($c: ID!, $d: ID!) { conversation(id: $c) { personaDefinition { slug } } device(id: $d) { activePersonaDefinition { slug } } }";
    let answer = world
        .run(
            &it.admin,
            query,
            json!({ "c": it.conversation, "d": it.lamp }),
        )
        .await;
    let slug = |pointer: &str| {
        answer
            .data()
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("nobody")
            .to_owned()
    };
    format!(
        "{}, {}",
        slug("/conversation/personaDefinition/slug"),
        slug("/device/activePersonaDefinition/slug")
    )
}

fn emergency_of(answer: &Answer) -> String {
    answer.text("/personaActivate/emergency/id").to_owned()
}

on_both_engines! {
    async fn a_persona_is_on_duty_in_the_conversation_and_on_the_device(world: World) {
        let it = Kitchen::new(&world).await;
        let mut feed = world.services.bus.subscribe();
        let in_conversation = json!({ "conversationId": it.conversation });
        let answer = activate(&world, &it.ann, in_conversation.clone(), "storyteller").await;
        assert_eq!(answer.user_errors(), "");
        let done = answer.at("/personaActivate");
        assert_snapshot!(done["previous"], @"null");
        assert_snapshot!(done["persona"], @r#"{"slug":"storyteller"}"#);
        assert_snapshot!(done["latencyMs"], @"0");
        assert_eq!(on_duty(&world, &it).await, "storyteller, storyteller");
        // By the device, which the owner may do, and the device itself.
        let on_device = json!({ "deviceId": it.lamp });
        for (viewer, slug, before) in [(&it.ann, "companion", "storyteller"), (&it.lamp_itself, "entertainer", "companion")] {
            let answer = activate(&world, viewer, on_device.clone(), slug).await;
            assert_eq!(answer.text("/personaActivate/previous/slug"), before);
            assert_eq!(on_duty(&world, &it).await, format!("{slug}, {slug}"));
        }
        // What was said keeps who said it.
        say(&world, &it.ann, it.frank, &it.lamp, "Sing").await;
        let query = "query($c: ID!) { conversation(id: $c) { messages { nodes { content personaDefinition { slug } } } } }";
        let said = world.run(&it.ann, query, json!({ "c": it.conversation })).await;
        assert_snapshot!(said.at("/conversation/messages/nodes"), @r#"[{"content":"Hello","personaDefinition":null},{"content":"Sing","personaDefinition":{"slug":"entertainer"}}]"#);

        let mut told = Vec::new();
        while let Ok(change) = feed.try_recv() {
            match change {
                Change::ConversationChanged { conversation, event: ConversationEvent::PersonaSwitched, devices } => {
                    assert_eq!((conversation.to_string(), devices.len()), (it.conversation.clone(), 1));
                    told.push("conversation");
                }
                Change::DeviceChanged { device, owner } if device.to_string() == it.lamp => {
                    assert_eq!(owner, person(&it.ann));
                    told.push("device");
                }
                _ => {}
            }
        }
        assert_eq!(told, ["conversation", "device"].repeat(3));
        let switches: Vec<String> = world.events().await.into_iter().filter(|it| it.event_type == "persona_switch").map(|event| {
            assert_eq!(event.conversation_id.unwrap().to_string(), it.conversation);
            assert_eq!(event.device_id.unwrap().to_string(), it.lamp);
            event.payload.0.to_string()
        }).collect();
        assert_snapshot!(switches.join("\n"), @r#"
            {"from":null,"preserveContext":true,"to":"storyteller"}
            {"from":"storyteller","preserveContext":true,"to":"companion"}
            {"from":"companion","preserveContext":true,"to":"entertainer"}
            "#);
    }

    async fn what_is_refused_changes_nothing(world: World) {
        let it = Kitchen::new(&world).await;
        let here = json!({ "conversationId": it.conversation });
        activate(&world, &it.ann, here.clone(), "companion").await.data();
        create(&world, &it.admin, "off", json!({})).await;
        world.run(&it.admin, "mutation { personaDefinitionDeactivate(definition: { slug: \"off\" }) { userErrors { code } } }", json!({})).await.data();
        let before = world.events().await.len();
        let mut told = String::new();
        for (place, slug, version) in [
            (here.clone(), "nobody", None),
            (here.clone(), "off", None),
            (here.clone(), "../../etc/passwd", None),
            (here.clone(), "a\u{0}b", None),
            (here.clone(), "storyteller", Some(1)),
            (json!({ "conversationId": "conversation_01h455vb4pex5vsknk084sn02q" }), "storyteller", None),
            (json!({ "deviceId": "device_01h455vb4pex5vsknk084sn02q" }), "storyteller", None),
        ] {
            let input = json!({ "place": place, "slug": slug, "version": version });
            let answer = mutate(&world, &it.ann, "personaActivate", input, DONE).await;
            told.push_str(&answer.user_errors());
            told.push('\n');
        }
        assert_snapshot!(told, @r"
            NOT_FOUND slug: slug names nothing that you can see
            NOT_FOUND slug: slug names nothing that you can see
            NOT_FOUND slug: slug names nothing that you can see
            NOT_FOUND slug: slug names nothing that you can see
            CONFLICT version: this conversation is at version 2: read it again
            NOT_FOUND place.conversationId: conversationId names nothing that you can see
            NOT_FOUND place.deviceId: deviceId names nothing that you can see
            ");
        // What is on duty already: no news.
        let again = activate(&world, &it.ann, here.clone(), "companion").await;
        assert_eq!(again.text("/personaActivate/previous/slug"), "companion");
        assert_eq!(on_duty(&world, &it).await, "companion, companion");
        assert_eq!(world.events().await.len(), before);

        let end = json!({ "id": it.conversation });
        let ended = mutate(&world, &it.ann, "conversationEnd", end, "conversation { state }").await;
        assert_eq!(ended.user_errors(), "");
        let over = activate(&world, &it.ann, here, "storyteller").await;
        assert_snapshot!(over.user_errors(), @"CONVERSATION_ENDED place: this conversation has ended: begin another");
        assert_eq!(on_duty(&world, &it).await, "companion, companion");
    }

    async fn the_context_is_kept_unless_asked_otherwise(world: World) {
        let it = Kitchen::new(&world).await;
        let here = json!({ "conversationId": it.conversation });
        let kept = activate(&world, &it.ann, here.clone(), "companion").await;
        assert_eq!(kept.at("/personaActivate/conversation/contextResetAt"), &Value::Null);
        world.clock.advance(chrono::TimeDelta::seconds(1));
        let input = json!({ "place": here, "slug": "storyteller", "preserveContext": false });
        let reset = mutate(&world, &it.ann, "personaActivate", input, DONE).await;
        assert_snapshot!(reset.at("/personaActivate/conversation/contextResetAt"), @r#""2026-09-01T12:00:01+00:00""#);
        let query = "query($c: ID!) { conversation(id: $c) { messageCount contextWindow { content } messages { totalCount } } }";
        let after = world.run(&it.ann, query, json!({ "c": it.conversation })).await;
        assert_snapshot!(after.at("/conversation"), @r#"{"contextWindow":[],"messageCount":1,"messages":{"totalCount":1}}"#);
    }

    async fn an_emergency_takes_over_until_it_is_resolved(world: World) {
        let it = Kitchen::new(&world).await;
        let here = json!({ "conversationId": it.conversation });
        activate(&world, &it.ann, here.clone(), "storyteller").await.data();
        let mut feed = world.services.bus.subscribe();
        let by_owner = "subscription($id: ID) { deviceCommandReceived(device: $id) { type payload } }";
        let mut hear = Vec::new();
        for id in [&it.lamp, &it.awake] {
            hear.push(subscribe(&world, &it.ann, by_owner, json!({ "id": id })).await);
        }
        let mut sleeps = subscribe(&world, &it.ann, by_owner, json!({ "id": it.asleep })).await;
        let answer = activate(&world, &it.lamp_itself, json!({ "deviceId": it.lamp }), "emergency").await;
        assert_eq!(answer.user_errors(), "");
        let emergency = emergency_of(&answer);
        // Every device of the group hears it where it hears commands.
        for told in &mut hear {
            let told = &next(told).await["data"]["deviceCommandReceived"];
            assert_eq!(told["type"], "emergency");
            assert_eq!(told["payload"]["emergency"], emergency);
        }
        quiet(&mut sleeps).await;
        assert_eq!(answer.text("/personaActivate/previous/slug"), "storyteller");
        assert_eq!(on_duty(&world, &it).await, "emergency, emergency");

        // Nothing of a lower priority displaces it, from either side.
        for place in [here.clone(), json!({ "deviceId": it.lamp })] {
            for slug in ["companion", "medication_nurse", "storyteller", "entertainer"] {
                let refused = activate(&world, &it.ann, place.clone(), slug).await;
                assert_eq!(refused.user_errors(), "EMERGENCY_ACTIVE slug: an emergency goes on there: it ends by emergencyResolve alone");
            }
        }
        // Itself again is the same one.
        let again = activate(&world, &it.ann, here.clone(), "emergency").await;
        assert_eq!(emergency_of(&again), emergency);

        // A critical entry, and word to the group, of which one is asleep.
        let events = world.events().await;
        let critical: Vec<_> = events.iter().filter(|it| it.severity == Severity::Critical).collect();
        assert_eq!(critical.len(), 1);
        assert_eq!(critical[0].event_type, "emergency");
        assert_eq!(critical[0].device_id.unwrap().to_string(), it.lamp);
        let commands: Vec<_> = events.iter().filter(|it| it.event_type == "device_command").collect();
        assert_eq!(commands.len(), 1);
        let said = &commands[0].payload.0;
        assert_eq!(said["command"], "emergency");
        assert_eq!(said["payload"]["emergency"], emergency);
        assert_eq!(said["payload"]["step"], "started");
        assert_eq!(said["group"], it.group);
        let mut awake: Vec<&str> = said["devices"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        awake.sort_unstable();
        let mut expected = [it.lamp.as_str(), it.awake.as_str()];
        expected.sort_unstable();
        assert_eq!(awake, expected);
        assert_eq!(said["offline"], json!([it.asleep]));
        let mut commanded = 0;
        while let Ok(change) = feed.try_recv() {
            if let Change::DeviceCommanded { event, owner } = change {
                assert_eq!((event, owner), (commands[0].id, person(&it.ann)));
                commanded += 1;
            }
        }
        assert_eq!(commanded, 1);

        // It outlives the process, and gives back to whoever was there.
        let db = world.database().connect().await;
        let other = Arc::into_inner(Services::system(db, Settings::default())).unwrap();
        let clock = world.services.clock.clone();
        let cx = Arc::new(Services { clock, ..other }).cx(it.ann.clone(), Request::default());
        let resolved = app::persona::resolve(&cx, emergency.parse().unwrap()).await.unwrap();
        assert_eq!(resolved.persona.unwrap().slug, "storyteller");
        assert_eq!(on_duty(&world, &it).await, "storyteller, storyteller");
        let again = resolve(&world, &it.ann, &emergency).await;
        assert_eq!(again.text("/emergencyResolve/persona/slug"), "storyteller");
        let steps: Vec<String> = world.events().await.iter().filter(|it| it.event_type == "emergency").map(|it| format!("{} {}", it.payload.0["step"], it.severity)).collect();
        assert_eq!(steps, ["\"started\" critical", "\"resolved\" warning"]);
        // And a lower priority may come again.
        let after = activate(&world, &it.ann, here, "companion").await;
        assert_eq!(after.user_errors(), "");
        let list = "query($d: ID!) { personaEmergencies(filter: { device: $d }) { totalCount nodes { persona { slug } device { id } conversation { id } user { name } priority resolvedAt } } }";
        let list = world.run(&it.ann, list, json!({ "d": it.lamp })).await;
        assert_eq!(list.at("/personaEmergencies/totalCount"), 1);
        assert_eq!(list.text("/personaEmergencies/nodes/0/conversation/id"), it.conversation);
    }

    async fn emergencies_nest(world: World) {
        let it = Kitchen::new(&world).await;
        create(&world, &it.admin, "fire", json!({ "priority": 150 })).await;
        create(&world, &it.admin, "flood", json!({ "priority": 100 })).await;
        let here = json!({ "conversationId": it.conversation });
        activate(&world, &it.ann, here.clone(), "companion").await.data();
        let first = emergency_of(&activate(&world, &it.ann, here.clone(), "emergency").await);
        // The same priority takes over, a higher one too; a lower one does not.
        let second = emergency_of(&activate(&world, &it.ann, here.clone(), "flood").await);
        let third = emergency_of(&activate(&world, &it.ann, here.clone(), "fire").await);
        let lower = activate(&world, &it.ann, here.clone(), "flood").await;
        assert!(lower.user_errors().starts_with("EMERGENCY_ACTIVE"));
        assert_eq!(on_duty(&world, &it).await, "fire, fire");
        // One beneath ends without being seen; the one above gives back past it.
        resolve(&world, &it.ann, &second).await.data();
        assert_eq!(on_duty(&world, &it).await, "fire, fire");
        resolve(&world, &it.ann, &third).await.data();
        assert_eq!(on_duty(&world, &it).await, "emergency, emergency");
        let lower = activate(&world, &it.ann, here, "companion").await;
        assert!(lower.user_errors().starts_with("EMERGENCY_ACTIVE"));
        resolve(&world, &it.ann, &first).await.data();
        assert_eq!(on_duty(&world, &it).await, "companion, companion");
    }

    async fn of_a_persona_and_an_emergency_at_once_the_emergency_stays(world: World) {
        let it = Kitchen::new(&world).await;
        let slugs = ["companion", "emergency", "storyteller", "entertainer", "medication_nurse", "companion"];
        for round in 0..4 {
            let writes = slugs.iter().enumerate().map(|(n, slug)| {
                let place = if n % 2 == 0 { json!({ "conversationId": it.conversation }) } else { json!({ "deviceId": it.lamp }) };
                let (world, ann) = (&world, &it.ann);
                async move { (*slug, activate(world, ann, place, slug).await) }
            });
            let answers = join_all(writes).await;
            let mut emergency = None;
            for (slug, answer) in &answers {
                let errors = answer.user_errors();
                if *slug == "emergency" {
                    assert_eq!(errors, "", "round {round}");
                    emergency = Some(emergency_of(answer));
                } else {
                    assert!(errors.is_empty() || errors.starts_with("EMERGENCY_ACTIVE"), "{errors}");
                }
            }
            assert_eq!(on_duty(&world, &it).await, "emergency, emergency");
            // Two ends at once are one.
            let emergency = emergency.unwrap();
            let ends = join_all((0..3).map(|_| resolve(&world, &it.ann, &emergency))).await;
            assert!(ends.iter().all(|it| it.user_errors().is_empty()));
            let duty = on_duty(&world, &it).await;
            let (a, b) = duty.split_once(", ").unwrap();
            assert!(a == b && a != "emergency", "{duty}");
        }
        let ended = world.events().await.iter().filter(|it| it.event_type == "emergency" && it.payload.0["step"] == "resolved").count();
        assert_eq!(ended, 4);
    }

    async fn a_conversation_begun_in_an_emergency_is_given_back_too(world: World) {
        let it = Kitchen::new(&world).await;
        let on_device = json!({ "deviceId": it.lamp });
        activate(&world, &it.ann, on_device.clone(), "companion").await.data();
        let emergency = emergency_of(&activate(&world, &it.ann, on_device.clone(), "emergency").await);
        // Ann falls silent for longer than any conversation is kept, and speaks again.
        world.clock.advance(chrono::TimeDelta::days(8));
        heard(&world, &it.lamp, world.clock.now(), "online").await;
        let since = say(&world, &it.ann, it.frank, &it.lamp, "Is anyone there?").await;
        assert_ne!(since, it.conversation);
        let query = "query($c: ID!) { conversation(id: $c) { personaDefinition { slug } } }";
        let speaks = world.run(&it.ann, query, json!({ "c": since })).await;
        assert_eq!(speaks.text("/conversation/personaDefinition/slug"), "emergency");
        let lower = activate(&world, &it.ann, json!({ "conversationId": since }), "storyteller").await;
        assert!(lower.user_errors().starts_with("EMERGENCY_ACTIVE"), "{}", lower.user_errors());
        let done = resolve(&world, &it.ann, &emergency).await;
        assert_eq!(done.text("/emergencyResolve/device/activePersonaDefinition/slug"), "companion");
        let speaks = world.run(&it.ann, query, json!({ "c": since })).await;
        assert_eq!(speaks.text("/conversation/personaDefinition/slug"), "companion");
    }

    async fn a_device_without_a_conversation_holds_an_emergency(world: World) {
        let it = Kitchen::new(&world).await;
        let there = json!({ "deviceId": it.awake });
        let answer = activate(&world, &it.ann, there.clone(), "emergency").await;
        assert_eq!(answer.at("/personaActivate/conversation"), &Value::Null);
        assert_eq!(answer.at("/personaActivate/previous"), &Value::Null);
        // No conversation is handed there meanwhile.
        let handoff = json!({ "conversationId": it.conversation, "toDeviceId": it.awake });
        let refused = mutate(&world, &it.ann, "conversationHandoffRequest", handoff.clone(), "conversation { state }").await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT toDeviceId: that device holds an emergency: resolve it or choose another");
        let done = resolve(&world, &it.ann, &emergency_of(&answer)).await;
        assert_eq!(done.at("/emergencyResolve/device/activePersonaDefinition"), &Value::Null);
        let handed = mutate(&world, &it.ann, "conversationHandoffRequest", handoff, "conversation { state }").await;
        assert_eq!(handed.user_errors(), "");
    }

    async fn who_may_put_a_persona_on_duty(world: World) {
        let it = Kitchen::new(&world).await;
        let ben = world.person("Ben").await;
        let service = world.service().await;
        let (_, other_device) = lamp_itself(&world, &ben, "Ben's").await;
        let raised = activate(&world, &it.ann, json!({ "deviceId": it.awake }), "emergency").await;
        let emergency = emergency_of(&raised);
        let Principal::User { id: ann, .. } = it.ann.principal else { panic!() };
        let own = Principal::User { id: ann, role: Role::User };
        let fence = Scope::Entity(EntityId(Uuid::from_u128(1)));
        let principals = [
            ("anonymous", Viewer::anonymous()),
            ("another", ben),
            ("another's device", other_device),
            ("counselor", world.with_role("Cem", Role::Counselor).await),
            ("service", service.clone()),
            ("service for her", app::identity::act_as(&world.cx(&service), ann).await.unwrap()),
            ("her reading key", world.viewer(own, &[Scope::Read])),
            ("her fenced key", world.viewer(own, &[Scope::Read, Scope::Write, fence])),
            ("the device", it.lamp_itself.clone()),
            ("herself", it.ann.clone()),
            ("admin", it.admin.clone()),
        ];
        let mut table = String::new();
        for (who, viewer) in &principals {
            let words = [
                activate(&world, viewer, json!({ "conversationId": it.conversation }), "companion").await,
                activate(&world, viewer, json!({ "deviceId": it.lamp }), "storyteller").await,
                world.run(viewer, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": emergency })).await,
                world.run(viewer, "{ personaEmergencies { nodes { id } } }", json!({})).await,
                resolve(&world, viewer, &emergency).await,
            ]
            .iter()
            .map(|it| match it.0["data"].as_object().and_then(|it| it.values().next()) {
                _ if it.0.get("errors").is_some() => it.error().split(':').next().unwrap().to_lowercase(),
                None | Some(Value::Null) => "-".to_owned(),
                Some(shown) => match shown["userErrors"][0]["code"].as_str() {
                    Some(code) => code.to_lowercase(),
                    None if shown["nodes"] == json!([]) => "-".to_owned(),
                    None => "ok".to_owned(),
                },
            })
            .collect::<Vec<_>>();
            table.push_str(&format!("{who}: {}\n", words.join(", ")));
        }
        assert_snapshot!(table, @r"
            anonymous: unauthenticated, unauthenticated, unauthenticated, unauthenticated, unauthenticated
            another: not_found, not_found, -, -, not_found
            another's device: not_found, not_found, -, -, not_found
            counselor: not_found, not_found, -, -, not_found
            service: forbidden, forbidden, ok, ok, forbidden
            service for her: ok, ok, ok, ok, ok
            her reading key: forbidden, forbidden, ok, ok, forbidden
            her fenced key: not_found, not_found, -, -, not_found
            the device: ok, ok, -, -, not_found
            herself: ok, ok, ok, ok, ok
            admin: ok, ok, ok, ok, ok
            ");
        let seen = read(&world, &it.ann, "emergency", "isEmergency priority").await;
        assert_snapshot!(seen.at("/personaDefinition"), @r#"{"isEmergency":true,"priority":100}"#);
    }
}
