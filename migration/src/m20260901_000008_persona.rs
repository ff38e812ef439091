//! Tables of the context `persona`: authored definitions and what they know, emergencies, mappers
//! and what their rules learned, the personas generated for people, and feedback on them.

use crate::schema::{
    Check, Context, Table, array, between, boolean, boolean_or_unknown, count, created_by,
    document, integer, json, log, one_of, reference, score, table, text, time, user, vector,
    version,
};

/// Dimensions of a stored embedding on PostgreSQL; shorter ones are padded with zeros.
const DIMENSIONS: u16 = 1536;

pub fn context() -> Context {
    Context {
        name: "persona",
        tables: vec![
            persona_definitions(),
            persona_versions(),
            persona_portraits(),
            persona_emergencies(),
            knowledge_documents(),
            knowledge_chunks(),
            mapper_configs(),
            mapper_rule_weights(),
            personas(),
            persona_narrative_usage(),
            feedback(),
        ],
        views: Vec::new(),
    }
}

fn persona_definitions() -> Table {
    table(
        "persona_definitions",
        [
            text("slug")
                .check(Check::Characters("a-z0-9_-", 50))
                .unique(),
            text("name").length(1, 100),
            text("description").at_most(500).optional(),
            text("current_version").default("'1.0.0'"),
            // The newest, in force or not.
            text("latest_version").default("'1.0.0'"),
            one_of(
                "adaptation_mode",
                &["instruction_only", "instruction_rag", "fine_tuned"],
            )
            .default("'instruction_only'"),
            document("voice_config"),
            document("behavior_config"),
            text("system_prompt").optional(),
            array("tags"),
            integer("priority").default("0"),
            boolean("is_active", true),
        ],
    )
    .index(&["name"])
}

fn persona_versions() -> Table {
    log(
        "persona_versions",
        [
            reference("definition_id", "persona_definitions"),
            text("version"),
            json("artifacts"),
            created_by(),
            text("change_notes").optional(),
        ],
    )
    .unique(&["definition_id", "version"])
    .index(&["definition_id", "created_at"])
}

fn persona_portraits() -> Table {
    table(
        "persona_portraits",
        [
            reference("definition_id", "persona_definitions").unique(),
            // A PNG file in base64.
            text("image"),
            integer("width").at_least(1.0),
            integer("height").at_least(1.0),
        ],
    )
}

fn persona_emergencies() -> Table {
    table(
        "persona_emergencies",
        [
            user(),
            reference("device_id", "devices").set_null(),
            reference("conversation_id", "conversations").set_null(),
            reference("definition_id", "persona_definitions").set_null(),
            integer("priority").at_least(100.0),
            reference("device_previous_id", "persona_definitions").set_null(),
            reference("conversation_previous_id", "persona_definitions").set_null(),
            time("started_at"),
            time("resolved_at").optional(),
        ],
    )
}

fn knowledge_documents() -> Table {
    log(
        "knowledge_documents",
        [
            // None: every persona knows it.
            reference("definition_id", "persona_definitions").optional(),
            text("title").length(1, 200),
            text("content").length(1, 200_000),
            created_by(),
        ],
    )
    .index(&["definition_id", "created_at"])
}

fn knowledge_chunks() -> Table {
    log(
        "knowledge_chunks",
        [
            reference("document_id", "knowledge_documents"),
            count("position"),
            text("content").length(1, 500),
            vector("embedding", DIMENSIONS).optional(),
            text("embedding_model").optional(),
        ],
    )
    .unique(&["document_id", "position"])
    .nearest("embedding")
}

fn mapper_configs() -> Table {
    table(
        "mapper_configs",
        [
            text("config_id"),
            version("version"),
            json("configuration"),
            one_of("status", &["draft", "active", "deprecated"]).default("'draft'"),
            count("usage_count"),
            time("last_used_at").optional(),
            document("metadata"),
            created_by(),
        ],
    )
    .unique(&["config_id", "version"])
    .unique_where(&["config_id"], "status = 'active'")
    .index(&["status"])
}

fn mapper_rule_weights() -> Table {
    table(
        "mapper_rule_weights",
        [
            text("config_id"),
            text("rule_id"),
            between("weight", 0.1, 2.0).default("1"),
            boolean("locked", false),
            time("last_adjusted_at").optional(),
            text("adjustment_reason").optional(),
            time("negatives_since").optional(),
        ],
    )
    .unique(&["config_id", "rule_id"])
}

fn personas() -> Table {
    table(
        "personas",
        [
            user(),
            reference("mapper_id", "mapper_configs").set_null(),
            text("mapper_config_id").optional(),
            integer("mapper_version").optional(),
            json("core"),
            json("overlay").optional(),
            document("metadata"),
            integer("mindscape_version").optional(),
            time("expires_at").optional(),
            created_by(),
        ],
    )
    .index(&["user_id", "created_at desc"])
    .index(&["expires_at"])
}

fn persona_narrative_usage() -> Table {
    log(
        "persona_narrative_usage",
        [
            reference("persona_id", "personas"),
            reference("narrative_id", "narratives"),
            user(),
            text("usage_type"),
            score("relevance_score").optional(),
            document("usage_context"),
        ],
    )
}

fn feedback() -> Table {
    log(
        "feedback",
        [
            reference("persona_id", "personas").set_null(),
            user(),
            integer("rating").optional().check(Check::Between(1.0, 5.0)),
            boolean_or_unknown("helpful"),
            text("suggestion_id").optional(),
            text("rule_id").optional(),
            integer("mapper_version").optional(),
            document("context"),
            created_by(),
        ],
    )
    .index(&["persona_id"])
    .index(&["user_id", "created_at desc"])
    .index(&["created_at desc"])
    .check("mark", "rating IS NOT NULL OR helpful IS NOT NULL")
}
