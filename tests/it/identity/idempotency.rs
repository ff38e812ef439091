//! The same request twice has one effect.

use chrono::TimeDelta;
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::on_both_engines;

use super::{id_of, user_id};

const CREATE: &str = "mutation($input: UserCreateInput!, $key: String) {
    userCreate(input: $input, idempotencyKey: $key) { user { id name } userErrors { code field message } }
}";
const TOKEN: &str = "mutation($input: TokenCreateInput!, $key: String) {
    tokenCreate(input: $input, idempotencyKey: $key) { secret token { id } userErrors { code field message } }
}";

on_both_engines! {
    async fn a_repeat_is_answered_with_the_first_answer(world: World) {
        let admin = world.admin().await;
        let run = async |name: &str, key: Value| {
            world.run(&admin, CREATE, json!({ "input": { "name": name }, "key": key })).await
        };
        let first = id_of(&run("Ann", json!("k1")).await, "/userCreate/user/id");
        assert_eq!(id_of(&run("Ann", json!("k1")).await, "/userCreate/user/id"), first);
        assert_ne!(id_of(&run("Ann", json!("k2")).await, "/userCreate/user/id"), first);
        assert_ne!(id_of(&run("Ann", Value::Null).await, "/userCreate/user/id"), first);
        assert_snapshot!(run("Bob", json!("k1")).await.user_errors(), @"CONFLICT idempotencyKey: this key was used for another request: take a new one");
        let other = world.run(&admin, TOKEN, json!({ "input": { "name": "k", "scopes": ["read"] }, "key": "k1" })).await;
        assert_snapshot!(other.user_errors(), @"CONFLICT idempotencyKey: this key was used for another request: take a new one");
        assert_snapshot!(run("Ann", json!("")).await.user_errors(), @"REQUIRED idempotencyKey: idempotencyKey must not be blank: give 1 to 200 characters");
        assert_snapshot!(run("Ann", json!("x".repeat(201))).await.user_errors(), @"TOO_LONG idempotencyKey: idempotencyKey has 201 characters: expected 1 to 200");
        assert_eq!(run("Ann", json!("x".repeat(200))).await.user_errors(), "");
        // Another principal's keys are its own.
        let second = world.admin().await;
        let theirs = world.run(&second, CREATE, json!({ "input": { "name": "Ann" }, "key": "k1" })).await;
        assert_ne!(id_of(&theirs, "/userCreate/user/id"), first);
    }

    async fn a_key_is_free_again_after_a_day(world: World) {
        let admin = world.admin().await;
        let run = async || {
            let made = world.run(&admin, CREATE, json!({ "input": { "name": "Ann" }, "key": "k" })).await;
            id_of(&made, "/userCreate/user/id")
        };
        let first = run().await;
        world.clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
        assert_eq!(run().await, first);
        world.clock.advance(TimeDelta::seconds(1));
        assert_ne!(run().await, first);
        world.clock.advance(TimeDelta::hours(24));
        let system = world.services.system_cx();
        assert_eq!(app::idempotency::prune(&system).await.unwrap(), 1);
        assert_eq!(app::idempotency::prune(&system).await.unwrap(), 0);
    }

    async fn a_refused_request_leaves_its_key_free(world: World) {
        let admin = world.admin().await;
        let input = json!({ "name": "Ann", "userName": "ann" });
        let first = world.run(&admin, CREATE, json!({ "input": input, "key": "a" })).await;
        let no = world.run(&admin, CREATE, json!({ "input": input, "key": "b" })).await;
        assert!(no.user_errors().starts_with("TAKEN"));
        let update = "mutation($input: UserUpdateInput!) { userUpdate(input: $input) { user { id } } }";
        let free = json!({ "input": { "user": id_of(&first, "/userCreate/user/id"), "userName": null } });
        world.run(&admin, update, free).await.data();
        let yes = world.run(&admin, CREATE, json!({ "input": input, "key": "b" })).await;
        assert_eq!(yes.user_errors(), "");
    }

    async fn ten_at_once_have_one_effect(world: World) {
        let admin = world.admin().await;
        let calls = (0..10).map(|_| world.run(&admin, CREATE, json!({ "input": { "name": "Ann" }, "key": "k" })));
        let mut ids: Vec<String> = join_all(calls).await.iter().map(|it| id_of(it, "/userCreate/user/id")).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1);
        let everybody = world.run(&admin, "{ users { totalCount } }", json!({})).await;
        assert_eq!(everybody.at("/users/totalCount"), 2);
    }

    async fn a_secret_is_told_once(world: World) {
        let ann = world.person("Ann").await;
        let variables = json!({ "input": { "name": "k", "scopes": ["read"] }, "key": "k" });
        let first = world.run(&ann, TOKEN, variables.clone()).await;
        let again = world.run(&ann, TOKEN, variables).await;
        assert!(first.at("/tokenCreate/secret").is_string());
        assert!(again.at("/tokenCreate/secret").is_null());
        assert_eq!(id_of(&first, "/tokenCreate/token/id"), id_of(&again, "/tokenCreate/token/id"));
    }

    async fn what_was_made_may_be_gone(world: World) {
        let admin = world.admin().await;
        let ann = world.person("Ann").await;
        let variables = json!({ "input": { "name": "k", "scopes": ["read"], "user": user_id(&ann) }, "key": "k" });
        world.run(&admin, TOKEN, variables.clone()).await.data();
        let app::Principal::User { id, .. } = ann.principal else { panic!() };
        persistence::identity::person::delete(world.services.db.writer(), id).await.unwrap();
        let again = world.run(&admin, TOKEN, variables).await;
        assert!(!again.user_errors().is_empty());
    }
}
