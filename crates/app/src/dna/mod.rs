//! Entities: made, changed, removed; told, adjusted, restored, descended; given a voice.
//!
//! Every entity has DNA from its first moment: neutral until a story is told.

use domain::{
    check::Check,
    device::{DeviceId, DeviceType},
    dna::{DEFAULT_TOKENS, Dna, DnaWarning, Entity, EntityDna, EntityId, EntityKind, Extractor},
    identity::UserId,
    values::Json,
};
use persistence::{
    dna::{entities, entity_in_scope, entity_locked, entity_remove},
    persona::Named,
};
use sea_orm::ConnectionTrait;
use serde_json::Value;

use crate::{
    Access, Cx, Error, Patch, Result, Txn, audit,
    idempotency::{self, Claim, Once},
    persona,
};

mod descend;
mod genome;
mod reading;
mod voice;

pub use descend::{Descend, descend};
pub use genome::{Adjust, Restore, Tell, adjust, restore, tell};
pub use reading::ExtractorChoice;
pub use voice::{VoiceAssign, voice_assign, voice_matches, voices};

/// What a story made of an entity, and what was amiss on the way.
#[derive(Clone, Debug)]
pub struct Born {
    /// Who.
    pub entity: Entity,
    /// Its DNA.
    pub dna: EntityDna,
    /// Such as a language model that did not answer.
    pub warnings: Vec<DnaWarning>,
}

/// A new entity.
#[derive(Clone, Debug, Default)]
pub struct EntityCreate {
    /// Whose it is; oneself when not said.
    pub owner: Option<UserId>,
    /// 1–100 characters; a coffee maker's character is a Barista unless named.
    pub name: Option<String>,
    /// What kind of somebody.
    pub kind: EntityKind,
    /// The device to cast it onto.
    pub device: Option<DeviceId>,
    /// Its character in a few sentences.
    pub personality: Option<String>,
    /// What it likes to talk about.
    pub interests: Vec<String>,
    /// Configuration of its personality.
    pub personality_config: Option<Value>,
    /// The template of its system prompt.
    pub personality_template: Option<String>,
    /// How many tokens of context it is given.
    pub personality_tokens: Option<i32>,
    /// Its backstory.
    pub story: Option<String>,
    /// Who reads the story.
    pub extractor: Option<ExtractorChoice>,
}

/// A change to an entity.
#[derive(Clone, Debug, Default)]
pub struct EntityUpdate {
    /// 1–100 characters.
    pub name: Option<String>,
    /// What kind of somebody.
    pub kind: Option<EntityKind>,
    /// Its character in a few sentences.
    pub personality: Patch<String>,
    /// What it likes to talk about.
    pub interests: Option<Vec<String>>,
    /// Configuration of its personality.
    pub personality_config: Option<Value>,
    /// The template of its system prompt.
    pub personality_template: Patch<String>,
    /// How many tokens of context it is given.
    pub personality_tokens: Option<i32>,
    /// Whether it takes part in anything new.
    pub is_active: Option<bool>,
    /// The persona definition it plays, one of the active ones.
    pub persona_definition: Patch<Named>,
}

/// What a coffee maker's character is called unless named, as in the Soven seed.
const COFFEE_MAKER_NAME: &str = "Barista";

/// Makes an entity: with the DNA of its story, or neutral DNA when none is told.
pub async fn create(cx: &Cx, once: Option<String>, input: EntityCreate) -> Result<Born> {
    let once = Once::new(once, "entityCreate", &input);
    let EntityCreate {
        owner,
        name,
        kind,
        device,
        personality,
        interests,
        personality_config,
        personality_template,
        personality_tokens,
        story,
        extractor,
    } = input;
    let owner = cx.viewer.owner(owner)?;
    let device = match device {
        Some(id) => Some(device_of(cx, id, owner).await?),
        None => None,
    };
    let name = match (name, &device) {
        (None, Some((_, DeviceType::CoffeeMaker))) => COFFEE_MAKER_NAME.to_owned(),
        (name, _) => name.unwrap_or_default(),
    };

    let mut check = Check::new();
    let name = check.text("name", &name, 1..=100);
    let tokens = personality_tokens.unwrap_or(DEFAULT_TOKENS);
    let template = personality_template.as_deref();
    let entity = Entity {
        device_id: device.map(|(id, _)| id),
        personality: check.optional_text("personality", personality.as_deref(), 1..=2_000),
        interests: Json(checked_interests(&mut check, &interests)),
        personality_config: Json(checked_object(
            &mut check,
            "personalityConfig",
            personality_config.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
        )),
        personality_template: check.optional_text("personalityTemplate", template, 1..=20_000),
        personality_tokens: checked_tokens(&mut check, tokens),
        ..Entity::new(cx.id(), owner, kind, name, cx.now())
    };
    if let Some(story) = &story {
        reading::check_story(&mut check, story);
    }
    check.done()?;

    let told = match &story {
        Some(story) => Some(reading::read(cx, story, &entity.name, extractor).await?),
        None => None,
    };
    let (told, warnings) = told.map(reading::Told::into_parts).unzip();
    let txn = cx.begin().await?;
    let claim = match idempotency::claim(cx, &txn, once).await? {
        Claim::Again(id) => return born_before(cx, &txn, id).await,
        Claim::First(claim) => claim,
    };
    entities::Entity::add(&*txn, entity.clone())
        .await
        .map_err(occupied)?;
    claim.keep(&txn, entity.id).await?;
    let dna = match told {
        Some(told) => genome::first(cx, &txn, &entity, told).await?,
        None => genome::first(cx, &txn, &entity, genome::New::neutral()).await?,
    };
    audit::call(
        cx,
        &txn,
        "entityCreate",
        Some(entity.id.to_string()),
        Some(owner),
    )
    .await?;
    txn.commit().await?;
    Ok(Born {
        entity,
        dna,
        warnings: warnings.unwrap_or_default(),
    })
}

/// Changes an entity.
pub async fn update(cx: &Cx, id: EntityId, input: EntityUpdate) -> Result<Entity> {
    let EntityUpdate {
        name,
        kind,
        personality,
        interests,
        personality_config,
        personality_template,
        personality_tokens,
        is_active,
        persona_definition,
    } = input;
    let mut check = Check::new();
    let name = name.map(|it| check.text("name", &it, 1..=100));
    let personality = personality.map(|it| check.text("personality", &it, 1..=2_000));
    let interests = interests.map(|it| checked_interests(&mut check, &it));
    let config = personality_config.map(|it| checked_object(&mut check, "personalityConfig", it));
    let template =
        personality_template.map(|it| check.text("personalityTemplate", &it, 1..=20_000));
    let tokens = personality_tokens.map(|it| checked_tokens(&mut check, it));

    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "id", id).await?;
    check.done()?;
    let persona = match persona_definition {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(name) => Patch::Set(
            persona::active(cx, &txn, &name, "personaDefinition")
                .await?
                .id,
        ),
    };
    let entity = Entity {
        name: name.unwrap_or(entity.name),
        kind: kind.unwrap_or(entity.kind),
        personality: personality.apply(entity.personality),
        interests: interests.map_or(entity.interests, Json),
        personality_config: config.map_or(entity.personality_config, Json),
        personality_template: template.apply(entity.personality_template),
        personality_tokens: tokens.unwrap_or(entity.personality_tokens),
        is_active: is_active.unwrap_or(entity.is_active),
        persona_definition_id: persona.apply(entity.persona_definition_id),
        updated_at: cx.now(),
        ..entity
    };
    entities::Entity::replace(&*txn, entity.clone()).await?;
    audit::call(
        cx,
        &txn,
        "entityUpdate",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(entity)
}

/// Removes an entity with all that is its own. Its children stay, without this parent.
pub async fn delete(cx: &Cx, id: EntityId) -> Result<EntityId> {
    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "id", id).await?;
    entity_remove(&*txn, id).await?;
    audit::call(
        cx,
        &txn,
        "entityDelete",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok(id)
}

/// An entity that the viewer may see, or none.
pub async fn visible(cx: &Cx, id: EntityId) -> Result<Option<Entity>> {
    let scope = cx.viewer.entities(Access::Read)?;
    Ok(entity_in_scope(cx.reader(), &scope, id).await?)
}

/// An entity that the viewer may change, locked until the transaction ends.
async fn writable(cx: &Cx, txn: &Txn, field: &str, id: EntityId) -> Result<Entity> {
    let scope = cx.viewer.entities(Access::Write)?;
    entity_locked(&**txn, &scope, id)
        .await?
        .ok_or_else(|| Error::not_found(field))
}

/// What a repeated request made the first time, as it is now.
async fn born_before(cx: &Cx, txn: &Txn, id: EntityId) -> Result<Born> {
    let scope = cx.viewer.entities(Access::Read)?;
    let entity = entity_in_scope(&**txn, &scope, id)
        .await?
        .ok_or_else(idempotency::gone)?;
    let dna = dna_or_neutral(&**txn, cx, id).await?;
    Ok(Born {
        entity,
        dna,
        warnings: Vec::new(),
    })
}

/// A device of this owner that the viewer may use.
async fn device_of(cx: &Cx, id: DeviceId, owner: UserId) -> Result<(DeviceId, DeviceType)> {
    let scope = cx.viewer.devices(Access::Write)?;
    let found = persistence::device::devices_by_ids(cx.reader(), scope, &[id]).await?;
    match found.first() {
        Some(device) if device.owner_id == owner => Ok((id, device.device_type)),
        _ => Err(Error::not_found("device")),
    }
}

/// A device bears one entity: its unique key speaks when two are cast at once.
fn occupied(error: persistence::Error) -> Error {
    match error {
        persistence::Error::Taken(_) => Error::conflict(
            "device",
            "another entity is cast onto this device: uncast it first",
        ),
        other => other.into(),
    }
}

fn checked_interests(check: &mut Check, interests: &[String]) -> Vec<String> {
    if interests.len() > 50 {
        check.fail(
            domain::check::UserErrorCode::TooLong,
            "interests",
            format!(
                "interests has {} entries: expected at most 50",
                interests.len()
            ),
        );
        return Vec::new();
    }
    interests
        .iter()
        .map(|it| check.text("interests", it, 1..=100))
        .collect()
}

fn checked_object(check: &mut Check, path: &str, value: Value) -> Value {
    if value.is_object() {
        check.document(path, &value, 16 * 1_024);
    } else {
        check.fail(
            domain::check::UserErrorCode::Invalid,
            path,
            format!("{path} must be a JSON object"),
        );
    }
    value
}

fn checked_tokens(check: &mut Check, tokens: i32) -> i32 {
    check.integer("personalityTokens", tokens.into(), 50..=32_000);
    tokens
}

/// The DNA of an entity that the caller has in scope; neutral where there is no row, which
/// only an entity made by other means can lack.
async fn dna_or_neutral(db: &impl ConnectionTrait, cx: &Cx, id: EntityId) -> Result<EntityDna> {
    if let Some(dna) = persistence::dna::dna_of(db, id).await? {
        return Ok(dna);
    }
    Ok(EntityDna {
        id: cx.id(),
        entity_id: id,
        dna: Dna::default(),
        generation: 0,
        parent_id: None,
        co_parent_id: None,
        dna_version: domain::dna::DNA_VERSION.to_owned(),
        extractor: Extractor::Manual,
        seed: None,
        evidence: Json(Vec::new()),
        revision: 0,
        created_at: cx.now(),
        updated_at: cx.now(),
    })
}
