//! Commands: from a hub to an actuator, and to many devices at once.

use app::{Principal, Viewer};
use chrono::TimeDelta;
use domain::identity::{Role, Scope};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, World, on_both_engines};

use super::{group, heard, mutate, next, outcome, person, quiet, register, subscribe};

const COMMAND: &str = "command { eventId type payload sentAt hub { name } group { name } devices { name } offlineDevices { name } }";

/// A device of this tier, heard just now unless it is offline; its id and its own viewer.
async fn device(
    world: &World,
    viewer: &Viewer,
    name: &str,
    tier: i32,
    online: bool,
) -> (String, Viewer) {
    let input = json!({ "name": name, "deviceType": "LAMP", "tier": tier });
    let answer = mutate(
        world,
        viewer,
        "deviceRegister",
        input,
        "device { id } token",
    )
    .await;
    let id = answer.text("/deviceRegister/device/id").to_owned();
    let token = answer.text("/deviceRegister/token");
    let itself = app::identity::authenticate(&world.services, token)
        .await
        .unwrap();
    if online {
        heard(world, &id, world.clock.now(), "online").await;
    }
    (id, itself)
}

async fn command(world: &World, viewer: &Viewer, input: Value) -> Answer {
    mutate(world, viewer, "deviceCommand", input, COMMAND).await
}

async fn broadcast(world: &World, viewer: &Viewer, input: Value) -> Answer {
    mutate(world, viewer, "deviceBroadcast", input, COMMAND).await
}

/// The commands in the log.
async fn logged(world: &World) -> usize {
    world
        .events()
        .await
        .iter()
        .filter(|it| it.event_type == "device_command")
        .count()
}

fn shown(command: &Value) -> String {
    let names = |it: &Value| {
        let all = it
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["name"].as_str().unwrap());
        all.collect::<Vec<_>>().join(" ")
    };
    format!(
        "{} {} hub {} group {} to [{}] offline [{}]",
        command["type"],
        command["payload"],
        command["hub"]["name"],
        command["group"]["name"],
        names(&command["devices"]),
        names(&command["offlineDevices"])
    )
}

const HEARD: &str = "subscription($id: ID, $since: DateTime) { deviceCommandReceived(device: $id, since: $since) { eventId type payload } }";

on_both_engines! {
    async fn a_hub_commands_an_actuator(world: World) {
        let ann = world.person("Ann").await;
        let (hub, hub_itself) = device(&world, &ann, "Hub", 1, true).await;
        let (lamp, lamp_itself) = device(&world, &ann, "Lamp", 2, true).await;
        let (_, other) = device(&world, &ann, "Other", 2, true).await;
        let mut heard = subscribe(&world, &lamp_itself, HEARD, json!({})).await;
        let mut unheard = subscribe(&world, &other, HEARD, json!({})).await;
        let mut by_owner = subscribe(&world, &ann, HEARD, json!({ "id": lamp })).await;

        let input = json!({ "deviceId": lamp, "type": "set_brightness", "payload": { "percent": 40 } });
        let answer = command(&world, &hub_itself, input).await;
        assert_eq!(answer.user_errors(), "");
        assert_snapshot!(answer.at("/deviceCommand/command/payload"), @r#"{"percent":40}"#);
        let told = next(&mut heard).await;
        assert_eq!(told["data"]["deviceCommandReceived"]["eventId"], *answer.at("/deviceCommand/command/eventId"));
        assert_eq!(told["data"]["deviceCommandReceived"]["payload"], json!({ "percent": 40 }));
        next(&mut by_owner).await;
        // By its owner, in the hub's name.
        let input = json!({ "hubId": hub, "deviceId": lamp, "type": "off" });
        let answer = command(&world, &ann, input).await;
        assert_snapshot!(shown(answer.at("/deviceCommand/command")), @r#""off" {} hub "Hub" group null to [Lamp] offline []"#);
        next(&mut heard).await;
        quiet(&mut heard).await;
        quiet(&mut unheard).await;
        let event = world.events().await.into_iter().rfind(|it| it.event_type == "device_command").unwrap();
        assert_eq!(event.device_id.unwrap().to_string(), lamp);
        assert_eq!(event.user_id, Some(person(&ann)));
    }

    async fn what_a_hub_may_not(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let (hub, hub_itself) = device(&world, &ann, "Hub", 1, true).await;
        let (lamp, lamp_itself) = device(&world, &ann, "Lamp", 2, true).await;
        let (cold, _) = device(&world, &ann, "Cold", 2, false).await;
        let (theirs, _) = device(&world, &ben, "Theirs", 2, true).await;
        let (their_hub, _) = device(&world, &ben, "Their hub", 1, true).await;
        let admin = world.admin().await;
        let to = |hub: &str, device: &str| json!({ "hubId": hub, "deviceId": device, "type": "on" });
        let mut told = String::new();
        for (who, viewer, input) in [
            ("an actuator", &lamp_itself, json!({ "deviceId": lamp, "type": "on" })),
            ("to a hub", &hub_itself, json!({ "deviceId": hub, "type": "on" })),
            ("to one offline", &hub_itself, json!({ "deviceId": cold, "type": "on" })),
            ("to another's", &hub_itself, json!({ "deviceId": theirs, "type": "on" })),
            ("in another's name", &hub_itself, to(&their_hub, &lamp)),
            ("an actuator in the hub's name", &lamp_itself, to(&hub, &lamp)),
            ("the owner, to another's", &ann, to(&hub, &theirs)),
            ("the owner, by another's", &ann, to(&their_hub, &lamp)),
            ("the owner, by none", &ann, json!({ "deviceId": lamp, "type": "on" })),
            ("another", &ben, to(&hub, &lamp)),
            ("an administrator, across", &admin, to(&hub, &theirs)),
            ("text", &hub_itself, json!({ "deviceId": lamp, "type": "turn the lamp on", "payload": "please" })),
        ] {
            told += &format!("{who}: {}\n", command(&world, viewer, input).await.user_errors());
        }
        assert_snapshot!(told, @r"
        an actuator: CONFLICT hubId: only a hub (tier 1) sends commands, and this device is of tier 2
        to a hub: CONFLICT deviceId: only an actuator (tier 2) takes commands, and this device is of tier 1
        to one offline: CONFLICT deviceId: the device is offline (never heard): nothing was sent
        to another's: NOT_FOUND deviceId: deviceId names nothing that you can see
        in another's name: NOT_FOUND hubId: hubId names nothing that you can see
        an actuator in the hub's name: NOT_FOUND hubId: hubId names nothing that you can see
        the owner, to another's: NOT_FOUND deviceId: deviceId names nothing that you can see
        the owner, by another's: NOT_FOUND hubId: hubId names nothing that you can see
        the owner, by none: REQUIRED hubId: say which device: hubId is required here
        another: NOT_FOUND hubId: hubId names nothing that you can see
        an administrator, across: NOT_FOUND deviceId: deviceId names nothing that you can see
        text: INVALID type: type must be 1 to 50 characters of a–z and _
        INVALID payload: payload must be a JSON object
        ");
        // Offline is offline by silence as well.
        world.clock.advance(TimeDelta::seconds(301));
        let late = command(&world, &hub_itself, json!({ "deviceId": lamp, "type": "on" })).await;
        assert_snapshot!(late.user_errors(), @"CONFLICT deviceId: the device is offline (unheard for 301 seconds): nothing was sent");
        assert_eq!(logged(&world).await, 0);
    }

    async fn a_broadcast_is_one_entry_and_reaches_every_device(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let morning = group(&world, &ann, "Morning").await;
        let mut told = Vec::new();
        let mut ids = Vec::new();
        for (name, online, grouped) in [("A", true, true), ("B", true, true), ("C", false, true), ("D", true, false)] {
            let (id, itself) = device(&world, &ann, name, 1, online).await;
            if grouped {
                mutate(&world, &ann, "deviceUpdate", json!({ "id": id, "groupId": morning }), "device { id }").await.data();
            }
            told.push(subscribe(&world, &itself, HEARD, json!({})).await);
            ids.push(id);
        }
        let (theirs, theirs_itself) = device(&world, &ben, "Theirs", 1, true).await;
        let mut others = subscribe(&world, &theirs_itself, HEARD, json!({})).await;

        // No device named: all of the group that are not offline.
        let answer = broadcast(&world, &ann, json!({ "groupId": morning, "type": "wake", "payload": { "at": 7 } })).await;
        assert_snapshot!(shown(answer.at("/deviceBroadcast/command")), @r#""wake" {"at":7} hub null group "Morning" to [A B] offline [C]"#);
        for (n, heard) in told.iter_mut().enumerate() {
            if n < 2 {
                let told = next(heard).await;
                assert_eq!(told["data"]["deviceCommandReceived"]["payload"], json!({ "at": 7 }));
            }
            quiet(heard).await;
        }
        quiet(&mut others).await;
        assert_eq!(logged(&world).await, 1);

        // Some of a group; some without a group, each once.
        let answer = broadcast(&world, &ann, json!({ "groupId": morning, "deviceIds": [ids[1]], "type": "wake" })).await;
        assert_snapshot!(shown(answer.at("/deviceBroadcast/command")), @r#""wake" {} hub null group "Morning" to [B] offline []"#);
        let answer = broadcast(&world, &ann, json!({ "deviceIds": [ids[3], ids[0], ids[3]], "type": "wake" })).await;
        assert_snapshot!(shown(answer.at("/deviceBroadcast/command")), @r#""wake" {} hub null group null to [A D] offline []"#);

        let empty = group(&world, &ann, "Empty").await;
        let their_group = group(&world, &ben, "Theirs").await;
        let admin = world.admin().await;
        let mut refused = String::new();
        for (who, viewer, input) in [
            ("to nobody", &ann, json!({ "type": "wake" })),
            ("to an empty list", &ann, json!({ "groupId": morning, "deviceIds": [], "type": "wake" })),
            ("to an empty group", &ann, json!({ "groupId": empty, "type": "wake" })),
            ("to one offline", &ann, json!({ "deviceIds": [ids[2]], "type": "wake" })),
            ("to one not of the group", &ann, json!({ "groupId": morning, "deviceIds": [ids[0], ids[3]], "type": "wake" })),
            ("to another's", &ann, json!({ "deviceIds": [ids[0], theirs], "type": "wake" })),
            ("to another's group", &ann, json!({ "groupId": their_group, "type": "wake" })),
            ("of two owners", &admin, json!({ "deviceIds": [ids[0], theirs], "type": "wake" })),
            ("another's to a group", &admin, json!({ "groupId": morning, "deviceIds": [theirs], "type": "wake" })),
            ("no order", &ann, json!({ "groupId": morning, "type": "Wake Up", "payload": [1] })),
        ] {
            refused += &format!("{who}: {}\n", broadcast(&world, viewer, input).await.user_errors());
        }
        assert_snapshot!(refused, @r"
        to nobody: REQUIRED groupId: say to whom: groupId, deviceIds or both
        to an empty list: OUT_OF_RANGE deviceIds: 0 devices: expected 1 to 1000, or none said for all of a group
        to an empty group: CONFLICT groupId: no device of the group is online: nothing was sent
        to one offline: CONFLICT deviceIds: no device of the list is online: nothing was sent
        to one not of the group: NOT_FOUND deviceIds.1: names no device that you can see, or none of the group
        to another's: NOT_FOUND deviceIds.1: names no device that you can see, or none of the group
        to another's group: NOT_FOUND groupId: groupId names nothing that you can see
        of two owners: CONFLICT deviceIds: the devices belong to different persons: broadcast to each by itself
        another's to a group: NOT_FOUND deviceIds.0: names no device that you can see, or none of the group
        no order: INVALID type: type must be 1 to 50 characters of a–z and _
        INVALID payload: payload must be a JSON object
        ");
        assert_eq!(logged(&world).await, 3);
    }

    async fn a_device_that_comes_back_hears_what_it_missed(world: World) {
        let ann = world.person("Ann").await;
        let (hub, _) = device(&world, &ann, "Hub", 1, true).await;
        let (lamp, itself) = device(&world, &ann, "Lamp", 2, true).await;
        let (other, _) = device(&world, &ann, "Other", 2, true).await;
        let mut times = Vec::new();
        for (n, to) in [&lamp, &other, &lamp, &lamp].into_iter().enumerate() {
            world.clock.advance(TimeDelta::seconds(10));
            times.push(world.clock.now());
            let input = json!({ "hubId": hub, "deviceId": to, "type": "step", "payload": { "n": n } });
            assert_eq!(command(&world, &ann, input).await.user_errors(), "");
        }
        let n = |it: &Value| it["data"]["deviceCommandReceived"]["payload"]["n"].clone();
        let mut heard = subscribe(&world, &itself, HEARD, json!({ "since": times[1] })).await;
        assert_eq!(n(&next(&mut heard).await), 2);
        assert_eq!(n(&next(&mut heard).await), 3);
        let input = json!({ "hubId": hub, "deviceId": lamp, "type": "step", "payload": { "n": 4 } });
        command(&world, &ann, input).await.data();
        assert_eq!(n(&next(&mut heard).await), 4);
        quiet(&mut heard).await;
        // Without a time: from now on.
        quiet(&mut subscribe(&world, &itself, HEARD, json!({})).await).await;
        let long_ago = world.clock.now() - TimeDelta::hours(25);
        let mut refused = subscribe(&world, &itself, HEARD, json!({ "since": long_ago })).await;
        assert!(next(&mut refused).await.to_string().contains("BAD_USER_INPUT"));
    }

    async fn the_same_key_sends_once(world: World) {
        let ann = world.person("Ann").await;
        let (hub, _) = device(&world, &ann, "Hub", 1, true).await;
        let (lamp, _) = device(&world, &ann, "Lamp", 2, true).await;
        let input = json!({ "hubId": hub, "deviceId": lamp, "type": "on", "idempotencyKey": "k" });
        let first = command(&world, &ann, input.clone()).await;
        // What was sent was sent, though the lamp is offline by now.
        world.clock.advance(TimeDelta::seconds(400));
        let again = command(&world, &ann, input).await;
        assert_eq!(first.data(), again.data());
        let input = json!({ "hubId": hub, "deviceId": lamp, "type": "off", "idempotencyKey": "k" });
        assert_eq!(outcome(&command(&world, &ann, input).await), "CONFLICT");
        heard(&world, &hub, world.clock.now(), "online").await;
        let input = json!({ "deviceIds": [hub, lamp], "type": "on", "idempotencyKey": "b" });
        let first = broadcast(&world, &ann, input.clone()).await;
        assert_eq!(first.data(), broadcast(&world, &ann, input).await.data());
        assert_snapshot!(shown(first.at("/deviceBroadcast/command")), @r#""on" {} hub null group null to [Hub] offline [Lamp]"#);
        assert_eq!(logged(&world).await, 2);
    }

    async fn who_may_send_and_hear(world: World) {
        let ann = world.person("Ann").await;
        let (hub, hub_itself) = device(&world, &ann, "Hub", 1, true).await;
        let (lamp, lamp_itself) = device(&world, &ann, "Lamp", 2, true).await;
        let group = group(&world, &ann, "All").await;
        mutate(&world, &ann, "deviceUpdate", json!({ "id": lamp, "groupId": group }), "device { id }").await.data();
        let id = person(&ann);
        let own = Principal::User { id, role: Role::User };
        let entity = world.entity(id, "Frank").await;
        let service = world.service().await;
        let mut acting = service.clone();
        acting.acts_for = Some(id);
        let mut told = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()),
            ("another", world.person("Ben").await),
            ("a counselor", world.with_role("Counselor", Role::Counselor).await),
            ("a key fenced to the entity", world.viewer(own, &[Scope::Read, Scope::Write, Scope::Entity(entity)])),
            ("a key that only reads", world.viewer(own, &[Scope::Read])),
            ("the lamp", lamp_itself),
            ("the hub", hub_itself),
            ("herself", ann.clone()),
            ("a service", service),
            ("a service for her", acting),
            ("an administrator", world.admin().await),
        ] {
            let sent = command(&world, &viewer, json!({ "hubId": hub, "deviceId": lamp, "type": "on" })).await;
            let shouted = broadcast(&world, &viewer, json!({ "groupId": group, "type": "on" })).await;
            let mut heard = subscribe(&world, &viewer, HEARD, json!({ "id": lamp, "since": world.clock.now() })).await;
            let heard = next(&mut heard).await;
            let heard = heard.pointer("/errors/0/extensions/code").map_or("ok", |it| it.as_str().unwrap()).to_owned();
            told += &format!("{name}: command {}, broadcast {}, hears {heard}\n", outcome(&sent), outcome(&shouted));
            // Something to be heard by the next.
            command(&world, &ann, json!({ "hubId": hub, "deviceId": lamp, "type": "on" })).await.data();
        }
        assert_snapshot!(told, @r"
        anonymous: command UNAUTHENTICATED, broadcast UNAUTHENTICATED, hears UNAUTHENTICATED
        another: command NOT_FOUND, broadcast NOT_FOUND, hears NOT_FOUND
        a counselor: command NOT_FOUND, broadcast FORBIDDEN, hears NOT_FOUND
        a key fenced to the entity: command NOT_FOUND, broadcast FORBIDDEN, hears NOT_FOUND
        a key that only reads: command FORBIDDEN, broadcast FORBIDDEN, hears ok
        the lamp: command NOT_FOUND, broadcast FORBIDDEN, hears ok
        the hub: command ok, broadcast FORBIDDEN, hears NOT_FOUND
        herself: command ok, broadcast ok, hears ok
        a service: command FORBIDDEN, broadcast FORBIDDEN, hears ok
        a service for her: command ok, broadcast ok, hears ok
        an administrator: command ok, broadcast ok, hears ok
        ");
    }

    async fn a_device_with_a_group_of_a_thousand(world: World) {
        // One more than a broadcast reaches.
        let ann = world.person("Ann").await;
        let all = group(&world, &ann, "All").await;
        let first = register(&world, &ann, json!({ "name": "First", "deviceType": "LAMP", "groupId": all })).await;
        let template = persistence::device::devices_by_ids(
            world.services.db.reader(), persistence::scope::DeviceScope::All, &[first.parse().unwrap()]).await.unwrap().remove(0);
        let cx = world.cx(&Viewer::system());
        let txn = cx.begin().await.unwrap();
        let copies = (0..1_000).map(|_| domain::device::Device { id: cx.id(), last_heartbeat_at: Some(cx.now()),
            status: domain::device::DeviceStatus::Online, ..template.clone() });
        for copy in copies.collect::<Vec<_>>() {
            persistence::device::devices::Entity::add(&*txn, copy).await.unwrap();
        }
        txn.commit().await.unwrap();
        let answer = mutate(&world, &ann, "deviceBroadcast", json!({ "groupId": all, "type": "on" }), "command { eventId }").await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT groupId: the group has more than 1000 devices: broadcast to parts of it");
        mutate(&world, &ann, "deviceDelete", json!({ "id": first }), "deletedDeviceId").await.data();
        let answer = mutate(&world, &ann, "deviceBroadcast", json!({ "groupId": all, "type": "on" }), "command { eventId }").await;
        assert_eq!(outcome(&answer), "ok");
    }
}
