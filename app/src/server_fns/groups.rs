//! Groups for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::{UiResult, backend};
use crate::error::UiError;
use api::{Page, PageQuery, Uuid, groups as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// A page of groups.
#[server(prefix = "/ui/fn", endpoint = "group_list", input = Json)]
pub async fn group_list(query: PageQuery) -> Result<Page<wire::GroupSummary>, UiError> {
    answer(backend()?.group_list(query).await)
}

#[cfg(feature = "ssr")]
async fn choices() -> UiResult<Vec<GroupChoice>> {
    let backend = backend()?;
    let mut found = Vec::new();
    let mut query = PageQuery::default();
    // As many as there can be: `limits::GROUPS` bounds it.
    while found.len() < domain::limits::GROUPS {
        let page = backend.group_list(query.clone()).await?;
        found.extend(page.rows.into_iter().map(|group| GroupChoice {
            id: group.id,
            label: group.label().to_owned(),
            member_count: group.member_count,
        }));
        let Some(next) = page.next else { break };
        query.after = next;
    }
    Ok(found)
}

/// A group as a server is limited to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChoice {
    pub id: Uuid,
    pub label: String,
    pub member_count: i64,
}

/// Every group.
#[server(prefix = "/ui/fn", endpoint = "group_choices", input = Json)]
pub async fn group_choices() -> Result<Vec<GroupChoice>, UiError> {
    answer(choices().await)
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
