//! Model providers and models for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{Uuid, models as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// All providers.
#[server(prefix = "/ui/fn", endpoint = "provider_list", input = Json)]
pub async fn provider_list() -> Result<Vec<wire::Provider>, UiError> {
    answer(backend()?.provider_list().await)
}

/// Adds a provider.
#[server(prefix = "/ui/fn", endpoint = "provider_create", input = Json)]
pub async fn provider_create(create: wire::ProviderCreate) -> Result<wire::Provider, UiError> {
    answer(backend()?.provider_create(create).await)
}

/// Changes a provider.
#[server(prefix = "/ui/fn", endpoint = "provider_update", input = Json)]
pub async fn provider_update(id: Uuid, update: wire::ProviderUpdate) -> Result<wire::Provider, UiError> {
    answer(backend()?.provider_update(id, update).await)
}

/// Deletes a provider.
#[server(prefix = "/ui/fn", endpoint = "provider_delete", input = Json)]
pub async fn provider_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.provider_delete(id).await)
}

/// All models the viewer may see.
#[server(prefix = "/ui/fn", endpoint = "model_list", input = Json)]
pub async fn model_list() -> Result<Vec<wire::Model>, UiError> {
    answer(backend()?.model_list().await)
}

/// Adds a model.
#[server(prefix = "/ui/fn", endpoint = "model_create", input = Json)]
pub async fn model_create(create: wire::ModelCreate) -> Result<wire::Model, UiError> {
    answer(backend()?.model_create(create).await)
}

/// Changes a model.
#[server(prefix = "/ui/fn", endpoint = "model_update", input = Json)]
pub async fn model_update(id: Uuid, update: wire::ModelUpdate) -> Result<wire::Model, UiError> {
    answer(backend()?.model_update(id, update).await)
}

/// Deletes a model.
#[server(prefix = "/ui/fn", endpoint = "model_delete", input = Json)]
pub async fn model_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.model_delete(id).await)
}
