//! Devices, zones, groups and casts, through the schema.

mod access;
mod cast;
mod commands;
mod heartbeat;
mod lists;
mod patterns;
mod register;
mod zones;

use app::{Principal, Viewer};
use chrono::{DateTime, Utc};
use domain::identity::UserId;
use futures_util::StreamExt;
use persistence::device::devices;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use testkit::{Answer, World};

/// Sends a mutation of the form that all of ours have.
pub async fn mutate(
    world: &World,
    viewer: &Viewer,
    name: &str,
    input: Value,
    selection: &str,
) -> Answer {
    let input_type = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
    let query = format!(
        "mutation($input: {input_type}!) {{ {name}(input: $input) {{ \
         {selection} userErrors {{ code field message }} }} }}"
    );
    world.run(viewer, &query, json!({ "input": input })).await
}

/// Registers a device with more said of it; gives its id.
pub async fn register(world: &World, viewer: &Viewer, input: Value) -> String {
    let answer = mutate(world, viewer, "deviceRegister", input, "device { id }").await;
    answer.text("/deviceRegister/device/id").to_owned()
}

/// Registers a lamp of this name; gives its id.
pub async fn lamp(world: &World, viewer: &Viewer, name: &str) -> String {
    register(world, viewer, json!({ "name": name, "deviceType": "LAMP" })).await
}

/// Registers a lamp, and gives its id and the viewer that its token makes.
pub async fn lamp_itself(world: &World, viewer: &Viewer, name: &str) -> (String, Viewer) {
    let input = json!({ "name": name, "deviceType": "LAMP" });
    let answer = mutate(
        world,
        viewer,
        "deviceRegister",
        input,
        "device { id } token",
    )
    .await;
    let token = answer.text("/deviceRegister/token");
    let itself = app::identity::authenticate(&world.services, token)
        .await
        .unwrap();
    let id = answer.text("/deviceRegister/device/id").to_owned();
    (id, itself)
}

/// Makes a zone; gives its id.
pub async fn zone(world: &World, viewer: &Viewer, name: &str, parent: Option<&str>) -> String {
    let input = json!({ "name": name, "parentId": parent });
    let answer = mutate(world, viewer, "zoneCreate", input, "zone { id }").await;
    answer.text("/zoneCreate/zone/id").to_owned()
}

/// Makes a group; gives its id.
pub async fn group(world: &World, viewer: &Viewer, name: &str) -> String {
    let input = json!({ "name": name });
    let answer = mutate(
        world,
        viewer,
        "deviceGroupCreate",
        input,
        "deviceGroup { id }",
    )
    .await;
    answer.text("/deviceGroupCreate/deviceGroup/id").to_owned()
}

/// The person that a viewer is.
pub fn person(viewer: &Viewer) -> UserId {
    match viewer.principal {
        Principal::User { id, .. } | Principal::Service { id } => id,
        _ => panic!("not a person: {viewer:?}"),
    }
}

/// What a heartbeat leaves in the row.
pub async fn heard(world: &World, id: &str, at: DateTime<Utc>, status: &str) {
    devices::Entity::update_many()
        .col_expr(devices::Column::LastHeartbeatAt, Expr::value(at))
        .col_expr(devices::Column::Status, Expr::value(status))
        .filter(devices::Column::Id.eq(id.parse::<domain::device::DeviceId>().unwrap()))
        .exec(world.services.db.writer())
        .await
        .unwrap();
}

/// What a subscription tells.
pub type Told = std::pin::Pin<Box<dyn futures_util::Stream<Item = Value> + Send>>;

/// Subscribes; what happens from now on is told.
pub async fn subscribe(world: &World, viewer: &Viewer, query: &str, variables: Value) -> Told {
    let request = async_graphql::Request::new(query)
        .variables(async_graphql::Variables::from_json(variables));
    let request = graphql::prepare(request, world.cx(viewer));
    let answers = world.schema().execute_stream(request);
    let mut told = Box::pin(answers.map(|it| serde_json::to_value(it).unwrap())).peekable();
    // It begins when it is asked for the first time.
    let mut told_now = std::pin::Pin::new(&mut told);
    for _ in 0..20 {
        tokio::task::yield_now().await;
        if futures_util::poll!(told_now.as_mut().peek()).is_ready() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    Box::pin(told)
}

/// The next thing told.
pub async fn next(told: &mut Told) -> Value {
    tokio::time::timeout(std::time::Duration::from_secs(5), told.next())
        .await
        .expect("nothing was told in five seconds")
        .expect("the subscription ended")
}

/// Nothing more is told.
pub async fn quiet(told: &mut Told) {
    let wait = std::time::Duration::from_millis(50);
    let it = tokio::time::timeout(wait, told.next()).await;
    assert!(it.is_err(), "told: {it:?}");
}

/// In one word: done, refused with these codes, or failed with this one.
pub fn outcome(answer: &Answer) -> String {
    if answer.0.get("errors").is_some() {
        let error = answer.error();
        return error.split(':').next().unwrap_or_default().to_owned();
    }
    let payload = answer.data().as_object().and_then(|it| it.values().next());
    match payload {
        None | Some(Value::Null) => "-".to_owned(),
        Some(payload) => {
            let codes: Vec<&str> = payload["userErrors"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|it| it["code"].as_str())
                .collect();
            if codes.is_empty() {
                "ok".to_owned()
            } else {
                codes.join("+")
            }
        }
    }
}
