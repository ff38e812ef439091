//! Making, changing and closing persons' accounts; lists of them.

use app::{Principal, identity::authenticate};
use domain::identity::{Role, Scope};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};

use super::{id_of, user_id};

const CREATE: &str = "mutation($input: UserCreateInput!) {
    userCreate(input: $input) {
        user { id name userName email customName displayName role locale timeZone isActive }
        userErrors { code field message }
    }
}";
const UPDATE: &str = "mutation($input: UserUpdateInput!) {
    userUpdate(input: $input) {
        user { name userName email customName displayName locale timeZone }
        userErrors { code field message }
    }
}";

async fn create(world: &World, viewer: &app::Viewer, input: Value) -> testkit::Answer {
    world.run(viewer, CREATE, json!({ "input": input })).await
}

on_both_engines! {
    async fn an_administrator_adds_persons(world: World) {
        let admin = world.admin().await;
        let made = create(&world, &admin, json!({
            "name": " Ann ", "userName": "ann.b-1", "email": "Ann@Example.ORG", "customName": "Annie",
            "role": "COUNSELOR", "locale": "sw-ke", "timeZone": "Africa/Nairobi", "password": "correct horse",
        })).await;
        let mut user = made.at("/userCreate/user").clone();
        user.as_object_mut().unwrap().remove("id");
        assert_snapshot!(user, @r#"{"customName":"Annie","displayName":"Annie","email":"ann@example.org","isActive":true,"locale":"sw-KE","name":"Ann","role":"COUNSELOR","timeZone":"Africa/Nairobi","userName":"ann.b-1"}"#);
        let plain = create(&world, &admin, json!({ "name": "Bob" })).await;
        let mut user = plain.at("/userCreate/user").clone();
        user.as_object_mut().unwrap().remove("id");
        assert_snapshot!(user, @r#"{"customName":null,"displayName":"Bob","email":null,"isActive":true,"locale":"en","name":"Bob","role":"USER","timeZone":"UTC","userName":null}"#);
    }

    async fn every_fault_of_a_new_person_is_told_at_once(world: World) {
        let admin = world.admin().await;
        let no = create(&world, &admin, json!({
            "name": "\u{0}", "userName": "Ann B", "email": "ann", "customName": "x".repeat(101),
            "locale": "en_US", "timeZone": "Nairobi", "password": "short",
        })).await;
        assert_snapshot!(no.user_errors(), @r#"
        INVALID userName: userName must be 1 to 50 characters of a–z, 0–9, _ . -
        INVALID email: not an e-mail address: expected one like ann@example.org
        TOO_LONG customName: customName has 101 characters: expected 1 to 100
        INVALID locale: not a language tag: expected BCP 47, such as en or sw-KE
        INVALID timeZone: not a time zone: expected an IANA name, such as Africa/Nairobi or UTC
        INVALID name: name contains a NUL character: remove it
        TOO_SHORT password: the password has 5 characters: expected 10 to 256
        "#);
    }

    async fn a_taken_name_is_refused_without_saying_whose(world: World) {
        let admin = world.admin().await;
        create(&world, &admin, json!({ "name": "Ann", "userName": "ann", "email": "ann@example.org" })).await.data();
        let no = create(&world, &admin, json!({ "name": "B", "userName": "ann" })).await;
        assert_snapshot!(no.user_errors(), @"TAKEN userName: this user name is in use");
        let no = create(&world, &admin, json!({ "name": "B", "email": "ANN@example.org" })).await;
        assert_snapshot!(no.user_errors(), @"TAKEN email: this e-mail address is in use");
        let bob = world.person("Bob").await;
        let no = world.run(&bob, UPDATE, json!({ "input": { "user": user_id(&bob), "email": "ann@example.org" } })).await;
        assert_snapshot!(no.user_errors(), @"TAKEN email: this e-mail address is in use");
    }

    async fn an_update_tells_leaving_from_clearing(world: World) {
        let ann = world.person("Ann").await;
        let run = async |mut input: Value| {
            input["user"] = user_id(&ann).into();
            let answer = world.run(&ann, UPDATE, json!({ "input": input })).await;
            assert_eq!(answer.user_errors(), "");
            answer.at("/userUpdate/user").clone()
        };
        let all = json!({ "name": "Anna", "userName": "ann", "email": "a@b.org", "customName": "Annie", "locale": "de", "timeZone": "Europe/Berlin" });
        assert_snapshot!(run(all).await, @r#"{"customName":"Annie","displayName":"Annie","email":"a@b.org","locale":"de","name":"Anna","timeZone":"Europe/Berlin","userName":"ann"}"#);
        assert_snapshot!(run(json!({ "customName": "A" })).await, @r#"{"customName":"A","displayName":"A","email":"a@b.org","locale":"de","name":"Anna","timeZone":"Europe/Berlin","userName":"ann"}"#);
        let none = json!({ "userName": null, "email": null, "customName": null, "locale": null, "timeZone": null, "name": null });
        assert_snapshot!(run(none).await, @r#"{"customName":null,"displayName":"Anna","email":null,"locale":"en","name":"Anna","timeZone":"UTC","userName":null}"#);
    }

    async fn what_text_means_is_not_what_sql_means(world: World) {
        let admin = world.admin().await;
        for name in ["'; DROP TABLE users; --", "%_\\", "$1 ? :x", "Ünïcødé 名前 🤖", "{{name}}"] {
            let made = create(&world, &admin, json!({ "name": name, "customName": name })).await;
            assert_eq!(made.text("/userCreate/user/displayName"), name);
            let list = "query($text: String!) { users(filter: { search: $text }) { totalCount nodes { name } } }";
            let found = world.run(&admin, list, json!({ "text": name })).await;
            assert_eq!(found.at("/users/totalCount"), 1, "{name}");
        }
    }

    async fn a_deactivated_persons_tokens_are_refused_at_once(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let key = "mutation($user: ID!) { tokenCreate(input: { user: $user, name: \"k\", scopes: [\"read\"] }) { secret } }";
        let made = world.run(&admin, key, json!({ "user": user_id(&ann) })).await;
        let secret = made.text("/tokenCreate/secret");
        assert!(authenticate(&world.services, secret).await.is_ok());
        let close = "mutation($user: ID!) { userDeactivate(user: $user) { user { isActive } userErrors { code field message } } }";
        world.run(&admin, close, json!({ "user": user_id(&ann) })).await.data();
        assert!(authenticate(&world.services, secret).await.is_err());
        let open = "mutation($user: ID!) { userActivate(user: $user) { user { isActive } } }";
        world.run(&admin, open, json!({ "user": user_id(&ann) })).await.data();
        assert!(authenticate(&world.services, secret).await.is_ok());
    }

    async fn a_new_role_is_in_force_at_once(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let role = "mutation($user: ID!, $role: Role!) { userRoleSet(input: { user: $user, role: $role }) { user { role } userErrors { code field message } } }";
        world.run(&admin, role, json!({ "user": user_id(&ann), "role": "ADMIN" })).await.data();
        let key = "mutation($user: ID!) { tokenCreate(input: { user: $user, name: \"k\", scopes: [\"admin\"] }) { secret } }";
        let made = world.run(&admin, key, json!({ "user": user_id(&ann) })).await;
        let secret = made.text("/tokenCreate/secret");
        assert!(authenticate(&world.services, secret).await.unwrap().is_admin());
        world.run(&admin, role, json!({ "user": user_id(&ann), "role": "USER" })).await.data();
        assert!(!authenticate(&world.services, secret).await.unwrap().is_admin());
    }

    async fn the_last_active_administrator_stays(world: World) {
        let admin = world.admin().await;
        let id = user_id(&admin);
        let close = "mutation($user: ID!) { userDeactivate(user: $user) { userErrors { code field message } } }";
        let no = world.run(&admin, close, json!({ "user": id })).await;
        assert_snapshot!(no.user_errors(), @"CONFLICT user: this is the last active administrator: make another one first");
        let role = "mutation($user: ID!) { userRoleSet(input: { user: $user, role: USER }) { userErrors { code field message } } }";
        let no = world.run(&admin, role, json!({ "user": id })).await;
        assert_snapshot!(no.user_errors(), @"CONFLICT user: this is the last active administrator: make another one first");
        // Of two who close each other at once, one stays.
        let other = world.admin().await;
        let (a, b) = tokio::join!(
            world.run(&admin, close, json!({ "user": user_id(&other) })),
            world.run(&other, close, json!({ "user": id })),
        );
        let refused = [a, b].iter().filter(|it| !it.user_errors().is_empty()).count();
        assert_eq!(refused, 1);
    }

    async fn persons_are_listed_page_by_page(world: World) {
        let admin = world.admin().await;
        for name in ["Cem", "ann", "Bob"] {
            world.person(name).await;
        }
        let list = "query($after: String, $by: UserOrder!, $filter: UserFilter) {
            users(first: 2, after: $after, orderBy: $by, filter: $filter) {
                totalCount nodes { name } pageInfo { hasNextPage endCursor }
            }
        }";
        for (by, expected) in [("OLDEST", ["Admin", "Cem", "ann", "Bob"]), ("NEWEST", ["Bob", "ann", "Cem", "Admin"])] {
            let first = world.run(&admin, list, json!({ "by": by })).await;
            let after = first.text("/users/pageInfo/endCursor");
            let second = world.run(&admin, list, json!({ "by": by, "after": after })).await;
            let names: Vec<&str> = [&first, &second].iter().flat_map(|it| it.at("/users/nodes").as_array().unwrap()).map(|it| it["name"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
            assert_eq!(second.at("/users/pageInfo/hasNextPage"), false);
            assert_eq!(second.at("/users/totalCount"), 4);
        }
        let found = world.run(&admin, list, json!({ "by": "NAME", "filter": { "search": "N", "role": "USER", "isActive": true } })).await;
        assert_snapshot!(found.at("/users/nodes"), @r#"[{"name":"ann"}]"#);
        let bad = world.run(&admin, "{ users(first: 101) { totalCount } }", json!({})).await;
        assert_snapshot!(bad.error(), @"BAD_USER_INPUT: first is 101: expected 0 to 100");
    }

    async fn a_list_of_persons_takes_one_statement_a_level(world: World) {
        use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
        let database = testkit::Database::new(world.database().engine()).await;
        let mut db = database.connect().await;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        db.watch(move |_| { counted.fetch_add(1, Ordering::SeqCst); });
        let world = World::over(database, db);
        let admin = world.admin().await;
        for i in 0..10 {
            world.person(&format!("P{i}")).await;
        }
        let guild = world.run(&admin, "mutation { guildUpsert(input: { provider: \"discord\", externalId: \"1\", name: \"G\" }) { guild { id } } }", json!({})).await;
        let guild = id_of(&guild, "/guildUpsert/guild/id");
        let everybody = world.run(&admin, "{ users { nodes { id } } }", json!({})).await;
        for person in everybody.at("/users/nodes").as_array().unwrap() {
            let join = "mutation($g: ID!, $u: ID!) { guildMemberUpsert(input: { guild: $g, user: $u }) { member { id } } }";
            world.run(&admin, join, json!({ "g": guild, "u": person["id"] })).await.data();
        }
        count.store(0, Ordering::SeqCst);
        let query = "{ users { totalCount nodes { displayName identities { id } preferences tokens { totalCount nodes { id } }
            consents(first: 2) { nodes { kind } } guildMemberships(first: 2) { nodes { guild { name } user { name } } } } } }";
        let answer = world.run(&admin, query, json!({})).await;
        assert_eq!(answer.at("/users/nodes/0/guildMemberships/nodes/0/guild/name"), "G");
        // The page, its count; identities, preferences, tokens, their count, consents,
        // memberships; guilds, persons.
        assert_eq!(count.load(Ordering::SeqCst), 10);
    }

    async fn a_plain_person_sees_only_themself(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let list = world.run(&ann, "{ users { totalCount nodes { name } } }", json!({})).await;
        assert_snapshot!(list.at("/users"), @r#"{"nodes":[{"name":"Ann"}],"totalCount":1}"#);
        let one = world.run(&ann, "query($id: ID!) { user(id: $id) { name } node(id: $id) { id } }", json!({ "id": user_id(&admin) })).await;
        assert_snapshot!(one.data(), @r#"{"node":null,"user":null}"#);
        let Principal::User { id, .. } = admin.principal else { panic!() };
        let limited = world.viewer(Principal::User { id, role: Role::Admin }, &[Scope::Read, Scope::Write]);
        let list = world.run(&limited, "{ users { totalCount } }", json!({})).await;
        assert_eq!(list.at("/users/totalCount"), 1);
    }
}
