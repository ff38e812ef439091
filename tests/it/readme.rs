//! The README's first query gives the README's answer.

use serde_json::{Value, json};
use testkit::on_both_engines;

/// The text of the first fenced block of this language.
fn block<'a>(readme: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let (_, rest) = readme.split_once(&fence).unwrap();
    rest.split_once("```").unwrap().0
}

on_both_engines! {
    async fn the_first_query_gives_the_answer_shown(world: World) {
        let readme = include_str!("../../README.md");
        let mut shown: Value = serde_json::from_str(block(readme, "json")).unwrap();
        let ann = world.person("Ann").await;
        let mut real = world.run(&ann, block(readme, "graphql"), json!({})).await.0;

        // Of the evidence the README shows three pieces.
        let evidence = "/data/entityCreate/entity/dna/evidence";
        let shown_evidence = shown.pointer_mut(evidence).unwrap().take();
        let real_evidence = real.pointer_mut(evidence).unwrap().take();
        let real_evidence = real_evidence.as_array().unwrap();
        for it in shown_evidence.as_array().unwrap() {
            assert!(real_evidence.contains(it), "not in the real answer: {it}");
        }
        assert_eq!(shown, real, "the README's answer is not the real one: {real:#}");
    }
}
