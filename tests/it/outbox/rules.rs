//! The rules of tasks, with a clock that stands still.

use std::sync::atomic::Ordering;

use app::{
    Error, Viewer, audit,
    outbox::{
        Enqueue, Handler, drain as drain_built_in, enqueue, prune, store, task_cancel, task_retry,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::{Event, Severity},
    outbox::TaskStatus,
    values::Json,
};
use persistence::outbox::{self as rows, Depth, Waiting};
use sea_orm::ConnectionTrait;
use serde_json::json;
use testkit::{World, on_both_engines};

use super::{NOTE, ask, drain, failing, lease, note, noted, notes, stored, write_note};

/// A pause of so many seconds, ±10 %.
#[track_caller]
fn assert_about(from: DateTime<Utc>, to: DateTime<Utc>, seconds: i64) {
    let pause = to - from;
    let (least, most) = (
        TimeDelta::seconds(seconds * 9) / 10,
        TimeDelta::seconds(seconds * 11) / 10,
    );
    assert!(
        least <= pause && pause <= most,
        "{pause} is not about {seconds} s"
    );
}

/// Every open task has one attempt left.
async fn last_try(world: &World) {
    let sql = "UPDATE outbox_tasks SET attempts = max_attempts - 1 WHERE status = 'in_progress'";
    let db = world.services.db.writer();
    db.execute_unprepared(sql).await.unwrap();
}

on_both_engines! {
    async fn a_task_is_done_with_what_it_writes_once(world: World) {
        let id = ask(&world, note(1)).await;
        assert_eq!(stored(&world, id).await.status, TaskStatus::Pending);
        assert_eq!(noted(&world).await, [0_u64; 0]);
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(noted(&world).await, [1]);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts, task.lease_token, task.lease_until), (TaskStatus::Done, 0, None, None));
        assert_eq!(task.completed_at, Some(world.clock.now()));
        assert_eq!(drain(&world, [notes()]).await, 0);
        assert_eq!(noted(&world).await, [1]);
    }

    async fn a_task_is_rolled_back_with_the_write_it_belongs_to(world: World) {
        let cx = world.cx(&Viewer::system());
        let txn = cx.begin().await.unwrap();
        enqueue(&cx, &txn, note(1)).await.unwrap();
        txn.rollback().await.unwrap();
        assert_eq!(drain(&world, [notes()]).await, 0);
        assert_eq!(rows::waiting(cx.reader()).await.unwrap(), []);
    }

    async fn a_task_runs_at_its_time_and_the_oldest_first(world: World) {
        let now = world.clock.now();
        for (n, minutes) in [(1, 30), (2, 10), (3, 20)] {
            let run_after = Some(now + TimeDelta::minutes(minutes));
            ask(&world, Enqueue { run_after, ..note(n) }).await;
        }
        assert_eq!(drain(&world, [notes()]).await, 0);
        let waiting = rows::waiting(world.services.db.reader()).await.unwrap();
        assert_eq!(waiting, [Waiting { task_type: NOTE.to_owned(), run_after: now + TimeDelta::minutes(10) }]);
        world.clock.advance(TimeDelta::minutes(20));
        let (_, tasks) = lease(&world, NOTE, 1).await;
        assert_eq!(tasks[0].payload.0, json!({ "n": 2 }));
        let (_, tasks) = lease(&world, NOTE, 5).await;
        assert_eq!(tasks.iter().map(|it| &it.payload.0).collect::<Vec<_>>(), [&json!({ "n": 3 })]);
    }

    async fn open_tasks_of_one_key_are_one(world: World) {
        let key = |n| Enqueue { dedupe_key: Some("k".to_owned()), ..note(n) };
        let now = world.clock.now();
        let later = Enqueue { run_after: Some(now + TimeDelta::hours(1)), ..key(1) };
        let first = ask(&world, later.clone()).await;
        // The earlier of both times; the payload of the first.
        assert_eq!(ask(&world, key(2)).await, first);
        assert_eq!(ask(&world, later).await, first);
        assert_eq!(stored(&world, first).await.run_after, now);
        let other = ask(&world, Enqueue { dedupe_key: Some("l".to_owned()), ..note(3) }).await;
        assert_ne!(other, first);
        assert_eq!(drain(&world, [notes()]).await, 2);
        assert_eq!(noted(&world).await, [1, 3]);
        // It is open no longer.
        assert_ne!(ask(&world, key(4)).await, first);
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(noted(&world).await, [1, 3, 4]);
    }

    async fn a_task_asked_for_while_it_runs_runs_again(world: World) {
        let key = |n| Enqueue { dedupe_key: Some("k".to_owned()), ..note(n) };
        let id = ask(&world, key(1)).await;
        let (token, _) = lease(&world, NOTE, 1).await;
        // It may have read what has just changed.
        assert_eq!(ask(&world, key(2)).await, id);
        let cx = world.cx(&Viewer::system());
        assert_eq!(rows::done(cx.writer(), token, [id], cx.now()).await.unwrap(), [id]);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.completed_at, task.again_at), (TaskStatus::Pending, None, None));
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(stored(&world, id).await.status, TaskStatus::Done);

        // Also when it was given up, or its worker was lost at the last try.
        for attempt in 0..2 {
            let id = ask(&world, key(3)).await;
            let (token, tasks) = lease(&world, NOTE, 1).await;
            assert_eq!(ask(&world, key(3)).await, id);
            if attempt == 0 {
                let failed = tasks[0].clone().give_up("no", cx.now());
                assert!(rows::fail(cx.writer(), token, &failed).await.unwrap());
            } else {
                last_try(&world).await;
                world.clock.advance(TimeDelta::seconds(61));
                rows::expire(cx.writer(), cx.now()).await.unwrap();
            }
            let task = stored(&world, id).await;
            assert_eq!((task.status, task.attempts, task.completed_at), (TaskStatus::Pending, 0, None), "{attempt}");
            assert_eq!(drain(&world, [notes()]).await, 1);
        }
    }

    async fn a_failure_waits_longer_each_time_and_the_third_is_the_last(world: World) {
        let (handler, tried) = failing(NOTE, "the kettle is cold");
        let id = ask(&world, note(1)).await;
        for (attempts, seconds) in [(1, 60), (2, 120)] {
            assert_eq!(drain(&world, [handler.clone()]).await, 1);
            let task = stored(&world, id).await;
            assert_eq!((task.status, task.attempts), (TaskStatus::Pending, attempts));
            assert_eq!(task.last_error.as_deref(), Some("the kettle is cold"));
            assert_about(world.clock.now(), task.run_after, seconds);
            assert_eq!(drain(&world, [handler.clone()]).await, 0);
            world.clock.advance(TimeDelta::seconds(seconds * 11 / 10));
        }
        assert_eq!(drain(&world, [handler.clone()]).await, 1);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 3));
        assert_eq!(task.completed_at, Some(world.clock.now()));
        world.clock.advance(TimeDelta::days(30));
        assert_eq!(drain(&world, [handler]).await, 0);
        assert_eq!(tried.load(Ordering::SeqCst), 3);
        // Somebody is told.
        let events = world.events().await;
        let told: Vec<_> = events.iter().filter(|it| it.event_type == "error").collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].severity, Severity::Error);
        assert_eq!(told[0].payload.0, json!({
            "operation": "outbox", "object": id.to_string(), "taskType": NOTE, "attempts": 3,
        }));
    }

    async fn an_error_keeps_500_characters_and_a_panic_is_one(world: World) {
        let long = Handler::quick("long", 1, |_, _, _| Box::pin(async { Err(Error::Internal("é".repeat(600))) }));
        let panics = Handler::slow("panics", 1, |_, _| Box::pin(async { panic!("out of beans") }));
        let first = ask(&world, Enqueue::new("long", json!({}))).await;
        let second = ask(&world, Enqueue::new("panics", json!({}))).await;
        drain(&world, [long, panics]).await;
        assert_eq!(stored(&world, first).await.last_error, Some("é".repeat(500)));
        let panicked = stored(&world, second).await;
        assert_eq!(panicked.last_error.as_deref(), Some("the handler panicked: out of beans"));
        assert_eq!(panicked.attempts, 1);
    }

    async fn one_that_fails_takes_no_other_along(world: World) {
        let picky = Handler::quick(NOTE, 2, |cx, txn, task| Box::pin(async move {
            write_note(cx, txn, &task.payload.0).await?;
            if task.payload.0["n"] == 7 {
                return Err(Error::Internal("not seven".to_owned()));
            }
            Ok(())
        }));
        let mut ids = Vec::new();
        for n in 0..20 {
            ids.push(ask(&world, note(n)).await);
        }
        assert_eq!(drain(&world, [picky]).await, 20);
        let expected: Vec<u64> = (0..20).filter(|it| *it != 7).collect();
        assert_eq!(noted(&world).await, expected);
        for (n, id) in ids.into_iter().enumerate() {
            let status = if n == 7 { TaskStatus::Pending } else { TaskStatus::Done };
            assert_eq!(stored(&world, id).await.status, status, "{n}");
        }
    }

    async fn an_unknown_type_fails_with_that_reason(world: World) {
        let id = ask(&world, Enqueue::new("brew", json!({}))).await;
        assert_eq!(drain(&world, [notes()]).await, 1);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 1));
        assert_eq!(task.last_error.as_deref(), Some("unknown task type brew: no handler does it"));
    }

    async fn a_lease_that_ran_out_is_an_attempt(world: World) {
        let id = ask(&world, note(1)).await;
        for attempts in 1..=2 {
            let (_, tasks) = lease(&world, NOTE, 1).await;
            assert_eq!(tasks.len(), 1);
            // Nobody else gets it before.
            world.clock.advance(TimeDelta::seconds(60));
            assert_eq!(drain(&world, []).await, 0);
            assert_eq!(stored(&world, id).await.status, TaskStatus::InProgress);
            world.clock.advance(TimeDelta::milliseconds(1));
            rows::expire(world.services.db.writer(), world.clock.now()).await.unwrap();
            let task = stored(&world, id).await;
            assert_eq!((task.status, task.attempts, task.lease_token), (TaskStatus::Pending, attempts, None));
        }
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(noted(&world).await, [1]);
        assert_eq!(stored(&world, id).await.attempts, 2);

        let id = ask(&world, note(2)).await;
        for _ in 0..3 {
            assert_eq!(lease(&world, NOTE, 1).await.1.len(), 1);
            world.clock.advance(TimeDelta::seconds(61));
            rows::expire(world.services.db.writer(), world.clock.now()).await.unwrap();
        }
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 3));
        assert!(task.last_error.unwrap().starts_with("the lease ran out"));
        assert_eq!(task.completed_at, Some(world.clock.now()));
    }

    async fn an_extended_lease_does_not_run_out(world: World) {
        let id = ask(&world, note(1)).await;
        let db = world.services.db.writer();
        let (token, _) = lease(&world, NOTE, 1).await;
        world.clock.advance(TimeDelta::seconds(40));
        let until = world.clock.now() + TimeDelta::seconds(60);
        assert_eq!(rows::extend(db, &[token], until).await.unwrap(), 1);
        world.clock.advance(TimeDelta::seconds(40));
        assert_eq!(rows::expire(db, world.clock.now()).await.unwrap(), []);
        assert_eq!(rows::release(db, token, world.clock.now()).await.unwrap(), 1);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts, task.lease_until), (TaskStatus::Pending, 0, None));
        assert_eq!(rows::extend(db, &[token], until).await.unwrap(), 0);
    }

    async fn a_worker_that_lost_its_lease_writes_nothing(world: World) {
        let id = ask(&world, note(1)).await;
        let (services, clock) = (world.services.clone(), world.clock.clone());
        // While it works, its lease runs out, and another worker does the task.
        let slow = Handler::slow(NOTE, 1, move |_, task| {
            let (services, clock) = (services.clone(), clock.clone());
            Box::pin(async move {
                clock.advance(TimeDelta::seconds(61));
                let handlers = app::outbox::Handlers::of([notes()]);
                let other = app::outbox::Worker::new(&services, handlers, app::outbox::Options::default());
                assert_eq!(other.drain().await?, 1);
                let payload = task.payload.0.clone();
                store(move |cx, txn| Box::pin(async move { write_note(cx, txn, &payload).await }))
            })
        });
        assert_eq!(drain(&world, [slow]).await, 1);
        assert_eq!(noted(&world).await, [1]);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Done, 1));

        // The same by hand: neither done nor failure is written.
        let id = ask(&world, note(2)).await;
        let (lost, tasks) = lease(&world, NOTE, 1).await;
        world.clock.advance(TimeDelta::seconds(61));
        let db = world.services.db.writer();
        rows::expire(db, world.clock.now()).await.unwrap();
        let (_, again) = lease(&world, NOTE, 1).await;
        assert_eq!(again[0].id, id);
        assert_eq!(rows::done(db, lost, [id], world.clock.now()).await.unwrap(), []);
        let failed = tasks[0].clone().fail("no", world.clock.now(), 0);
        assert!(!rows::fail(db, lost, &failed).await.unwrap());
        assert_eq!(rows::release(db, lost, world.clock.now()).await.unwrap(), 0);
        assert_eq!(stored(&world, id).await, again[0]);
    }

    async fn a_failure_under_a_lost_lease_is_not_written(world: World) {
        let id = ask(&world, note(1)).await;
        let (services, clock) = (world.services.clone(), world.clock.clone());
        let slow = Handler::slow(NOTE, 1, move |_, _| {
            let (services, clock) = (services.clone(), clock.clone());
            Box::pin(async move {
                clock.advance(TimeDelta::seconds(61));
                let handlers = app::outbox::Handlers::of([notes()]);
                app::outbox::Worker::new(&services, handlers, app::outbox::Options::default()).drain().await?;
                Err(Error::Internal("too late".to_owned()))
            })
        });
        drain(&world, [slow]).await;
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Done, 1));
        assert!(task.last_error.unwrap().starts_with("the lease ran out"));
    }

    async fn what_is_cancelled_while_it_runs_writes_nothing(world: World) {
        let id = ask(&world, note(1)).await;
        let slow = Handler::slow(NOTE, 1, |cx, task| {
            Box::pin(async move {
                task_cancel(cx, task.id).await?;
                let payload = task.payload.0.clone();
                store(move |cx, txn| Box::pin(async move { write_note(cx, txn, &payload).await }))
            })
        });
        drain(&world, [slow]).await;
        assert_eq!(noted(&world).await, [0_u64; 0]);
        let task = stored(&world, id).await;
        assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 0));
        assert_eq!(task.last_error.as_deref(), Some("cancelled by an administrator"));
        // And may be wanted after all.
        task_retry(&world.cx(&Viewer::system()), id).await.unwrap();
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(noted(&world).await, [1]);
    }

    async fn a_retry_begins_anew(world: World) {
        let (handler, _) = failing(NOTE, "no");
        let id = ask(&world, note(1)).await;
        drain(&world, [handler.clone()]).await;
        let cx = world.cx(&Viewer::system());
        // One that waits for its pause is tried at once.
        task_retry(&cx, id).await.unwrap();
        assert_eq!(drain(&world, [handler.clone()]).await, 1);
        for _ in 0..2 {
            world.clock.advance(TimeDelta::hours(1));
            drain(&world, [handler.clone()]).await;
        }
        assert_eq!(stored(&world, id).await.status, TaskStatus::Failed);
        let task = task_retry(&cx, id).await.unwrap();
        assert_eq!((task.status, task.attempts, task.run_after, task.completed_at), (TaskStatus::Pending, 0, world.clock.now(), None));
        assert_eq!(drain(&world, [notes()]).await, 1);
        assert_eq!(noted(&world).await, [1]);
    }

    async fn a_retry_whose_key_is_taken_says_so(world: World) {
        let key = |n| Enqueue { dedupe_key: Some("k".to_owned()), ..note(n) };
        let id = ask(&world, key(1)).await;
        let cx = world.cx(&Viewer::system());
        task_cancel(&cx, id).await.unwrap();
        ask(&world, key(2)).await;
        let refused = task_retry(&cx, id).await.unwrap_err();
        assert!(matches!(refused, Error::Conflict { .. }), "{refused}");
    }

    async fn what_was_done_is_kept_for_a_week_and_what_failed_for_ever(world: World) {
        let cx = world.cx(&Viewer::system());
        let done = ask(&world, note(1)).await;
        drain(&world, [notes()]).await;
        let failed = ask(&world, Enqueue::new("brew", json!({}))).await;
        drain(&world, [notes()]).await;
        let waits = ask(&world, note(2)).await;
        world.clock.advance(TimeDelta::days(7));
        assert_eq!(prune(&cx).await.unwrap(), 0);
        world.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(prune(&cx).await.unwrap(), 1);
        let left = rows::tasks_by_ids(cx.reader(), &[done, failed, waits]).await.unwrap();
        assert_eq!(left.iter().map(|it| it.id).collect::<Vec<_>>(), [failed, waits]);
        world.clock.advance(TimeDelta::days(365));
        assert_eq!(prune(&cx).await.unwrap(), 0);
    }

    async fn the_depth_is_counted_by_type_and_state(world: World) {
        let begun = world.clock.now();
        ask(&world, Enqueue::new("brew", json!({}))).await;
        drain(&world, [notes()]).await;
        world.clock.advance(TimeDelta::minutes(1));
        for n in 0..3 {
            ask(&world, note(n)).await;
        }
        lease(&world, NOTE, 1).await;
        let now = world.clock.now();
        let depth = |task_type: &str, status, tasks, oldest| Depth { task_type: task_type.to_owned(), status, tasks, oldest };
        assert_eq!(rows::depth(world.services.db.reader()).await.unwrap(), [
            depth("brew", TaskStatus::Failed, 1, begun),
            depth(NOTE, TaskStatus::InProgress, 1, now),
            depth(NOTE, TaskStatus::Pending, 2, now),
        ]);
    }

    async fn an_event_may_be_logged_later(world: World) {
        let cx = world.cx(&Viewer::system());
        let ann = world.person("Ann").await;
        let occurred_at = world.clock.now() - TimeDelta::hours(2);
        let event = Event {
            user_id: ann.person(),
            severity: Severity::Warning,
            payload: Json(json!({ "n": 1 })),
            ..Event::new(cx.id(), "kettle_boiled", occurred_at)
        };
        let txn = cx.begin().await.unwrap();
        audit::log_later(&cx, &txn, event.clone()).await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(world.events().await, []);
        world.clock.advance(TimeDelta::seconds(1));
        assert_eq!(drain_built_in(&cx).await.unwrap(), 1);
        let logged = world.events().await;
        assert_eq!(logged.len(), 1);
        assert_eq!(logged[0], Event { id: logged[0].id, created_at: world.clock.now(), ..event });
    }
}
