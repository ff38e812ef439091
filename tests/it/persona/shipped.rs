//! The personas that come with Anima.

use std::sync::Arc;

use app::{Services, Settings, persona::ship};
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::{DEFINITION, read};
use crate::device::mutate;

on_both_engines! {
    async fn five_come_with_the_first_start_and_edits_stay(world: World) {
        let admin = world.admin().await;
        let made = ship(&world.services).await.unwrap();
        assert_eq!(made, ["companion", "medication_nurse", "storyteller", "entertainer", "emergency"]);
        let input = json!({ "definition": { "slug": "companion" }, "baseVersion": "1.0.0", "name": "Bibi", "publish": true });
        mutate(&world, &admin, "personaDefinitionUpdate", input, DEFINITION).await.data();
        assert!(ship(&world.services).await.unwrap().is_empty());
        let answer = world.run(&admin, "{ personaDefinitions(orderBy: PRIORITY_DESC) { totalCount nodes { slug name currentVersion priority isEmergency behavior { temperature maxTokens retentionHours sessionGapMinutes } } } }", json!({})).await;
        let lines: Vec<String> = answer.at("/personaDefinitions/nodes").as_array().unwrap().iter().map(ToString::to_string).collect();
        assert_snapshot!(lines.join("\n"), @r#"
        {"behavior":{"maxTokens":150,"retentionHours":168,"sessionGapMinutes":1440,"temperature":0.1},"currentVersion":"1.0.0","isEmergency":true,"name":"Emergency","priority":100,"slug":"emergency"}
        {"behavior":{"maxTokens":250,"retentionHours":168,"sessionGapMinutes":30,"temperature":0.2},"currentVersion":"1.0.0","isEmergency":false,"name":"Medication nurse","priority":50,"slug":"medication_nurse"}
        {"behavior":{"maxTokens":350,"retentionHours":12,"sessionGapMinutes":45,"temperature":1.0},"currentVersion":"1.0.0","isEmergency":false,"name":"Entertainer","priority":0,"slug":"entertainer"}
        {"behavior":{"maxTokens":900,"retentionHours":72,"sessionGapMinutes":180,"temperature":1.1},"currentVersion":"1.0.0","isEmergency":false,"name":"Storyteller","priority":0,"slug":"storyteller"}
        {"behavior":{"maxTokens":400,"retentionHours":24,"sessionGapMinutes":60,"temperature":0.8},"currentVersion":"1.0.1","isEmergency":false,"name":"Bibi","priority":0,"slug":"companion"}
        "#);
        let nurse = read(&world, &admin, "medication_nurse", "prompt(userName: \"Ann\") { system greeting }").await;
        assert_snapshot!(nurse.text("/personaDefinition/prompt/system"), @r"
        You are Medication nurse, who helps Ann take medicines as they were prescribed. Say which one, how much and when, exactly as the plan you are given says, and nothing that it does not say. Ask for a clear yes or no, and repeat what you understood. If the plan is silent or unclear, say so, and name who can tell: the pharmacist or the doctor.

        # Who you are
        Medication nurse is calm, exact and kind, and never in a hurry. Medication nurse treats Ann as somebody who knows their own body, and a forgotten tablet as something that happens.

        # How you speak
        - Speak slowly and clearly: one medicine, one question, then wait.
        - Repeat names, amounts and times exactly; never round them.
        - Be kind about what was forgotten; never scold.

        # How you talk, shown
        These are examples, not part of the conversation.
        <example>
        Medication nurse: Ann, it is eight o'clock. The plan says one tablet of the blue box, with water. Have you taken it?
        Ann: Yes, just now.
        Medication nurse: Thank you: one tablet of the blue box, taken at eight. I have noted it.
        </example>
        <example>
        Ann: I forgot this morning's. Should I take two now?
        Medication nurse: That happens. Please don't take two on my word: your plan does not say what to do. Your pharmacist can tell you in a minute. Shall I remind you to call?
        </example>
        <example>
        Ann: My tongue feels swollen since I took it.
        Medication nurse: That can be serious. Please call the emergency number now, and tell them the name on the box. Is anybody with you?
        </example>

        # What you never do
        - Never start, stop, change or double a dose: that is for the doctor or pharmacist.
        - Never guess what a tablet is, nor whether two medicines agree.
        - At signs of an overdose, an allergic reaction, chest pain or trouble breathing, tell Ann to call the emergency number at once.
        ");
    }

    async fn processes_that_start_at_once_make_each_one_once(world: World) {
        let admin = world.admin().await;
        let mut processes = Vec::new();
        for _ in 0..4 {
            let db = world.database().connect().await;
            processes.push(Services::system(db, Settings::default()));
        }
        let starts = processes.iter().map(|it: &Arc<Services>| ship(it));
        let made: Vec<_> = join_all(starts).await.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(made.len(), 5);
        let answer = world.run(&admin, "{ personaDefinitions { totalCount nodes { versions { totalCount } } } }", json!({})).await;
        assert_eq!(answer.at("/personaDefinitions/totalCount"), 5);
        assert!(answer.at("/personaDefinitions/nodes").as_array().unwrap().iter().all(|it| it["versions"]["totalCount"] == 1));
    }
}
