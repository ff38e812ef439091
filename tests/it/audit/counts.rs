//! Counting in the log, filters, what owners read of it, and reading from a replica.

use app::Viewer;
use chrono::TimeDelta;
use domain::audit::{Event, EventId, Severity};
use insta::assert_snapshot;
use persistence::{Db, audit::events};
use serde_json::{Value, json};
use testkit::{Database, Engine, World, database::postgres_url, on_both_engines};
use uuid::Uuid;

use crate::device::{lamp, lamp_itself, mutate, outcome, person};

async fn log(world: &World, event: Event) {
    events::Entity::add(world.services.db.writer(), event)
        .await
        .unwrap();
}

const COUNTS: &str = "query($by: EventCountBy!, $filter: EventFilter, $first: Int! = 100) { \
    eventCounts(by: $by, filter: $filter, first: $first) { eventType hour device { name } count } }";

on_both_engines! {
    async fn entries_are_counted(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let luna = lamp(&world, &ann, "Luna").await;
        let gone = Uuid::from_u128(9);
        let now = world.clock.now();
        for n in 0..12_u32 {
            let event_type = ["brewed", "toasted", "brewed", "rang"][n as usize % 4];
            let device = match n % 3 { 0 => Some(luna.parse().unwrap()), 1 => Some(gone.into()), _ => None };
            log(&world, Event { device_id: device, severity: Severity::ALL[n as usize % 5],
                ..Event::new(EventId(Uuid::from_u128(n.into())), event_type, now - TimeDelta::minutes(i64::from(n) * 20)) }).await;
        }
        // Older than what is counted unless asked.
        log(&world, Event::new(EventId(Uuid::from_u128(99)), "brewed", now - TimeDelta::days(8))).await;
        let own = json!({ "types": ["brewed", "toasted", "rang"] });
        let counts = async |by: &str, filter: Value, first: i32| {
            let answer = world.run(&admin, COUNTS, json!({ "by": by, "filter": filter, "first": first })).await;
            let all = answer.at("/eventCounts").as_array().unwrap();
            let told = all.iter().map(|it| {
                let key = [&it["eventType"], &it["hour"], &it["device"]["name"]].into_iter().find_map(Value::as_str);
                format!("{} {}", key.unwrap_or("-"), it["count"])
            });
            told.collect::<Vec<_>>().join(", ")
        };
        let mut told = String::new();
        for (by, filter, first) in [
            ("TYPE", own.clone(), 100), ("TYPE", own.clone(), 1), ("HOUR", own.clone(), 100), ("HOUR", own.clone(), 2), ("DEVICE", own.clone(), 100),
            ("TYPE", json!({ "types": ["brewed"], "from": now - TimeDelta::days(30) }), 100),
            ("TYPE", json!({ "types": ["brewed"], "to": now - TimeDelta::days(2) }), 100),
            ("TYPE", json!({ "types": ["brewed", "rang"], "severityAtLeast": "ERROR" }), 100),
            ("TYPE", json!({ "types": ["brewed", "rang"], "severityAtLeast": "ERROR", "severity": ["INFO", "ERROR"] }), 100),
            ("HOUR", json!({ "device": luna, "types": ["toasted", "brewed", "rang"] }), 100),
        ] {
            told += &format!("{by} {first} {filter}: {}\n", counts(by, filter.clone(), first).await.replace("2026-09-01T", ""));
        }
        let told = told.replace(&luna, "LUNA");
        assert_snapshot!(told, @r#"
        TYPE 100 {"types":["brewed","toasted","rang"]}: brewed 6, toasted 3, rang 3
        TYPE 1 {"types":["brewed","toasted","rang"]}: brewed 6
        HOUR 100 {"types":["brewed","toasted","rang"]}: 12:00:00+00:00 1, 11:00:00+00:00 3, 10:00:00+00:00 3, 09:00:00+00:00 3, 08:00:00+00:00 2
        HOUR 2 {"types":["brewed","toasted","rang"]}: 12:00:00+00:00 1, 11:00:00+00:00 3
        DEVICE 100 {"types":["brewed","toasted","rang"]}: Luna 4, - 4, - 4
        TYPE 100 {"from":"2026-08-02T12:00:00Z","types":["brewed"]}: brewed 7
        TYPE 100 {"to":"2026-08-30T12:00:00Z","types":["brewed"]}: brewed 1
        TYPE 100 {"severityAtLeast":"ERROR","types":["brewed","rang"]}: brewed 2, rang 1
        TYPE 100 {"severity":["INFO","ERROR"],"severityAtLeast":"ERROR","types":["brewed","rang"]}: rang 1, brewed 1
        HOUR 100 {"device":"LUNA","types":["toasted","brewed","rang"]}: 12:00:00+00:00 1, 11:00:00+00:00 1, 10:00:00+00:00 1, 09:00:00+00:00 1
        "#);
        for first in [0, 1_001] {
            let answer = world.run(&admin, COUNTS, json!({ "by": "TYPE", "first": first })).await;
            assert_eq!(outcome(&answer), "BAD_USER_INPUT");
        }
        let answer = world.run(&admin, COUNTS, json!({ "by": "TYPE", "filter": { "types": ["NO TYPE"] } })).await;
        assert_eq!(outcome(&answer), "BAD_USER_INPUT");
        for viewer in [&ann, &world.service().await, &Viewer::anonymous()] {
            let answer = world.run(viewer, COUNTS, json!({ "by": "TYPE" })).await;
            assert!(["FORBIDDEN", "UNAUTHENTICATED"].contains(&outcome(&answer).as_str()));
        }
    }

    async fn severities_from_one_up(world: World) {
        let admin = world.admin().await;
        for (n, severity) in (1..).zip(Severity::ALL) {
            log(&world, Event { severity: *severity, ..Event::new(EventId(Uuid::from_u128(n)), "brewed", world.clock.now()) }).await;
        }
        let query = "query($filter: EventFilter) { events(filter: $filter) { totalCount } }";
        let mut told = Vec::new();
        for it in ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] {
            let filter = json!({ "types": ["brewed"], "severityAtLeast": it });
            told.push(world.run(&admin, query, json!({ "filter": filter })).await.at("/events/totalCount").clone());
        }
        assert_eq!(told, [5, 4, 3, 2, 1]);
        let filter = json!({ "types": ["brewed"], "severityAtLeast": "ERROR", "severity": ["INFO", "ERROR"] });
        assert_eq!(world.run(&admin, query, json!({ "filter": filter })).await.at("/events/totalCount"), 1);
    }

    async fn an_owner_reads_what_a_device_lived_through(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        let theirs = lamp(&world, &ben, "Theirs").await;
        for n in 0..3 {
            world.clock.advance(TimeDelta::seconds(1));
            mutate(&world, &itself, "eventRecord", json!({ "eventType": "rang", "payload": { "n": n } }), "event { id }").await.data();
        }
        mutate(&world, &itself, "deviceHeartbeat", json!({}), "device { id }").await.data();
        // What people do with it is not what it lives through.
        mutate(&world, &itself, "deviceOnboardingComplete", json!({ "id": id }), "device { id }").await.data();
        let query = "query($id: ID!, $filter: EventFilter, $order: EventOrder, $first: Int, $after: String) { device(id: $id) { \
            events(filter: $filter, orderBy: $order, first: $first, after: $after) { totalCount nodes { id eventType payload } pageInfo { endCursor hasNextPage } } } }";
        let shown = |answer: &testkit::Answer| {
            let nodes = answer.at("/device/events/nodes").as_array().unwrap().iter();
            let told: Vec<String> = nodes.map(|it| format!("{}{}", it["eventType"].as_str().unwrap(), it["payload"]["n"])).collect();
            format!("{} of {}", told.join(" "), answer.at("/device/events/totalCount"))
        };
        let all = world.run(&ann, query, json!({ "id": id })).await;
        assert_snapshot!(shown(&all), @"device_connectnull rang2 rang1 rang0 of 4");
        assert_snapshot!(shown(&world.run(&ann, query, json!({ "id": id, "order": "OCCURRED_AT_ASC", "filter": { "types": ["rang", "api_call"] } })).await), @"rang0 rang1 rang2 of 3");
        let first = world.run(&ann, query, json!({ "id": id, "first": 2 })).await;
        let after = first.at("/device/events/pageInfo/endCursor").clone();
        assert_snapshot!(shown(&world.run(&ann, query, json!({ "id": id, "first": 2, "after": after })).await), @"rang1 rang0 of 4");
        assert_snapshot!(shown(&world.run(&itself, query, json!({ "id": id })).await), @"device_connectnull rang2 rang1 rang0 of 4");
        assert!(world.run(&ann, query, json!({ "id": theirs })).await.at("/device").is_null());
        // Each is found again by its id, by those who see the device.
        let event = all.text("/device/events/nodes/1/id");
        let node = "query($id: ID!) { node(id: $id) { id } }";
        assert_eq!(world.run(&ann, node, json!({ "id": event })).await.text("/node/id"), event);
        assert!(world.run(&ben, node, json!({ "id": event })).await.at("/node").is_null());
        let bad = world.run(&ann, query, json!({ "id": id, "filter": { "types": ["NO TYPE"] } })).await;
        assert_eq!(outcome(&bad), "BAD_USER_INPUT");
        // Another person, though the filter names their device.
        let filter = json!({ "user": person(&ben) });
        assert_snapshot!(shown(&world.run(&ann, query, json!({ "id": id, "filter": filter })).await), @" of 0");
    }
}

/// The log and its counts are read from the replica, which here is a database of its own.
#[tokio::test]
async fn the_log_is_read_from_the_replica() {
    if postgres_url().is_none() {
        return;
    }
    let database = Database::new(Engine::Postgres).await;
    let replica = Database::new(Engine::Postgres).await;
    let mut options = database.options.clone();
    options.replica_url = Some(replica.url().to_owned());
    let db = Db::connect(&options).await.unwrap();
    let world = World::over(database, db);
    let admin = world.admin().await;
    let there = replica.connect().await;
    let event = Event::new(EventId(Uuid::from_u128(1)), "replicated", world.clock.now());
    events::Entity::add(there.writer(), event).await.unwrap();
    log(
        &world,
        Event::new(EventId(Uuid::from_u128(2)), "fresh", world.clock.now()),
    )
    .await;
    let query =
        "{ events { totalCount nodes { eventType } } eventCounts(by: TYPE) { eventType count } }";
    let answer = world.run(&admin, query, json!({})).await;
    assert_snapshot!(answer.data(), @r#"{"eventCounts":[{"count":1,"eventType":"replicated"}],"events":{"nodes":[{"eventType":"replicated"}],"totalCount":1}}"#);
    // What must be of the moment is not: an event by its id.
    let query = "query($id: ID!) { event(id: $id) { eventType } }";
    let answer = world
        .run(&admin, query, json!({ "id": EventId(Uuid::from_u128(2)) }))
        .await;
    assert_eq!(answer.text("/event/eventType"), "fresh");
}
