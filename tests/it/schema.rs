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
            conversation::conversation_handoffs, conversation::conversations,
            conversation::inter_entity_communications, conversation::messages,
            device::device_groups, device::devices, device::learned_patterns, device::zones,
            dna::entities, dna::entity_origins,
            identity::access_tokens, identity::consents, identity::guild_members,
            identity::guilds, identity::user_identities, identity::user_preferences,
            identity::users,
            outbox::outbox_tasks,
            persona::knowledge_chunks, persona::knowledge_documents, persona::persona_definitions,
            persona::persona_emergencies, persona::persona_portraits, persona::persona_versions,
        );
    }
}

/// Every type, field, argument, input field and enum value of ours says what it is; but for
/// arguments that are what their type says.
#[tokio::test]
async fn everything_in_the_schema_is_described() {
    let query = "{ __schema { types { name kind description fields(includeDeprecated: true) { name \
                 description args { name description } } inputFields { name description } \
                 enumValues { name description } } } }";
    let request = async_graphql::Request::new(query);
    let answer = graphql::schema().execute(request).await;
    let answer = serde_json::to_value(answer.data).unwrap();
    let mut silent = Vec::new();
    let list = |it: &serde_json::Value, of: &str| it[of].as_array().cloned().unwrap_or_default();
    let named = |it: &serde_json::Value| it["name"].as_str().unwrap().to_owned();
    let plain = |it: &serde_json::Value| {
        ["input", "filter", "orderBy", "id", "ids"].contains(&it["name"].as_str().unwrap())
    };
    let mute = |it: &serde_json::Value| {
        it["description"]
            .as_str()
            .is_none_or(|it| it.trim().is_empty())
    };
    for ty in list(&answer["__schema"], "types") {
        let name = named(&ty);
        // `ID` is the specification's own.
        if name.starts_with("__") || name == "ID" {
            continue;
        }
        if mute(&ty) {
            silent.push(name.clone());
        }
        for field in list(&ty, "fields") {
            let path = format!("{name}.{}", named(&field));
            for it in list(&field, "args")
                .iter()
                .filter(|it| mute(it) && !plain(it))
            {
                silent.push(format!("{path}({})", named(it)));
            }
            if mute(&field) {
                silent.push(path);
            }
        }
        for it in list(&ty, "inputFields")
            .iter()
            .chain(&list(&ty, "enumValues"))
            .filter(|it| mute(it))
        {
            silent.push(format!("{name}.{}", named(it)));
        }
    }
    assert!(silent.is_empty(), "without a description: {silent:#?}");
}
