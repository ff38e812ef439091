//! Tables of the context `memory`: facts about people, what joins them, and narratives.

use crate::schema::{
    Context, Table, array, boolean, created_by, document, entity, guild, json, log, one_of,
    reference, score, table, text, time, user, vector,
};

/// Dimensions of a stored embedding on PostgreSQL; shorter ones are padded with zeros.
const DIMENSIONS: u16 = 1536;

pub fn context() -> Context {
    Context {
        name: "memory",
        tables: vec![
            user_facts(),
            fact_associations(),
            narratives(),
            trait_narrative_links(),
        ],
        views: Vec::new(),
    }
}

fn user_facts() -> Table {
    table(
        "user_facts",
        [
            user(),
            entity().optional(),
            guild(),
            one_of(
                "fact_type",
                &[
                    "hobby",
                    "work",
                    "family",
                    "preference",
                    "location",
                    "event",
                    "relationship",
                    "general",
                    "attachment_pattern",
                    "grief_context",
                    "coping_mechanism",
                ],
            ),
            text("fact_content"),
            // What the fact answers, as `location.home`.
            text("slot").optional(),
            score("confidence"),
            score("importance"),
            one_of("source", &["conversation", "auto_extraction", "manual"]),
            one_of(
                "temporal_relevance",
                &["past", "present", "future", "timeless"],
            ),
            one_of("intimacy", &["low", "medium", "high"]),
            boolean("is_active", true),
            time("learned_at"),
            time("last_referenced_at").optional(),
            time("valid_from").optional(),
            time("valid_to").optional(),
            time("expires_at").optional(),
            reference("superseded_by", "user_facts").set_null(),
            reference("message_id", "messages").set_null(),
            text("extraction_context").optional(),
        ],
    )
    .index(&["user_id", "is_active", "fact_type"])
    .full_text(&["fact_content"])
}

fn fact_associations() -> Table {
    log(
        "fact_associations",
        [
            reference("fact_1_id", "user_facts"),
            reference("fact_2_id", "user_facts"),
            // The two people, in the order of their facts.
            reference("user_1_id", "users"),
            reference("user_2_id", "users"),
            text("association_type"),
            score("strength"),
            time("discovered_at"),
        ],
    )
    .unique(&["fact_1_id", "fact_2_id"])
    .check("order", "fact_1_id < fact_2_id")
}

fn narratives() -> Table {
    table(
        "narratives",
        [
            user(),
            one_of("narrative_type", &["self_observation", "curation"]),
            text("raw_text").length(1, 10_000),
            text("curated_text").optional(),
            array("tags"),
            document("context"),
            text("trait_path").optional(),
            json("curation_action").optional(),
            text("source").optional(),
            created_by(),
            vector("embedding", DIMENSIONS).optional(),
            text("embedding_model").optional(),
            time("deleted_at").optional(),
        ],
    )
    .index(&["user_id", "created_at desc"])
    .check(
        "curation",
        "narrative_type <> 'curation' \
                 OR (trait_path IS NOT NULL AND curation_action IS NOT NULL)",
    )
    .inverted("tags")
    .nearest("embedding")
    .full_text(&["raw_text", "curated_text"])
}

fn trait_narrative_links() -> Table {
    log(
        "trait_narrative_links",
        [
            reference("narrative_id", "narratives"),
            user(),
            text("trait_path"),
            one_of(
                "link_type",
                &["extracted_from", "curates", "supports", "contradicts"],
            ),
            score("confidence"),
            document("metadata"),
        ],
    )
    .index(&["trait_path"])
    .index(&["user_id", "trait_path"])
}
