//! Batched loading: one statement per relation and level, within the viewer's scope.
//!
//! A [`Loaders`] lives for one request and knows its [`Cx`], so the scope is part of every
//! load and nothing is cached past the request. It reads from the pool, never from a
//! transaction. [`OfKey`] says why a level costs one statement on any number of threads.
//!
//! The library's `DataLoader` does the same; this costs less, since it keeps one
//! copy of a value and needs no channel, no task and no concurrent map.
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
    any::{Any, TypeId},
    collections::{HashMap, HashSet},
    fmt::Debug,
    future::poll_fn,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

use app::Cx;
use async_graphql::{Context, dataloader::Loader};
use futures_util::future::try_join;
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

/// The batches of one request: for each type of key what is known and what is asked for.
pub struct Batches {
    loaders: Loaders,
    of_keys: Mutex<HashMap<TypeId, Box<dyn Any + Send>>>,
    /// Whether what was read is forgotten at once.
    forgetful: AtomicBool,
}

impl Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Batches").field(&self.loaders).finish()
    }
}

/// Loaders for a request of `cx`.
pub fn batches(cx: Cx) -> Batches {
    Batches {
        loaders: Loaders { cx },
        of_keys: Mutex::default(),
        forgetful: AtomicBool::new(false),
    }
}

/// What is known of one type of key, and the batch that still takes keys.
///
/// The resolver that asks first opens a batch, steps back once, and then loads what was asked
/// for meanwhile; the others wait for it. All of it happens in the request's own task, never
/// spawned: another thread would close the batch while siblings are still asking, and a level
/// would cost several statements instead of one. Within one task the order is certain: every
/// resolver that is ready has asked before the task comes round to the first one again.
struct OfKey<K, V> {
    known: HashMap<K, Option<V>>,
    open: Option<Arc<Batch<K>>>,
}

/// Keys asked for together.
struct Batch<K>(Mutex<BatchState<K>>);

struct BatchState<K> {
    keys: HashSet<K>,
    /// How it ended.
    outcome: Option<Outcome>,
    waiting: Vec<Waker>,
}

#[derive(Clone)]
enum Outcome {
    /// What there is, is known.
    Loaded,
    /// The statement failed.
    Failed(Failure),
    /// The resolver that loaded ended before it (an error elsewhere has made its answer
    /// needless): somebody else must.
    Abandoned,
}

fn lock<T: ?Sized>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K> Batch<K> {
    fn of(keys: HashSet<K>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(BatchState {
            keys,
            outcome: None,
            waiting: Vec::new(),
        })))
    }

    /// Waits until somebody else has loaded it.
    async fn ended(&self) -> Outcome {
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            if let Some(outcome) = &state.outcome {
                return Poll::Ready(outcome.clone());
            }
            if !state.waiting.iter().any(|it| it.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

/// A batch in the hands of the resolver that loads it.
struct Loading<'a, K: Eq + Hash, V> {
    batch: Arc<Batch<K>>,
    of_key: &'a Mutex<OfKey<K, V>>,
    outcome: Outcome,
}

impl<K: Eq + Hash, V> Drop for Loading<'_, K, V> {
    fn drop(&mut self) {
        let mut of_key = lock(self.of_key);
        if of_key
            .open
            .as_ref()
            .is_some_and(|it| Arc::ptr_eq(it, &self.batch))
        {
            of_key.open = None;
        }
        let mut state = lock(&self.batch.0);
        state.outcome = Some(self.outcome.clone());
        for waker in state.waiting.drain(..) {
            waker.wake();
        }
    }
}

impl Batches {
    fn of_key<K, V>(&self) -> Arc<Mutex<OfKey<K, V>>>
    where
        K: Send + 'static,
        V: Send + 'static,
    {
        let mut of_keys = lock(&self.of_keys);
        let of_key = of_keys.entry(TypeId::of::<K>()).or_insert_with(|| {
            Box::new(Arc::new(Mutex::new(OfKey::<K, V> {
                known: HashMap::new(),
                open: None,
            })))
        });
        // A type of key has one type of value: `Loader` says so.
        let of_key = of_key.downcast_ref::<Arc<Mutex<OfKey<K, V>>>>();
        of_key.map_or_else(|| unreachable!(), Arc::clone)
    }

    /// What each of the keys leads to, in their order.
    async fn read<K, V>(&self, keys: &[K]) -> Result<Vec<Option<V>>, Failure>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        V: Send + Clone + 'static,
        Loaders: Loader<K, Value = V, Error = Failure>,
    {
        let of_key = self.of_key::<K, V>();
        loop {
            self.load(&of_key, keys).await?;
            let known = &mut lock(&of_key).known;
            let values: Option<Vec<_>> = keys.iter().map(|it| known.get(it).cloned()).collect();
            // A sibling with the same key may have read, and so forgotten, it just before.
            if let Some(values) = values {
                if self.forgetful.load(Ordering::Relaxed) {
                    known.retain(|key, _| !keys.contains(key));
                }
                return Ok(values);
            }
        }
    }

    /// Sees that the keys are known.
    async fn load<K, V>(&self, of_key: &Mutex<OfKey<K, V>>, keys: &[K]) -> Result<(), Failure>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        V: Send + Clone + 'static,
        Loaders: Loader<K, Value = V, Error = Failure>,
    {
        loop {
            let (batch, first) = {
                let mut of_key = lock(of_key);
                let OfKey { known, open } = &mut *of_key;
                let mut unknown = keys
                    .iter()
                    .filter(|it| !known.contains_key(*it))
                    .cloned()
                    .peekable();
                if unknown.peek().is_none() {
                    return Ok(());
                }
                if let Some(batch) = open {
                    lock(&batch.0).keys.extend(unknown);
                    (Arc::clone(batch), false)
                } else {
                    let batch = Batch::of(unknown.collect());
                    *open = Some(Arc::clone(&batch));
                    (batch, true)
                }
            };
            let outcome = if first {
                self.load_batch(of_key, batch).await
            } else {
                batch.ended().await
            };
            match outcome {
                Outcome::Loaded => return Ok(()),
                Outcome::Failed(failure) => return Err(failure),
                Outcome::Abandoned => {}
            }
        }
    }

    /// Loads a batch that was just opened, when everybody has asked.
    async fn load_batch<K, V>(&self, of_key: &Mutex<OfKey<K, V>>, batch: Arc<Batch<K>>) -> Outcome
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        V: Send + Clone + 'static,
        Loaders: Loader<K, Value = V, Error = Failure>,
    {
        let mut loading = Loading {
            batch,
            of_key,
            outcome: Outcome::Abandoned,
        };
        tokio::task::yield_now().await;
        lock(of_key).open = None;
        let keys: Vec<K> = lock(&loading.batch.0).keys.drain().collect();
        loading.outcome = match self.loaders.load(&keys).await {
            Ok(mut found) => {
                let mut of_key = lock(of_key);
                for key in keys {
                    let value = found.remove(&key);
                    of_key.known.insert(key, value);
                }
                Outcome::Loaded
            }
            Err(failure) => Outcome::Failed(failure),
        };
        loading.outcome.clone()
    }
}

/// From now on nothing is remembered past its reading: for a subscription, whose every change is
/// to be read afresh.
pub fn afresh(ctx: &Context<'_>) {
    let batches: &Batches = ctx.data_unchecked();
    batches.forgetful.store(true, Ordering::Relaxed);
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
    let batches: &Batches = ctx.data_unchecked();
    let values = batches.read(&[key]).await?;
    Ok(values.into_iter().next().flatten())
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
    let batches: &Batches = ctx.data_unchecked();
    let keys: Vec<K> = keys.into_iter().collect();
    let values = batches.read(&keys).await?;
    let found = keys.into_iter().zip(values);
    Ok(found
        .filter_map(|(key, value)| Some((key, value?)))
        .collect())
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
