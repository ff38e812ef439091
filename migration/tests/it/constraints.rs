//! What the database refuses, and what goes when a row goes.

use anima_migration::schema::{Check, Kind};
use sea_orm_migration::sea_orm::{
    self, ConnectionTrait, FromQueryResult,
    prelude::{DateTimeUtc, Json, Uuid},
    sea_query::Query,
};

use crate::{
    database::{Database, on_each_engine, on_sqlite},
    sample,
};

/// Columns of a copied row that differ, and how.
type Replaced = &'static [(&'static str, &'static str)];

/// That a statement is refused by the constraint of this name.
async fn refused(database: &Database, sql: &str, constraint: &str) {
    match database.execute(sql).await {
        Ok(_) => panic!("accepted: {sql}"),
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(constraint), "{sql}: {message}");
        }
    }
}

async fn is_duplicate(database: &Database, sql: &str) {
    let error = database
        .execute(sql)
        .await
        .expect_err(sql)
        .to_string()
        .to_lowercase();
    assert!(error.contains("unique"), "{sql}: {error}");
}

fn set(database: &Database, table: &str, column: &str, value: &str) -> String {
    let id = sample::id(database.backend(), table, 1);
    format!("UPDATE \"{table}\" SET \"{column}\" = {value} WHERE id = {id}")
}

#[tokio::test]
async fn every_rule_of_a_column_refuses_what_breaks_it() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let mut rules = 0;
        for table in sample::tables() {
            for column in &table.columns {
                let step = if column.kind == Kind::Double {
                    0.001
                } else {
                    1.0
                };
                let text = |length: u32| format!("'{}'", "x".repeat(length as usize));
                for check in &column.checks {
                    let (good, bad) = match check {
                        Check::OneOf(words) => {
                            let words = words.iter().map(|word| format!("'{word}'")).collect();
                            (words, vec!["'no such word'".to_owned(), "''".to_owned()])
                        }
                        Check::Between(low, high) => (
                            vec![low.to_string(), high.to_string()],
                            vec![(low - step).to_string(), (high + step).to_string()],
                        ),
                        Check::AtLeast(low) => {
                            (vec![low.to_string()], vec![(low - step).to_string()])
                        }
                        Check::Length(least, most) => {
                            let mut bad = vec![text(most + 1)];
                            bad.extend(least.checked_sub(1).map(text));
                            (vec![text(*least), text(*most)], bad)
                        }
                        Check::LowerCase => {
                            (vec!["'lower'".to_owned()], vec!["'Upper'".to_owned()])
                        }
                        Check::Characters(_, most) => (
                            vec![text(1), text(*most)],
                            vec![text(most + 1), "''".into(), "'A'".into(), "'a b'".into()],
                        ),
                        Check::JsonArray => (
                            vec!["'[1]'".to_owned()],
                            vec!["'{}'".to_owned(), "'1'".to_owned()],
                        ),
                    };
                    let constraint = format!("ck_{}_{}", table.name, column.name);
                    for value in bad {
                        let sql = set(&database, table.name, column.name, &value);
                        refused(&database, &sql, &constraint).await;
                    }
                    for value in good {
                        // Another rule may want it otherwise; this one must not.
                        let sql = set(&database, table.name, column.name, &value);
                        if let Err(error) = database.execute(&sql).await {
                            let message = error.to_string();
                            assert!(!message.contains(&format!("{constraint}\"")), "{message}");
                            assert!(!message.ends_with(&constraint), "{sql}: {message}");
                        }
                    }
                    rules += 1;
                }
            }
        }
        assert!(rules > 140, "only {rules} rules");
    })
    .await;
}

#[tokio::test]
async fn sqlite_refuses_other_types_and_forms() {
    on_sqlite(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        for (table, column, value, message) in [
            ("users", "is_active", "2", "ck_users_is_active"),
            ("users", "created_at", "'yesterday'", "ck_users_created_at"),
            (
                "users",
                "created_at",
                "'2026-09-01T12:00:00Z'",
                "ck_users_created_at",
            ),
            (
                "users",
                "created_at",
                "'2026-09-01 12:00:00+00:00'",
                "ck_users_created_at",
            ),
            (
                "user_preferences",
                "value",
                "'not json'",
                "ck_user_preferences_value",
            ),
            ("events", "user_id", "x'00'", "ck_events_user_id"),
            (
                "narratives",
                "embedding",
                "x'000000'",
                "ck_narratives_embedding",
            ),
            ("users", "name", "x'00'", "cannot store BLOB"),
            ("devices", "led_count", "'many'", "cannot store TEXT"),
            ("messages", "sentiment", "'good'", "cannot store TEXT"),
            (
                "messages",
                "user_id",
                "'01890000-0000-7000-8000-000000000001'",
                "cannot store TEXT",
            ),
        ] {
            refused(&database, &set(&database, table, column, value), message).await;
        }
    })
    .await;
}

#[tokio::test]
async fn rules_over_several_columns() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let backend = database.backend();
        let device = sample::id(backend, "devices", 1);
        let entity = sample::id(backend, "entities", 1);
        let fact = sample::id(backend, "user_facts", 2);
        for (table, column, value, constraint) in [
            // A token is a person's or a device's: not both, not nobody's.
            (
                "access_tokens",
                "device_id",
                device.as_str(),
                "ck_access_tokens_",
            ),
            (
                "access_tokens",
                "user_id",
                "NULL",
                "ck_access_tokens_principal",
            ),
            (
                "access_tokens",
                "kind",
                "'device'",
                "ck_access_tokens_device",
            ),
            (
                "entity_relationships",
                "to_entity_id",
                &entity,
                "ck_entity_relationships_ends",
            ),
            (
                "fact_associations",
                "fact_1_id",
                &fact,
                "ck_fact_associations_order",
            ),
        ] {
            refused(&database, &set(&database, table, column, value), constraint).await;
        }
        let both = "SET narrative_type = 'curation', trait_path = NULL";
        refused(
            &database,
            &format!("UPDATE narratives {both}"),
            "ck_narratives_curation",
        )
        .await;
        let unmarked = "UPDATE feedback SET rating = NULL, helpful = NULL";
        refused(&database, unmarked, "ck_feedback_mark").await;
        let device_token = format!(
            "UPDATE access_tokens SET kind = 'device', user_id = NULL, device_id = {device} \
             WHERE id = {}",
            sample::id(backend, "access_tokens", 1)
        );
        assert_eq!(database.execute(&device_token).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_there_already_is_refused() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        for table in sample::tables() {
            if table
                .all_indexes()
                .iter()
                .any(|index| index.unique && index.condition.is_none())
            {
                is_duplicate(
                    &database,
                    &sample::copy(database.backend(), table.name, 3, &[]),
                )
                .await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn uniqueness_with_conditions() {
    // A copy of the first row that is accepted, and then one that is refused.
    const CASES: &[(&str, Replaced, Replaced)] = &[
        (
            "entity_states",
            &[("guild_id", "NULL")],
            &[("guild_id", "NULL")],
        ),
        (
            "entity_opinions",
            &[("guild_id", "NULL")],
            &[("guild_id", "NULL")],
        ),
        (
            "user_relationships",
            &[("guild_id", "NULL")],
            &[("guild_id", "NULL")],
        ),
        // The first rows of these are closed to begin with.
        (
            "consents",
            &[("revoked_at", "NULL")],
            &[("revoked_at", "NULL")],
        ),
        (
            "mapper_configs",
            &[("version", "7"), ("status", "'active'")],
            &[("version", "8"), ("status", "'active'")],
        ),
        // The first rows of these are open.
        ("conversation_handoffs", &[("state", "'rejected'")], &[]),
        (
            "user_interfaces",
            &[("version", "7"), ("active", "FALSE")],
            &[("version", "8")],
        ),
        (
            "outbox_tasks",
            &[("status", "'done'")],
            &[("status", "'in_progress'")],
        ),
        ("outbox_tasks", &[("dedupe_key", "NULL")], &[]),
        ("messages", &[("external_id", "NULL")], &[]),
        (
            "users",
            &[("user_name", "NULL"), ("email", "NULL")],
            &[("user_name", "NULL")],
        ),
        ("devices", &[("serial_number", "NULL")], &[]),
        ("entities", &[("device_id", "NULL")], &[]),
    ];
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        for (at, (table, good, bad)) in CASES.iter().enumerate() {
            let copy = |row, replaced| sample::copy(database.backend(), table, row, replaced);
            let sql = copy(100 + at, good);
            database
                .execute(&sql)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
            is_duplicate(&database, &copy(200 + at, bad)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_person_goes_with_everything_about_them() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let person = sample::id(database.backend(), "users", 1);
        database
            .execute(&format!("DELETE FROM users WHERE id = {person}"))
            .await
            .unwrap();
        let mut tables = 0;
        for table in sample::tables() {
            for column in &table.columns {
                if column
                    .reference
                    .is_none_or(|reference| reference.table != "users")
                {
                    continue;
                }
                let left = format!(
                    "SELECT count(*) FROM \"{}\" WHERE \"{}\" = {person}",
                    table.name, column.name
                );
                assert_eq!(database.column::<i64>(&left).await, [0], "{left}");
                tables += 1;
            }
        }
        assert!(tables > 40, "only {tables} references to people");
        // The second person's, and what belongs to nobody.
        assert_eq!(database.count("messages").await, 1);
        assert_eq!(database.count("persona_versions").await, 2);
        assert_eq!(database.count("events").await, 2, "the log outlives people");
    })
    .await;
}

#[tokio::test]
async fn what_outlives_its_reference_lets_go_of_it() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        for (gone, table, column) in [
            ("devices", "entities", "device_id"),
            ("devices", "conversations", "device_id"),
            ("devices", "messages", "device_id"),
            ("conversations", "devices", "active_conversation_id"),
            ("messages", "user_facts", "message_id"),
            ("persona_definitions", "messages", "persona_definition_id"),
            ("zones", "devices", "zone_id"),
            ("mapper_configs", "personas", "mapper_id"),
            ("personas", "feedback", "persona_id"),
        ] {
            // The second row where messages are concerned: the first went with its conversation.
            let before = database.count(table).await;
            let id = sample::id(database.backend(), gone, 2);
            database
                .execute(&format!("DELETE FROM \"{gone}\" WHERE id = {id}"))
                .await
                .unwrap();
            if gone != "conversations" {
                assert_eq!(
                    database.count(table).await,
                    before,
                    "{table} without {gone}"
                );
            }
            let left = format!("SELECT count(*) FROM \"{table}\" WHERE \"{column}\" = {id}");
            assert_eq!(database.column::<i64>(&left).await, [0], "{table}.{column}");
        }
    })
    .await;
}

#[derive(Debug, FromQueryResult, PartialEq)]
struct Row {
    id: Uuid,
    is_active: bool,
    led_count: i32,
    capabilities: Json,
    location: Option<String>,
    created_at: DateTimeUtc,
}

#[tokio::test]
async fn what_sea_orm_writes_it_reads_back() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let id: Uuid = "01890000-0000-7000-8000-00000000abcd".parse().unwrap();
        let at: DateTimeUtc = "2026-09-01T12:34:56.123456Z".parse().unwrap();
        let users = Query::insert()
            .into_table("users")
            .columns(["id", "name", "is_active", "created_at", "updated_at"])
            .values_panic([id.into(), "Ada".into(), true.into(), at.into(), at.into()])
            .to_owned();
        database.connection.execute(&users).await.unwrap();
        let capabilities: Json = Json::from(vec!["audio_input"]);
        let devices = Query::insert()
            .into_table("devices")
            .columns([
                "id",
                "owner_id",
                "name",
                "device_type",
                "led_count",
                "capabilities",
                "created_at",
                "updated_at",
            ])
            .values_panic([
                id.into(),
                id.into(),
                "Lamp".into(),
                "lamp".into(),
                7.into(),
                capabilities.clone().into(),
                at.into(),
                at.into(),
            ])
            .to_owned();
        database.connection.execute(&devices).await.unwrap();
        let rows = database
            .rows(
                "SELECT d.id, u.is_active, d.led_count, d.capabilities, d.location, d.created_at \
                 FROM devices d JOIN users u ON u.id = d.owner_id WHERE d.name = 'Lamp'",
            )
            .await;
        let row = Row::from_query_result(&rows[0], "").unwrap();
        let expected = Row {
            id,
            is_active: true,
            led_count: 7,
            capabilities,
            location: None,
            created_at: at,
        };
        assert_eq!(row, expected);
    })
    .await;
}
