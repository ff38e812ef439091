//! Where SQLite and PostgreSQL differ: types, checks, full-text search, the order of foreign keys.
//!
//! SQLite tables are `STRICT`, so that a value of the wrong type is refused as PostgreSQL does.
//! What that leaves open is checked: a `boolean` is 0 or 1, `json` is valid, a timestamp is
//! RFC 3339 in UTC (`…+00:00`, which is what makes its text sort), a UUID has 16 bytes.

use std::fmt::Write as _;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::schema::{Check, Column, Context, Index, Kind, OnDelete, Table};

/// The statements that create the context at `position` of `contexts`, for one engine.
///
/// SQLite takes a reference to a table that does not exist yet. PostgreSQL does not: there a
/// foreign key is added by whichever of its two tables comes last.
pub fn create(backend: DbBackend, contexts: &[Context], position: usize) -> String {
    let context = &contexts[position];
    let mut sql = String::new();
    if backend == DbBackend::Postgres && context.tables.iter().any(has_vector) {
        sql.push_str("CREATE EXTENSION IF NOT EXISTS vector;\n");
    }
    for table in &context.tables {
        sql.push_str(&create_table(backend, table));
        for index in table.all_indexes() {
            sql.push_str(&create_index(table, &index));
        }
        sql.push_str(&match backend {
            DbBackend::Postgres => special_indexes(table),
            _ => full_text_index(table),
        });
    }
    if backend == DbBackend::Postgres {
        sql.push_str(&foreign_keys(contexts, position));
    }
    for view in &context.views {
        let _ = writeln!(sql, "CREATE VIEW \"{}\" AS {};", view.name, view.select);
    }
    sql
}

/// The statements that drop what [`create`] made.
///
/// Rows of earlier contexts let go of what is dropped, as if each row had been deleted: otherwise
/// they would refer to nothing when the tables come back. The extension stays: other schemas of
/// the database may use it.
pub fn drop(backend: DbBackend, contexts: &[Context], position: usize) -> String {
    let context = &contexts[position];
    let mut sql = String::new();
    for view in &context.views {
        let _ = writeln!(sql, "DROP VIEW IF EXISTS \"{}\";", view.name);
    }
    for table in contexts[..position]
        .iter()
        .flat_map(|earlier| &earlier.tables)
    {
        for column in &table.columns {
            let Some(reference) = &column.reference else {
                continue;
            };
            if context
                .tables
                .iter()
                .any(|dropped| dropped.name == reference.table)
            {
                let _ = match reference.on_delete {
                    OnDelete::SetNull => writeln!(
                        sql,
                        "UPDATE \"{0}\" SET \"{1}\" = NULL WHERE \"{1}\" IS NOT NULL;",
                        table.name, column.name
                    ),
                    OnDelete::Cascade => writeln!(
                        sql,
                        "DELETE FROM \"{}\" WHERE \"{}\" IS NOT NULL;",
                        table.name, column.name
                    ),
                };
            }
        }
    }
    for table in context.tables.iter().rev() {
        if backend == DbBackend::Postgres {
            // Takes along the foreign keys of tables that stay, nothing else.
            let _ = writeln!(sql, "DROP TABLE IF EXISTS \"{}\" CASCADE;", table.name);
        } else {
            if !table.full_text.is_empty() {
                let _ = writeln!(sql, "DROP TABLE IF EXISTS \"{}_search\";", table.name);
                let _ = writeln!(sql, "DROP VIEW IF EXISTS \"{}_searchable\";", table.name);
            }
            let _ = writeln!(sql, "DROP TABLE IF EXISTS \"{}\";", table.name);
        }
    }
    sql
}

/// Drops every view and table, but for what belongs to the engine or an extension.
pub async fn drop_everything<C: ConnectionTrait>(database: &C) -> Result<(), DbErr> {
    let postgres = database.get_database_backend() == DbBackend::Postgres;
    // Virtual tables first: their shadow tables go with them, and cannot be dropped alone.
    let found = if postgres {
        "SELECT relname::text AS name, CASE relkind WHEN 'v' THEN 'VIEW' \
         WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END AS kind \
         FROM pg_class WHERE relkind IN ('v', 'm', 'r', 'p') AND NOT relispartition \
         AND relnamespace = current_schema()::regnamespace AND NOT EXISTS \
         (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass \
         AND objid = pg_class.oid AND deptype = 'e')"
    } else {
        "SELECT name, upper(type) AS kind FROM sqlite_schema \
         WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY coalesce(sql, '') LIKE 'CREATE VIRTUAL TABLE%' DESC"
    };
    let cascade = if postgres { " CASCADE" } else { "" };
    let objects = database.query_all_raw(Statement::from_string(
        database.get_database_backend(),
        found,
    ));
    for object in objects.await? {
        let (kind, name): (String, String) =
            (object.try_get("", "kind")?, object.try_get("", "name")?);
        let name = name.replace('"', "\"\"");
        database
            .execute_unprepared(&format!("DROP {kind} IF EXISTS \"{name}\"{cascade}"))
            .await?;
    }
    Ok(())
}

/// The tables with rows that refer to what does not exist. PostgreSQL never has any; SQLite may,
/// since foreign keys are off while it is migrated.
pub async fn dangling<C: ConnectionTrait>(database: &C) -> Result<Vec<String>, DbErr> {
    if database.get_database_backend() == DbBackend::Postgres {
        return Ok(Vec::new());
    }
    let found = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check";
    database
        .query_all_raw(Statement::from_string(DbBackend::Sqlite, found))
        .await?
        .iter()
        .map(|row| row.try_get("", "table"))
        .collect()
}

fn has_vector(table: &Table) -> bool {
    table
        .columns
        .iter()
        .any(|column| matches!(column.kind, Kind::Vector(_)))
}

fn create_table(backend: DbBackend, table: &Table) -> String {
    let mut lines = Vec::new();
    let searchable = !table.full_text.is_empty();
    if searchable && backend == DbBackend::Sqlite {
        // The full-text index refers to rows by number. Without a column of its own the number
        // of a row may change in VACUUM.
        lines.push("\"search_row\" INTEGER PRIMARY KEY".to_owned());
    }
    for column in &table.columns {
        lines.push(
            match (column.name, searchable && backend == DbBackend::Sqlite) {
                ("id", true) => column_definition(backend, table, column) + " UNIQUE",
                ("id", false) => column_definition(backend, table, column) + " PRIMARY KEY",
                _ => column_definition(backend, table, column),
            },
        );
    }
    if searchable && backend == DbBackend::Postgres {
        lines.push(format!(
            "\"search_vector\" tsvector GENERATED ALWAYS AS ({}) STORED",
            words_of(table)
        ));
    }
    for check in &table.checks {
        lines.push(format!(
            "CONSTRAINT \"ck_{}_{}\" CHECK ({})",
            table.name, check.name, check.expression
        ));
    }
    let strict = if backend == DbBackend::Sqlite {
        " STRICT"
    } else {
        ""
    };
    format!(
        "CREATE TABLE \"{}\" (\n  {}\n){strict};\n",
        table.name,
        lines.join(",\n  ")
    )
}

fn column_definition(backend: DbBackend, table: &Table, column: &Column) -> String {
    let mut sql = format!("\"{}\" {}", column.name, column_type(backend, column.kind));
    if !column.optional {
        sql.push_str(" NOT NULL");
    }
    if let Some(literal) = &column.default {
        let _ = write!(sql, " DEFAULT {literal}");
    }
    if let (Some(reference), DbBackend::Sqlite) = (&column.reference, backend) {
        let _ = write!(
            sql,
            " REFERENCES \"{}\" (\"id\") ON DELETE {}",
            reference.table,
            action(reference.on_delete)
        );
    }
    let checks: Vec<String> = stored_form(backend, column)
        .into_iter()
        .chain(
            column
                .checks
                .iter()
                .map(|check| expression(backend, column.name, check)),
        )
        .collect();
    if !checks.is_empty() {
        let _ = write!(
            sql,
            " CONSTRAINT \"ck_{}_{}\" CHECK ({})",
            table.name,
            column.name,
            checks.join(" AND ")
        );
    }
    sql
}

fn action(on_delete: OnDelete) -> &'static str {
    match on_delete {
        OnDelete::Cascade => "CASCADE",
        OnDelete::SetNull => "SET NULL",
    }
}

fn column_type(backend: DbBackend, kind: Kind) -> String {
    if backend == DbBackend::Postgres {
        match kind {
            Kind::Uuid => "uuid".to_owned(),
            Kind::Text => "text".to_owned(),
            Kind::Integer => "integer".to_owned(),
            Kind::BigInteger => "bigint".to_owned(),
            Kind::Double => "double precision".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Timestamp => "timestamp with time zone".to_owned(),
            Kind::Json => "jsonb".to_owned(),
            Kind::Vector(dimensions) => format!("vector({dimensions})"),
        }
    } else {
        match kind {
            Kind::Uuid | Kind::Vector(_) => "BLOB",
            Kind::Text | Kind::Timestamp | Kind::Json => "TEXT",
            Kind::Integer | Kind::BigInteger | Kind::Boolean => "INTEGER",
            Kind::Double => "REAL",
        }
        .to_owned()
    }
}

/// What SQLite's five types leave open about a kind.
fn stored_form(backend: DbBackend, column: &Column) -> Option<String> {
    let name = column.name;
    if backend == DbBackend::Postgres {
        return None;
    }
    match column.kind {
        // What a reference names has been checked in its own table.
        Kind::Uuid if column.reference.is_none() => Some(format!("length(\"{name}\") = 16")),
        Kind::Boolean => Some(format!("\"{name}\" IN (0, 1)")),
        Kind::Timestamp => Some(format!(
            "\"{name}\" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*+00:00'"
        )),
        // Before version 3.45, null was not valid: the file is read by other programs too.
        Kind::Json if column.optional => {
            Some(format!("(\"{name}\" IS NULL OR json_valid(\"{name}\"))"))
        }
        Kind::Json => Some(format!("json_valid(\"{name}\")")),
        // Whole 32-bit numbers, at least one.
        Kind::Vector(_) => Some(format!(
            "length(\"{name}\") > 0 AND length(\"{name}\") % 4 = 0"
        )),
        _ => None,
    }
}

fn expression(backend: DbBackend, name: &str, check: &Check) -> String {
    match check {
        Check::OneOf(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            format!("\"{name}\" IN ({})", words.join(", "))
        }
        Check::Between(low, high) => format!("\"{name}\" BETWEEN {low} AND {high}"),
        Check::AtLeast(low) => format!("\"{name}\" >= {low}"),
        Check::Length(0, most) => format!("length(\"{name}\") <= {most}"),
        Check::Length(least, most) => {
            format!("length(\"{name}\") BETWEEN {least} AND {most}")
        }
        Check::LowerCase => format!("\"{name}\" = lower(\"{name}\")"),
        Check::Characters(set, most) if backend == DbBackend::Postgres => {
            format!("\"{name}\" ~ '^[{set}]{{1,{most}}}$'")
        }
        Check::Characters(set, most) => {
            format!("length(\"{name}\") BETWEEN 1 AND {most} AND \"{name}\" NOT GLOB '*[^{set}]*'")
        }
        Check::JsonArray if backend == DbBackend::Postgres => {
            format!("jsonb_typeof(\"{name}\") = 'array'")
        }
        Check::JsonArray => format!("json_type(\"{name}\") = 'array'"),
    }
}

fn create_index(table: &Table, index: &Index) -> String {
    let (prefix, unique) = if index.unique {
        ("ux", "UNIQUE ")
    } else {
        ("ix", "")
    };
    let names: Vec<&str> = index
        .columns
        .iter()
        .map(|column| column.trim_end_matches(" desc"))
        .collect();
    let keys: Vec<String> = index
        .columns
        .iter()
        .map(|column| match column.strip_suffix(" desc") {
            Some(name) => format!("\"{name}\" DESC"),
            None => format!("\"{column}\""),
        })
        .collect();
    let condition = match &index.condition {
        Some(condition) => format!(" WHERE {condition}"),
        None => String::new(),
    };
    format!(
        "CREATE {unique}INDEX \"{prefix}_{}_{}\" ON \"{}\" ({}){condition};\n",
        table.name,
        names.join("_"),
        table.name,
        keys.join(", ")
    )
}

/// PostgreSQL's indexes for words, members of documents, and nearest vectors.
fn special_indexes(table: &Table) -> String {
    let name = table.name;
    let mut sql = String::new();
    if !table.full_text.is_empty() {
        let _ = writeln!(
            sql,
            "CREATE INDEX \"ix_{name}_search_vector\" ON \"{name}\" USING gin (\"search_vector\");"
        );
    }
    for column in &table.inverted {
        let _ = writeln!(
            sql,
            "CREATE INDEX \"ix_{name}_{column}\" ON \"{name}\" USING gin (\"{column}\");"
        );
    }
    if let Some(column) = table.nearest {
        let _ = writeln!(
            sql,
            "CREATE INDEX \"ix_{name}_{column}\" ON \"{name}\" \
             USING hnsw (\"{column}\" vector_cosine_ops) WITH (m = 16, ef_construction = 64);"
        );
    }
    sql
}

fn words_of(table: &Table) -> String {
    let texts: Vec<String> = table
        .full_text
        .iter()
        .map(|column| format!("coalesce(\"{column}\", '')"))
        .collect();
    format!(
        "to_tsvector('english'::regconfig, {})",
        texts.join(" || ' ' || ")
    )
}

/// SQLite's full-text index: an FTS5 table `<table>_search` over the rows of the table, kept in
/// step by triggers.
///
/// Its first column, `user_key`, is the person's id in lower-case hexadecimal, so that a search
/// in one person's rows is an intersection inside the index: `user_key : "…" AND content : …`.
/// `secure-delete` takes erased words out of the index at once, instead of at some later merge.
fn full_text_index(table: &Table) -> String {
    if table.full_text.is_empty() {
        return String::new();
    }
    let name = table.name;
    let columns: Vec<String> = table
        .full_text
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect();
    let list = columns.join(", ");
    let values = |row: &str| {
        let texts: Vec<String> = columns
            .iter()
            .map(|column| format!("{row}.{column}"))
            .collect();
        format!(
            "{row}.\"search_row\", lower(hex({row}.\"user_id\")), {}",
            texts.join(", ")
        )
    };
    let add = format!(
        "INSERT INTO \"{name}_search\" (rowid, user_key, {list}) VALUES ({});",
        values("new")
    );
    let remove = format!(
        "INSERT INTO \"{name}_search\" (\"{name}_search\", rowid, user_key, {list}) \
         VALUES ('delete', {});",
        values("old")
    );
    format!(
        "CREATE VIEW \"{name}_searchable\" AS \
         SELECT \"search_row\", lower(hex(\"user_id\")) AS user_key, {list} FROM \"{name}\";\n\
         CREATE VIRTUAL TABLE \"{name}_search\" USING fts5(user_key, {list}, \
         content='{name}_searchable', content_rowid='search_row', tokenize='porter unicode61');\n\
         INSERT INTO \"{name}_search\" (\"{name}_search\", rank) VALUES ('secure-delete', 1);\n\
         CREATE TRIGGER \"{name}_search_insert\" AFTER INSERT ON \"{name}\" BEGIN {add} END;\n\
         CREATE TRIGGER \"{name}_search_delete\" AFTER DELETE ON \"{name}\" BEGIN {remove} END;\n\
         CREATE TRIGGER \"{name}_search_update\" AFTER UPDATE OF \"user_id\", {list} \
         ON \"{name}\" BEGIN {remove} {add} END;\n"
    )
}

/// The foreign keys that become possible with the context at `position`: of its tables to what
/// exists, and of earlier tables to its own.
fn foreign_keys(contexts: &[Context], position: usize) -> String {
    let is_in = |context: &Context, name| context.tables.iter().any(|table| table.name == name);
    let mut sql = String::new();
    for (at, context) in contexts.iter().enumerate().take(position + 1) {
        for table in &context.tables {
            for column in &table.columns {
                let Some(reference) = &column.reference else {
                    continue;
                };
                let possible = if at == position {
                    contexts[..=position]
                        .iter()
                        .any(|earlier| is_in(earlier, reference.table))
                } else {
                    is_in(&contexts[position], reference.table)
                };
                if possible {
                    let _ = writeln!(
                        sql,
                        "ALTER TABLE \"{0}\" ADD CONSTRAINT \"fk_{0}_{1}\" FOREIGN KEY (\"{1}\") \
                         REFERENCES \"{2}\" (\"id\") ON DELETE {3};",
                        table.name,
                        column.name,
                        reference.table,
                        action(reference.on_delete)
                    );
                }
            }
        }
    }
    sql
}
