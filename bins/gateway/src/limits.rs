//! Who may ask how much: buckets of points, and operations at once. Failed checks of tokens are
//! counted by `app::identity::check_token`.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

use app::{Principal, Viewer};
use axum::http::StatusCode;
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Config, refusal::Refusal, value::RateLimit};

/// How many buckets are kept; past it the longest unused goes, full again when it returns.
const MAX_BUCKETS: u64 = 100_000;

type Bucket = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Somebody known.
    Known(Principal),
    /// Nobody known, by network address.
    Address(IpAddr),
}

impl Key {
    /// The key of a viewer at an address.
    pub fn of(viewer: &Viewer, address: IpAddr) -> Self {
        match viewer.principal {
            Principal::Anonymous => Self::Address(network_of(address)),
            known => Self::Known(known),
        }
    }
}

/// An IPv6 customer has a whole /64: counting single addresses would count nothing.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(it) => match it.to_ipv4_mapped() {
            Some(it) => it.into(),
            None => std::net::Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX)).into(),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Buckets of one size, by key.
struct Buckets {
    quota: Option<(Quota, NonZeroU32)>,
    buckets: Cache<Key, Arc<Bucket>>,
}

impl Buckets {
    fn new(limit: RateLimit) -> Self {
        let quota = match limit {
            RateLimit::Off => None,
            RateLimit::Bucket { capacity, refill } => {
                Some((Quota::per_second(refill).allow_burst(capacity), capacity))
            }
        };
        // A bucket that was left alone for so long is full, as a new one is.
        let full_after = match limit {
            RateLimit::Off => Duration::from_secs(1),
            RateLimit::Bucket { capacity, refill } => {
                Duration::from_secs(u64::from(capacity.get() / refill.get()) + 1)
            }
        };
        let buckets = Cache::builder()
            .max_capacity(MAX_BUCKETS)
            .time_to_idle(full_after)
            .build();
        Self { quota, buckets }
    }

    /// Takes points; what remains, or how long to wait. `None` without a limit.
    fn take(&self, key: Key, points: u32) -> Option<Result<u32, Duration>> {
        let (quota, capacity) = self.quota?;
        // More than a bucket holds would never be granted: such an operation takes it all.
        let points = NonZeroU32::new(points)
            .unwrap_or(NonZeroU32::MIN)
            .min(capacity);
        let bucket = self.buckets.get_with(key, || {
            Arc::new(RateLimiter::direct(quota).with_middleware())
        });
        Some(match bucket.check_n(points) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(refused)) => Err(refused.wait_time_from(DefaultClock::default().now())),
            Err(_) => Err(Duration::from_secs(1)),
        })
    }
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets")
            .field("quota", &self.quota)
            .field("buckets", &self.buckets.entry_count())
            .finish()
    }
}

/// The limits of this process.
#[derive(Debug)]
pub struct Limits {
    ordinary: Buckets,
    privileged: Buckets,
    in_flight: Arc<Semaphore>,
}

impl Limits {
    /// As configured.
    pub fn new(config: &Config) -> Self {
        Self {
            ordinary: Buckets::new(config.rate_limit),
            privileged: Buckets::new(config.service_rate_limit),
            in_flight: Arc::new(Semaphore::new(config.max_in_flight.0)),
        }
    }

    /// Takes the cost of an operation from the caller's bucket; gives what remains in it.
    ///
    /// # Errors
    /// `RATE_LIMITED`, with when to come again.
    pub fn spend(
        &self,
        viewer: &Viewer,
        address: IpAddr,
        cost: u32,
    ) -> Result<Option<u32>, Refusal> {
        let buckets = if viewer.is_admin() || viewer.is_service() {
            &self.privileged
        } else {
            &self.ordinary
        };
        buckets
            .take(Key::of(viewer, address), cost)
            .transpose()
            .map_err(|after| {
                metrics::counter!("anima_refused_total", "reason" => "rate").increment(1);
                Refusal::rate_limited(
                    StatusCode::TOO_MANY_REQUESTS,
                    after,
                    format!("this costs {cost} points, more than are left for now"),
                )
            })
    }

    /// Room for one more operation.
    ///
    /// # Errors
    /// 503 when there is none: early, rather than to queue without end.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.in_flight)
            .try_acquire_owned()
            .map_err(|_| {
                metrics::counter!("anima_refused_total", "reason" => "busy").increment(1);
                Refusal::rate_limited(
                    StatusCode::SERVICE_UNAVAILABLE,
                    Duration::from_secs(1),
                    "the server is busy: try again",
                )
            })
    }

    /// How many more operations there is room for.
    pub fn free_places(&self) -> usize {
        self.in_flight.available_permits()
    }
}
