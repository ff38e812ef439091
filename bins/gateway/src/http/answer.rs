//! Writing an answer: the JSON of it, its status, its headers.
//!
//! The library serializes `data: null` also where nothing was executed, which the
//! specification of GraphQL over HTTP forbids.

use async_graphql::{Response as Executed, ServerError, Value};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::{Serialize, ser::SerializeMap};

use crate::{http::media::Media, operation::Answer, refusal::Refusal};

impl Answer {
    /// As JSON.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        match self {
            Self::Refused(refusal) => refusal.to_json(request_id),
            Self::Executed(response) => json(&ExecutedJson(response)),
        }
    }

    /// As an HTTP response.
    pub fn into_http(self, media: Media, request_id: &str) -> Response<Body> {
        match self {
            Self::Refused(refusal) => refusal.into_http(media, request_id),
            Self::Executed(response) => {
                let body = json(&ExecutedJson(&response));
                http_response(StatusCode::OK, media, body)
            }
        }
    }
}

impl Refusal {
    /// The errors, each with the request's id.
    pub fn errors_with_id(&self, request_id: &str) -> Vec<ServerError> {
        let mut errors = self.errors.clone();
        for error in &mut errors {
            error
                .extensions
                .get_or_insert_default()
                .set("requestId", request_id);
        }
        errors
    }

    /// As JSON, without `data`.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Refused {
            errors: Vec<ServerError>,
        }
        json(&Refused {
            errors: self.errors_with_id(request_id),
        })
    }

    /// As an HTTP response.
    pub fn into_http(self, media: Media, request_id: &str) -> Response<Body> {
        // A stream that never began is answered like any other request.
        let media = match media {
            Media::EventStream => Media::GraphqlResponse,
            other => other,
        };
        let status = if self.of_document && media == Media::Json {
            StatusCode::OK
        } else {
            self.status
        };
        let mut response = http_response(status, media, self.to_json(request_id));
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, after.as_secs().into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"anima\""),
            );
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
        }
        // The rest of a body that is not read would be taken for the next request.
        if matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn http_response(status: StatusCode, media: Media, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media.content_type());
    response
}

/// `errors`, `data`, `extensions`, without what is empty.
struct ExecutedJson<'a>(&'a Executed);

impl Serialize for ExecutedJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Executed {
            errors,
            data,
            extensions,
            ..
        } = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !errors.is_empty() {
            map.serialize_entry::<str, Vec<ServerError>>("errors", errors)?;
        }
        map.serialize_entry::<str, Value>("data", data)?;
        if !extensions.is_empty() {
            map.serialize_entry("extensions", extensions)?;
        }
        map.end()
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Keys are text and values trees: nothing that JSON could not hold.
    serde_json::to_vec(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        br#"{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#
            .to_vec()
    })
}
