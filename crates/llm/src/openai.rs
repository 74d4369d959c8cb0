//! The OpenAI chat-completions dialect, hand-written over `egress` so that its guard, deadlines and caps hold.
//!
//! The base URL is what `/chat/completions` is appended to: `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`.
//! No version is guessed, since some servers have none; a query (`?api-version=…`) is kept.

mod assembler;
mod body;

use crate::{
    Deadlines, GenerationRequest, ModelError, ModelProvider, ModelStream,
    exchange::{Answer, Peer},
    ids,
    refusal::Refusal,
    stream,
};
use assembler::Assembler;
use async_trait::async_trait;
use body::Dialect;
use egress::Egress;
use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::SecretString;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

const PATH: &str = "/chat/completions";

/// A server of the OpenAI dialect.
#[derive(Debug)]
pub struct OpenAi {
    peer: Peer,
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
            peer: Peer::new(base_url, api_key, egress),
            without_usage: AtomicBool::new(false),
            completion_tokens: AtomicBool::new(completion_tokens),
        }
    }

    /// Replaces the deadlines, for a slow model.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.peer.deadlines = deadlines;
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

    async fn start(&self, request: &GenerationRequest, begun: Instant) -> Result<Answer, ModelError> {
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
    ) -> Result<Result<Answer, Refusal>, ModelError> {
        let mut headers = HeaderMap::new();
        if let Some(key) = self.peer.key_header("Bearer ")? {
            headers.insert(AUTHORIZATION, key);
        }
        self.peer.post(PATH, headers, body::build(request, dialect), begun).await
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
        let assembler = Box::new(Assembler::new(ids::of_conversation(&request)));
        Ok(stream::events(answer, assembler, request.model, self.peer.deadlines, cancel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::endpoint;

    #[test]
    fn the_path_is_appended_and_nothing_guessed() {
        for (base, full) in [
            ("https://api.example.com/v1", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com/v1/", "https://api.example.com/v1/chat/completions"),
            ("https://api.example.com", "https://api.example.com/chat/completions"),
            ("https://api.example.com/chat/completions/", "https://api.example.com/chat/completions"),
            ("https://h/a%2Fb/x?api-version=3", "https://h/a%2Fb/x/chat/completions?api-version=3"),
        ] {
            assert_eq!(endpoint(&Url::parse(base).unwrap(), PATH).as_str(), full);
        }
    }
}
