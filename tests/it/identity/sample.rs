//! A row in every table that refers to a person, for several persons at once, made from the
//! declarations of the migration: a new table is in it by itself.

use domain::identity::UserId;
use migration::{
    contexts,
    schema::{Check, Column, Kind, Table},
};
use persistence::engine::statement;
use sea_orm::{ConnectionTrait, DbBackend, Value};
use testkit::World;
use uuid::Uuid;

/// Every table, in the order of declaration.
pub fn tables() -> Vec<Table> {
    contexts().into_iter().flat_map(|it| it.tables).collect()
}

/// The id of the row of a table that belongs to the person of this number, from 1.
pub fn id(table: &str, person: u64) -> Uuid {
    let position = tables().iter().position(|it| it.name == table).unwrap() as u64;
    Uuid::from_u64_pair((position << 32) | 0x7000, 0x8000_0000_0000_0000 | person)
}

/// The person of this number.
pub fn person(n: u64) -> UserId {
    UserId(id("users", n))
}

fn literal(backend: DbBackend, id: Uuid) -> String {
    match backend {
        DbBackend::Postgres => format!("'{id}'::uuid"),
        _ => format!("x'{}'", id.simple()),
    }
}

/// Fills every table for persons 1 to 3. Rows of 2 are a day newer than those of 1, those of 3
/// another. What is unique for each person is the same for all.
pub async fn fill(world: &World) {
    let db = world.services.db.writer();
    let backend = db.get_database_backend();
    let tables = tables();
    let mut done: Vec<&str> = Vec::new();
    let mut later = Vec::new();
    while done.len() < tables.len() {
        let next = tables
            .iter()
            .find(|it| !done.contains(&it.name) && is_possible(it, &done))
            .expect("a circle of required references");
        for person in 1..=3 {
            // Its pairs are of the first and the third, and of the second and the third fact.
            if next.name == "fact_associations" && person == 3 {
                continue;
            }
            let (mut names, mut values) = (Vec::new(), Vec::new());
            for column in &next.columns {
                let value = value(backend, next, column, person);
                let there = |name| name == next.name || done.contains(&name);
                names.push(format!("\"{}\"", column.name));
                if column.reference.is_some_and(|it| !there(it.table)) {
                    values.push("NULL".to_owned());
                    later.push(format!(
                        "UPDATE \"{}\" SET \"{}\" = {value} WHERE id = {}",
                        next.name,
                        column.name,
                        literal(backend, id(next.name, person))
                    ));
                } else {
                    values.push(value);
                }
            }
            let (names, values) = (names.join(", "), values.join(", "));
            execute(
                world,
                &format!("INSERT INTO \"{}\" ({names}) VALUES ({values})", next.name),
            )
            .await;
        }
        done.push(next.name);
    }
    for sql in later {
        execute(world, &sql).await;
    }
}

/// Runs a statement of the test's own.
pub async fn execute(world: &World, sql: &str) {
    let db = world.services.db.writer();
    db.execute_unprepared(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn is_possible(table: &Table, done: &[&str]) -> bool {
    table
        .columns
        .iter()
        .filter(|it| !it.optional || table.name == "access_tokens")
        .filter(|it| it.name != "device_id")
        .filter_map(|it| it.reference)
        .all(|it| it.table == table.name || done.contains(&it.table))
}

/// Whether a value of the column must be another in every row of the table.
fn is_unique(table: &Table, column: &Column) -> bool {
    table.all_indexes().iter().any(|index| {
        let of_somebody = |name: &str| {
            let column = table.columns.iter().find(|it| it.name == name);
            column.is_some_and(|it| it.reference.is_some())
        };
        index.unique
            && index.columns.contains(&column.name)
            && !index.columns.iter().any(|it| of_somebody(it))
    })
}

fn value(backend: DbBackend, table: &Table, column: &Column, person: u64) -> String {
    let row = |table: &str, person| literal(backend, id(table, person));
    match (table.name, column.name) {
        (name, "id") => return row(name, person),
        ("users", "role") => return "'user'".to_owned(),
        ("access_tokens", "scopes") => return "'[\"read\"]'".to_owned(),
        ("access_tokens", "device_id") => return "NULL".to_owned(),
        // They meet in one community and know one entity.
        ("guild_members" | "user_relationships", "guild_id") => return row("guilds", 3),
        ("user_relationships", "entity_id") => return row("entities", 3),
        ("fact_associations", "fact_2_id") => return row("user_facts", 3),
        ("fact_associations", "user_2_id") => return row("users", 3),
        (_, "to_entity_id") => return row("entities", if person == 3 { 1 } else { 3 }),
        ("events", "user_id") => return row("users", person),
        ("events", "entity_id") => return row("entities", person),
        ("events", "device_id") => return row("devices", person),
        ("events", "conversation_id") => return row("conversations", person),
        _ => {}
    }
    if let Some(reference) = column.reference {
        return if reference.table == table.name {
            "NULL".to_owned()
        } else {
            row(reference.table, person)
        };
    }
    for check in &column.checks {
        match check {
            Check::OneOf(words) => return format!("'{}'", words[0]),
            Check::Between(low, _) | Check::AtLeast(low) => return format!("{}", low.ceil()),
            Check::JsonArray => return "'[\"a\"]'".to_owned(),
            _ => {}
        }
    }
    match column.kind {
        Kind::Uuid => literal(backend, Uuid::from_u128(u128::from(person))),
        Kind::Text if is_unique(table, column) => {
            format!(
                "'{}'",
                ["one", "two", "three"][usize::try_from(person - 1).unwrap()]
            )
        }
        Kind::Text => "'same'".to_owned(),
        Kind::Integer | Kind::BigInteger => "1".to_owned(),
        Kind::Double => "0.5".to_owned(),
        Kind::Boolean => "TRUE".to_owned(),
        // Optional ends are open: a consent given, a token live.
        Kind::Timestamp if column.optional => "NULL".to_owned(),
        Kind::Timestamp => format!("'2026-08-0{person}T12:00:00.000001+00:00'"),
        Kind::Json => "'{\"a\": 1}'".to_owned(),
        Kind::Vector(_) => "NULL".to_owned(),
    }
}

/// How many rows of a table meet a condition, with `$1` a person.
pub async fn count(world: &World, table: &str, condition: &str, person: UserId) -> i64 {
    let db = world.services.db.reader();
    let sql = format!("SELECT COUNT(*) AS n FROM \"{table}\" WHERE ({condition})");
    let values: Vec<Value> = if condition.contains("$1") {
        vec![person.into()]
    } else {
        Vec::new()
    };
    let query = statement(db.get_database_backend(), &sql, values);
    let row = db.query_one_raw(query).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

/// How many rows every table has.
pub async fn counts(world: &World) -> Vec<(&'static str, i64)> {
    let mut all = Vec::new();
    for table in tables() {
        all.push((
            table.name,
            count(world, table.name, "1 = 1", person(1)).await,
        ));
    }
    all
}

/// Every foreign key of the migrated database: table, column, table it refers to, and whether
/// the row goes with what it refers to.
pub async fn foreign_keys(world: &World) -> Vec<(String, String, String, bool)> {
    let db = world.services.db.reader();
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT c.conrelid::regclass::text AS \"table\", a.attname::text AS \"column\", \
             c.confrelid::regclass::text AS refers, c.confdeltype::text AS on_delete \
             FROM pg_constraint c JOIN pg_attribute a \
             ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'"
        }
        _ => {
            "SELECT m.name AS \"table\", f.\"from\" AS \"column\", f.\"table\" AS refers, \
             f.on_delete AS on_delete FROM sqlite_schema m, pragma_foreign_key_list(m.name) f \
             WHERE m.type = 'table'"
        }
    };
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), sql, []))
        .await
        .unwrap();
    rows.iter()
        .map(|row| {
            let text = |name| row.try_get::<String>("", name).unwrap();
            let on_delete = text("on_delete");
            (
                text("table"),
                text("column"),
                text("refers"),
                on_delete == "CASCADE" || on_delete == "c",
            )
        })
        .collect()
}
