//! The event log, through the schema.

mod calls;
mod counts;
mod record;
mod retention;

use app::{Principal, Viewer};
use chrono::TimeDelta;
use domain::{
    audit::{Event, EventId, Severity},
    device::DeviceId,
    identity::{Role, Scope},
};
use insta::assert_snapshot;
use persistence::audit::events;
use serde_json::{Value, json};
use testkit::on_both_engines;
use uuid::Uuid;

use crate::device::{lamp, lamp_itself, mutate, outcome, person};

on_both_engines! {
    async fn nobody_is_anonymous_with_a_token(world: World) {
        let query = "{ viewer { role } node(id: \"x\") { id } }";
        let anonymous = world.run(&Viewer::anonymous(), query, json!({})).await;
        assert_snapshot!(anonymous.error(), @"UNAUTHENTICATED: not signed in: send an access token as `Authorization: Bearer anima_…`");
        let ann = world.person("Ann").await;
        let answer = world.run(&ann, "{ viewer { role } }", json!({})).await;
        assert_eq!(answer.text("/viewer/role"), "USER");
    }

    async fn only_administrators_read_the_log(world: World) {
        let ann = world.person("Ann").await;
        let (_, itself) = lamp_itself(&world, &ann, "Luna").await;
        let admin = world.admin().await;
        let id = person(&admin);
        let limited = world.viewer(Principal::User { id, role: Role::Admin }, &[Scope::Read, Scope::Write]);
        let listed = world.run(&admin, "{ events(first: 1) { nodes { id } } }", json!({})).await;
        let event = listed.text("/events/nodes/0/id");
        let query = "query($id: ID!) { node(id: $id) { id } }";
        let mut told = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()),
            ("herself", ann),
            ("a device", itself),
            ("a service", world.service().await),
            ("a counselor", world.with_role("Counselor", Role::Counselor).await),
            ("an administrator's lesser key", limited),
            ("an administrator", admin),
        ] {
            let events = world.run(&viewer, "{ events { nodes { id } } }", json!({})).await;
            let one = world.run(&viewer, "query($id: ID!) { event(id: $id) { id } }", json!({ "id": event })).await;
            let node = world.run(&viewer, query, json!({ "id": event })).await;
            let node = match node.0.get("errors") {
                Some(_) => outcome(&node),
                None => node.data()["node"]["id"].as_str().map_or("-", |_| "found").to_owned(),
            };
            told += &format!("{name}: events {}, event {}, node {node}\n", outcome(&events), outcome(&one));
        }
        assert_snapshot!(told, @r"
        anonymous: events UNAUTHENTICATED, event UNAUTHENTICATED, node UNAUTHENTICATED
        herself: events FORBIDDEN, event FORBIDDEN, node -
        a device: events FORBIDDEN, event FORBIDDEN, node -
        a service: events FORBIDDEN, event FORBIDDEN, node -
        a counselor: events FORBIDDEN, event FORBIDDEN, node -
        an administrator's lesser key: events FORBIDDEN, event FORBIDDEN, node -
        an administrator: events ok, event ok, node found
        ");
    }

    async fn the_log_is_filtered_and_paged(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let device: DeviceId = lamp(&world, &ann, "Luna").await.parse().unwrap();
        let entity = world.entity(person(&ann), "Frank").await;
        let start = world.clock.now();
        // Five of one moment, then five a second apart.
        for n in 0..10_u64 {
            if n >= 5 {
                world.clock.advance(TimeDelta::seconds(1));
            }
            let event = Event {
                device_id: (n % 2 == 0).then_some(device),
                entity_id: (n % 3 == 0).then_some(entity),
                user_id: (n % 5 == 0).then_some(person(&ann)),
                severity: if n == 7 { Severity::Critical } else { Severity::Info },
                correlation_id: (n == 8).then(|| "request-8".to_owned()),
                payload: domain::values::Json(json!({ "n": n })),
                ..Event::new(EventId(Uuid::from_u128(n.into())), "brewed", world.clock.now())
            };
            events::Entity::add(world.services.db.writer(), event).await.unwrap();
        }
        let query = "query($filter: EventFilter, $order: EventOrder, $first: Int, $after: String, $last: Int, $before: String) { \
            events(filter: $filter, orderBy: $order, first: $first, after: $after, last: $last, before: $before) { \
            totalCount nodes { payload } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        let shown = |answer: &testkit::Answer| -> String {
            let nodes = answer.at("/events/nodes").as_array().unwrap();
            let numbers: Vec<String> = nodes.iter().map(|it| it["payload"]["n"].to_string()).collect();
            format!("{} of {}", numbers.join(" "), answer.at("/events/totalCount"))
        };
        let mut seen = String::new();
        for (filter, order) in [
            (json!({}), "OCCURRED_AT_DESC"),
            (json!({}), "OCCURRED_AT_ASC"),
            (json!({ "device": device }), "OCCURRED_AT_DESC"),
            (json!({ "entity": entity }), "OCCURRED_AT_DESC"),
            (json!({ "user": person(&ann), "device": device }), "OCCURRED_AT_ASC"),
            (json!({ "severity": ["CRITICAL", "ERROR"] }), "OCCURRED_AT_DESC"),
            (json!({ "correlationId": "request-8" }), "OCCURRED_AT_DESC"),
            (json!({ "correlationId": "' OR 1=1 --" }), "OCCURRED_AT_DESC"),
            (json!({ "from": start + TimeDelta::seconds(2), "to": start + TimeDelta::seconds(4) }), "OCCURRED_AT_ASC"),
            (json!({ "types": ["nothing_such"] }), "OCCURRED_AT_DESC"),
        ] {
            let mut filter = filter;
            if filter.get("types").is_none() {
                filter["types"] = json!(["brewed"]);
            }
            let answer = world.run(&admin, query, json!({ "filter": filter, "order": order })).await;
            let mut keys: Vec<&String> = filter.as_object().unwrap().keys().collect();
            keys.retain(|it| *it != "types");
            seen += &format!("{order} {keys:?}: {}\n", shown(&answer));
        }
        // Newest first, three at a time, there and back.
        let mut after = Value::Null;
        for _ in 0..4 {
            let variables = json!({ "filter": { "types": ["brewed"] }, "first": 3, "after": after });
            let answer = world.run(&admin, query, variables).await;
            seen += &format!("after: {} next {}\n", shown(&answer), answer.at("/events/pageInfo/hasNextPage"));
            after = answer.at("/events/pageInfo/endCursor").clone();
        }
        let mut before = after;
        for _ in 0..3 {
            let variables = json!({ "filter": { "types": ["brewed"] }, "last": 4, "before": before });
            let answer = world.run(&admin, query, variables).await;
            seen += &format!("before: {} previous {}\n", shown(&answer), answer.at("/events/pageInfo/hasPreviousPage"));
            before = answer.at("/events/pageInfo/startCursor").clone();
        }
        assert_snapshot!(seen, @r#"
        OCCURRED_AT_DESC []: 9 8 7 6 5 4 3 2 1 0 of 10
        OCCURRED_AT_ASC []: 0 1 2 3 4 5 6 7 8 9 of 10
        OCCURRED_AT_DESC ["device"]: 8 6 4 2 0 of 5
        OCCURRED_AT_DESC ["entity"]: 9 6 3 0 of 4
        OCCURRED_AT_ASC ["device", "user"]: 0 of 1
        OCCURRED_AT_DESC ["severity"]: 7 of 1
        OCCURRED_AT_DESC ["correlationId"]: 8 of 1
        OCCURRED_AT_DESC ["correlationId"]:  of 0
        OCCURRED_AT_ASC ["from", "to"]: 6 7 of 2
        OCCURRED_AT_DESC []:  of 0
        after: 9 8 7 of 10 next true
        after: 6 5 4 of 10 next true
        after: 3 2 1 of 10 next true
        after: 0 of 10 next false
        before: 4 3 2 1 of 10 previous true
        before: 8 7 6 5 of 10 previous true
        before: 9 of 10 previous false
        "#);
        for filter in [json!({ "types": ["NOT A TYPE"] }), json!({ "types": vec!["a"; 51] }), json!({ "correlationId": "a\0" })] {
            let answer = world.run(&admin, query, json!({ "filter": filter })).await;
            assert_eq!(outcome(&answer), "BAD_USER_INPUT", "{filter}");
        }
    }

    async fn an_entry_outlives_what_it_speaks_of(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let (id, itself) = lamp_itself(&world, &ann, "Luna").await;
        mutate(&world, &itself, "deviceOnboardingComplete", json!({ "id": id }), "device { id }").await.data();
        let query = "query($device: ID!) { events(filter: { device: $device, types: [\"api_call\"] }) { \
            nodes { eventType deviceId device { name } user { name } } } }";
        let before = world.run(&admin, query, json!({ "device": id })).await;
        assert_eq!(before.text("/events/nodes/0/device/name"), "Luna");
        mutate(&world, &ann, "deviceDelete", json!({ "id": id }), "deletedDeviceId").await.data();
        let after = world.run(&admin, query, json!({ "device": id })).await;
        assert_eq!(after.text("/events/nodes/0/deviceId"), id);
        assert!(after.at("/events/nodes/0/device").is_null());
    }

}

#[test]
fn the_log_is_append_only() {
    let contract = graphql::sdl();
    let mutations = contract.split("type Mutation {").nth(1).unwrap();
    let mutations = mutations.split("\n}").next().unwrap();
    let changing: Vec<&str> = mutations
        .lines()
        .map(str::trim)
        .filter(|it| it.starts_with("event") && !it.starts_with("eventRecord"))
        .collect();
    assert_eq!(changing, Vec::<&str>::new());
}
