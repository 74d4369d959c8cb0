//! The OpenAI chat-completions dialect, hand-written over `egress` so that its guard, deadlines and caps hold.
//!
//! The base URL is what `/chat/completions` is appended to: `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`.
//! No version is guessed, since some servers have none; a query (`?api-version=…`) is kept.

mod assembler;
mod body;
mod refusal;
mod stream;

use crate::{
    GenerationRequest, ModelError, ModelProvider, ModelStream,
    error::ProtocolFault,
    limits::{ANSWER, CONNECT, FIRST_EVENT, GENERATION, IDLE, REFUSAL_BODY, REFUSAL_READ},
};
use async_trait::async_trait;
use body::Dialect;
use bytes::Bytes;
use egress::{Egress, Limits, Request, Response};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use refusal::Refusal;
use secrecy::{ExposeSecret, SecretString};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long each phase of a generation may take. [`Default`] gives the figures of `limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Name lookup, connect and TLS.
    pub connect: Duration,
    /// From sending the request to the first event. Comments that only keep the line open do not count.
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

/// A server of the OpenAI dialect.
pub struct OpenAi {
    base_url: Url,
    api_key: Option<SecretString>,
    egress: Egress,
    deadlines: Deadlines,
    /// What this server was found not to take; learned from its refusals, once.
    without_usage: AtomicBool,
    completion_tokens: AtomicBool,
}

impl OpenAi {
    /// A client for the server at `base_url`; see the module for what that is.
    pub fn new(base_url: Url, api_key: Option<SecretString>, egress: Egress) -> Self {
        // OpenAI's own newer models refuse `max_tokens`; most other servers know nothing else.
        let completion_tokens = base_url
            .host_str()
            .is_some_and(|host| host == "api.openai.com" || host.ends_with(".openai.azure.com"));
        Self {
            base_url,
            api_key,
            egress,
            deadlines: Deadlines::default(),
            without_usage: AtomicBool::new(false),
            completion_tokens: AtomicBool::new(completion_tokens),
        }
    }

    /// Replaces the deadlines, for a slow model.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    fn dialect(&self) -> Dialect {
        Dialect {
            usage: !self.without_usage.load(Ordering::Relaxed),
            completion_tokens: self.completion_tokens.load(Ordering::Relaxed),
        }
    }

    /// Learns from a refusal that names one of our optional parameters. True when another attempt differs from the last.
    fn learn(&self, refusal: &Refusal, sent: Dialect) -> bool {
        if sent.usage && refusal.is_about("stream_options") {
            self.without_usage.store(true, Ordering::Relaxed);
            return true;
        }
        if !sent.completion_tokens && refusal.is_about("max_completion_tokens") {
            self.completion_tokens.store(true, Ordering::Relaxed);
            return true;
        }
        false
    }

    fn headers(&self) -> Result<HeaderMap, ModelError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(key) = &self.api_key {
            let bearer = format!("Bearer {}", key.expose_secret().trim());
            // A key that does not fit into a header is a wrong key; what to do about it is the same.
            let mut bearer = HeaderValue::try_from(bearer).map_err(|_| ModelError::Auth { status: 401 })?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(headers)
    }

    async fn post(&self, request: &GenerationRequest, dialect: Dialect) -> Result<Response, ModelError> {
        let mut post =
            Request::post(completions_url(&self.base_url), Bytes::from(body::build(request, dialect)));
        post.headers = self.headers()?;
        post.limits = Limits {
            connect: self.deadlines.connect,
            first_byte: self.deadlines.first_event,
            idle: self.deadlines.idle,
            total: Some(self.deadlines.total),
            max_body: ANSWER,
        };
        self.egress.send(post).await.map_err(|error| {
            tracing::debug!(%error, "model request failed");
            ModelError::before_events(&error)
        })
    }

    async fn start(&self, request: &GenerationRequest, begun: Instant) -> Result<stream::Answer, ModelError> {
        // One attempt more than there are parameters to learn about.
        for _ in 0..2 {
            let dialect = self.dialect();
            match self.attempt(request, dialect, begun).await? {
                Ok(answer) => return Ok(answer),
                Err(refusal) if self.learn(&refusal, dialect) => {}
                Err(refusal) => return Err(refusal.into_error(&request.model)),
            }
        }
        let refusal = match self.attempt(request, self.dialect(), begun).await? {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        Err(refusal.into_error(&request.model))
    }

    async fn attempt(
        &self,
        request: &GenerationRequest,
        dialect: Dialect,
        begun: Instant,
    ) -> Result<Result<stream::Answer, Refusal>, ModelError> {
        let response = self.post(request, dialect).await?;
        let kind = ContentKind::of(&response.headers);
        if response.status.is_success() && !matches!(kind, ContentKind::Html | ContentKind::Json) {
            return Ok(Ok(stream::Answer { response, begun, labelled: kind == ContentKind::Events }));
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
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAi")
            .field("origin", &self.base_url.origin().ascii_serialization())
            .field("has_api_key", &self.api_key.is_some())
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ModelProvider for OpenAi {
    async fn generate(
        &self,
        request: GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<ModelStream, ModelError> {
        let begun = Instant::now();
        let answer = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ModelError::Cancelled),
            answer = self.start(&request, begun) => answer?,
        };
        Ok(stream::events(answer, &request, self.deadlines, cancel))
    }
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

/// `base` with `/chat/completions` appended to its path, unless somebody pasted the whole address.
fn completions_url(base: &Url) -> Url {
    let mut url = base.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/chat/completions") {
        url.set_path(&path);
    } else {
        url.set_path(&format!("{path}/chat/completions"));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_appended_and_nothing_guessed() {
        for (base, full) in [
            ("https://api.example.com/v1", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com", "https://api.example.com/chat/completions"),
            ("https://api.example.com/chat/completions/", "https://api.example.com/chat/completions"),
            ("https://h/a%2Fb/x?api-version=3", "https://h/a%2Fb/x/chat/completions?api-version=3"),
        ] {
            assert_eq!(completions_url(&Url::parse(base).unwrap()).as_str(), full);
        }
    }
}
