//! Voices: the catalogue, what fits, what is given.

use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::create;

on_both_engines! {
    async fn a_voice_fits_the_story_and_says_why(world: World) {
        let ann = world.person("Ann").await;
        let story = "A young Scottish man from Edinburgh, raised by his mother above a bakery.";
        let id = create(&world, &ann, json!({ "name": "Angus", "story": story })).await;
        let query = "query($id: ID!) { entity(id: $id) { voiceMatches(first: 3) { score voice { speaker gender accent age } \
                     contributions { gender accent age temperament } reasons } } }";
        let answer = world.run(&ann, query, json!({ "id": id })).await;
        let matches = answer.at("/entity/voiceMatches").as_array().unwrap();
        assert_eq!(matches.len(), 3, "{:#}", answer.0);
        for it in matches {
            assert_eq!(it["voice"]["gender"], "MALE");
            assert_eq!(it["voice"]["accent"], "Scottish");
            let parts = &it["contributions"];
            let sum: f64 = ["gender", "accent", "age", "temperament"].iter().map(|part| parts[part].as_f64().unwrap()).sum();
            assert!((sum - it["score"].as_f64().unwrap()).abs() < 1e-9);
        }
        assert_eq!(world.run(&ann, query, json!({ "id": id })).await.0, answer.0);

        let assign = "mutation($input: VoiceAssignInput!) { voiceAssign(input: $input) { entity { voiceConfig } voiceMatch { voice { speaker } } \
                      userErrors { code field message } } }";
        let given = world.run(&ann, assign, json!({ "input": { "entity": id } })).await;
        assert_eq!(given.text("/voiceAssign/voiceMatch/voice/speaker"), matches[0]["voice"]["speaker"]);
        let config = given.at("/voiceAssign/entity/voiceConfig");
        assert_eq!(config["type"], "multi_speaker");
        assert_eq!(config["speaker"], matches[0]["voice"]["speaker"]);
        assert_eq!(config["metadata"]["accent"], "Scottish");
        assert!(config["prosody"]["speed"].is_number() && config["prosody"]["pitch"].is_number());

        // The seed's voice, with the attributes that the corpus gives it.
        let given = world.run(&ann, assign, json!({ "input": { "entity": id, "speaker": "p360" } })).await;
        assert_eq!(given.at("/voiceAssign/entity/voiceConfig/metadata/region"), "New Jersey");
        let refused = world.run(&ann, assign, json!({ "input": { "entity": id, "speaker": "p999" } })).await;
        assert_snapshot!(refused.user_errors(), @"INVALID speaker: speaker is not in the catalogue: see the query voices");
    }

    async fn the_catalogue_is_the_corpus(world: World) {
        let ann = world.person("Ann").await;
        let answer = world.run(&ann, "{ all: voices { speaker } scots: voices(gender: MALE, accent: \"scottish\") { accent gender } }", json!({})).await;
        assert_eq!(answer.at("/all").as_array().unwrap().len(), 108);
        assert!(answer.at("/scots").as_array().unwrap().len() > 5);
        let anonymous = world.run(&app::Viewer::anonymous(), "{ voices { speaker } }", json!({})).await;
        assert!(anonymous.error().starts_with("UNAUTHENTICATED"));
    }
}
