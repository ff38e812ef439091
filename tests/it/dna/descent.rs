//! Children, lines of ancestors, likeness.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{STORY, create, descend, dna, try_descend};

const FAMILY: &str = "query($id: ID!) { entity(id: $id) { dna { generation parent { name } coParent { name } } \
                      siblings { name } kinships { kind to { name } } ancestors { nodes { distance entity { name } } } \
                      descendants { nodes { distance entity { name } } } } }";

fn names(list: &Value) -> String {
    let of = |it: &Value| {
        let name = it["name"]
            .as_str()
            .or(it["entity"]["name"].as_str())
            .or(it["to"]["name"].as_str());
        let mark = it["distance"]
            .as_i64()
            .map(|it| it.to_string())
            .or(it["kind"].as_str().map(str::to_owned));
        format!(
            "{}{}",
            name.unwrap_or("?"),
            mark.map(|it| format!(":{it}")).unwrap_or_default()
        )
    };
    list.as_array()
        .unwrap()
        .iter()
        .map(of)
        .collect::<Vec<_>>()
        .join(" ")
}

on_both_engines! {
    async fn a_family_knows_itself(world: World) {
        let ann = world.person("Ann").await;
        let frank = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let luna = create(&world, &ann, json!({ "name": "Luna" })).await;
        let one = descend(&world, &ann, json!({ "parent": frank, "coParent": luna, "name": "One" })).await;
        let two = descend(&world, &ann, json!({ "parent": frank, "name": "Two" })).await;
        let grandchild = descend(&world, &ann, json!({ "parent": one, "name": "Three" })).await;

        let answer = world.run(&ann, FAMILY, json!({ "id": one })).await;
        assert_eq!(answer.at("/entity/dna/generation"), 1);
        assert_eq!(answer.text("/entity/dna/parent/name"), "Frank");
        assert_eq!(answer.text("/entity/dna/coParent/name"), "Luna");
        assert_eq!(names(answer.at("/entity/siblings")), "Two");
        assert_eq!(names(answer.at("/entity/ancestors/nodes")), "Frank:1 Luna:1");
        assert_eq!(names(answer.at("/entity/descendants/nodes")), "Three:1");
        assert_eq!(names(answer.at("/entity/kinships")), "Frank:CHILD Luna:CHILD Two:SIBLING Three:PARENT");
        let answer = world.run(&ann, FAMILY, json!({ "id": two })).await;
        assert_eq!(names(answer.at("/entity/kinships")), "Frank:CHILD One:SIBLING");
        let answer = world.run(&ann, FAMILY, json!({ "id": grandchild })).await;
        assert_eq!(answer.at("/entity/dna/generation"), 2);
        assert_eq!(names(answer.at("/entity/ancestors/nodes")), "One:1 Frank:2 Luna:2");

        // A parent that is gone leaves its child, without it.
        world.run(&ann, "mutation($id: ID!) { entityDelete(id: $id) { deletedId } }", json!({ "id": frank })).await.data();
        let answer = world.run(&ann, FAMILY, json!({ "id": one })).await;
        assert_eq!(answer.at("/entity/dna/parent"), &Value::Null);
        assert_eq!(answer.text("/entity/dna/coParent/name"), "Luna");
        assert_eq!(answer.at("/entity/dna/generation"), 1);
    }

    async fn the_same_seed_gives_the_same_child_to_the_last_bit(world: World) {
        let ann = world.person("Ann").await;
        let frank = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let luna = create(&world, &ann, json!({ "name": "Luna" })).await;
        let mut children = Vec::new();
        for seed in [7, 7, 8] {
            let input = json!({ "parent": frank, "coParent": luna, "name": "Child", "seed": seed,
                "story": "She learned to mend watches at her grandfather's bench." });
            let id = descend(&world, &ann, input).await;
            let mut dna = dna(&world, &ann, &id).await;
            dna["seed"] = Value::Null;
            children.push(dna);
        }
        assert_eq!(children[0], children[1]);
        assert_ne!(children[0], children[2]);
        assert_eq!(children[0]["extractor"], "INHERITED");

        // Drawn when not given, and stored, so that the birth can be repeated.
        let one = descend(&world, &ann, json!({ "parent": frank, "name": "Drawn" })).await;
        let drawn = dna(&world, &ann, &one).await;
        let again = descend(&world, &ann, json!({ "parent": frank, "name": "Drawn", "seed": drawn["seed"] })).await;
        assert_eq!(dna(&world, &ann, &again).await, drawn);
    }

    async fn inherited_points_add_up(world: World) {
        let ann = world.person("Ann").await;
        let frank = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let child = descend(&world, &ann, json!({ "parent": frank, "name": "Junior", "seed": 1 })).await;
        let answer = world.run(&ann, "query($id: ID!) { entity(id: $id) { dna { weariness: wearinessAccumulationRate \
            evidence { of points clamped source inheritedFrom theme } } } }", json!({ "id": child })).await;
        let evidence = answer.at("/entity/dna/evidence").as_array().unwrap();
        let of: Vec<_> = evidence.iter().filter(|it| it["of"] == "WEARINESS_ACCUMULATION_RATE").collect();
        assert!(of.iter().all(|it| it["source"] == "INHERITED" && it["inheritedFrom"] == "Frank"));
        let sum: f64 = of.iter().map(|it| it["points"].as_f64().unwrap()).sum();
        let value = answer.at("/entity/dna/weariness").as_f64().unwrap();
        assert!((value - 0.5 - sum).abs() < 1e-9, "{value} is not 0.5 and {sum}");
    }

    async fn a_birth_that_cannot_be_is_refused(world: World) {
        let ann = world.person("Ann").await;
        let frank = create(&world, &ann, json!({ "name": "Frank" })).await;
        let answer = try_descend(&world, &ann, json!({ "parent": frank, "coParent": frank, "name": "", "seed": -1, "story": "short" })).await;
        assert_snapshot!(answer.user_errors(), @r"
        REQUIRED name: name must not be blank: give 1 to 100 characters
        TOO_SHORT story: story has 5 characters: expected 20 to 20000
        OUT_OF_RANGE seed: seed is -1: expected 0 to 2147483647
        INVALID coParent: coParent is the parent itself: name another entity, or none
        ");
    }

    async fn a_line_of_a_thousand_generations_answers(world: World) {
        let ann = world.person("Ann").await;
        let ids = world.dynasty(ann.person().unwrap(), 1_001).await;
        let query = "query($id: ID!, $depth: Int!, $after: String) { entity(id: $id) { ancestors(depth: $depth, first: 100, after: $after) { \
                     nodes { distance entity { name } } pageInfo { hasNextPage endCursor } } } }";
        let youngest = ids.last().unwrap();
        let mut after = Value::Null;
        let mut distances = Vec::new();
        loop {
            let answer = world.run(&ann, query, json!({ "id": youngest, "depth": 10_000, "after": after })).await;
            let nodes = answer.at("/entity/ancestors/nodes").as_array().unwrap();
            distances.extend(nodes.iter().map(|it| it["distance"].as_i64().unwrap()));
            if answer.at("/entity/ancestors/pageInfo/hasNextPage") == false {
                break;
            }
            after = answer.at("/entity/ancestors/pageInfo/endCursor").clone();
        }
        assert_eq!(distances, (1..=1_000).collect::<Vec<i64>>());
        let answer = world.run(&ann, query, json!({ "id": youngest, "depth": 3 })).await;
        assert_eq!(answer.at("/entity/ancestors/nodes").as_array().unwrap().len(), 3);
        let answer = world.run(&ann, query, json!({ "id": youngest, "depth": 0 })).await;
        assert_snapshot!(answer.error(), @"BAD_USER_INPUT: depth is 0: expected 1 to 10000");
    }

    async fn likeness_is_of_the_traits(world: World) {
        let ann = world.person("Ann").await;
        let frank = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let twin = create(&world, &ann, json!({ "name": "Frank", "kind": "BOT", "story": STORY })).await;
        create(&world, &ann, json!({ "name": "Luna" })).await;
        let answer = world.run(&ann, "query($id: ID!, $twin: ID!) { entity(id: $id) { similarEntities(first: 2) { similarity entity { name } } } \
            dnaCompare(a: $id, b: $twin) { similarity traits { trait a b difference } } }", json!({ "id": frank, "twin": twin })).await;
        assert_eq!(answer.at("/entity/similarEntities/0/entity/name"), "Frank");
        assert_eq!(answer.at("/entity/similarEntities/0/similarity"), 1.0);
        assert_eq!(answer.at("/entity/similarEntities/1/entity/name"), "Luna");
        assert_eq!(answer.at("/dnaCompare/similarity"), 1.0);
        assert_eq!(answer.at("/dnaCompare/traits").as_array().unwrap().len(), 17);
        // Nobody else's entities are neighbours.
        let bob = world.person("Bob").await;
        let eve = create(&world, &bob, json!({ "name": "Eve", "story": STORY })).await;
        let answer = world.run(&bob, "query($id: ID!) { entity(id: $id) { similarEntities { entity { name } } } }", json!({ "id": eve })).await;
        assert_eq!(answer.at("/entity/similarEntities"), &json!([]));
    }
}
