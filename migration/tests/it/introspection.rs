//! What the engines themselves say about the migrated database.

use std::collections::{BTreeMap, BTreeSet};

use anima_migration::{
    contexts,
    schema::{Kind, OnDelete},
};

use crate::{
    database::{Database, on_each_engine, on_postgres, on_sqlite},
    sample,
};

/// Our tables in the system catalogue of SQLite.
const OURS: &str = "m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '%\\_search%' ESCAPE '\\' \
                    AND m.name <> 'seaql_migrations'";

/// Columns that only one engine has, for full-text search.
const OF_THE_ENGINE: [&str; 2] = ["search_row", "search_vector"];

/// Table (or view) and column → type as SQLite has it, and whether it may be null.
pub type Columns = BTreeMap<(String, String), (String, bool)>;

pub async fn columns(database: &Database, with_views: bool) -> Columns {
    let sql = if database.is_postgres() {
        let kinds = if with_views {
            "'BASE TABLE', 'VIEW'"
        } else {
            "'BASE TABLE'"
        };
        format!(
            "SELECT c.table_name::text, c.column_name::text, CASE c.udt_name \
             WHEN 'uuid' THEN 'BLOB' WHEN 'vector' THEN 'BLOB' WHEN 'float8' THEN 'REAL' \
             WHEN 'int4' THEN 'INTEGER' WHEN 'int8' THEN 'INTEGER' WHEN 'bool' THEN 'INTEGER' \
             WHEN 'text' THEN 'TEXT' WHEN 'jsonb' THEN 'TEXT' WHEN 'timestamptz' THEN 'TEXT' \
             ELSE c.udt_name::text END, c.is_nullable = 'YES' \
             FROM information_schema.columns c JOIN information_schema.tables t \
             USING (table_schema, table_name) WHERE table_schema = 'public' \
             AND t.table_type IN ({kinds}) AND table_name <> 'seaql_migrations'"
        )
    } else {
        let kinds = if with_views {
            "'table', 'view'"
        } else {
            "'table'"
        };
        format!(
            "SELECT m.name, c.name, c.type, NOT c.\"notnull\" FROM sqlite_schema m, \
             pragma_table_info(m.name) c WHERE m.type IN ({kinds}) AND {OURS}"
        )
    };
    let rows = database.rows(&sql).await;
    rows.iter()
        .map(|row| {
            let get = |at| row.try_get_by_index::<String>(at).unwrap();
            ((get(0), get(1)), (get(2), row.try_get_by_index(3).unwrap()))
        })
        .filter(|((_, column), _)| !OF_THE_ENGINE.contains(&column.as_str()))
        .collect()
}

/// Table and column → the table it refers to, and what happens when that row goes.
async fn foreign_keys(database: &Database) -> BTreeMap<(String, String), (String, String)> {
    let sql = if database.is_postgres() {
        "SELECT k.conrelid::regclass::text, a.attname::text, k.confrelid::regclass::text, \
         CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE '?' END \
         FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid \
         AND a.attnum = k.conkey[1] WHERE k.contype = 'f'"
            .to_owned()
    } else {
        format!(
            "SELECT m.name, k.\"from\", k.\"table\", k.on_delete FROM sqlite_schema m, \
             pragma_foreign_key_list(m.name) k WHERE m.type = 'table' AND {OURS}"
        )
    };
    let rows = database.rows(&sql).await;
    rows.iter()
        .map(|row| {
            let get = |at| row.try_get_by_index::<String>(at).unwrap();
            ((get(0), get(1)), (get(2), get(3)))
        })
        .collect()
}

/// Table and leading column of every index that finds all rows with a given value in it.
async fn leading(database: &Database) -> BTreeSet<(String, String)> {
    let sql = if database.is_postgres() {
        "SELECT i.indrelid::regclass::text, a.attname::text, \
         coalesce(pg_get_expr(i.indpred, i.indrelid), '') FROM pg_index i \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
            .to_owned()
    } else {
        format!(
            "SELECT m.name, c.name, coalesce(substr(d.sql, nullif(instr(d.sql, ' WHERE '), 0) + 7), \
             '') FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) c \
             LEFT JOIN sqlite_schema d ON d.name = i.name \
             WHERE m.type = 'table' AND c.seqno = 0 AND {OURS}"
        )
    };
    let rows = database.rows(&sql).await;
    rows.iter()
        .filter_map(|row| {
            let get = |at| row.try_get_by_index::<String>(at).unwrap();
            let condition = get(2).replace(['(', ')', '"'], "");
            let whole = condition.is_empty() || condition == format!("{} IS NOT NULL", get(1));
            whole.then(|| (get(0), get(1)))
        })
        .collect()
}

/// The rule of a column, as the engine has it.
async fn rule(database: &Database, table: &str, column: &str) -> Option<String> {
    let name = format!("ck_{table}_{column}");
    if database.is_postgres() {
        let found = format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' \
             AND conname = '{name}'"
        );
        return database.column::<String>(&found).await.pop();
    }
    let found = format!("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = '{table}'");
    let sql = database.column::<String>(&found).await.pop()?;
    let (_, rest) = sql.split_once(&format!("\"{name}\" CHECK "))?;
    rest.lines().next().map(str::to_owned)
}

#[tokio::test]
async fn every_foreign_key_is_there_and_has_an_index() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        let found = foreign_keys(&database).await;
        let indexed = leading(&database).await;
        for key in found.keys() {
            assert!(indexed.contains(key), "no index leads with {key:?}");
        }
        let mut declared = BTreeMap::new();
        for table in sample::tables() {
            for column in &table.columns {
                if let Some(reference) = column.reference {
                    let action = match reference.on_delete {
                        OnDelete::Cascade => "CASCADE",
                        OnDelete::SetNull => "SET NULL",
                    };
                    declared.insert(
                        (table.name.to_owned(), column.name.to_owned()),
                        (reference.table.to_owned(), action.to_owned()),
                    );
                }
            }
        }
        assert_eq!(found, declared);
    })
    .await;
}

#[tokio::test]
async fn every_enum_and_every_number_has_its_rule() {
    /// Words at the end of a column's name that speak of a closed list.
    const CLOSED: [&str; 17] = [
        "kind",
        "type",
        "status",
        "state",
        "role",
        "platform",
        "intimacy",
        "level",
        "severity",
        "source",
        "window",
        "resolution",
        "relevance",
        "mode",
        "length",
        "extractor",
        "action",
    ];
    /// Open lists, in spite of their names.
    const OPEN: [(&str, &str); 9] = [
        ("narratives", "source"), // where it came from, in the caller's words
        ("inter_entity_communications", "kind"), // the caller's
        ("fact_associations", "association_type"), // shared_interest, same_location, …: grows
        ("persona_narrative_usage", "usage_type"), // the generator's
        ("session_deviations", "deviation_type"), // one per feature
        ("outbox_tasks", "task_type"), // one per handler
        ("events", "event_type"), // the caller's; its characters are checked
        ("narratives", "curation_action"), // a document
        ("devices", "device_state"),
    ];
    /// Numbers without bounds.
    const BOUNDLESS: [(&str, &str); 1] = [("relationship_events", "delta")];
    on_each_engine(async |database| {
        let database = database.migrated().await;
        let (mut enums, mut numbers) = (0, 0);
        for ((table, column), (kind, _)) in columns(&database, false).await {
            let is = |list: &[(&str, &str)]| list.contains(&(table.as_str(), column.as_str()));
            let last = column.rsplit('_').next().unwrap_or_default();
            if kind == "TEXT" && CLOSED.contains(&last) && !is(&OPEN) {
                // A document may bear such a name too.
                let document = sample::tables().iter().any(|other| {
                    other.name == table
                        && other
                            .columns
                            .iter()
                            .any(|c| c.name == column && c.kind == Kind::Json)
                });
                if !document {
                    let rule = rule(&database, &table, &column).await.unwrap_or_default();
                    let closed = rule.contains(" IN (") || rule.contains("= ANY");
                    assert!(closed, "{table}.{column} takes any word: {rule}");
                    enums += 1;
                }
            }
            if kind == "REAL" && !is(&BOUNDLESS) {
                let rule = rule(&database, &table, &column).await.unwrap_or_default();
                let bounded = rule.contains("BETWEEN") || rule.contains(">=");
                assert!(bounded, "{table}.{column} takes any number: {rule}");
                numbers += 1;
            }
        }
        assert!(enums >= 40, "only {enums} enums");
        assert!(numbers >= 45, "only {numbers} numbers");
    })
    .await;
}

#[tokio::test]
async fn both_engines_have_the_declared_columns() {
    let declared: Columns = sample::tables()
        .iter()
        .flat_map(|table| {
            table.columns.iter().map(|column| {
                let kind = match column.kind {
                    Kind::Uuid | Kind::Vector(_) => "BLOB",
                    Kind::Text | Kind::Timestamp | Kind::Json => "TEXT",
                    Kind::Integer | Kind::BigInteger | Kind::Boolean => "INTEGER",
                    Kind::Double => "REAL",
                };
                (
                    (table.name.to_owned(), column.name.to_owned()),
                    (kind.to_owned(), column.optional),
                )
            })
        })
        .collect();
    assert_eq!(sample::tables().len(), 55);
    on_each_engine(move |database| {
        let declared = declared.clone();
        async move {
            assert_eq!(columns(&database.migrated().await, false).await, declared);
        }
    })
    .await;
}

#[test]
fn names_are_unique_and_not_cut_off_by_postgresql() {
    let mut names = BTreeSet::new();
    for context in contexts() {
        for table in &context.tables {
            for index in table.all_indexes() {
                let columns: Vec<&str> = index
                    .columns
                    .iter()
                    .map(|column| column.trim_end_matches(" desc"))
                    .collect();
                let prefix = if index.unique { "ux" } else { "ix" };
                let name = format!("{prefix}_{}_{}", table.name, columns.join("_"));
                assert!(name.len() <= 63, "{name} is longer than 63 characters");
                assert!(names.insert(name.clone()), "two indexes are called {name}");
            }
            for column in &table.columns {
                assert!(
                    table.name.len() + column.name.len() + 4 <= 63,
                    "{}",
                    column.name
                );
            }
        }
    }
}

#[tokio::test]
async fn postgresql_finds_nearest_vectors_and_members_by_index() {
    on_postgres(async |database| {
        let database = database.migrated().await;
        let found: Vec<String> = database
            .column("SELECT indexdef FROM pg_indexes WHERE tablename = 'narratives' ORDER BY 1")
            .await;
        let has = |parts: &[&str]| {
            found
                .iter()
                .any(|one| parts.iter().all(|part| one.contains(part)))
        };
        assert!(
            has(&[
                "hnsw",
                "vector_cosine_ops",
                "m='16'",
                "ef_construction='64'"
            ]),
            "{found:?}"
        );
        assert!(has(&["gin (tags)"]), "{found:?}");
        assert!(has(&["gin (search_vector)"]), "{found:?}");
        let width: Vec<i32> = database
            .column(
                "SELECT atttypmod FROM pg_attribute \
                 WHERE attrelid = 'narratives'::regclass AND attname = 'embedding'",
            )
            .await;
        assert_eq!(width, [1536]);
    })
    .await;
}

#[tokio::test]
async fn sqlite_tables_are_strict() {
    on_sqlite(async |database| {
        let database = database.migrated().await;
        let lax: Vec<String> = database
            .column(&format!(
                "SELECT m.name FROM pragma_table_list m WHERE m.type = 'table' AND NOT m.strict \
                 AND {OURS}"
            ))
            .await;
        assert_eq!(lax, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn the_profile_shows_an_entity_with_or_without_a_device() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let bot = sample::id(database.backend(), "entities", 2);
        let nowhere = format!("UPDATE entities SET device_id = NULL WHERE id = {bot}");
        database.execute(&nowhere).await.unwrap();
        let rows = database
            .rows(
                "SELECT ai_name, device_name, origin_story, resilience FROM entity_profile \
                 ORDER BY ai_name",
            )
            .await;
        let text = |row: usize, column| rows[row].try_get::<Option<String>>("", column).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(text(0, "device_name").as_deref(), Some("one"));
        assert_eq!(text(1, "ai_name").as_deref(), Some("two"));
        assert_eq!(text(1, "device_name"), None);
        assert_eq!(text(1, "origin_story").as_deref(), Some("two"));
        assert_eq!(
            rows[1].try_get::<Option<f64>>("", "resilience").unwrap(),
            Some(0.25)
        );
    })
    .await;
}
