//! Up and down, with data; failure; two at once; databases of another version.

use anima_migration::{Error, Migrator, migrate, run, state};
use async_trait::async_trait;
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::{ConnectionTrait, DbErr},
};

use crate::{
    database::{connect, on_each_engine, on_sqlite},
    introspection::columns,
    sample,
};

#[tokio::test]
async fn up_down_and_up_again_with_data() {
    on_each_engine(async |database| {
        assert_eq!(migrate(&database.connection).await.unwrap().len(), 12);
        assert_eq!(
            migrate(&database.connection).await.unwrap(),
            Vec::<String>::new()
        );
        let first = columns(&database, true).await;
        sample::insert(&database).await;

        assert_eq!(
            run::down::<Migrator>(&database.connection, None)
                .await
                .unwrap()
                .len(),
            12
        );
        assert_eq!(database.tables().await, ["seaql_migrations"]);
        assert_eq!(
            columns(&database, true).await.len(),
            0,
            "no table or view is left"
        );

        assert_eq!(migrate(&database.connection).await.unwrap().len(), 12);
        assert_eq!(columns(&database, true).await, first);
        sample::insert(&database).await;
        assert_eq!(database.count("users").await, 2);
    })
    .await;
}

#[tokio::test]
async fn each_migration_goes_down_and_up_again() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        let whole = columns(&database, true).await;
        sample::insert(&database).await;
        let mut names = state(&database.connection).await.unwrap().applied;
        for name in names.clone().iter().rev() {
            let down = run::down::<Migrator>(&database.connection, Some(1))
                .await
                .unwrap();
            assert_eq!(down, [name.as_str()]);
            names.pop();
            assert_eq!(state(&database.connection).await.unwrap().applied, names);
        }
        for migration in Migrator::migrations() {
            let up = run::up::<Migrator>(&database.connection, Some(1))
                .await
                .unwrap();
            assert_eq!(up, [migration.name()]);
        }
        assert_eq!(columns(&database, true).await, whole);
    })
    .await;
}

#[tokio::test]
async fn rows_that_stay_let_go_of_tables_that_go() {
    on_each_engine(async |database| {
        // Back to where earlier tables refer to later ones: persona definitions, conversations,
        // entities, devices.
        for steps in [5, 9, 10, 11] {
            run::fresh::<Migrator>(&database.connection).await.unwrap();
            sample::insert(&database).await;
            run::down::<Migrator>(&database.connection, Some(steps))
                .await
                .unwrap();
            migrate(&database.connection).await.unwrap();
            assert_eq!(database.count("users").await, 2);
            let devices = if steps < 11 { 2 } else { 0 };
            assert_eq!(database.count("devices").await, devices);
        }
    })
    .await;
}

#[tokio::test]
async fn fresh_empties_the_database_of_anything() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        database
            .execute("CREATE TABLE \"other \"\"people's\" (id integer)")
            .await
            .unwrap();
        database
            .execute("CREATE VIEW names AS SELECT name FROM users")
            .await
            .unwrap();
        run::fresh::<Migrator>(&database.connection).await.unwrap();
        assert_eq!(database.count("users").await, 0);
        assert_eq!(database.tables().await.len(), sample::tables().len() + 1);
        assert!(database.execute("SELECT * FROM names").await.is_err());
        assert!(state(&database.connection).await.unwrap().is_current());
    })
    .await;
}

#[tokio::test]
async fn a_database_in_memory_is_migrated_too() {
    for url in [
        "sqlite::memory:",
        "sqlite:file:anima?mode=memory&cache=shared",
    ] {
        let connection = connect(url).await;
        assert_eq!(migrate(&connection).await.unwrap().len(), 12, "{url}");
        assert!(state(&connection).await.unwrap().is_current(), "{url}");
    }
}

#[tokio::test]
async fn reading_the_state_changes_nothing() {
    on_each_engine(async |database| {
        let state = state(&database.connection).await.unwrap();
        assert_eq!((state.applied.len(), state.pending.len()), (0, 12));
        assert!(!state.is_current());
        assert_eq!(database.tables().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn of_two_migrators_at_once_one_does_it() {
    on_each_engine(async |database| {
        let url = database.url.clone();
        let migrators: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { migrate(&connect(&url).await).await.unwrap().len() })
            })
            .collect();
        let mut applied = 0;
        for migrator in migrators {
            applied += migrator.await.unwrap();
        }
        assert_eq!(applied, 12);
        assert!(state(&database.connection).await.unwrap().is_current());
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let newer = "INSERT INTO seaql_migrations VALUES ('m20990101_000001_telepathy', 0)";
        database.execute(newer).await.unwrap();
        let now = state(&database.connection).await.unwrap();
        assert_eq!(now.unknown, ["m20990101_000001_telepathy"]);
        assert!(!now.is_current());
        for refusal in [
            run::up::<Migrator>(&database.connection, None).await,
            run::down::<Migrator>(&database.connection, Some(1)).await,
            run::fresh::<Migrator>(&database.connection).await,
        ] {
            let error = refusal.unwrap_err();
            assert!(matches!(error, Error::Newer(_)), "{error}");
            assert!(
                error.to_string().contains("m20990101_000001_telepathy"),
                "{error}"
            );
        }
        assert_eq!(state(&database.connection).await.unwrap(), now);
        assert_eq!(database.count("users").await, 2);
    })
    .await;
}

/// A migration that runs some SQL.
struct Script(&'static str, &'static str);

impl MigrationName for Script {
    fn name(&self) -> &str {
        self.0
    }
}

#[async_trait]
impl MigrationTrait for Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(self.1)
            .await
            .map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Custom("no way back".to_owned()))
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// All of ours and then some.
fn ours_and(scripts: Vec<Script>) -> Vec<Box<dyn MigrationTrait>> {
    let mut all = Migrator::migrations();
    all.extend(
        scripts
            .into_iter()
            .map(|one| Box::new(one) as Box<dyn MigrationTrait>),
    );
    all
}

struct FailsMidway;

impl MigratorTrait for FailsMidway {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        ours_and(vec![
            Script("m20980101_000001_fine", "CREATE TABLE fine (id integer)"),
            Script(
                "m20980101_000002_fails",
                "CREATE TABLE half (id integer); UPDATE users SET name = 'lost'; \
                 INSERT INTO missing VALUES (1)",
            ),
        ])
    }
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_half_done() {
    on_each_engine(async |database| {
        // From empty: nothing at all is left.
        assert!(
            run::up::<FailsMidway>(&database.connection, None)
                .await
                .is_err()
        );
        assert_eq!(database.tables().await, Vec::<String>::new());

        // From the version before: that version, with its data.
        let database = database.migrated().await;
        sample::insert(&database).await;
        let before = (
            database.tables().await,
            state(&database.connection).await.unwrap(),
        );
        assert!(
            run::up::<FailsMidway>(&database.connection, None)
                .await
                .is_err()
        );
        assert_eq!(
            (
                database.tables().await,
                state(&database.connection).await.unwrap()
            ),
            before
        );
        let names: Vec<String> = database.column("SELECT name FROM users ORDER BY 1").await;
        assert_eq!(names, ["one", "two"]);

        // Up to the failure is possible, and is refused by the version that does not know it.
        let one = run::up::<FailsMidway>(&database.connection, Some(1))
            .await
            .unwrap();
        assert_eq!(one, ["m20980101_000001_fine"]);
        assert!(matches!(
            migrate(&database.connection).await,
            Err(Error::Newer(_))
        ));

        // A way back that fails leaves everything too.
        assert!(
            run::down::<FailsMidway>(&database.connection, None)
                .await
                .is_err()
        );
        assert_eq!(database.count("users").await, 2);
    })
    .await;
}

struct RebuildsATable;

impl MigratorTrait for RebuildsATable {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        ours_and(vec![Script(
            "m20980101_000001_rebuild",
            "CREATE TABLE new_zones (id BLOB NOT NULL PRIMARY KEY, owner_id BLOB NOT NULL \
             REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL) STRICT; \
             INSERT INTO new_zones SELECT id, owner_id, name FROM zones; \
             DROP TABLE zones; ALTER TABLE new_zones RENAME TO zones",
        )])
    }
}

struct LeavesOrphans;

impl MigratorTrait for LeavesOrphans {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        ours_and(vec![Script(
            "m20980101_000001_orphans",
            "DELETE FROM users",
        )])
    }
}

#[tokio::test]
async fn sqlite_tables_can_be_rebuilt_and_orphans_are_noticed() {
    on_sqlite(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        let error = run::up::<LeavesOrphans>(&database.connection, None)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Dangling(_)), "{error}");
        assert_eq!(database.count("users").await, 2);

        run::up::<RebuildsATable>(&database.connection, None)
            .await
            .unwrap();
        let zones = "SELECT count(*) FROM devices JOIN zones ON zones.id = devices.zone_id";
        assert_eq!(
            database.column::<i64>(zones).await,
            [2],
            "devices are still where they were"
        );
        // And foreign keys are on again for everyone else.
        let zone = sample::id(database.backend(), "zones", 9);
        let lost = format!("UPDATE devices SET zone_id = {zone}");
        assert!(database.execute(&lost).await.is_err());
    })
    .await;
}
