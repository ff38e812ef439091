//! The GraphQL surface: unwrap the input, call the use case, wrap the answer.
//!
//! No decision is made here. What a viewer may see comes from `app::Viewer` as a scope; what
//! went wrong becomes client text in [`error`] alone.
//!
//! # Recipe: a type
//!
//! `pub struct Zone { #[graphql(flatten)] pub row: device::Zone }`: the domain struct's docs
//! reach the schema by themselves. Relations are `#[ComplexObject]` methods that go through
//! [`loader`]. Add it to [`node::Node`] if it has an id of its own.
//!
//! # Recipe: a query
//!
//! A method of the context's `…Query`: arguments into a `persistence` filter and
//! [`connection::PageArgs`], a scope from the viewer, one read of `app` or `persistence`.
//!
//! # Recipe: a mutation
//!
//! Named noun + verb (`zoneCreate`); one `ZoneCreateInput`, one
//! `payload! { ZoneCreatePayload { zone: Zone } }`, and
//! `answer(app::device::zone_create(cx(ctx), …).await.map(|it| ZoneCreatePayload::of(…)))`.
//!
//! After any change here: `UPDATE_SCHEMA=1 cargo test -p anima-tests schema` rewrites
//! `schema.graphql`; the diff belongs in the same commit.

use app::Cx;
use async_graphql::{MergedObject, MergedSubscription, Response, SchemaBuilder};
use futures_util::{future::BoxFuture, stream::BoxStream};

pub mod audit;
pub mod connection;
pub mod conversation;
pub mod device;
pub mod dna;
pub mod error;
pub mod feed;
pub mod identity;
pub mod loader;
pub mod node;
pub mod outbox;
pub mod payload;
pub mod persona;
pub mod scalar;

pub use error::{Failure, Result, code};

/// Reads.
#[derive(Debug, MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    identity::IdentityQuery,
    device::DeviceQuery,
    dna::DnaQuery,
    persona::PersonaQuery,
    persona::DutyQuery,
    conversation::ConversationQuery,
    audit::AuditQuery,
    outbox::OutboxQuery,
);

/// Writes: one per logical action; expected refusals are `userErrors` of the payload.
///
/// With an `idempotencyKey`, the same request by the same principal within 24 hours is done
/// once, and answered with what it made; a different input under the same key is refused.
/// Secrets are shown the first time only.
#[derive(Debug, MergedObject, Default)]
pub struct Mutation(
    audit::AuditMutation,
    conversation::ConversationMutation,
    device::DeviceMutation,
    dna::DnaMutation,
    identity::IdentityMutation,
    outbox::OutboxMutation,
    persona::PersonaMutation,
    persona::DutyMutation,
);

/// What changes, as it changes.
#[derive(Debug, MergedSubscription, Default)]
pub struct Subscription(
    audit::AuditSubscription,
    device::DeviceSubscription,
    device::CommandSubscription,
    conversation::ConversationSubscription,
);

/// The schema.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema's builder; the gateway sets the validation mode, and whether it may be introspected.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build_with_ignore_name_conflicts(
        Query::default(),
        Mutation::default(),
        Subscription::default(),
        // See `scalar`.
        ["DateTime"],
    )
}

/// The schema, validating strictly.
pub fn schema() -> Schema {
    builder().finish()
}

/// The contract, in the schema definition language.
pub fn sdl() -> String {
    schema().sdl_with_options(
        async_graphql::SDLExportOptions::new()
            .include_specified_by()
            .sorted_fields()
            .sorted_arguments()
            .sorted_enum_items(),
    )
}

/// Readies a request to be executed for `cx`.
pub fn prepare(request: async_graphql::Request, cx: Cx) -> async_graphql::Request {
    request.data(loader::batches(cx.clone())).data(cx)
}

/// Runs a query or a mutation. Boxed, so that the compiler proves of the whole tree of
/// resolvers only here that it may move between threads, and not again for every caller.
pub fn execute(schema: &Schema, request: async_graphql::Request) -> BoxFuture<'_, Response> {
    Box::pin(schema.execute(request))
}

/// Runs a subscription, as [`execute`] does.
pub fn execute_stream(
    schema: &Schema,
    request: async_graphql::Request,
) -> BoxStream<'static, Response> {
    schema.execute_stream(request)
}

/// The context of the request that a resolver works for.
pub(crate) fn cx<'a>(ctx: &async_graphql::Context<'a>) -> &'a Cx {
    ctx.data_unchecked()
}

/// An optional argument of an update: left out, null or a value.
pub(crate) fn patch<T>(it: async_graphql::MaybeUndefined<T>) -> app::Patch<T> {
    match it {
        async_graphql::MaybeUndefined::Undefined => app::Patch::Keep,
        async_graphql::MaybeUndefined::Null => app::Patch::Clear,
        async_graphql::MaybeUndefined::Value(it) => app::Patch::Set(it),
    }
}
