//! Providers that the environment asks for are made at start when absent (behaviour 30).

use crate::config::{Config, ProviderFromEnvironment};
use anyhow::Context as _;
use api::models::ProviderType;
use service::Service;

/// Makes the providers of the environment, each unless one has its name.
///
/// # Errors
/// One sentence naming the setting.
pub(crate) async fn ensure(service: &Service, config: &Config) -> anyhow::Result<()> {
    make(service, ("OpenAI", "OPENAI"), ProviderType::Openai, config.openai.as_ref()).await?;
    make(service, ("Anthropic", "ANTHROPIC"), ProviderType::Anthropic, config.anthropic.as_ref()).await
}

async fn make(
    service: &Service,
    (name, setting): (&str, &str),
    kind: ProviderType,
    wanted: Option<&ProviderFromEnvironment>,
) -> anyhow::Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    service.provider_ensure(name, kind, &wanted.base_url, wanted.api_key.clone()).await.with_context(|| {
        format!("PATCHBAY_{setting}_BASE_URL / PATCHBAY_{setting}_API_KEY: the provider cannot be made")
    })
}
