//! The schema's types, as the library registers them: what the budget and the check of
//! variables look things up in.

use async_graphql::{
    OutputType, SubscriptionType,
    registry::{MetaField, MetaType, MetaTypeName, Registry},
};

/// The types of the schema.
pub struct Model {
    registry: Registry,
    query: String,
    mutation: String,
    subscription: String,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("types", &self.registry.types.len())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// The types that Anima's schema is made of.
    pub fn new() -> Self {
        Self::of::<graphql::Query, graphql::Mutation, graphql::Subscription>()
    }

    /// The types of any schema.
    pub fn of<Q: OutputType, M: OutputType, S: SubscriptionType>() -> Self {
        let mut registry = Registry::default();
        Q::create_type_info(&mut registry);
        M::create_type_info(&mut registry);
        S::create_type_info(&mut registry);
        // Every schema has these, whether or not a field uses them.
        <bool as OutputType>::create_type_info(&mut registry);
        <i32 as OutputType>::create_type_info(&mut registry);
        <f32 as OutputType>::create_type_info(&mut registry);
        <String as OutputType>::create_type_info(&mut registry);
        <async_graphql::ID as OutputType>::create_type_info(&mut registry);
        Self {
            registry,
            query: Q::type_name().into_owned(),
            mutation: M::type_name().into_owned(),
            subscription: S::type_name().into_owned(),
        }
    }

    /// The root of a kind of operation.
    pub fn root(&self, kind: Kind) -> Option<&MetaType> {
        self.type_named(match kind {
            Kind::Query => &self.query,
            Kind::Mutation => &self.mutation,
            Kind::Subscription => &self.subscription,
        })
    }

    /// A type by its bare name.
    pub fn type_named(&self, name: &str) -> Option<&MetaType> {
        self.registry.types.get(name)
    }

    /// The type that a field gives, lists and exclamation marks aside.
    pub fn type_of(&self, field: &MetaField) -> Option<&MetaType> {
        self.type_named(MetaTypeName::concrete_typename(&field.ty))
    }

    /// How many types there are.
    pub fn types(&self) -> usize {
        self.registry.types.len()
    }

    /// How many fields a type has on average, at least one.
    pub fn fields_per_type(&self) -> usize {
        let (types, fields) = self
            .registry
            .types
            .values()
            .filter_map(MetaType::fields)
            .fold((0, 0), |(types, fields), it| (types + 1, fields + it.len()));
        fields.checked_div(types).unwrap_or_default().max(1)
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a field's type is a list.
pub fn is_list(field: &MetaField) -> bool {
    field.ty.starts_with('[')
}

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Reads.
    Query,
    /// Writes.
    Mutation,
    /// Goes on.
    Subscription,
}

impl Kind {
    /// Its word in the language.
    pub fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

impl From<async_graphql::parser::types::OperationType> for Kind {
    fn from(it: async_graphql::parser::types::OperationType) -> Self {
        use async_graphql::parser::types::OperationType;
        match it {
            OperationType::Query => Self::Query,
            OperationType::Mutation => Self::Mutation,
            OperationType::Subscription => Self::Subscription,
        }
    }
}
