//! The demonstration world: what a first look at it finds, on both engines.

use app::demo;
use serde_json::json;
use testkit::on_both_engines;

const LOOK: &str = "{
  entities(filter: { name: \"Frank\" }) { nodes {
    conversations(first: 50) { totalCount nodes { state handoffs { nodes { state toDevice { name } } } } }
  } }
  users(filter: { search: \"Ben\" }) { nodes {
    conversations(first: 1) { totalCount nodes {
      messageCount intimacy
      messages(first: 2) { nodes { role content } }
    } }
  } }
}";

on_both_engines! {
    async fn it_has_three_weeks_of_talk(world: World) {
        assert!(demo::fill(&world.services).await.unwrap());
        assert!(!demo::fill(&world.services).await.unwrap(), "only into an empty database");
        world.work().await;
        let admin = world.admin().await;
        let seen = world.run(&admin, LOOK, json!({})).await;
        let frank = seen.at("/entities/nodes/0/conversations");
        assert_eq!(frank["totalCount"], 23);
        let talks = frank["nodes"].as_array().unwrap();
        let handed: Vec<_> = talks
            .iter()
            .flat_map(|it| it["handoffs"]["nodes"].as_array().unwrap())
            .collect();
        let there = json!({ "state": "ACCEPTED", "toDevice": { "name": "Living room speaker" } });
        assert_eq!(handed, [&there]);
        assert_eq!(
            *seen.at("/users/nodes/0/conversations"),
            json!({
                "totalCount": 11,
                "nodes": [{
                    "messageCount": 4,
                    "intimacy": "HIGH",
                    "messages": { "nodes": [
                        { "role": "USER", "content": "Half an hour of poems again, I think." },
                        { "role": "ASSISTANT", "content": "Lower and warmer, as on the first evening." },
                    ] },
                }],
            })
        );
    }
}
