//! Metrics for Prometheus: how much is asked and how long it takes, by kind and outcome; never
//! by the text of an operation, which a client chooses.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Extension, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Media, RequestId},
    refusal::Refusal,
    serve::Gateway,
};

/// Bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// The recorder of this process, set up once.
///
/// # Errors
/// When another recorder is in place.
pub fn recorder() -> Result<PrometheusHandle, String> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut recorder = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*recorder {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| format!("metrics cannot be set up: {error}"))?;
    describe();
    *recorder = Some(handle.clone());
    Ok(handle)
}

fn describe() {
    describe_counter!("anima_http_requests_total", "HTTP requests by status");
    describe_counter!(
        "anima_operations_total",
        "GraphQL operations by type, and OK or the code of the first error"
    );
    describe_histogram!(
        "anima_operation_seconds",
        Unit::Seconds,
        "How long GraphQL operations took, by type"
    );
    describe_counter!(
        "anima_documents_total",
        "documents found in the cache, or parsed"
    );
    describe_counter!(
        "anima_refused_total",
        "requests refused early: rate, busy, tokens, sockets, streams"
    );
    describe_gauge!("anima_operations_running", "operations that run now");
    describe_gauge!("anima_sockets", "open sockets, by transport");
    describe_gauge!("anima_streams", "open subscriptions");
    describe_counter!(
        "anima_outbox_attempts_total",
        "tries of outbox tasks by type, and how they ended: done, retried, failed, lost, released"
    );
    describe_histogram!(
        "anima_outbox_seconds",
        Unit::Seconds,
        "How long tries of outbox tasks took, by type"
    );
    describe_gauge!(
        "anima_outbox_tasks",
        "outbox tasks by type and status, but for those that are done"
    );
    describe_gauge!(
        "anima_outbox_oldest_seconds",
        Unit::Seconds,
        "For how long the outbox task that waits longest could have run"
    );
    describe_counter!(
        "anima_sweep_rows_total",
        "rows that sweeps changed, by sweep"
    );
    describe_counter!("anima_sweep_failures_total", "sweeps that failed, by sweep");
    describe_histogram!(
        "anima_sweep_seconds",
        Unit::Seconds,
        "How long sweeps took, by sweep"
    );
    describe_gauge!(
        "anima_database_connections",
        "connections by pool and state"
    );
}

/// Drops what histograms collected and nobody fetched, until the gateway stops.
pub async fn upkeep(handle: PrometheusHandle, closing: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = tick.tick() => handle.run_upkeep(),
        }
    }
}

/// `GET /metrics` on the main address: for this machine only.
pub async fn to_loopback(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(id): Extension<RequestId>,
    headers: HeaderMap,
) -> Response {
    // A proxy on this machine is a loopback peer; who asks it is not.
    let forwarded = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
    if peer.ip().to_canonical().is_loopback() && !forwarded {
        return render(&gateway).await;
    }
    Refusal::new(
        StatusCode::FORBIDDEN,
        graphql::code::FORBIDDEN,
        "metrics are for this machine only: see --metrics-listen",
    )
    .into_http(Media::Json, &id.0)
}

/// `GET /metrics` on an address of its own: for whoever can reach it.
pub async fn to_anyone(State(gateway): State<Arc<Gateway>>) -> Response {
    render(&gateway).await
}

/// How long the database may take to say what waits in the outbox.
const PATIENCE: Duration = Duration::from_secs(2);

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
async fn render(gateway: &Gateway) -> Response {
    let cx = gateway.services.system_cx();
    match tokio::time::timeout(PATIENCE, app::outbox::measure(&cx)).await {
        Ok(Ok(())) => {}
        // The rest is told all the same, most of all while the database is away.
        _ => tracing::warn!("the outbox could not be measured"),
    }
    let running = gateway.config.max_in_flight.0 - gateway.limits.free_places();
    gauge!("anima_operations_running").set(running as f64);
    for pool in gateway.services.db.pools() {
        let busy = pool.open.saturating_sub(pool.idle);
        gauge!("anima_database_connections", "pool" => pool.name, "state" => "idle")
            .set(f64::from(pool.idle));
        gauge!("anima_database_connections", "pool" => pool.name, "state" => "busy")
            .set(f64::from(busy));
    }
    let text = gateway.metrics.render();
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
