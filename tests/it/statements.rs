//! How many statements a query costs: one for each level, however many siblings there are and
//! however many requests run at once.

use std::sync::Arc;

use app::Viewer;
use futures_util::future::join_all;
use serde_json::json;
use testkit::{Database, Engine, Statements, World, database::postgres_url};

use crate::device::{lamp, mutate, person};

/// Ten owners, each with a lamp and an entity cast onto it, and one owner with ten.
async fn homes(world: &World) -> Viewer {
    let one = world.person("Owner of ten").await;
    for n in 0..10 {
        let owner = world.person(&format!("Owner {n}")).await;
        for viewer in [&owner, &one] {
            let device = lamp(world, viewer, &format!("Lamp {n}")).await;
            let entity = world.entity(person(viewer), &format!("Entity {n}")).await;
            let cast = json!({ "entityId": entity, "target": { "deviceId": device } });
            let answer = mutate(world, viewer, "entityCast", cast, "entity { id }").await;
            assert_eq!(answer.at("/entityCast/userErrors"), &json!([]));
        }
    }
    one
}

/// What each request sent, when so many run at once on several threads.
async fn sent(
    world: &Arc<World>,
    statements: &Statements,
    viewer: &Viewer,
    query: &'static str,
    requests: usize,
) -> Vec<String> {
    statements.take();
    let running = (0..requests).map(|_| {
        let world = Arc::clone(world);
        let viewer = viewer.clone();
        // As in a server: each request is a task of its own.
        tokio::spawn(async move { world.run(&viewer, query, json!({})).await.data().clone() })
    });
    let answers = join_all(running).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|it| it.as_ref().unwrap() == first));
    statements.take()
}

async fn one_statement_for_each_level(engine: Engine) {
    let (world, statements) = World::watched(engine).await;
    let world = Arc::new(world);
    let one = homes(&world).await;
    let admin = world.admin().await;
    let id = person(&one);
    let of_ten: &'static str = format!(
        "{{ user(id: \"{id}\") {{ devices(first: 10) {{ nodes {{ name entity {{ name owner {{ name }} }} }} }} }} }}"
    )
    .leak();
    for (query, levels) in [
        // Owner, devices, entities; the owner again is known already.
        (of_ten, 3),
        // Devices, entities, owners of both together, devices of each owner.
        (
            "{ devices(first: 20) { nodes { name entity { name owner { name devices(first: 3) { nodes { name } } } } } } }",
            4,
        ),
        // The lengths of the lists are one more, and only when they are asked for.
        (
            "{ devices(first: 20) { nodes { name owner { name devices(first: 3) { totalCount nodes { name } } } } } }",
            4,
        ),
        ("{ devices(first: 20) { totalCount } }", 2),
        ("{ devices(first: 20) { nodes { name } } }", 1),
    ] {
        for requests in [1, 16] {
            for _ in 0..8 {
                let sent = sent(&world, &statements, &admin, query, requests).await;
                assert_eq!(
                    sent.len(),
                    levels * requests,
                    "{requests} × {query}:\n{}",
                    sent.join("\n")
                );
                // Constant text: prepared once, whatever the number of siblings.
                let mut distinct = sent;
                distinct.sort();
                distinct.dedup();
                assert!(distinct.len() <= levels, "{}", distinct.join("\n"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_statement_for_each_level_sqlite() {
    one_statement_for_each_level(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_statement_for_each_level_postgres() {
    if postgres_url().is_some() {
        one_statement_for_each_level(Engine::Postgres).await;
    }
}

/// The relations of a level share a connection that is given back between levels: a pool of
/// one serves any number of requests at once, and what is given up midway keeps nothing.
async fn one_connection_is_enough(engine: Engine) {
    let mut database = Database::new(engine).await;
    database.options.connections = 1;
    database.options.acquire_timeout = std::time::Duration::from_mins(1);
    let db = database.connect().await;
    let world = Arc::new(World::over(database, db));
    let one = homes(&world).await;
    let query: &'static str = format!(
        "{{ user(id: \"{}\") {{ entities {{ totalCount nodes {{ dna {{ generation }} origin {{ originStory }} \
         device {{ name zone {{ name }} owner {{ name }} }} }} }} }} }}",
        person(&one)
    )
    .leak();
    for _ in 0..4 {
        let running = (0..16).map(|n| {
            let world = Arc::clone(&world);
            let viewer = one.clone();
            let given_up =
                std::time::Duration::from_micros(if n % 2 == 0 { 700 } else { 60_000_000 });
            tokio::spawn(async move {
                let run = world.run(&viewer, query, json!({}));
                let answer = tokio::time::timeout(given_up, run).await.ok()?;
                Some(answer.at("/user/entities/totalCount").clone())
            })
        });
        for (n, answer) in join_all(running).await.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert!(n % 2 == 0 || answer.is_some(), "not served in a minute");
            assert!(answer.is_none_or(|it| it == 10));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_connection_is_enough_sqlite() {
    one_connection_is_enough(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_connection_is_enough_postgres() {
    if postgres_url().is_some() {
        one_connection_is_enough(Engine::Postgres).await;
    }
}
