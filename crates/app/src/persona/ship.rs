//! The personas that come with Anima.

use std::sync::Arc;

use domain::{
    persona::{
        PersonaDefinition, PersonaVersion,
        shipped::{SHIPPED_VERSION, Shipped, all},
    },
    values::Json,
};
use persistence::persona::{definition_add_if_free, persona_versions, slugs};

use crate::{Result, Services, audit};

/// Makes those of the shipped personas whose slug is free, and gives their slugs. What an
/// operator made of one is never touched; of several processes that start at once, one makes it.
pub async fn ship(services: &Arc<Services>) -> Result<Vec<&'static str>> {
    let cx = services.system_cx();
    let taken = slugs(cx.reader()).await?;
    let mut missing = all()?;
    missing.retain(|it| !taken.iter().any(|slug| slug == it.slug));
    let mut made = Vec::new();
    if missing.is_empty() {
        return Ok(made);
    }
    let txn = cx.begin().await?;
    for Shipped { slug, snapshot } in missing {
        let version = SHIPPED_VERSION.to_owned();
        let now = cx.now();
        let definition = PersonaDefinition::new(
            cx.id(),
            slug.to_owned(),
            version.clone(),
            snapshot.clone(),
            now,
        );
        // Whoever is second waits here for the first to commit, and then adds nothing.
        if !definition_add_if_free(&*txn, definition.clone()).await? {
            continue;
        }
        let version = PersonaVersion {
            id: cx.id(),
            definition_id: definition.id,
            version,
            artifacts: Json(snapshot),
            created_by: None,
            change_notes: Some("comes with Anima".to_owned()),
            created_at: now,
        };
        persona_versions::Entity::add(&*txn, version).await?;
        let object = Some(definition.id.to_string());
        audit::call(&cx, &txn, "personaDefinitionCreate", object, None).await?;
        made.push(slug);
    }
    txn.commit().await?;
    Ok(made)
}
