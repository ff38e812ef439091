use proptest::prelude::*;

use super::*;

/// A card of version 2 with every field, and some that nobody knows.
fn rich(spec: CardSpec) -> Value {
    let mut card = json!({
        "spec": spec.as_str(),
        "spec_version": spec.version(),
        "data": {
            "name": "Ada",
            "description": " {{char}} mends clocks.\r\nShe hums. ",
            "personality": "patient",
            "scenario": "a workshop above the harbour",
            "first_mes": "*looks up* Yes, {{user}}?",
            "mes_example": "<START>\n{{user}}: Is it broken?\n{{char}}: It is asleep.\n\nListen.\n<start>\nThe bell rings.\n<USER>: Who is it?\n",
            "creator_notes": format!("Best with tea. {}", "x".repeat(600)),
            "system_prompt": "{{original}} Speak as {{char}}.",
            "post_history_instructions": "Stay in the workshop.",
            "alternate_greetings": ["Mind the cat.", " "],
            "tags": ["clocks", "clocks", "slow"],
            "creator": "somebody",
            "character_version": "main",
            "extensions": { "depth_prompt": { "depth": 4, "prompt": "tick" }, "talkativeness": "0.5" },
            "character_book": { "entries": [{ "keys": ["harbour"], "content": "Fog.", "extensions": {}, "enabled": true, "insertion_order": 0 }], "extensions": {} },
            "unheard_of": [1, null, { "a": true }],
        },
    });
    if spec == CardSpec::V3 {
        let more = json!({
            "nickname": "Addie",
            "group_only_greetings": ["All of you?"],
            "assets": [{ "type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png" }],
            "creator_notes_multilingual": { "sw": "Bora na chai." },
            "source": ["https://example.org/ada"],
            "creation_date": 1_700_000_000,
            "modification_date": 1_700_000_001,
        });
        let data = card["data"].as_object_mut().unwrap();
        data.extend(more.as_object().unwrap().clone());
    }
    card
}

fn told<T: std::fmt::Debug>(result: Result<T, Invalid>) -> String {
    let Err(Invalid(errors)) = result else {
        return "none".to_owned();
    };
    let lines = errors
        .iter()
        .map(|it| format!("{} | {}", it.field.join("."), it.message));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_card_becomes_a_persona() {
    let persona = read(&rich(CardSpec::V3), "card").unwrap();
    assert_eq!(persona.name, "Ada");
    assert_eq!(persona.description.as_ref().unwrap().chars().count(), 500);
    assert_eq!(
        persona.system_prompt.as_deref(),
        Some("{{original}} Speak as {{char}}.")
    );
    assert_eq!(persona.tags, ["clocks", "slow"]);
    let behavior = &persona.behavior;
    assert_eq!(behavior.nickname.as_deref(), Some("Addie"));
    assert_eq!(
        behavior.character.as_deref(),
        Some("{{char}} mends clocks.\r\nShe hums.")
    );
    assert_eq!(
        behavior.greeting.as_deref(),
        Some("*looks up* Yes, {{user}}?")
    );
    assert_eq!(behavior.alternate_greetings, ["Mind the cat."]);
    assert_eq!(
        behavior.closing_instructions.as_deref(),
        Some("Stay in the workshop.")
    );
    let said: Vec<Vec<(&str, &str)>> = behavior
        .dialogue_examples
        .iter()
        .map(|it| {
            it.turns
                .iter()
                .map(|it| (it.speaker.as_str(), it.text.as_str()))
                .collect()
        })
        .collect();
    assert_eq!(
        said,
        [
            vec![
                ("user", "Is it broken?"),
                ("character", "It is asleep.\n\nListen.")
            ],
            vec![("character", "The bell rings."), ("user", "Who is it?")],
        ]
    );
    assert_eq!(persona.priority, 0);
}

#[test]
fn nothing_is_lost_from_import_to_export() {
    for spec in CardSpec::ALL {
        let card = rich(*spec);
        let persona = read(&card, "card").unwrap();
        assert_eq!(write(&persona, *spec, "1.0.0"), card);
        // Through the store as well.
        let stored = PersonaSnapshot::from_json(persona.to_json(), "x").unwrap();
        assert_eq!(write(&stored, *spec, "1.0.0"), card);
        // And through the other version of the format and back.
        for other in CardSpec::ALL {
            let there = write(&persona, *other, "1.0.0");
            assert_eq!(there["spec"], other.as_str());
            let back = write(&read(&there, "card").unwrap(), *spec, "1.0.0");
            for (key, it) in card["data"].as_object().unwrap() {
                assert_eq!(&back["data"][key], it, "{key}");
            }
        }
    }
}

#[test]
fn what_was_edited_is_what_is_exported() {
    let mut persona = read(&rich(CardSpec::V2), "card").unwrap();
    persona.description = Some("Short.".to_owned());
    persona.behavior.dialogue_examples.truncate(1);
    persona.behavior.character = None;
    persona.behavior.constraints = vec!["never be late".to_owned()];
    persona.voice.speed = 0.8;
    let card = write(&persona, CardSpec::V2, "1.0.1");
    let data = &card["data"];
    assert_eq!(data["creator_notes"], "Short.");
    assert_eq!(data["description"], "");
    assert_eq!(
        data["mes_example"],
        "<START>\n{{user}}: Is it broken?\n{{char}}: It is asleep.\n\nListen."
    );
    assert_eq!(data["extensions"]["talkativeness"], "0.5");
    assert_eq!(data["character_book"]["entries"][0]["content"], "Fog.");
    // And read again it is the persona it was.
    let again = read(&card, "card").unwrap();
    assert_eq!(
        (again.voice, again.behavior),
        (persona.voice, persona.behavior)
    );
}

#[test]
fn a_persona_of_ours_goes_through_a_card_unharmed() {
    for mut shipped in crate::persona::shipped::all().unwrap() {
        // What a card cannot say, on purpose.
        shipped.snapshot.priority = 0;
        for spec in CardSpec::ALL {
            let card = write(&shipped.snapshot, *spec, "1.0.0");
            let again = read(&card, "card").unwrap();
            let bare = PersonaSnapshot {
                extensions: Map::new(),
                ..again
            };
            assert_eq!(bare, shipped.snapshot, "{}", shipped.slug);
        }
    }
}

#[test]
fn the_bare_form_and_copies_at_the_top_are_read() {
    let bare = json!({
        "name": "Ada", "description": "mends clocks", "personality": "", "scenario": "",
        "first_mes": "Yes?", "mes_example": "", "fav": true,
    });
    assert!(is_card(&bare));
    let persona = read(&bare, "card").unwrap();
    assert_eq!(persona.behavior.character.as_deref(), Some("mends clocks"));
    assert_eq!(write(&persona, CardSpec::V2, "1.0.0")["data"]["fav"], true);

    let mut copied = rich(CardSpec::V2);
    copied["name"] = json!("Ada");
    copied["create_date"] = json!("2024-1-1");
    let mut persona = read(&copied, "card").unwrap();
    assert_eq!(write(&persona, CardSpec::V2, "1.0.0"), copied);
    persona.name = "Grace".to_owned();
    let card = write(&persona, CardSpec::V2, "1.0.0");
    assert_eq!(
        (&card["name"], &card["create_date"]),
        (&json!("Grace"), &json!("2024-1-1"))
    );
}

#[test]
fn what_is_no_card_is_refused_with_the_reason() {
    let with = |key: &str, it: Value| {
        let mut card = rich(CardSpec::V3);
        card["data"][key] = it;
        card
    };
    let faults = [
        json!(7),
        json!({ "spec": "chara_card_v9", "data": {} }),
        json!({ "spec": "chara_card_v2" }),
        json!({ "spec": "chara_card_v2", "data": [] }),
        json!({ "spec": "chara_card_v2", "data": {} }),
        with("first_mes", json!(["no"])),
        with("tags", json!("clocks")),
        with("extensions", json!([])),
        with("extensions", json!({ "anima": { "priority": 100 } })),
        with(
            "extensions",
            json!({ "anima": { "behavior": { "temperature": 3 } } }),
        ),
        with("scenario", json!("a\0b")),
        with("description", json!("x".repeat(64_001))),
        with("character_book", json!("x".repeat(600_000))),
    ]
    .map(|it| told(read(&it, "card")));
    insta::assert_snapshot!(faults.join("\n"), @r"
    card | a character card is a JSON object
    card.spec | spec must be chara_card_v2 or chara_card_v3
    card.data | data is missing: the character is in it
    card.data | data must be an object
    card.data.name | name must not be blank: give 1 to 100 characters
    card.data.first_mes | first_mes must be a text
    card.data.tags | tags must be a list of texts
    card.data.extensions | extensions must be an object
    card.data.extensions.anima.priority | card.data.extensions.anima.priority: unknown field `priority`, expected one of `adaptationMode`, `voice`, `behavior`
    card.data.behavior.temperature | temperature is 3: expected 0 to 2
    card | card contains a NUL character or is nested deeper than 32
    card.data.behavior.character | character has 64001 characters: expected 1 to 64000
    card | card takes 601632 bytes as JSON: expected at most 524288
    ");
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[^\\x00]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// Texts that look like what cards have in them.
fn card_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<START>".to_owned()),
        Just("{{user}}: ".to_owned()),
        Just("{{Char}}:".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("  ".to_owned()),
        "[^\\x00]{0,12}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|it| it.concat())
}

proptest! {
    /// Whatever a card says comes back as it was.
    #[test]
    fn any_card_comes_back_as_it_was(
        texts in prop::collection::vec(card_text(), 8),
        lists in prop::collection::vec(prop::collection::vec(card_text(), 0..5), 2),
        extra in prop::collection::hash_map("x_[a-z]{1,8}", json_value(), 0..4),
        extensions in prop::collection::hash_map("x_[a-z]{1,8}", json_value(), 0..3),
        v3: bool,
    ) {
        let spec = if v3 { CardSpec::V3 } else { CardSpec::V2 };
        let mut data: Map<String, Value> = extra.into_iter().collect();
        let keys = ["description", "personality", "scenario", "first_mes", "mes_example", "creator_notes", "system_prompt", "post_history_instructions"];
        for (key, it) in keys.iter().zip(texts) {
            data.insert((*key).to_owned(), it.into());
        }
        for (key, it) in ["tags", "alternate_greetings"].iter().zip(lists) {
            data.insert((*key).to_owned(), it.into());
        }
        let fixed = json!({ "name": "Ada", "creator": "me", "character_version": "7", "group_only_greetings": [] });
        data.extend(fixed.as_object().unwrap().clone());
        data.insert("extensions".to_owned(), Value::Object(extensions.into_iter().collect()));
        let card = json!({ "spec": spec.as_str(), "spec_version": spec.version(), "data": data });
        let persona = read(&card, "card").unwrap();
        prop_assert_eq!(write(&persona, spec, "1.0.0"), card);
    }

    /// No document panics, and what is taken can be written and taken again.
    #[test]
    fn no_document_panics(mut data in json_value(), card in json_value()) {
        if let Value::Object(data) = &mut data {
            data.insert("name".to_owned(), "Ada".into());
        }
        for card in [json!({ "spec": "chara_card_v3", "data": data }), card] {
            if let Ok(persona) = read(&card, "card") {
                let written = write(&persona, CardSpec::V3, "1.0.0");
                prop_assert!(read(&written, "card").is_ok());
            }
        }
    }
}
