//! How servers are doing.

#[cfg(feature = "ssr")]
use super::answer;
#[cfg(feature = "ssr")]
use crate::backend::backend;
use crate::error::UiError;
use api::fleet as wire;
use leptos::prelude::*;
use leptos::server_fn::codec::Json;

/// The servers that `query` lets through, the worst first.
#[server(prefix = "/ui/fn", endpoint = "fleet", input = Json)]
pub async fn fleet(query: wire::FleetQuery) -> Result<wire::Fleet, UiError> {
    answer(backend()?.fleet(query).await)
}
