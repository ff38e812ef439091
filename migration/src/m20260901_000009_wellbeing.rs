//! Tables of the context `wellbeing`: how a person usually sounds, what departs from it, the risk
//! that is read from it, and the interface that follows.

use crate::schema::{
    Context, Table, array, boolean, count, double, json, log, one_of, reference, score, table,
    text, time, user, version,
};

const LEVELS: &[&str] = &["low", "medium", "high"];

pub fn context() -> Context {
    Context {
        name: "wellbeing",
        tables: vec![
            user_baselines(),
            session_deviations(),
            dissonance_records(),
            risk_assessments(),
            risk_escalations(),
            user_interfaces(),
            interface_evolution_log(),
        ],
        views: Vec::new(),
    }
}

fn user_baselines() -> Table {
    table(
        "user_baselines",
        [
            user(),
            one_of(
                "baseline_type",
                &["voice", "emotion", "pitch", "energy", "rate", "pause"],
            ),
            json("baseline_value"),
            count("session_count"),
            time("established_at").optional(),
        ],
    )
    .unique(&["user_id", "baseline_type"])
}

fn session_deviations() -> Table {
    log(
        "session_deviations",
        [
            user(),
            reference("conversation_id", "conversations"),
            text("deviation_type"),
            json("baseline_value").optional(),
            json("current_value").optional(),
            double("deviation_score").at_least(0.0),
            one_of("severity", LEVELS),
            time("detected_at"),
        ],
    )
    .index(&["user_id", "detected_at desc"])
    .index(&["deviation_score"])
}

fn dissonance_records() -> Table {
    log(
        "dissonance_records",
        [
            user(),
            reference("conversation_id", "conversations"),
            // Encrypted, and only with consent.
            text("transcript").optional(),
            text("stated_emotion").optional(),
            text("actual_emotion").optional(),
            score("dissonance_score"),
            one_of("level", LEVELS),
            text("interpretation"),
            one_of(
                "risk_level",
                &["low", "medium", "high", "critical", "unknown"],
            ),
            score("confidence"),
            time("detected_at"),
        ],
    )
    .index(&["user_id", "detected_at desc"])
    .index(&["dissonance_score"])
    .index(&["risk_level"])
}

fn risk_assessments() -> Table {
    table(
        "risk_assessments",
        [
            user(),
            reference("conversation_id", "conversations"),
            score("risk_score"),
            one_of("risk_level", &["low", "medium", "high", "critical"]),
            array("risk_factors"),
            array("protective_factors"),
            score("dissonance_contribution").default("0"),
            score("baseline_deviation_contribution").default("0"),
            score("pattern_contribution").default("0"),
            text("action_taken").at_most(100).optional(),
            text("policy_version"),
            time("assessed_at"),
            reference("reviewed_by", "users").set_null(),
            time("reviewed_at").optional(),
            text("review_notes").optional(),
        ],
    )
    .index(&["user_id", "assessed_at desc"])
    .index(&["risk_level", "assessed_at desc"])
    .index(&["risk_score"])
}

fn risk_escalations() -> Table {
    table(
        "risk_escalations",
        [
            reference("assessment_id", "risk_assessments"),
            user(),
            one_of("kind", &["emergency", "human_review", "monitoring"]),
            one_of(
                "state",
                &["created", "routed", "acknowledged", "closed", "failed"],
            )
            .default("'created'"),
            text("idempotency_key").unique(),
            text("reason").optional(),
            reference("acknowledged_by", "users").set_null(),
            time("routed_at").optional(),
            time("acknowledged_at").optional(),
            time("closed_at").optional(),
            time("failed_at").optional(),
        ],
    )
    .index(&["state", "created_at"])
}

fn user_interfaces() -> Table {
    table(
        "user_interfaces",
        [
            user(),
            json("interface_config"),
            version("version"),
            boolean("active", true),
            time("generated_at"),
        ],
    )
    .unique(&["user_id", "version"])
    .unique_where(&["user_id"], "active")
}

fn interface_evolution_log() -> Table {
    table(
        "interface_evolution_log",
        [
            user(),
            version("version"),
            array("changes"),
            time("acknowledged_at").optional(),
            time("generated_at"),
        ],
    )
    .unique(&["user_id", "version"])
}
