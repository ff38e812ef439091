//! What others report: one event, many at once, each only what is theirs.

use app::Viewer;
use chrono::TimeDelta;
use domain::audit::{Event, EventId};
use insta::assert_snapshot;
use persistence::audit::events;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use testkit::{Answer, Engine, World, on_both_engines};
use uuid::Uuid;

use crate::device::{lamp, lamp_itself, mutate, next, outcome, person, quiet, subscribe};

async fn batch(world: &World, viewer: &Viewer, input: Value) -> Answer {
    mutate(world, viewer, "eventRecordBatch", input, "recorded").await
}

/// The events of a caller's own in the log.
async fn own(world: &World) -> Vec<Event> {
    let mut events = world.events().await;
    events.retain(|it| !domain::audit::RESERVED_TYPES.contains(&it.event_type.as_str()));
    events
}

fn brewed(n: usize) -> Value {
    json!({ "events": (0..n).map(|n| json!({ "eventType": "brewed", "payload": { "n": n } })).collect::<Vec<_>>() })
}

on_both_engines! {
    async fn a_thousand_events_are_recorded_at_once(world: World) {
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let cast = json!({ "entityId": frank, "target": { "deviceId": id } });
        mutate(&world, &ann, "entityCast", cast, "entity { id }").await.data();
        let answer = batch(&world, &itself, brewed(1_000)).await;
        assert_snapshot!(answer.data(), @r#"{"eventRecordBatch":{"recorded":1000,"userErrors":[]}}"#);
        let all = own(&world).await;
        assert_eq!(all.len(), 1_000);
        // In their order, each of the device that told them.
        assert!((0..).zip(&all).all(|(n, it)| it.payload.0 == json!({ "n": n }) && it.device_id.unwrap().to_string() == id));
        // Everything an event can say comes through.
        let earlier = world.clock.now() - TimeDelta::microseconds(3_600_000_001);
        let input = json!({ "events": [
            { "eventType": "a", "severity": "CRITICAL", "device": id, "entity": frank, "occurredAt": earlier,
              "payload": { "text": "ä \" \\ 'x'; DROP TABLE events; -- \u{1F600}", "deep": [1, 2.5, null, true, { "a": [] }] } },
            { "eventType": "b" },
        ] });
        batch(&world, &itself, input.clone()).await.data();
        let all = own(&world).await;
        let (a, b) = (&all[1_000], &all[1_001]);
        assert_eq!((a.occurred_at, a.partition_key, a.entity_id), (earlier, 202_609, Some(frank)));
        assert_eq!(a.created_at, world.clock.now());
        assert_eq!(a.payload.0, input["events"][0]["payload"]);
        assert_eq!(a.severity, domain::audit::Severity::Critical);
        assert_eq!((b.payload.0.clone(), b.entity_id, b.user_id), (json!({}), None, None));
    }

    async fn one_wrong_and_nothing_is_recorded(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let mine = lamp(&world, &ann, "Mine").await;
        let theirs = lamp(&world, &ben, "Theirs").await;
        let their_entity = world.entity(person(&ben), "Theirs").await;
        let ahead = world.clock.now() + TimeDelta::seconds(3_601);
        let input = json!({ "events": [
            { "eventType": "fine", "device": mine },
            { "eventType": "device_connect" },
            { "eventType": "Not A Type", "payload": [1] },
            { "eventType": "fine", "device": theirs },
            { "eventType": "fine", "entity": their_entity, "occurredAt": ahead },
            { "eventType": "fine", "entity": their_entity },
            { "eventType": "fine", "payload": { "a": "x".repeat(16 * 1_024) } },
        ] });
        assert_snapshot!(batch(&world, &ann, input).await.user_errors(), @r"
        INVALID events.1.eventType: eventType device_connect is the system's own: choose another name
        INVALID events.2.eventType: eventType must be 1 to 50 characters of a–z and _
        INVALID events.2.payload: payload must be a JSON object
        NOT_FOUND events.3.device: device names nothing that you can see
        OUT_OF_RANGE events.4.occurredAt: occurredAt lies more than an hour ahead: check the reporter's clock
        NOT_FOUND events.5.entity: entity names nothing that you can see
        TOO_LONG events.6.payload: payload takes 16392 bytes as JSON: expected at most 16384
        ");
        assert_eq!(own(&world).await.len(), 0);
        for (n, code) in [(0, "TOO_SHORT"), (1_001, "TOO_LONG")] {
            let answer = batch(&world, &ann, brewed(n)).await;
            assert_eq!(answer.user_errors(), format!("{code} events: {n} events: expected 1 to 1000"));
        }
        // Of a thousand faults a hundred are told, the first ones.
        let faulty = json!({ "events": vec![json!({ "eventType": "X" }); 1_000] });
        let told = batch(&world, &ann, faulty).await.user_errors();
        assert_eq!(told.lines().count(), 100);
        assert!(told.lines().last().unwrap().contains("events.99.eventType"), "{told}");
    }

    async fn a_device_tells_only_of_itself(world: World) {
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let sibling = lamp(&world, &ann, "Stella").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let mut told = String::new();
        for (name, device, entity) in [("itself", json!(id), Value::Null), ("not said", Value::Null, Value::Null),
            ("a sibling", json!(sibling), Value::Null), ("an entity not cast there", Value::Null, json!(frank))] {
            let event = json!({ "eventType": "rang", "device": device, "entity": entity });
            let one = mutate(&world, &itself, "eventRecord", event.clone(), "event { deviceId }").await;
            let many = batch(&world, &itself, json!({ "events": [event] })).await;
            told += &format!("{name}: {} {}\n", outcome(&one), outcome(&many));
        }
        assert_snapshot!(told, @r"
        itself: ok ok
        not said: ok ok
        a sibling: NOT_FOUND NOT_FOUND
        an entity not cast there: NOT_FOUND NOT_FOUND
        ");
        assert!(own(&world).await.iter().all(|it| it.device_id.unwrap().to_string() == id));
    }

    async fn the_same_key_records_once(world: World) {
        let ann = world.person("Ann").await;
        let mut input = brewed(3);
        input["idempotencyKey"] = json!("k");
        let first = batch(&world, &ann, input.clone()).await;
        world.clock.advance(TimeDelta::minutes(5));
        assert_eq!(first.data(), batch(&world, &ann, input.clone()).await.data());
        input["events"][0]["eventType"] = json!("toasted");
        assert_eq!(outcome(&batch(&world, &ann, input).await), "CONFLICT");
        let one = json!({ "eventType": "rang", "idempotencyKey": "one" });
        let first = mutate(&world, &ann, "eventRecord", one.clone(), "event { id }").await;
        let again = mutate(&world, &ann, "eventRecord", one, "event { id }").await;
        assert_eq!(first.data(), again.data());
        assert_eq!(own(&world).await.len(), 4);
        // Another's key is another key.
        let ben = world.person("Ben").await;
        let mut input = brewed(2);
        input["idempotencyKey"] = json!("k");
        assert_eq!(outcome(&batch(&world, &ben, input).await), "ok");
    }

    async fn a_batch_is_told_to_who_follows_the_log(world: World) {
        let ann = world.person("Ann").await;
        let admin = world.admin().await;
        let query = "subscription { eventLogged(eventType: \"brewed\") { eventType payload } }";
        let mut told = subscribe(&world, &admin, query, json!({})).await;
        batch(&world, &ann, brewed(1_000)).await.data();
        for n in 0..1_000 {
            assert_eq!(next(&mut told).await["data"]["eventLogged"]["payload"]["n"], n);
        }
        quiet(&mut told).await;
    }

    async fn a_row_is_the_same_whichever_way_it_came(world: World) {
        // One by one through the entity, many at once by a statement of our own.
        let db = world.services.db.writer();
        let full = |n| Event {
            device_id: Some(Uuid::from_u128(1).into()),
            entity_id: Some(Uuid::from_u128(2).into()),
            user_id: Some(Uuid::from_u128(3).into()),
            conversation_id: Some(Uuid::from_u128(4).into()),
            payload: domain::values::Json(json!({ "b": 1.5, "a": ["x", null], "n": 12_345_678_901_u64 })),
            correlation_id: Some("request-1".to_owned()),
            ..Event::new(EventId(Uuid::from_u128(n)), "brewed", world.clock.now() + TimeDelta::microseconds(1))
        };
        let plain = |n| Event::new(EventId(Uuid::from_u128(n)), "brewed", world.clock.now());
        events::Entity::add(db, full(1)).await.unwrap();
        events::Entity::add(db, plain(2)).await.unwrap();
        events::Entity::add_all(db, &[full(3), plain(4)]).await.unwrap();
        events::Entity::add_all(db, &[]).await.unwrap();
        let text = match db.get_database_backend() {
            sea_orm::DbBackend::Sqlite => "typeof(device_id) || hex(device_id) || typeof(payload) || payload || typeof(occurred_at) || occurred_at || created_at || typeof(partition_key)",
            _ => "device_id::text || payload::text || occurred_at::text || created_at::text",
        };
        let sql = format!("SELECT COALESCE({text}, '-') || COALESCE(correlation_id, '-') || event_type || severity || partition_key || COALESCE({text}, '-') AS told FROM events ORDER BY id");
        let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        let told: Vec<String> = rows.iter().map(|it| it.try_get("", "told").unwrap()).collect();
        assert_eq!(told.len(), 4);
        assert_eq!((&told[0], &told[1]), (&told[2], &told[3]));
    }
}

/// A thousand events are one statement of the log, whatever their number.
async fn a_batch_is_few_statements(engine: Engine) {
    let (world, statements) = World::watched(engine).await;
    let ann = world.person("Ann").await;
    let mut sent = Vec::new();
    for n in [2, 1_000] {
        statements.take();
        batch(&world, &ann, brewed(n)).await.data();
        sent.push(statements.take());
    }
    assert_eq!(sent[0], sent[1], "constant text");
    let inserts = sent[1].iter().filter(|it| it.starts_with("INSERT")).count();
    assert_eq!(inserts, 2, "the events, and the api_call: {:#?}", sent[1]);
}

#[tokio::test]
async fn a_batch_is_few_statements_sqlite() {
    a_batch_is_few_statements(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_batch_is_few_statements_postgres() {
    if testkit::database::postgres_url().is_some() {
        a_batch_is_few_statements(Engine::Postgres).await;
    }
}
