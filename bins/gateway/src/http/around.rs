//! What happens around every request: its id, its place in the log, headers that protect,
//! tokens that must not be in an address, counting.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Extensions, HeaderName, HeaderValue, Response, header},
    middleware::Next,
};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    caller::{REQUEST_ID, sane_request_id, token_in_query},
    http::Media,
    refusal::Refusal,
    serve::Gateway,
};

/// The id of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// Out of the extensions where [`around`] put it.
    pub fn of(extensions: &Extensions) -> Arc<str> {
        extensions
            .get::<Self>()
            .map_or_else(|| Arc::from(""), |it| Arc::clone(&it.0))
    }
}

/// Set on every answer that does not set its own.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Runs a request with its id.
pub async fn around(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let begun = Instant::now();
    let id: Arc<str> = match sane_request_id(request.headers()) {
        Some(own) => own.into(),
        None => gateway.services.system_cx().id::<Uuid>().to_string().into(),
    };
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let method = request.method().clone();
    let path: Arc<str> = request.uri().path().into();
    let span = tracing::info_span!("http", request = %id);
    let mut response = async {
        if request.uri().query().is_some_and(token_in_query) {
            // The token has been in an address now, and so in logs on the way.
            return Refusal::bad_request(
                "an access token must not be in an address, where logs and histories keep it: \
                 revoke this one, and send the next as \"Authorization: Bearer …\"",
            )
            .into_http(Media::GraphqlResponse, &id);
        }
        next.run(request).await
    }
    .instrument(span.clone())
    .await;

    let status = response.status();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let elapsed = begun.elapsed();
    metrics::counter!("anima_http_requests_total", "status" => status.as_str().to_owned())
        .increment(1);
    span.in_scope(|| {
        let milliseconds = elapsed.as_secs_f64() * 1000.0;
        if status.is_server_error() {
            tracing::warn!(%method, path = &*path, status = status.as_u16(), milliseconds);
        } else {
            tracing::debug!(%method, path = &*path, status = status.as_u16(), milliseconds);
        }
    });
    response
}
