//! The table of the context `schedule`: what is to happen later, once or again and again.

use crate::schema::{
    Context, Table, boolean, document, entity, guild, one_of, table, text, time, user,
};

pub fn context() -> Context {
    Context {
        name: "schedule",
        tables: vec![scheduled_events()],
        views: Vec::new(),
    }
}

fn scheduled_events() -> Table {
    table(
        "scheduled_events",
        [
            user(),
            entity().optional(),
            guild(),
            text("channel_id").optional(),
            one_of("event_type", &["birthday", "follow_up", "reminder"]),
            time("trigger_at"),
            text("time_zone").default("'UTC'"),
            text("title").length(1, 255),
            document("context"),
            boolean("is_recurring", false),
            text("recurrence_rule").optional(),
            one_of("status", &["pending", "triggered", "cancelled"]).default("'pending'"),
            time("triggered_at").optional(),
        ],
    )
    .index(&["status", "trigger_at"])
    .index(&["user_id", "trigger_at"])
}
