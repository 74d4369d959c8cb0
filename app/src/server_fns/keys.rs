//! Encryption keys for the panel: shown, never changed.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::keys::KeyStatus;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// Every key with its state and use.
#[server(prefix = "/ui/fn", endpoint = "key_list", input = Json)]
pub async fn key_list() -> Result<Vec<KeyStatus>, UiError> {
    answer(backend()?.key_list().await)
}
