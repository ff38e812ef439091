//! Documents: parsed once, validated once, known by hash.
//!
//! Parsing and validating is over half the work of a small request. A document that parsed is
//! kept under the SHA-256 of its text; one that validated is remembered as proven, and later
//! executed by a schema that validates only what execution relies on.
//!
//! What full validation finds may depend on the request in two ways: by the name of the
//! operation, and by which variables are there (the library checks the value of an argument
//! only when all its variables are). So a proof holds for those two; the values themselves
//! are checked each time by [`crate::variables`], before either schema sees them.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_graphql::{
    ServerError,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition},
    },
};
use axum::http::StatusCode;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use graphql::code;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::{budget::Measure, refusal::Refusal, scan};

/// SHA-256 of a document's text.
pub type Hash = [u8; 32];

/// What all kept documents may weigh together.
const MAX_WEIGHT: u64 = 64 << 20;
/// What a document weighs at least, so that there are at most 4096.
const MIN_WEIGHT: u32 = 16 << 10;
/// A parsed document takes about so many times the bytes of its text.
const PARSED_PER_BYTE: u32 = 16;
/// How many proofs are remembered of one document.
const MAX_PROOFS: usize = 32;

/// A parsed document.
#[derive(Debug)]
pub struct Document {
    /// As parsed.
    pub ast: ExecutableDocument,
    /// Of its text.
    pub hash: Hash,
    weight: u32,
    measure: OnceLock<Measure>,
    proofs: Mutex<Vec<Proof>>,
}

/// That a document validates: for this operation, with these variables there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The operation that the request names.
    pub operation_name: Option<String>,
    /// Which of its variables the request gives, see [`crate::variables::Provided`].
    pub provided: u64,
}

impl Document {
    fn parse(text: &str, hash: Hash) -> Result<Self, Refusal> {
        if let Err(fault) = scan::scan(text) {
            return Err(match fault {
                scan::Fault::Nul => Refusal::document(ServerError::new(fault.to_string(), None)),
                _ => Refusal::too_complex(fault.to_string()),
            });
        }
        let ast = parse_query(text).map_err(|it| Refusal::document(it.into()))?;
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Ok(Self {
            ast,
            hash,
            weight: bytes.saturating_mul(PARSED_PER_BYTE).max(MIN_WEIGHT),
            measure: OnceLock::new(),
            proofs: Mutex::default(),
        })
    }

    /// The operation that a request means.
    ///
    /// # Errors
    /// When the name is of none, or there are several and no name.
    pub fn operation(&self, name: Option<&str>) -> Result<&OperationDefinition, Refusal> {
        let found = match (&self.ast.operations, name) {
            (DocumentOperations::Single(operation), None) => Some(operation),
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
                operations.values().next()
            }
            _ => None,
        };
        found.map(|it| &it.node).ok_or_else(|| {
            let message = match name {
                Some(name) => format!("the document has no operation named \"{name}\""),
                None => {
                    "the document has several operations: say which by operationName".to_owned()
                }
            };
            Refusal::document(ServerError::new(message, None))
        })
    }

    /// What the operation measured last time, when that goes for every request.
    pub fn known_measure(&self) -> Option<Measure> {
        self.measure.get().copied()
    }

    /// Remembers a measure, if it goes for every request.
    pub fn note_measure(&self, measure: Measure) {
        if !measure.by_variables && matches!(self.ast.operations.iter().len(), 1) {
            let _ = self.measure.set(measure);
        }
    }

    /// Whether full validation has passed for a request like this one.
    pub fn is_proven(&self, proof: &Proof) -> bool {
        self.proofs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(proof)
    }

    /// Remembers that full validation has passed.
    pub fn note_proof(&self, proof: Proof) {
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() < MAX_PROOFS && !proofs.contains(&proof) {
            proofs.push(proof);
        }
    }
}

/// What a request says of its document.
#[derive(Clone, Debug, Default)]
pub struct Reference<'a> {
    /// The text.
    pub query: Option<&'a str>,
    /// `extensions.persistedQuery.sha256Hash`, in hexadecimal.
    pub persisted_hash: Option<&'a str>,
}

/// The documents of this process.
#[derive(Debug)]
pub struct Documents {
    kept: Cache<Hash, Arc<Document>>,
    trusted: Option<HashMap<Hash, Arc<Document>>>,
}

impl Documents {
    /// Any document is accepted.
    pub fn open() -> Self {
        let kept = Cache::builder()
            .max_capacity(MAX_WEIGHT)
            .weigher(|_, document: &Arc<Document>| document.weight)
            .build();
        Self {
            kept,
            trusted: None,
        }
    }

    /// Only the documents of a JSON file are accepted: an object from SHA-256 to text.
    ///
    /// # Errors
    /// When the file cannot be read, is not such an object, or holds a text that does not
    /// parse or is not of its hash.
    pub fn trusted(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let entries: HashMap<String, String> = serde_json::from_str(&text).map_err(|error| {
            format!(
                "{} is not an object from hash to text: {error}",
                file.display()
            )
        })?;
        let mut trusted = HashMap::with_capacity(entries.len());
        for (name, text) in &entries {
            let wrong = |what: &str| format!("{}: {name} {what}", file.display());
            let hash = parse_hash(name)
                .ok_or_else(|| wrong("is not a SHA-256 of 64 hexadecimal digits"))?;
            if hash != hash_of(text) {
                return Err(wrong("is not the SHA-256 of its text"));
            }
            let document = Document::parse(text, hash)
                .map_err(|it| wrong(it.errors.first().map_or("", |it| it.message.as_str())))?;
            trusted.insert(hash, Arc::new(document));
        }
        Ok(Self {
            trusted: Some(trusted),
            ..Self::open()
        })
    }

    /// The document that a request means.
    ///
    /// # Errors
    /// When it says none, it does not parse, its hash is not of its text, the hash is not
    /// known, or the document is not trusted where only those are accepted.
    pub fn find(&self, reference: &Reference<'_>) -> Result<Arc<Document>, Refusal> {
        let claimed = match reference.persisted_hash {
            None => None,
            Some(text) => Some(parse_hash(text).ok_or_else(|| {
                Refusal::bad_request(
                    "extensions.persistedQuery.sha256Hash must be 64 hexadecimal digits",
                )
            })?),
        };
        let hash = match (reference.query, claimed) {
            (None, None) => return Err(Refusal::bad_request("the request has no \"query\"")),
            (None, Some(claimed)) => claimed,
            (Some(text), claimed) => {
                let hash = hash_of(text);
                if claimed.is_some_and(|it| it != hash) {
                    return Err(Refusal::bad_request(
                        "extensions.persistedQuery.sha256Hash is not the SHA-256 of the query",
                    ));
                }
                hash
            }
        };
        if let Some(trusted) = &self.trusted {
            return trusted.get(&hash).cloned().ok_or_else(not_trusted);
        }
        let known = self.kept.get(&hash);
        metrics::counter!("anima_documents_total", "cache" => if known.is_some() { "hit" } else { "miss" })
            .increment(1);
        match (known, reference.query) {
            (Some(document), _) => Ok(document),
            (None, Some(text)) => Ok(Arc::new(Document::parse(text, hash)?)),
            (None, None) => Err(not_found()),
        }
    }

    /// Keeps a document that was found worth it.
    pub fn keep(&self, document: &Arc<Document>) {
        if self.trusted.is_none() && !self.kept.contains_key(&document.hash) {
            self.kept.insert(document.hash, Arc::clone(document));
        }
    }
}

fn not_found() -> Refusal {
    Refusal {
        of_document: true,
        ..Refusal::new(
            StatusCode::BAD_REQUEST,
            code::PERSISTED_QUERY_NOT_FOUND,
            // The text is what clients of automatic persisted queries look for.
            "PersistedQueryNotFound",
        )
    }
}

fn not_trusted() -> Refusal {
    Refusal {
        of_document: true,
        ..Refusal::new(
            StatusCode::BAD_REQUEST,
            code::PERSISTED_QUERY_NOT_FOUND,
            "this server accepts trusted documents only, and this is none of them",
        )
    }
}

/// SHA-256 of a text.
pub fn hash_of(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// A hash as clients write it.
pub fn show_hash(hash: &Hash) -> String {
    HEXLOWER.encode(hash)
}

fn parse_hash(text: &str) -> Option<Hash> {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .ok()?
        .try_into()
        .ok()
}
