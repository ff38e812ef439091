//! The outbox through the schema, for administrators alone.

use app::{Principal, Viewer, outbox::Enqueue};
use chrono::TimeDelta;
use domain::{
    device::DeviceId,
    identity::{Role, Scope},
};
use insta::assert_snapshot;
use serde_json::{Value, json};
use testkit::{World, on_both_engines};
use uuid::Uuid;

use super::{ask, drain, failing, lease, note, notes};
use crate::device::{outcome, person};

async fn listed(world: &World, admin: &Viewer, arguments: &str) -> Vec<String> {
    let query = format!("{{ outbox({arguments}) {{ nodes {{ taskType payload }} }} }}");
    let answer = world.run(admin, &query, json!({})).await;
    let nodes = answer.at("/outbox/nodes").as_array().unwrap();
    let line = |it: &Value| {
        format!(
            "{} {}",
            it["taskType"].as_str().unwrap(),
            it["payload"]["n"]
        )
    };
    nodes.iter().map(line).collect()
}

on_both_engines! {
    async fn only_administrators_see_and_change_tasks(world: World) {
        let ann = world.person("Ann").await;
        let admin = world.admin().await;
        let own = Principal::User { id: person(&ann), role: Role::User };
        let device = Principal::Device { id: DeviceId(Uuid::from_u128(1)), owner: person(&ann) };
        let root = Principal::User { id: person(&admin), role: Role::Admin };
        let all = [Scope::Read, Scope::Write, Scope::Admin];
        let mut told = String::new();
        for (who, viewer) in [
            ("anonymous", Viewer::anonymous()),
            ("a person", ann.clone()),
            ("a person's key with every scope", world.viewer(own, &all)),
            ("a device", world.viewer(device, &all)),
            ("a service", world.service().await),
            ("a counselor", world.with_role("Cem", Role::Counselor).await),
            ("an administrator's lesser key", world.viewer(root, &[Scope::Read, Scope::Write])),
            ("an administrator", admin.clone()),
        ] {
            let id = ask(&world, note(1)).await;
            let run = async |query: &str| world.run(&viewer, query, json!({ "id": id })).await;
            let list = outcome(&run("{ outbox { nodes { id } } }").await);
            let one = outcome(&run("query($id: ID!) { outboxTask(id: $id) { id } }").await);
            let node = run("query($id: ID!) { node(id: $id) { id } }").await;
            let node = match node.0.get("errors") {
                Some(_) => outcome(&node),
                None => node.data()["node"]["id"].as_str().map_or("-", |_| "found").to_owned(),
            };
            let cancel = outcome(&run("mutation($id: ID!) { taskCancel(task: $id) { userErrors { code } } }").await);
            let retry = outcome(&run("mutation($id: ID!) { taskRetry(task: $id) { userErrors { code } } }").await);
            told += &format!("{who}: outbox {list}, outboxTask {one}, node {node}, taskCancel {cancel}, taskRetry {retry}\n");
        }
        assert_snapshot!(told, @r"
        anonymous: outbox UNAUTHENTICATED, outboxTask UNAUTHENTICATED, node UNAUTHENTICATED, taskCancel UNAUTHENTICATED, taskRetry UNAUTHENTICATED
        a person: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        a person's key with every scope: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        a device: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        a service: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        a counselor: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        an administrator's lesser key: outbox FORBIDDEN, outboxTask FORBIDDEN, node -, taskCancel FORBIDDEN, taskRetry FORBIDDEN
        an administrator: outbox ok, outboxTask ok, node found, taskCancel ok, taskRetry ok
        ");
    }

    async fn tasks_are_filtered_ordered_and_paged(world: World) {
        let admin = world.admin().await;
        let (kettle, _) = failing("brew", "cold");
        for n in 0..5 {
            let run_after = Some(world.clock.now() + TimeDelta::minutes(i64::try_from(n).unwrap()));
            ask(&world, Enqueue { run_after, ..note(n) }).await;
        }
        ask(&world, Enqueue { dedupe_key: Some("k".to_owned()), ..Enqueue::new("brew", json!({ "n": 9 })) }).await;
        drain(&world, [notes(), kettle]).await;
        world.clock.advance(TimeDelta::minutes(1));
        lease(&world, "note", 1).await;

        assert_eq!(listed(&world, &admin, "filter: { types: [\"note\"] }").await, ["note 4", "note 3", "note 2", "note 1", "note 0"]);
        assert_eq!(listed(&world, &admin, "filter: { status: [PENDING], types: [\"note\"] } orderBy: RUN_AFTER_ASC").await, ["note 2", "note 3", "note 4"]);
        assert_eq!(listed(&world, &admin, "filter: { status: [DONE, IN_PROGRESS] } orderBy: RUN_AFTER_ASC").await, ["note 0", "note 1"]);
        assert_eq!(listed(&world, &admin, "filter: { dedupeKey: \"k\" }").await, ["brew 9"]);
        assert_eq!(listed(&world, &admin, "filter: { status: [FAILED] }").await, [""; 0]);

        let query = "query($after: String) { outbox(first: 4, after: $after, orderBy: RUN_AFTER_ASC) { \
                     totalCount nodes { taskType } pageInfo { hasNextPage endCursor } } }";
        let page = world.run(&admin, query, json!({})).await;
        assert_eq!((page.at("/outbox/totalCount"), page.at("/outbox/pageInfo/hasNextPage")), (&json!(6), &json!(true)));
        let after = page.at("/outbox/pageInfo/endCursor");
        let rest = world.run(&admin, query, json!({ "after": after })).await;
        assert_eq!(rest.at("/outbox/nodes").as_array().unwrap().len(), 2);
        assert_eq!(rest.at("/outbox/pageInfo/hasNextPage"), &json!(false));

        let many: Vec<String> = (0..51).map(|it| format!("t{it}")).collect();
        let query = "query($types: [String!]) { outbox(filter: { types: $types }) { nodes { id } } }";
        assert_snapshot!(world.run(&admin, query, json!({ "types": many })).await.error(), @"BAD_USER_INPUT: 51 types: expected at most 50");
    }

    async fn a_dead_letter_is_read_and_retried(world: World) {
        let admin = world.admin().await;
        let (kettle, _) = failing("brew", "the kettle is cold");
        let id = ask(&world, Enqueue::new("brew", json!({ "n": 1 }))).await;
        for _ in 0..3 {
            drain(&world, [kettle.clone()]).await;
            world.clock.advance(TimeDelta::hours(1));
        }
        let query = "query($id: ID!) { outboxTask(id: $id) { taskType status attempts maxAttempts lastError payload } }";
        let answer = world.run(&admin, query, json!({ "id": id })).await;
        assert_eq!(answer.at("/outboxTask"), &json!({
            "taskType": "brew", "status": "FAILED", "attempts": 3, "maxAttempts": 3,
            "lastError": "the kettle is cold", "payload": { "n": 1 },
        }));
        let retry = "mutation($id: ID!) { taskRetry(task: $id) { task { status attempts completedAt } userErrors { code field message } } }";
        let answer = world.run(&admin, retry, json!({ "id": id })).await;
        assert_eq!(answer.at("/taskRetry/task"), &json!({ "status": "PENDING", "attempts": 0, "completedAt": null }));
        let call = world.events().await.pop().unwrap();
        assert_eq!(call.event_type, "api_call");
        assert_eq!((&call.payload.0["operation"], &call.payload.0["object"]), (&json!("taskRetry"), &json!(id)));

        let brews = app::outbox::Handler::quick("brew", 1, |_, _, _| Box::pin(async { Ok(()) }));
        drain(&world, [brews]).await;
        let refused = world.run(&admin, retry, json!({ "id": id })).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT task: a task that is done cannot be retried: only one that failed, or waits");
        let cancel = "mutation($id: ID!) { taskCancel(task: $id) { task { status } userErrors { code field message } } }";
        let refused = world.run(&admin, cancel, json!({ "id": id })).await;
        assert_snapshot!(refused.user_errors(), @"CONFLICT task: a task that is done cannot be cancelled: only one that is open");
        let nobody = "task_01h455vb4pex5vsknk084sn02q";
        let refused = world.run(&admin, cancel, json!({ "id": nobody })).await;
        assert_snapshot!(refused.user_errors(), @"NOT_FOUND task: task names nothing that you can see");
    }
}
