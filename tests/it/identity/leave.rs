//! Merging, exporting and erasing: nothing about a person is forgotten, nothing is left.

use std::collections::{BTreeSet, HashMap};

use app::{Principal, Viewer};
use domain::{
    identity::{Role, Scope},
    values::Json,
};
use futures_util::{StreamExt, future::join_all};
use insta::assert_snapshot;
use persistence::identity::about::TABLES;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use super::{
    sample::{self, count, counts, execute, fill, person},
    user_id,
};

const MERGE: &str = "mutation($from: ID!, $into: ID!) {
    userMerge(input: { from: $from, into: $into }) { user { id name userName email customName firstSeenAt lastSeenAt } userErrors { code field message } }
}";
const EXPORT: &str = "mutation($user: ID!) { dataExport(user: $user) { document userErrors { code field message } } }";
const ERASE: &str = "mutation($user: ID!, $dry: Boolean!) {
    userErase(input: { user: $user, dryRun: $dry }) { dryRun counts { table rows } userErrors { code field message } }
}";

/// Person 1 of the sample.
fn first(world: &World) -> Viewer {
    let id = person(1);
    world.viewer(
        Principal::User {
            id,
            role: Role::User,
        },
        &[Scope::Read, Scope::Write],
    )
}

/// Columns of tables that name persons, and how many of their rows name this one.
async fn references(world: &World, n: u64) -> Vec<(&'static str, &'static str, i64)> {
    let mut all = Vec::new();
    for table in TABLES.iter().filter(|it| it.name != "users") {
        for column in table.about.iter().chain(table.traces) {
            let condition = format!("\"{column}\" = $1");
            all.push((
                table.name,
                *column,
                count(world, table.name, &condition, person(n)).await,
            ));
        }
    }
    all
}

on_both_engines! {
    async fn the_list_is_what_the_database_has(world: World) {
        let listed: HashMap<&str, _> = TABLES.iter().map(|it| (it.name, it)).collect();
        // A table that only remembers who made its rows is not about anybody, nor is what hangs on it.
        let about_somebody = |name: &str| listed.get(name).is_some_and(|it| !it.about.is_empty() || !it.through.is_empty());
        for (table, column, refers, cascades) in sample::foreign_keys(&world).await {
            if refers != "users" && !about_somebody(&refers) || refers == table || !cascades && refers != "users" {
                continue;
            }
            let entry = listed.get(table.as_str()).unwrap_or_else(|| panic!("{table}.{column} refers to {refers}, and {table} is not in the list"));
            let known = match (refers.as_str(), cascades) {
                ("users", true) => entry.about.contains(&column.as_str()),
                ("users", false) => entry.traces.contains(&column.as_str()),
                _ => entry.through.contains(&(column.as_str(), refers.as_str())),
            };
            assert!(known, "{table}.{column} refers to {refers} and is not in the list");
        }
        // A column that names a person without a foreign key, too.
        for table in sample::tables() {
            for column in table.columns.iter().filter(|it| it.name == "user_id") {
                let known = listed.get(table.name).is_some_and(|it| it.about.contains(&column.name));
                assert!(known, "{}.user_id is not in the list", table.name);
            }
        }
        // A table comes after those it goes through.
        let mut before = BTreeSet::new();
        for table in TABLES {
            assert!(table.through.iter().all(|(_, it)| before.contains(it)), "{} comes too early", table.name);
            before.insert(table.name);
        }
    }

    async fn an_export_has_a_row_of_every_table_and_nobody_elses(world: World) {
        fill(&world).await;
        let answer = world.run(&first(&world), EXPORT, json!({ "user": person(1) })).await;
        let document = answer.at("/dataExport/document");
        for table in TABLES {
            if !table.about.is_empty() || !table.through.is_empty() {
                let rows = document["tables"][table.name].as_array().unwrap();
                // The log has the entry of this very export as well.
                let expected = match table.name { "events" => 2, _ => 1 };
                // Rows between two entities belong to both owners.
                let expected = if table.through.len() == 2 && table.about.is_empty() { 2 } else { expected };
                assert_eq!(rows.len(), expected, "{}: {rows:?}", table.name);
                for hidden in table.private {
                    assert!(rows[0].get(hidden).is_none(), "{}.{hidden} is in the export", table.name);
                }
            }
            if !table.traces.is_empty() {
                // A row that is whole in the export is no trace besides.
                let only_traces = table.about.is_empty() && table.through.is_empty();
                let traces = document["traces"][table.name].as_array().unwrap();
                assert_eq!(traces.len(), usize::from(only_traces), "{}", table.name);
            }
        }
        let text = document.to_string();
        for other in [2, 3] {
            assert!(!text.contains(&person(other).0.to_string()), "person {other} is in the export");
        }
        // Both engines write the same.
        assert_snapshot!(document["tables"]["devices"][0], @r#"{"active_conversation_id":"00000011-0000-7000-8000-000000000001","active_persona_definition_id":"00000021-0000-7000-8000-000000000001","ble_address":"same","capabilities":["a"],"created_at":"2026-08-01T12:00:00.000001+00:00","device_type":"coffee_maker","first_boot_complete":true,"group_id":"00000008-0000-7000-8000-000000000001","health":{"a":1},"id":"00000009-0000-7000-8000-000000000001","last_heartbeat_at":null,"led_count":0,"location":"same","model":"same","name":"same","onboarding":{"a":1},"owner_id":"00000000-0000-7000-8000-000000000001","serial_number":"one","status":"online","tier":1,"updated_at":"2026-08-01T12:00:00.000001+00:00","zone_id":"00000007-0000-7000-8000-000000000001"}"#);
        assert_snapshot!(document["traces"]["mapper_configs"], @r#"[{"created_at":"2026-08-01T12:00:00.000001+00:00","id":"00000027-0000-7000-8000-000000000001"}]"#);
        assert_eq!(document["user"], json!(person(1)));
        let logged = crate::identity::events(&world).await;
        assert!(logged.iter().any(|it| it.event_type == "data_exported" && it.user_id == Some(person(1))));
    }

    async fn a_long_export_is_streamed_in_pieces(world: World) {
        let ann = world.person("Ann").await;
        let Principal::User { id, .. } = ann.principal else { panic!() };
        let cx = world.cx(&ann);
        for i in 0..450 {
            let event = domain::audit::Event {
                user_id: Some(id),
                payload: Json(json!({ "number": i })),
                ..app::audit::event(&cx, "test")
            };
            persistence::audit::events::Entity::add(world.services.db.writer(), event).await.unwrap();
        }
        let pieces: Vec<String> = app::identity::export(&cx, id).await.unwrap().map(Result::unwrap).collect().await;
        assert!(pieces.len() > TABLES.len());
        let document: Value = serde_json::from_str(&pieces.concat()).unwrap();
        assert_eq!(document["tables"]["events"].as_array().unwrap().len(), 451);
    }

    async fn erasing_leaves_nothing_and_counts_right(world: World) {
        fill(&world).await;
        let before = counts(&world).await;
        let viewer = first(&world);
        let dry = world.run(&viewer, ERASE, json!({ "user": person(1), "dry": true })).await;
        assert_eq!(counts(&world).await, before, "a dry run changed something");
        let done = world.run(&viewer, ERASE, json!({ "user": person(1), "dry": false })).await;
        assert_eq!(done.at("/userErase/dryRun"), false);
        let told: HashMap<String, i64> = done.at("/userErase/counts").as_array().unwrap().iter()
            .map(|it| (it["table"].as_str().unwrap().to_owned(), it["rows"].as_i64().unwrap())).collect();
        assert_eq!(dry.at("/userErase/counts"), done.at("/userErase/counts"));
        for ((table, had), (_, has)) in before.iter().zip(counts(&world).await) {
            let expected = match *table {
                // None went, and `user_erased` came.
                "events" => -1,
                _ => told.get(*table).copied().unwrap_or(0),
            };
            assert_eq!(had - has, expected, "{table} had {had}, has {has}");
        }
        for table in TABLES.iter().filter(|it| !it.about.is_empty() || !it.through.is_empty()) {
            assert!(told.contains_key(table.name), "{} is not counted", table.name);
        }
        for (table, column, n) in references(&world, 1).await {
            assert_eq!(n, 0, "{table}.{column} still names the person");
        }
        let events = crate::identity::events(&world).await;
        let emptied = events.iter().find(|it| it.id.0 == sample::id("events", 1)).unwrap();
        assert_eq!(emptied.payload.0, json!({}));
        assert_eq!(emptied.user_id, None);
        let last = events.iter().find(|it| it.event_type == "user_erased").unwrap();
        assert_eq!(last.user_id, None);
        assert_eq!(last.payload.0["object"], json!(person(1)));
        let other = events.iter().find(|it| it.id.0 == sample::id("events", 2)).unwrap();
        assert_eq!(other.payload.0, json!({ "a": 1 }));
        let again = world.run(&world.admin().await, ERASE, json!({ "user": person(1), "dry": false })).await;
        assert_snapshot!(again.user_errors(), @"NOT_FOUND user: user names nothing that you can see");
    }

    async fn what_others_tell_of_an_erased_person_is_emptied(world: World) {
        fill(&world).await;
        // Somebody else's entity was in a mood because of person 1.
        let entity = "UPDATE mood_history SET entity_id = (SELECT entity_id FROM mood_history AS other WHERE other.trigger_user_id <> mood_history.trigger_user_id ORDER BY other.id DESC LIMIT 1)";
        execute(&world, entity).await;
        let before = count(&world, "mood_history", "1 = 1", person(1)).await;
        world.run(&first(&world), ERASE, json!({ "user": person(1), "dry": false })).await.data();
        assert_eq!(count(&world, "mood_history", "1 = 1", person(1)).await, before);
        assert_eq!(count(&world, "mood_history", "trigger_user_id IS NULL AND trigger_description IS NULL", person(1)).await, 1);
    }

    async fn merging_moves_everything_and_keeps_the_newer(world: World) {
        fill(&world).await;
        let admin = world.admin().await;
        execute(&world, "UPDATE users SET user_name = NULL, custom_name = NULL, email = NULL WHERE user_name = 'two'").await;
        let before: HashMap<_, _> = counts(&world).await.into_iter().collect();
        // The clashing rows of person 1, the older, go; 2's stay.
        let merged = world.run(&admin, MERGE, json!({ "from": person(1), "into": person(2) })).await;
        assert_eq!(merged.user_errors(), "");
        let mut user = merged.at("/userMerge/user").clone();
        assert_eq!(user["id"], json!(person(2)));
        user.as_object_mut().unwrap().remove("id");
        assert_snapshot!(user, @r#"{"customName":"same","email":"one","firstSeenAt":null,"lastSeenAt":null,"name":"same","userName":"one"}"#);
        for (table, column, n) in references(&world, 1).await {
            assert_eq!(n, 0, "{table}.{column} still names the one who is gone");
        }
        let singles = ["users", "user_preferences", "guild_members", "user_relationships", "relationship_events",
            "user_communication_styles", "mindscapes", "mindscape_revisions", "user_baselines"];
        for (table, has) in counts(&world).await {
            let gone = i64::from(singles.contains(&table)) - i64::from(table == "events");
            assert_eq!(before[table] - has, gone, "{table}");
        }
        for table in ["user_preferences", "guild_members", "user_relationships", "mindscapes", "user_baselines"] {
            let newer = persistence_row(&world, table).await;
            assert_eq!(newer, sample::id(table, 2), "{table} kept the older");
        }
        assert_eq!(count(&world, "consents", "user_id = $1 AND revoked_at IS NULL", person(2)).await, 1);
        assert_eq!(count(&world, "user_interfaces", "user_id = $1 AND active AND version = 2", person(2)).await, 1);
        assert_eq!(count(&world, "user_interfaces", "user_id = $1 AND NOT active AND version = 1", person(2)).await, 1);
        assert_eq!(count(&world, "zones", "owner_id = $1 AND name IN ('same', 'same (2)')", person(2)).await, 2);
        let again = world.run(&admin, MERGE, json!({ "from": person(1), "into": person(2) })).await;
        assert_snapshot!(again.user_errors(), @"NOT_FOUND from: from names nothing that you can see");
    }

    async fn merging_the_other_way_keeps_the_newer_too(world: World) {
        fill(&world).await;
        let admin = world.admin().await;
        world.run(&admin, MERGE, json!({ "from": person(2), "into": person(1) })).await.data();
        for table in ["user_preferences", "guild_members", "user_relationships", "mindscapes", "user_baselines"] {
            let newer = persistence_row(&world, table).await;
            assert_eq!(newer, sample::id(table, 2), "{table} kept the older");
        }
        assert_eq!(count(&world, "user_interfaces", "user_id = $1 AND active AND version = 2", person(1)).await, 1);
    }

    async fn a_withdrawn_consent_does_not_come_back_by_merging(world: World) {
        let admin = world.admin().await;
        let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
        let change = async |verb: &str, whose: &Viewer| {
            let query = format!("mutation {{ consent{verb}(input: {{ kind: RESEARCH }}) {{ consent {{ revokedAt }} }} }}");
            world.run(whose, &query, json!({})).await.data();
            world.clock.advance(chrono::TimeDelta::hours(1));
        };
        change("Grant", &ann).await;
        change("Grant", &bob).await;
        change("Revoke", &bob).await;
        world.run(&admin, MERGE, json!({ "from": user_id(&ann), "into": user_id(&bob) })).await.data();
        let Principal::User { id, .. } = bob.principal else { panic!() };
        assert_eq!(count(&world, "consents", "user_id = $1 AND revoked_at IS NULL", id).await, 0);
        assert_eq!(count(&world, "consents", "user_id = $1", id).await, 2);
    }

    async fn what_may_not_be_merged_or_erased(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let service = world.service().await;
        let merge = async |from: &Viewer, into: &Viewer| {
            world.run(&admin, MERGE, json!({ "from": user_id(from), "into": user_id(into) })).await.user_errors()
        };
        assert_snapshot!(merge(&ann, &ann).await, @"INVALID from: from and into are the same person: nothing to merge");
        assert_snapshot!(merge(&admin, &ann).await, @"CONFLICT from: from is of the role admin, into is not: make their roles the same first");
        assert_snapshot!(merge(&service, &ann).await, @"CONFLICT from: from is of the role service, into is not: make their roles the same first");
        let no = world.run(&admin, ERASE, json!({ "user": user_id(&admin), "dry": false })).await;
        assert_snapshot!(no.user_errors(), @"CONFLICT user: this is the last active administrator: make another one first");
        assert_eq!(merge(&ann, &admin).await, "");
        // Two administrators may be one.
        let second = world.admin().await;
        assert_eq!(merge(&second, &admin).await, "");
    }

    async fn a_merge_and_writes_at_once_lose_nothing(world: World) {
        let admin = world.admin().await;
        let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
        let writes = (0..12).map(|i| {
            let set = format!("mutation {{ userPreferenceSet(input: {{ key: \"k{i}\", value: {i} }}) {{ preference {{ key }} userErrors {{ code field message }} }} }}");
            let (world, ann) = (&world, &ann);
            async move { world.run(ann, &set, json!({})).await }
        });
        let merge = world.run(&admin, MERGE, json!({ "from": user_id(&ann), "into": user_id(&bob) }));
        let (written, merged) = tokio::join!(join_all(writes), merge);
        assert_eq!(merged.user_errors(), "");
        let acknowledged = written.iter().filter(|it| it.user_errors().is_empty()).count();
        let Principal::User { id, .. } = bob.principal else { panic!() };
        let kept = count(&world, "user_preferences", "user_id = $1", id).await;
        assert_eq!(kept, i64::try_from(acknowledged).unwrap());
    }

    async fn the_tokens_of_a_merged_person_speak_for_the_other_and_of_an_erased_for_nobody(world: World) {
        let admin = world.admin().await;
        let (ann, bob) = (world.person("Ann").await, world.person("Bob").await);
        let key = "mutation { tokenCreate(input: { name: \"k\", scopes: [\"read\", \"write\"] }) { secret } }";
        let made = world.run(&ann, key, json!({})).await;
        let secret = made.text("/tokenCreate/secret");
        let check = async || app::identity::authenticate(&world.services, secret).await;
        assert_eq!(check().await.unwrap().person(), ann.person());
        world.run(&admin, MERGE, json!({ "from": user_id(&ann), "into": user_id(&bob) })).await.data();
        assert_eq!(check().await.unwrap().person(), bob.person());
        world.run(&bob, ERASE, json!({ "user": user_id(&bob), "dry": false })).await.data();
        assert!(check().await.is_err());
    }
}

/// The id of the only row of a table that names person 1 or 2.
async fn persistence_row(world: &World, table: &str) -> uuid::Uuid {
    use persistence::engine::statement;
    use sea_orm::ConnectionTrait;
    let db = world.services.db.reader();
    let sql = format!("SELECT id FROM {table} WHERE user_id IN ($1, $2)");
    let values = [person(1).into(), person(2).into()];
    let rows = db
        .query_all_raw(statement(db.get_database_backend(), &sql, values))
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "{table}");
    rows[0].try_get("", "id").unwrap()
}
