//! What a fake peer was asked: the evidence of a test.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use http::{HeaderMap, Method};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Recorded {
    /// The value of a header, when it was sent once or more.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Where it went, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The decoded parameters of the query, in order.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The decoded fields of a form, in order.
    pub fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// Everything that was sent, as one text: to search it for what must not be there.
    pub fn whole(&self) -> String {
        format!("{} {}\n{:?}\n{}", self.method, self.target, self.headers, self.body)
    }

    pub(crate) async fn read(request: Request<Body>) -> Self {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, crate::limits::BODY).await.unwrap_or_default();
        Self {
            method: parts.method,
            target: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

/// All requests of one fake, in the order of their arrival. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<Vec<Recorded>>>);

impl Record {
    pub(crate) fn push(&self, request: Recorded) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }

    /// What arrived so far.
    pub fn all(&self) -> Vec<Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
