//! Moving everything of one person to another, and what stands in the way.

use chrono::{DateTime, Utc};
use domain::identity::UserId;
use sea_orm::{ConnectionTrait, DbBackend, entity::prelude::*};

use super::about::TABLES;
use crate::{Result, engine::statement};

/// Rows of which a person can have only one: the newer stays.
struct Single {
    table: &'static str,
    /// What else is in the unique key, compared null to null.
    key: &'static [&'static str],
    /// Which tells the newer.
    newer: &'static str,
}

const SINGLES: &[Single] = &[
    Single {
        table: "user_preferences",
        key: &["key"],
        newer: "updated_at",
    },
    Single {
        table: "guild_members",
        key: &["guild_id"],
        newer: "updated_at",
    },
    Single {
        table: "user_relationships",
        key: &["entity_id", "guild_id"],
        newer: "last_interaction_at",
    },
    Single {
        table: "user_communication_styles",
        key: &[],
        newer: "updated_at",
    },
    Single {
        table: "mindscapes",
        key: &[],
        newer: "updated_at",
    },
    Single {
        table: "user_baselines",
        key: &["baseline_type"],
        newer: "updated_at",
    },
];

/// Makes everything of `from` that of `into`, but for the person's own row. Of two rows of
/// which there can be one the newer stays, with what hangs on it; a consent stays open only
/// if nothing newer withdrew it; versions of interfaces are counted on; a zone of a taken
/// name gets a number.
pub async fn move_everything(
    db: &impl ConnectionTrait,
    from: UserId,
    into: UserId,
    now: DateTime<Utc>,
) -> Result<()> {
    for single in SINGLES {
        keep_newer(db, single, from, into).await?;
    }
    close_consents(db, from, into, now).await?;
    renumber_interfaces(db, from, into).await?;
    rename_zones(db, from, into).await?;
    for table in TABLES.iter().filter(|it| it.name != "users") {
        for column in table.about.iter().chain(table.traces) {
            let name = table.name;
            let sql = format!("UPDATE \"{name}\" SET \"{column}\" = $2 WHERE \"{column}\" = $1");
            execute(db, &sql, from, into).await?;
        }
    }
    Ok(())
}

async fn execute(db: &impl ConnectionTrait, sql: &str, from: UserId, into: UserId) -> Result<()> {
    let values = [from.into(), into.into()];
    db.execute_raw(statement(db.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

async fn keep_newer(
    db: &impl ConnectionTrait,
    single: &Single,
    from: UserId,
    into: UserId,
) -> Result<()> {
    let Single { table, key, newer } = single;
    let same = key
        .iter()
        .map(|it| format!(" AND older.\"{it}\" IS NOT DISTINCT FROM newer.\"{it}\""));
    let same: String = same.collect();
    let sql = format!(
        "DELETE FROM \"{table}\" WHERE id IN (\
         SELECT older.id FROM \"{table}\" AS older JOIN \"{table}\" AS newer \
         ON ((older.user_id = $1 AND newer.user_id = $2) \
         OR (older.user_id = $2 AND newer.user_id = $1)){same} \
         WHERE (older.{newer}, older.id) < (newer.{newer}, newer.id))"
    );
    execute(db, &sql, from, into).await
}

async fn close_consents(
    db: &impl ConnectionTrait,
    from: UserId,
    into: UserId,
    now: DateTime<Utc>,
) -> Result<()> {
    let sql = "UPDATE consents SET revoked_at = $3, updated_at = $3 \
         WHERE user_id IN ($1, $2) AND revoked_at IS NULL AND EXISTS (\
         SELECT 1 FROM consents AS other WHERE other.user_id IN ($1, $2) \
         AND other.kind = consents.kind AND other.id <> consents.id \
         AND (other.revoked_at > consents.granted_at OR (other.revoked_at IS NULL \
         AND (other.granted_at, other.id) > (consents.granted_at, consents.id))))";
    let values = [from.into(), into.into(), now.into()];
    db.execute_raw(statement(db.get_database_backend(), sql, values))
        .await?;
    Ok(())
}

/// Versions count up for each person: those of the one with the newer interface go on where
/// the other's end, so that the newest is the last, and the only active one.
async fn renumber_interfaces(db: &impl ConnectionTrait, from: UserId, into: UserId) -> Result<()> {
    let backend = db.get_database_backend();
    let sql = "SELECT user_id, MAX(version) AS version, MAX(generated_at) AS newest \
         FROM (SELECT user_id, version, generated_at FROM user_interfaces UNION ALL \
         SELECT user_id, version, generated_at FROM interface_evolution_log) AS every \
         WHERE user_id IN ($1, $2) GROUP BY user_id";
    let values = [from.into(), into.into()];
    let found = db.query_all_raw(statement(backend, sql, values)).await?;
    let [a, b] = found.as_slice() else {
        return Ok(());
    };
    let (user_a, user_b): (Uuid, Uuid) = (a.try_get("", "user_id")?, b.try_get("", "user_id")?);
    let (last_a, last_b): (i32, i32) = (a.try_get("", "version")?, b.try_get("", "version")?);
    let (newest_a, newest_b): (DateTime<Utc>, DateTime<Utc>) =
        (a.try_get("", "newest")?, b.try_get("", "newest")?);
    let (older, newer) = if newest_a <= newest_b {
        (user_a, user_b)
    } else {
        (user_b, user_a)
    };
    // Past its own versions too, so that no row meets another on the way.
    let shift = last_a.max(last_b);
    for table in ["user_interfaces", "interface_evolution_log"] {
        let sql = format!("UPDATE {table} SET version = version + $2 WHERE user_id = $1");
        let values = [newer.into(), shift.into()];
        db.execute_raw(statement(backend, &sql, values)).await?;
    }
    let sql = "UPDATE user_interfaces SET active = FALSE WHERE user_id = $1 AND EXISTS \
         (SELECT 1 FROM user_interfaces AS other WHERE other.user_id = $2 AND other.active)";
    let values = [older.into(), newer.into()];
    db.execute_raw(statement(backend, sql, values)).await?;
    Ok(())
}

async fn rename_zones(db: &impl ConnectionTrait, from: UserId, into: UserId) -> Result<()> {
    let backend = db.get_database_backend();
    let sql = "SELECT id, owner_id, name FROM zones WHERE owner_id IN ($1, $2) ORDER BY id";
    let values = [from.into(), into.into()];
    let mut names: Vec<String> = Vec::new();
    let mut clashing: Vec<(Uuid, String)> = Vec::new();
    let found = db.query_all_raw(statement(backend, sql, values)).await?;
    for row in &found {
        names.push(row.try_get("", "name")?);
    }
    for row in &found {
        let (id, owner, name): (Uuid, Uuid, String) = (
            row.try_get("", "id")?,
            row.try_get("", "owner_id")?,
            row.try_get("", "name")?,
        );
        if owner == from.0 && names.iter().filter(|it| **it == name).count() > 1 {
            clashing.push((id, name));
        }
    }
    for (id, name) in clashing {
        let short: String = name.chars().take(90).collect();
        let mut free = String::new();
        for n in 2.. {
            free = format!("{short} ({n})");
            if !names.contains(&free) {
                break;
            }
        }
        rename(db, backend, id, &free).await?;
        names.push(free);
    }
    Ok(())
}

async fn rename(db: &impl ConnectionTrait, backend: DbBackend, id: Uuid, name: &str) -> Result<()> {
    let sql = "UPDATE zones SET name = $2 WHERE id = $1";
    db.execute_raw(statement(backend, sql, [id.into(), name.into()]))
        .await?;
    Ok(())
}
