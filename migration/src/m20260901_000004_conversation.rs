//! Tables of the context `conversation`: threads, their hand-offs between devices, and messages.

use crate::schema::{
    Context, Table, array, between, count, document, entity, guild, integer, json, one_of,
    reference, table, text, time, user, version,
};

pub fn context() -> Context {
    Context {
        name: "conversation",
        tables: vec![conversations(), conversation_handoffs(), messages()],
        views: Vec::new(),
    }
}

fn conversations() -> Table {
    table(
        "conversations",
        [
            user(),
            entity().optional(),
            reference("device_id", "devices").set_null(),
            guild(),
            text("channel_id").optional(),
            reference("persona_definition_id", "persona_definitions").set_null(),
            one_of("platform", &["device", "discord", "web", "cli", "api"]),
            one_of("intimacy", &["low", "medium", "high"]),
            one_of("state", &["active", "paused", "ended", "handed_off"]).default("'active'"),
            text("title").optional(),
            count("message_count"),
            document("context_snapshot"),
            document("metadata"),
            time("context_reset_at").optional(),
            time("started_at"),
            time("last_message_at").optional(),
            time("expires_at"),
            time("ended_at").optional(),
            // Of the pending hand-off, so that a conversation's state is told by its row alone.
            time("handoff_expires_at").optional(),
            version("version"),
        ],
    )
    .index(&["user_id", "last_message_at desc"])
    .index(&["device_id", "state"])
    .index(&["entity_id", "user_id", "state"])
    .index(&["state", "expires_at"])
}

fn conversation_handoffs() -> Table {
    table(
        "conversation_handoffs",
        [
            reference("conversation_id", "conversations"),
            user(),
            reference("from_device_id", "devices").set_null(),
            reference("to_device_id", "devices").set_null(),
            one_of("state", &["pending", "accepted", "rejected", "timed_out"]).default("'pending'"),
            text("reason").optional(),
            time("requested_at"),
            time("resolved_at").optional(),
        ],
    )
    .index(&["conversation_id", "requested_at"])
    .unique_where(&["conversation_id"], "state = 'pending'")
}

fn messages() -> Table {
    table(
        "messages",
        [
            reference("conversation_id", "conversations"),
            user(),
            entity().optional(),
            reference("device_id", "devices").set_null(),
            one_of("role", &["user", "assistant", "system"]),
            text("content"),
            // As it was when the message was said.
            reference("persona_definition_id", "persona_definitions").set_null(),
            text("external_id").optional(),
            array("image_urls"),
            text("audio_url").optional(),
            integer("duration_ms").optional().at_least(0.0),
            json("device_state").optional(),
            integer("token_count").optional().at_least(0.0),
            integer("response_latency_ms").optional().at_least(0.0),
            between("sentiment", -1.0, 1.0).optional(),
        ],
    )
    .index(&["conversation_id", "created_at", "id"])
    .index(&["user_id", "entity_id", "created_at desc"])
    .unique_where(
        &["conversation_id", "external_id"],
        "external_id IS NOT NULL",
    )
    .full_text(&["content"])
}
