//! Every table and column of the five seed schemas has its place here, or a reason why not; and
//! `docs/data-model.md` says so.
//!
//! `UPDATE_DOCS=1` writes the document anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anima_migration::{
    contexts,
    schema::{self, Check, Column, Kind, OnDelete},
};
use serde::Deserialize;
use toml::{Table, Value};

use crate::{database::on_each_engine, introspection::columns};

/// Key, name, number of tables (views, and planned ones, included), number of columns.
const SEEDS: [(&str, &str, usize, usize); 5] = [
    ("soven", "Soven", 12, 93),
    ("loyal_companion", "Loyal Companion", 14, 150),
    ("orchestration", "Orchestration", 8, 79),
    ("wellbeing", "Wellbeing", 6, 47),
    ("personakit", "PersonaKit", 10, 84),
];

/// Where a seed's column went.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Place {
    One(String),
    Several(Vec<String>),
    Explained { to: OneOrSeveral, how: String },
    None { none: String },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

struct SeedColumn {
    seed: &'static str,
    table: String,
    column: String,
    to: Vec<String>,
    /// How, or why not.
    remark: Option<String>,
}

fn data() -> Table {
    include_str!("../seeds.toml").parse().unwrap()
}

fn seed_columns() -> Vec<SeedColumn> {
    let data = data();
    let mut all = Vec::new();
    for (key, seed, ..) in SEEDS {
        for (table, columns) in data[key].as_table().unwrap() {
            for (column, place) in columns.as_table().unwrap() {
                let place: Place = Value::clone(place).try_into().unwrap();
                let (to, remark) = match place {
                    Place::One(one) => (vec![one], None),
                    Place::Several(several) => (several, None),
                    Place::Explained {
                        to: OneOrSeveral::One(one),
                        how,
                    } => (vec![one], Some(how)),
                    Place::Explained {
                        to: OneOrSeveral::Several(several),
                        how,
                    } => (several, Some(how)),
                    Place::None { none } => (Vec::new(), Some(none)),
                };
                all.push(SeedColumn {
                    seed,
                    table: table.clone(),
                    column: column.clone(),
                    to,
                    remark,
                });
            }
        }
    }
    all
}

#[test]
fn the_list_is_complete() {
    let columns = seed_columns();
    for (_, seed, tables, count) in SEEDS {
        let of_seed: Vec<_> = columns
            .iter()
            .filter(|column| column.seed == seed)
            .collect();
        let names: BTreeSet<_> = of_seed.iter().map(|column| &column.table).collect();
        assert_eq!((names.len(), of_seed.len()), (tables, count), "{seed}");
    }
    for column in &columns {
        assert!(
            !column.to.is_empty() || column.remark.as_ref().is_some_and(|why| why.len() > 10),
            "{}.{} of {} has neither place nor reason",
            column.table,
            column.column,
            column.seed
        );
    }
}

#[tokio::test]
async fn every_place_exists() {
    on_each_engine(async |database| {
        let columns = columns(&database.migrated().await, true).await;
        for seed in seed_columns() {
            for place in &seed.to {
                let exists = match place.split_once('.') {
                    Some((table, column)) => {
                        columns.contains_key(&(table.to_owned(), column.to_owned()))
                    }
                    None => columns.keys().any(|(table, _)| table == place),
                };
                assert!(
                    exists,
                    "{}.{} → {place}, which is not",
                    seed.table, seed.column
                );
            }
        }
    })
    .await;
}

#[test]
fn every_table_is_described() {
    let described: BTreeSet<String> = data()["tables"]
        .as_table()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let declared: BTreeSet<String> = contexts()
        .iter()
        .flat_map(|context| {
            let tables = context.tables.iter().map(|table| table.name);
            tables
                .chain(context.views.iter().map(|view| view.name))
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(described, declared);
}

#[test]
fn the_document_is_in_step() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data-model.md");
    let document = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == document,
        "docs/data-model.md is out of step; write it anew with \
         UPDATE_DOCS=1 cargo test -p anima-migration the_document_is_in_step"
    );
}

const PREAMBLE: &str = "\
# Data model

Generated from the declarations in `migration/src` and from `migration/tests/seeds.toml`; a test
keeps it in step.

Every table has `id`, a `UUIDv7` made by the application, and `created_at`; those whose rows change
have `updated_at`. They are left out below, as is the index of each foreign key. A column with `?`
may be null. `→ table` is a foreign key: the row goes with the one it refers to, unless it says
\"kept\", which leaves the row and drops the reference. Every row about a person has `user_id`, so
that scope, erasure and distribution by person are one predicate.

| type | PostgreSQL | SQLite (`STRICT`) |
|---|---|---|
| uuid | `uuid` | 16 bytes, `BLOB` |
| text | `text` | `TEXT` |
| integer, big integer | `integer`, `bigint` | `INTEGER` |
| number | `double precision` | `REAL` |
| boolean | `boolean` | `INTEGER`, 0 or 1 |
| time | `timestamp with time zone` | `TEXT`, RFC 3339 in UTC (`…+00:00`), which sorts |
| json | `jsonb` | `TEXT`, checked |
| vector | `vector(1536)`, shorter ones padded with zeros | `BLOB` of little-endian 32-bit floats |

\"Full text\" is, on PostgreSQL, a generated column `search_vector` (English) with a GIN index; on
SQLite, an FTS5 table `<table>_search` (Porter) whose `rowid` is the row's `search_row`, kept in step
by triggers. Its column `user_key` is the person's id in lower-case hexadecimal, so that a search
in one person's rows stays inside the index: `user_key : \"…\" AND content : …`.

The last column names where a column comes from in the five seed schemas: *S*oven, *L*oyal
Companion, *O*rchestration, *W*ellbeing, *P*ersonaKit.
";

fn document() -> String {
    let data = data();
    let described = |name: &str| data["tables"][name].as_str().unwrap().to_owned();
    let mut text = PREAMBLE.to_owned();
    let mut origins: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seed in seed_columns() {
        let remark = seed
            .remark
            .map(|how| format!(" ({how})"))
            .unwrap_or_default();
        for place in seed.to {
            let letter = &seed.seed[..1];
            let origin = format!("{letter} `{}.{}`{remark}", seed.table, seed.column);
            origins.entry(place).or_default().push(origin);
        }
    }
    for context in contexts() {
        let _ = write!(text, "\n## {}\n", context.name);
        for table in &context.tables {
            let _ = writeln!(
                text,
                "\n### {}\n\n{}{}\n",
                table.name,
                described(table.name),
                planned(&origins, table.name)
            );
            text.push_str(&columns_of(table, &origins));
            let notes = notes(table);
            if !notes.is_empty() {
                let _ = write!(text, "\n{}.\n", notes.join("; "));
            }
        }
        for view in &context.views {
            let _ = write!(text, "\n### {}\n\n{}\n", view.name, described(view.name));
        }
    }
    text + &summary()
}

fn columns_of(table: &schema::Table, origins: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = "| column | type | | from |\n|---|---|---|---|\n".to_owned();
    for column in &table.columns {
        if ["id", "created_at", "updated_at"].contains(&column.name) {
            continue;
        }
        let from = origins.get(&format!("{}.{}", table.name, column.name));
        let _ = writeln!(
            text,
            "| {}{} | {} | {} | {} |",
            column.name,
            if column.optional { "?" } else { "" },
            kind(column),
            rules(column),
            from.map(|from| from.join("; ")).unwrap_or_default()
        );
    }
    text
}

/// What is said of a table as a whole: its indexes, and rules over several columns.
fn notes(table: &schema::Table) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for index in &table.indexes {
        let columns = index.columns.join(", ");
        let unique = if index.unique { "unique" } else { "index" };
        let condition = index.condition.as_ref().map_or(String::new(), |condition| {
            format!(" where `{}`", condition.replace('"', ""))
        });
        notes.push(format!("{unique} ({columns}){condition}"));
    }
    notes.extend(
        table
            .checks
            .iter()
            .map(|check| format!("`{}`", check.expression)),
    );
    notes.extend(
        table
            .inverted
            .iter()
            .map(|column| format!("GIN ({column})")),
    );
    notes.extend(
        table
            .nearest
            .iter()
            .map(|column| format!("HNSW ({column}), cosine")),
    );
    if !table.full_text.is_empty() {
        notes.push(format!("full text ({})", table.full_text.join(", ")));
    }
    notes
}

/// Which tables each seed's tables became, and what has no place.
fn summary() -> String {
    let mut text = "\n## Where the seeds' tables went\n\n".to_owned();
    text.push_str("| seed | table | here |\n|---|---|---|\n");
    let mut places: Vec<((&str, String), BTreeSet<String>)> = Vec::new();
    let mut without = Vec::new();
    for seed in seed_columns() {
        let key = (seed.seed, seed.table.clone());
        if places.last().is_none_or(|(last, _)| *last != key) {
            places.push((key, BTreeSet::new()));
        }
        let tables = seed
            .to
            .iter()
            .map(|place| place.split('.').next().unwrap().to_owned());
        places.last_mut().unwrap().1.extend(tables);
        if seed.to.is_empty() {
            let why = seed.remark.unwrap_or_default();
            without.push(format!(
                "- {} `{}.{}`: {why}",
                seed.seed, seed.table, seed.column
            ));
        }
    }
    for ((seed, table), here) in places {
        let here: Vec<String> = here.into_iter().collect();
        let _ = writeln!(text, "| {seed} | {table} | {} |", here.join(", "));
    }
    let _ = write!(
        text,
        "\nColumns without a place:\n\n{}\n",
        without.join("\n")
    );
    text
}

/// The seeds that plan such a table without saying which columns.
fn planned(origins: &BTreeMap<String, Vec<String>>, table: &str) -> String {
    origins.get(table).map_or(String::new(), |from| {
        format!(" Planned by {}.", from.join(" and ").replace(".*", ""))
    })
}

fn kind(column: &Column) -> String {
    match column.kind {
        Kind::Uuid => "uuid".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::BigInteger => "big integer".to_owned(),
        Kind::Double => "number".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Timestamp => "time".to_owned(),
        Kind::Json => "json".to_owned(),
        Kind::Vector(dimensions) => format!("vector({dimensions})"),
    }
}

fn rules(column: &Column) -> String {
    let mut rules = Vec::new();
    if let Some(reference) = column.reference {
        let kept = if reference.on_delete == OnDelete::SetNull {
            ", kept"
        } else {
            ""
        };
        rules.push(format!("→ {}{kept}", reference.table));
    }
    for check in &column.checks {
        rules.push(match check {
            Check::OneOf(words) => words.join(", "),
            Check::Between(low, high) => format!("{low} to {high}"),
            Check::AtLeast(low) => format!("≥ {low}"),
            Check::Length(0, most) => format!("at most {most} characters"),
            Check::Length(least, most) => format!("{least} to {most} characters"),
            Check::LowerCase => "lower case".to_owned(),
            Check::Characters(set, most) => format!("`[{set}]{{1,{most}}}`"),
            Check::JsonArray => "array".to_owned(),
        });
    }
    if column.unique {
        rules.push("unique".to_owned());
    }
    if let Some(default) = &column.default {
        rules.push(format!("default `{}`", default.trim_matches('\'')));
    }
    rules.join("; ")
}
