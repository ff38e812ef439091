//! `async-graphql` with one function replaced: how the fields of an object are resolved.
//!
//! The crate `graphql` depends on this one under the name `async-graphql`, so that what the
//! library's macros write (`::async_graphql::resolver_utils::resolve_container`) finds ours and
//! everything else is the library's own. Nothing in `graphql` needs to know.
//!
//! The library makes a heap-allocated future for each field of each object, as large as the
//! largest of the type's resolvers (kilobytes), although nearly all fields are columns that are
//! there already. Here a field is polled once where it is made; only one that has to wait keeps
//! its allocation, the next field takes over that of the last.

pub use async_graphql::*;

/// As the library's, with [`resolve_container`](resolver_utils::resolve_container) replaced.
pub mod resolver_utils {
    use std::{
        future::{Future, poll_fn},
        pin::Pin,
        task::Poll,
    };

    pub use async_graphql::resolver_utils::*;
    use async_graphql::{
        ContextSelectionSet, Name, Positioned, ServerResult, Value,
        indexmap::IndexMap,
        parser::types::{Field, Selection, SelectionSet},
        resolver_utils as library,
    };

    /// A field that has to wait.
    type Waiting<'a> = Pin<Box<dyn Future<Output = ServerResult<Value>> + Send + 'a>>;

    /// Resolves the fields of an object, all at once.
    ///
    /// The same as the library's, in the same order. What is rare is left to it: a fragment on
    /// another type (of an interface), the same key twice (whose values are merged), a
    /// directive that is still there. Extensions are not called: there are none.
    pub async fn resolve_container<'a, T: ContainerType + ?Sized>(
        ctx: &ContextSelectionSet<'a>,
        root: &'a T,
    ) -> ServerResult<Value> {
        let Some((fields, mut object)) = fields_of(ctx, &T::type_name()) else {
            return Box::pin(library::resolve_container(ctx, root)).await;
        };
        let resolve = |field: &'a Positioned<Field>| {
            let ctx = ctx.clone();
            async move {
                let ctx = ctx.with_field(field);
                if field.node.name.node == "__typename" {
                    return Ok(Value::String(root.introspection_type_name().into_owned()));
                }
                root.resolve_field(&ctx)
                    .await
                    .map(Option::unwrap_or_default)
            }
        };

        let mut waiting: Vec<(usize, Waiting<'_>)> = Vec::new();
        let mut begun = false;
        poll_fn(|task| {
            // Each field once for each time the task comes round, the first time too: loaders
            // rely on every sibling's asking before anybody is polled again.
            if begun {
                let mut failed = None;
                waiting.retain_mut(|(place, future)| {
                    if failed.is_some() {
                        return true;
                    }
                    match future.as_mut().poll(task) {
                        Poll::Pending => return true,
                        Poll::Ready(Ok(value)) => object[*place] = value,
                        Poll::Ready(Err(error)) => failed = Some(error),
                    }
                    false
                });
                if let Some(error) = failed {
                    return Poll::Ready(Err(error));
                }
            } else {
                begun = true;
                let mut spare = None;
                for (place, field) in fields.iter().enumerate() {
                    let mut future = allocated(resolve(field), spare.take());
                    match future.as_mut().poll(task) {
                        Poll::Ready(value) => {
                            object[place] = value?;
                            spare = Some(future);
                        }
                        Poll::Pending => waiting.push((place, future)),
                    }
                }
            }
            if waiting.is_empty() {
                Poll::Ready(ServerResult::Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
        Ok(Value::Object(object))
    }

    /// The future on the heap, where another was that is done.
    fn allocated<F: Future>(future: F, place: Option<Pin<Box<F>>>) -> Pin<Box<F>> {
        match place {
            None => Box::pin(future),
            Some(mut place) => {
                place.set(future);
                place
            }
        }
    }

    /// The fields selected, and the object they make, empty still; nothing for what is left to
    /// the library.
    #[expect(clippy::type_complexity, reason = "two things that belong together")]
    fn fields_of<'a>(
        ctx: &ContextSelectionSet<'a>,
        type_name: &str,
    ) -> Option<(Vec<&'a Positioned<Field>>, IndexMap<Name, Value>)> {
        let mut fields = Vec::with_capacity(ctx.item.node.items.len());
        collect(ctx, &ctx.item.node, type_name, &mut fields)?;
        let mut object = IndexMap::with_capacity(fields.len());
        for field in &fields {
            let key = field.node.response_key().node.clone();
            if object.insert(key, Value::Null).is_some() {
                return None;
            }
        }
        Some((fields, object))
    }

    fn collect<'a>(
        ctx: &ContextSelectionSet<'a>,
        set: &'a SelectionSet,
        type_name: &str,
        fields: &mut Vec<&'a Positioned<Field>>,
    ) -> Option<()> {
        for selection in &set.items {
            let (condition, set) = match &selection.node {
                Selection::Field(field) if field.node.directives.is_empty() => {
                    fields.push(field);
                    continue;
                }
                Selection::Field(_) => return None,
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = &ctx.query_env.fragments.get(name)?.node;
                    (Some(&fragment.type_condition), &fragment.selection_set)
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    (fragment.type_condition.as_ref(), &fragment.selection_set)
                }
            };
            if condition.is_some_and(|it| it.node.on.node != type_name) {
                return None;
            }
            collect(ctx, &set.node, type_name, fields)?;
        }
        Some(())
    }
}
