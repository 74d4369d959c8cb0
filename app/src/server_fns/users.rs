//! Accounts for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{Page, PageQuery, Uuid, users as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// A page of users.
#[server(prefix = "/ui/fn", endpoint = "user_list", input = Json)]
pub async fn user_list(query: PageQuery) -> Result<Page<wire::User>, UiError> {
    answer(backend()?.user_list(query).await)
}

/// Creates a user.
#[server(prefix = "/ui/fn", endpoint = "user_create", input = Json)]
pub async fn user_create(create: wire::UserCreate) -> Result<wire::User, UiError> {
    answer(backend()?.user_create(create).await)
}

/// Changes a user.
#[server(prefix = "/ui/fn", endpoint = "user_update", input = Json)]
pub async fn user_update(id: Uuid, update: wire::UserUpdate) -> Result<wire::User, UiError> {
    answer(backend()?.user_update(id, update).await)
}

/// Deletes a user.
#[server(prefix = "/ui/fn", endpoint = "user_delete", input = Json)]
pub async fn user_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.user_delete(id).await)
}

/// API tokens of a user.
#[server(prefix = "/ui/fn", endpoint = "user_token_list", input = Json)]
pub async fn user_token_list(user: Uuid) -> Result<Vec<wire::Token>, UiError> {
    answer(backend()?.user_token_list(user).await)
}

/// Revokes an API token of a user.
#[server(prefix = "/ui/fn", endpoint = "user_token_delete", input = Json)]
pub async fn user_token_delete(user: Uuid, id: Uuid) -> Result<(), UiError> {
    answer(backend()?.user_token_delete(user, id).await)
}
