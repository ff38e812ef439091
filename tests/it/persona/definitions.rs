//! Definitions: made, changed by versions, put in force, rolled back, compared.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{DEFINITION, create, read};
use crate::device::mutate;

const VERSION: &str = "version { version changeNotes }";

on_both_engines! {
    async fn a_definition_is_made_with_its_first_version_in_force(world: World) {
        let admin = world.admin().await;
        let input = json!({
            "slug": "night_watch", "name": "Night watch", "description": "Sits up with you.",
            "voice": { "speed": 0.8, "speaker": "p360", "language": "en-KE" },
            "behavior": { "toneRules": ["quiet"], "maxTokens": 100, "dialogueExamples": [{ "turns": [{ "speaker": "USER", "text": "Awake?" }] }] },
            "systemPrompt": "You are {{char}}, awake with {{user}}.", "tags": ["night", "night"], "priority": 3,
        });
        let all = "personaDefinition { slug name description currentVersion latestVersion adaptationMode \
                   voice { provider speaker language speed pitch stability similarity } \
                   behavior { toneRules maxTokens temperature retentionHours sessionGapMinutes dialogueExamples { turns { speaker text } } } \
                   systemPrompt tags priority isActive isEmergency \
                   prompt(userName: \"Ann\") { system closing greeting } \
                   versionInForce { version changeNotes createdBy { name } definition { slug } } }";
        let answer = mutate(&world, &admin, "personaDefinitionCreate", input, all).await;
        assert_snapshot!(serde_json::to_string_pretty(answer.at("/personaDefinitionCreate")).unwrap(), @r#"
        {
          "personaDefinition": {
            "adaptationMode": "INSTRUCTION_ONLY",
            "behavior": {
              "dialogueExamples": [
                {
                  "turns": [
                    {
                      "speaker": "USER",
                      "text": "Awake?"
                    }
                  ]
                }
              ],
              "maxTokens": 100,
              "retentionHours": 24,
              "sessionGapMinutes": 60,
              "temperature": 0.7,
              "toneRules": [
                "quiet"
              ]
            },
            "currentVersion": "1.0.0",
            "description": "Sits up with you.",
            "isActive": true,
            "isEmergency": false,
            "latestVersion": "1.0.0",
            "name": "Night watch",
            "priority": 3,
            "prompt": {
              "closing": null,
              "greeting": null,
              "system": "You are Night watch, awake with Ann.\n\n# How you speak\n- quiet\n\n# How you talk, shown\nThese are examples, not part of the conversation.\n<example>\nAnn: Awake?\n</example>"
            },
            "slug": "night_watch",
            "systemPrompt": "You are {{char}}, awake with {{user}}.",
            "tags": [
              "night"
            ],
            "versionInForce": {
              "changeNotes": null,
              "createdBy": {
                "name": "Admin"
              },
              "definition": {
                "slug": "night_watch"
              },
              "version": "1.0.0"
            },
            "voice": {
              "language": "en-KE",
              "pitch": 1.0,
              "provider": null,
              "similarity": 0.75,
              "speaker": "p360",
              "speed": 0.8,
              "stability": 0.5
            }
          },
          "userErrors": []
        }
        "#);
    }

    async fn every_fault_is_told_with_its_path(world: World) {
        let admin = world.admin().await;
        let input = json!({
            "slug": "../etc", "name": " ", "voice": { "speed": 2.1, "pitch": 0.4, "stability": 1.1, "similarity": -0.1 },
            "behavior": { "temperature": 2.1, "maxTokens": 4001, "retentionHours": 169, "constraints": [""] },
            "priority": 1001, "version": "one", "tags": ["x".repeat(51)],
        });
        let answer = mutate(&world, &admin, "personaDefinitionCreate", input, DEFINITION).await;
        assert_snapshot!(answer.user_errors(), @r"
        INVALID slug: slug must be 1 to 50 characters of a–z, 0–9, _ and -
        REQUIRED name: name must not be blank: give 1 to 100 characters
        OUT_OF_RANGE voice.speed: speed is 2.1: expected 0.5 to 2
        OUT_OF_RANGE voice.pitch: pitch is 0.4: expected 0.5 to 2
        OUT_OF_RANGE voice.stability: stability is 1.1: expected 0 to 1
        OUT_OF_RANGE voice.similarity: similarity is -0.1: expected 0 to 1
        REQUIRED behavior.constraints.0: 0 must not be blank: give 1 to 500 characters
        OUT_OF_RANGE behavior.temperature: temperature is 2.1: expected 0 to 2
        OUT_OF_RANGE behavior.maxTokens: maxTokens is 4001: expected 50 to 4000
        OUT_OF_RANGE behavior.retentionHours: retentionHours is 169: expected 1 to 168
        TOO_LONG tags.0: 0 has 51 characters: expected 1 to 50
        OUT_OF_RANGE priority: priority is 1001: expected 0 to 1000
        INVALID version: version must be like 1.4.2 or 2.0.0-rc.1 (semver.org), without build metadata
        ");
        for (behavior, ok) in [
            (json!({ "temperature": 0, "maxTokens": 50, "retentionHours": 1, "sessionGapMinutes": 1 }), true),
            (json!({ "temperature": 2, "maxTokens": 4000, "retentionHours": 168, "sessionGapMinutes": 10080 }), true),
            (json!({ "maxTokens": 49 }), false),
            (json!({ "retentionHours": 0 }), false),
        ] {
            let input = json!({ "slug": "edge", "name": "Edge", "behavior": behavior });
            let answer = mutate(&world, &admin, "personaDefinitionCreate", input, DEFINITION).await;
            let free = answer.user_errors();
            assert_eq!(free.is_empty() || free.contains("TAKEN"), ok, "{free}");
        }
        // A key nobody knows does not validate.
        let query = "mutation { personaDefinitionCreate(input: { slug: \"a\", name: \"A\", voice: { sped: 1 } }) { userErrors { code } } }";
        let unknown = world.run(&admin, query, json!({})).await.error();
        assert!(unknown.contains("sped"), "{unknown}");
    }

    async fn a_slug_is_taken_once_and_a_repeat_is_harmless(world: World) {
        let admin = world.admin().await;
        let input = json!({ "slug": "companion", "name": "C", "idempotencyKey": "k" });
        let first = mutate(&world, &admin, "personaDefinitionCreate", input.clone(), DEFINITION).await;
        let again = mutate(&world, &admin, "personaDefinitionCreate", input, DEFINITION).await;
        assert_eq!(first.0, again.0);
        let other = json!({ "slug": "companion", "name": "Other" });
        let taken = mutate(&world, &admin, "personaDefinitionCreate", other, DEFINITION).await;
        assert_snapshot!(taken.user_errors(), @"TAKEN slug: the slug companion is in use: choose another");
    }

    async fn an_update_is_a_new_version_that_waits_to_be_published(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, "watch", json!({ "description": "old", "voice": { "speaker": "p1" }, "behavior": { "greeting": "Hi" } })).await;
        let of = json!({ "slug": "watch" });
        let input = json!({
            "definition": of, "baseVersion": "1.0.0", "name": "Watch", "description": null, "notes": "renamed",
            "voice": { "speed": 1.5 }, "behavior": { "greeting": null, "toneRules": ["calm"] },
        });
        let selection = format!("{DEFINITION} {VERSION}");
        let answer = mutate(&world, &admin, "personaDefinitionUpdate", input, &selection).await;
        assert_snapshot!(answer.at("/personaDefinitionUpdate/personaDefinition/currentVersion"), @r#""1.0.0""#);
        assert_snapshot!(answer.at("/personaDefinitionUpdate/version"), @r#"{"changeNotes":"renamed","version":"1.0.1"}"#);
        let before = read(&world, &admin, "watch", "name description behavior { greeting }").await;
        assert_snapshot!(before.at("/personaDefinition"), @r#"{"behavior":{"greeting":"Hi"},"description":"old","name":"watch"}"#);

        let publish = json!({ "definition": of, "version": "1.0.1" });
        let answer = mutate(&world, &admin, "personaDefinitionPublish", publish, DEFINITION).await;
        assert_eq!(answer.user_errors(), "");
        let after = read(&world, &admin, "watch", "name description currentVersion voice { speed speaker } behavior { greeting toneRules }").await;
        assert_snapshot!(after.at("/personaDefinition"), @r#"{"behavior":{"greeting":null,"toneRules":["calm"]},"currentVersion":"1.0.1","description":null,"name":"Watch","voice":{"speaker":"p1","speed":1.5}}"#);

        let back = json!({ "definition": of, "version": "1.0.0" });
        let answer = mutate(&world, &admin, "personaDefinitionPublish", back, DEFINITION).await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT version: version 1.0.0 comes before the one in force, 1.0.1: roll back to it instead");

        let bumped = json!({ "definition": of, "baseVersion": "1.0.1", "bump": "MAJOR", "publish": true });
        let answer = mutate(&world, &admin, "personaDefinitionUpdate", bumped, DEFINITION).await;
        assert_eq!(answer.text("/personaDefinitionUpdate/personaDefinition/currentVersion"), "2.0.0");
        for (version, ok) in [("1.9.0", false), ("2.0.0", false), ("2.1", false), ("2.1.0+x", false), ("2.1.0-beta.1", true)] {
            let named = json!({ "definition": of, "baseVersion": "2.0.0", "version": version });
            let answer = mutate(&world, &admin, "personaDefinitionUpdate", named, DEFINITION).await;
            assert_eq!(answer.user_errors().is_empty(), ok, "{version}: {}", answer.user_errors());
        }
    }

    async fn a_stale_base_is_a_conflict(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, "watch", json!({})).await;
        let of = json!({ "slug": "watch" });
        let update = json!({ "definition": of, "baseVersion": "1.0.0", "name": "One" });
        let first = mutate(&world, &admin, "personaDefinitionUpdate", update.clone(), VERSION).await;
        assert_eq!(first.user_errors(), "");
        let stale = mutate(&world, &admin, "personaDefinitionUpdate", update, VERSION).await;
        assert_snapshot!(stale.user_errors(), @"CONFLICT baseVersion: the latest version is 1.0.1, not the one this change is based on: read it, and try again");
        let rollback = json!({ "definition": of, "baseVersion": "1.0.0", "to": "1.0.0" });
        let stale = mutate(&world, &admin, "personaDefinitionRollback", rollback, VERSION).await;
        assert!(stale.user_errors().starts_with("CONFLICT"));
        for (name, input) in [
            ("personaDefinitionUpdate", json!({ "definition": { "slug": "nobody" }, "baseVersion": "1.0.0" })),
            ("personaDefinitionUpdate", json!({ "definition": { "slug": "../../etc\u{0}" }, "baseVersion": "1.0.0" })),
            ("personaDefinitionPublish", json!({ "definition": of, "version": "9.9.9" })),
            ("personaDefinitionPublish", json!({ "definition": of, "version": "a\u{0}b" })),
            ("personaDefinitionRollback", json!({ "definition": of, "baseVersion": "1.0.1", "to": "0.0.1" })),
        ] {
            let answer = mutate(&world, &admin, name, input, VERSION).await;
            assert!(answer.user_errors().starts_with("NOT_FOUND"), "{name}: {}", answer.user_errors());
        }
    }

    async fn of_writers_that_race_one_wins(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, "watch", json!({})).await;
        let writes = (0..8).map(|n| {
            let input = json!({ "definition": { "slug": "watch" }, "baseVersion": "1.0.0", "name": format!("Writer {n}"), "publish": true });
            let (world, admin) = (&world, &admin);
            async move { mutate(world, admin, "personaDefinitionUpdate", input, VERSION).await.user_errors() }
        });
        let outcomes = join_all(writes).await;
        assert_eq!(outcomes.iter().filter(|it| it.is_empty()).count(), 1, "{outcomes:?}");
        assert!(outcomes.iter().filter(|it| !it.is_empty()).all(|it| it.starts_with("CONFLICT baseVersion")));
        let now = read(&world, &admin, "watch", "latestVersion versions { totalCount }").await;
        assert_snapshot!(now.at("/personaDefinition"), @r#"{"latestVersion":"1.0.1","versions":{"totalCount":2}}"#);
    }

    async fn a_roll_back_is_a_new_version_that_equals_the_old(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, "watch", json!({ "behavior": { "greeting": "Hello." }, "tags": ["a", "b"] })).await;
        let of = json!({ "slug": "watch" });
        let update = json!({ "definition": of, "baseVersion": "1.0.0", "behavior": { "greeting": "Hey!", "temperature": 1.5 }, "tags": ["a"], "publish": true });
        mutate(&world, &admin, "personaDefinitionUpdate", update, VERSION).await.data();
        let diff = "query($a: String!, $b: String!) { personaDefinitionDiff(definition: { slug: \"watch\" }, from: $a, to: $b) { path wasThere before isThere after } }";
        let answer = world.run(&admin, diff, json!({ "a": "1.0.0", "b": "1.0.1" })).await;
        let lines: Vec<String> = answer.at("/personaDefinitionDiff").as_array().unwrap().iter().map(Value::to_string).collect();
        assert_snapshot!(lines.join("\n"), @r#"
        {"after":"Hey!","before":"Hello.","isThere":true,"path":"/behavior/greeting","wasThere":true}
        {"after":1.5,"before":0.7,"isThere":true,"path":"/behavior/temperature","wasThere":true}
        {"after":null,"before":"b","isThere":false,"path":"/tags/1","wasThere":true}
        "#);

        let rollback = json!({ "definition": of, "baseVersion": "1.0.1", "to": "1.0.0" });
        let answer = mutate(&world, &admin, "personaDefinitionRollback", rollback, &format!("{DEFINITION} {VERSION}")).await;
        assert_snapshot!(answer.at("/personaDefinitionRollback/version"), @r#"{"changeNotes":"back to 1.0.0","version":"1.0.2"}"#);
        assert_eq!(answer.text("/personaDefinitionRollback/personaDefinition/currentVersion"), "1.0.2");
        let same = world.run(&admin, diff, json!({ "a": "1.0.0", "b": "1.0.2" })).await;
        assert_eq!(same.at("/personaDefinitionDiff"), &json!([]));
        let missing = world.run(&admin, diff, json!({ "a": "1.0.0", "b": "7.0.0" })).await;
        assert_snapshot!(missing.error(), @"NOT_FOUND: to not found");

        let versions = read(&world, &admin, "watch", "versions(first: 2) { totalCount nodes { version snapshot { behavior { greeting } } } pageInfo { hasNextPage } }").await;
        assert_snapshot!(versions.at("/personaDefinition/versions"), @r#"{"nodes":[{"snapshot":{"behavior":{"greeting":"Hello."}},"version":"1.0.2"},{"snapshot":{"behavior":{"greeting":"Hey!"}},"version":"1.0.1"}],"pageInfo":{"hasNextPage":true},"totalCount":3}"#);
    }

    async fn a_list_is_filtered_ordered_and_paged(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        for (slug, priority, tags) in [("alarm", 100, json!(["safety"])), ("bard", 5, json!(["fun", "song"])), ("clown", 7, json!(["fun"]))] {
            create(&world, &admin, slug, json!({ "priority": priority, "tags": tags })).await;
        }
        let off = "mutation { personaDefinitionDeactivate(definition: { slug: \"clown\" }) { personaDefinition { isActive } userErrors { code } } }";
        world.run(&admin, off, json!({})).await.data();
        let list = "query($filter: PersonaDefinitionFilter, $orderBy: PersonaDefinitionOrder, $first: Int, $after: String) { \
                    personaDefinitions(filter: $filter, orderBy: $orderBy, first: $first, after: $after) { totalCount nodes { slug } pageInfo { endCursor } } }";
        let mut seen = String::new();
        for (who, viewer) in [("ann", &ann), ("admin", &admin)] {
            for variables in [
                json!({}),
                json!({ "orderBy": "PRIORITY_DESC" }),
                json!({ "filter": { "tag": "fun" } }),
                json!({ "filter": { "isActive": false } }),
                json!({ "filter": { "isEmergency": true } }),
                json!({ "filter": { "search": "AR" } }),
                json!({ "filter": { "tag": "fun\"] OR 1=1 --", "search": "%" } }),
                json!({ "filter": { "adaptationMode": ["INSTRUCTION_RAG"] } }),
            ] {
                let answer = world.run(viewer, list, variables.clone()).await;
                let slugs: Vec<&str> = answer.at("/personaDefinitions/nodes").as_array().unwrap().iter().map(|it| it["slug"].as_str().unwrap()).collect();
                seen.push_str(&format!("{who} {variables}: {} of {}\n", slugs.join(" "), answer.at("/personaDefinitions/totalCount")));
            }
        }
        assert_snapshot!(seen, @r#"
        ann {}: alarm bard of 2
        ann {"orderBy":"PRIORITY_DESC"}: alarm bard of 2
        ann {"filter":{"tag":"fun"}}: bard of 1
        ann {"filter":{"isActive":false}}:  of 0
        ann {"filter":{"isEmergency":true}}: alarm of 1
        ann {"filter":{"search":"AR"}}: alarm bard of 2
        ann {"filter":{"search":"%","tag":"fun\"] OR 1=1 --"}}:  of 0
        ann {"filter":{"adaptationMode":["INSTRUCTION_RAG"]}}:  of 0
        admin {}: alarm bard clown of 3
        admin {"orderBy":"PRIORITY_DESC"}: alarm clown bard of 3
        admin {"filter":{"tag":"fun"}}: bard clown of 2
        admin {"filter":{"isActive":false}}: clown of 1
        admin {"filter":{"isEmergency":true}}: alarm of 1
        admin {"filter":{"search":"AR"}}: alarm bard of 2
        admin {"filter":{"search":"%","tag":"fun\"] OR 1=1 --"}}:  of 0
        admin {"filter":{"adaptationMode":["INSTRUCTION_RAG"]}}:  of 0
        "#);
        for order in ["NAME_ASC", "CREATED_AT_ASC", "CREATED_AT_DESC", "PRIORITY_DESC"] {
            let mut slugs = Vec::new();
            let mut after = Value::Null;
            for _ in 0..3 {
                let page = world.run(&admin, list, json!({ "orderBy": order, "first": 1, "after": after })).await;
                slugs.push(page.text("/personaDefinitions/nodes/0/slug").to_owned());
                after = page.at("/personaDefinitions/pageInfo/endCursor").clone();
            }
            let whole = world.run(&admin, list, json!({ "orderBy": order })).await;
            let whole: Vec<&str> = whole.at("/personaDefinitions/nodes").as_array().unwrap().iter().map(|it| it["slug"].as_str().unwrap()).collect();
            assert_eq!(slugs, whole, "{order}");
        }
    }

    async fn an_entity_plays_an_active_persona(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        create(&world, &admin, "bard", json!({})).await;
        let made = mutate(&world, &ann, "entityCreate", json!({ "name": "Frank" }), "entity { id }").await;
        let frank = made.text("/entityCreate/entity/id");
        let played = "entity { personaDefinition { slug } }";
        let set = |persona: Value| json!({ "id": frank, "personaDefinition": persona });
        let answer = mutate(&world, &ann, "entityUpdate", set(json!({ "slug": "bard" })), played).await;
        assert_eq!(answer.text("/entityUpdate/entity/personaDefinition/slug"), "bard");
        let off = "mutation { personaDefinitionDeactivate(definition: { slug: \"bard\" }) { userErrors { code } } }";
        world.run(&admin, off, json!({})).await.data();
        // It goes on playing it, and others cannot begin to.
        let kept = mutate(&world, &ann, "entityUpdate", json!({ "id": frank }), played).await;
        assert_eq!(kept.text("/entityUpdate/entity/personaDefinition/slug"), "bard");
        let refused = mutate(&world, &ann, "entityUpdate", set(json!({ "slug": "bard" })), played).await;
        assert_snapshot!(refused.user_errors(), @"NOT_FOUND personaDefinition: personaDefinition names nothing that you can see");
        let cleared = mutate(&world, &ann, "entityUpdate", set(Value::Null), played).await;
        assert_eq!(cleared.at("/entityUpdate/entity/personaDefinition"), &Value::Null);
    }
}
