//! Batched loading: one statement per relation and level, within the viewer's scope.
//!
//! A [`Loaders`] lives for one request and knows its [`Cx`], so the scope is part of every
//! load and nothing is cached past the request. It reads from the pool, never from a
//! transaction: a batch may outlive the resolver that asked for it.
//!
//! # Recipe: a relation
//!
//! A key type says what is loaded by what (`DnaOf(EntityId)`); `impl Loader<DnaOf> for
//! Loaders` in the context's module calls one query of `persistence` with constant text;
//! the resolver calls [`one`] or [`many`].

use std::{collections::HashMap, hash::Hash, time::Duration};

use app::Cx;
use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
    runtime::{Timer, TokioSpawner},
};
use futures_util::future::BoxFuture;

use crate::Failure;

/// Loads for one request.
#[derive(Debug)]
pub struct Loaders {
    /// Whose request it is.
    pub cx: Cx,
}

/// The batches of one request.
pub type Batches = DataLoader<Loaders, HashMapCache>;

/// Loaders for a request of `cx`.
pub fn batches(cx: Cx) -> Batches {
    DataLoader::with_cache(
        Loaders { cx },
        TokioSpawner::current(),
        NextTick,
        HashMapCache::default(),
    )
}

/// Closes a batch as soon as every ready resolver has asked, not after a fixed wait.
///
/// The default timer sleeps at least a millisecond for each level of a query.
struct NextTick;

impl Timer for NextTick {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// What the key leads to, if there is such a thing for this viewer.
pub async fn one<K>(
    ctx: &Context<'_>,
    key: K,
) -> Result<Option<<Loaders as Loader<K>>::Value>, Failure>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = Failure>,
{
    ctx.data_unchecked::<Batches>().load_one(key).await
}

/// What each of the keys leads to.
pub async fn many<K>(
    ctx: &Context<'_>,
    keys: impl IntoIterator<Item = K>,
) -> Result<HashMap<K, <Loaders as Loader<K>>::Value>, Failure>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = Failure>,
{
    ctx.data_unchecked::<Batches>().load_many(keys).await
}

/// Implements a loader: `by_key!(Key => Value, |value| key, async |loaders, keys| rows)`, where
/// the body gives an iterator of values and may use `?`.
macro_rules! by_key {
    ($key:ty => $value:ty, $of:expr, async |$loaders:ident, $keys:ident| $body:block) => {
        impl async_graphql::dataloader::Loader<$key> for $crate::loader::Loaders {
            type Value = $value;
            type Error = $crate::Failure;

            async fn load(
                &self,
                $keys: &[$key],
            ) -> $crate::Result<std::collections::HashMap<$key, $value>> {
                let $loaders = self;
                let found = $body;
                Ok(found.map(|it| (($of)(&it), it)).collect())
            }
        }
    };
}
pub(crate) use by_key;
