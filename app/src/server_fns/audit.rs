//! The audit log for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::audit as wire;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// A page of the log, newest first.
#[server(prefix = "/ui/fn", endpoint = "audit_list", input = Json)]
pub async fn audit_list(query: wire::AuditQuery) -> Result<wire::AuditPage, UiError> {
    answer(backend()?.audit_list(query).await)
}
