//! Tables of the context `dna`: entities, the stories they come from, what those predispose, and
//! how entities stand to each other.

use crate::schema::{
    Column, Context, Table, View, array, big_integer, boolean, document, entity, integer, json,
    log, one_of, owner, reference, score, table, text, time, version,
};

/// The traits in their documented order, which inheritance draws in.
const TRAITS: [&str; 17] = [
    "novelty_seeking",
    "anxiety_threshold",
    "confidence_baseline",
    "confidence_decay_rate",
    "weariness_accumulation_rate",
    "resilience",
    "service_orientation",
    "autonomy_desire",
    "authority_recognition",
    "cooperation_drive",
    "perfectionism",
    "temporal_precision",
    "aesthetic_sensitivity",
    "acceptance_of_failure",
    "commitment_to_routine",
    "pride_in_craft",
    "nostalgia_bias",
];

pub fn context() -> Context {
    Context {
        name: "dna",
        tables: vec![
            entities(),
            entity_origins(),
            entity_dna(),
            entity_dna_revisions(),
            entity_relationships(),
            inter_entity_communications(),
        ],
        views: vec![View {
            name: "entity_profile",
            select: "SELECT e.id AS entity_id, e.owner_id, d.id AS device_id, \
                     d.name AS device_name, e.name AS ai_name, d.device_type, d.location, \
                     d.serial_number, d.tier, o.origin_story, o.narrative_context, \
                     a.anxiety_threshold, a.service_orientation, a.autonomy_desire, \
                     a.resilience, a.generation, e.voice_config, e.personality_config, \
                     e.created_at \
                     FROM entities e \
                     LEFT JOIN devices d ON d.id = e.device_id \
                     LEFT JOIN entity_origins o ON o.entity_id = e.id \
                     LEFT JOIN entity_dna a ON a.entity_id = e.id",
        }],
    }
}

fn entities() -> Table {
    table(
        "entities",
        [
            owner(),
            one_of("kind", &["appliance", "bot", "virtual"]),
            text("name"),
            reference("device_id", "devices").set_null().unique(),
            text("personality").optional(),
            array("interests"),
            document("personality_config"),
            document("voice_config"),
            text("personality_template").optional(),
            integer("personality_tokens").at_least(0.0).default("2000"),
            reference("persona_definition_id", "persona_definitions").set_null(),
            boolean("is_active", true),
        ],
    )
}

fn entity_origins() -> Table {
    table(
        "entity_origins",
        [
            entity().unique(),
            text("origin_story"),
            text("narrative_context").optional(),
            array("themes"),
        ],
    )
}

fn entity_dna() -> Table {
    table("entity_dna", dna_columns()).index(&["generation"])
}

fn entity_dna_revisions() -> Table {
    log(
        "entity_dna_revisions",
        [entity(), version("revision"), json("dna"), text("cause")],
    )
    .unique(&["entity_id", "revision"])
}

fn entity_relationships() -> Table {
    table(
        "entity_relationships",
        [
            reference("from_entity_id", "entities"),
            reference("to_entity_id", "entities"),
            one_of(
                "kind",
                &["parent", "child", "sibling", "friend", "mentor", "rival"],
            ),
            score("strength"),
        ],
    )
    .unique(&["from_entity_id", "to_entity_id", "kind"])
    .check("ends", "from_entity_id <> to_entity_id")
}

fn inter_entity_communications() -> Table {
    table(
        "inter_entity_communications",
        [
            reference("from_entity_id", "entities"),
            reference("to_entity_id", "entities"),
            text("kind"),
            text("content"),
            document("payload"),
            one_of("status", &["sent", "delivered", "read"]).default("'sent'"),
            time("delivered_at").optional(),
            time("read_at").optional(),
        ],
    )
    .index(&["from_entity_id", "created_at desc"])
    .index(&["to_entity_id", "created_at desc"])
}

fn dna_columns() -> Vec<Column> {
    let mut columns = vec![
        entity().unique(),
        one_of("temporal_resolution", &["low", "medium", "high"]).default("'medium'"),
        one_of("pattern_window", &["short", "medium", "long"]).default("'medium'"),
    ];
    columns.extend(TRAITS.map(|name| score(name).default("0.5")));
    columns.extend([
        integer("generation").at_least(0.0).default("0"),
        reference("parent_id", "entities").set_null(),
        reference("co_parent_id", "entities").set_null(),
        text("dna_version").default("'1.0'"),
        one_of("extractor", &["lexicon", "llm", "manual", "inherited"]),
        big_integer("seed").optional(),
        json("evidence").default("'[]'"),
        version("revision"),
    ]);
    columns
}
