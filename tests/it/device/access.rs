//! Who may do what with devices: every principal against every operation, and another
//! person's ids in every field that takes one.

use app::{Principal, Viewer};
use domain::{
    device::DeviceId,
    identity::{Role, Scope},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use super::{group, lamp, lamp_itself, mutate, outcome, person, register, zone};

/// What Ann has.
struct Home {
    device: String,
    zone: String,
    group: String,
    entity: String,
}

/// Every operation on Ann's things, in one line.
async fn attempts(world: &World, viewer: &Viewer, home: &Home) -> String {
    let Home {
        device,
        zone,
        group,
        entity,
    } = home;
    let query = "query($device: ID!, $zone: ID!, $group: ID!) { device(id: $device) { id } \
        zone(id: $zone) { id } deviceGroup(id: $group) { id } node(id: $device) { id } \
        devices { nodes { id } } }";
    let variables = json!({ "device": device, "zone": zone, "group": group });
    let answer = world.run(viewer, query, variables).await;
    let mut line = String::from("reads ");
    line += &match answer.0.get("errors") {
        Some(_) => outcome(&answer),
        None => ["device", "zone", "deviceGroup", "node"]
            .map(|it| if answer.data()[it].is_null() { "-" } else { it })
            .join(" "),
    };
    let listed = answer.0.pointer("/data/devices/nodes");
    let listed = listed.and_then(Value::as_array).map_or(0, Vec::len);
    line += &format!(" lists {listed};");
    let name = |id: &str| json!({ "id": id, "name": "Renamed" });
    for (mutation, input, selection) in [
        ("deviceUpdate", name(device), "device { id }"),
        ("deviceTokenRotate", json!({ "id": device }), "token"),
        (
            "deviceOnboardingComplete",
            json!({ "id": device }),
            "device { id }",
        ),
        ("zoneUpdate", name(zone), "zone { id }"),
        ("deviceGroupUpdate", name(group), "deviceGroup { id }"),
        (
            "entityCast",
            json!({ "entityId": entity, "target": { "deviceId": device } }),
            "entity { id }",
        ),
        (
            "entityUncast",
            json!({ "entityId": entity }),
            "entity { id }",
        ),
        (
            "deviceRegister",
            json!({ "name": "New", "deviceType": "LAMP" }),
            "device { id }",
        ),
    ] {
        let answer = mutate(world, viewer, mutation, input, selection).await;
        line += &format!(" {mutation} {};", outcome(&answer));
    }
    line
}

on_both_engines! {
    async fn the_matrix_of_devices(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let (device, itself) = lamp_itself(&world, &ann, "Luna").await;
        let home = Home {
            device: device.clone(),
            zone: zone(&world, &ann, "Kitchen", None).await,
            group: group(&world, &ann, "Morning").await,
            entity: world.entity(person(&ann), "Frank").await.to_string(),
        };
        let (_, sibling) = lamp_itself(&world, &ann, "Stella").await;
        let service = world.service().await;
        let mut acting = service.clone();
        acting.acts_for = Some(person(&ann));
        let mut acting_for_ben = service.clone();
        acting_for_ben.acts_for = Some(person(&ben));
        let id = person(&ann);
        let own = Principal::User { id, role: Role::User };
        let entity = home.entity.parse().unwrap();
        let fenced = world.viewer(own, &[Scope::Read, Scope::Write, Scope::Entity(entity)]);
        let reading = world.viewer(own, &[Scope::Read]);
        let luna: DeviceId = device.parse().unwrap();
        let forged = world.viewer(Principal::Device { id: luna, owner: person(&ben) }, &[Scope::Read]);
        let mut table = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()),
            ("another person", ben.clone()),
            ("a key fenced to the entity", fenced),
            ("a key that only reads", reading),
            ("the device itself, reading", forged),
            ("the device itself", itself),
            ("another device of hers", sibling),
            ("a service", service.clone()),
            ("a service for another", acting_for_ben),
            ("a counselor", world.with_role("Counselor", Role::Counselor).await),
            ("a service for her", acting),
            ("herself", ann.clone()),
            ("an administrator", world.admin().await),
        ] {
            table += &format!("{name}: {}\n", attempts(&world, &viewer, &home).await);
        }
        assert_snapshot!(table, @r"
        anonymous: reads UNAUTHENTICATED lists 0; deviceUpdate UNAUTHENTICATED; deviceTokenRotate UNAUTHENTICATED; deviceOnboardingComplete UNAUTHENTICATED; zoneUpdate UNAUTHENTICATED; deviceGroupUpdate UNAUTHENTICATED; entityCast UNAUTHENTICATED; entityUncast UNAUTHENTICATED; deviceRegister UNAUTHENTICATED;
        another person: reads - - - - lists 0; deviceUpdate NOT_FOUND; deviceTokenRotate NOT_FOUND; deviceOnboardingComplete NOT_FOUND; zoneUpdate NOT_FOUND; deviceGroupUpdate NOT_FOUND; entityCast NOT_FOUND; entityUncast NOT_FOUND; deviceRegister ok;
        a key fenced to the entity: reads - - - - lists 0; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete NOT_FOUND; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        a key that only reads: reads device zone deviceGroup node lists 2; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete FORBIDDEN; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        the device itself, reading: reads device - - node lists 1; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete FORBIDDEN; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        the device itself: reads device - - node lists 1; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete ok; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        another device of hers: reads - - - - lists 1; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete NOT_FOUND; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        a service: reads device zone deviceGroup node lists 3; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete FORBIDDEN; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        a service for another: reads device zone deviceGroup node lists 3; deviceUpdate NOT_FOUND; deviceTokenRotate NOT_FOUND; deviceOnboardingComplete NOT_FOUND; zoneUpdate NOT_FOUND; deviceGroupUpdate NOT_FOUND; entityCast NOT_FOUND; entityUncast NOT_FOUND; deviceRegister ok;
        a counselor: reads - - - - lists 0; deviceUpdate FORBIDDEN; deviceTokenRotate FORBIDDEN; deviceOnboardingComplete NOT_FOUND; zoneUpdate FORBIDDEN; deviceGroupUpdate FORBIDDEN; entityCast FORBIDDEN; entityUncast FORBIDDEN; deviceRegister FORBIDDEN;
        a service for her: reads device zone deviceGroup node lists 4; deviceUpdate ok; deviceTokenRotate ok; deviceOnboardingComplete ok; zoneUpdate ok; deviceGroupUpdate ok; entityCast ok; entityUncast ok; deviceRegister ok;
        herself: reads device zone deviceGroup node lists 3; deviceUpdate ok; deviceTokenRotate ok; deviceOnboardingComplete ok; zoneUpdate ok; deviceGroupUpdate ok; entityCast ok; entityUncast ok; deviceRegister ok;
        an administrator: reads device zone deviceGroup node lists 6; deviceUpdate ok; deviceTokenRotate ok; deviceOnboardingComplete ok; zoneUpdate ok; deviceGroupUpdate ok; entityCast ok; entityUncast ok; deviceRegister ok;
        ");
    }

    async fn the_ids_of_others_name_nothing(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let theirs = Home {
            device: lamp(&world, &ben, "Ben's").await,
            zone: zone(&world, &ben, "Ben's", None).await,
            group: group(&world, &ben, "Ben's").await,
            entity: world.entity(person(&ben), "Ben's").await.to_string(),
        };
        let mine = lamp(&world, &ann, "Luna").await;
        let kitchen = zone(&world, &ann, "Kitchen", None).await;
        let frank = world.entity(person(&ann), "Frank").await;
        let new = |field: &str, id: &str| json!({ "name": "x", "deviceType": "LAMP", field: id });
        let ben_id = person(&ben).to_string();
        let mut told = String::new();
        for (mutation, input, selection) in [
            ("deviceRegister", new("ownerId", &ben_id), "token"),
            ("deviceRegister", new("zoneId", &theirs.zone), "token"),
            ("deviceRegister", new("groupId", &theirs.group), "token"),
            ("deviceUpdate", json!({ "id": theirs.device }), "device { id }"),
            ("deviceUpdate", json!({ "id": mine, "zoneId": theirs.zone }), "device { id }"),
            ("deviceUpdate", json!({ "id": mine, "groupId": theirs.group }), "device { id }"),
            ("deviceDelete", json!({ "id": theirs.device }), "deletedDeviceId"),
            ("deviceTokenRotate", json!({ "id": theirs.device }), "token"),
            ("deviceOnboardingComplete", json!({ "id": theirs.device }), "device { id }"),
            ("zoneCreate", json!({ "name": "x", "ownerId": ben_id }), "zone { id }"),
            ("zoneCreate", json!({ "name": "x", "parentId": theirs.zone }), "zone { id }"),
            ("zoneUpdate", json!({ "id": theirs.zone }), "zone { id }"),
            ("zoneUpdate", json!({ "id": kitchen, "parentId": theirs.zone }), "zone { id }"),
            ("zoneDelete", json!({ "id": theirs.zone }), "deletedZoneId"),
            ("deviceGroupCreate", json!({ "name": "x", "ownerId": ben_id }), "deviceGroup { id }"),
            ("deviceGroupUpdate", json!({ "id": theirs.group }), "deviceGroup { id }"),
            ("deviceGroupDelete", json!({ "id": theirs.group }), "deletedDeviceGroupId"),
            ("entityCast", json!({ "entityId": theirs.entity, "target": { "deviceId": mine } }), "entity { id }"),
            ("entityCast", json!({ "entityId": frank, "target": { "deviceId": theirs.device } }), "entity { id }"),
            ("entityUncast", json!({ "entityId": theirs.entity }), "entity { id }"),
        ] {
            let answer = mutate(&world, &ann, mutation, input, selection).await;
            told += &format!("{mutation} {}\n", answer.user_errors());
        }
        assert_snapshot!(told, @r"
        deviceRegister NOT_FOUND ownerId: ownerId names nothing that you can see
        deviceRegister NOT_FOUND zoneId: zoneId names nothing that you can see
        deviceRegister NOT_FOUND groupId: groupId names nothing that you can see
        deviceUpdate NOT_FOUND id: id names nothing that you can see
        deviceUpdate NOT_FOUND zoneId: zoneId names nothing that you can see
        deviceUpdate NOT_FOUND groupId: groupId names nothing that you can see
        deviceDelete NOT_FOUND id: id names nothing that you can see
        deviceTokenRotate NOT_FOUND id: id names nothing that you can see
        deviceOnboardingComplete NOT_FOUND id: id names nothing that you can see
        zoneCreate NOT_FOUND ownerId: ownerId names nothing that you can see
        zoneCreate NOT_FOUND parentId: parentId names nothing that you can see
        zoneUpdate NOT_FOUND id: id names nothing that you can see
        zoneUpdate NOT_FOUND parentId: parentId names nothing that you can see
        zoneDelete NOT_FOUND id: id names nothing that you can see
        deviceGroupCreate NOT_FOUND ownerId: ownerId names nothing that you can see
        deviceGroupUpdate NOT_FOUND id: id names nothing that you can see
        deviceGroupDelete NOT_FOUND id: id names nothing that you can see
        entityCast NOT_FOUND entityId: entityId names nothing that you can see
        entityCast NOT_FOUND target.deviceId: deviceId names nothing that you can see
        entityUncast NOT_FOUND entityId: entityId names nothing that you can see
        ");

        // Not even an administrator puts a device into another person's zone or group.
        let admin = world.admin().await;
        for input in [
            json!({ "id": mine, "zoneId": theirs.zone }),
            json!({ "id": mine, "groupId": theirs.group }),
        ] {
            let answer = mutate(&world, &admin, "deviceUpdate", input, "device { id }").await;
            assert_eq!(outcome(&answer), "NOT_FOUND");
        }
        // Filters by what others have find nothing, and no more is told of people than their own.
        let query = "query($zone: ID!, $group: ID!, $user: ID!) { \
            a: devices(filter: { zone: $zone }) { totalCount } \
            b: devices(filter: { group: $group }) { totalCount } user(id: $user) { id } }";
        let variables = json!({ "zone": theirs.zone, "group": theirs.group, "user": ben_id });
        let answer = world.run(&ann, query, variables).await;
        assert_snapshot!(answer.data(), @r#"{"a":{"totalCount":0},"b":{"totalCount":0},"user":null}"#);
    }

    async fn an_administrator_registers_for_others(world: World) {
        let ann = world.person("Ann").await;
        let admin = world.admin().await;
        let input = json!({ "name": "Luna", "deviceType": "LAMP", "ownerId": person(&ann) });
        register(&world, &admin, input).await;
        let query = "{ devices { nodes { name owner { name } } } }";
        assert_snapshot!(world.run(&ann, query, json!({})).await.data(), @r#"{"devices":{"nodes":[{"name":"Luna","owner":{"name":"Ann"}}]}}"#);
        // What was done is in the log, and by whom.
        let query = "{ events(filter: { types: [\"api_call\"] }) { nodes { payload user { name } } } }";
        let answer = world.run(&admin, query, json!({})).await;
        assert_eq!(answer.text("/events/nodes/0/payload/operation"), "deviceRegister");
        assert_eq!(answer.text("/events/nodes/0/payload/by"), person(&admin).to_string());
        assert_eq!(answer.text("/events/nodes/0/user/name"), "Ann");
    }
}
