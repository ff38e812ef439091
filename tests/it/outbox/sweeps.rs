//! Sweeps: what is done now and then.

use std::time::Duration;

use app::{Viewer, identity::tokens_prune, sweep};
use chrono::TimeDelta;
use domain::identity::AccessTokenId;
use persistence::identity::token_by_id;
use serde_json::json;
use testkit::on_both_engines;
use tokio_util::sync::CancellationToken;

use super::{ask, drain, note, notes, stored};

on_both_engines! {
    async fn every_sweep_runs_on_an_empty_database_and_twice(world: World) {
        let cx = world.cx(&Viewer::system());
        for _ in 0..2 {
            for it in sweep::SWEEPS {
                assert_eq!((it.run)(&cx).await.unwrap(), 0, "{}", it.name);
            }
        }
        let mut names: Vec<&str> = sweep::SWEEPS.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), sweep::SWEEPS.len());
    }

    async fn the_sweeps_run_until_they_are_stopped(world: World) {
        let done = ask(&world, note(1)).await;
        drain(&world, [notes()]).await;
        assert_eq!(stored(&world, done).await.id, done);
        world.clock.advance(TimeDelta::days(8));
        let closing = CancellationToken::new();
        let sweeps = tokio::spawn(sweep::run(world.cx(&Viewer::system()), closing.clone()));
        let db = world.services.db.reader();
        for _ in 0..200 {
            if persistence::outbox::tasks_by_ids(db, &[done]).await.unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(persistence::outbox::tasks_by_ids(db, &[done]).await.unwrap().is_empty());
        closing.cancel();
        sweeps.await.unwrap();
    }

    async fn tokens_that_ended_long_ago_are_forgotten(world: World) {
        let ann = world.person("Ann").await;
        let create = "mutation($name: String!, $expires: DateTime) { tokenCreate(input: { name: $name, \
                      scopes: [\"read\"], expiresAt: $expires }) { token { id } userErrors { message } } }";
        let now = world.clock.now();
        let mut ids: Vec<AccessTokenId> = Vec::new();
        for (name, expires) in [
            ("for ever", None),
            ("a day", Some(now + TimeDelta::days(1))),
            ("two days", Some(now + TimeDelta::days(2))),
            ("revoked", None),
        ] {
            let answer = world.run(&ann, create, json!({ "name": name, "expires": expires })).await;
            ids.push(answer.text("/tokenCreate/token/id").parse().unwrap());
        }
        let revoke = "mutation($id: ID!) { tokenRevoke(token: $id) { userErrors { message } } }";
        world.run(&ann, revoke, json!({ "id": ids[3] })).await.data();
        let cx = world.cx(&Viewer::system());
        world.clock.advance(TimeDelta::days(30));
        assert_eq!(tokens_prune(&cx).await.unwrap(), 0);
        world.clock.advance(TimeDelta::hours(36));
        assert_eq!(tokens_prune(&cx).await.unwrap(), 2);
        let mut left = Vec::new();
        for id in ids {
            left.push(token_by_id(cx.reader(), id).await.unwrap().is_some());
        }
        assert_eq!(left, [true, false, true, false]);
    }
}
