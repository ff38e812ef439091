//! The first administrator.

use std::sync::Arc;

use app::{
    Request, Services, Settings,
    identity::{authenticate, first_start},
};
use futures_util::future::join_all;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

on_both_engines! {
    async fn the_first_start_makes_an_administrator_with_a_key_once(world: World) {
        let made = first_start(&world.services).await.unwrap().unwrap();
        assert!(first_start(&world.services).await.unwrap().is_none());
        let viewer = authenticate(&world.services, &made.token.reveal()).await.unwrap();
        let answer = world
            .run(&viewer, "{ viewer { role scopes actsFor { id } device { id } user { name userName displayName } } }", json!({}))
            .await;
        assert_snapshot!(answer.at("/viewer"), @r#"{"actsFor":null,"device":null,"role":"ADMIN","scopes":["read","write","admin"],"user":{"displayName":"Administrator","name":"Administrator","userName":"admin"}}"#);
        let tokens = world
            .run(&viewer, "{ viewer { user { tokens { totalCount nodes { kind name scopes expiresAt } } } } }", json!({}))
            .await;
        assert_snapshot!(tokens.at("/viewer/user/tokens"), @r#"{"nodes":[{"expiresAt":null,"kind":"API_KEY","name":"first start","scopes":["read","write","admin"]}],"totalCount":1}"#);
    }

    async fn an_installation_with_a_person_has_had_its_first_start(world: World) {
        world.person("Ann").await;
        assert!(first_start(&world.services).await.unwrap().is_none());
    }

    async fn processes_that_start_at_once_make_one_administrator(world: World) {
        let mut processes = Vec::new();
        for _ in 0..4 {
            let db = world.database().connect().await;
            processes.push(Services::system(db, Settings::default()));
        }
        let starts = processes.iter().map(|it: &Arc<Services>| first_start(it));
        let made: Vec<_> = join_all(starts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(made.iter().flatten().count(), 1);
        let token = made.into_iter().flatten().next().unwrap().token;
        for process in &processes {
            let viewer = authenticate(process, &token.reveal()).await.unwrap();
            let cx = process.cx(viewer, Request::default());
            assert!(cx.viewer.is_admin());
        }
    }
}
