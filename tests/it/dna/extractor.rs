//! Reading by a language model, and falling back on the lexicon.

use std::sync::Arc;

use inference::llm::LlmError;
use serde_json::{Value, json};
use testkit::{FakeLlm, on_both_engines};

use super::{STORY, create, dna, try_create};

/// An answer of the model, as its schema asks, with every trait alike.
fn answer(value: f64) -> Value {
    let mut answer = json!({
        "temporal_resolution": "low",
        "pattern_window": "long",
        "narrative": "Frank learned early that nobody else would do it.",
        "themes": [{ "theme": "long hours", "quote": "worked doubles", "moves": ["resilience"] }],
    });
    for it in domain::dna::Trait::ALL {
        answer[it.as_str()] = json!(value);
    }
    answer
}

on_both_engines! {
    async fn a_model_that_answers_is_believed_within_reason(world: World) {
        let world = world.with_llm(Arc::new(FakeLlm::answering([Ok(answer(0.6))])));
        let ann = world.person("Ann").await;
        let id = create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        let dna = dna(&world, &ann, &id).await;
        assert_eq!(dna["extractor"], "LLM");
        assert_eq!(dna["resilience"], 0.6);
        assert_eq!(dna["patternWindow"], "LONG");
    }

    async fn a_model_that_fails_twice_gives_way_to_the_lexicon_with_a_warning(world: World) {
        let fake = Arc::new(FakeLlm::answering([Err(LlmError("down".to_owned())), Err(LlmError("down".to_owned()))]));
        let world = world.with_llm(fake.clone());
        let ann = world.person("Ann").await;
        let answered = try_create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        assert_eq!(answered.at("/entityCreate/warnings/0/code"), "LLM_UNAVAILABLE");
        assert_eq!(fake.asked(), 2, "one retry");
        let by_model = dna(&world, &ann, answered.text("/entityCreate/entity/id")).await;
        let plain = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        assert_eq!(by_model, dna(&world, &ann, &plain).await);
        assert_eq!(by_model["extractor"], "LEXICON");
    }

    async fn a_second_try_that_answers_is_enough(world: World) {
        let fake = Arc::new(FakeLlm::answering([Err(LlmError("busy".to_owned())), Ok(answer(0.6))]));
        let world = world.with_llm(fake);
        let ann = world.person("Ann").await;
        let answered = try_create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        assert_eq!(answered.at("/entityCreate/warnings"), &json!([]));
    }

    async fn a_model_that_never_answers_is_not_waited_for(world: World) {
        let world = world.with_llm(Arc::new(FakeLlm::silent()));
        let ann = world.person("Ann").await;
        let answered = try_create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        assert_eq!(answered.at("/entityCreate/warnings/0/code"), "LLM_UNAVAILABLE");
    }

    async fn without_a_model_the_lexicon_reads_and_says_so(world: World) {
        let ann = world.person("Ann").await;
        let answered = try_create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        assert_eq!(answered.at("/entityCreate/warnings/0/code"), "LLM_UNAVAILABLE");
    }

    async fn nonsense_for_one_trait_costs_that_trait_alone(world: World) {
        let mut odd = answer(0.6);
        odd["resilience"] = json!("very");
        odd["perfectionism"] = json!(7);
        odd["pattern_window"] = json!("eternal");
        let world = world.with_llm(Arc::new(FakeLlm::answering([Ok(odd)])));
        let ann = world.person("Ann").await;
        let answered = try_create(&world, &ann, json!({ "name": "Frank", "story": STORY, "extractor": "LLM" })).await;
        assert_eq!(answered.at("/entityCreate/warnings").as_array().unwrap().len(), 3);
        let read = dna(&world, &ann, answered.text("/entityCreate/entity/id")).await;
        let plain = create(&world, &ann, json!({ "name": "Frank", "story": STORY })).await;
        let lexicon = dna(&world, &ann, &plain).await;
        assert_eq!(read["resilience"], lexicon["resilience"]);
        assert_eq!(read["perfectionism"], 1.0);
        assert_eq!(read["patternWindow"], "MEDIUM");
        assert_eq!(read["anxietyThreshold"], 0.6);
    }
}
