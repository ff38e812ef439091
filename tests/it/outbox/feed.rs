//! The change feed between processes, each with its own services, on one PostgreSQL.

use std::{sync::Arc, time::Duration};

use app::{Change, Services, Settings, Viewer, audit, feed::relay, outbox::enqueue};
use persistence::engine::Listener;
use sea_orm::ConnectionTrait;
use testkit::{Engine, World, database::postgres_url};
use tokio::{sync::broadcast::Receiver, time::timeout};
use tokio_util::sync::CancellationToken;

use super::note;

/// Two processes, as far as the feed can tell.
pub async fn two() -> Option<(World, Arc<Services>)> {
    postgres_url()?;
    let world = World::new(Engine::Postgres).await;
    let other = Services::system(world.database().connect().await, Settings::default());
    for services in [&world.services, &other] {
        tokio::spawn(relay(Arc::clone(services), CancellationToken::new()));
    }
    listening(&world, 2).await;
    Some((world, other))
}

/// Until so many listen.
async fn listening(world: &World, expected: i64) {
    let sql = format!(
        "SELECT COUNT(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = '{}' AND state = 'idle' AND query LIKE 'LISTEN%'",
        Listener::APPLICATION_NAME
    );
    for _ in 0..200 {
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql.as_str());
        let row = world
            .services
            .db
            .reader()
            .query_one_raw(statement)
            .await
            .unwrap()
            .unwrap();
        if row.try_get::<i64>("", "n").unwrap() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("they do not listen");
}

async fn log(services: &Arc<Services>, event_type: &str) {
    let cx = services.system_cx();
    let txn = cx.begin().await.unwrap();
    audit::log(&cx, &txn, audit::event(&cx, event_type))
        .await
        .unwrap();
    txn.commit().await.unwrap();
}

/// The next change, as a word.
async fn next(feed: &mut Receiver<Change>) -> String {
    match timeout(Duration::from_secs(5), feed.recv()).await {
        Ok(Ok(Change::EventLogged(it))) if it.row.is_some() => format!("{} at home", it.event_type),
        Ok(Ok(Change::EventLogged(it))) => format!("{} elsewhere", it.event_type),
        Ok(Ok(other)) => format!("{other:?}"),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "nothing".to_owned(),
    }
}

#[tokio::test]
async fn what_one_process_logs_the_other_hears_once() {
    let Some((world, other)) = two().await else {
        return;
    };
    let (mut here, mut there) = (world.services.bus.subscribe(), other.bus.subscribe());
    log(&world.services, "first").await;
    assert_eq!(next(&mut here).await, "first at home");
    assert_eq!(next(&mut there).await, "first elsewhere");
    log(&other, "second").await;
    assert_eq!(next(&mut there).await, "second at home");
    // A process does not hear itself: the next that it hears is the other's.
    assert_eq!(next(&mut here).await, "second elsewhere");
    for letter in 'a'..='z' {
        log(&world.services, &format!("many_{letter}")).await;
    }
    for letter in 'a'..='z' {
        assert_eq!(next(&mut there).await, format!("many_{letter} elsewhere"));
    }
    assert!(there.try_recv().is_err());
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let Some((world, other)) = two().await else {
        return;
    };
    let mut there = other.bus.subscribe();
    let cx = world.cx(&Viewer::system());
    let txn = cx.begin().await.unwrap();
    audit::log(&cx, &txn, audit::event(&cx, "undone"))
        .await
        .unwrap();
    txn.rollback().await.unwrap();
    log(&world.services, "done").await;
    assert_eq!(next(&mut there).await, "done elsewhere");
}

#[tokio::test]
async fn work_asked_for_here_wakes_the_worker_there() {
    let Some((world, other)) = two().await else {
        return;
    };
    let cx = world.cx(&Viewer::system());
    let txn = cx.begin().await.unwrap();
    enqueue(&cx, &txn, note(1)).await.unwrap();
    txn.commit().await.unwrap();
    timeout(Duration::from_secs(3), other.bus.work())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_revoked_token_is_forgotten_everywhere() {
    let Some((world, other)) = two().await else {
        return;
    };
    let ann = world.person("Ann").await;
    let create = "mutation { tokenCreate(input: { name: \"k\", scopes: [\"read\"] }) { token { id } secret } }";
    let made = world.run(&ann, create, serde_json::json!({})).await;
    let secret = made.text("/tokenCreate/secret").to_owned();
    // The other process believes it from now on.
    app::identity::authenticate(&other, &secret).await.unwrap();
    let mut there = other.bus.subscribe();
    let revoke = "mutation($id: ID!) { tokenRevoke(token: $id) { userErrors { message } } }";
    let id = made.text("/tokenCreate/token/id");
    world
        .run(&ann, revoke, serde_json::json!({ "id": id }))
        .await
        .data();
    while !next(&mut there).await.contains(id) {}
    assert!(app::identity::authenticate(&other, &secret).await.is_err());
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() {
    let Some((world, other)) = two().await else {
        return;
    };
    let mut there = other.bus.subscribe();
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = '{}'",
        Listener::APPLICATION_NAME
    );
    let db = world.services.db.writer();
    db.execute_unprepared(&cut).await.unwrap();
    assert_eq!(next(&mut there).await, "Missed");
    listening(&world, 2).await;
    log(&world.services, "after").await;
    assert_eq!(next(&mut there).await, "after elsewhere");
}
