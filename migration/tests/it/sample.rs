//! Two valid rows of every table, made from the declarations: every column filled in.

use anima_migration::{
    contexts,
    schema::{Check, Column, Kind, Table},
};
use sea_orm_migration::sea_orm::DbBackend;

use crate::database::Database;

/// All tables in the order of their declaration.
pub fn tables() -> Vec<Table> {
    contexts()
        .into_iter()
        .flat_map(|context| context.tables)
        .collect()
}

/// The id of the first or second row of a table, as an SQL literal.
pub fn id(backend: DbBackend, table: &str, row: usize) -> String {
    let position = tables()
        .iter()
        .position(|other| other.name == table)
        .unwrap();
    uuid(backend, position, row)
}

fn uuid(backend: DbBackend, position: usize, row: usize) -> String {
    if backend == DbBackend::Postgres {
        format!("'{position:08x}-0000-7000-8000-{row:012x}'::uuid")
    } else {
        format!("x'{position:08x}000070008000{row:012x}'")
    }
}

/// Fills every table.
pub async fn insert(database: &Database) {
    let tables = tables();
    let mut done: Vec<&str> = Vec::new();
    let mut later = Vec::new();
    while done.len() < tables.len() {
        let next = tables
            .iter()
            .find(|table| !done.contains(&table.name) && is_possible(table, &done))
            .expect("a circle of required references");
        // Its one pair is of the first and the second fact.
        let rows = if next.name == "fact_associations" {
            1
        } else {
            2
        };
        for row in 1..=rows {
            let (mut names, mut values) = (Vec::new(), Vec::new());
            for column in &next.columns {
                let mut value = value(database.backend(), &tables, next, column, row);
                let exists = |name| name == next.name || done.contains(&name);
                if column
                    .reference
                    .is_some_and(|reference| !exists(reference.table))
                {
                    later.push(format!(
                        "UPDATE \"{}\" SET \"{}\" = {value} WHERE id = {}",
                        next.name,
                        column.name,
                        id(database.backend(), next.name, row)
                    ));
                    "NULL".clone_into(&mut value);
                }
                names.push(format!("\"{}\"", column.name));
                values.push(value);
            }
            let sql = format!(
                "INSERT INTO \"{}\" ({}) VALUES ({})",
                next.name,
                names.join(", "),
                values.join(", ")
            );
            database
                .execute(&sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        done.push(next.name);
    }
    for sql in later {
        database
            .execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

fn is_possible(table: &Table, done: &[&str]) -> bool {
    table
        .columns
        .iter()
        .filter(|column| !column.optional)
        .all(|column| {
            column.reference.is_none_or(|reference| {
                reference.table == table.name || done.contains(&reference.table)
            })
        })
}

fn value(
    backend: DbBackend,
    tables: &[Table],
    table: &Table,
    column: &Column,
    row: usize,
) -> String {
    let position = |name| tables.iter().position(|table| table.name == name).unwrap();
    match (column.name, &column.reference) {
        // The sample tokens are of people.
        ("device_id", _) if table.name == "access_tokens" => return "NULL".to_owned(),
        ("id", _) => return uuid(backend, position(table.name), row),
        (_, Some(reference)) if reference.table == table.name => {
            return if row == 1 {
                "NULL".to_owned()
            } else {
                uuid(backend, position(reference.table), 1)
            };
        }
        (name, Some(reference)) => {
            let row = if name.starts_with("from_") || name.ends_with("_1_id") {
                1
            } else if name.starts_with("to_") || name.ends_with("_2_id") {
                2
            } else {
                row
            };
            return uuid(backend, position(reference.table), row);
        }
        _ => {}
    }
    for check in &column.checks {
        match check {
            Check::OneOf(words) => return format!("'{}'", words[row - 1]),
            Check::Between(low, _) | Check::AtLeast(low) => {
                let step = if column.kind == Kind::Double {
                    0.25
                } else {
                    1.0
                };
                #[expect(clippy::cast_precision_loss, reason = "1 or 2")]
                return format!("{}", low.ceil() + step * (row - 1) as f64);
            }
            Check::JsonArray => return "'[]'".to_owned(),
            Check::Length(..) | Check::LowerCase | Check::Characters(..) => {}
        }
    }
    match column.kind {
        Kind::Uuid => uuid(backend, 0xffff, row),
        Kind::Text => format!("'{}'", ["one", "two"][row - 1]),
        Kind::Integer | Kind::BigInteger => row.to_string(),
        Kind::Double => format!("{row}.5"),
        Kind::Boolean => "TRUE".to_owned(),
        Kind::Timestamp => format!("'2026-09-0{row}T12:00:00.000001+00:00'"),
        Kind::Json => "'{\"a\": 1}'".to_owned(),
        Kind::Vector(dimensions) if backend == DbBackend::Postgres => {
            format!("array_fill({row}.5::real, ARRAY[{dimensions}])::vector")
        }
        Kind::Vector(dimensions) => format!("zeroblob({})", 4 * dimensions),
    }
}

/// A copy of the first row under a new id, with some columns replaced.
pub fn copy(backend: DbBackend, table: &str, new: usize, replaced: &[(&str, &str)]) -> String {
    let tables = tables();
    let declared = tables
        .iter()
        .find(|declared| declared.name == table)
        .unwrap();
    let values: Vec<String> = declared
        .columns
        .iter()
        .map(|column| {
            if column.name == "id" {
                return id(backend, table, new);
            }
            let replacement = replaced.iter().find(|(name, _)| *name == column.name);
            replacement.map_or(format!("\"{}\"", column.name), |(_, value)| {
                (*value).to_owned()
            })
        })
        .collect();
    let names: Vec<String> = declared
        .columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    format!(
        "INSERT INTO \"{table}\" ({}) SELECT {} FROM \"{table}\" WHERE id = {}",
        names.join(", "),
        values.join(", "),
        id(backend, table, 1)
    )
}
