//! The running gateway: its parts, its routes, its connections.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use app::{
    Services,
    outbox::{Handlers, Options, Worker},
};
use async_graphql::ValidationMode;
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderName, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Redirect},
    routing::{any, get},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::{
    budget::Budget,
    caller::{ACT_AS, COST, REQUEST_ID},
    config::Config,
    documents::Documents,
    export, graphiql,
    health::{self, Readiness},
    http::{self, Media, RequestId, around},
    limits::Limits,
    metrics as gateway_metrics,
    model::Model,
    refusal::Refusal,
    sockets::Sockets,
    value::Origin,
};

/// How long the head of a request may take to arrive, and a connection may idle between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// How many header lines a request may have.
const MAX_HEADERS: usize = 64;

/// Everything that requests share.
pub struct Gateway {
    /// Of the use cases.
    pub services: Arc<Services>,
    /// How to serve.
    pub config: Config,
    /// Asked to stop.
    pub closing: CancellationToken,
    /// What must end before the process does: connections, sockets, the worker.
    pub tasks: TaskTracker,
    /// Ties its change feed to those of the other processes; ends after all that.
    feed: Feed,
    pub(crate) strict: graphql::Schema,
    pub(crate) fast: graphql::Schema,
    pub(crate) model: Model,
    pub(crate) budget: Budget,
    pub(crate) documents: Arc<Documents>,
    pub(crate) limits: Limits,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: PrometheusHandle,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The task that ties change feeds together.
#[derive(Debug, Default)]
struct Feed {
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// Why a gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot be followed.
    #[error("{0}")]
    Config(String),
    /// Nothing can be listened to at the address.
    #[error("cannot listen on {address} ({flag}): {cause}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The flag and variable that say so.
        flag: &'static str,
        /// Why not.
        cause: std::io::Error,
    },
}

impl Gateway {
    /// The parts, over `services`.
    ///
    /// # Errors
    /// When the trusted documents cannot be used, or the metrics not be set up.
    pub fn new(config: Config, services: Arc<Services>) -> Result<Self, ServeError> {
        config.check().map_err(ServeError::Config)?;
        let documents = match &config.trusted_documents {
            None => Documents::open(),
            Some(file) => Documents::trusted(file).map_err(|error| {
                ServeError::Config(format!(
                    "--trusted-documents (ANIMA_TRUSTED_DOCUMENTS): {error}"
                ))
            })?,
        };
        let schema = |mode| {
            let builder = graphql::builder().validation_mode(mode);
            if config.no_introspection {
                builder.disable_introspection().disable_suggestions()
            } else {
                builder
            }
            .finish()
        };
        let model = Model::new();
        let closing = CancellationToken::new();
        Ok(Self {
            strict: schema(ValidationMode::Strict),
            fast: schema(ValidationMode::Fast),
            budget: Budget::new(&model),
            model,
            documents: Arc::new(documents),
            limits: Limits::new(&config),
            sockets: Sockets::new(config.max_sockets_per_principal.0),
            readiness: Readiness::default(),
            metrics: gateway_metrics::recorder().map_err(ServeError::Config)?,
            tasks: TaskTracker::new(),
            feed: Feed::default(),
            closing,
            services,
            config,
        })
    }

    /// Starts what a serving gateway and a lone worker have in common.
    async fn start(self: &Arc<Self>) -> Result<Option<SocketAddr>, ServeError> {
        let metrics_address = match self.config.metrics_listen {
            None => None,
            Some(address) => {
                let flag = "--metrics-listen, ANIMA_METRICS_LISTEN";
                let listener = listen(address, flag).await?;
                let bound = listener.local_addr().ok();
                let routes = Router::new()
                    .route("/metrics", get(gateway_metrics::to_anyone))
                    .route("/health/live", get(health::live))
                    .route("/health/ready", get(health::ready))
                    .with_state(Arc::clone(self));
                self.tasks.spawn(accept(Arc::clone(self), listener, routes));
                bound
            }
        };
        let upkeep = gateway_metrics::upkeep(self.metrics.clone(), self.closing.clone());
        self.tasks.spawn(upkeep);
        let feed = app::feed::relay(Arc::clone(&self.services), self.feed.closing.clone());
        self.feed.tasks.spawn(feed);
        Ok(metrics_address)
    }

    /// Starts doing outbox tasks and sweeps.
    fn start_worker(&self) {
        let options = Options {
            lease: self.config.outbox_lease,
            transactions: self.config.outbox_concurrency.0,
            ..Options::default()
        };
        let worker = Worker::new(&self.services, Handlers::built_in(), options);
        self.tasks.spawn(worker.run(self.closing.clone()));
        let cx = self.services.system_cx();
        self.tasks.spawn(app::sweep::run(cx, self.closing.clone()));
    }

    /// Stops what was started; whether everything finished in the time configured.
    async fn stop(&self) -> bool {
        self.closing.cancel();
        self.tasks.close();
        let patience = self.config.shutdown_timeout;
        let finished = tokio::time::timeout(patience, self.tasks.wait()).await;
        self.feed.closing.cancel();
        self.feed.tasks.close();
        let told = tokio::time::timeout(Duration::from_secs(5), self.feed.tasks.wait()).await;
        finished.is_ok() && told.is_ok()
    }

    fn routes(self: &Arc<Self>) -> Router {
        let mut routes = Router::new()
            .route("/graphql", any(http::graphql))
            .route("/export/{user}", get(export::export))
            .route("/health/live", get(health::live))
            .route("/health/ready", get(health::ready))
            .route("/metrics", get(gateway_metrics::to_loopback));
        if !self.config.no_graphiql {
            routes = routes
                .route("/", get(|| async { Redirect::temporary("graphiql") }))
                .route("/graphiql", get(graphiql::page))
                .route("/graphiql/{file}", get(graphiql::file));
        }
        let mut routes = routes
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(Arc::clone(self));
        if let Some(cors) = self.cors() {
            routes = routes.layer(cors);
        }
        routes.layer(middleware::from_fn_with_state(Arc::clone(self), around))
    }

    fn cors(&self) -> Option<CorsLayer> {
        let origins = &self.config.cors_origin;
        let origin = if origins.is_empty() {
            return None;
        } else if origins.contains(&Origin::Any) {
            AllowOrigin::any()
        } else {
            AllowOrigin::list(origins.iter().filter_map(|it| match it {
                Origin::One(it) => Some(it.clone()),
                Origin::Any => None,
            }))
        };
        let own = [ACT_AS, COST, REQUEST_ID].map(HeaderName::from_static);
        let [act_as, cost, request_id] = own;
        Some(
            CorsLayer::new()
                .allow_origin(origin)
                .allow_methods([Method::GET, Method::POST])
                .allow_headers([
                    header::ACCEPT,
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    act_as,
                    cost,
                    request_id.clone(),
                ])
                .expose_headers([request_id, header::RETRY_AFTER])
                .max_age(Duration::from_hours(1)),
        )
    }
}

async fn not_found(axum::Extension(id): axum::Extension<RequestId>) -> impl IntoResponse {
    Refusal::new(
        StatusCode::NOT_FOUND,
        graphql::code::NOT_FOUND,
        "there is nothing here: the API is at /graphql",
    )
    .into_http(Media::GraphqlResponse, &id.0)
}

async fn method_not_allowed(axum::Extension(id): axum::Extension<RequestId>) -> impl IntoResponse {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        graphql::code::BAD_USER_INPUT,
        "this address does not take that method",
    )
    .into_http(Media::GraphqlResponse, &id.0)
}

/// A gateway at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens: the port that was found for port 0.
    pub address: SocketAddr,
    /// Where it serves metrics besides, if it does.
    pub metrics_address: Option<SocketAddr>,
    /// Its parts.
    pub gateway: Arc<Gateway>,
    done: JoinHandle<()>,
}

/// Starts serving.
///
/// # Errors
/// When it cannot listen, or the configuration cannot be followed.
pub async fn serve(config: Config, services: Arc<Services>) -> Result<Running, ServeError> {
    let gateway = Arc::new(Gateway::new(config, services)?);
    let listener = listen(gateway.config.listen, "--listen, ANIMA_LISTEN").await?;
    let address = listener.local_addr().map_err(|cause| ServeError::Listen {
        address: gateway.config.listen,
        flag: "--listen, ANIMA_LISTEN",
        cause,
    })?;

    let metrics_address = gateway.start().await?;
    if !gateway.config.no_worker {
        gateway.start_worker();
    }
    gateway.tasks.spawn(
        Arc::clone(&gateway.sockets)
            .watch(gateway.services.bus.subscribe(), gateway.closing.clone()),
    );
    let routes = gateway.routes();
    let done = tokio::spawn(accept(Arc::clone(&gateway), listener, routes));
    Ok(Running {
        address,
        metrics_address,
        gateway,
        done,
    })
}

impl Running {
    /// Stops: no new connections, what runs may finish within the time configured, sockets
    /// are closed with 1001. Whether everything finished in time.
    pub async fn stop(self) -> bool {
        let Self { gateway, done, .. } = self;
        gateway.closing.cancel();
        let _ = done.await;
        gateway.stop().await
    }
}

/// A worker that serves nothing but its metrics.
#[derive(Debug)]
pub struct Working {
    /// Where it serves metrics, if it does.
    pub metrics_address: Option<SocketAddr>,
    gateway: Arc<Gateway>,
}

/// Starts doing outbox tasks and sweeps, and serves nothing but metrics.
///
/// # Errors
/// As [`serve`].
pub async fn work(config: Config, services: Arc<Services>) -> Result<Working, ServeError> {
    let gateway = Arc::new(Gateway::new(config, services)?);
    let metrics_address = gateway.start().await?;
    gateway.start_worker();
    Ok(Working {
        metrics_address,
        gateway,
    })
}

impl Working {
    /// Stops: what runs may finish, the rest is given back. Whether everything finished in time.
    pub async fn stop(self) -> bool {
        self.gateway.stop().await
    }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| ServeError::Listen {
            address,
            flag,
            cause,
        })
}

/// A place among the connections that may be open at once; a socket takes it along.
#[derive(Clone, Debug)]
pub struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

async fn accept(gateway: Arc<Gateway>, listener: TcpListener, routes: Router) {
    let places = Arc::new(Semaphore::new(gateway.config.max_connections.0));
    let next = async || {
        // Without a free place the kernel's queue waits for us.
        let permit = Arc::clone(&places).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, permit)),
                Err(error) => {
                    // Out of file descriptors, most likely: a moment may free some.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = gateway.closing.cancelled() => return,
            it = next() => it,
        };
        let Some((stream, peer, permit)) = accepted else {
            return;
        };
        let place = Place {
            _permit: Arc::new(permit),
        };
        let closing = gateway.closing.clone();
        gateway
            .tasks
            .spawn(connection(stream, peer, routes.clone(), place, closing));
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    place: Place,
    closing: CancellationToken,
) {
    // Answers are written whole: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service =
        hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(place.clone());
            routes.clone().call(request.map(Body::new))
        });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        it = serving.as_mut() => it,
        () = closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection broke off");
    }
}
