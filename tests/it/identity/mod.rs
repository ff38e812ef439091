//! Persons, accounts, tokens, consents and communities, through the schema.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod accounts;
mod first_start;
mod idempotency;
mod leave;
mod login;
mod matrix;
mod platforms;
mod private;
mod sample;
mod tokens;

use app::{Principal, Viewer};
use chrono::{DateTime, Utc};
use domain::{audit::Event, identity::User};
use sea_orm::{EntityTrait, QueryOrder};
use testkit::{Answer, World};

/// The viewer's own id, as the API shows it.
fn user_id(viewer: &Viewer) -> String {
    match viewer.principal {
        Principal::User { id, .. } | Principal::Service { id } => id.to_string(),
        _ => panic!("{viewer:?} is no user"),
    }
}

fn id_of(answer: &Answer, pointer: &str) -> String {
    answer.text(pointer).to_owned()
}

/// The whole log, oldest first.
async fn events(world: &World) -> Vec<Event> {
    let rows = persistence::audit::events::Entity::find()
        .order_by_asc(persistence::audit::events::Column::Id)
        .all(world.services.db.reader())
        .await
        .unwrap();
    rows.into_iter().map(Event::from).collect()
}

/// The viewer's own row.
async fn row(world: &World, viewer: &Viewer) -> User {
    let id = user_id(viewer).parse::<domain::identity::UserId>().unwrap();
    let row = persistence::identity::users::Entity::find_by_id(id)
        .one(world.services.db.reader())
        .await
        .unwrap();
    row.unwrap().into()
}

/// When a token was last used, as noted.
async fn last_used(world: &World, secret: &str) -> Option<DateTime<Utc>> {
    let prefix = &secret[6..14];
    let found = persistence::identity::token_by_prefix(world.services.db.reader(), prefix)
        .await
        .unwrap();
    found.unwrap().token.last_used_at
}
