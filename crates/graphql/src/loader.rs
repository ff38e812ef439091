//! Batched loading: one statement per relation and level, within the viewer's scope.
//!
//! A [`Loaders`] lives for one request and knows its [`Cx`], so the scope is part of every
//! load and nothing is cached past the request. It reads from the pool, never from a
//! transaction: a batch may outlive the resolver that asked for it. [`Started`] says why a
//! level costs one statement on any number of threads.
//!
//! # Recipe: a relation
//!
//! A key type says what is loaded by what (`DnaOf(EntityId)`); `impl Loader<DnaOf> for
//! Loaders` in the context's module calls one query of `persistence` with constant text;
//! the resolver calls [`one`] or [`many`].
//!
//! # Recipe: a connection under a parent
//!
//! A type that says which list (`DevicesUnder { parent, filter, order }`) implements
//! [`Children`]; the field calls [`page_of`] with the parent's id and the paging arguments.
//! All parents of a level that ask for the same page share one statement; `totalCount`, where
//! it is selected, another.

use std::{
    collections::HashMap,
    fmt::Debug,
    future::poll_fn,
    hash::Hash,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use app::Cx;
use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache, Loader},
    runtime::Timer,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, try_join},
    task::{FutureObj, Spawn, SpawnError},
};
use persistence::page::{self, Model, Page, Slice, Table};
use uuid::Uuid;

use crate::{
    Failure,
    connection::{PageArgs, wants_total},
};

/// Loads for one request.
#[derive(Debug)]
pub struct Loaders {
    /// Whose request it is.
    pub cx: Cx,
}

/// The batches of one request.
pub struct Batches {
    loader: DataLoader<Loaders, HashMapCache>,
    started: Started,
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Batches")
            .field(self.loader.loader())
            .finish()
    }
}

/// Loaders for a request of `cx`.
pub fn batches(cx: Cx) -> Batches {
    let started = Started::default();
    let spawner = started.clone();
    Batches {
        loader: DataLoader::with_cache(Loaders { cx }, spawner, NextTick, HashMapCache::default()),
        started,
    }
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

/// Batches that were started and that nobody drives yet.
///
/// A batch is driven by the resolver that started it, in the request's own task, not spawned:
/// another thread would steal it and close it while siblings are still asking, and a level
/// would cost several statements instead of one. Within one task the order is certain: every
/// resolver that is ready has asked before the task comes round to the batch again.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<FutureObj<'static, ()>>>>);

impl Started {
    fn take(&self) -> Vec<FutureObj<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spawn for Started {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(batch);
        Ok(())
    }
}

/// Batches that a resolver drives. Should it end before them (an error elsewhere has made its
/// answer needless), they go on by themselves, since others wait for them.
#[derive(Default)]
struct Driven(Vec<FutureObj<'static, ()>>);

impl Drop for Driven {
    fn drop(&mut self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            for batch in self.0.drain(..) {
                runtime.spawn(batch);
            }
        }
    }
}

/// Waits for a load, driving the batch that it may have started.
async fn drive<T>(started: &Started, load: impl Future<Output = T>) -> T {
    let mut load = pin!(load);
    let mut driven = Driven::default();
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(it) = load.as_mut().poll(cx) {
                return Poll::Ready(it);
            }
            driven.0.extend(started.take());
            let before = driven.0.len();
            driven.0.retain_mut(|it| it.poll_unpin(cx).is_pending());
            if driven.0.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Nothing loaded is remembered from now on: a subscription lives long, and what it tells is
/// read anew each time.
pub fn forget_between(ctx: &Context<'_>) {
    let batches: &Batches = ctx.data_unchecked();
    batches.loader.enable_all_cache(false);
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
    let Batches { loader, started } = ctx.data_unchecked();
    drive(started, loader.load_one(key)).await
}

/// What the key leads to, if there is a key.
pub async fn maybe<K>(
    ctx: &Context<'_>,
    key: Option<K>,
) -> Result<Option<<Loaders as Loader<K>>::Value>, Failure>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = Failure>,
{
    match key {
        Some(key) => one(ctx, key).await,
        None => Ok(None),
    }
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
    let Batches { loader, started } = ctx.data_unchecked();
    drive(started, loader.load_many(keys)).await
}

/// A list that each of several parents has, such as the devices of an owner, with what it
/// lets through and its order.
pub trait Children: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// The table it is of.
    type Table: Table;
    /// What a row says.
    type Row: From<Model<Self::Table>> + Clone + Send + Sync + 'static;

    /// The rows in the viewer's scope.
    fn children(&self, cx: &Cx) -> app::Result<page::Children<Self::Table>>;
}

/// The page of a list that one parent has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageOf<C> {
    parent: Uuid,
    list: C,
    page: Page,
}

/// The length of a list that one parent has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountOf<C> {
    parent: Uuid,
    list: C,
}

/// One page of a parent's list, and its length if the query asks for `totalCount`.
pub async fn page_of<C: Children>(
    ctx: &Context<'_>,
    parent: impl Into<Uuid>,
    list: C,
    args: PageArgs,
) -> Result<(Slice<C::Row>, Option<i64>), Failure> {
    let parent = parent.into();
    let key = PageOf {
        parent,
        list: list.clone(),
        page: args.page()?,
    };
    let total = async {
        if wants_total(ctx) {
            one(ctx, CountOf { parent, list }).await
        } else {
            Ok(None)
        }
    };
    let (slice, total) = try_join(one(ctx, key), total).await?;
    let slice = slice.unwrap_or_else(|| Slice::of(Vec::new(), &Page::default()));
    Ok((slice, total))
}

/// The parents among the keys that ask for the same thing.
fn by_question<K, Q: Eq + Hash>(
    keys: &[K],
    split: impl Fn(&K) -> (Uuid, Q),
) -> HashMap<Q, Vec<Uuid>> {
    let mut questions: HashMap<Q, Vec<Uuid>> = HashMap::new();
    for key in keys {
        let (parent, question) = split(key);
        questions.entry(question).or_default().push(parent);
    }
    questions
}

impl<C: Children> Loader<PageOf<C>> for Loaders {
    type Value = Slice<C::Row>;
    type Error = Failure;

    async fn load(&self, keys: &[PageOf<C>]) -> Result<HashMap<PageOf<C>, Slice<C::Row>>, Failure> {
        let mut found = HashMap::with_capacity(keys.len());
        let questions = by_question(keys, |it| (it.parent, (it.list.clone(), it.page.clone())));
        for ((list, page), parents) in questions {
            let rows = list.children(&self.cx)?;
            let slices = rows.fetch(self.cx.reader(), &parents, &page).await?;
            found.extend(slices.into_iter().map(|(parent, slice)| {
                let key = PageOf {
                    parent,
                    list: list.clone(),
                    page: page.clone(),
                };
                (key, slice.map(C::Row::from))
            }));
        }
        Ok(found)
    }
}

impl<C: Children> Loader<CountOf<C>> for Loaders {
    type Value = i64;
    type Error = Failure;

    async fn load(&self, keys: &[CountOf<C>]) -> Result<HashMap<CountOf<C>, i64>, Failure> {
        let mut found = HashMap::with_capacity(keys.len());
        for (list, parents) in by_question(keys, |it| (it.parent, it.list.clone())) {
            let rows = list.children(&self.cx)?;
            let counts = rows.count(self.cx.reader(), &parents).await?;
            found.extend(counts.into_iter().map(|(parent, count)| {
                let list = list.clone();
                (
                    CountOf { parent, list },
                    i64::try_from(count).unwrap_or(i64::MAX),
                )
            }));
        }
        Ok(found)
    }
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
