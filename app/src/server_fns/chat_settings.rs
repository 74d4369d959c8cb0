//! Settings of chats for the panel and for one's own account.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::chat_settings::{ChatSettingValues, OwnChatSettings};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// What admins set for all chats.
#[server(prefix = "/ui/fn", endpoint = "chat_settings_get", input = Json)]
pub async fn chat_settings_get() -> Result<ChatSettingValues, UiError> {
    answer(backend()?.chat_settings_get().await)
}

/// Sets what `write` names.
#[server(prefix = "/ui/fn", endpoint = "chat_settings_put", input = Json)]
pub async fn chat_settings_put(write: ChatSettingValues) -> Result<ChatSettingValues, UiError> {
    answer(backend()?.chat_settings_put(write).await)
}

/// What the viewer set for their own chats.
#[server(prefix = "/ui/fn", endpoint = "own_chat_settings_get", input = Json)]
pub async fn own_chat_settings_get() -> Result<OwnChatSettings, UiError> {
    answer(backend()?.own_chat_settings_get().await)
}

/// Sets it.
#[server(prefix = "/ui/fn", endpoint = "own_chat_settings_put", input = Json)]
pub async fn own_chat_settings_put(own: OwnChatSettings) -> Result<OwnChatSettings, UiError> {
    answer(backend()?.own_chat_settings_put(own).await)
}
