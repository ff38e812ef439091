//! Full-text search: the index follows the rows.

use crate::{
    database::{Database, on_each_engine, on_sqlite},
    sample,
};

/// Contents of the rows that have all the words.
async fn found(database: &Database, table: &str, column: &str, words: &str) -> Vec<String> {
    let sql = if database.is_postgres() {
        format!(
            "SELECT \"{column}\" FROM \"{table}\" \
             WHERE search_vector @@ plainto_tsquery('english', '{words}') ORDER BY 1"
        )
    } else {
        format!(
            "SELECT t.\"{column}\" FROM \"{table}_search\" s \
             JOIN \"{table}\" t ON t.search_row = s.rowid \
             WHERE \"{table}_search\" MATCH '{words}' ORDER BY 1"
        )
    };
    database.column(&sql).await
}

#[tokio::test]
async fn words_are_found_by_their_stem_and_follow_every_change() {
    on_each_engine(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        for (table, column) in [
            ("messages", "content"),
            ("user_facts", "fact_content"),
            ("narratives", "raw_text"),
        ] {
            let id = sample::id(database.backend(), table, 1);
            let set = |text: &str| {
                format!("UPDATE \"{table}\" SET \"{column}\" = '{text}' WHERE id = {id}")
            };
            database
                .execute(&set("She was running through the gardens"))
                .await
                .unwrap();
            let text = ["She was running through the gardens"];
            assert_eq!(found(&database, table, column, "runs garden").await, text);
            assert_eq!(
                found(&database, table, column, "runs meadow").await,
                [""; 0]
            );

            database.execute(&set("Nothing of the kind")).await.unwrap();
            assert_eq!(found(&database, table, column, "garden").await, [""; 0]);
            assert_eq!(
                found(&database, table, column, "nothing").await,
                ["Nothing of the kind"]
            );
        }
        // The other text of a narrative is searched too.
        let curated = "UPDATE narratives SET curated_text = 'lighthouse keepers'";
        database.execute(curated).await.unwrap();
        assert_eq!(
            found(&database, "narratives", "raw_text", "lighthouse")
                .await
                .len(),
            2
        );
        // What goes with the person goes from the index.
        database.execute("DELETE FROM users").await.unwrap();
        for (table, column, word) in [
            ("messages", "content", "two"),
            ("narratives", "raw_text", "lighthouse"),
        ] {
            assert_eq!(found(&database, table, column, word).await, [""; 0]);
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_searches_within_one_person_and_survives_vacuum() {
    on_sqlite(async |database| {
        let database = database.migrated().await;
        sample::insert(&database).await;
        database
            .execute("UPDATE messages SET content = 'the same words'")
            .await
            .unwrap();
        let first = sample::id(database.backend(), "messages", 1);
        let person = sample::id(database.backend(), "users", 2);
        let key = person
            .trim_start_matches("x'")
            .trim_end_matches('\'')
            .to_owned();
        let query = format!("user_key : {key} AND content : word");
        assert_eq!(
            found(&database, "messages", "content", &query).await,
            ["the same words"]
        );

        // With the first row gone, VACUUM would number the second anew if it could.
        database
            .execute(&format!("DELETE FROM messages WHERE id = {first}"))
            .await
            .unwrap();
        database.execute("VACUUM").await.unwrap();
        assert_eq!(
            found(&database, "messages", "content", &query).await,
            ["the same words"]
        );
        for table in ["messages", "user_facts", "narratives"] {
            let check =
                format!("INSERT INTO {table}_search ({table}_search) VALUES ('integrity-check')");
            database.execute(&check).await.unwrap();
        }
    })
    .await;
}
