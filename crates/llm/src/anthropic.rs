//! The Anthropic Messages API, hand-written over `egress` so that its guard, deadlines and caps hold.
//!
//! The base URL is what `/messages` is appended to: `https://api.anthropic.com/v1`. Other servers speak the same API; what they
//! leave out (a key, usage, true deltas of arguments) is survived, but without `message_stop` no answer is complete.
//!
//! <https://docs.claude.com/en/api/messages>, <https://docs.claude.com/en/docs/build-with-claude/streaming>

mod assembler;
mod body;

use crate::{
    Deadlines, GenerationRequest, ModelError, ModelProvider, ModelStream,
    exchange::{Answer, Peer},
    ids,
    limits::OUTPUT_LIMITS_LEARNED,
    refusal::Refusal,
    stream,
};
use assembler::Assembler;
use async_trait::async_trait;
use egress::Egress;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

const PATH: &str = "/messages";
const KEY: HeaderName = HeaderName::from_static("x-api-key");
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));

/// A server of the Messages API.
#[derive(Debug)]
pub struct Anthropic {
    peer: Peer,
    /// The most tokens that a model gives in one answer, learned from its refusal: the API wants a limit in each request, and
    /// refuses one over the model's own.
    output_limits: Mutex<HashMap<String, i64>>,
}

impl Anthropic {
    /// A client for the server at `base_url`; see the module for what that is.
    pub fn new(base_url: Url, api_key: Option<SecretString>, egress: Egress) -> Self {
        Self { peer: Peer::new(base_url, api_key, egress), output_limits: Mutex::default() }
    }

    /// Replaces the deadlines, for a slow model.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.peer.deadlines = deadlines;
        self
    }

    fn output_limit(&self, model: &str) -> Option<i64> {
        self.output_limits.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied()
    }

    /// True when another attempt differs from the last.
    fn learn(&self, refusal: &Refusal, model: &str, sent: Option<i64>) -> bool {
        let Some(limit) = refusal.output_limit().filter(|limit| sent != Some(*limit)) else { return false };
        let mut limits = self.output_limits.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.len() >= OUTPUT_LIMITS_LEARNED {
            limits.clear();
        }
        limits.insert(model.to_owned(), limit);
        true
    }

    async fn start(&self, request: &GenerationRequest, begun: Instant) -> Result<Answer, ModelError> {
        let known = self.output_limit(&request.model);
        let refusal = match self.attempt(request, known, begun).await? {
            Ok(answer) => return Ok(answer),
            Err(refusal) => refusal,
        };
        if !self.learn(&refusal, &request.model, known) {
            return Err(refusal.into_error(&request.model));
        }
        let again = self.attempt(request, self.output_limit(&request.model), begun).await?;
        again.map_err(|refusal| refusal.into_error(&request.model))
    }

    async fn attempt(
        &self,
        request: &GenerationRequest,
        output_limit: Option<i64>,
        begun: Instant,
    ) -> Result<Result<Answer, Refusal>, ModelError> {
        let mut headers = HeaderMap::from_iter([VERSION]);
        if let Some(key) = self.peer.key_header("")? {
            headers.insert(KEY, key);
        }
        self.peer.post(PATH, headers, body::build(request, output_limit), begun).await
    }
}

#[async_trait]
impl ModelProvider for Anthropic {
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
        let assembler = Box::new(Assembler::new(ids::of_conversation(&request)));
        Ok(stream::events(answer, assembler, request.model, self.peer.deadlines, cancel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::endpoint;

    #[test]
    fn messages_lies_below_the_base_url() {
        for (base, full) in [
            ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
            ("https://api.anthropic.com/v1/", "https://api.anthropic.com/v1/messages"),
            ("https://h.example/anthropic", "https://h.example/anthropic/messages"),
            ("https://h.example/v1/messages", "https://h.example/v1/messages"),
        ] {
            assert_eq!(endpoint(&Url::parse(base).unwrap(), PATH).as_str(), full);
        }
    }
}
