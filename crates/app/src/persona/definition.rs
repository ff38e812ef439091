//! Definitions: made, changed by new versions, put in force, rolled back, brought in and out.

use data_encoding::BASE64;
use domain::{
    check::Check,
    identity::UserId,
    persona::{
        Difference, PersonaDefinition, PersonaDefinitionId, PersonaPortrait, PersonaSnapshot,
        PersonaVersion, VersionBump,
        card::{self, CardSpec},
        card_png::{self, Picture},
        check_slug, checked_version, diff, import,
        shipped::SHIPPED_VERSION,
        slug_of,
    },
    values::Json,
};
use persistence::persona::{
    Named, definition_add_if_free, definition_named, definition_to_change, persona_definitions,
    persona_versions, portrait_of, portrait_set, version_of,
};
use serde_json::Value;

use super::could_be;
use crate::{
    Access, Cx, Error, Principal, Result, Txn, audit,
    idempotency::{self, Claim, Once},
};

/// A new definition.
#[derive(Clone, Debug)]
pub struct DefinitionCreate {
    /// `[a-z0-9_-]{1,50}`, unique.
    pub slug: String,
    /// What it is.
    pub snapshot: PersonaSnapshot,
    /// The first version's number; 1.0.0 when not said.
    pub version: Option<String>,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
}

/// What number a new version has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextVersion {
    /// The latest, counted up.
    Bump(VersionBump),
    /// This one, which must come after the latest.
    Named(String),
}

/// A change of a definition: a new version of it.
#[derive(Clone, Debug)]
pub struct DefinitionUpdate {
    /// Of which.
    pub definition: Named,
    /// The version the caller has seen; if it is not the latest, that is a conflict.
    pub base_version: String,
    /// The new version's number.
    pub version: NextVersion,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
    /// Whether it is in force at once.
    pub publish: bool,
}

/// A return to an earlier version.
#[derive(Clone, Debug)]
pub struct DefinitionRollback {
    /// Of which.
    pub definition: Named,
    /// The version the caller has seen; if it is not the latest, that is a conflict.
    pub base_version: String,
    /// The version to return to.
    pub to: String,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
}

/// Where a definition comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportSource {
    /// A document of Anima's own, or a character card.
    Json(Value),
    /// A character card in a PNG file.
    Png(Vec<u8>),
}

/// A definition brought in.
#[derive(Clone, Debug)]
pub struct DefinitionImport {
    /// From what.
    pub source: ImportSource,
    /// Its slug here; the document's own, or one made of the name, when not said.
    pub slug: Option<String>,
    /// Of a definition that is there already: the version the caller has seen. It gets a new
    /// version then.
    pub base_version: Option<String>,
    /// Why, at most 2 000 characters.
    pub notes: Option<String>,
    /// Whether a new version of a definition that is there already is in force at once.
    pub publish: bool,
}

/// What is written beside a version.
struct Author {
    by: Option<UserId>,
    notes: Option<String>,
}

impl Author {
    fn checked(cx: &Cx, check: &mut Check, notes: Option<&str>) -> Self {
        let by = match cx.viewer.principal {
            Principal::User { id, .. } | Principal::Service { id } => Some(id),
            Principal::Device { .. } | Principal::Anonymous | Principal::System => None,
        };
        Self {
            by,
            notes: check.optional_text("notes", notes, 1..=2_000),
        }
    }
}

/// Makes a definition; its first version is in force.
///
/// # Errors
/// [`Error::Taken`] when the slug is; otherwise faults of the input.
pub async fn definition_create(
    cx: &Cx,
    once: Option<String>,
    input: DefinitionCreate,
) -> Result<PersonaDefinition> {
    cx.viewer.definitions(Access::Write)?;
    let once = Once::new(once, "personaDefinitionCreate", &input);
    let DefinitionCreate {
        slug,
        snapshot,
        version,
        notes,
    } = input;
    let mut check = Check::new();
    check.nested("", check_slug(&slug));
    let snapshot = check.nested("", snapshot.checked());
    let version = version.unwrap_or_else(|| SHIPPED_VERSION.to_owned());
    let version = check.nested("", checked_version(&version, None));
    let author = Author::checked(cx, &mut check, notes.as_deref());
    check.done()?;
    let (Some(snapshot), Some(version)) = (snapshot, version) else {
        return Err(Error::Internal("checked, and not there".to_owned()));
    };
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<PersonaDefinitionId>(cx, &txn, once).await? {
        Claim::Again(id) => return made_before(cx, &txn, id).await,
        Claim::First(claim) => claim,
    };
    let (definition, _) = first(cx, &txn, slug, version, snapshot, author).await?;
    claim.keep(&txn, definition.id).await?;
    let object = Some(definition.id.to_string());
    audit::call(cx, &txn, "personaDefinitionCreate", object, None).await?;
    txn.commit().await?;
    Ok(definition)
}

async fn made_before(cx: &Cx, txn: &Txn, id: PersonaDefinitionId) -> Result<PersonaDefinition> {
    let scope = cx.viewer.definitions(Access::Write)?;
    let found = definition_named(&**txn, scope, &Named::Id(id)).await?;
    found.ok_or_else(idempotency::gone)
}

async fn first(
    cx: &Cx,
    txn: &Txn,
    slug: String,
    version: String,
    snapshot: PersonaSnapshot,
    author: Author,
) -> Result<(PersonaDefinition, PersonaVersion)> {
    let now = cx.now();
    let definition = PersonaDefinition::new(cx.id(), slug, version.clone(), snapshot.clone(), now);
    if !definition_add_if_free(&**txn, definition.clone()).await? {
        let message = format!("the slug {} is in use: choose another", definition.slug);
        return Err(Error::taken("slug", message));
    }
    let version = add(cx, txn, definition.id, version, snapshot, author).await?;
    Ok((definition, version))
}

async fn add(
    cx: &Cx,
    txn: &Txn,
    definition: PersonaDefinitionId,
    version: String,
    snapshot: PersonaSnapshot,
    author: Author,
) -> Result<PersonaVersion> {
    let Author { by, notes } = author;
    let version = PersonaVersion {
        id: cx.id(),
        definition_id: definition,
        version,
        artifacts: Json(snapshot),
        created_by: by,
        change_notes: notes,
        created_at: cx.now(),
    };
    persona_versions::Entity::add(&**txn, version.clone()).await?;
    Ok(version)
}

/// The definition, held until the transaction ends.
async fn writable(cx: &Cx, txn: &Txn, name: &Named) -> Result<PersonaDefinition> {
    let scope = cx.viewer.definitions(Access::Write)?;
    let missing = || Error::not_found("definition");
    if !could_be(name) {
        return Err(missing());
    }
    definition_to_change(&**txn, scope, name)
        .await?
        .ok_or_else(missing)
}

fn expect_latest(definition: &PersonaDefinition, base_version: &str) -> Result<()> {
    if definition.latest_version == base_version {
        return Ok(());
    }
    Err(Error::conflict(
        "baseVersion",
        format!(
            "the latest version is {}, not the one this change is based on: read it, and try again",
            definition.latest_version
        ),
    ))
}

async fn version_or_missing(
    txn: &Txn,
    definition: &PersonaDefinition,
    version: &str,
    field: &str,
) -> Result<PersonaVersion> {
    let missing = || Error::not_found(field);
    // PostgreSQL refuses NUL as a parameter; no version has one.
    checked_version(version, None).map_err(|_| missing())?;
    version_of(&**txn, definition.id, version)
        .await?
        .ok_or_else(missing)
}

/// Adds a version to a definition held, and puts it in force if that is wanted.
async fn amend(
    cx: &Cx,
    txn: &Txn,
    definition: PersonaDefinition,
    number: String,
    snapshot: PersonaSnapshot,
    (author, publish): (Author, bool),
) -> Result<(PersonaDefinition, PersonaVersion)> {
    let id = definition.id;
    let version = add(cx, txn, id, number.clone(), snapshot.clone(), author).await?;
    let mut definition = PersonaDefinition {
        latest_version: number.clone(),
        updated_at: cx.now(),
        ..definition
    };
    if publish {
        definition = definition.in_force(number, snapshot, cx.now());
    }
    persona_definitions::Entity::replace(&**txn, definition.clone()).await?;
    Ok((definition, version))
}

/// Changes a definition by adding a version. `change` makes the new state of the base's.
///
/// # Errors
/// [`Error::Conflict`] when the base is not the latest version; faults of what the change makes.
pub async fn definition_update(
    cx: &Cx,
    input: DefinitionUpdate,
    change: impl FnOnce(PersonaSnapshot) -> PersonaSnapshot + Send,
) -> Result<(PersonaDefinition, PersonaVersion)> {
    cx.viewer.definitions(Access::Write)?;
    let DefinitionUpdate {
        definition,
        base_version,
        version,
        notes,
        publish,
    } = input;
    let mut check = Check::new();
    let author = Author::checked(cx, &mut check, notes.as_deref());
    let txn = cx.begin().await?;
    let definition = writable(cx, &txn, &definition).await?;
    expect_latest(&definition, &base_version)?;
    let base = version_or_missing(&txn, &definition, &base_version, "baseVersion").await?;
    let snapshot = check.nested("", change(base.artifacts.0).checked());
    let number = match version {
        NextVersion::Bump(bump) => bump.next(&base_version),
        NextVersion::Named(version) => checked_version(&version, Some(&base_version)),
    };
    let number = check.nested("", number);
    check.done()?;
    let (Some(snapshot), Some(number)) = (snapshot, number) else {
        return Err(Error::Internal("checked, and not there".to_owned()));
    };
    let (definition, version) =
        amend(cx, &txn, definition, number, snapshot, (author, publish)).await?;
    let object = Some(version.id.to_string());
    audit::call(cx, &txn, "personaDefinitionUpdate", object, None).await?;
    txn.commit().await?;
    Ok((definition, version))
}

/// Puts a version in force that comes after the one that is. The one in force again: nothing
/// changes.
///
/// # Errors
/// [`Error::Conflict`] for an earlier version: that takes a roll-back.
pub async fn definition_publish(
    cx: &Cx,
    definition: &Named,
    version: &str,
) -> Result<(PersonaDefinition, PersonaVersion)> {
    let txn = cx.begin().await?;
    let definition = writable(cx, &txn, definition).await?;
    let version = version_or_missing(&txn, &definition, version, "version").await?;
    if version.version == definition.current_version {
        return Ok((definition, version));
    }
    if checked_version(&version.version, Some(&definition.current_version)).is_err() {
        let message = format!(
            "version {} comes before the one in force, {}: roll back to it instead",
            version.version, definition.current_version
        );
        return Err(Error::conflict("version", message));
    }
    let snapshot = version.artifacts.0.clone();
    let definition = definition.in_force(version.version.clone(), snapshot, cx.now());
    persona_definitions::Entity::replace(&*txn, definition.clone()).await?;
    let object = Some(version.id.to_string());
    audit::call(cx, &txn, "personaDefinitionPublish", object, None).await?;
    txn.commit().await?;
    Ok((definition, version))
}

/// Returns to an earlier version: a new one that equals it is in force.
///
/// # Errors
/// [`Error::Conflict`] when the base is not the latest version.
pub async fn definition_rollback(
    cx: &Cx,
    input: DefinitionRollback,
) -> Result<(PersonaDefinition, PersonaVersion)> {
    cx.viewer.definitions(Access::Write)?;
    let DefinitionRollback {
        definition,
        base_version,
        to,
        notes,
    } = input;
    let mut check = Check::new();
    let author = Author::checked(cx, &mut check, notes.as_deref());
    check.done()?;
    let txn = cx.begin().await?;
    let definition = writable(cx, &txn, &definition).await?;
    expect_latest(&definition, &base_version)?;
    let old = version_or_missing(&txn, &definition, &to, "to").await?;
    let number = VersionBump::Patch.next(&definition.latest_version)?;
    let author = Author {
        notes: author.notes.or(Some(format!("back to {to}"))),
        ..author
    };
    let snapshot = old.artifacts.0;
    let (definition, version) =
        amend(cx, &txn, definition, number, snapshot, (author, true)).await?;
    let object = Some(version.id.to_string());
    audit::call(cx, &txn, "personaDefinitionRollback", object, None).await?;
    txn.commit().await?;
    Ok((definition, version))
}

/// Makes a definition fit for duty, or unfit: those on duty stay.
pub async fn definition_set_active(
    cx: &Cx,
    definition: &Named,
    is_active: bool,
) -> Result<PersonaDefinition> {
    let txn = cx.begin().await?;
    let definition = writable(cx, &txn, definition).await?;
    if definition.is_active == is_active {
        return Ok(definition);
    }
    let definition = PersonaDefinition {
        is_active,
        updated_at: cx.now(),
        ..definition
    };
    persona_definitions::Entity::replace(&*txn, definition.clone()).await?;
    let operation = if is_active {
        "personaDefinitionActivate"
    } else {
        "personaDefinitionDeactivate"
    };
    let object = Some(definition.id.to_string());
    audit::call(cx, &txn, operation, object, None).await?;
    txn.commit().await?;
    Ok(definition)
}

/// What an import says: its own slug if it has one, and the rest.
fn read(source: ImportSource) -> Result<(Option<String>, PersonaSnapshot, Option<Picture>)> {
    let mut check = Check::new();
    Ok(match source {
        ImportSource::Png(file) => {
            let (snapshot, picture) = card_png::read(&file, "source.png")?;
            (None, snapshot, Some(picture))
        }
        ImportSource::Json(value) if card::is_card(&value) => {
            (None, card::read(&value, "source.json")?, None)
        }
        ImportSource::Json(value) => {
            let read = check.nested("source", import(value));
            check.done()?;
            let (slug, snapshot) = read.unwrap_or_default();
            (Some(slug), snapshot, None)
        }
    })
}

/// Brings a definition in: as a new one, or as a new version of one that is there.
///
/// # Errors
/// [`Error::Taken`] when the slug is and no base version is named; [`Error::Conflict`] when that
/// is not the latest; where the source cannot be read.
pub async fn definition_import(
    cx: &Cx,
    once: Option<String>,
    input: DefinitionImport,
) -> Result<(PersonaDefinition, PersonaVersion)> {
    cx.viewer.definitions(Access::Write)?;
    let once = Once::new(once, "personaDefinitionImport", &input);
    let DefinitionImport {
        source,
        slug,
        base_version,
        notes,
        publish,
    } = input;
    let mut check = Check::new();
    let author = Author::checked(cx, &mut check, notes.as_deref());
    if let Some(slug) = &slug {
        check.nested("", check_slug(slug));
    }
    check.done()?;
    let (own, snapshot, picture) = read(source)?;
    let slug = match slug.or(own) {
        Some(slug) => slug,
        None => slug_of(&snapshot.name)?,
    };
    let txn = cx.begin().await?;
    let claim = match idempotency::claim::<PersonaDefinitionId>(cx, &txn, once).await? {
        Claim::Again(id) => {
            let definition = made_before(cx, &txn, id).await?;
            let latest = &definition.latest_version;
            let version = version_or_missing(&txn, &definition, latest, "source").await?;
            return Ok((definition, version));
        }
        Claim::First(claim) => claim,
    };
    let (definition, version) = if let Some(base_version) = base_version {
        let definition = writable(cx, &txn, &Named::Slug(slug)).await?;
        expect_latest(&definition, &base_version)?;
        let number = VersionBump::Minor.next(&base_version)?;
        amend(cx, &txn, definition, number, snapshot, (author, publish)).await?
    } else {
        let number = SHIPPED_VERSION.to_owned();
        first(cx, &txn, slug, number, snapshot, author).await?
    };
    if let Some(Picture { png, width, height }) = picture {
        let portrait = PersonaPortrait {
            id: cx.id(),
            definition_id: definition.id,
            image: BASE64.encode(&png),
            // At most 8 192 each.
            width: i32::try_from(width).unwrap_or(i32::MAX),
            height: i32::try_from(height).unwrap_or(i32::MAX),
            created_at: cx.now(),
            updated_at: cx.now(),
        };
        portrait_set(&*txn, portrait).await?;
    }
    claim.keep(&txn, definition.id).await?;
    let object = Some(version.id.to_string());
    audit::call(cx, &txn, "personaDefinitionImport", object, None).await?;
    txn.commit().await?;
    Ok((definition, version))
}

/// What differs between two versions of a definition; none when there is no such definition.
///
/// # Errors
/// When either version is not there.
pub async fn difference(
    cx: &Cx,
    definition: &Named,
    from: &str,
    to: &str,
) -> Result<Option<Vec<Difference>>> {
    cx.viewer.require_admin()?;
    let Some(definition) = super::definition(cx, definition).await? else {
        return Ok(None);
    };
    let mut snapshots = Vec::with_capacity(2);
    for (field, version) in [("from", from), ("to", to)] {
        let missing = || Error::not_found(field);
        checked_version(version, None).map_err(|_| missing())?;
        let found = version_of(cx.reader(), definition.id, version).await?;
        snapshots.push(found.ok_or_else(missing)?.artifacts.0);
    }
    match snapshots.as_slice() {
        [from, to] => Ok(Some(diff(from, to))),
        _ => Err(Error::Internal("two versions, and not two".to_owned())),
    }
}

/// A version as a character card in a picture: the definition's own, or a plain one.
pub async fn version_png(cx: &Cx, version: &PersonaVersion, spec: CardSpec) -> Result<Vec<u8>> {
    let portrait = portrait_of(cx.reader(), version.definition_id).await?;
    let picture = portrait.map(|it| BASE64.decode(it.image.as_bytes()));
    let picture = picture
        .transpose()
        .map_err(|error| Error::Internal(format!("a portrait is not base64: {error}")))?;
    let file = card_png::write(
        &version.artifacts,
        spec,
        &version.version,
        picture.as_deref(),
    );
    file.map_err(|error| Error::Internal(format!("a card was not written: {error}")))
}
