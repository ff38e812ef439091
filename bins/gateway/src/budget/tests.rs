//! Small and large operations against a schema of persons and their friends.

#![expect(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "documents built in tests need no speed"
)]

use async_graphql::{ID, Object, Subscription, parser::parse_query, value};
use futures_util::{Stream, stream};
use graphql::code;

use super::*;

struct Query;
struct Mutation;
struct Events;
struct Person;
struct People;
struct Edge;

#[Object]
impl Query {
    async fn me(&self) -> Person {
        Person
    }

    async fn nodes(&self, ids: Vec<ID>) -> Vec<Person> {
        ids.iter().map(|_| Person).collect()
    }
}

#[Object]
impl Mutation {
    async fn touch(&self) -> Person {
        Person
    }
}

#[Subscription]
impl Events {
    async fn touched(&self) -> impl Stream<Item = Person> {
        stream::empty()
    }
}

#[Object]
impl Person {
    async fn name(&self) -> &str {
        "Ann"
    }

    async fn best(&self) -> Person {
        Person
    }

    async fn friends(
        &self,
        #[graphql(name = "first")] _first: Option<i32>,
        #[graphql(name = "last")] _last: Option<i32>,
    ) -> People {
        People
    }

    async fn recall(&self, #[graphql(name = "first")] _first: Option<i32>) -> Vec<Person> {
        Vec::new()
    }

    async fn pets(&self) -> Vec<Person> {
        Vec::new()
    }
}

#[Object]
impl People {
    async fn edges(&self) -> Vec<Edge> {
        Vec::new()
    }

    async fn nodes(&self) -> Vec<Person> {
        Vec::new()
    }

    async fn total_count(&self) -> i32 {
        0
    }
}

#[Object]
impl Edge {
    async fn node(&self) -> Person {
        Person
    }

    async fn cursor(&self) -> &str {
        ""
    }
}

fn measured(text: &str, variables: async_graphql::Value) -> Result<Measure, Refusal> {
    let model = Model::of::<Query, Mutation, Events>();
    let document = parse_query(text).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    Budget::new(&model).measure(
        &model,
        &document,
        &operation.node,
        &Variables::from_value(variables),
    )
}

fn measure(text: &str) -> Measure {
    measured(text, value!({})).unwrap()
}

fn refusal(text: &str) -> (String, String) {
    let refusal = measured(text, value!({})).unwrap_err();
    (refusal.code().to_owned(), refusal.errors[0].message.clone())
}

/// How many selections were looked at: a count, not a clock.
fn work(text: &str) -> u32 {
    let model = Model::of::<Query, Mutation, Events>();
    let document = parse_query(text).unwrap();
    let mut pass = Pass::new(&model, &document, None, u64::MAX);
    for (_, operation) in document.operations.iter() {
        let _ = pass.operation(&operation.node);
    }
    pass.work
}

#[test]
fn an_object_is_one_and_a_page_multiplies() {
    assert_eq!(measure("{ me { name } }").objects, 1);
    assert_eq!(measure("{ me { best { name } } }").objects, 2);
    // Me, the connection, its rows.
    assert_eq!(
        measure("{ me { friends { nodes { name } } } }").objects,
        1 + 1 + 20
    );
    assert_eq!(
        measure("{ me { friends(first: 5) { nodes { name } } } }").objects,
        7
    );
    assert_eq!(
        measure("{ me { friends(last: 5) { nodes { name } } } }").objects,
        7
    );
    // An edge only carries its node.
    assert_eq!(
        measure("{ me { friends(first: 5) { edges { cursor node { name } } } } }").objects,
        7
    );
    assert_eq!(
        measure("{ me { friends(first: 5) { nodes { friends(first: 4) { nodes { name } } } } } }")
            .objects,
        1 + 1 + 5 + 5 + 20
    );
    // A count alone asks for no rows.
    assert_eq!(
        measure("{ me { friends(first: 100) { totalCount } } }").objects,
        2
    );
}

#[test]
fn lists_that_are_no_connection_have_a_size_as_well() {
    assert_eq!(measure("{ me { recall(first: 7) { name } } }").objects, 8);
    assert_eq!(measure("{ me { pets { name } } }").objects, 11);
    assert_eq!(
        measure("{ nodes(ids: [\"a\", \"b\", \"c\"]) { name } }").objects,
        3
    );
    let ids = measured(
        "query($ids: [ID!]!) { nodes(ids: $ids) { name } }",
        value!({ "ids": ["a", "b", "c", "d"] }),
    )
    .unwrap();
    assert_eq!((ids.objects, ids.by_variables), (4, true));
}

#[test]
fn sizes_come_from_variables_and_their_defaults() {
    let query = "query($n: Int = 3) { me { friends(first: $n) { nodes { name } } } }";
    let with = |variables| measured(query, variables).unwrap();
    assert_eq!(with(value!({})).objects, 5);
    assert_eq!(with(value!({ "n": 9 })).objects, 11);
    // Not a size: validation will say so; until then it is a page of the usual size.
    assert_eq!(with(value!({ "n": "x" })).objects, 22);
    assert_eq!(with(value!({ "n": null })).objects, 22);
    assert!(with(value!({})).by_variables);
    assert!(!measure("query($n: Int) { me { name } }").by_variables);
}

#[test]
fn too_many_objects_are_refused_before_they_are_multiplied_past_counting() {
    let page = "friends(first: 100) { nodes { ";
    let deep = format!("{{ me {{ {} name {} }} }}", page.repeat(2), "} }".repeat(2));
    assert_eq!(refusal(&deep).0, code::QUERY_TOO_COMPLEX);
    let (code, message) = refusal("{ me { friends(first: 1000000) { nodes { name } } } }");
    assert_eq!(code, code::QUERY_TOO_COMPLEX);
    assert!(message.contains("10000 objects"), "{message}");
    let huge = "friends(first: 2147483647) { nodes { ";
    let huge = format!("{{ me {{ {} name {} }} }}", huge.repeat(6), "} }".repeat(6));
    assert_eq!(refusal(&huge).0, code::QUERY_TOO_COMPLEX);
}

#[test]
fn depth_is_15_fields() {
    let nested = |n: usize| {
        format!(
            "{{ me {{ {} name {} }} }}",
            "best { ".repeat(n),
            "}".repeat(n)
        )
    };
    assert_eq!(measure(&nested(13)).depth, 15);
    assert_eq!(refusal(&nested(14)).0, code::QUERY_TOO_COMPLEX);
}

#[test]
fn selections_are_500_with_fragments_inlined() {
    let fields = |n: usize| "name ".repeat(n);
    assert_eq!(
        measure(&format!("{{ me {{ {} }} }}", fields(499))).nodes,
        500
    );
    assert_eq!(
        refusal(&format!("{{ me {{ {} }} }}", fields(500))).0,
        code::QUERY_TOO_COMPLEX
    );
    let fragment = format!(
        "{{ a: me {{ ...F }} b: me {{ ...F }} }} fragment F on Person {{ {} }}",
        fields(250)
    );
    assert_eq!(refusal(&fragment).0, code::QUERY_TOO_COMPLEX);
}

#[test]
fn a_nested_fragment_bomb_ends_after_so_much_work() {
    // Each fragment spreads the next one ten times: 10^25 selections in two kilobytes.
    let bomb = |leaf: &str| {
        let mut text = "{ me { ...F0 } }".to_owned();
        for i in 0..25 {
            let next = format!("...F{} ", i + 1).repeat(10);
            text.push_str(&format!(" fragment F{i} on Person {{ {next} }}"));
        }
        text.push_str(&format!(" fragment F25 on Person {{ {leaf} }}"));
        text
    };
    for text in [bomb("name"), bomb("best { name }")] {
        assert_eq!(refusal(&text).0, code::QUERY_TOO_COMPLEX);
        assert!(work(&text) <= MAX_WORK + 1, "{}", work(&text));
    }
    // The same with fields in between.
    let mut text = "{ me { ...F0 } }".to_owned();
    for i in 0..25 {
        let n = i + 1;
        text.push_str(&format!(
            " fragment F{i} on Person {{ a: best {{ ...F{n} }} b: best {{ ...F{n} }} }}"
        ));
    }
    text.push_str(" fragment F25 on Person { name }");
    assert_eq!(refusal(&text).0, code::QUERY_TOO_COMPLEX);
    assert!(work(&text) <= MAX_WORK + 1);
}

#[test]
fn a_burden_in_another_operation_is_refused_too() {
    let mut text = "query Small { me { name } } query Big { me { ...F0 } }".to_owned();
    for i in 0..20 {
        let next = format!("...F{} ", i + 1).repeat(10);
        text.push_str(&format!(" fragment F{i} on Person {{ {next} }}"));
    }
    text.push_str(" fragment F20 on Person { name }");
    let model = Model::of::<Query, Mutation, Events>();
    let document = parse_query(&text).unwrap();
    let DocumentOperations::Multiple(operations) = &document.operations else {
        panic!("two operations");
    };
    let small = &operations["Small"].node;
    let refused = Budget::new(&model).measure(&model, &document, small, &Variables::default());
    assert_eq!(refused.unwrap_err().code(), code::QUERY_TOO_COMPLEX);
}

#[test]
fn fragments_that_contain_themselves_are_named() {
    for text in [
        "{ me { ...A } } fragment A on Person { ...A }",
        "{ me { ...A } } fragment A on Person { ...B } fragment B on Person { best { ...A } }",
        "{ me { ...A } } fragment A on Person { ...B ...B } fragment B on Person { ... { ...B } }",
    ] {
        let (code, message) = refusal(text);
        assert_eq!(code, code::BAD_USER_INPUT);
        assert!(message.contains("contains itself"), "{message}");
    }
    // Twice the same one is no cycle.
    let twice = "{ me { ...A ...B } } fragment A on Person { ...C } fragment B on Person { ...C }
        fragment C on Person { name }";
    assert_eq!(measure(twice).nodes, 3);
}

#[test]
fn an_unused_fragment_is_refused_unmeasured() {
    let (code, message) = refusal("{ me { name } } fragment A on Person { name }");
    assert_eq!(code, code::BAD_USER_INPUT);
    assert_eq!(message, "fragment \"A\" is not used");
}

#[test]
fn aliases_and_directives_are_bounded() {
    let aliases = |n: usize| {
        let fields: String = (0..n).map(|i| format!("a{i}: name ")).collect();
        format!("{{ me {{ {fields} }} }}")
    };
    assert_eq!(measure(&aliases(100)).nodes, 101);
    assert_eq!(refusal(&aliases(101)).0, code::QUERY_TOO_COMPLEX);
    let directives = |n: usize| format!("{{ me {{ name {} }} }}", "@include(if: true) ".repeat(n));
    assert_eq!(measure(&directives(8)).nodes, 2);
    assert_eq!(refusal(&directives(9)).0, code::QUERY_TOO_COMPLEX);
    let spread = |n: usize| format!("{{ me {{ {} }} }}", "name @include(if: true) ".repeat(n));
    assert_eq!(measure(&spread(100)).nodes, 101);
    assert_eq!(refusal(&spread(101)).0, code::QUERY_TOO_COMPLEX);
}

#[test]
fn cost_grows_with_objects_and_writes() {
    assert_eq!(measure("{ me { name } }").cost, 1);
    assert_eq!(
        measure("{ me { friends(first: 100) { nodes { name } } } }").cost,
        6
    );
    assert_eq!(measure("mutation { touch { name } }").cost, 11);
    assert_eq!(
        measure("mutation { a: touch { name } b: touch { name } }").cost,
        21
    );
    assert_eq!(measure("subscription { touched { name } }").cost, 1);
    assert_eq!(measure("{ __schema { queryType { name } } }").cost, 11);
}

#[test]
fn a_subscription_has_one_root_field() {
    assert!(measured("subscription { touched { name } }", value!({})).is_ok());
    for text in [
        "subscription { touched { name } b: touched { name } }",
        "subscription { ...F } fragment F on Events { touched { name } }",
        "subscription { ... { touched { name } } }",
    ] {
        assert_eq!(refusal(text).0, code::BAD_USER_INPUT);
    }
}

#[test]
fn clients_may_introspect() {
    let measure = measure(INTROSPECTION);
    assert_eq!(measure.cost, 11);
    assert!(measure.nodes < MAX_NODES, "{}", measure.nodes);
    assert_eq!(
        super::Budget::new(&Model::new()).introspection_values % INTROSPECTIONS,
        0
    );
    // Against the real schema as well.
    let model = Model::new();
    let document = parse_query(INTROSPECTION).unwrap();
    let (_, operation) = document.operations.iter().next().unwrap();
    let budget = Budget::new(&model);
    assert!(
        budget
            .measure(&model, &document, &operation.node, &Variables::default())
            .is_ok()
    );
}

#[test]
fn introspection_that_multiplies_is_refused() {
    let cycle = |n: usize| {
        format!(
            "{{ __schema {{ types {{ {} name {} }} }} }}",
            "fields { type { ".repeat(n),
            "} }".repeat(n)
        )
    };
    assert!(measured(&cycle(1), value!({})).is_ok());
    assert_eq!(refusal(&cycle(3)).0, code::QUERY_TOO_COMPLEX);
    let thrice = "types { ...T } a: types { ...T } b: types { ...T }";
    let thrice = INTROSPECTION.replace("types { ...T }", thrice);
    assert_eq!(refusal(&thrice).0, code::QUERY_TOO_COMPLEX);
    let deep = format!(
        "{{ __schema {{ types {{ {} kind {} }} }} }}",
        "ofType { ".repeat(20),
        "}".repeat(20)
    );
    assert_eq!(refusal(&deep).0, code::QUERY_TOO_COMPLEX);
}

#[test]
fn introspection_that_is_wide_where_it_multiplies_is_refused() {
    let model = Model::new();
    let budget = Budget::new(&model);
    let measured = |n: usize| {
        let many: String = (0..n).map(|i| format!("a{i}: name ")).collect();
        let text = format!(
            "{{ __schema {{ types {{ fields {{ type {{ fields {{ type {{ {many} }} }} }} }} }} }} }}"
        );
        let document = parse_query(&text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        budget.measure(&model, &document, &operation.node, &Variables::default())
    };
    assert!(measured(1).is_ok());
    assert!(measured(99).is_err());
}
