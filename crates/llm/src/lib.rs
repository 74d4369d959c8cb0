//! Model providers behind one trait.
//!
//! [`ModelProvider`] turns a [`GenerationRequest`] into a stream of [`ModelEvent`]s. Three providers exist:
//!
//! - [`openai::OpenAi`] speaks the OpenAI chat-completions dialect to any base URL, through `egress`;
//! - [`anthropic::Anthropic`] speaks the Anthropic Messages API, to any base URL as well;
//! - [`demo::Demo`] is no AI at all: it matches the user's words with the offered tools, so that Patchbay can be tried
//!   and tested without a key and without a network (behaviour 30).
//!
//! A stream is complete only when it ended with [`ModelEvent::End`]; everything else ends in a [`ModelError`], which says
//! what the caller may do next. Nothing here retries: [`retry::delay`] is the policy, the chat daemon drives it
//! (behaviour 18). A provider that is down is left alone for a while, by a breaker around it ([`breaker`]). Dropping a stream
//! closes the exchange.

#![forbid(unsafe_code)]

pub mod anthropic;
pub mod breaker;
mod calls;
pub mod demo;
mod error;
mod event;
mod exchange;
mod ids;
pub mod limits;
pub mod openai;
mod refusal;
mod request;
pub mod retry;
mod sse;
mod stream;
pub mod tasks;

pub use error::{Interruption, ModelError, Outage, ProtocolFault};
pub use event::{FinishReason, ModelEvent};
pub use exchange::Deadlines;
pub use request::{GenerationRequest, PromptMessage, PromptToolCall, ToolSpec};

use async_trait::async_trait;
use breaker::Guarded;
use egress::Egress;
use futures::stream::BoxStream;
use secrecy::SecretString;
use std::{fmt, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use url::Url;

/// The events of one generation, in order. After an error the stream ends.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

/// One model provider.
#[async_trait]
pub trait ModelProvider: Send + Sync {
    /// Starts one generation. `cancel` ends it at any point with [`ModelError::Cancelled`], within the step it is in.
    ///
    /// # Errors
    /// Whatever goes wrong before the answer begins: key, model, rate limit, network, egress policy.
    async fn generate(
        &self,
        request: GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<ModelStream, ModelError>;
}

/// What is needed to speak to a provider.
#[derive(Clone)]
pub enum ProviderConfig {
    /// Any server of the OpenAI chat-completions dialect.
    OpenAi {
        /// The URL that `/chat/completions` is appended to; for most servers it ends in `/v1`.
        base_url: Url,
        /// Sent as bearer token; `None` for servers without keys.
        api_key: Option<SecretString>,
    },
    /// Any server of the Anthropic Messages API.
    Anthropic {
        /// The URL that `/messages` is appended to; for Anthropic's own it ends in `/v1`.
        base_url: Url,
        /// Sent as `x-api-key`; `None` for servers without keys.
        api_key: Option<SecretString>,
    },
    /// The demo model.
    Demo {
        /// The pause between two deltas; zero for none.
        pacing: Duration,
    },
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenAi { base_url, api_key } => debug_peer(f, "OpenAi", base_url, api_key.as_ref()),
            Self::Anthropic { base_url, api_key } => debug_peer(f, "Anthropic", base_url, api_key.as_ref()),
            Self::Demo { pacing } => f.debug_struct("Demo").field("pacing", pacing).finish(),
        }
    }
}

/// Path and query of a base URL can carry a key.
fn debug_peer(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    base_url: &Url,
    api_key: Option<&SecretString>,
) -> fmt::Result {
    f.debug_struct(name)
        .field("origin", &base_url.origin().ascii_serialization())
        .field("has_api_key", &api_key.is_some())
        .finish()
}

/// Builds the provider for `config`, behind a breaker of its own: one provider is built once and shared by all who use it. Cheap:
/// connections are pooled inside `egress`.
pub fn provider(config: ProviderConfig, egress: Egress) -> Arc<dyn ModelProvider> {
    match config {
        ProviderConfig::OpenAi { base_url, api_key } => {
            Arc::new(Guarded::new(openai::OpenAi::new(base_url, api_key, egress)))
        }
        ProviderConfig::Anthropic { base_url, api_key } => {
            Arc::new(Guarded::new(anthropic::Anthropic::new(base_url, api_key, egress)))
        }
        ProviderConfig::Demo { pacing } => Arc::new(demo::Demo::new(pacing)),
    }
}
