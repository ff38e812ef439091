//! Communities and who is in them, as platforms report it.

use chrono::{DateTime, Utc};
use domain::{
    check::{Check, UserErrorCode},
    identity::{Guild, GuildId, GuildMember, UserId, account},
    values::Json,
};
use persistence::identity::{community, guilds};
use serde_json::{Value, json};

use super::platform::exists;
use crate::{Access, Cx, Error, Result, Txn, audit};

/// A community as a platform reports it.
#[derive(Clone, Debug)]
pub struct GuildUpsert {
    /// The platform, `[a-z0-9_-]{1,50}`.
    pub provider: String,
    /// The platform's id of the community, 1–255 characters.
    pub external_id: String,
    /// 1–100 characters.
    pub name: String,
    /// When the companion joined; now when not said and not known.
    pub joined_at: Option<DateTime<Utc>>,
}

/// Adds a community, or updates the one that is there and makes it active. For services and
/// administrators.
pub async fn guild_upsert(cx: &Cx, input: GuildUpsert) -> Result<Guild> {
    cx.viewer.require_service(Access::Write)?;
    let GuildUpsert {
        provider,
        external_id,
        name,
        joined_at,
    } = input;
    let mut check = Check::new();
    let offered = Guild {
        id: cx.id(),
        provider: account::check_provider(&mut check, "provider", &provider),
        external_id: check.text("externalId", &external_id, 1..=255),
        name: check.text("name", &name, 1..=100),
        joined_at: joined_at.unwrap_or(cx.now()),
        is_active: true,
        settings: Json(json!({})),
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    check.done()?;
    let txn = cx.begin().await?;
    let guild = community::upsert_guild(&*txn, offered).await?;
    let object = Some(guild.id.to_string());
    audit::call(cx, &txn, "guildUpsert", object, None).await?;
    txn.commit().await?;
    Ok(guild)
}

/// A change of a community; what is not mentioned stays.
#[derive(Clone, Debug, Default)]
pub struct GuildUpdate {
    /// 1–100 characters.
    pub name: Option<String>,
    /// A JSON object of at most 16 KiB.
    pub settings: Option<Value>,
    /// Whether the companion is active there.
    pub is_active: Option<bool>,
}

/// Changes a community. For services and administrators.
pub async fn guild_update(cx: &Cx, id: GuildId, input: GuildUpdate) -> Result<Guild> {
    cx.viewer.require_service(Access::Write)?;
    let GuildUpdate {
        name,
        settings,
        is_active,
    } = input;
    let mut check = Check::new();
    let name = name.map(|it| check.text("name", &it, 1..=100));
    if let Some(settings) = &settings {
        check.document("settings", settings, 16 * 1024);
        if !settings.is_object() {
            let message = "settings must be a JSON object";
            check.fail(UserErrorCode::Invalid, "settings", message);
        }
    }
    check.done()?;
    let txn = cx.begin().await?;
    let before = guild(&txn, id, "guild").await?;
    let after = Guild {
        name: name.unwrap_or(before.name),
        settings: settings.map_or(before.settings, Json),
        is_active: is_active.unwrap_or(before.is_active),
        updated_at: cx.now(),
        ..before
    };
    guilds::Entity::replace(&*txn, after.clone()).await?;
    audit::call(cx, &txn, "guildUpdate", Some(id.to_string()), None).await?;
    txn.commit().await?;
    Ok(after)
}

async fn guild(txn: &Txn, id: GuildId, field: &str) -> Result<Guild> {
    let guild = community::guild_for_update(&**txn, id).await?;
    guild.ok_or_else(|| Error::not_found(field))
}

/// A membership as a platform reports it: the whole of it.
#[derive(Clone, Debug)]
pub struct MemberUpsert {
    /// In which community.
    pub guild: GuildId,
    /// Who.
    pub user: UserId,
    /// The nickname there, at most 100 characters.
    pub nickname: Option<String>,
    /// The roles there, at most 250 of at most 100 characters.
    pub roles: Vec<String>,
    /// When the person joined.
    pub joined_guild_at: Option<DateTime<Utc>>,
}

/// Adds a member, or replaces what is known of the membership. For services and
/// administrators.
pub async fn guild_member_upsert(cx: &Cx, input: MemberUpsert) -> Result<GuildMember> {
    cx.viewer.require_service(Access::Write)?;
    let MemberUpsert {
        guild: guild_id,
        user: user_id,
        nickname,
        roles,
        joined_guild_at,
    } = input;
    let mut check = Check::new();
    if roles.len() > 250 {
        let message = format!("{} roles: expected at most 250", roles.len());
        check.fail(UserErrorCode::TooLong, "roles", message);
    }
    let roles = roles
        .iter()
        .map(|it| check.text("roles", it, 1..=100))
        .collect();
    let nickname = check.optional_text("nickname", nickname.as_deref(), 1..=100);
    check.done()?;
    let txn = cx.begin().await?;
    guild(&txn, guild_id, "guild").await?;
    exists(&txn, user_id).await?;
    let offered = GuildMember {
        id: cx.id(),
        guild_id,
        user_id,
        nickname,
        roles: Json(roles),
        joined_guild_at,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    let member = community::upsert_member(&*txn, offered).await?;
    let object = Some(member.id.to_string());
    audit::call(cx, &txn, "guildMemberUpsert", object, Some(user_id)).await?;
    txn.commit().await?;
    Ok(member)
}

/// Removes a member. For services and administrators.
pub async fn guild_member_remove(cx: &Cx, guild_id: GuildId, user: UserId) -> Result<GuildMember> {
    cx.viewer.require_service(Access::Write)?;
    let txn = cx.begin().await?;
    let member = community::remove_member(&*txn, guild_id, user)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let object = Some(member.id.to_string());
    audit::call(cx, &txn, "guildMemberRemove", object, Some(user)).await?;
    txn.commit().await?;
    Ok(member)
}
