//! Groups for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::{Page, PageQuery, Uuid, groups as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// A page of groups.
#[server(prefix = "/ui/fn", endpoint = "group_list", input = Json)]
pub async fn group_list(query: PageQuery) -> Result<Page<wire::GroupSummary>, UiError> {
    answer(backend()?.group_list(query).await)
}

/// A group with its members.
#[server(prefix = "/ui/fn", endpoint = "group_get", input = Json)]
pub async fn group_get(id: Uuid) -> Result<wire::Group, UiError> {
    answer(backend()?.group_get(id).await)
}

/// Creates a group.
#[server(prefix = "/ui/fn", endpoint = "group_create", input = Json)]
pub async fn group_create(create: wire::GroupCreate) -> Result<wire::Group, UiError> {
    answer(backend()?.group_create(create).await)
}

/// Renames a group, or lets users join and leave.
#[server(prefix = "/ui/fn", endpoint = "group_update", input = Json)]
pub async fn group_update(id: Uuid, update: wire::GroupUpdate) -> Result<wire::Group, UiError> {
    answer(backend()?.group_update(id, update).await)
}

/// Deletes a group.
#[server(prefix = "/ui/fn", endpoint = "group_delete", input = Json)]
pub async fn group_delete(id: Uuid) -> Result<(), UiError> {
    answer(backend()?.group_delete(id).await)
}
