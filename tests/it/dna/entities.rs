//! Making, changing, finding and removing entities.

use app::{Principal, Viewer};
use domain::identity::{Role, Scope};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{STORY, create, try_create};

const LIST: &str = "query($filter: EntityFilter, $order: EntityOrder, $first: Int, \
                    $after: String, $last: Int, $before: String) { entities(filter: $filter, \
                    orderBy: $order, first: $first, after: $after, last: $last, before: $before) \
                    { totalCount nodes { name } pageInfo { hasNextPage hasPreviousPage \
                    startCursor endCursor } } }";

fn names(answer: &testkit::Answer) -> String {
    let nodes = answer
        .at("/entities/nodes")
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names: Vec<_> = nodes.iter().filter_map(|it| it["name"].as_str()).collect();
    names.join(" ")
}

on_both_engines! {
    async fn every_limit_is_told_with_its_field(world: World) {
        let ann = world.person("Ann").await;
        let answer = try_create(&world, &ann, json!({
            "name": " ",
            "personality": "x".repeat(2_001),
            "interests": ["", "tea"],
            "personalityConfig": [1],
            "personalityTokens": 10,
            "story": "too short",
        })).await;
        assert_snapshot!(answer.user_errors(), @r"
        REQUIRED name: name must not be blank: give 1 to 100 characters
        TOO_LONG personality: personality has 2001 characters: expected 1 to 2000
        REQUIRED interests: interests must not be blank: give 1 to 100 characters
        INVALID personalityConfig: personalityConfig must be a JSON object
        OUT_OF_RANGE personalityTokens: personalityTokens is 10: expected 50 to 32000
        TOO_SHORT story: story has 9 characters: expected 20 to 20000
        ");
        let answer = try_create(&world, &ann, json!({ "name": "a\u{0}b" })).await;
        assert_snapshot!(answer.user_errors(), @"INVALID name: name contains a NUL character: remove it");
        let answer = world.run(&ann, LIST, json!({})).await;
        assert_eq!(answer.at("/entities/totalCount"), 0, "something was made all the same");
    }

    async fn an_update_tells_undefined_from_null(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Luna", "personality": "soft", "interests": ["moths"] })).await;
        let update = "mutation($input: EntityUpdateInput!) { entityUpdate(input: $input) { entity \
                      { name personality interests kind isActive } userErrors { code field message } } }";
        let answer = world.run(&ann, update, json!({ "input": { "id": id, "name": "Luna II", "kind": "BOT" } })).await;
        assert_eq!(
            answer.at("/entityUpdate/entity"),
            &json!({ "name": "Luna II", "personality": "soft", "interests": ["moths"], "kind": "BOT", "isActive": true })
        );
        let answer = world.run(&ann, update, json!({ "input": { "id": id, "personality": null, "isActive": false } })).await;
        assert_eq!(answer.at("/entityUpdate/entity/personality"), &Value::Null);
        assert_eq!(answer.at("/entityUpdate/entity/isActive"), false);
    }

    async fn the_seeds_query_finds_the_anxious_and_service_oriented(world: World) {
        let ann = world.person("Ann").await;
        create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        create(&world, &ann, json!({ "name": "Luna" })).await;
        let filter = json!({ "dna": { "anxietyThreshold": { "gt": 0.7 }, "serviceOrientation": { "gt": 0.7 } } });
        let answer = world.run(&ann, LIST, json!({ "filter": filter })).await;
        assert_eq!(names(&answer), "Frank");
        assert_eq!(answer.at("/entities/totalCount"), 1);
        for (filter, expected) in [
            (json!({ "dna": { "anxietyThreshold": { "lte": 0.5 } } }), "Luna"),
            (json!({ "dna": { "temporalResolution": ["HIGH"] } }), "Frank"),
            (json!({ "dna": { "patternWindow": ["SHORT"], "generation": { "lt": 1 } } }), "Frank"),
            (json!({ "name": "Luna" }), "Luna"),
            (json!({ "nameContains": "LUN" }), "Luna"),
            (json!({ "nameContains": "%" }), ""),
            (json!({ "nameContains": "_rank" }), ""),
            (json!({ "nameContains": "'; DROP TABLE entities; --" }), ""),
            (json!({ "kind": ["BOT"] }), ""),
            (json!({ "isCast": true }), ""),
            (json!({ "isCast": false, "isActive": true }), "Luna Frank"),
        ] {
            let answer = world.run(&ann, LIST, json!({ "filter": filter })).await;
            assert_eq!(names(&answer), expected, "{filter}");
        }
    }

    async fn pages_go_both_ways_over_ties(world: World) {
        // The clock stands still, so all are made at the same time: the id breaks the tie.
        let ann = world.person("Ann").await;
        for name in ["A", "B", "C", "D", "E"] {
            create(&world, &ann, json!({ "name": name })).await;
        }
        for order in ["OLDEST", "NAME"] {
            let page = world.run(&ann, LIST, json!({ "order": order, "first": 2 })).await;
            assert_eq!(names(&page), "A B");
            assert_eq!(page.at("/entities/pageInfo/hasNextPage"), true);
            let after = page.text("/entities/pageInfo/endCursor");
            let page = world.run(&ann, LIST, json!({ "order": order, "first": 3, "after": after })).await;
            assert_eq!(names(&page), "C D E");
            assert_eq!(page.at("/entities/pageInfo/hasNextPage"), false);
            assert_eq!(page.at("/entities/pageInfo/hasPreviousPage"), true);
            let before = page.text("/entities/pageInfo/startCursor");
            let page = world.run(&ann, LIST, json!({ "order": order, "last": 1, "before": before })).await;
            assert_eq!(names(&page), "B");
            assert_eq!(page.at("/entities/pageInfo/hasPreviousPage"), true);
        }
        let page = world.run(&ann, LIST, json!({ "last": 2 })).await;
        assert_eq!(names(&page), "B A");
    }

    async fn a_page_that_cannot_be_is_refused(world: World) {
        let ann = world.person("Ann").await;
        let mut told = Vec::new();
        for page in [
            json!({ "first": 101 }),
            json!({ "first": -1 }),
            json!({ "first": 1, "last": 1 }),
            json!({ "first": 1, "before": "x" }),
            json!({ "first": 1, "after": "x" }),
            json!({ "last": 1, "after": "x" }),
        ] {
            told.push(world.run(&ann, LIST, page).await.error());
        }
        assert_snapshot!(told.join("\n"), @r"
        BAD_USER_INPUT: first is 101: expected 0 to 100
        BAD_USER_INPUT: first is -1: expected 0 to 100
        BAD_USER_INPUT: give first or last, not both
        BAD_USER_INPUT: before goes with last, after goes with first
        BAD_USER_INPUT: after is not a cursor of this list
        BAD_USER_INPUT: after goes with first, before goes with last
        ");
    }

    async fn a_cursor_of_another_list_is_refused_not_an_internal_error(world: World) {
        let ann = world.person("Ann").await;
        create(&world, &ann, json!({ "name": "A" })).await;
        let page = world.run(&ann, LIST, json!({ "order": "NAME", "first": 1 })).await;
        let by_name = page.text("/entities/pageInfo/endCursor");
        let answer = world.run(&ann, LIST, json!({ "order": "NEWEST", "first": 1, "after": by_name })).await;
        assert_snapshot!(answer.error(), @"BAD_USER_INPUT: not a cursor of this list");
    }

    async fn the_profile_is_the_seeds_view(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let answer = world.run(&ann, "query($id: ID!) { entityProfile(entity: $id) { aiName deviceName \
            originStory generation voiceConfig entity { id } } node(id: $id) { id ... on Entity { name } } }",
            json!({ "id": id })).await;
        assert_eq!(answer.text("/entityProfile/aiName"), "Frank");
        assert_eq!(answer.text("/entityProfile/originStory"), STORY);
        assert_eq!(answer.at("/entityProfile/deviceName"), &Value::Null);
        assert_eq!(answer.text("/entityProfile/entity/id"), id);
        assert_eq!(answer.text("/node/name"), "Frank");
    }

    async fn another_persons_entity_is_not_there_in_any_field(world: World) {
        let ann = world.person("Ann").await;
        let bob = world.person("Bob").await;
        let hers = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let his = create(&world, &bob, json!({ "name": "Eve" })).await;
        let fenced = world.viewer(bob.principal, &[Scope::Read, Scope::Write,
            Scope::Entity(his.parse().unwrap())]);
        let counselor = world.with_role("Cora", Role::Counselor).await;
        for stranger in [&bob, &fenced, &counselor] {
            for query in [
                "query($id: ID!) { it: entity(id: $id) { name } }",
                "query($id: ID!) { it: node(id: $id) { id } }",
                "query($id: ID!) { it: entityProfile(entity: $id) { aiName } }",
                "query($id: ID!) { it: dnaCompare(a: $id, b: $id) { similarity } }",
            ] {
                let answer = world.run(stranger, query, json!({ "id": hers })).await;
                assert_eq!(answer.at("/it"), &Value::Null, "{query}");
            }
        }
        for stranger in [&bob, &fenced] {
            for mutation in [
                "entityUpdate(input: { id: $id, name: \"x\" })",
                "entityDelete(id: $id)",
                "originTell(input: { entity: $id, story: \"She was praised and safe as a child.\" })",
                "dnaAdjust(input: { entity: $id, values: { resilience: 1 } })",
                "dnaRestore(input: { entity: $id, to: 1 })",
                "entityDescend(input: { parent: $id, name: \"x\" })",
                "voiceAssign(input: { entity: $id })",
            ] {
                let query = format!("mutation($id: ID!) {{ {mutation} {{ userErrors {{ code field message }} }} }}");
                let answer = world.run(stranger, &query, json!({ "id": hers })).await;
                assert!(answer.user_errors().starts_with("NOT_FOUND"), "{mutation}: {:#}", answer.0);
            }
        }
        let answer = super::super::try_descend(&world, &bob, json!({ "parent": his, "coParent": hers, "name": "x" })).await;
        assert_snapshot!(answer.user_errors(), @"NOT_FOUND coParent: coParent names nothing that you can see");
        let answer = try_create(&world, &bob, json!({ "name": "x", "ownerId": ann.person().unwrap().to_string() })).await;
        assert_snapshot!(answer.user_errors(), @"NOT_FOUND ownerId: ownerId names nothing that you can see");
        // Nothing of hers changed.
        let answer = world.run(&ann, "query($id: ID!) { entity(id: $id) { name dna { revision } } }", json!({ "id": hers })).await;
        assert_eq!(answer.at("/entity"), &json!({ "name": "Frank", "dna": { "revision": 1 } }));
    }

    async fn a_fenced_key_reaches_its_entity_only(world: World) {
        let ann = world.person("Ann").await;
        let one = create(&world, &ann, json!({ "name": "One" })).await;
        let two = create(&world, &ann, json!({ "name": "Two" })).await;
        let fenced = world.viewer(ann.principal, &[Scope::Read, Scope::Write, Scope::Entity(one.parse().unwrap())]);
        assert_eq!(names(&world.run(&fenced, LIST, json!({})).await), "One");
        let answer = world.run(&fenced, "query($id: ID!) { entity(id: $id) { name } }", json!({ "id": two })).await;
        assert_eq!(answer.at("/entity"), &Value::Null);
        let answer = try_create(&world, &fenced, json!({ "name": "Three" })).await;
        assert_snapshot!(answer.user_errors(), @"NOT_FOUND ownerId: ownerId names nothing that you can see");
    }

    async fn who_may_not_ask_is_told_so(world: World) {
        let ann = world.person("Ann").await;
        let reader = world.viewer(ann.principal, &[Scope::Read]);
        let nobody = Viewer::anonymous();
        let scopeless = world.viewer(ann.principal, &[]);
        let mut told = Vec::new();
        for viewer in [&nobody, &scopeless] {
            told.push(world.run(viewer, LIST, json!({})).await.error());
        }
        for viewer in [&nobody, &reader] {
            told.push(try_create(&world, viewer, json!({ "name": "x" })).await.error());
        }
        assert_snapshot!(told.join("\n"), @r#"
        UNAUTHENTICATED: not signed in: send an access token as `Authorization: Bearer anima_…`
        FORBIDDEN: not allowed: this token does not have the scope "read"
        UNAUTHENTICATED: not signed in: send an access token as `Authorization: Bearer anima_…`
        FORBIDDEN: not allowed: this token does not have the scope "write"
        "#);
    }

    async fn an_administrator_and_a_service_see_all(world: World) {
        let ann = world.person("Ann").await;
        create(&world, &ann, json!({ "name": "Frank" })).await;
        for viewer in [world.admin().await, world.service().await] {
            assert_eq!(names(&world.run(&viewer, LIST, json!({})).await), "Frank");
        }
        let admin = world.admin().await;
        let owner = ann.person().unwrap().to_string();
        let id = create(&world, &admin, json!({ "name": "Luna", "ownerId": owner })).await;
        let answer = world.run(&ann, "query($id: ID!) { entity(id: $id) { owner { id } } }", json!({ "id": id })).await;
        assert_eq!(answer.text("/entity/owner/id"), owner);
        // A service changes entities only for a person.
        let service = world.service().await;
        let answer = world.run(&service, "mutation($id: ID!) { entityDelete(id: $id) { deletedId userErrors { code field message } } }", json!({ "id": id })).await;
        assert_snapshot!(answer.error(), @"FORBIDDEN: not allowed: a service changes entities for a person: say actAs");
        let mut acting = service;
            acting.acts_for = ann.person();
        let answer = world.run(&acting, "mutation($id: ID!) { entityDelete(id: $id) { deletedId userErrors { code field message } } }", json!({ "id": id })).await;
        assert_eq!(answer.text("/entityDelete/deletedId"), id);
    }

    async fn a_repeat_with_the_same_key_makes_nothing_new(world: World) {
        let ann = world.person("Ann").await;
        let input = json!({ "name": "Frank", "story": STORY, "idempotencyKey": "k1" });
        let first = create(&world, &ann, input.clone()).await;
        let again = create(&world, &ann, input).await;
        assert_eq!(first, again);
        let other = try_create(&world, &ann, json!({ "name": "Luna", "idempotencyKey": "k1" })).await;
        assert!(other.user_errors().starts_with("CONFLICT"), "{:#}", other.0);
        assert_eq!(world.run(&ann, LIST, json!({})).await.at("/entities/totalCount"), 1);
        // Another person's key of the same text is another key.
        let bob = world.person("Bob").await;
        create(&world, &bob, json!({ "name": "Eve", "idempotencyKey": "k1" })).await;
    }

    async fn a_device_sees_the_entity_cast_on_it_and_changes_nothing(world: World) {
        let ann = world.person("Ann").await;
        let owner = ann.person().unwrap();
        let id = create(&world, &ann, json!({ "name": "Frank" })).await;
        let device = Principal::Device { id: domain::device::DeviceId(uuid::Uuid::nil()), owner };
        let device = world.viewer(device, &[Scope::Read, Scope::Write]);
        assert_eq!(names(&world.run(&device, LIST, json!({})).await), "");
        let answer = world.run(&device, "mutation($id: ID!) { entityDelete(id: $id) { userErrors { code field message } } }", json!({ "id": id })).await;
        assert_snapshot!(answer.error(), @"FORBIDDEN: not allowed: a device cannot change entities");
    }
}
