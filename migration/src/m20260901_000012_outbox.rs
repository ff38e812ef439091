//! Tables of the context `outbox`: work that outlives the request, and answers to repeated ones.

use crate::schema::{
    Context, Table, count, document, integer, json, log, one_of, table, text, time, uuid,
};

pub fn context() -> Context {
    Context {
        name: "outbox",
        tables: vec![outbox_tasks(), idempotency_keys()],
        views: Vec::new(),
    }
}

fn outbox_tasks() -> Table {
    table(
        "outbox_tasks",
        [
            text("task_type"),
            document("payload"),
            one_of("status", &["pending", "in_progress", "done", "failed"]).default("'pending'"),
            count("attempts"),
            integer("max_attempts").at_least(1.0).default("3"),
            text("last_error").at_most(500).optional(),
            time("run_after"),
            uuid("lease_token").optional(),
            time("lease_until").optional(),
            text("dedupe_key").optional(),
            time("again_at").optional(),
            time("completed_at").optional(),
        ],
    )
    .index(&["status", "run_after"])
    .index_where(&["task_type", "run_after"], "status = 'pending'")
    .unique_where(&["dedupe_key"], "status IN ('pending', 'in_progress')")
}

fn idempotency_keys() -> Table {
    log(
        "idempotency_keys",
        [
            text("principal"),
            text("key"),
            text("mutation"),
            json("response"),
            time("expires_at"),
        ],
    )
    .unique(&["principal", "key"])
    .index(&["expires_at"])
}
