//! Entities and their DNA, through the schema.

use serde_json::json;
use testkit::on_both_engines;

on_both_engines! {
    async fn frank(world: World) {
        let ann = world.person("Ann").await;
        let answer = world.run(&ann, r#"mutation { entityCreate(input: { name: "Frank", story: "Frank's mom was a tired waitress who worked doubles. Dad was never around. Frank grew up helping in the kitchen from age 7." }) { entity { id name dna { anxietyThreshold evidence { of points quote } styleDirectives { trait sentence } } origin { narrativeContext } } userErrors { code field message } } }"#, json!({})).await;
        eprintln!("{:#}", answer.0);
        let id = answer.text("/entityCreate/entity/id").to_owned();
        let answer = world.run(&ann, r#"mutation($id: ID!) { entityDescend(input: { parent: $id, name: "Junior", seed: 7 }) { entity { id name dna { generation seed parent { name } anxietyThreshold } siblings { name } ancestors { nodes { distance entity { name } } } kinships { kind to { name } } } userErrors { code field message } } }"#, json!({"id": id})).await;
        eprintln!("{:#}", answer.0);
        let answer = world.run(&ann, r#"query($id: ID!) { entities(first: 5) { totalCount pageInfo { hasNextPage endCursor } nodes { name similarEntities { similarity entity { name } } profile { aiName anxietyThreshold } voiceMatches(first: 2) { score voice { speaker } reasons } dnaRevisions { totalCount nodes { revision cause } } } } entity(id: $id) { descendants { nodes { distance entity { name } } } } }"#, json!({"id": id})).await;
        eprintln!("{:#}", answer.0);
        panic!();
    }
}
