//! What all endpoints have in common: the peer's own address, its knobs, its books, and how an error is written.

use super::{
    books::Books,
    knobs::Knobs,
    meddle::{Canned, Meddling},
};
use crate::{fake_mcp, record::Record};
use axum::response::Response;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// `http://127.0.0.1:port`.
    pub(super) origin: Arc<str>,
    pub(super) record: Record,
    pub(super) mcp: fake_mcp::Shared,
    knobs: Arc<Mutex<Knobs>>,
    meddling: Arc<Mutex<Meddling>>,
    books: Arc<Mutex<Books>>,
}

impl Shared {
    pub(super) fn new(origin: &str, mcp: fake_mcp::Shared) -> Self {
        Self {
            origin: origin.into(),
            record: Record::default(),
            mcp,
            knobs: Arc::default(),
            meddling: Arc::default(),
            books: Arc::default(),
        }
    }

    pub(super) fn knobs(&self) -> MutexGuard<'_, Knobs> {
        self.knobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn meddling(&self) -> MutexGuard<'_, Meddling> {
        self.meddling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever needs the knobs too takes them first and clones what it wants of them.
    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// What an honest peer is called.
    pub(super) fn identifier(&self) -> String {
        self.url(&self.knobs().tenant)
    }

    /// What this one says it is called.
    pub(super) fn issuer(&self) -> String {
        let told = self.knobs().issuer.clone();
        told.unwrap_or_else(|| self.identifier())
    }

    /// The identifier of what is protected.
    pub(super) fn resource(&self) -> String {
        let told = self.knobs().resource.clone();
        told.unwrap_or_else(|| self.url(fake_mcp::PATH))
    }
}

/// A request that is refused in the words of OAuth.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl Refusal {
    /// 400.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: 400, error, description: description.into() }
    }

    pub(super) fn into_response(self) -> Response {
        let answer =
            Canned::error(self.status, self.error, &self.description).header("cache-control", "no-store");
        // RFC 6749, 5.2: a client that came with the header is told which scheme it should have used.
        let answer = if self.status == 401 {
            answer.header("www-authenticate", "Basic realm=\"fake\"")
        } else {
            answer
        };
        answer.into_response()
    }
}

/// The one value of a parameter; one that came twice is refused (RFC 6749, 3.1).
pub(super) fn single(fields: &[(String, String)], name: &str) -> Result<Option<String>, Refusal> {
    let mut values = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = values.next();
    match values.next() {
        Some(_) => Err(Refusal::new("invalid_request", format!("{name} came twice"))),
        None => Ok(first.cloned()),
    }
}

/// The same, which must be there.
pub(super) fn wanted(fields: &[(String, String)], name: &str) -> Result<String, Refusal> {
    single(fields, name)?.ok_or_else(|| Refusal::new("invalid_request", format!("{name} is missing")))
}
