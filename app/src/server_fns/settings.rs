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

/// Replaces the destinations that owners allow.
#[server(prefix = "/ui/fn", endpoint = "egress_allow_put", input = Json)]
pub async fn egress_allow_put(write: wire::EgressAllowWrite) -> Result<wire::EgressAllow, UiError> {
    answer(backend()?.egress_allow_put(write).await)
}
