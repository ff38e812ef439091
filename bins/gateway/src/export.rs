//! `GET /export/{user}`: everything about a person as one JSON document, streamed, however much
//! there is. The mutation `dataExport` answers the same for what fits into one answer.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode, header},
};
use domain::identity::UserId;
use graphql::code;

use crate::{
    http::{Media, RequestId},
    refusal::Refusal,
    serve::Gateway,
};

/// Streams the export, for the person themself or an administrator; audited.
pub async fn export(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(user): Path<String>,
    axum::Extension(id): axum::Extension<RequestId>,
    headers: HeaderMap,
) -> Response<Body> {
    answer(&gateway, peer, &user, &id.0, &headers)
        .await
        .unwrap_or_else(|refusal| refusal.into_http(Media::GraphqlResponse, &id.0))
}

async fn answer(
    gateway: &Gateway,
    peer: SocketAddr,
    user: &str,
    request_id: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let user: UserId = user
        .parse()
        .map_err(|error: domain::values::IdError| Refusal::bad_request(error.to_string()))?;
    let address = gateway.client_address(headers, peer.ip());
    let viewer = gateway.viewer(headers, address).await?;
    let request = app::Request {
        id: Some(request_id.to_owned()),
        address: Some(address),
    };
    let cx = gateway.services.cx(viewer, request);
    let document = app::identity::export(&cx, user).await.map_err(refused)?;
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::from_stream(document))
        .map_err(|_| Refusal::internal())
}

fn refused(error: app::Error) -> Refusal {
    match error {
        app::Error::Unauthenticated => Refusal::new(
            StatusCode::UNAUTHORIZED,
            code::UNAUTHENTICATED,
            error.to_string(),
        ),
        app::Error::Forbidden(_) => {
            Refusal::new(StatusCode::FORBIDDEN, code::FORBIDDEN, error.to_string())
        }
        app::Error::NotFound(_) => {
            Refusal::new(StatusCode::NOT_FOUND, code::NOT_FOUND, error.to_string())
        }
        cause => {
            tracing::error!(?cause, "an export failed");
            Refusal::internal()
        }
    }
}
