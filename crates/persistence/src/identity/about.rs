//! What the database holds about a person: the one list that merging, exporting and erasing
//! go by. A test compares it with the migrated database, so that a new table with a reference
//! to a person, or to anything of a person's, cannot be forgotten.

use domain::identity::UserId;
use sea_orm::{ConnectionTrait, entity::prelude::*};

use crate::{
    Result,
    engine::{self, statement},
};

/// A table with rows about persons, or rows that go with something of theirs.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Columns that name the person a row is about or belongs to: the row goes with them.
    pub about: &'static [&'static str],
    /// Columns that name whoever made or caused a row about something else: it outlives them.
    pub traces: &'static [&'static str],
    /// Columns that name something of another table of this list, with which the row goes.
    pub through: &'static [(&'static str, &'static str)],
    /// Columns that are never exported: secrets, and numbers that mean nothing to a person.
    pub private: &'static [&'static str],
}

const fn table(name: &'static str) -> Table {
    Table {
        name,
        about: &[],
        traces: &[],
        through: &[],
        private: &[],
    }
}

impl Table {
    const fn about(self, about: &'static [&'static str]) -> Self {
        Self { about, ..self }
    }

    const fn traces(self, traces: &'static [&'static str]) -> Self {
        Self { traces, ..self }
    }

    const fn through(self, through: &'static [(&'static str, &'static str)]) -> Self {
        Self { through, ..self }
    }

    const fn private(self, private: &'static [&'static str]) -> Self {
        Self { private, ..self }
    }
}

const USER: &[&str] = &["user_id"];
const OWNER: &[&str] = &["owner_id"];
const MADE: &[&str] = &["created_by"];
const ENTITY: (&str, &str) = ("entity_id", "entities");
const DEVICE: (&str, &str) = ("device_id", "devices");
const CONVERSATION: (&str, &str) = ("conversation_id", "conversations");
const BETWEEN: &[(&str, &str)] = &[("from_entity_id", "entities"), ("to_entity_id", "entities")];

/// Every such table, those it goes through before it.
pub const TABLES: &[Table] = &[
    table("users").about(&["id"]).private(&["password_hash"]),
    table("user_identities").about(USER),
    table("user_preferences").about(USER),
    table("consents").about(USER),
    table("guild_members").about(USER),
    table("zones").about(OWNER),
    table("device_groups").about(OWNER),
    table("devices").about(OWNER),
    table("access_tokens")
        .about(USER)
        .through(&[DEVICE])
        .private(&["secret_hash"]),
    table("entities").about(OWNER),
    table("learned_patterns")
        .about(USER)
        .through(&[ENTITY, DEVICE]),
    table("entity_origins").through(&[ENTITY]),
    table("entity_dna").through(&[ENTITY]),
    table("entity_dna_revisions").through(&[ENTITY]),
    table("entity_relationships").through(BETWEEN),
    table("inter_entity_communications").through(BETWEEN),
    table("conversations").about(USER).through(&[ENTITY]),
    table("conversation_handoffs")
        .about(USER)
        .through(&[CONVERSATION]),
    table("messages")
        .about(USER)
        .through(&[CONVERSATION, ENTITY]),
    table("entity_states").through(&[ENTITY]),
    table("mood_history")
        .traces(&["trigger_user_id"])
        .through(&[ENTITY])
        // May speak of somebody else.
        .private(&["trigger_user_id", "trigger_description"]),
    table("entity_opinions").through(&[ENTITY]),
    table("user_relationships").about(USER).through(&[ENTITY]),
    table("relationship_events")
        .about(USER)
        .through(&[("relationship_id", "user_relationships")]),
    table("user_communication_styles").about(USER),
    table("user_facts").about(USER).through(&[ENTITY]),
    table("fact_associations")
        .about(&["user_1_id", "user_2_id"])
        .through(&[("fact_1_id", "user_facts"), ("fact_2_id", "user_facts")])
        // Name the other person and what is known of them.
        .private(&["user_1_id", "user_2_id", "fact_1_id", "fact_2_id"]),
    table("narratives")
        .about(USER)
        .traces(MADE)
        .private(&["embedding"]),
    table("trait_narrative_links")
        .about(USER)
        .through(&[("narrative_id", "narratives")]),
    table("observations").about(USER).traces(MADE),
    table("mindscapes").about(USER),
    table("mindscape_revisions")
        .about(USER)
        .through(&[("mindscape_id", "mindscapes")]),
    table("persona_versions").traces(MADE),
    table("persona_emergencies").about(USER),
    table("knowledge_documents").traces(MADE),
    table("mapper_configs").traces(MADE),
    table("personas").about(USER).traces(MADE),
    table("persona_narrative_usage")
        .about(USER)
        .through(&[("persona_id", "personas"), ("narrative_id", "narratives")]),
    table("feedback").about(USER).traces(MADE),
    table("user_baselines").about(USER),
    table("session_deviations")
        .about(USER)
        .through(&[CONVERSATION]),
    table("dissonance_records")
        .about(USER)
        .through(&[CONVERSATION])
        // Encrypted.
        .private(&["transcript"]),
    table("risk_assessments")
        .about(USER)
        .traces(&["reviewed_by"])
        .through(&[CONVERSATION]),
    table("risk_escalations")
        .about(USER)
        .traces(&["acknowledged_by"])
        .through(&[("assessment_id", "risk_assessments")]),
    table("user_interfaces").about(USER),
    table("interface_evolution_log").about(USER),
    table("scheduled_events").about(USER).through(&[ENTITY]),
    EVENTS,
];

/// The log has no foreign keys and outlives what it speaks of: erasing empties its rows.
const EVENTS: Table = table("events")
    .about(USER)
    .through(&[ENTITY, DEVICE, CONVERSATION]);

/// The condition, with the person as `$1`, for the rows that go when the person goes.
fn going(table: &Table) -> String {
    let mut any: Vec<String> = table
        .about
        .iter()
        .map(|it| format!("\"{it}\" = $1"))
        .collect();
    for (column, parent) in table.through {
        if let Some(parent) = TABLES.iter().find(|it| it.name == *parent) {
            let (name, parent) = (parent.name, going(parent));
            any.push(format!(
                "\"{column}\" IN (SELECT id FROM \"{name}\" WHERE {parent})"
            ));
        }
    }
    if any.is_empty() {
        // Nothing of it goes: it only keeps traces.
        any.push("1 = 0".to_owned());
    }
    format!("({})", any.join(" OR "))
}

/// The condition for the rows that are the person's to have: those about them, and those that
/// belong to something of theirs and are about nobody.
fn own(table: &Table) -> String {
    if table.about.is_empty() || table.name == "access_tokens" {
        return going(table);
    }
    let about = table.about.iter().map(|it| format!("\"{it}\" = $1"));
    format!("({})", about.collect::<Vec<_>>().join(" OR "))
}

/// How many rows of each table go, or are emptied, when the person goes; those with none are
/// left out.
pub async fn count(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<(&'static str, i64)>> {
    let mut counts = Vec::new();
    for table in TABLES {
        let sql = format!(
            "SELECT COUNT(*) AS n FROM \"{}\" WHERE {}",
            table.name,
            going(table)
        );
        let query = statement(db.get_database_backend(), &sql, [user.into()]);
        let row = db.query_one_raw(query).await?;
        let n: i64 = row.map_or(Ok(0), |it| it.try_get("", "n"))?;
        if n > 0 {
            counts.push((table.name, n));
        }
    }
    Ok(counts)
}

/// Empties what the log and other people's rows tell of a person, before the person goes.
pub async fn scrub(db: &impl ConnectionTrait, user: UserId) -> Result<()> {
    let backend = db.get_database_backend();
    let log = format!(
        "UPDATE events SET payload = '{{}}', user_id = NULL WHERE {}",
        going(&EVENTS)
    );
    let moods = "UPDATE mood_history SET trigger_description = NULL WHERE trigger_user_id = $1";
    for sql in [log.as_str(), moods] {
        db.execute_raw(statement(backend, sql, [user.into()]))
            .await?;
    }
    Ok(())
}

/// Some rows of a table as JSON texts.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Each row.
    pub rows: Vec<String>,
    /// The id of the last, if there may be more.
    pub next: Option<Uuid>,
}

/// Rows that are the person's to have, in the order of their ids, after the row `after`.
pub async fn rows(
    db: &impl ConnectionTrait,
    table: &Table,
    user: UserId,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Rows> {
    let json = engine::row_as_json(db, table.name, table.private).await?;
    select(db, table.name, &json, &own(table), user, after, limit).await
}

/// Rows about something else that the person made or caused: their ids and times only.
pub async fn traces(
    db: &impl ConnectionTrait,
    table: &Table,
    user: UserId,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Rows> {
    let json = engine::columns_as_json(db, table.name, &["id", "created_at"]).await?;
    let mine = table.traces.iter().map(|it| format!("\"{it}\" = $1"));
    let mine = mine.collect::<Vec<_>>().join(" OR ");
    let condition = format!("({mine}) AND NOT coalesce({}, FALSE)", own(table));
    select(db, table.name, &json, &condition, user, after, limit).await
}

async fn select(
    db: &impl ConnectionTrait,
    table: &str,
    json: &str,
    condition: &str,
    user: UserId,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Rows> {
    let sql = format!(
        "SELECT id, {json} AS json FROM \"{table}\" AS it WHERE {condition} AND id > $2 \
         ORDER BY id LIMIT {limit}"
    );
    let values = [user.into(), after.unwrap_or(Uuid::nil()).into()];
    let found = db
        .query_all_raw(statement(db.get_database_backend(), &sql, values))
        .await?;
    let mut rows = Vec::with_capacity(found.len());
    let mut last = None;
    for row in &found {
        rows.push(row.try_get("", "json")?);
        last = Some(row.try_get("", "id")?);
    }
    let next = last.filter(|_| found.len() == limit);
    Ok(Rows { rows, next })
}
