//! The event log, through the schema.

use app::Viewer;
use insta::assert_snapshot;
use serde_json::json;
use testkit::on_both_engines;

on_both_engines! {
    async fn nobody_is_anonymous_with_a_token(world: World) {
        let query = "{ viewer { role } node(id: \"x\") { id } }";
        let anonymous = world.run(&Viewer::anonymous(), query, json!({})).await;
        assert_snapshot!(anonymous.error(), @"UNAUTHENTICATED: not signed in: send an access token as `Authorization: Bearer anima_…`");
        let ann = world.person("Ann").await;
        let answer = world.run(&ann, "{ viewer { role } }", json!({})).await;
        assert_eq!(answer.text("/viewer/role"), "USER");
    }
}
