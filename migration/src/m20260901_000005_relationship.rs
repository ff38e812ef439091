//! Tables of the context `relationship`: mood, opinions, bonds and learned style.

use crate::schema::{
    Context, Table, between, count, document, double, entity, guild, json, log, one_of, reference,
    score, table, text, time, user, version,
};

pub fn context() -> Context {
    Context {
        name: "relationship",
        tables: vec![
            entity_states(),
            mood_history(),
            entity_opinions(),
            user_relationships(),
            relationship_events(),
            user_communication_styles(),
        ],
        views: Vec::new(),
    }
}

fn entity_states() -> Table {
    table(
        "entity_states",
        [
            entity(),
            guild(),
            between("mood_valence", -1.0, 1.0).default("0"),
            between("mood_arousal", -1.0, 1.0).default("0"),
            time("mood_updated_at"),
            count("total_messages_sent"),
            count("total_facts_learned"),
            count("total_users_known"),
            time("first_activated_at"),
            document("preferences"),
        ],
    )
    .unique_with_optional(&["entity_id"], "guild_id")
}

fn mood_history() -> Table {
    log(
        "mood_history",
        [
            entity(),
            guild(),
            between("valence", -1.0, 1.0),
            between("arousal", -1.0, 1.0),
            text("label"),
            one_of("trigger_type", &["conversation", "time_decay", "event"]),
            reference("trigger_user_id", "users").set_null(),
            text("trigger_description").optional(),
            time("recorded_at"),
        ],
    )
    .index(&["entity_id", "recorded_at desc"])
}

fn entity_opinions() -> Table {
    table(
        "entity_opinions",
        [
            entity(),
            guild(),
            text("topic").length(1, 255).lower_case(),
            between("sentiment", -1.0, 1.0),
            score("interest_level"),
            count("discussion_count"),
            text("reasoning").optional(),
            time("formed_at"),
            time("last_reinforced_at"),
        ],
    )
    .unique_with_optional(&["entity_id", "topic"], "guild_id")
}

fn user_relationships() -> Table {
    table(
        "user_relationships",
        [
            entity(),
            user(),
            guild(),
            between("relationship_score", 0.0, 100.0).default("0"),
            count("total_interactions"),
            count("positive_interactions"),
            count("negative_interactions"),
            double("avg_message_length").at_least(0.0).default("0"),
            double("conversation_depth_avg").at_least(0.0).default("0"),
            json("shared_references").default("'[]'"),
            time("first_interaction_at"),
            time("last_interaction_at"),
            version("version"),
        ],
    )
    .unique_with_optional(&["entity_id", "user_id"], "guild_id")
}

fn relationship_events() -> Table {
    log(
        "relationship_events",
        [
            reference("relationship_id", "user_relationships"),
            user(),
            double("delta"),
            between("score_after", 0.0, 100.0),
            text("reason"),
            reference("message_id", "messages").set_null(),
            time("occurred_at"),
        ],
    )
    .index(&["relationship_id", "occurred_at", "id"])
}

fn user_communication_styles() -> Table {
    table(
        "user_communication_styles",
        [
            user().unique(),
            one_of("preferred_length", &["short", "medium", "long"]).default("'medium'"),
            score("preferred_formality").default("0.5"),
            score("emoji_affinity").default("0.5"),
            score("humor_affinity").default("0.5"),
            score("detail_preference").default("0.5"),
            document("engagement_signals"),
            count("samples_collected"),
            score("confidence").default("0"),
        ],
    )
}
