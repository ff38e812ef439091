//! Introspection by its own measure: the size of the schema, and what learning it takes.

use super::{Pass, Todo};
use crate::refusal::Refusal;

/// How deep fields may nest below `__schema` and `__type`. Clients' introspection goes to 14.
const MAX_INTROSPECTION_DEPTH: u32 = 20;
/// What clients send to learn the schema (graphql-js `getIntrospectionQuery`, every option on):
/// the measure for what introspection may cost.
pub(super) const INTROSPECTION: &str = "
    { __schema { description queryType { name kind } mutationType { name kind }
        subscriptionType { name kind } types { ...T }
        directives { name description isRepeatable locations args(includeDeprecated: true) { ...I } } } }
    fragment T on __Type { kind name description specifiedByURL isOneOf
        fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...I }
            type { ...R } isDeprecated deprecationReason }
        inputFields(includeDeprecated: true) { ...I } interfaces { ...R }
        enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        possibleTypes { ...R } }
    fragment I on __InputValue { name description type { ...R } defaultValue isDeprecated
        deprecationReason }
    fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name ofType { kind name ofType { kind name
        ofType { kind name ofType { kind name } } } } } } } } } }";

/// Where in an introspection one is.
#[derive(Clone, Copy)]
pub(super) struct Introspection {
    /// Lists of what types are made of that one is in: each multiplies by the last.
    pub(super) nested: u32,
}

impl<'a> Pass<'a> {
    /// Introspection by its own measure: the size of the schema, and not twice into the parts
    /// of types.
    pub(super) fn introspect(
        &mut self,
        name: &str,
        below: Todo<'a>,
        mut at: Introspection,
    ) -> Result<Option<Todo<'a>>, Refusal> {
        let size = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
        let rows = match name {
            "types" | "possibleTypes" => size(self.model.types()),
            "fields" | "inputFields" | "enumValues" => size(self.model.fields_per_type()),
            "interfaces" | "args" | "directives" => 2,
            _ => 1,
        };
        // `possibleTypes` of every type is what clients ask for, and nearly all have none.
        let rows = if at.nested == 0 && name == "possibleTypes" {
            1
        } else {
            rows
        };
        if matches!(
            name,
            "fields" | "inputFields" | "interfaces" | "possibleTypes"
        ) {
            at.nested += 1;
        }
        let parents = below.parents.saturating_mul(rows);
        self.introspected = self.introspected.saturating_add(parents);
        if at.nested > 2
            || below.depth > MAX_INTROSPECTION_DEPTH
            || self.introspected > self.max_introspected
        {
            return Err(Refusal::too_complex(
                "the introspection goes deeper, or is wider, than learning the schema takes",
            ));
        }
        Ok((!below.set.items.is_empty()).then_some(Todo {
            parents,
            introspection: Some(at),
            ..below
        }))
    }
}
