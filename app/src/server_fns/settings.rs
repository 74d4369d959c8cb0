//! Settings of the deployment for the panel.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::settings as wire;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// The private destinations that may be dialled, by who allowed them.
#[server(prefix = "/ui/fn", endpoint = "egress_allow_get", input = Json)]
pub async fn egress_allow_get() -> Result<wire::EgressAllow, UiError> {
    answer(backend()?.egress_allow_get().await)
}

/// Replaces the destinations that owners allow; `if_match` is the ETag of the list that was read.
#[server(prefix = "/ui/fn", endpoint = "egress_allow_put", input = Json)]
pub async fn egress_allow_put(
    write: wire::EgressAllowWrite,
    if_match: Option<String>,
) -> Result<wire::EgressAllow, UiError> {
    answer(backend()?.egress_allow_put(write, if_match).await)
}
