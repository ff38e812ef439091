//! How long entries of the log are kept.

use app::Viewer;
use chrono::TimeDelta;
use domain::audit::{Event, EventId, Severity};
use persistence::audit::events;
use testkit::{World, on_both_engines};
use uuid::Uuid;

async fn log(world: &World, first: u128, count: u128, severity: Severity, age: TimeDelta) {
    let at = world.clock.now() - age;
    let all: Vec<Event> = (first..first + count)
        .map(|n| Event {
            severity,
            ..Event::new(EventId(Uuid::from_u128(n)), "brewed", at)
        })
        .collect();
    events::Entity::add_all(world.services.db.writer(), &all)
        .await
        .unwrap();
}

on_both_engines! {
    async fn the_old_goes_but_for_the_critical(world: World) {
        let cx = world.cx(&Viewer::system());
        let day = TimeDelta::days(1);
        for (n, severity) in (0..).zip(Severity::ALL) {
            log(&world, n * 100, 1, *severity, day * 90 + TimeDelta::microseconds(1)).await;
            log(&world, n * 100 + 1, 1, *severity, day * 90).await;
            log(&world, n * 100 + 2, 1, *severity, day).await;
        }
        assert_eq!(app::audit::prune(&cx).await.unwrap(), 4);
        assert_eq!(world.events().await.len(), 11);
        assert_eq!(app::audit::prune(&cx).await.unwrap(), 0);
        world.clock.advance(TimeDelta::days(4_000));
        assert_eq!(app::audit::prune(&cx).await.unwrap(), 8);
        assert!(world.events().await.iter().all(|it| it.severity == Severity::Critical));
    }

    async fn much_goes_in_batches_and_by_two_at_once(world: World) {
        let cx = world.cx(&Viewer::system());
        log(&world, 1, 5_000, Severity::Info, TimeDelta::days(91)).await;
        log(&world, 10_000, 3, Severity::Critical, TimeDelta::days(91)).await;
        let (a, b) = tokio::join!(app::audit::prune(&cx), app::audit::prune(&cx));
        assert_eq!(a.unwrap() + b.unwrap() + app::audit::prune(&cx).await.unwrap(), 5_000);
        assert_eq!(world.events().await.len(), 3);
    }
}
