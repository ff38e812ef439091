//! Tables of the context `identity`: people, their platform names, preferences, tokens, consents,
//! and the communities they meet in.

use crate::schema::{
    Context, Table, array, boolean, document, json, one_of, reference, table, text, time, user,
};

pub fn context() -> Context {
    Context {
        name: "identity",
        tables: vec![
            users(),
            user_identities(),
            user_preferences(),
            access_tokens(),
            consents(),
            guilds(),
            guild_members(),
        ],
        views: Vec::new(),
    }
}

fn users() -> Table {
    table(
        "users",
        [
            text("name"),
            text("user_name").optional().unique(),
            text("email").optional().unique().lower_case(),
            text("custom_name").optional(),
            text("password_hash").optional(),
            one_of("role", &["admin", "user", "service", "counselor"]).default("'user'"),
            text("locale").default("'en'"),
            text("time_zone").default("'UTC'"),
            boolean("is_active", true),
            time("first_seen_at").optional(),
            time("last_seen_at").optional(),
            time("last_login_at").optional(),
        ],
    )
    .index(&["created_at"])
    .index(&["last_seen_at"])
}

fn user_identities() -> Table {
    table(
        "user_identities",
        [
            user(),
            text("provider"),
            text("external_id"),
            text("username").optional(),
            text("display_name").optional(),
        ],
    )
    .unique(&["provider", "external_id"])
}

fn user_preferences() -> Table {
    table(
        "user_preferences",
        [user(), text("key").at_most(100), json("value")],
    )
    .unique(&["user_id", "key"])
}

fn access_tokens() -> Table {
    table(
        "access_tokens",
        [
            one_of("kind", &["api_key", "login", "device"]),
            user().optional(),
            reference("device_id", "devices").optional(),
            text("name"),
            text("prefix").unique(),
            text("secret_hash"),
            array("scopes"),
            time("last_used_at").optional(),
            time("expires_at").optional(),
            time("revoked_at").optional(),
        ],
    )
    .check("principal", "(user_id IS NULL) <> (device_id IS NULL)")
    .check("device", "(kind = 'device') = (device_id IS NOT NULL)")
}

fn consents() -> Table {
    table(
        "consents",
        [
            user(),
            one_of(
                "kind",
                &[
                    "emotion_analysis",
                    "crisis_intervention",
                    "social_association",
                    "research",
                ],
            ),
            time("granted_at"),
            time("revoked_at").optional(),
            text("policy_version"),
        ],
    )
    .index(&["user_id", "kind"])
    .unique_where(&["user_id", "kind"], "revoked_at IS NULL")
}

fn guilds() -> Table {
    table(
        "guilds",
        [
            text("provider"),
            text("external_id"),
            text("name"),
            time("joined_at"),
            boolean("is_active", true),
            document("settings"),
        ],
    )
    .unique(&["provider", "external_id"])
}

fn guild_members() -> Table {
    table(
        "guild_members",
        [
            reference("guild_id", "guilds"),
            user(),
            text("nickname").optional(),
            array("roles"),
            time("joined_guild_at").optional(),
        ],
    )
    .unique(&["guild_id", "user_id"])
}
