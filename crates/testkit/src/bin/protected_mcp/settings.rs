//! What the environment says.

use patchbay_testkit::fake_oauth::SCOPE;
use std::{collections::BTreeMap, env, net::SocketAddr, path::PathBuf};

/// | Variable | What |
/// |---|---|
/// | `PROTECTED_MCP_ISSUER` | the authorization server, as published in the metadata; needed |
/// | `PROTECTED_MCP_INTROSPECTION` | URL of its introspection endpoint; needed |
/// | `PROTECTED_MCP_CLIENT_ID`, `PROTECTED_MCP_CLIENT_SECRET` | with which we ask there, by Basic; needed |
/// | `PROTECTED_MCP_DATA_DIR` | ledgers of the tools; needed |
/// | `PROTECTED_MCP_LISTEN` | `127.0.0.1:0` unless told |
/// | `PROTECTED_MCP_RESOURCE` | our identifier; the URL of the endpoint unless told |
/// | `PROTECTED_MCP_SCOPE` | named in the challenge; `mcp:tools` unless told |
/// | `PROTECTED_MCP_TOOL_SCOPES` | more scope for single tools: `create_ticket=tickets:write,slow_count=mcp:slow` |
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) issuer: String,
    pub(super) resource: Option<String>,
    pub(super) introspection: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) data_dir: PathBuf,
    pub(super) scope: String,
    pub(super) tool_scopes: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn read() -> Self {
        let listen = told("LISTEN").unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let pairs = told("TOOL_SCOPES").unwrap_or_default();
        Self {
            listen: listen.parse().expect("PROTECTED_MCP_LISTEN is an address with a port"),
            issuer: needed("ISSUER"),
            resource: told("RESOURCE"),
            introspection: needed("INTROSPECTION"),
            client_id: needed("CLIENT_ID"),
            client_secret: needed("CLIENT_SECRET"),
            data_dir: needed("DATA_DIR").into(),
            scope: told("SCOPE").unwrap_or_else(|| SCOPE.to_owned()),
            tool_scopes: pairs.split(',').filter(|pair| !pair.is_empty()).map(tool_scope).collect(),
        }
    }
}

fn tool_scope(pair: &str) -> (String, String) {
    let (tool, scope) = pair.split_once('=').expect("PROTECTED_MCP_TOOL_SCOPES is TOOL=SCOPE,…");
    (tool.to_owned(), scope.to_owned())
}

fn told(name: &str) -> Option<String> {
    env::var(format!("PROTECTED_MCP_{name}")).ok().filter(|value| !value.is_empty())
}

fn needed(name: &str) -> String {
    told(name).unwrap_or_else(|| panic!("PROTECTED_MCP_{name} is not set"))
}
