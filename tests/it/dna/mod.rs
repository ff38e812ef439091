//! Entities and their DNA, through the schema.

use app::Viewer;
use serde_json::{Value, json};
use testkit::{Answer, World};

mod descent;
mod entities;
mod extractor;
mod genome;
mod voice;

/// The Soven seed's story.
const STORY: &str = "Frank's mom was a tired waitress who worked doubles. Dad was never around. \
                     Frank grew up helping in the kitchen from age 7.";

/// Makes an entity; gives its id.
async fn create(world: &World, viewer: &Viewer, input: Value) -> String {
    try_create(world, viewer, input)
        .await
        .text("/entityCreate/entity/id")
        .to_owned()
}

async fn try_create(world: &World, viewer: &Viewer, input: Value) -> Answer {
    let query = "mutation($input: EntityCreateInput!) { entityCreate(input: $input) { \
                 entity { id name dna { revision } } warnings { code message } \
                 userErrors { code field message } } }";
    world.run(viewer, query, json!({ "input": input })).await
}

/// Makes a child; gives its id.
async fn descend(world: &World, viewer: &Viewer, input: Value) -> String {
    try_descend(world, viewer, input)
        .await
        .text("/entityDescend/entity/id")
        .to_owned()
}

async fn try_descend(world: &World, viewer: &Viewer, input: Value) -> Answer {
    let query = "mutation($input: EntityDescendInput!) { entityDescend(input: $input) { \
                 entity { id } userErrors { code field message } } }";
    world.run(viewer, query, json!({ "input": input })).await
}

/// The values of an entity's DNA.
async fn dna(world: &World, viewer: &Viewer, id: &str) -> Value {
    let query = "query($id: ID!) { entity(id: $id) { dna { noveltySeeking anxietyThreshold \
                 confidenceBaseline confidenceDecayRate weariness: wearinessAccumulationRate \
                 resilience serviceOrientation autonomyDesire authorityRecognition \
                 cooperationDrive perfectionism temporalPrecision aestheticSensitivity \
                 acceptanceOfFailure commitmentToRoutine prideInCraft nostalgiaBias \
                 temporalResolution patternWindow generation revision extractor seed } } }";
    world
        .run(viewer, query, json!({ "id": id }))
        .await
        .at("/entity/dna")
        .clone()
}
