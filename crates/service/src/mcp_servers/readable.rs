//! A stored secret that does not open costs its server, never a list (behaviour 26).

use super::{api_key_place, custom_headers_place};
use crate::secrets::is_readable;
use api::servers::{AuthStatus, ConfigProblem, McpServer};
use dbcrypt::Keyring;
use domain::mcp_server::{Viewer, to_wire};
use store::mcp_servers::StoredServer;

/// The server as answered: `misconfigured` (`undecryptable`) where a secret of it cannot be read any more.
pub(crate) fn wire_of(keyring: &Keyring, stored: &StoredServer, viewer: Viewer) -> McpServer {
    let mut wire = to_wire(&stored.record, viewer);
    let id = stored.record.id;
    let secrets = [
        ("api_key_value", api_key_place(id), &stored.api_key),
        ("custom_headers", custom_headers_place(id), &stored.custom_headers),
    ];
    for (field, place, column) in secrets {
        if is_readable(keyring, &place, column) {
            continue;
        }
        wire.auth_status = AuthStatus::Misconfigured;
        wire.auth_status_reason = "undecryptable".to_owned();
        if let Some(problems) = &mut wire.config_problems {
            problems.push(ConfigProblem {
                field: field.to_owned(),
                detail: "The stored value cannot be decrypted any more. Enter it again.".to_owned(),
            });
        }
    }
    wire
}
