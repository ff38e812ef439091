//! Tables of the context `device`: hardware, where it stands, and what was learned of its days.

use crate::schema::{
    Check, Context, Table, array, boolean, count, document, entity, integer, json, one_of, owner,
    reference, score, table, text, time, user,
};

pub fn context() -> Context {
    Context {
        name: "device",
        tables: vec![zones(), device_groups(), devices(), learned_patterns()],
        views: Vec::new(),
    }
}

fn zones() -> Table {
    table(
        "zones",
        [
            owner(),
            text("name"),
            reference("parent_id", "zones").optional(),
            text("description").optional(),
        ],
    )
    .unique(&["owner_id", "name"])
}

fn device_groups() -> Table {
    table(
        "device_groups",
        [
            owner(),
            text("name"),
            text("description").optional(),
            document("settings"),
        ],
    )
}

fn devices() -> Table {
    table(
        "devices",
        [
            owner(),
            text("name"),
            one_of(
                "device_type",
                &[
                    "coffee_maker",
                    "toaster",
                    "heater",
                    "lamp",
                    "raspberry_pi",
                    "smart_speaker",
                    "tablet",
                    "simulator",
                    "custom",
                ],
            ),
            text("model").optional(),
            one_of("status", &["online", "offline", "busy", "error"]).default("'offline'"),
            text("serial_number").optional().unique(),
            text("ble_address").optional(),
            integer("led_count").at_least(0.0).default("5"),
            integer("tier").check(Check::Between(1.0, 2.0)).default("1"),
            text("location").optional(),
            reference("zone_id", "zones").set_null(),
            reference("group_id", "device_groups").set_null(),
            array("capabilities"),
            boolean("first_boot_complete", false),
            document("onboarding"),
            json("health").optional(),
            time("last_heartbeat_at").optional(),
            reference("active_persona_definition_id", "persona_definitions").set_null(),
            reference("active_conversation_id", "conversations").set_null(),
        ],
    )
    .index(&["status", "last_heartbeat_at"])
}

fn learned_patterns() -> Table {
    table(
        "learned_patterns",
        [
            entity(),
            reference("device_id", "devices").optional(),
            // Whom a social pattern is about.
            user().optional(),
            one_of("kind", &["temporal", "sequence", "social"]),
            one_of("window", &["short", "medium", "long"]),
            // What makes it the same pattern when it is seen again.
            text("pattern_key"),
            text("description"),
            document("evidence"),
            score("confidence"),
            count("support"),
            time("first_seen_at"),
            time("last_seen_at"),
            boolean("is_active", true),
        ],
    )
    .unique(&["entity_id", "window", "pattern_key"])
    .index(&["is_active", "last_seen_at"])
}
