//! Reading a GraphQL request: out of a JSON body, or out of an address.

use async_graphql::Variables;
use axum::{body::Body, http::StatusCode};
use futures_util::StreamExt;
use graphql::code;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{caller::form_pairs, operation::Incoming, refusal::Refusal, serve::Gateway};

/// How long a body may take to arrive.
const BODY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// The members of a request; others are ignored, as the specification says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<Variables>,
    extensions: Option<Map<String, Json>>,
}

impl From<Members> for Incoming {
    fn from(members: Members) -> Self {
        let Members {
            query,
            operation_name,
            variables,
            extensions,
        } = members;
        Self {
            query,
            // Some clients send an empty name for none.
            operation_name: operation_name.filter(|it| !it.is_empty()),
            variables: variables.unwrap_or_default(),
            extensions: extensions.unwrap_or_default(),
        }
    }
}

impl Incoming {
    /// Out of a JSON text.
    ///
    /// # Errors
    /// For what is no JSON, nests deeper than 128, is an array (batching is off), or has a
    /// member of the wrong type.
    pub fn from_json(text: &[u8]) -> Result<Self, Refusal> {
        let first = text.iter().find(|it| !it.is_ascii_whitespace());
        match first {
            Some(b'{') => {}
            Some(b'[') => {
                return Err(Refusal::bad_request(
                    "batching is off: send one operation at a time",
                ));
            }
            None => return Err(Refusal::bad_request("the body is empty")),
            Some(_) => return Err(Refusal::bad_request("the body is not a JSON object")),
        }
        let members: Members = serde_json::from_slice(text)
            .map_err(|error| Refusal::bad_request(format!("not a GraphQL request: {error}")))?;
        Ok(members.into())
    }

    /// Out of a JSON value, as a socket's `subscribe` has it.
    ///
    /// # Errors
    /// As [`Incoming::from_json`].
    pub fn from_value(value: Json) -> Result<Self, Refusal> {
        if !value.is_object() {
            return Err(Refusal::bad_request("the payload is not a JSON object"));
        }
        let members: Members = serde_json::from_value(value)
            .map_err(|error| Refusal::bad_request(format!("not a GraphQL request: {error}")))?;
        Ok(members.into())
    }

    /// Out of the query string of an address.
    ///
    /// # Errors
    /// For a parameter given twice, or `variables` or `extensions` that are no JSON object.
    pub fn from_query_string(text: &str) -> Result<Self, Refusal> {
        let mut members = Map::new();
        for (key, value) in form_pairs(text) {
            let value = match key.as_str() {
                "query" | "operationName" => Json::String(value),
                "variables" | "extensions" if value.is_empty() => Json::Null,
                "variables" | "extensions" => serde_json::from_str(&value)
                    .map_err(|error| Refusal::bad_request(format!("{key} is not JSON: {error}")))?,
                _ => continue,
            };
            if members.insert(key.clone(), value).is_some() {
                return Err(Refusal::bad_request(format!("{key} is given twice")));
            }
        }
        Self::from_value(Json::Object(members))
    }
}

impl Gateway {
    /// The whole body of a request.
    ///
    /// # Errors
    /// 413 past the limit, 408 when it does not arrive in time, 400 when it breaks off.
    pub async fn body(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let limit = self.config.max_body;
        let too_large = || {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                code::BAD_USER_INPUT,
                format!("the body is larger than {limit} bytes"),
            )
        };
        let size = http_body_util::BodyExt::into_data_stream(body);
        let read = async {
            let mut stream = size;
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|_| Refusal::bad_request("the body broke off"))?;
                if bytes.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        tokio::time::timeout(BODY_TIMEOUT, read)
            .await
            .unwrap_or_else(|_| {
                Err(Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    code::BAD_USER_INPUT,
                    format!(
                        "the body did not arrive within {} s",
                        BODY_TIMEOUT.as_secs()
                    ),
                ))
            })
    }
}
