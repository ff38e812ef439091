//! Persona definitions, character cards, knowledge and duty, through the schema.

mod access;
mod cards;
mod definitions;
mod duty;
mod knowledge;
mod shipped;

use app::Viewer;
use serde_json::{Value, json};
use testkit::{Answer, World};

use crate::device::mutate;

/// What most tests look at.
pub const DEFINITION: &str = "personaDefinition { id slug currentVersion latestVersion }";

/// Makes a definition of this slug with more said of it.
pub async fn create(world: &World, viewer: &Viewer, slug: &str, more: Value) -> Answer {
    let mut input = json!({ "slug": slug, "name": slug });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let answer = mutate(world, viewer, "personaDefinitionCreate", input, DEFINITION).await;
    assert_eq!(answer.user_errors(), "");
    answer
}

/// Asks for a definition by its slug.
pub async fn read(world: &World, viewer: &Viewer, slug: &str, selection: &str) -> Answer {
    let query = format!(
        "query($slug: String!) {{ personaDefinition(by: {{ slug: $slug }}) {{ {selection} }} }}"
    );
    world.run(viewer, &query, json!({ "slug": slug })).await
}
