//! The tools of one server for the panel: listed, accepted, called by hand.

#[cfg(feature = "ssr")]
use super::answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{UiResult, backend},
    error::UiErrorKind,
};
#[cfg(feature = "ssr")]
use api::{ErrorBody, Validation};
use api::{Uuid, tools as wire};
use leptos::prelude::*;
use leptos::server_fn::codec::Json;
use serde::{Deserialize, Serialize};

/// Definitions accepted in one request; each is a transaction of its own.
pub const ACCEPTED_AT_ONCE: usize = 500;

/// The tools of a server as they were listed last.
#[server(prefix = "/ui/fn", endpoint = "tool_list", input = Json)]
pub async fn tool_list(id: Uuid) -> Result<Vec<wire::ServerTool>, UiError> {
    answer(backend()?.tool_list(id).await)
}

/// Accepts the definition of one tool.
#[server(prefix = "/ui/fn", endpoint = "tool_accept", input = Json)]
pub async fn tool_accept(id: Uuid, tool: String, accept: wire::ToolAccept) -> Result<(), UiError> {
    answer(backend()?.tool_accept(id, tool, accept).await)
}

/// A tool with the definition that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenTool {
    pub name: String,
    pub definition_hash: String,
}

/// What came of accepting several.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolsAccepted {
    pub accepted: i64,
    /// Not accepted, because they changed again or went since they were looked at.
    pub changed_again: Vec<String>,
}

#[cfg(feature = "ssr")]
async fn accept_all(id: Uuid, tools: Vec<SeenTool>) -> UiResult<ToolsAccepted> {
    let backend = backend()?;
    // Who may not read them, or asks about a server that is not there, is told so, whatever was sent.
    backend.tool_list(id).await?;
    if tools.len() > ACCEPTED_AT_ONCE {
        let detail = format!("At most {ACCEPTED_AT_ONCE} tools at once.");
        let mut body = ErrorBody::message("Too many tools in one request.");
        body.validations.push(Validation::new("tools", detail));
        return Err(UiError { kind: UiErrorKind::Invalid, body });
    }
    let mut done = ToolsAccepted::default();
    for SeenTool { name, definition_hash } in tools {
        let accept = wire::ToolAccept { definition_hash: Some(definition_hash) };
        match backend.tool_accept(id, name.clone(), accept).await {
            Ok(()) => done.accepted += 1,
            Err(error) if matches!(error.kind, UiErrorKind::Conflict | UiErrorKind::NotFound) => {
                done.changed_again.push(name);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Accepts the definitions that were looked at, and no others.
#[server(name = ToolsAcceptCall, prefix = "/ui/fn", endpoint = "tools_accept", input = Json)]
pub async fn tools_accept(id: Uuid, tools: Vec<SeenTool>) -> Result<ToolsAccepted, UiError> {
    answer(accept_all(id, tools).await)
}

/// Calls a tool by hand, with the viewer's own connection.
#[server(name = ToolTryCall, prefix = "/ui/fn", endpoint = "tool_call", input = Json)]
pub async fn tool_call(id: Uuid, tool: String, call: wire::ToolTry) -> Result<wire::ToolTried, UiError> {
    answer(backend()?.tool_call(id, tool, call).await)
}
