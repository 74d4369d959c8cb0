//! One exchange with a provider over `egress`, so that its guard, deadlines and caps hold: what every dialect does alike.

use crate::{
    ModelError,
    error::ProtocolFault,
    limits::{ANSWER, CONNECT, FIRST_EVENT, GENERATION, IDLE, REFUSAL_BODY, REFUSAL_READ},
    refusal::Refusal,
};
use bytes::Bytes;
use egress::{Egress, Limits, Request, Response};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, time::Duration};
use tokio::time::Instant;
use url::Url;

/// How long each phase of a generation may take. [`Default`] gives the figures of `limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup, connect and TLS.
    pub connect: Duration,
    /// From sending the request to the first event. Comments and pings that only keep the line open do not count.
    pub first_event: Duration,
    /// Between two pieces of the answer, comments included.
    pub idle: Duration,
    /// The whole generation.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: CONNECT, first_event: FIRST_EVENT, idle: IDLE, total: GENERATION }
    }
}

/// An answer whose status is good and whose body has not been read.
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// When the generation was asked for.
    pub(crate) begun: Instant,
    /// It says of itself that it is a stream of events.
    pub(crate) labelled: bool,
}

/// A provider's server, and how to reach it.
pub(crate) struct Peer {
    pub(crate) base_url: Url,
    api_key: Option<SecretString>,
    egress: Egress,
    pub(crate) deadlines: Deadlines,
}

impl Peer {
    pub(crate) fn new(base_url: Url, api_key: Option<SecretString>, egress: Egress) -> Self {
        Self { base_url, api_key, egress, deadlines: Deadlines::default() }
    }

    /// The key behind `prefix`, as a header; `None` without a key.
    pub(crate) fn key_header(&self, prefix: &str) -> Result<Option<HeaderValue>, ModelError> {
        let Some(key) = &self.api_key else { return Ok(None) };
        let text = format!("{prefix}{}", key.expose_secret().trim());
        // A key that does not fit into a header is a wrong key; what to do about it is the same.
        let mut header = HeaderValue::try_from(text).map_err(|_| ModelError::Auth { status: 401 })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    /// Sends `body` to `path` below the base URL. `Ok(Err(_))`: the provider said no.
    pub(crate) async fn post(
        &self,
        path: &str,
        mut headers: HeaderMap,
        body: String,
        begun: Instant,
    ) -> Result<Result<Answer, Refusal>, ModelError> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let mut post = Request::post(endpoint(&self.base_url, path), Bytes::from(body));
        post.headers = headers;
        post.limits = Limits {
            connect: self.deadlines.connect,
            first_byte: self.deadlines.first_event,
            idle: self.deadlines.idle,
            total: Some(self.deadlines.total),
            max_body: ANSWER,
        };
        let response = self.egress.send(post).await.map_err(|error| {
            tracing::debug!(%error, "model request failed");
            ModelError::before_events(&error)
        })?;
        read_head(response, begun).await
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("origin", &self.base_url.origin().ascii_serialization())
            .field("has_api_key", &self.api_key.is_some())
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

async fn read_head(response: Response, begun: Instant) -> Result<Result<Answer, Refusal>, ModelError> {
    let kind = ContentKind::of(&response.headers);
    if response.status.is_success() && !matches!(kind, ContentKind::Html | ContentKind::Json) {
        return Ok(Ok(Answer { response, begun, labelled: kind == ContentKind::Events }));
    }
    let (status, headers) = (response.status, response.headers.clone());
    // A refusal is known by its status; a body that does not come only makes it less exact.
    let body = match tokio::time::timeout(REFUSAL_READ, response.prefix(REFUSAL_BODY)).await {
        Ok(Ok((body, _cut))) => body,
        Ok(Err(_)) | Err(_) => Bytes::new(),
    };
    let refusal = Refusal::of_response(status, &headers, &body, kind == ContentKind::Html);
    if status.is_success() {
        if kind == ContentKind::Html {
            return Err(ModelError::Protocol(ProtocolFault::WebPage));
        }
        if !refusal.has_error {
            return Err(ModelError::Protocol(ProtocolFault::NoStream));
        }
    }
    Ok(Err(refusal))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentKind {
    Events,
    Html,
    Json,
    /// No label or another one: the events themselves will tell.
    Other,
}

impl ContentKind {
    fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Self::Events,
            "text/html" | "application/xhtml+xml" => Self::Html,
            "application/json" | "application/problem+json" => Self::Json,
            _ => Self::Other,
        }
    }
}

/// `base` with `path` appended to its own, unless somebody pasted the whole address.
pub(crate) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let own = url.path().trim_end_matches('/').to_owned();
    if own.ends_with(path) {
        url.set_path(&own);
    } else {
        url.set_path(&format!("{own}{path}"));
    }
    url
}
