//! Lists of devices: pages in both directions, filters, limits.

use chrono::TimeDelta;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{Answer, World, on_both_engines};

use super::{group, lamp, person, register, zone};

fn names(answer: &Answer, list: &str) -> Vec<String> {
    let nodes = answer.at(&format!("{list}/nodes")).as_array().unwrap();
    let names = nodes
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// Walks a list page by page in one direction; gives the pages.
async fn walk(world: &World, viewer: &app::Viewer, order: &str, forward: bool) -> Vec<Vec<String>> {
    let (size, cursor, more, end) = if forward {
        ("first", "after", "hasNextPage", "endCursor")
    } else {
        ("last", "before", "hasPreviousPage", "startCursor")
    };
    let query = format!(
        "query($cursor: String) {{ devices(orderBy: {order}, {size}: 3, {cursor}: $cursor) \
         {{ nodes {{ name }} pageInfo {{ {more} {end} }} }} }}"
    );
    let mut pages = Vec::new();
    let mut place = Value::Null;
    loop {
        let answer = world.run(viewer, &query, json!({ "cursor": place })).await;
        pages.push(names(&answer, "/devices"));
        assert!(pages.len() < 10, "no end of pages");
        if answer.at(&format!("/devices/pageInfo/{more}")) == &json!(false) {
            return pages;
        }
        place = answer.at(&format!("/devices/pageInfo/{end}")).clone();
    }
}

on_both_engines! {
    async fn pages_meet_without_gap_or_repetition(world: World) {
        let ann = world.person("Ann").await;
        // Two times and two names: ties in both orders.
        for name in ["b", "a", "b", "a"] {
            lamp(&world, &ann, name).await;
        }
        world.clock.advance(TimeDelta::seconds(1));
        for name in ["b", "a", "b", "c"] {
            lamp(&world, &ann, name).await;
        }
        let mut seen = String::new();
        for order in ["NAME_ASC", "NAME_DESC", "CREATED_AT_ASC", "CREATED_AT_DESC"] {
            for forward in [true, false] {
                let pages = walk(&world, &ann, order, forward).await;
                let pages: Vec<String> = pages.iter().map(|it| it.join("")).collect();
                seen += &format!("{order} {forward}: {}\n", pages.join(" "));
            }
        }
        assert_snapshot!(seen, @r"
        NAME_ASC true: aaa bbb bc
        NAME_ASC false: bbc abb aa
        NAME_DESC true: cbb bba aa
        NAME_DESC false: aaa bbb cb
        CREATED_AT_ASC true: bab aba bc
        CREATED_AT_ASC false: abc bab ba
        CREATED_AT_DESC true: cba bab ab
        CREATED_AT_DESC false: bab aba cb
        ");
        // Ids as well as names: nothing twice.
        let query = "query($after: String) { devices(first: 5, after: $after) { edges { cursor node { id } } } }";
        let first = world.run(&ann, query, json!({})).await;
        let after = first.at("/devices/edges/4/cursor");
        let second = world.run(&ann, query, json!({ "after": after })).await;
        let ids = |answer: &Answer| -> Vec<String> {
            let edges = answer.at("/devices/edges").as_array().unwrap();
            edges.iter().map(|it| it["node"]["id"].to_string()).collect()
        };
        let mut all = [ids(&first), ids(&second)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    async fn pages_of_each_parent_are_its_own(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let cat = world.person("Cat").await;
        for (viewer, names) in [(&ann, ["a1", "a2", "a3"]), (&ben, ["b1", "b2", "b3"])] {
            for name in names {
                lamp(&world, viewer, name).await;
                zone(&world, viewer, name, None).await;
                group(&world, viewer, name).await;
            }
        }
        let ids = [&ann, &ben, &cat].map(|it| person(it).to_string());
        let query = "query($ids: [ID!]!, $first: Int, $after: String, $last: Int, $before: String) { \
            nodes(ids: $ids) { ... on User { name devices(first: $first, after: $after, last: $last, before: $before) { \
            totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }";
        let mut seen = String::new();
        let mut place = |answer: &Answer| {
            for node in answer.at("/nodes").as_array().unwrap() {
                let devices = &node["devices"];
                let page = &devices["pageInfo"];
                seen += &format!(
                    "{} {}: {} next {} previous {}\n", node["name"], devices["totalCount"],
                    devices["nodes"], page["hasNextPage"], page["hasPreviousPage"]
                );
            }
            answer.at("/nodes/0/devices/pageInfo").clone()
        };
        let page = place(&world.run(&admin, query, json!({ "ids": ids, "first": 2 })).await);
        place(&world.run(&admin, query, json!({ "ids": ids, "first": 2, "after": page["endCursor"] })).await);
        let page = place(&world.run(&admin, query, json!({ "ids": ids, "last": 2 })).await);
        place(&world.run(&admin, query, json!({ "ids": ids, "last": 2, "before": page["startCursor"] })).await);
        place(&world.run(&admin, query, json!({ "ids": ids, "first": 0 })).await);
        assert_snapshot!(seen, @r#"
        "Ann" 3: [{"name":"a1"},{"name":"a2"}] next true previous false
        "Ben" 3: [{"name":"b1"},{"name":"b2"}] next true previous false
        "Cat" 0: [] next false previous false
        "Ann" 3: [{"name":"a3"}] next false previous true
        "Ben" 3: [{"name":"b1"},{"name":"b2"}] next true previous true
        "Cat" 0: [] next false previous true
        "Ann" 3: [{"name":"a2"},{"name":"a3"}] next false previous true
        "Ben" 3: [{"name":"b2"},{"name":"b3"}] next false previous true
        "Cat" 0: [] next false previous false
        "Ann" 3: [{"name":"a1"}] next true previous false
        "Ben" 3: [] next true previous false
        "Cat" 0: [] next true previous false
        "Ann" 3: [] next true previous false
        "Ben" 3: [] next true previous false
        "Cat" 0: [] next false previous false
        "#);

        // The same list under the other parents, each with arguments of its own.
        let query = "query($id: ID!) { user(id: $id) { \
            zones(last: 1) { totalCount nodes { name } } deviceGroups(first: 1) { totalCount nodes { name } } \
            a: devices(first: 1) { nodes { name } } b: devices(first: 1, orderBy: NAME_DESC) { nodes { name } } \
            c: devices(filter: { search: \"2\" }) { totalCount nodes { name } } } }";
        let answer = world.run(&ann, query, json!({ "id": ids[0] })).await;
        assert_snapshot!(answer.data(), @r#"{"user":{"a":{"nodes":[{"name":"a1"}]},"b":{"nodes":[{"name":"a3"}]},"c":{"nodes":[{"name":"a2"}],"totalCount":1},"deviceGroups":{"nodes":[{"name":"a1"}],"totalCount":3},"zones":{"nodes":[{"name":"a3"}],"totalCount":3}}}"#);
    }

    async fn arguments_of_pages_are_checked(world: World) {
        let ann = world.person("Ann").await;
        lamp(&world, &ann, "Luna").await;
        let of_time = world.run(&ann, "{ devices(orderBy: CREATED_AT_ASC) { edges { cursor } } }", json!({})).await;
        let of_time = of_time.text("/devices/edges/0/cursor");
        // {"k":{"s":"a\0"},"i":"…"} and {"k":{"n":1e308},…}
        let made_up = |json: &str| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
        let nul = made_up(r#"{"k":{"s":"a\u0000"},"i":"00000000-0000-0000-0000-000000000000"}"#);
        let number = made_up(r#"{"k":{"n":1e308},"i":"00000000-0000-0000-0000-000000000000"}"#);
        let far = made_up(r#"{"k":{"t":"+262000-01-01T00:00:00Z"},"i":"00000000-0000-0000-0000-000000000000"}"#);
        let mut told = String::new();
        for arguments in [
            "first: 0", "first: 100", "first: 101", "first: -1", "last: 101", "first: 1, last: 1",
            "last: 1, after: \"x\"", "before: \"x\"", "after: \"garbage\"", "after: \"é'; DROP TABLE devices\"",
            &format!("after: \"{of_time}\""),
            &format!("after: \"{nul}\""),
            &format!("after: \"{number}\""),
            &format!("orderBy: CREATED_AT_ASC, after: \"{far}\""),
            "filter: { search: \"a\\u0000\" }",
            &format!("filter: {{ search: \"{}\" }}", "s".repeat(101)),
            "filter: { zone: \"device_01h455vb4pex5vsknk084sn02q\" }",
        ] {
            let answer = world.run(&ann, &format!("{{ devices({arguments}) {{ nodes {{ name }} }} }}"), json!({})).await;
            let outcome = match answer.0.get("errors") {
                Some(_) => answer.error(),
                None => format!("{} found", names(&answer, "/devices").len()),
            };
            let arguments: String = arguments.chars().take(40).collect();
            told += &format!("{arguments}: {outcome}\n");
        }
        assert_snapshot!(told, @r#"
        first: 0: 0 found
        first: 100: 1 found
        first: 101: BAD_USER_INPUT: first is 101: expected 0 to 100
        first: -1: BAD_USER_INPUT: first is -1: expected 0 to 100
        last: 101: BAD_USER_INPUT: last is 101: expected 0 to 100
        first: 1, last: 1: BAD_USER_INPUT: give first or last, not both
        last: 1, after: "x": BAD_USER_INPUT: after goes with first, before goes with last
        before: "x": BAD_USER_INPUT: before goes with last, after goes with first
        after: "garbage": BAD_USER_INPUT: after is not a cursor of this list
        after: "é'; DROP TABLE devices": BAD_USER_INPUT: after is not a cursor of this list
        after: "eyJrIjp7InQiOiIyMDI2LTA5LTAxVDEy: BAD_USER_INPUT: not a cursor of this list
        after: "eyJrIjp7InMiOiJhXHUwMDAwIn0sImki: BAD_USER_INPUT: not a cursor of this list
        after: "eyJrIjp7Im4iOjFlMzA4fSwiaSI6IjAw: BAD_USER_INPUT: not a cursor of this list
        orderBy: CREATED_AT_ASC, after: "eyJrIjp: BAD_USER_INPUT: not a cursor of this list
        filter: { search: "a\u0000" }: BAD_USER_INPUT: search contains a NUL character: remove it
        filter: { search: "sssssssssssssssssssss: BAD_USER_INPUT: search has 101 characters: expected 1 to 100
        filter: { zone: "device_01h455vb4pex5vsk: -: Failed to parse "ID": expected an id that starts with "zone_", got one that starts with "device_" (occurred while parsing "DeviceFilter")
        "#);
        // Under a parent the same holds.
        let query = "query($id: ID!, $after: String) { user(id: $id) { devices(after: $after) { nodes { name } } } }";
        let answer = world.run(&ann, query, json!({ "id": person(&ann), "after": of_time })).await;
        assert_snapshot!(answer.error(), @"BAD_USER_INPUT: not a cursor of this list");
    }

    async fn devices_are_found_by_what_they_are(world: World) {
        let ann = world.person("Ann").await;
        let kitchen = zone(&world, &ann, "Kitchen", None).await;
        let counter = zone(&world, &ann, "Counter", Some(&kitchen)).await;
        let morning = group(&world, &ann, "Morning").await;
        for device in [
            json!({ "name": "Frank", "deviceType": "COFFEE_MAKER", "zoneId": counter, "groupId": morning }),
            json!({ "name": "Toasty 100%", "deviceType": "TOASTER", "zoneId": kitchen }),
            json!({ "name": "Luna_1", "deviceType": "LAMP", "groupId": morning }),
        ] {
            register(&world, &ann, device).await;
        }
        let mut seen = String::new();
        for filter in [
            json!({}),
            json!({ "types": ["LAMP", "TOASTER"] }),
            json!({ "types": [] }),
            json!({ "zone": kitchen }),
            json!({ "zone": counter }),
            json!({ "group": morning, "types": ["LAMP"] }),
            json!({ "search": "FRA" }),
            json!({ "search": "%" }),
            json!({ "search": "_" }),
            json!({ "search": "\\" }),
            json!({ "search": "' OR 1=1 --" }),
            json!({ "search": "   " }),
            json!({ "status": "OFFLINE", "search": "a" }),
        ] {
            let query = "query($filter: DeviceFilter) { devices(filter: $filter) { totalCount nodes { name } } }";
            let answer = world.run(&ann, query, json!({ "filter": filter })).await;
            let shown = filter.to_string().replace(&kitchen, "<kitchen>").replace(&counter, "<counter>").replace(&morning, "<morning>");
            seen += &format!("{shown}: {} of {}\n", names(&answer, "/devices").join(", "), answer.at("/devices/totalCount"));
        }
        assert_snapshot!(seen, @r#"
        {}: Frank, Luna_1, Toasty 100% of 3
        {"types":["LAMP","TOASTER"]}: Luna_1, Toasty 100% of 2
        {"types":[]}:  of 0
        {"zone":"<kitchen>"}: Frank, Toasty 100% of 2
        {"zone":"<counter>"}: Frank of 1
        {"group":"<morning>","types":["LAMP"]}: Luna_1 of 1
        {"search":"FRA"}: Frank of 1
        {"search":"%"}: Toasty 100% of 1
        {"search":"_"}: Luna_1 of 1
        {"search":"\\"}:  of 0
        {"search":"' OR 1=1 --"}:  of 0
        {"search":"   "}: Frank, Luna_1, Toasty 100% of 3
        {"search":"a","status":"OFFLINE"}: Frank, Luna_1, Toasty 100% of 3
        "#);
    }

    async fn every_node_is_found_by_its_id(world: World) {
        let ann = world.person("Ann").await;
        let ids = [
            lamp(&world, &ann, "Luna").await,
            zone(&world, &ann, "Kitchen", None).await,
            group(&world, &ann, "Morning").await,
        ];
        let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
        let answer = world.run(&ann, query, json!({ "ids": ids })).await;
        let ben = world.person("Ben").await;
        let hidden = world.run(&ben, query, json!({ "ids": ids })).await;
        for (i, expected) in ["Device", "Zone", "DeviceGroup"].into_iter().enumerate() {
            assert_eq!(answer.text(&format!("/nodes/{i}/__typename")), expected);
            assert_eq!(answer.text(&format!("/nodes/{i}/id")), ids[i]);
            assert!(hidden.at(&format!("/nodes/{i}")).is_null());
        }
    }
}
