//! Voices: which fits an entity, and giving it one.

use domain::{
    check::Check,
    dna::{
        Entity, EntityId,
        voice::{Speaker, Voice, VoiceGender, VoiceMatch, match_voices, voice_config},
    },
    values::Json,
};
use persistence::dna::{entities, origin_of};

use super::{dna_or_neutral, visible, writable};
use crate::{Access, Cx, Error, Result, audit};

/// A voice to be given.
#[derive(Clone, Debug)]
pub struct VoiceAssign {
    /// To whom.
    pub entity: EntityId,
    /// The speaker's id; the one that fits best when not said.
    pub speaker: Option<String>,
}

/// Voices of the catalogue, the built-in ones first.
pub fn voices(cx: &Cx, gender: Option<VoiceGender>, accent: Option<&str>) -> Result<Vec<Voice>> {
    cx.viewer.require(Access::Read)?;
    let wanted = |it: &&Voice| {
        gender.is_none_or(|wanted| it.gender == wanted)
            && accent.is_none_or(|wanted| it.accent.eq_ignore_ascii_case(wanted))
    };
    Ok(cx
        .settings
        .voices
        .voices()
        .iter()
        .filter(wanted)
        .cloned()
        .collect())
}

/// The voices that fit an entity best, with the reasons.
pub async fn voice_matches(cx: &Cx, id: EntityId, first: i32) -> Result<Vec<VoiceMatch>> {
    let mut check = Check::new();
    let first = check.integer("first", first.into(), 1..=100);
    check.done()?;
    let Some(entity) = visible(cx, id).await? else {
        return Ok(Vec::new());
    };
    matches(
        cx,
        cx.reader(),
        &entity,
        usize::try_from(first).unwrap_or(1),
    )
    .await
}

async fn matches(
    cx: &Cx,
    db: &impl sea_orm::ConnectionTrait,
    entity: &Entity,
    first: usize,
) -> Result<Vec<VoiceMatch>> {
    let dna = dna_or_neutral(db, cx, entity.id).await?.dna;
    let origin = origin_of(db, entity.id).await?;
    let speaker = Speaker {
        name: &entity.name,
        story: origin.as_ref().map(|it| it.origin_story.as_str()),
        dna: &dna,
    };
    Ok(match_voices(&speaker, &cx.settings.voices, first))
}

/// Gives an entity a voice: the one named, or the one that fits best.
pub async fn voice_assign(cx: &Cx, input: VoiceAssign) -> Result<(Entity, VoiceMatch)> {
    let VoiceAssign {
        entity: id,
        speaker,
    } = input;
    let txn = cx.begin().await?;
    let entity = writable(cx, &txn, "entity", id).await?;
    let all = matches(cx, &*txn, &entity, usize::MAX).await?;
    let chosen = match &speaker {
        None => all.into_iter().next(),
        Some(speaker) => all.into_iter().find(|it| it.voice.speaker == *speaker),
    };
    let chosen = chosen.ok_or_else(|| {
        Error::invalid(
            "speaker",
            "speaker is not in the catalogue: see the query voices",
        )
    })?;
    let dna = dna_or_neutral(&*txn, cx, id).await?.dna;
    let config = serde_json::to_value(voice_config(&chosen.voice, &dna))
        .map_err(|error| Error::Internal(error.to_string()))?;
    let entity = Entity {
        voice_config: Json(config),
        updated_at: cx.now(),
        ..entity
    };
    entities::Entity::replace(&*txn, entity.clone()).await?;
    audit::call(
        cx,
        &txn,
        "voiceAssign",
        Some(id.to_string()),
        Some(entity.owner_id),
    )
    .await?;
    txn.commit().await?;
    Ok((entity, chosen))
}
