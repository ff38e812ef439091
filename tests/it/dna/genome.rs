//! Telling, adjusting and restoring DNA, with its revisions.

use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{STORY, create, dna};

const TELL: &str = "mutation($input: OriginTellInput!) { originTell(input: $input) { entity { origin \
                    { originStory narrativeContext themes } } dna { revision extractor } \
                    userErrors { code field message } } }";
const ADJUST: &str = "mutation($input: DnaAdjustInput!) { dnaAdjust(input: $input) { dna { revision \
                      extractor resilience temporalResolution evidence { of points source } } \
                      userErrors { code field message } } }";
const RESTORE: &str = "mutation($input: DnaRestoreInput!) { dnaRestore(input: $input) { dna { revision } \
                       userErrors { code field message } } }";

on_both_engines! {
    async fn franks_story_gives_the_seeds_numbers(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let dna = dna(&world, &ann, &id).await;
        for (field, expected) in [
            ("anxietyThreshold", 0.8),
            ("confidenceBaseline", 0.4),
            ("weariness", 1.0),
            ("resilience", 0.2),
            ("serviceOrientation", 0.9),
            ("temporalPrecision", 0.8),
        ] {
            let value = dna[field].as_f64().unwrap();
            assert!((value - expected).abs() <= 0.1, "{field} is {value}, the seed says {expected}");
        }
        assert_eq!(dna["temporalResolution"], "HIGH");
        assert_eq!(dna["patternWindow"], "SHORT");
        assert_eq!(dna["extractor"], "LEXICON");

        // Every trait that moved says by which words, and the words are the story's.
        let answer = world.run(&ann, "query($id: ID!) { entity(id: $id) { dna { evidence { of points clamped quote \
            start end source theme } } origin { originStory narrativeContext themes } } }", json!({ "id": id })).await;
        let story: Vec<char> = STORY.chars().collect();
        let evidence = answer.at("/entity/dna/evidence").as_array().unwrap();
        assert!(!evidence.is_empty());
        for it in evidence {
            let at = |name: &str| usize::try_from(it[name].as_u64().unwrap()).unwrap();
            let quoted: String = story[at("start")..at("end")].iter().collect();
            assert_eq!(it["quote"], quoted.as_str());
        }
        for (field, of) in [("anxietyThreshold", "ANXIETY_THRESHOLD"), ("resilience", "RESILIENCE")] {
            assert!(evidence.iter().any(|it| it["of"] == of), "{field} moved without a word");
        }
        assert!(answer.text("/entity/origin/narrativeContext").contains("Frank"));
    }

    async fn a_new_story_replaces_and_keeps_the_old(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let before = dna(&world, &ann, &id).await;
        let other = "He was praised every day and felt safe at home, and nobody was ever in a hurry.";
        let answer = world.run(&ann, TELL, json!({ "input": { "entity": id, "story": format!("  {other}\n"), "revision": 1 } })).await;
        assert_eq!(answer.at("/originTell/dna/revision"), 2);
        assert_eq!(answer.text("/originTell/entity/origin/originStory"), other);
        assert_ne!(dna(&world, &ann, &id).await["weariness"], before["weariness"]);

        // Somebody who has seen revision 1 only is refused, and nothing changes.
        let answer = world.run(&ann, TELL, json!({ "input": { "entity": id, "story": STORY, "revision": 1 } })).await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT revision: the DNA is at revision 2, not 1: read it again and decide anew");

        let answer = world.run(&ann, RESTORE, json!({ "input": { "entity": id, "to": 1 } })).await;
        assert_eq!(answer.at("/dnaRestore/dna/revision"), 3);
        let mut after = dna(&world, &ann, &id).await;
        after["revision"] = before["revision"].clone();
        assert_eq!(after, before);
        let answer = world.run(&ann, "query($id: ID!) { entity(id: $id) { origin { originStory } dnaRevisions(first: 2) { \
            totalCount nodes { revision cause snapshot { originStory extractor } } pageInfo { hasNextPage } } } }", json!({ "id": id })).await;
        assert_eq!(answer.text("/entity/origin/originStory"), STORY);
        assert_eq!(answer.at("/entity/dnaRevisions/totalCount"), 3);
        let causes: Vec<_> = answer.at("/entity/dnaRevisions/nodes").as_array().unwrap().iter()
            .map(|it| it["cause"].as_str().unwrap().to_owned()).collect();
        assert_eq!(causes, ["restored from revision 1", "a story was told"]);
        let answer = world.run(&ann, RESTORE, json!({ "input": { "entity": id, "to": 9 } })).await;
        assert_snapshot!(answer.user_errors(), @"NOT_FOUND to: to names nothing that you can see");
    }

    async fn an_edit_by_hand_sets_what_is_named(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Luna" })).await;
        let answer = world.run(&ann, ADJUST, json!({ "input": { "entity": id,
            "values": { "resilience": 0.9, "temporalResolution": "LOW" } } })).await;
        assert_eq!(answer.at("/dnaAdjust/dna/resilience"), 0.9);
        assert_eq!(answer.at("/dnaAdjust/dna/temporalResolution"), "LOW");
        assert_eq!(answer.at("/dnaAdjust/dna/extractor"), "MANUAL");
        assert_eq!(answer.at("/dnaAdjust/dna/revision"), 2);
        let answer = world.run(&ann, ADJUST, json!({ "input": { "entity": id,
            "values": { "resilience": 1.5, "nostalgiaBias": -0.1 } } })).await;
        assert_snapshot!(answer.user_errors(), @r"
        OUT_OF_RANGE resilience: resilience is 1.5: expected 0 to 1
        OUT_OF_RANGE nostalgiaBias: nostalgiaBias is -0.1: expected 0 to 1
        ");
        let answer = world.run(&ann, ADJUST, json!({ "input": { "entity": id, "values": {} } })).await;
        assert_snapshot!(answer.user_errors(), @"INVALID values: nothing to adjust: name at least one value");
    }

    async fn stories_told_at_once_make_a_revision_each(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank" })).await;
        let tell = |seen: Option<i32>| {
            let input = json!({ "input": { "entity": id, "story": STORY, "revision": seen } });
            let (world, ann) = (&world, &ann);
            async move { world.run(ann, TELL, input).await }
        };
        let all = futures_util::future::join_all((0..5).map(|_| tell(None))).await;
        let mut revisions: Vec<_> = all.iter().map(|it| it.at("/originTell/dna/revision").as_i64().unwrap()).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, [2, 3, 4, 5, 6]);
        // Of those who say what they have seen, one wins.
        let all = futures_util::future::join_all((0..5).map(|_| tell(Some(6)))).await;
        let won = all.iter().filter(|it| it.user_errors().is_empty()).count();
        assert_eq!(won, 1);
        assert!(all.iter().filter(|it| !it.user_errors().is_empty()).all(|it| it.user_errors().starts_with("CONFLICT")));
    }

    async fn a_change_is_logged_without_anybodys_words(world: World) {
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let events = world.events().await;
        let types: Vec<_> = events.iter().map(|it| it.event_type.as_str()).collect();
        assert_eq!(types, ["dna_changed", "api_call"]);
        for event in &events {
            assert_eq!(event.user_id, ann.person());
            let told = event.payload.0.to_string();
            assert!(!told.contains("waitress") && !told.contains("Frank"), "{told}");
        }
        assert_eq!(events[1].payload.0["object"], Value::from(id));
        assert_eq!(events[1].payload.0["operation"], "entityCreate");
    }
}
