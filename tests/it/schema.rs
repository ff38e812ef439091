//! The contract and the tables: what is committed is what the code says.

use sea_orm::EntityTrait;
use testkit::on_both_engines;

#[test]
fn the_committed_schema_is_the_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema.graphql");
    let now = graphql::sdl();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == now,
        "schema.graphql is not what the code says; rewrite it with UPDATE_SCHEMA=1 and commit it"
    );
}

on_both_engines! {
    async fn every_table_can_be_selected(world: World) {
        macro_rules! select {
            ($($context:ident::$table:ident),+ $(,)?) => {$(
                persistence::$context::$table::Entity::find()
                    .one(world.services.db.reader())
                    .await
                    .unwrap();
            )+};
        }
        select!(
            audit::events,
            device::device_groups, device::devices, device::zones,
            dna::entities, dna::entity_origins,
            identity::access_tokens, identity::consents, identity::guild_members,
            identity::guilds, identity::user_identities, identity::user_preferences,
            identity::users,
        );
    }
}
