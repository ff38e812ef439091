//! Zones and groups.

use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

use super::{group, lamp, mutate, outcome, register, zone};

on_both_engines! {
    async fn zones_form_a_tree(world: World) {
        let ann = world.person("Ann").await;
        let house = zone(&world, &ann, "House", None).await;
        let floor = zone(&world, &ann, "First floor", Some(&house)).await;
        let kitchen = zone(&world, &ann, "Kitchen", Some(&floor)).await;
        register(&world, &ann, json!({ "name": "Luna", "deviceType": "LAMP", "zoneId": kitchen })).await;
        let query = "query($id: ID!) { zone(id: $id) { name owner { name } parent { id } \
            devices { nodes { name } } children { nodes { name parent { name } \
            children { totalCount nodes { name devices { nodes { name zone { name } } } } } } } } }";
        let answer = world.run(&ann, query, json!({ "id": house })).await;
        assert_snapshot!(format!("{:#}", answer.at("/zone")), @r#"
        {
          "children": {
            "nodes": [
              {
                "children": {
                  "nodes": [
                    {
                      "devices": {
                        "nodes": [
                          {
                            "name": "Luna",
                            "zone": {
                              "name": "Kitchen"
                            }
                          }
                        ]
                      },
                      "name": "Kitchen"
                    }
                  ],
                  "totalCount": 1
                },
                "name": "First floor",
                "parent": {
                  "name": "House"
                }
              }
            ]
          },
          "devices": {
            "nodes": []
          },
          "name": "House",
          "owner": {
            "name": "Ann"
          },
          "parent": null
        }
        "#);

        // Devices of a zone by filter: those in zones within it too.
        let query = "query($zone: ID!) { devices(filter: { zone: $zone }) { nodes { name } } }";
        for id in [&house, &floor, &kitchen] {
            let answer = world.run(&ann, query, json!({ "zone": id })).await;
            assert_eq!(answer.text("/devices/nodes/0/name"), "Luna");
        }

        let into = |parent: &str| json!({ "id": house, "parentId": parent });
        let answer = mutate(&world, &ann, "zoneUpdate", into(&kitchen), "zone { id }").await;
        assert_snapshot!(answer.user_errors(), @"INVALID parentId: a zone cannot lie within itself: choose a parent outside of it");
        let answer = mutate(&world, &ann, "zoneUpdate", into(&house), "zone { id }").await;
        assert_eq!(outcome(&answer), "INVALID");

        let apart = json!({ "id": kitchen, "parentId": null, "description": "warm" });
        let answer = mutate(&world, &ann, "zoneUpdate", apart, "zone { name description parent { id } }").await;
        assert_snapshot!(format!("{:#}", answer.at("/zoneUpdate/zone")), @r#"
        {
          "description": "warm",
          "name": "Kitchen",
          "parent": null
        }
        "#);

        // With a zone go the zones within it, and devices stand in none.
        mutate(&world, &ann, "zoneUpdate", json!({ "id": kitchen, "parentId": floor }), "zone { id }").await.data();
        let answer = mutate(&world, &ann, "zoneDelete", json!({ "id": house }), "deletedZoneId").await;
        assert_eq!(answer.text("/zoneDelete/deletedZoneId"), house);
        let left = world.run(&ann, "{ zones { totalCount } devices { nodes { name zone { id } } } }", json!({})).await;
        assert_snapshot!(format!("{:#}", left.data()), @r#"
        {
          "devices": {
            "nodes": [
              {
                "name": "Luna",
                "zone": null
              }
            ]
          },
          "zones": {
            "totalCount": 0
          }
        }
        "#);
    }

    async fn zones_nest_eight_deep(world: World) {
        let ann = world.person("Ann").await;
        let mut parent = zone(&world, &ann, "1", None).await;
        for name in ["2", "3", "4", "5", "6", "7", "8"] {
            parent = zone(&world, &ann, name, Some(&parent)).await;
        }
        let input = json!({ "name": "9", "parentId": parent });
        let answer = mutate(&world, &ann, "zoneCreate", input, "zone { id }").await;
        assert_snapshot!(answer.user_errors(), @"INVALID parentId: zones would be nested 9 deep: expected at most 8");
    }

    async fn a_zone_name_is_unique_for_its_owner(world: World) {
        let ann = world.person("Ann").await;
        let ben = world.person("Ben").await;
        zone(&world, &ann, "Kitchen", None).await;
        zone(&world, &ben, "Kitchen", None).await;
        let hall = zone(&world, &ann, "Hall", None).await;
        let answer = mutate(&world, &ann, "zoneCreate", json!({ "name": "Kitchen" }), "zone { id }").await;
        assert_snapshot!(answer.user_errors(), @"TAKEN name: name is taken: the owner has a zone of this name");
        let input = json!({ "id": hall, "name": "Kitchen" });
        assert_eq!(outcome(&mutate(&world, &ann, "zoneUpdate", input, "zone { id }").await), "TAKEN");
        let input = json!({ "name": "n".repeat(101), "description": "d".repeat(501) });
        assert_eq!(outcome(&mutate(&world, &ann, "zoneCreate", input, "zone { id }").await), "TOO_LONG+TOO_LONG");
    }

    async fn two_moves_at_once_do_not_make_a_cycle(world: World) {
        let ann = world.person("Ann").await;
        for round in 0..5 {
            let a = zone(&world, &ann, &format!("a{round}"), None).await;
            let b = zone(&world, &ann, &format!("b{round}"), None).await;
            let moves = [(&a, &b), (&b, &a)].map(|(id, parent)| {
                mutate(&world, &ann, "zoneUpdate", json!({ "id": id, "parentId": parent }), "zone { id }")
            });
            let mut outcomes: Vec<String> = join_all(moves).await.iter().map(outcome).collect();
            outcomes.sort();
            assert_eq!(outcomes.join(" "), "INVALID ok");
        }
    }

    async fn a_group_has_settings_and_devices(world: World) {
        let ann = world.person("Ann").await;
        let morning = group(&world, &ann, "Morning").await;
        register(&world, &ann, json!({ "name": "Luna", "deviceType": "LAMP", "groupId": morning })).await;
        lamp(&world, &ann, "Apart").await;
        let input = json!({ "id": morning, "settings": { "volume": 3 }, "description": "wakes" });
        let selection = "deviceGroup { name description settings owner { name } devices { totalCount nodes { name group { name } } } }";
        let answer = mutate(&world, &ann, "deviceGroupUpdate", input, selection).await;
        assert_snapshot!(format!("{:#}", answer.at("/deviceGroupUpdate/deviceGroup")), @r#"
        {
          "description": "wakes",
          "devices": {
            "nodes": [
              {
                "group": {
                  "name": "Morning"
                },
                "name": "Luna"
              }
            ],
            "totalCount": 1
          },
          "name": "Morning",
          "owner": {
            "name": "Ann"
          },
          "settings": {
            "volume": 3
          }
        }
        "#);
        let input = json!({ "id": morning, "settings": null });
        let answer = mutate(&world, &ann, "deviceGroupUpdate", input, selection).await;
        assert_eq!(answer.at("/deviceGroupUpdate/deviceGroup/settings"), &json!({}));
        for settings in [json!([1]), json!({ "a": "x".repeat(16 * 1024) }), json!({ "a": "\0" })] {
            let input = json!({ "id": morning, "settings": settings });
            let answer = mutate(&world, &ann, "deviceGroupUpdate", input, selection).await;
            assert_ne!(outcome(&answer), "ok", "{settings:.60}");
        }
        mutate(&world, &ann, "deviceGroupDelete", json!({ "id": morning }), "deletedDeviceGroupId").await.data();
        let left = world.run(&ann, "{ deviceGroups { totalCount } devices { nodes { name group { id } } } }", json!({})).await;
        assert_snapshot!(format!("{:#}", left.data()), @r#"
        {
          "deviceGroups": {
            "totalCount": 0
          },
          "devices": {
            "nodes": [
              {
                "group": null,
                "name": "Apart"
              },
              {
                "group": null,
                "name": "Luna"
              }
            ]
          }
        }
        "#);
    }
}
