//! Providers that the environment asks for are made at start when absent (behaviour 30).

use crate::config::Config;
use anyhow::Context as _;
use service::Service;

/// Makes the OpenAI-compatible provider of the environment, if there is none with its name.
///
/// # Errors
/// One sentence naming the setting.
pub(crate) async fn ensure(service: &Service, config: &Config) -> anyhow::Result<()> {
    let Some(openai) = &config.openai else { return Ok(()) };
    service
        .provider_ensure(
            "OpenAI",
            api::models::ProviderType::Openai,
            &openai.base_url,
            openai.api_key.clone(),
        )
        .await
        .context("PATCHBAY_OPENAI_BASE_URL / PATCHBAY_OPENAI_API_KEY: the provider cannot be made")?;
    Ok(())
}
