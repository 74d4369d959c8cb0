//! The viewer's own account.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{Uuid, users as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// Changes the own password.
#[server(prefix = "/ui/fn", endpoint = "password_change", input = Json)]
pub async fn password_change(change: wire::PasswordChange) -> Result<(), UiError> {
    answer(backend()?.password_change(change).await)
}

/// Own API tokens.
#[server(prefix = "/ui/fn", endpoint = "token_list", input = Json)]
pub async fn token_list() -> Result<Vec<wire::Token>, UiError> {
    answer(backend()?.token_list().await)
}

/// Makes an API token; the answer is the only time its key is readable.
#[server(prefix = "/ui/fn", endpoint = "token_create", input = Json)]
pub async fn token_create(create: wire::TokenCreate) -> Result<wire::TokenCreated, UiError> {
    answer(backend()?.token_create(create).await)
}

/// Revokes an own API token.
#[server(prefix = "/ui/fn", endpoint = "token_delete", input = Json)]
pub async fn token_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.token_delete(id).await)
}

/// Own web sessions.
#[server(prefix = "/ui/fn", endpoint = "session_list", input = Json)]
pub async fn session_list() -> Result<Vec<wire::Session>, UiError> {
    answer(backend()?.session_list().await)
}

/// Ends an own web session.
#[server(prefix = "/ui/fn", endpoint = "session_delete", input = Json)]
pub async fn session_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.session_delete(id).await)
}

/// Version and database engine of this deployment.
#[server(prefix = "/ui/fn", endpoint = "build_info", input = Json)]
pub async fn build_info() -> Result<wire::BuildInfo, UiError> {
    answer(backend()?.build_info().await)
}
