//! Heartbeats: a device's life, and what follows from its silence.

use app::{Viewer, device::devices_gone};
use chrono::TimeDelta;
use domain::identity::Scope;
use futures_util::StreamExt;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Engine, World, on_both_engines};

use super::{heard, lamp, lamp_itself, mutate, next, outcome, person, quiet, subscribe};

const DEVICE: &str = "device { status lastHeartbeatAt health { reportedAt batteryPercent \
    cpuPercent wifiSignalDbm uptimeSeconds firmwareVersion } }";

async fn beat(world: &World, viewer: &Viewer, input: Value) -> testkit::Answer {
    mutate(world, viewer, "deviceHeartbeat", input, DEVICE).await
}

/// What was logged of devices coming and going: type and second of the test's day.
async fn comings_and_goings(world: &World) -> String {
    let mut told = String::new();
    for it in world.events().await {
        if it.event_type.starts_with("device_") {
            told += &format!(
                "{} {} {}\n",
                it.event_type,
                it.occurred_at.format("%H:%M:%S"),
                it.payload.0
            );
        }
    }
    told
}

on_both_engines! {
    async fn a_device_says_how_it_is(world: World) {
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let answer = beat(&world, &itself, json!({})).await;
        assert_snapshot!(answer.at("/deviceHeartbeat/device"), @r#"{"health":null,"lastHeartbeatAt":"2026-09-01T12:00:00+00:00","status":"ONLINE"}"#);
        world.clock.advance(TimeDelta::seconds(30));
        let health = json!({ "batteryPercent": 81.5, "cpuPercent": 3, "wifiSignalDbm": -61, "uptimeSeconds": 4242, "firmwareVersion": " 1.4.2 " });
        let answer = beat(&world, &itself, json!({ "status": "BUSY", "health": health })).await;
        assert_snapshot!(answer.at("/deviceHeartbeat/device"), @r#"{"health":{"batteryPercent":81.5,"cpuPercent":3.0,"firmwareVersion":"1.4.2","reportedAt":"2026-09-01T12:00:30+00:00","uptimeSeconds":4242,"wifiSignalDbm":-61},"lastHeartbeatAt":"2026-09-01T12:00:30+00:00","status":"BUSY"}"#);
        world.clock.advance(TimeDelta::seconds(30));
        // Its health stays when it says nothing of it; another health takes its place whole.
        let answer = beat(&world, &itself, json!({ "id": id, "status": "BUSY" })).await;
        assert_snapshot!(answer.at("/deviceHeartbeat/device"), @r#"{"health":{"batteryPercent":81.5,"cpuPercent":3.0,"firmwareVersion":"1.4.2","reportedAt":"2026-09-01T12:00:30+00:00","uptimeSeconds":4242,"wifiSignalDbm":-61},"lastHeartbeatAt":"2026-09-01T12:01:00+00:00","status":"BUSY"}"#);
        let answer = beat(&world, &ann, json!({ "id": id, "status": "ERROR", "health": { "cpuPercent": 99 } })).await;
        assert_snapshot!(answer.at("/deviceHeartbeat/device"), @r#"{"health":{"batteryPercent":null,"cpuPercent":99.0,"firmwareVersion":null,"reportedAt":"2026-09-01T12:01:00+00:00","uptimeSeconds":null,"wifiSignalDbm":null},"lastHeartbeatAt":"2026-09-01T12:01:00+00:00","status":"ERROR"}"#);
        // It came online once, and heartbeats are no calls.
        assert_snapshot!(comings_and_goings(&world).await, @r#"device_connect 12:00:00 {"status":"online"}"#);
        let calls = world.events().await.iter().filter(|it| it.payload.0["operation"] == "deviceHeartbeat").count();
        assert_eq!(calls, 0);
    }

    async fn faulty_heartbeats_are_refused_whole(world: World) {
        let ann = world.person("Ann").await;
        let id = lamp(&world, &ann, "Luna").await;
        let health = json!({ "batteryPercent": 101, "temperatureCelsius": -200, "wifiSignalDbm": 3, "uptimeSeconds": -1, "firmwareVersion": "x".repeat(51) });
        let answer = beat(&world, &ann, json!({ "id": id, "status": "OFFLINE", "health": health })).await;
        assert_snapshot!(answer.user_errors(), @r"
        INVALID status: a device that is heard is not offline: say nothing, and it is
        OUT_OF_RANGE health.batteryPercent: batteryPercent is 101: expected 0 to 100
        OUT_OF_RANGE health.temperatureCelsius: temperatureCelsius is -200: expected -100 to 500
        OUT_OF_RANGE health.wifiSignalDbm: wifiSignalDbm is 3: expected -130 to 0
        OUT_OF_RANGE health.uptimeSeconds: uptimeSeconds is -1: expected 0 to 2147483647
        TOO_LONG health.firmwareVersion: firmwareVersion has 51 characters: expected 1 to 50
        ");
        let answer = beat(&world, &ann, json!({})).await;
        assert_snapshot!(answer.user_errors(), @"REQUIRED id: say which device: id is required here");
        let query = "query($id: ID!) { device(id: $id) { lastHeartbeatAt } }";
        assert!(world.run(&ann, query, json!({ "id": id })).await.at("/device/lastHeartbeatAt").is_null());
    }

    async fn who_may_say_that_a_device_is_alive(world: World) {
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let (_, sibling) = lamp_itself(&world, &ann, "Stella").await;
        let service = world.service().await;
        let mut acting = service.clone();
        acting.acts_for = Some(person(&ann));
        let mut for_another = service.clone();
        let ben = world.person("Ben").await;
        for_another.acts_for = Some(person(&ben));
        let reading = world.viewer(itself.principal, &[Scope::Read]);
        let mut told = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()), ("itself", itself), ("itself, reading", reading),
            ("another device of hers", sibling), ("her", ann), ("another", ben), ("a service", service),
            ("a service for her", acting), ("a service for another", for_another), ("an administrator", world.admin().await),
        ] {
            // Both ways: the first heartbeat of a device, and one that confirms.
            let first = beat(&world, &viewer, json!({ "id": id })).await;
            let again = beat(&world, &viewer, json!({ "id": id })).await;
            told += &format!("{name}: {} {}\n", outcome(&first), outcome(&again));
        }
        assert_snapshot!(told, @r"
        anonymous: UNAUTHENTICATED UNAUTHENTICATED
        itself: ok ok
        itself, reading: FORBIDDEN FORBIDDEN
        another device of hers: NOT_FOUND NOT_FOUND
        her: ok ok
        another: NOT_FOUND NOT_FOUND
        a service: FORBIDDEN FORBIDDEN
        a service for her: ok ok
        a service for another: NOT_FOUND NOT_FOUND
        an administrator: ok ok
        ");
    }

    async fn silence_is_noticed_once(world: World) {
        let ann = world.person("Ann").await;
        let cx = world.cx(&Viewer::system());
        let (_, luna) = lamp_itself(&world, &ann, "Luna").await;
        let (_, stella) = lamp_itself(&world, &ann, "Stella").await;
        lamp(&world, &ann, "Never").await;
        beat(&world, &luna, json!({})).await.data();
        world.clock.advance(TimeDelta::seconds(100));
        beat(&world, &stella, json!({ "status": "BUSY" })).await.data();
        world.clock.advance(TimeDelta::seconds(199));
        assert_eq!(devices_gone(&cx).await.unwrap(), 0, "299 s");
        world.clock.advance(TimeDelta::seconds(1));
        assert_eq!(devices_gone(&cx).await.unwrap(), 0, "300 s");
        world.clock.advance(TimeDelta::seconds(1));
        // Two sweepers at once, in two processes.
        let other = world.database().connect().await;
        let services = std::sync::Arc::new(app::Services { db: other, clock: cx.clock.clone(), ids: cx.ids.clone(),
            random: cx.random.clone(), bus: cx.bus.clone(), sessions: app::identity::Sessions::new(), llm: None,
            settings: cx.settings.clone() });
        let elsewhere = services.system_cx();
        let (here, there) = tokio::join!(devices_gone(&cx), devices_gone(&elsewhere));
        assert_eq!(here.unwrap() + there.unwrap(), 1, "301 s");
        assert_eq!(devices_gone(&cx).await.unwrap(), 0);
        // Who comes back before the sweep comes round was away all the same.
        world.clock.advance(TimeDelta::seconds(500));
        beat(&world, &stella, json!({ "status": "BUSY" })).await.data();
        assert_eq!(devices_gone(&cx).await.unwrap(), 0);
        beat(&world, &luna, json!({})).await.data();
        assert_snapshot!(comings_and_goings(&world).await, @r#"
        device_connect 12:00:00 {"status":"online"}
        device_connect 12:01:40 {"status":"busy"}
        device_disconnect 12:05:00 {"lastHeartbeatAt":"2026-09-01T12:00:00Z"}
        device_disconnect 12:06:40 {"lastHeartbeatAt":"2026-09-01T12:01:40Z"}
        device_connect 12:13:21 {"status":"busy"}
        device_connect 12:13:21 {"status":"online"}
        "#);
        let query = "{ devices { nodes { name status } } }";
        assert_snapshot!(world.run(&ann, query, json!({})).await.at("/devices/nodes"), @r#"[{"name":"Luna","status":"ONLINE"},{"name":"Never","status":"OFFLINE"},{"name":"Stella","status":"BUSY"}]"#);
    }

    async fn many_silent_devices_are_swept_in_batches(world: World) {
        let ann = world.person("Ann").await;
        let cx = world.cx(&Viewer::system());
        for n in 0..450 {
            let id = world.device(person(&ann), &format!("Lamp {n}")).await;
            if n < 420 {
                heard(&world, &id.to_string(), world.clock.now(), "online").await;
            }
        }
        world.clock.advance(TimeDelta::seconds(301));
        assert_eq!(devices_gone(&cx).await.unwrap(), 420);
        let gone = world.events().await.into_iter().filter(|it| it.event_type == "device_disconnect");
        assert_eq!(gone.map(|it| it.device_id).collect::<std::collections::HashSet<_>>().len(), 420);
    }

    async fn changes_are_told_to_those_who_see_the_device(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let admin = world.admin().await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let entity = world.entity(person(&ann), "Frank").await;
        let query = "subscription { deviceChanged { name status entity { name } } }";
        let mut anns = subscribe(&world, &ann, query, json!({})).await;
        let mut bens = subscribe(&world, &ben, query, json!({})).await;
        let mut admins = subscribe(&world, &admin, query, json!({})).await;
        let mut its_own = subscribe(&world, &itself, query, json!({})).await;
        let one = "subscription($id: ID!) { deviceChanged(device: $id) { name } }";
        let mut of_one = subscribe(&world, &ann, one, json!({ "id": id })).await;

        beat(&world, &itself, json!({})).await.data();
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":null,"name":"Luna","status":"ONLINE"}}}"#);
        assert_snapshot!(next(&mut of_one).await, @r#"{"data":{"deviceChanged":{"name":"Luna"}}}"#);
        // A heartbeat that confirms what is known is not told.
        beat(&world, &itself, json!({ "health": { "cpuPercent": 1 } })).await.data();
        beat(&world, &itself, json!({ "status": "BUSY" })).await.data();
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":null,"name":"Luna","status":"BUSY"}}}"#);
        // What belongs to it is read afresh each time.
        let cast = json!({ "entityId": entity, "target": { "deviceId": id } });
        mutate(&world, &ann, "entityCast", cast, "entity { id }").await.data();
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":{"name":"Frank"},"name":"Luna","status":"BUSY"}}}"#);
        mutate(&world, &ann, "deviceUpdate", json!({ "id": id, "name": "Lumi" }), "device { id }").await.data();
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":{"name":"Frank"},"name":"Lumi","status":"BUSY"}}}"#);
        world.clock.advance(TimeDelta::seconds(301));
        devices_gone(&world.cx(&Viewer::system())).await.unwrap();
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":{"name":"Frank"},"name":"Lumi","status":"OFFLINE"}}}"#);
        lamp(&world, &ann, "New").await;
        assert_snapshot!(next(&mut anns).await, @r#"{"data":{"deviceChanged":{"entity":null,"name":"New","status":"OFFLINE"}}}"#);
        lamp(&world, &ben, "Ben's").await;
        assert_snapshot!(next(&mut bens).await, @r#"{"data":{"deviceChanged":{"entity":null,"name":"Ben's","status":"OFFLINE"}}}"#);
        quiet(&mut anns).await;
        quiet(&mut bens).await;
        // An administrator is told of everybody's, a device of itself.
        let told: Vec<Value> = admins.by_ref().take(7).collect().await;
        assert!(told[6].to_string().contains("Ben's"), "{told:?}");
        for _ in 0..5 {
            assert!(next(&mut its_own).await.to_string().contains("Lu"));
        }
        quiet(&mut its_own).await;
        // Nobody follows what they do not see.
        let other = world.device(person(&ann), "Other").await.to_string();
        for (viewer, stranger) in [(&ben, id), (&itself, other)] {
            let mut refused = subscribe(&world, viewer, one, json!({ "id": stranger })).await;
            assert!(next(&mut refused).await.to_string().contains("NOT_FOUND"));
        }
        let mut refused = subscribe(&world, &Viewer::anonymous(), query, json!({})).await;
        assert!(next(&mut refused).await.to_string().contains("UNAUTHENTICATED"));
    }
}

/// The usual heartbeat is one statement.
async fn a_heartbeat_is_one_statement(engine: Engine) {
    let (world, statements) = World::watched(engine).await;
    let ann = world.person("Ann").await;
    let (_, itself) = lamp_itself(&world, &ann, "Luna").await;
    beat(&world, &itself, json!({})).await.data();
    for health in [Value::Null, json!({ "cpuPercent": 4 })] {
        world.clock.advance(TimeDelta::seconds(30));
        statements.take();
        let input = json!({ "health": health });
        let answer = mutate(
            &world,
            &itself,
            "deviceHeartbeat",
            input,
            "device { status }",
        )
        .await;
        assert_eq!(outcome(&answer), "ok");
        // When the token was last used is noted beside it, once a minute at most.
        let mut sent = statements.take();
        sent.retain(|it| !it.contains("access_tokens"));
        assert_eq!(sent.len(), 1, "{sent:#?}");
    }
}

#[tokio::test]
async fn a_heartbeat_is_one_statement_sqlite() {
    a_heartbeat_is_one_statement(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_heartbeat_is_one_statement_postgres() {
    if testkit::database::postgres_url().is_some() {
        a_heartbeat_is_one_statement(Engine::Postgres).await;
    }
}

/// Devices speak to one process; whoever follows them is connected to another.
#[tokio::test]
async fn what_happens_in_one_process_is_told_in_another() {
    let Some((world, other)) = crate::outbox::feed::two().await else {
        return;
    };
    let ann = world.person("Ann").await;
    let admin = world.admin().await;
    let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
    let changed = "subscription { deviceChanged { name status } }";
    let mut changed = subscribe(&world, &ann, changed, json!({})).await;
    let commanded = "subscription { deviceCommandReceived { type payload } }";
    let mut commanded = subscribe(&world, &itself, commanded, json!({})).await;
    let logged = "subscription { eventLogged(eventType: \"rang\") { payload } }";
    let mut logged = subscribe(&world, &admin, logged, json!({})).await;

    let cx = other.cx(ann.clone(), app::Request::default());
    let device = id.parse().unwrap();
    let heartbeat = app::device::DeviceHeartbeat {
        id: Some(device),
        ..Default::default()
    };
    app::device::device_heartbeat(&cx, heartbeat).await.unwrap();
    assert_snapshot!(next(&mut changed).await, @r#"{"data":{"deviceChanged":{"name":"Luna","status":"ONLINE"}}}"#);
    let broadcast = app::device::DeviceBroadcast {
        group: None,
        devices: Some(vec![device]),
        order: domain::device::Order {
            command: "wake".to_owned(),
            payload: json!({ "at": 7 }),
        },
    };
    app::device::device_broadcast(&cx, None, broadcast)
        .await
        .unwrap();
    assert_snapshot!(next(&mut commanded).await, @r#"{"data":{"deviceCommandReceived":{"payload":{"at":7},"type":"wake"}}}"#);
    let events = (0..1_000).map(|n| app::audit::EventRecord {
        event_type: "rang".to_owned(),
        payload: Some(json!({ "n": n })),
        ..Default::default()
    });
    app::audit::record_batch(&cx, None, events.collect())
        .await
        .unwrap();
    for n in 0..1_000 {
        assert_eq!(
            next(&mut logged).await["data"]["eventLogged"]["payload"]["n"],
            n
        );
    }
}
