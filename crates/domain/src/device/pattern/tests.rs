//! The numbers of learned patterns: shares, cases, the binomial tail, windows, time zones.

use chrono::{TimeZone, Timelike};
use chrono_tz::{Europe::Berlin, Tz, UTC};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(day: u32, hour: u32, minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 9, day, hour, minute, 0).unwrap()
}

fn now() -> DateTime<Utc> {
    at(30, 12, 0)
}

fn person(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

/// What a look at these finds, in whatever order they are given.
fn found_in(zone: Tz, events: &[(&str, DateTime<Utc>, Option<UserId>)]) -> Vec<Found> {
    let mut events = events.to_vec();
    events.sort_by_key(|it| std::cmp::Reverse(it.1));
    let mut detector = Detector::new(zone, PatternWindow::Medium, now());
    for (event_type, at, user) in events {
        detector.look(Occurrence {
            event_type,
            at,
            user,
            device: None,
        });
    }
    detector.finish()
}

fn keys(found: &[Found]) -> Vec<&str> {
    found.iter().map(|it| it.key.as_str()).collect()
}

#[test]
fn the_tail_is_the_binomial_one() {
    // By hand: (10·6² + 5·6 + 1) / 7⁵ and its like.
    for (seen, cases, chance, p) in [
        (3, 5, 1.0 / 7.0, 391.0 / 16_807.0),
        (4, 5, 1.0 / 7.0, 31.0 / 16_807.0),
        (5, 5, 1.0 / 7.0, 1.0 / 16_807.0),
        (3, 6, 1.0 / 7.0, 4_897.0 / 117_649.0),
        (4, 8, 1.0 / 7.0, 103_873.0 / 5_764_801.0),
        (5, 10, 1.0 / 7.0, 2_259_313.0 / 282_475_249.0),
        (
            3,
            5,
            1.0 / 24.0,
            (10.0 * 23.0 * 23.0 + 5.0 * 23.0 + 1.0) / 7_962_624.0,
        ),
        (0, 5, 0.5, 1.0),
        (5, 5, 1.0, 1.0),
        (1, 5, 0.0, 0.0),
    ] {
        let tail = upper_tail(seen, cases, chance);
        assert!(
            (tail - p).abs() < 1e-12,
            "{seen} of {cases} at {chance}: {tail}, not {p}"
        );
    }
}

#[test]
fn an_hour_with_half_of_five_occurrences_is_a_pattern() {
    // So many at seven, so many at other hours, each on a day of its own.
    let spread = |at_seven: u32, elsewhere: u32| -> Vec<_> {
        let early = (1..=at_seven).map(|day| ("brewed", at(day, 7, day), None));
        let late = (1..=elsewhere).map(|n| ("brewed", at(n + at_seven, (8 + n) % 24, 0), None));
        early.chain(late).collect()
    };
    let hour = |seven, other| {
        let found = found_in(UTC, &spread(seven, other));
        keys(&found).contains(&"temporal:brewed:hour=7")
    };
    assert!(!hour(4, 0), "four are too few");
    assert!(hour(5, 0));
    assert!(hour(3, 2), "0.6 of five");
    assert!(hour(3, 3), "half of six");
    assert!(!hour(3, 4), "three of seven is less than half");
    assert!(!hour(2, 3), "two of five is less than half");
    let found = found_in(UTC, &spread(8, 2));
    let it = found
        .iter()
        .find(|it| it.key == "temporal:brewed:hour=7")
        .unwrap();
    assert_eq!((it.support, it.evidence.cases), (8, 10));
    assert!(
        (it.confidence - 0.8 * 0.4).abs() < 1e-12,
        "{}",
        it.confidence
    );
    assert!((it.evidence.share - 0.8).abs() < 1e-12);
    assert!((it.evidence.expected_share - 1.0 / 24.0).abs() < 1e-12);
    assert!(it.evidence.p_value < 1e-9);
    assert_eq!(
        (it.first_seen_at, it.last_seen_at),
        (at(1, 7, 1), at(8, 7, 8))
    );
    insta::assert_snapshot!(it.description, @"brewed mostly between 07:00 and 08:00 (8 of 10 times)");
}

#[test]
fn a_weekday_needs_more_than_a_fair_share() {
    // Tuesdays of September 2026: 1, 8, 15, 22, 29. Other days: each of its own weekday.
    let tuesdays = [1, 8, 15, 22, 29];
    let others = [2, 3, 4, 5, 6];
    let weekday = |on: usize, off: usize| {
        let days = tuesdays[..on].iter().chain(&others[..off]);
        let events: Vec<_> = (0..)
            .zip(days)
            .map(|(n, day)| ("mopped", at(*day, n * 2, 0), None))
            .collect();
        let found = found_in(UTC, &events);
        keys(&found).contains(&"temporal:mopped:weekday=2")
    };
    assert!(weekday(5, 0), "p = 1 / 16807");
    assert!(weekday(4, 1), "p = 0.0018");
    assert!(!weekday(3, 2), "p = 0.023");
    assert!(!weekday(3, 3), "p = 0.042");
    assert!(!weekday(4, 4), "p = 0.018");
    assert!(weekday(5, 5), "p = 0.0080");
}

#[test]
fn many_on_one_occasion_count_once() {
    // Thirty times within an hour of one day: nothing that comes again.
    let once: Vec<_> = (0..30)
        .map(|minute| ("rang", at(1, 7, minute), None))
        .collect();
    assert_eq!(keys(&found_in(UTC, &once)), Vec::<&str>::new());
    // On five days it does.
    let daily: Vec<_> = (1..=5)
        .flat_map(|day| (0..30).map(move |minute| ("rang", at(day, 7, minute), None)))
        .collect();
    let found = found_in(UTC, &daily);
    assert_eq!(keys(&found), ["temporal:rang:hour=7"]);
    assert_eq!(found[0].support, 5);
}

#[test]
fn hours_are_those_of_the_owner_across_daylight_saving() {
    // 06:30 in Berlin, on both sides of 25 October 2026, when 05:30 UTC turns into 04:30.
    let mut detector = Detector::new(
        Berlin,
        PatternWindow::Medium,
        Utc.with_ymd_and_hms(2026, 11, 1, 0, 0, 0).unwrap(),
    );
    let mut utc_hours = Vec::new();
    for day in (20..=30).rev() {
        let at = Berlin
            .with_ymd_and_hms(2026, 10, day, 6, 30, 0)
            .unwrap()
            .with_timezone(&Utc);
        utc_hours.push(at.hour());
        detector.look(Occurrence {
            event_type: "brewed",
            at,
            user: None,
            device: None,
        });
    }
    utc_hours.dedup();
    assert_eq!(utc_hours, [5, 4]);
    let found = detector.finish();
    assert_eq!(keys(&found), ["temporal:brewed:hour=6"]);
    assert_eq!((found[0].support, found[0].evidence.cases), (11, 11));
    assert_eq!(
        found[0].evidence.time_zone.as_deref(),
        Some("Europe/Berlin")
    );
    // The day begins when it begins there: 23:30 UTC is the next morning.
    let nights: Vec<_> = [1, 8, 15, 22, 29]
        .map(|day| ("mopped", at(day, 23, 30), None))
        .to_vec();
    assert!(keys(&found_in(Berlin, &nights)).contains(&"temporal:mopped:weekday=3"));
    assert!(keys(&found_in(UTC, &nights)).contains(&"temporal:mopped:weekday=2"));
}

#[test]
fn a_sequence_follows_within_ten_minutes_in_three_of_five_cases() {
    // Brewing at hours of their own, on so many days; toasting so long after, on some of them.
    let days = |cases: u32, followed: u32, after: TimeDelta| -> Vec<_> {
        (1..=cases)
            .flat_map(|day| {
                let brewed = at(day, day * 2 % 24, 0);
                let toasted = (day <= followed).then_some(("toasted", brewed + after, None));
                [("brewed", brewed, None)].into_iter().chain(toasted)
            })
            .collect()
    };
    let sequence = |cases, followed, after| {
        let found = found_in(UTC, &days(cases, followed, after));
        keys(&found).contains(&"sequence:brewed:toasted:")
    };
    let minutes = TimeDelta::minutes;
    assert!(sequence(5, 3, minutes(5)), "0.6 of five");
    assert!(!sequence(5, 2, minutes(5)), "0.4 of five");
    assert!(!sequence(4, 4, minutes(5)), "four are too few");
    assert!(!sequence(7, 4, minutes(5)), "four of seven is 0.57");
    assert!(sequence(10, 6, minutes(5)), "0.6 of ten");
    assert!(sequence(5, 5, minutes(10)), "just in time");
    assert!(
        !sequence(5, 5, minutes(10) + TimeDelta::seconds(1)),
        "too late"
    );
    let found = found_in(UTC, &days(6, 5, minutes(3)));
    let it = found
        .iter()
        .find(|it| it.kind == PatternKind::Sequence)
        .unwrap();
    assert_eq!((it.support, it.evidence.cases), (5, 6));
    assert_eq!(it.evidence.mean_delay_seconds, Some(180.0));
    assert!((it.confidence - 5.0 / 6.0 * 0.25).abs() < 1e-12);
    insta::assert_snapshot!(it.description, @"toasted within 10 minutes after brewed (5 of 6 times)");
}

#[test]
fn of_several_before_one_the_last_counts() {
    // Five times the button is pressed for each brew, on four days: four cases, not twenty.
    let presses = |days: u32| -> Vec<_> {
        (1..=days)
            .flat_map(|day| {
                let pressed = (0..5).map(move |n| ("pressed", at(day, day, n), None));
                pressed.chain([("brewed", at(day, day, 6), None)])
            })
            .collect()
    };
    let sequence = |days| {
        found_in(UTC, &presses(days))
            .into_iter()
            .find(|it| it.kind == PatternKind::Sequence)
    };
    assert_eq!(sequence(4), None);
    assert_eq!(
        sequence(5).map(|it| (it.support, it.evidence.cases)),
        Some((5, 5))
    );
    // Pairs that come right after each other are each a case.
    let rapid: Vec<_> = (0..5)
        .flat_map(|n| {
            [
                ("on", at(1, 7, n * 4), None),
                ("off", at(1, 7, n * 4 + 1), None),
            ]
        })
        .collect();
    let found = found_in(UTC, &rapid);
    let it = found
        .iter()
        .find(|it| it.key == "sequence:on:off:")
        .unwrap();
    assert_eq!((it.support, it.evidence.cases), (5, 5));
}

#[test]
fn what_comes_all_the_time_follows_nothing() {
    // A measurement every five minutes for 30 days comes after everything.
    let mut events: Vec<_> = (0..30 * 24 * 12)
        .map(|n| ("measured", now() - TimeDelta::minutes(5 * n), None))
        .collect();
    events.extend((1..=10).map(|day| ("brewed", at(day, day * 2, 2), None)));
    assert_eq!(keys(&found_in(UTC, &events)), Vec::<&str>::new());
}

#[test]
fn a_case_is_one_when_its_ten_minutes_are_over() {
    let brews: Vec<_> = (0..5)
        .flat_map(|n| {
            let brewed = now() - TimeDelta::minutes(5) - TimeDelta::hours(n * 5);
            [
                ("brewed", brewed, None),
                ("toasted", brewed + TimeDelta::minutes(2), None),
            ]
        })
        .collect();
    let found = found_in(UTC, &brews);
    assert!(
        !keys(&found).contains(&"sequence:brewed:toasted:"),
        "four and one that is not over"
    );
}

#[test]
fn a_person_stands_out_among_several() {
    let (ann, ben) = (person(1), person(2));
    let by = |anns: u32, bens: u32| {
        let anns = (1..=anns).map(|day| ("brewed", at(day, day, 0), Some(ann)));
        let bens = (1..=bens).map(|day| ("brewed", at(day, day, 30), Some(ben)));
        let found = found_in(UTC, &anns.chain(bens).collect::<Vec<_>>());
        found.into_iter().find(|it| it.kind == PatternKind::Social)
    };
    assert_eq!(by(20, 0), None, "there is nobody else");
    assert_eq!(by(7, 1), None, "p = 0.035");
    assert_eq!(by(6, 4), None);
    let it = by(9, 1).unwrap_or_else(|| by(10, 1).unwrap());
    assert_eq!(it.user, Some(ann));
    let it = by(18, 2).unwrap();
    assert_eq!(
        (it.user, it.support, it.evidence.cases),
        (Some(ann), 18, 20)
    );
    assert!((it.confidence - 0.9 * 0.9).abs() < 1e-12);
    insta::assert_snapshot!(it.description, @"brewed mostly by one of 2 persons (18 of 20 times)");
}

#[test]
fn confidence_grows_to_the_share() {
    for (share, support, expected) in [
        (1.0, 5, 0.25),
        (0.8, 10, 0.4),
        (0.6, 20, 0.6),
        (0.6, 500, 0.6),
        (1.0, 0, 0.0),
    ] {
        assert!((confidence(share, support) - expected).abs() < 1e-12);
    }
}

#[test]
fn what_people_did_with_the_system_is_passed_over() {
    let calls: Vec<_> = (1..=20)
        .map(|day| ("api_call", at(day, 7, 0), None))
        .collect();
    assert_eq!(found_in(UTC, &calls), Vec::new());
}

#[test]
fn a_pattern_seen_again_is_the_same_one() {
    let daily = |days: u32| {
        found_in(
            UTC,
            &(1..=days)
                .map(|day| ("brewed", at(day, 7, 0), None))
                .collect::<Vec<_>>(),
        )
        .remove(0)
    };
    let entity = EntityId(Uuid::from_u128(1));
    let id = LearnedPatternId(Uuid::from_u128(2));
    let learned = daily(10).learned(id, entity, PatternWindow::Medium, at(11, 0, 0));
    assert_eq!(
        learned.seen_again(daily(10), at(12, 0, 0)),
        None,
        "nothing new"
    );
    let again = learned.seen_again(daily(20), at(21, 0, 0)).unwrap();
    assert_eq!(
        (again.id, again.support, again.updated_at, again.created_at),
        (id, 20, at(21, 0, 0), at(11, 0, 0))
    );
    // What lies before the window is remembered.
    let later = Found {
        first_seen_at: at(9, 7, 0),
        ..daily(20)
    };
    assert_eq!(
        learned
            .seen_again(later, at(21, 0, 0))
            .unwrap()
            .first_seen_at,
        at(1, 7, 0)
    );
    // Twice the window after it was seen last, and no sooner, it is inactive.
    for (days, active) in [(60, true), (61, false)] {
        let then = at(10, 7, 0) + TimeDelta::days(days);
        let it = daily(10).learned(id, entity, PatternWindow::Medium, then);
        assert_eq!(it.is_active, active, "{days}");
    }
    assert_eq!(
        PatternWindow::ALL
            .iter()
            .map(|it| it.length().num_days())
            .collect::<Vec<_>>(),
        [7, 30, 365]
    );
}

proptest! {
    /// Whatever happens: shares, p-values and confidences are within their ranges, and memory
    /// is bounded.
    #[test]
    fn numbers_stay_in_range(events in prop::collection::vec((0_u8..6, 0_i64..2_000_000, 0_u128..4), 0..400)) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let events: Vec<_> = events.into_iter().map(|(n, ago, user)| {
            (names[usize::from(n)], now() - TimeDelta::seconds(ago), (user > 0).then(|| person(user)))
        }).collect();
        let found = found_in(Berlin, &events);
        prop_assert!(found.len() <= MAX_PATTERNS);
        for it in found {
            prop_assert!((MIN_SHARE..=1.0).contains(&it.evidence.share), "{it:?}");
            prop_assert!(it.evidence.p_value < MAX_P_VALUE);
            prop_assert!((0.0..=it.evidence.share).contains(&it.confidence));
            prop_assert!(it.support <= u32::try_from(it.evidence.cases).unwrap());
            prop_assert!(it.first_seen_at <= it.last_seen_at);
        }
    }

    /// More of the same makes a pattern no less sure.
    #[test]
    fn support_makes_sure(share in 0.5_f64..=1.0, support in 0_u32..100) {
        prop_assert!(confidence(share, support + 1) >= confidence(share, support));
    }

    #[test]
    fn the_tail_falls_as_more_are_seen(cases in 1_u32..200, chance in 0.0_f64..=1.0) {
        let tails: Vec<_> = (0..=cases).map(|seen| upper_tail(seen, cases, chance)).collect();
        prop_assert!(tails.windows(2).all(|it| it[0] + 1e-9 >= it[1]));
    }
}
