//! Casting entities onto devices.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::{lamp, mutate, outcome, person, register};

const CAST: &str = "entity { name device { name } } device { name entity { name } }";

on_both_engines! {
    async fn an_entity_is_cast_moved_and_uncast(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = lamp(&world, &ann, "Luna").await;
        register(&world, &ann, json!({ "name": "Stella", "deviceType": "LAMP", "serialNumber": "S-2" })).await;
        let onto_luna = json!({ "entityId": frank, "target": { "deviceId": luna } });
        let answer = mutate(&world, &ann, "entityCast", onto_luna.clone(), CAST).await;
        assert_snapshot!(format!("{:#}", answer.at("/entityCast")), @r#"
        {
          "device": {
            "entity": {
              "name": "Frank"
            },
            "name": "Luna"
          },
          "entity": {
            "device": {
              "name": "Luna"
            },
            "name": "Frank"
          },
          "userErrors": []
        }
        "#);
        // Again is fine.
        let again = mutate(&world, &ann, "entityCast", onto_luna, CAST).await;
        assert_eq!(again.data(), answer.data());
        // By serial number, and off the first device.
        let onto_stella = json!({ "entityId": frank, "target": { "serialNumber": "S-2" } });
        let answer = mutate(&world, &ann, "entityCast", onto_stella, CAST).await;
        assert_eq!(answer.text("/entityCast/device/entity/name"), "Frank");
        let left = world.run(&ann, "{ devices { nodes { name entity { name } } } }", json!({})).await;
        assert_snapshot!(format!("{:#}", left.at("/devices/nodes")), @r#"
        [
          {
            "entity": null,
            "name": "Luna"
          },
          {
            "entity": {
              "name": "Frank"
            },
            "name": "Stella"
          }
        ]
        "#);

        let off = json!({ "entityId": frank });
        let answer = mutate(&world, &ann, "entityUncast", off.clone(), CAST).await;
        assert_snapshot!(format!("{:#}", answer.at("/entityUncast")), @r#"
        {
          "device": {
            "entity": null,
            "name": "Stella"
          },
          "entity": {
            "device": null,
            "name": "Frank"
          },
          "userErrors": []
        }
        "#);
        let again = mutate(&world, &ann, "entityUncast", off, CAST).await;
        assert!(again.at("/entityUncast/device").is_null());
        assert_eq!(outcome(&again), "ok");
    }

    async fn an_occupied_device_names_its_occupant(world: World) {
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let fred = world.entity(person(&ann), "Fred").await;
        let luna = lamp(&world, &ann, "Luna").await;
        let onto = |entity| json!({ "entityId": entity, "target": { "deviceId": luna } });
        mutate(&world, &ann, "entityCast", onto(frank), CAST).await.data();
        let answer = mutate(&world, &ann, "entityCast", onto(fred), CAST).await;
        let told = answer.user_errors().replace(&frank.to_string(), "<frank>");
        assert_snapshot!(told, @"CONFLICT target.deviceId: Frank (<frank>) lives on this device: uncast it first");
    }

    async fn one_of_two_entities_at_once_gets_the_device(world: World) {
        let ann = world.person("Ann").await;
        for round in 0..5 {
            let device = lamp(&world, &ann, &format!("Lamp {round}")).await;
            let a = world.entity(person(&ann), "A").await;
            let b = world.entity(person(&ann), "B").await;
            let casts = [a, b].map(|entity| {
                mutate(&world, &ann, "entityCast", json!({ "entityId": entity, "target": { "deviceId": device } }), CAST)
            });
            let mut outcomes: Vec<String> = join_all(casts).await.iter().map(outcome).collect();
            outcomes.sort();
            assert_eq!(outcomes.join(" "), "CONFLICT ok");
        }
    }

    async fn entities_that_swap_devices_do_not_wait_for_each_other(world: World) {
        let ann = world.person("Ann").await;
        let a = world.entity(person(&ann), "A").await;
        let b = world.entity(person(&ann), "B").await;
        let one = lamp(&world, &ann, "One").await;
        let two = lamp(&world, &ann, "Two").await;
        let onto = |entity, device: &str| json!({ "entityId": entity, "target": { "deviceId": device } });
        mutate(&world, &ann, "entityCast", onto(a, &one), CAST).await.data();
        mutate(&world, &ann, "entityCast", onto(b, &two), CAST).await.data();
        for _ in 0..5 {
            let swap = [
                mutate(&world, &ann, "entityCast", onto(a, &two), CAST),
                mutate(&world, &ann, "entityCast", onto(b, &one), CAST),
            ];
            let outcomes: Vec<String> = join_all(swap).await.iter().map(outcome).collect();
            assert_eq!(outcomes.join(" "), "CONFLICT CONFLICT");
        }
    }

    async fn entity_and_device_belong_together(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        let admin = world.admin().await;
        let frank = world.entity(person(&ann), "Frank").await;
        let theirs = register(&world, &ben, json!({ "name": "Ben's", "deviceType": "LAMP", "serialNumber": "B-1" })).await;
        for (target, expected) in [
            (json!({ "deviceId": theirs }), "NOT_FOUND"),
            (json!({ "serialNumber": "B-1" }), "NOT_FOUND"),
            (json!({ "serialNumber": "nobody's" }), "NOT_FOUND"),
            (json!({ "serialNumber": "a\0" }), "NOT_FOUND"),
            (json!({ "serialNumber": "' OR 1=1 --" }), "NOT_FOUND"),
        ] {
            let input = json!({ "entityId": frank, "target": target });
            let answer = mutate(&world, &ann, "entityCast", input, CAST).await;
            assert_eq!(outcome(&answer), expected, "{target}");
        }
        let input = json!({ "entityId": frank, "target": { "deviceId": theirs } });
        let answer = mutate(&world, &admin, "entityCast", input, CAST).await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT target.deviceId: entity and device belong to different persons: cast onto a device of the entity's owner");
        // Exactly one way to name the device.
        for target in [json!({}), json!({ "deviceId": theirs, "serialNumber": "B-1" })] {
            let input = json!({ "entityId": frank, "target": target });
            let answer = mutate(&world, &ann, "entityCast", input, CAST).await;
            assert!(answer.0.get("errors").is_some(), "{target}");
        }
    }

    async fn an_inactive_entity_takes_part_in_nothing_new(world: World) {
        use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
        let ann = world.person("Ann").await;
        let frank = world.entity(person(&ann), "Frank").await;
        let luna = lamp(&world, &ann, "Luna").await;
        persistence::dna::entities::Entity::update_many()
            .col_expr(persistence::dna::entities::Column::IsActive, Expr::value(false))
            .filter(persistence::dna::entities::Column::Id.eq(frank))
            .exec(world.services.db.writer())
            .await
            .unwrap();
        let input = json!({ "entityId": frank, "target": { "deviceId": luna } });
        let answer = mutate(&world, &ann, "entityCast", input, CAST).await;
        assert_snapshot!(answer.user_errors(), @"CONFLICT entityId: this entity is inactive: activate it first");
    }
}
