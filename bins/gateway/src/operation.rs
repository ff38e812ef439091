//! From a request's parts to an answer: the same way for HTTP, sockets and event streams.
//!
//! Find the document → pick the operation → measure it → take its cost → check its variables
//! → execute. What ends before execution is a [`Refusal`]; what ends in it is a [`Response`].

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use app::{Cx, Viewer};
use async_graphql::{PathSegment, Request, Response, ServerError, Value, Variables};
use axum::http::StatusCode;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use graphql::code;
use serde_json::{Map, Value as Json};
use tracing::Instrument;

use crate::{
    documents::{Document, Proof, Reference},
    model::Kind,
    refusal::{Refusal, code_of, coded},
    serve::Gateway,
    variables,
};

/// A request as a transport read it.
#[derive(Debug, Default)]
pub struct Incoming {
    /// The document's text.
    pub query: Option<String>,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// Values for its variables.
    pub variables: Variables,
    /// Whatever else the client says.
    pub extensions: Map<String, Json>,
}

/// Who asks, from where.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who, and what that allows.
    pub viewer: Viewer,
    /// The client's address.
    pub address: IpAddr,
    /// Ties log lines, audit events and errors of one request together.
    pub request_id: String,
    /// Whether the answer is to say what it cost.
    pub wants_cost: bool,
}

/// An operation that may run.
pub struct Prepared {
    /// Query, mutation or subscription.
    pub kind: Kind,
    request: Request,
    document: Arc<Document>,
    proof: Option<Proof>,
    proven: bool,
    cost: u32,
    remaining: Option<u32>,
    caller: Caller,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("kind", &self.kind)
            .field("cost", &self.cost)
            .field("proven", &self.proven)
            .finish_non_exhaustive()
    }
}

/// What came of an operation.
#[derive(Debug)]
pub enum Answer {
    /// It was not executed: it carries no `data`.
    Refused(Refusal),
    /// It was executed.
    Executed(Response),
}

impl Gateway {
    /// Readies an operation: all that can be refused before execution.
    ///
    /// # Errors
    /// A [`Refusal`] for the client.
    pub fn prepare(&self, incoming: Incoming, caller: Caller) -> Result<Prepared, Refusal> {
        let Incoming {
            query,
            operation_name,
            variables,
            extensions,
        } = incoming;
        let document = self.documents.find(&Reference {
            query: query.as_deref(),
            persisted_hash: persisted_hash(&extensions)?,
        })?;
        let operation = document.operation(operation_name.as_deref())?;
        let kind = Kind::from(operation.ty);
        let measure = if let Some(known) = document.known_measure() {
            known
        } else {
            let measure = self
                .budget
                .measure(&self.model, &document.ast, operation, &variables)?;
            document.note_measure(measure);
            measure
        };
        let remaining = self
            .limits
            .spend(&caller.viewer, caller.address, measure.cost)?;
        let provided =
            variables::check(&self.model, operation, &variables).map_err(Refusal::of_document)?;
        let proof = provided.mask.map(|provided| Proof {
            operation_name: operation_name.clone(),
            provided,
        });
        let proven = proof.as_ref().is_some_and(|it| document.is_proven(it));

        let mut request = Request::new(query.unwrap_or_default()).variables(variables);
        request.operation_name = operation_name;
        request.set_parsed_query(document.ast.clone());
        let cx = self.cx(&caller);
        Ok(Prepared {
            kind,
            request: graphql::prepare(request, cx),
            document,
            proof,
            proven,
            cost: measure.cost,
            remaining,
            caller,
        })
    }

    fn cx(&self, caller: &Caller) -> Cx {
        let request = app::Request {
            id: Some(caller.request_id.clone()),
            address: Some(caller.address),
        };
        self.services.cx(caller.viewer.clone(), request)
    }

    /// Runs a query or a mutation to its end, its time limit, or a panic.
    pub async fn execute(&self, prepared: Prepared) -> Answer {
        let Prepared {
            kind,
            request,
            document,
            proof,
            proven,
            cost,
            remaining,
            caller,
        } = prepared;
        let begun = Instant::now();
        let schema = if proven { &self.fast } else { &self.strict };
        let span =
            tracing::info_span!("operation", request = %caller.request_id, kind = kind.word());
        let run = AssertUnwindSafe(graphql::execute(schema, request)).catch_unwind();
        let run = tokio::time::timeout(self.config.request_timeout, run).instrument(span.clone());
        let answer = match run.await {
            Ok(Ok(response)) if is_request_error(&response) => {
                Answer::Refused(Refusal::of_document(response.errors))
            }
            Ok(Ok(mut response)) => {
                if !proven {
                    if let Some(proof) = proof {
                        document.note_proof(proof);
                    }
                    self.documents.keep(&document);
                }
                span.in_scope(|| finish_errors(&mut response, &caller.request_id));
                if caller.wants_cost {
                    let actual = actual_cost(&response.data, kind);
                    response
                        .extensions
                        .insert("cost".to_owned(), cost_report(cost, actual, remaining));
                }
                Answer::Executed(response)
            }
            // The panic hook has logged what and where.
            Ok(Err(_)) => Answer::Refused(Refusal::internal()),
            Err(_) => {
                span.in_scope(|| tracing::warn!("an operation was ended by the time limit"));
                Answer::Refused(Refusal::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    code::INTERNAL_SERVER_ERROR,
                    format!(
                        "the operation took longer than {} s and was ended",
                        self.config.request_timeout.as_secs_f32()
                    ),
                ))
            }
        };
        let outcome = answer.code();
        metrics::counter!("anima_operations_total", "type" => kind.word(), "code" => outcome)
            .increment(1);
        metrics::histogram!("anima_operation_seconds", "type" => kind.word())
            .record(begun.elapsed().as_secs_f64());
        answer
    }

    /// Runs a subscription: answers as they come, until the source or a panic ends it. A
    /// refusal is the last item.
    pub fn subscribe(&self, prepared: Prepared) -> impl Stream<Item = Answer> + Send + use<> {
        let Prepared {
            request,
            document,
            caller,
            ..
        } = prepared;
        metrics::counter!("anima_operations_total", "type" => "subscription", "code" => "OK")
            .increment(1);
        // Validated in full each time: once for so many events.
        let stream =
            AssertUnwindSafe(graphql::execute_stream(&self.strict, request)).catch_unwind();
        let documents = self.documents.clone();
        let mut first = true;
        let answers = stream.map(move |item| match item {
            Ok(response) if std::mem::take(&mut first) && is_request_error(&response) => {
                Answer::Refused(Refusal::of_document(response.errors))
            }
            Ok(mut response) => {
                documents.keep(&document);
                finish_errors(&mut response, &caller.request_id);
                Answer::Executed(response)
            }
            Err(_) => Answer::Refused(Refusal::internal()),
        });
        // Nothing follows a refusal.
        stream::unfold(Some(answers.boxed()), |answers| async move {
            let mut answers = answers?;
            let answer = answers.next().await?;
            let rest = matches!(answer, Answer::Executed(_)).then_some(answers);
            Some((answer, rest))
        })
    }
}

impl Answer {
    /// `OK`, or the code of the first error, for counting.
    fn code(&self) -> String {
        let code = match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Executed(response) => response.errors.first().map_or("OK", |it| {
                code_of(it).unwrap_or(code::INTERNAL_SERVER_ERROR)
            }),
        };
        code.to_owned()
    }
}

/// `extensions.persistedQuery`, as automatic persisted queries have it.
fn persisted_hash(extensions: &Map<String, Json>) -> Result<Option<&str>, Refusal> {
    let Some(persisted) = extensions.get("persistedQuery").filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    let version = persisted.get("version").and_then(Json::as_u64);
    let hash = persisted.get("sha256Hash").and_then(Json::as_str);
    match (version, hash) {
        (Some(1), Some(hash)) => Ok(Some(hash)),
        _ => Err(Refusal::bad_request(
            "extensions.persistedQuery must be { \"version\": 1, \"sha256Hash\": \"…\" }",
        )),
    }
}

/// Whether nothing was executed. The library says `data: null` either way; what failed in
/// execution has the path of a field.
fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|it| it.path.is_empty())
}

/// Gives every error a code and the request's id; hides what was not meant for clients.
fn finish_errors(response: &mut Response, request_id: &str) {
    for error in &mut response.errors {
        *error = finish_error(
            std::mem::replace(error, ServerError::new("", None)),
            request_id,
        );
    }
}

fn finish_error(error: ServerError, request_id: &str) -> ServerError {
    let mut error = match code_of(&error) {
        Some(_) => error,
        None if is_of_input(&error.message) => coded(error, code::BAD_USER_INPUT),
        None => {
            tracing::error!(message = %error.message, path = %shown(&error.path), "uncoded error");
            let hidden = ServerError {
                message: "internal error".to_owned(),
                ..error
            };
            coded(hidden, code::INTERNAL_SERVER_ERROR)
        }
    };
    error
        .extensions
        .get_or_insert_default()
        .set("requestId", request_id);
    error
}

/// How the library begins its words for an argument that is not of its type.
fn is_of_input(message: &str) -> bool {
    ["Failed to parse \"", "Expected input type \"", "Variable "]
        .iter()
        .any(|it| message.starts_with(it))
}

fn shown(path: &[PathSegment]) -> String {
    let steps: Vec<String> = path
        .iter()
        .map(|it| match it {
            PathSegment::Field(name) => name.clone(),
            PathSegment::Index(i) => i.to_string(),
        })
        .collect();
    steps.join(".")
}

fn actual_cost(data: &Value, kind: Kind) -> u32 {
    let roots = match data {
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    crate::budget::cost_of(kind, objects_in(data).saturating_sub(1), roots as u64)
}

fn objects_in(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => 1 + fields.values().map(objects_in).sum::<u64>(),
        Value::List(items) => items.iter().map(objects_in).sum(),
        _ => 0,
    }
}

fn cost_report(requested: u32, actual: u32, remaining: Option<u32>) -> Value {
    async_graphql::value!({
        "requested": requested,
        "actual": actual,
        "remaining": remaining,
    })
}
