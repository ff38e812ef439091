//! The rules of conversations: states, time, hand-offs, windows, places.

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::device::{Device, DeviceStatus, DeviceType, default_capabilities};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn place(platform: Platform) -> Place {
    Place {
        platform,
        device: None,
        guild: None,
        channel: None,
    }
}

fn begun() -> Conversation {
    let beginning = Beginning {
        id: ConversationId(Uuid::from_u128(1)),
        user: UserId(Uuid::from_u128(2)),
        entity: None,
        place: place(Platform::Web),
        persona_definition: None,
        intimacy: Intimacy::High,
        profile: ConversationProfile {
            title: None,
            metadata: json!({}),
        },
        retention: DEFAULT_RETENTION,
    };
    Conversation::begin(beginning, at(0))
}

#[test]
fn fifty_nine_minutes_continue_sixty_one_do_not() {
    let it = begun();
    let limits = SessionLimits::default();
    for (minutes, continues) in [(0, true), (59, true), (60, true), (61, false)] {
        assert_eq!(it.continues(limits, at(minutes)), continues, "{minutes}");
    }
    let paused = it.clone().pause(at(1)).unwrap();
    assert!(!paused.continues(limits, at(2)));
    // What is between two devices still goes on.
    assert!(it.hand_off(at(1)).unwrap().continues(limits, at(2)));
}

#[test]
fn a_persona_definition_sets_the_limits_within_bounds() {
    let of = |behavior| SessionLimits::of(Some(&behavior));
    let limits = of(json!({ "sessionGapMinutes": 5, "retentionHours": 168 }));
    assert_eq!(limits.gap, TimeDelta::minutes(5));
    assert_eq!(limits.retention, TimeDelta::hours(168));
    for behavior in [
        json!({}),
        json!({ "sessionGapMinutes": 0, "retentionHours": 169 }),
        json!({ "sessionGapMinutes": "5", "retentionHours": 0 }),
        json!([]),
    ] {
        assert_eq!(of(behavior), SessionLimits::default());
    }
    assert_eq!(SessionLimits::of(None), SessionLimits::default());
}

#[test]
fn once_ended_always_ended() {
    let it = begun();
    assert_eq!(it.state_at(at(24 * 60 - 1)), ConversationState::Active);
    assert_eq!(it.ended_by(at(24 * 60 - 1)), None);
    for minutes in [24 * 60, 24 * 60 + 1, 1_000_000] {
        assert_eq!(it.state_at(at(minutes)), ConversationState::Ended);
        assert_eq!(it.ended_by(at(minutes)), Some(at(24 * 60)));
    }
    // Made a row later, it ended when it did.
    let swept = it.clone().end(at(3_000)).unwrap();
    assert_eq!(swept.ended_by(at(4_000)), Some(at(24 * 60)));
    let ended = it.end(at(5)).unwrap();
    assert_eq!(ended.ended_by(at(6)), Some(at(5)));
    assert_eq!(ended.clone().end(at(7)), Err(ConversationError::Ended));
    assert_eq!(ended.clone().pause(at(7)), Err(ConversationError::Ended));
    assert_eq!(ended.clone().hand_off(at(7)), Err(ConversationError::Ended));
    assert_eq!(
        ended.resume(DEFAULT_RETENTION, at(7)),
        Err(ConversationError::Ended)
    );
}

#[test]
fn a_hand_off_waits_for_thirty_seconds() {
    let it = begun().hand_off(at(0)).unwrap();
    let after = |seconds| at(0) + TimeDelta::seconds(seconds);
    for (seconds, state) in [
        (0, ConversationState::HandedOff),
        (30, ConversationState::HandedOff),
        (31, ConversationState::Active),
    ] {
        assert_eq!(it.state_at(after(seconds)), state, "{seconds}");
    }
    let device = DeviceId(Uuid::from_u128(9));
    let arrived = it.clone().arrive(device, json!({ "a": 1 }), after(30));
    let arrived = arrived.unwrap();
    assert_eq!(
        (arrived.device_id, arrived.platform, arrived.state),
        (Some(device), Platform::Device, ConversationState::Active)
    );
    assert_eq!(arrived.id, it.id);
    assert_eq!(
        it.clone().arrive(device, json!({}), after(31)),
        Err(ConversationError::NotHandedOff)
    );
    let back = it.come_back(after(31)).unwrap();
    assert_eq!((back.device_id, back.handoff_expires_at), (None, None));
    assert_eq!(back.version, 3);
}

#[test]
fn where_a_conversation_may_go() {
    let owner = UserId(Uuid::from_u128(2));
    let device = Device {
        id: DeviceId(Uuid::from_u128(9)),
        owner_id: owner,
        name: "Bedroom".to_owned(),
        device_type: DeviceType::SmartSpeaker,
        model: None,
        status: DeviceStatus::Online,
        serial_number: None,
        ble_address: None,
        led_count: 5,
        tier: 1,
        location: None,
        zone_id: None,
        group_id: None,
        capabilities: Json(default_capabilities()),
        first_boot_complete: true,
        onboarding: Json(json!({})),
        health: None,
        last_heartbeat_at: Some(at(0)),
        active_persona_definition_id: None,
        active_conversation_id: None,
        created_at: at(0),
        updated_at: at(0),
    };
    let goes = |it: &Conversation, priority, owner, now| {
        let device = &device;
        HandoffTarget { device, priority }.check(it, owner, now)
    };
    let it = begun();
    assert_eq!(goes(&it, None, owner, at(5)), Ok(()));
    assert_eq!(goes(&it, Some(99), owner, at(5)), Ok(()));
    assert_eq!(
        goes(&it, Some(100), owner, at(5)),
        Err(HandoffError::Emergency)
    );
    assert_eq!(goes(&it, None, owner, at(6)), Err(HandoffError::Offline));
    let ben = UserId(Uuid::from_u128(3));
    assert_eq!(goes(&it, None, ben, at(5)), Err(HandoffError::AnotherOwner));
    let there = Conversation {
        device_id: Some(device.id),
        ..it.clone()
    };
    assert_eq!(
        goes(&there, None, owner, at(5)),
        Err(HandoffError::SameDevice)
    );
    for (it, error) in [
        (it.clone().pause(at(1)).unwrap(), ConversationError::Paused),
        (it.clone().end(at(1)).unwrap(), ConversationError::Ended),
        (it.hand_off(at(5)).unwrap(), ConversationError::HandedOff),
    ] {
        let refused = goes(&it, None, owner, at(5));
        assert_eq!(refused, Err(HandoffError::State(error)));
    }
}

#[test]
fn the_place_says_how_private_it_is() {
    let guild = |it| Place {
        guild: Some(GuildId(Uuid::from_u128(4))),
        ..it
    };
    for (place, own, intimacy) in [
        (guild(place(Platform::Discord)), false, Intimacy::Low),
        (guild(place(Platform::Web)), false, Intimacy::Low),
        (place(Platform::Discord), false, Intimacy::Medium),
        (place(Platform::Api), false, Intimacy::Medium),
        (place(Platform::Web), false, Intimacy::High),
        (place(Platform::Cli), false, Intimacy::High),
        (place(Platform::Device), true, Intimacy::High),
        (place(Platform::Device), false, Intimacy::Low),
    ] {
        assert_eq!(default_intimacy(&place, own), intimacy, "{place:?}");
    }
    // In order, so that what is learned at one level can be kept from the lower ones.
    assert!(Intimacy::Low < Intimacy::Medium && Intimacy::Medium < Intimacy::High);
}

fn said(n: usize, tokens: i32) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(n as u128)),
        conversation_id: ConversationId(Uuid::nil()),
        user_id: UserId(Uuid::nil()),
        entity_id: None,
        device_id: None,
        role: MessageRole::User,
        content: "four".to_owned(),
        persona_definition_id: None,
        external_id: None,
        image_urls: Json(Vec::new()),
        audio_url: None,
        duration_ms: None,
        device_state: None,
        token_count: (tokens > 0).then_some(tokens),
        response_latency_ms: None,
        sentiment: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

#[test]
fn the_window_keeps_the_newest_whole_messages() {
    let window = |sizes: &[i32], tokens| {
        let all = sizes.iter().enumerate().map(|(n, it)| said(n, *it));
        let kept = context_window(all.collect(), tokens);
        kept.iter().map(|it| it.id.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(window(&[1; 30], 1_000), (10..30).collect::<Vec<_>>());
    assert_eq!(window(&[10, 10, 10], 20), [1, 2]);
    assert_eq!(window(&[10, 10, 10], 29), [1, 2]);
    // An older one that would fit does not jump over a newer one that does not.
    assert_eq!(window(&[1, 50, 10], 20), [2]);
    assert_eq!(window(&[50], 49), [0_u128; 0]);
    // Where nobody counted, a quarter of the characters.
    assert_eq!(window(&[0, 0, 0], 2), [1, 2]);
    assert_eq!(window(&[], 100), [0_u128; 0]);
}

#[test]
fn a_friendship_grows_to_one_and_no_further() {
    assert!((strengthened(0.5) - 0.52).abs() < 1e-12);
    assert!((strengthened(0.99) - 1.0).abs() < 1e-12);
    assert!((strengthened(1.0) - 1.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn a_window_is_a_tail_that_fits(sizes in prop::collection::vec(1..200_i32, 0..40), tokens in 0..2_000_i32) {
        let all: Vec<Message> = sizes.iter().enumerate().map(|(n, it)| said(n, *it)).collect();
        let kept = context_window(all.clone(), tokens);
        prop_assert!(kept.len() <= WINDOW_MESSAGES);
        prop_assert_eq!(&kept[..], &all[all.len() - kept.len()..]);
        let total: i32 = kept.iter().filter_map(|it| it.token_count).sum();
        prop_assert!(total <= tokens);
        // One more would not fit.
        if kept.len() < WINDOW_MESSAGES && kept.len() < all.len() {
            prop_assert!(total + sizes[all.len() - kept.len() - 1] > tokens);
        }
    }

    #[test]
    fn whatever_is_done_ended_is_final_and_versions_count_up(steps in prop::collection::vec((0..6_u8, 0..600_i64), 0..40)) {
        let mut it = begun();
        let mut now = 0;
        for (step, minutes) in steps {
            now += minutes;
            let before = it.clone();
            let was_over = it.state_at(at(now)) == ConversationState::Ended;
            let next = match step {
                0 => it.clone().pause(at(now)),
                1 => it.clone().resume(DEFAULT_RETENTION, at(now)),
                2 => it.clone().hand_off(at(now)),
                3 => it.clone().arrive(DeviceId(Uuid::nil()), json!({}), at(now)),
                4 => it.clone().reset_context(at(now)),
                _ => it.clone().end(at(now)),
            };
            if let Ok(next) = next {
                prop_assert_eq!(next.version, before.version + 1);
                it = next;
            }
            if was_over {
                prop_assert_eq!(it.state_at(at(now)), ConversationState::Ended);
                prop_assert_eq!(it.ended_by(at(now)), before.ended_by(at(now)));
            }
        }
    }
}
