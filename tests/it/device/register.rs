//! Registering, changing and removing devices, and their tokens.

use app::{Change, identity::authenticate};
use chrono::TimeDelta;
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::{group, heard, lamp, lamp_itself, mutate, outcome, person, register, zone};

on_both_engines! {
    async fn a_device_is_registered_with_its_token_shown_once(world: World) {
        let ann = world.person("Ann").await;
        let kitchen = zone(&world, &ann, "Kitchen", None).await;
        let morning = group(&world, &ann, "Morning").await;
        let input = json!({
            "name": " Frank ", "deviceType": "COFFEE_MAKER", "model": "Barista 3",
            "serialNumber": "CM-1", "bleAddress": "a4:c1:38:00:11:22", "ledCount": 12, "tier": 1,
            "location": "by the window", "zoneId": kitchen, "groupId": morning,
            "onboarding": { "language": "sw" }, "idempotencyKey": "first",
        });
        let selection = "device { name deviceType model serialNumber bleAddress ledCount tier \
            location status capabilities firstBootComplete onboarding health { cpuPercent } lastHeartbeatAt \
            owner { name } zone { name } group { name } entity { id } } token";
        let answer = mutate(&world, &ann, "deviceRegister", input.clone(), selection).await;
        let token = answer.text("/deviceRegister/token").to_owned();
        assert_snapshot!(format!("{:#}", answer.at("/deviceRegister/device")), @r#"
        {
          "bleAddress": "A4:C1:38:00:11:22",
          "capabilities": [
            "audio_input",
            "audio_output"
          ],
          "deviceType": "COFFEE_MAKER",
          "entity": null,
          "firstBootComplete": false,
          "group": {
            "name": "Morning"
          },
          "health": null,
          "lastHeartbeatAt": null,
          "ledCount": 12,
          "location": "by the window",
          "model": "Barista 3",
          "name": "Frank",
          "onboarding": {
            "language": "sw"
          },
          "owner": {
            "name": "Ann"
          },
          "serialNumber": "CM-1",
          "status": "OFFLINE",
          "tier": 1,
          "zone": {
            "name": "Kitchen"
          }
        }
        "#);

        let itself = authenticate(&world.services, &token).await.unwrap();
        let viewer = "{ viewer { role device { name owner { name } } } }";
        assert_snapshot!(format!("{:#}", world.run(&itself, viewer, json!({})).await.data()), @r#"
        {
          "viewer": {
            "device": {
              "name": "Frank",
              "owner": null
            },
            "role": null
          }
        }
        "#);

        // Again with the same key: the same device, and no second look at the token.
        let again = mutate(&world, &ann, "deviceRegister", input.clone(), selection).await;
        assert_eq!(again.at("/deviceRegister/device"), answer.at("/deviceRegister/device"));
        assert!(again.at("/deviceRegister/token").is_null());
        let count = world.run(&ann, "{ devices { totalCount } }", json!({})).await;
        assert_eq!(count.at("/devices/totalCount"), 1);
        let mut other = input;
        other["name"] = "Fred".into();
        let other = mutate(&world, &ann, "deviceRegister", other, "token").await;
        assert_snapshot!(other.user_errors(), @"CONFLICT idempotencyKey: this key was used for another request: take a new one");
    }

    async fn little_need_be_said_of_a_device(world: World) {
        let ann = world.person("Ann").await;
        let id = lamp(&world, &ann, "Luna").await;
        let query = "query($id: ID!) { device(id: $id) { ledCount tier capabilities onboarding \
            status serialNumber zone { id } group { id } } }";
        let answer = world.run(&ann, query, json!({ "id": id })).await;
        assert_snapshot!(format!("{:#}", answer.at("/device")), @r#"
        {
          "capabilities": [
            "audio_input",
            "audio_output"
          ],
          "group": null,
          "ledCount": 5,
          "onboarding": {},
          "serialNumber": null,
          "status": "OFFLINE",
          "tier": 1,
          "zone": null
        }
        "#);
    }

    async fn every_fault_of_an_input_is_told(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({
            "name": " ", "deviceType": "LAMP", "model": "m".repeat(101), "serialNumber": "a b",
            "bleAddress": "00:11", "ledCount": 1025, "tier": 3, "location": "l".repeat(201),
            "capabilities": ["Light"], "onboarding": [],
        });
        let answer = mutate(&world, &ann, "deviceRegister", input, "device { id } token").await;
        assert!(answer.at("/deviceRegister/device").is_null());
        assert_snapshot!(answer.user_errors(), @r"
        REQUIRED name: name must not be blank: give 1 to 100 characters
        TOO_LONG model: model has 101 characters: expected 1 to 100
        INVALID serialNumber: serialNumber must be 1 to 100 letters, digits or . _ : / -
        INVALID bleAddress: bleAddress must be six bytes in hexadecimal, as in A4:C1:38:00:11:22
        OUT_OF_RANGE ledCount: ledCount is 1025: expected 0 to 1024
        OUT_OF_RANGE tier: tier is 3: expected 1 to 2
        TOO_LONG location: location has 201 characters: expected 1 to 200
        INVALID capabilities.0: a capability must be 1 to 50 characters of a–z, 0–9 and _
        INVALID onboarding: onboarding must be a JSON object
        ");
        let nul = json!({ "name": "a\0b", "deviceType": "LAMP", "serialNumber": "x\0" });
        let answer = mutate(&world, &ann, "deviceRegister", nul, "token").await;
        assert_snapshot!(answer.user_errors(), @r"
        INVALID name: name contains a NUL character: remove it
        INVALID serialNumber: serialNumber must be 1 to 100 letters, digits or . _ : / -
        ");
        for (input, expected) in [
            (json!({ "name": "n", "deviceType": "LAMP", "ledCount": 0 }), "ok"),
            (json!({ "name": "n", "deviceType": "LAMP", "ledCount": 1024 }), "ok"),
            (json!({ "name": "n", "deviceType": "LAMP", "ledCount": -1 }), "OUT_OF_RANGE"),
            (json!({ "name": "n".repeat(100), "deviceType": "LAMP" }), "ok"),
            (json!({ "name": "n".repeat(101), "deviceType": "LAMP" }), "TOO_LONG"),
            (json!({ "name": "n", "deviceType": "SPACESHIP" }), "BAD_USER_INPUT"),
        ] {
            let answer = mutate(&world, &ann, "deviceRegister", input.clone(), "token").await;
            let outcome = outcome(&answer);
            // Enum values are checked by the schema, whose errors carry no code here.
            let outcome = if outcome == "-" { "BAD_USER_INPUT".to_owned() } else { outcome };
            assert_eq!(outcome, expected, "{input}");
        }
    }

    async fn a_taken_serial_number_does_not_say_whose(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let mine = json!({ "name": "Luna", "deviceType": "LAMP", "serialNumber": "S-1" });
        let id = register(&world, &ann, mine).await;
        let theirs = json!({ "name": "Mine", "deviceType": "LAMP", "serialNumber": " S-1 " });
        let answer = mutate(&world, &ben, "deviceRegister", theirs.clone(), "device { id } token").await;
        assert_snapshot!(answer.user_errors(), @"TAKEN serialNumber: serialNumber is taken: a device with it is registered already");
        assert!(answer.at("/deviceRegister/token").is_null());

        let other = lamp(&world, &ben, "Other").await;
        let update = json!({ "id": other, "serialNumber": "S-1" });
        let answer = mutate(&world, &ben, "deviceUpdate", update, "device { id }").await;
        assert_snapshot!(answer.user_errors(), @"TAKEN serialNumber: serialNumber is taken: a device with it is registered already");

        // Free again when the device is gone.
        mutate(&world, &ann, "deviceDelete", json!({ "id": id }), "deletedDeviceId").await.data();
        register(&world, &ben, theirs).await;
    }

    async fn one_of_many_at_once_gets_the_serial_number(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "Luna", "deviceType": "LAMP", "serialNumber": "S-1" });
        let attempts = (0..8).map(|_| mutate(&world, &ann, "deviceRegister", input.clone(), "token"));
        let mut outcomes: Vec<String> = join_all(attempts).await.iter().map(outcome).collect();
        outcomes.sort();
        assert_eq!(outcomes.join(" "), "TAKEN TAKEN TAKEN TAKEN TAKEN TAKEN TAKEN ok");
    }

    async fn an_update_tells_null_from_nothing(world: World) {
        let ann = world.person("Ann").await;
        let kitchen = zone(&world, &ann, "Kitchen", None).await;
        let id = register(&world, &ann, json!({
            "name": "Luna", "deviceType": "LAMP", "model": "L", "ledCount": 9, "tier": 2,
            "zoneId": kitchen, "location": "shelf",
        })).await;
        heard(&world, &id, world.clock.now(), "busy").await;
        world.clock.advance(TimeDelta::seconds(5));
        let selection = "device { name deviceType model ledCount tier location zone { name } status createdAt updatedAt }";
        let input = json!({ "id": id, "model": null, "ledCount": null, "location": "desk" });
        let answer = mutate(&world, &ann, "deviceUpdate", input, selection).await;
        assert_snapshot!(format!("{:#}", answer.at("/deviceUpdate/device")), @r#"
        {
          "createdAt": "2026-09-01T12:00:00+00:00",
          "deviceType": "LAMP",
          "ledCount": 5,
          "location": "desk",
          "model": null,
          "name": "Luna",
          "status": "BUSY",
          "tier": 2,
          "updatedAt": "2026-09-01T12:00:05+00:00",
          "zone": {
            "name": "Kitchen"
          }
        }
        "#);
        let input = json!({ "id": id, "name": null, "tier": 0 });
        let answer = mutate(&world, &ann, "deviceUpdate", input, selection).await;
        assert_snapshot!(answer.user_errors(), @r"
        REQUIRED name: name must not be blank: give 1 to 100 characters
        OUT_OF_RANGE tier: tier is 0: expected 1 to 2
        ");
        let input = json!({ "id": id, "zoneId": null });
        let answer = mutate(&world, &ann, "deviceUpdate", input, selection).await;
        assert!(answer.at("/deviceUpdate/device/zone").is_null());
    }

    async fn a_rotated_token_dies_at_once(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "Luna", "deviceType": "LAMP" });
        let answer = mutate(&world, &ann, "deviceRegister", input, "device { id } token").await;
        let id = answer.text("/deviceRegister/device/id");
        let old = answer.text("/deviceRegister/token");
        // Verified, and so remembered by the process.
        authenticate(&world.services, old).await.unwrap();
        let mut feed = world.services.bus.subscribe();
        let rotated = mutate(&world, &ann, "deviceTokenRotate", json!({ "id": id }), "device { name } token").await;
        let new = rotated.text("/deviceTokenRotate/token");
        assert_ne!(old, new);
        assert!(authenticate(&world.services, old).await.is_err());
        authenticate(&world.services, new).await.unwrap();
        let mut told = false;
        while let Ok(change) = feed.try_recv() {
            told |= matches!(change, Change::TokenRevoked(_));
        }
        assert!(told, "sockets of the old token were not told to close");

        // Many rotations at once leave one token that works.
        let attempts = (0..4).map(|_| mutate(&world, &ann, "deviceTokenRotate", json!({ "id": id }), "token"));
        let answers = join_all(attempts).await;
        let mut live = 0;
        for answer in &answers {
            let token = answer.text("/deviceTokenRotate/token");
            live += usize::from(authenticate(&world.services, token).await.is_ok());
        }
        assert_eq!(live, 1);
    }

    async fn a_deleted_device_frees_its_entity_and_ends_its_tokens(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "Luna", "deviceType": "LAMP" });
        let answer = mutate(&world, &ann, "deviceRegister", input, "device { id } token").await;
        let id = answer.text("/deviceRegister/device/id");
        let token = answer.text("/deviceRegister/token");
        authenticate(&world.services, token).await.unwrap();
        let entity = world.entity(person(&ann), "Frank").await;
        let cast = json!({ "entityId": entity, "target": { "deviceId": id } });
        mutate(&world, &ann, "entityCast", cast, "entity { id }").await.data();

        let gone = mutate(&world, &ann, "deviceDelete", json!({ "id": id }), "deletedDeviceId").await;
        assert_eq!(gone.text("/deviceDelete/deletedDeviceId"), id);
        assert!(authenticate(&world.services, token).await.is_err());
        let query = "query($entity: ID!, $device: ID!) { entity(id: $entity) { name device { id } } device(id: $device) { id } }";
        let left = world.run(&ann, query, json!({ "entity": entity, "device": id })).await;
        assert_snapshot!(format!("{:#}", left.data()), @r#"
        {
          "device": null,
          "entity": {
            "device": null,
            "name": "Frank"
          }
        }
        "#);
        let again = mutate(&world, &ann, "deviceDelete", json!({ "id": id }), "deletedDeviceId").await;
        assert_snapshot!(again.user_errors(), @"NOT_FOUND id: id names nothing that you can see");
    }

    async fn a_device_tells_of_its_first_start_itself(world: World) {
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let selection = "device { firstBootComplete onboarding }";
        let input = json!({ "id": id, "onboarding": { "language": "sw" } });
        let answer = mutate(&world, &itself, "deviceOnboardingComplete", input, selection).await;
        assert_snapshot!(format!("{:#}", answer.at("/deviceOnboardingComplete/device")), @r#"
        {
          "firstBootComplete": true,
          "onboarding": {
            "language": "sw"
          }
        }
        "#);
        // Saying it again keeps what was gathered.
        let answer = mutate(&world, &ann, "deviceOnboardingComplete", json!({ "id": id }), selection).await;
        assert_eq!(answer.text("/deviceOnboardingComplete/device/onboarding/language"), "sw");
        let big = json!({ "id": id, "onboarding": { "a": "x".repeat(16 * 1024) } });
        let answer = mutate(&world, &itself, "deviceOnboardingComplete", big, selection).await;
        assert_snapshot!(answer.user_errors(), @"TOO_LONG onboarding: onboarding takes 16392 bytes as JSON: expected at most 16384");
    }

    async fn a_device_silent_for_300_seconds_is_offline(world: World) {
        let ann = world.person("Ann").await;
        let id = lamp(&world, &ann, "Luna").await;
        let never = lamp(&world, &ann, "Never").await;
        heard(&world, &id, world.clock.now(), "online").await;
        let query = "query($id: ID!, $never: ID!) { a: device(id: $id) { status } b: device(id: $never) { status } \
            on: devices(filter: { status: ONLINE }) { nodes { name } } \
            off: devices(filter: { status: OFFLINE }) { nodes { name } } \
            busy: devices(filter: { status: BUSY }) { nodes { name } } }";
        let mut seen = String::new();
        for step in [0, 299, 1, 1] {
            world.clock.advance(TimeDelta::seconds(step));
            let answer = world.run(&ann, query, json!({ "id": id, "never": never })).await;
            seen += &format!("{}\n", answer.data());
        }
        heard(&world, &id, world.clock.now(), "busy").await;
        let answer = world.run(&ann, query, json!({ "id": id, "never": never })).await;
        seen += &format!("{}\n", answer.data());
        assert_snapshot!(seen, @r#"
        {"a":{"status":"ONLINE"},"b":{"status":"OFFLINE"},"busy":{"nodes":[]},"off":{"nodes":[{"name":"Never"}]},"on":{"nodes":[{"name":"Luna"}]}}
        {"a":{"status":"ONLINE"},"b":{"status":"OFFLINE"},"busy":{"nodes":[]},"off":{"nodes":[{"name":"Never"}]},"on":{"nodes":[{"name":"Luna"}]}}
        {"a":{"status":"ONLINE"},"b":{"status":"OFFLINE"},"busy":{"nodes":[]},"off":{"nodes":[{"name":"Never"}]},"on":{"nodes":[{"name":"Luna"}]}}
        {"a":{"status":"OFFLINE"},"b":{"status":"OFFLINE"},"busy":{"nodes":[]},"off":{"nodes":[{"name":"Luna"},{"name":"Never"}]},"on":{"nodes":[]}}
        {"a":{"status":"BUSY"},"b":{"status":"OFFLINE"},"busy":{"nodes":[{"name":"Luna"}]},"off":{"nodes":[{"name":"Never"}]},"on":{"nodes":[]}}
        "#);
    }
}
