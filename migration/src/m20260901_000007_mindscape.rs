//! Tables of the context `mindscape`: observations, the traits they add up to, and how those came.

use crate::schema::{
    Context, Table, created_by, document, json, log, one_of, reference, table, time, user, version,
};

pub fn context() -> Context {
    Context {
        name: "mindscape",
        tables: vec![observations(), mindscapes(), mindscape_revisions()],
        views: Vec::new(),
    }
}

fn observations() -> Table {
    log(
        "observations",
        [
            user(),
            one_of(
                "observation_type",
                &[
                    "work_session",
                    "user_input",
                    "calendar_event",
                    "voice_session",
                ],
            ),
            json("content"),
            document("metadata"),
            created_by(),
            // The one column that is written later.
            time("processed_at").optional(),
        ],
    )
    .index(&["user_id", "created_at desc"])
}

fn mindscapes() -> Table {
    table(
        "mindscapes",
        [user().unique(), document("traits"), version("version")],
    )
}

fn mindscape_revisions() -> Table {
    log(
        "mindscape_revisions",
        [
            reference("mindscape_id", "mindscapes"),
            user(),
            version("version"),
            json("changes"),
        ],
    )
    .unique(&["mindscape_id", "version"])
}
