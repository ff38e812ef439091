//! How much an operation asks for, before anything else looks at it.
//!
//! One breadth-first pass over the parsed document, inlining fragments as it goes, that gives
//! up at a fixed amount of work. The library's own limits walk the inlined document without
//! one: a nested-fragment bomb of under a kilobyte costs them seconds.
//!
//! What a field costs comes from the schema: a field with `first` or `last` is a page of so
//! many, another list is taken to hold [`ASSUMED_LIST`], or as many as a list argument names.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
};

use async_graphql::{
    Name, Positioned, ServerError, Value, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
        Selection, SelectionSet,
    },
    registry::{MetaField, MetaType},
};

use crate::{
    model::{Kind, Model, is_list},
    refusal::Refusal,
};

mod fragments;
mod introspection;

use fragments::fragments_are_sound;
use introspection::{INTROSPECTION, Introspection};

/// How deep fields may nest; the root's are at depth 1.
const MAX_DEPTH: u32 = 15;
/// How many selections an operation may have, fragments inlined.
const MAX_NODES: u32 = 500;
/// How many of them may have an alias.
const MAX_ALIASES: u32 = 100;
/// How many directives an operation may have, and how many may stand at one place.
const MAX_DIRECTIVES: u32 = 100;
const MAX_DIRECTIVES_HERE: usize = 8;
/// How many objects an operation may ask for, by estimate.
const MAX_OBJECTS: u64 = 10_000;
/// How many selections are looked at in all operations of a document, spreads included.
const MAX_WORK: u32 = 5_000;
/// The page of a connection that is asked for no size.
const DEFAULT_PAGE: u64 = 20;
/// What a list that is no page is taken to hold.
const ASSUMED_LIST: u64 = 10;
/// An operation may introspect so many times as much as [`INTROSPECTION`] does.
const INTROSPECTIONS: u64 = 2;

/// What an operation costs: one point, and one for every 20 objects it may return; a mutation
/// ten for each root field.
const OBJECTS_PER_POINT: u64 = 20;
const POINTS_PER_MUTATION: u64 = 10;
const POINTS_PER_INTROSPECTION: u32 = 10;

/// What an operation asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// Selections, fragments inlined.
    pub nodes: u32,
    /// How deep fields nest.
    pub depth: u32,
    /// Objects, by estimate.
    pub objects: u64,
    /// Points for the rate limit.
    pub cost: u32,
    /// Whether another request with other variables may measure otherwise.
    pub by_variables: bool,
}

/// Measures operations against the schema.
#[derive(Debug)]
pub struct Budget {
    introspection_values: u64,
}

impl Budget {
    /// For the schema of `model`.
    pub fn new(model: &Model) -> Self {
        let mut budget = Self {
            introspection_values: u64::MAX,
        };
        // A constant that parses, held by a test; a text that did not would bound nothing.
        if let Ok(document) = async_graphql::parser::parse_query(INTROSPECTION) {
            let mut pass = Pass::new(model, &document, None, u64::MAX);
            for (_, operation) in document.operations.iter() {
                let _ = pass.operation(&operation.node);
            }
            budget.introspection_values = pass.introspected.saturating_mul(INTROSPECTIONS);
        }
        budget
    }

    /// Measures the operation that will run, and sees that none of the others is a burden
    /// to validate.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX` past a limit, `BAD_USER_INPUT` for a fragment that contains itself
    /// or is not used.
    pub fn measure(
        &self,
        model: &Model,
        document: &ExecutableDocument,
        selected: &OperationDefinition,
        variables: &Variables,
    ) -> Result<Measure, Refusal> {
        fragments_are_sound(document)?;
        let mut pass = Pass::new(model, document, Some(variables), self.introspection_values);
        if let DocumentOperations::Multiple(operations) = &document.operations {
            for operation in operations.values() {
                if !std::ptr::eq(&raw const operation.node, selected) {
                    pass.operation(&operation.node)?;
                    pass.next_operation();
                }
            }
        }
        pass.operation(selected)
    }
}

/// One pass over a document.
struct Pass<'a> {
    model: &'a Model,
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    variables: Option<&'a Variables>,
    max_introspected: u64,
    /// Selections looked at; never reset.
    work: u32,
    measure: Measure,
    aliases: u32,
    directives: u32,
    introspected: u64,
    by_variables: Cell<bool>,
}

/// A selection set to look at.
#[derive(Clone, Copy)]
struct Todo<'a> {
    set: &'a SelectionSet,
    on: Option<&'a MetaType>,
    /// The depth of this set's fields.
    depth: u32,
    /// How many objects it is selected on.
    parents: u64,
    /// In a connection: how many rows it has.
    page: Option<u64>,
    /// Below `__schema` or `__type`.
    introspection: Option<Introspection>,
}

impl<'a> Pass<'a> {
    fn new(
        model: &'a Model,
        document: &'a ExecutableDocument,
        variables: Option<&'a Variables>,
        max_introspected: u64,
    ) -> Self {
        Self {
            model,
            fragments: &document.fragments,
            variables,
            max_introspected,
            work: 0,
            measure: Measure::default(),
            aliases: 0,
            directives: 0,
            introspected: 0,
            by_variables: Cell::new(false),
        }
    }

    fn next_operation(&mut self) {
        self.measure = Measure::default();
        self.aliases = 0;
        self.directives = 0;
        self.introspected = 0;
    }

    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Measure, Refusal> {
        let kind = Kind::from(operation.ty);
        self.note_directives(operation.directives.len())?;
        let mut queue = VecDeque::from([Todo {
            set: &operation.selection_set.node,
            on: self.model.root(kind),
            depth: 1,
            parents: 1,
            page: None,
            introspection: None,
        }]);
        let mut roots = 0_u64;
        while let Some(todo) = queue.pop_front() {
            for selection in &todo.set.items {
                self.work += 1;
                if self.work > MAX_WORK {
                    return Err(too_many_nodes());
                }
                self.note_directives(selection.node.directives().len())?;
                match &selection.node {
                    Selection::Field(field) => {
                        roots += u64::from(todo.depth == 1);
                        queue.extend(self.field(&field.node, todo, operation)?);
                    }
                    Selection::FragmentSpread(spread) => {
                        let name = &spread.node.fragment_name.node;
                        // An unknown fragment is found by validating.
                        if let Some(fragment) = self.fragments.get(name) {
                            let on = &fragment.node.type_condition.node.on.node;
                            queue.push_back(Todo {
                                set: &fragment.node.selection_set.node,
                                on: self.model.type_named(on),
                                ..todo
                            });
                        }
                    }
                    Selection::InlineFragment(inline) => {
                        let on = match &inline.node.type_condition {
                            Some(it) => self.model.type_named(&it.node.on.node),
                            None => todo.on,
                        };
                        queue.push_back(Todo {
                            set: &inline.node.selection_set.node,
                            on,
                            ..todo
                        });
                    }
                }
            }
        }
        if kind == Kind::Subscription {
            one_root_field(operation, roots)?;
        }
        self.measure.cost = self.cost(kind, roots);
        self.measure.by_variables = self.by_variables.get();
        Ok(self.measure)
    }

    fn cost(&self, kind: Kind, roots: u64) -> u32 {
        let introspection = if self.introspected > 0 {
            POINTS_PER_INTROSPECTION
        } else {
            0
        };
        cost_of(kind, self.measure.objects, roots).saturating_add(introspection)
    }

    fn note_directives(&mut self, here: usize) -> Result<(), Refusal> {
        self.directives = self
            .directives
            .saturating_add(u32::try_from(here).unwrap_or(u32::MAX));
        if here > MAX_DIRECTIVES_HERE {
            return Err(Refusal::too_complex(format!(
                "more than {MAX_DIRECTIVES_HERE} directives at one place"
            )));
        }
        if self.directives > MAX_DIRECTIVES {
            return Err(Refusal::too_complex(format!(
                "the operation has more than {MAX_DIRECTIVES} directives"
            )));
        }
        Ok(())
    }

    /// Counts a field; gives what is selected on it.
    fn field(
        &mut self,
        field: &'a Field,
        todo: Todo<'a>,
        operation: &OperationDefinition,
    ) -> Result<Option<Todo<'a>>, Refusal> {
        self.measure.nodes += 1;
        if self.measure.nodes > MAX_NODES {
            return Err(too_many_nodes());
        }
        self.aliases += u32::from(field.alias.is_some());
        if self.aliases > MAX_ALIASES {
            return Err(Refusal::too_complex(format!(
                "the operation has more than {MAX_ALIASES} aliases"
            )));
        }
        let name = field.name.node.as_str();
        let children = &field.selection_set.node;
        let below = Todo {
            set: children,
            on: None,
            depth: todo.depth + 1,
            page: None,
            ..todo
        };
        if let Some(introspection) = todo.introspection {
            return self.introspect(name, below, introspection);
        }
        if todo.depth > MAX_DEPTH {
            return Err(Refusal::too_complex(format!(
                "the operation nests deeper than {MAX_DEPTH} fields"
            )));
        }
        self.measure.depth = self.measure.depth.max(todo.depth);
        if matches!(name, "__schema" | "__type") {
            self.introspected += 1;
            return Ok(Some(Todo {
                depth: 1,
                introspection: Some(Introspection { nested: 0 }),
                ..below
            }));
        }
        let Some(meta) = todo.on.and_then(|it| it.field_by_name(name)) else {
            // `__typename`, or a field that validation will not know either.
            return Ok((!children.items.is_empty()).then_some(below));
        };
        let on = self.model.type_of(meta);
        if !on.is_some_and(MetaType::is_composite) {
            return Ok((!children.items.is_empty()).then_some(below));
        }
        let size = self.size_of(meta, field, todo, operation);
        let parents = todo.parents.saturating_mul(size.rows);
        if size.counts {
            self.measure.objects = self.measure.objects.saturating_add(parents);
        }
        if self.measure.objects > MAX_OBJECTS || parents > MAX_OBJECTS {
            return Err(Refusal::too_complex(format!(
                "the operation may return more than {MAX_OBJECTS} objects: ask for smaller pages"
            )));
        }
        Ok(Some(Todo {
            on,
            parents,
            page: size.page,
            ..below
        }))
    }

    fn size_of(
        &self,
        meta: &MetaField,
        field: &Field,
        todo: Todo<'_>,
        operation: &OperationDefinition,
    ) -> Size {
        let pages = meta.args.contains_key("first") || meta.args.contains_key("last");
        if pages {
            let asked = ["first", "last"]
                .into_iter()
                .filter_map(|it| self.argument(field, it, operation))
                .filter_map(|it| match it {
                    Value::Number(it) => it.as_u64(),
                    _ => None,
                })
                .max();
            let rows = asked.unwrap_or(DEFAULT_PAGE).max(1);
            return if is_list(meta) {
                Size {
                    rows,
                    page: None,
                    counts: true,
                }
            } else {
                // The connection is one; its rows are counted where they are selected.
                Size {
                    rows: 1,
                    page: Some(rows),
                    counts: true,
                }
            };
        }
        if !is_list(meta) {
            return Size {
                rows: 1,
                page: None,
                counts: true,
            };
        }
        if let (Some(rows), "edges" | "nodes") = (todo.page, field.name.node.as_str()) {
            // An edge only carries its node.
            return Size {
                rows,
                page: None,
                counts: field.name.node != "edges",
            };
        }
        let named = meta
            .args
            .values()
            .filter(|it| it.ty.starts_with('['))
            .filter_map(|it| self.argument(field, &it.name, operation))
            .map(|it| match it {
                Value::List(items) => u64::try_from(items.len()).unwrap_or(u64::MAX),
                _ => 1,
            })
            .max();
        Size {
            rows: named.unwrap_or(ASSUMED_LIST).max(1),
            page: None,
            counts: true,
        }
    }

    /// The value of an argument, its variables filled in.
    fn argument(
        &self,
        field: &Field,
        name: &str,
        operation: &OperationDefinition,
    ) -> Option<Value> {
        let filled = |variable: Name| -> Result<Value, ()> {
            self.by_variables.set(true);
            let given = self.variables.and_then(|it| it.get(&variable));
            let default = || {
                let definition = operation
                    .variable_definitions
                    .iter()
                    .find(|it| it.node.name.node == variable)?;
                Some(&definition.node.default_value.as_ref()?.node)
            };
            Ok(given.or_else(default).cloned().unwrap_or_default())
        };
        let value = field.get_argument(name)?.node.clone();
        value.into_const_with(filled).ok()
    }
}

/// The points for so many objects and root fields.
pub fn cost_of(kind: Kind, objects: u64, roots: u64) -> u32 {
    let writes = match kind {
        Kind::Mutation => roots.saturating_mul(POINTS_PER_MUTATION),
        Kind::Query | Kind::Subscription => 0,
    };
    u32::try_from(1 + objects / OBJECTS_PER_POINT + writes).unwrap_or(u32::MAX)
}

struct Size {
    rows: u64,
    page: Option<u64>,
    counts: bool,
}

fn too_many_nodes() -> Refusal {
    Refusal::too_complex(format!(
        "the operation selects more than {MAX_NODES} fields, fragments inlined"
    ))
}

/// The language allows a subscription one root field; the library takes only fields there.
fn one_root_field(operation: &OperationDefinition, roots: u64) -> Result<(), Refusal> {
    let plain = operation
        .selection_set
        .node
        .items
        .iter()
        .all(|it| matches!(it.node, Selection::Field(_)));
    if plain && roots == 1 {
        return Ok(());
    }
    Err(Refusal::document(ServerError::new(
        "a subscription has exactly one root field, selected directly",
        Some(operation.selection_set.pos),
    )))
}

#[cfg(test)]
mod tests;
