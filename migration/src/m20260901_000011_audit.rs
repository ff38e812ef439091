//! The table of the context `audit`: one append-only log of what happened.
//!
//! It has no foreign keys: the log outlives what it speaks of.

use crate::schema::{Check, Context, Table, document, integer, log, one_of, text, time, uuid};

pub fn context() -> Context {
    Context {
        name: "audit",
        tables: vec![events()],
        views: Vec::new(),
    }
}

fn events() -> Table {
    log(
        "events",
        [
            text("event_type").check(Check::Characters("a-z_", 50)),
            uuid("device_id").optional(),
            uuid("entity_id").optional(),
            uuid("user_id").optional(),
            uuid("conversation_id").optional(),
            document("payload"),
            one_of(
                "severity",
                &["debug", "info", "warning", "error", "critical"],
            )
            .default("'info'"),
            text("correlation_id").optional(),
            time("occurred_at"),
            // Year · 100 + month of `occurred_at`.
            integer("partition_key").at_least(0.0),
        ],
    )
    .index(&["event_type", "occurred_at"])
    .index(&["device_id", "occurred_at"])
    .index(&["entity_id", "occurred_at"])
    .index(&["user_id", "occurred_at"])
    .index(&["occurred_at"])
}
