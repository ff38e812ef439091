//! Learned patterns: found, kept once, forgotten, listed.

use app::{
    Viewer,
    device::{patterns_refresh, patterns_sweep},
};
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use domain::{
    audit::{Event, EventId},
    device::DeviceId,
    dna::EntityId,
    identity::UserId,
};
use insta::assert_snapshot;
use persistence::audit::events;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use super::{lamp, lamp_itself, mutate, outcome, person};

const PATTERNS: &str = "query($id: ID!, $filter: LearnedPatternFilter) { entity(id: $id) { \
    learnedPatterns(filter: $filter) { totalCount nodes { id kind window description confidence support isActive \
    firstSeenAt lastSeenAt evidence { eventType followedBy hour weekday timeZone cases share expectedShare pValue \
    meanDelaySeconds } device { name } user { name } } } } }";

/// Logs what an entity lived through.
async fn lived(
    world: &World,
    event_type: &str,
    times: impl IntoIterator<Item = DateTime<Utc>>,
    of: Event,
) {
    let cx = world.cx(&Viewer::system());
    let all: Vec<Event> = times
        .into_iter()
        .map(|at| Event {
            device_id: of.device_id,
            entity_id: of.entity_id,
            user_id: of.user_id,
            ..Event::new(cx.id::<EventId>(), event_type, at)
        })
        .collect();
    events::Entity::add_all(world.services.db.writer(), &all)
        .await
        .unwrap();
}

fn of(entity: Option<EntityId>, device: Option<DeviceId>, user: Option<UserId>) -> Event {
    Event {
        entity_id: entity,
        device_id: device,
        user_id: user,
        ..Event::new(EventId(uuid::Uuid::nil()), "x", DateTime::UNIX_EPOCH)
    }
}

/// Each of the last days before the test's noon, at this hour and minute, UTC.
fn daily(days: i64, hour: u32, minute: u32) -> impl Iterator<Item = DateTime<Utc>> {
    let today = Utc.with_ymd_and_hms(2026, 9, 1, hour, minute, 0).unwrap();
    (1..=days).map(move |day| today - TimeDelta::days(day))
}

async fn refresh(world: &World, viewer: &Viewer, entity: EntityId) -> testkit::Answer {
    let selection = "entity { learnedPatterns { nodes { description } } }";
    mutate(
        world,
        viewer,
        "learnedPatternsRefresh",
        json!({ "entity": entity }),
        selection,
    )
    .await
}

async fn patterns(world: &World, viewer: &Viewer, entity: EntityId, filter: Value) -> Vec<Value> {
    let answer = world
        .run(viewer, PATTERNS, json!({ "id": entity, "filter": filter }))
        .await;
    answer
        .at("/entity/learnedPatterns/nodes")
        .as_array()
        .unwrap()
        .clone()
}

fn told(patterns: &[Value]) -> String {
    let lines = patterns.iter().map(|it| {
        let [kind, confidence, description] =
            ["kind", "confidence", "description"].map(|of| &it[of]);
        format!("{kind} {confidence} {description}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Ann with Frank, cast onto Luna; what happened to them.
async fn home(world: &World) -> (Viewer, EntityId, DeviceId) {
    let ann = world.person("Ann").await;
    let ben = world.person("Ben").await;
    let frank = world.entity(person(&ann), "Frank").await;
    let luna: DeviceId = lamp(world, &ann, "Luna").await.parse().unwrap();
    let cast = json!({ "entityId": frank, "target": { "deviceId": luna } });
    mutate(world, &ann, "entityCast", cast, "entity { id }")
        .await
        .data();
    lived(
        world,
        "brewed",
        daily(20, 7, 10),
        of(None, Some(luna), Some(person(&ann))),
    )
    .await;
    lived(
        world,
        "brewed",
        daily(4, 15, 0),
        of(Some(frank), None, Some(person(&ben))),
    )
    .await;
    lived(
        world,
        "toasted",
        daily(20, 7, 13),
        of(Some(frank), Some(luna), None),
    )
    .await;
    // What is none of theirs, and what people do with the system.
    let other: DeviceId = lamp(world, &ben, "Other").await.parse().unwrap();
    lived(world, "rang", daily(20, 9, 0), of(None, Some(other), None)).await;
    lived(
        world,
        "api_call",
        daily(20, 9, 0),
        of(Some(frank), Some(luna), None),
    )
    .await;
    (ann, frank, luna)
}

on_both_engines! {
    async fn an_entity_learns_from_its_days(world: World) {
        let (ann, frank, luna) = home(&world).await;
        let answer = refresh(&world, &ann, frank).await;
        assert_eq!(answer.user_errors(), "");
        let all = patterns(&world, &ann, frank, json!({})).await;
        assert_snapshot!(told(&all), @r#"
        "TEMPORAL" 1.0 "toasted mostly between 07:00 and 08:00 (20 of 20 times)"
        "TEMPORAL" 0.8333333333333334 "brewed mostly between 07:00 and 08:00 (20 of 24 times)"
        "SOCIAL" 0.8333333333333334 "brewed mostly by one of 2 persons (20 of 24 times)"
        "SEQUENCE" 0.8333333333333334 "toasted within 10 minutes after brewed (20 of 24 times)"
        "#);
        let sequence = all.iter().find(|it| it["kind"] == "SEQUENCE").unwrap();
        assert_eq!(sequence["evidence"]["meanDelaySeconds"], 180.0);
        assert_eq!(sequence["evidence"]["followedBy"], "toasted");
        assert_eq!(sequence["support"], 20);
        assert_eq!(sequence["device"]["name"], "Luna");
        let social = all.iter().find(|it| it["kind"] == "SOCIAL").unwrap();
        assert_eq!(social["user"]["name"], "Ann");
        let hour = &all[0]["evidence"];
        assert_eq!((&hour["hour"], &hour["timeZone"], &hour["cases"]), (&json!(7), &json!("UTC"), &json!(20)));
        assert!(hour["pValue"].as_f64().unwrap() < 1e-20);
        // A device shows what was noticed there.
        let query = "query($id: ID!) { device(id: $id) { learnedPatterns(filter: { kinds: [SEQUENCE] }) { totalCount nodes { entity { name } } } } }";
        let answer = world.run(&ann, query, json!({ "id": luna })).await;
        assert_snapshot!(answer.data(), @r#"{"device":{"learnedPatterns":{"nodes":[{"entity":{"name":"Frank"}}],"totalCount":1}}}"#);
    }

    async fn finding_the_same_again_changes_nothing(world: World) {
        let (ann, frank, luna) = home(&world).await;
        refresh(&world, &ann, frank).await.data();
        let first = patterns(&world, &ann, frank, json!({})).await;
        world.clock.advance(TimeDelta::minutes(1));
        refresh(&world, &ann, frank).await.data();
        assert_eq!(patterns(&world, &ann, frank, json!({})).await, first);
        // Two at once, as two workers might.
        let cx = world.cx(&ann);
        let (a, b) = tokio::join!(patterns_refresh(&cx, frank), patterns_refresh(&cx, frank));
        a.unwrap();
        b.unwrap();
        assert_eq!(patterns(&world, &ann, frank, json!({})).await, first);
        // One more morning makes them surer, not more.
        world.clock.advance(TimeDelta::hours(20));
        lived(&world, "brewed", [Utc.with_ymd_and_hms(2026, 9, 2, 7, 10, 0).unwrap()], of(None, Some(luna), Some(person(&ann)))).await;
        refresh(&world, &ann, frank).await.data();
        let later = patterns(&world, &ann, frank, json!({})).await;
        let ids = |all: &[Value]| { let mut ids: Vec<String> = all.iter().map(|it| it["id"].to_string()).collect(); ids.sort(); ids };
        assert_eq!(ids(&later), ids(&first));
        let brewed = |all: &[Value]| all.iter().find(|it| it["evidence"]["eventType"] == "brewed" && it["kind"] == "TEMPORAL").unwrap().clone();
        assert_eq!((brewed(&first)["support"].clone(), brewed(&later)["support"].clone()), (json!(20), json!(21)));
        assert_eq!(brewed(&later)["lastSeenAt"], "2026-09-02T07:10:00+00:00");
        assert_eq!(brewed(&later)["firstSeenAt"], brewed(&first)["firstSeenAt"]);
    }

    async fn the_sweep_looks_and_forgets(world: World) {
        let (ann, frank, _) = home(&world).await;
        let cx = world.cx(&Viewer::system());
        // Only entities that lived through something of late; once, however many sweep.
        world.entity(person(&ann), "Idle").await;
        lived(&world, "rang", [world.clock.now() - TimeDelta::hours(25)], of(Some(world.entity(person(&ann), "Asleep").await), None, None)).await;
        let (a, b) = tokio::join!(patterns_sweep(&cx), patterns_sweep(&cx));
        assert_eq!(a.unwrap() + b.unwrap(), 2);
        assert_eq!(world.work().await, 1);
        assert_eq!(patterns(&world, &ann, frank, json!({ "isActive": true })).await.len(), 4);
        // Seen last a day or so before; the window is 30 days, and twice that is 60.
        world.clock.advance(TimeDelta::days(58));
        assert_eq!(patterns_sweep(&cx).await.unwrap(), 0);
        assert_eq!(patterns(&world, &ann, frank, json!({ "isActive": true })).await.len(), 4);
        world.clock.advance(TimeDelta::days(2));
        assert_eq!(patterns_sweep(&cx).await.unwrap(), 4);
        assert_eq!(patterns_sweep(&cx).await.unwrap(), 0);
        assert_eq!(patterns(&world, &ann, frank, json!({ "isActive": false })).await.len(), 4);
        // Seen again, they are active again.
        lived(&world, "toasted", (0..6).map(|day| Utc.with_ymd_and_hms(2026, 10, 25, 7, 13, 0).unwrap() + TimeDelta::days(day)), of(Some(frank), None, None)).await;
        refresh(&world, &ann, frank).await.data();
        assert_snapshot!(told(&patterns(&world, &ann, frank, json!({ "isActive": true })).await), @r#""TEMPORAL" 0.3 "toasted mostly between 07:00 and 08:00 (6 of 6 times)""#);
    }

    async fn the_window_is_the_entitys(world: World) {
        let (ann, frank, _) = home(&world).await;
        let set = async |window: &str| {
            let query = "mutation($input: DnaAdjustInput!) { dnaAdjust(input: $input) { userErrors { message } } }";
            let input = json!({ "entity": frank, "values": { "patternWindow": window } });
            world.run(&ann, query, json!({ "input": input })).await.data();
            refresh(&world, &ann, frank).await.data();
            patterns(&world, &ann, frank, json!({ "window": window, "eventType": "toasted", "kinds": ["TEMPORAL"] })).await
        };
        // From noon, a week before: six mornings.
        let short = set("SHORT").await;
        assert_eq!((short[0]["support"].clone(), short.len()), (json!(6), 1));
        let long = set("LONG").await;
        assert_eq!((long[0]["support"].clone(), long.len()), (json!(20), 1));
    }

    async fn patterns_are_filtered(world: World) {
        let (ann, frank, _) = home(&world).await;
        refresh(&world, &ann, frank).await.data();
        let mut seen = String::new();
        for filter in [
            json!({ "kinds": ["TEMPORAL"] }), json!({ "kinds": ["SOCIAL", "SEQUENCE"] }), json!({ "confidenceAtLeast": 0.9 }),
            json!({ "eventType": "toasted" }), json!({ "eventType": "brewe_" }), json!({ "window": "SHORT" }), json!({ "isActive": false }),
        ] {
            seen += &format!("{filter}: {}\n", patterns(&world, &ann, frank, filter.clone()).await.len());
        }
        assert_snapshot!(seen, @r#"
        {"kinds":["TEMPORAL"]}: 2
        {"kinds":["SOCIAL","SEQUENCE"]}: 2
        {"confidenceAtLeast":0.9}: 1
        {"eventType":"toasted"}: 2
        {"eventType":"brewe_"}: 0
        {"window":"SHORT"}: 0
        {"isActive":false}: 0
        "#);
        for filter in [json!({ "confidenceAtLeast": 2 }), json!({ "eventType": "%" })] {
            let answer = world.run(&ann, PATTERNS, json!({ "id": frank, "filter": filter })).await;
            assert_eq!(outcome(&answer), "BAD_USER_INPUT");
        }
        // There and back by cursor, ties and all.
        let query = "query($id: ID!, $after: String) { entity(id: $id) { learnedPatterns(first: 1, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } } }";
        let (mut after, mut pages) = (Value::Null, std::collections::HashSet::new());
        for n in 0..4 {
            let answer = world.run(&ann, query, json!({ "id": frank, "after": after })).await;
            pages.insert(answer.text("/entity/learnedPatterns/nodes/0/id").to_owned());
            after = answer.at("/entity/learnedPatterns/pageInfo/endCursor").clone();
            assert_eq!(answer.at("/entity/learnedPatterns/pageInfo/hasNextPage"), n < 3);
        }
        assert_eq!(pages.len(), 4);
    }

    async fn what_is_gone_is_not_learned_from(world: World) {
        // The log outlives devices and people; patterns refer to them.
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let gone = DeviceId(uuid::Uuid::from_u128(1));
        let nobody = UserId(uuid::Uuid::from_u128(2));
        lived(&world, "brewed", daily(20, 7, 10), of(Some(frank), Some(gone), Some(nobody))).await;
        lived(&world, "brewed", daily(1, 15, 0), of(Some(frank), None, Some(person(&ann)))).await;
        assert_eq!(outcome(&refresh(&world, &ann, frank).await), "ok");
        let all = patterns(&world, &ann, frank, json!({})).await;
        assert_snapshot!(told(&all), @r#""TEMPORAL" 0.9523809523809523 "brewed mostly between 07:00 and 08:00 (20 of 21 times)""#);
        assert!(all[0]["device"].is_null());
    }

    async fn a_flood_of_events_is_read_in_pages(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let now = world.clock.now();
        // Two and a half pages; many at the same moment, over the edge of a page.
        let flood = (0..2_500).map(|n| now - TimeDelta::hours(1 + n / 100));
        lived(&world, "measured", flood, of(Some(frank), None, None)).await;
        lived(&world, "toasted", daily(20, 7, 13), of(Some(frank), None, None)).await;
        refresh(&world, &ann, frank).await.data();
        assert_snapshot!(told(&patterns(&world, &ann, frank, json!({})).await), @r#""TEMPORAL" 1.0 "toasted mostly between 07:00 and 08:00 (20 of 20 times)""#);
    }

    async fn who_may_learn_and_see_it(world: World) {
        let (ann, frank, luna) = home(&world).await;
        refresh(&world, &ann, frank).await.data();
        let id = patterns(&world, &ann, frank, json!({})).await[0]["id"].as_str().unwrap().to_owned();
        let (_, stranger) = lamp_itself(&world, &ann, "Stella").await;
        let principal = app::Principal::Device { id: luna, owner: person(&ann) };
        let itself = world.viewer(principal, &[domain::identity::Scope::Read, domain::identity::Scope::Write]);
        let mut table = String::new();
        for (name, viewer) in [
            ("anonymous", Viewer::anonymous()), ("another", world.person("Cem").await), ("her device", itself),
            ("another device of hers", stranger), ("a service", world.service().await), ("herself", ann), ("an administrator", world.admin().await),
        ] {
            let node = world.run(&viewer, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
            let node = match node.0.get("errors") { Some(_) => outcome(&node), None => node.data()["node"]["id"].as_str().map_or("-", |_| "found").to_owned() };
            let query = "query($id: ID!) { device(id: $id) { learnedPatterns { totalCount } } }";
            let of_device = world.run(&viewer, query, json!({ "id": luna })).await;
            let of_device = of_device.0.pointer("/data/device/learnedPatterns/totalCount").cloned().unwrap_or_default();
            table += &format!("{name}: node {node}, of the device {of_device}, refresh {}\n", outcome(&refresh(&world, &viewer, frank).await));
        }
        assert_snapshot!(table, @r"
        anonymous: node UNAUTHENTICATED, of the device null, refresh UNAUTHENTICATED
        another: node -, of the device null, refresh NOT_FOUND
        her device: node found, of the device 4, refresh FORBIDDEN
        another device of hers: node -, of the device null, refresh FORBIDDEN
        a service: node found, of the device 4, refresh FORBIDDEN
        herself: node found, of the device 4, refresh ok
        an administrator: node found, of the device 4, refresh ok
        ");
    }
}
