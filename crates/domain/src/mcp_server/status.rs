//! Whether a server's own configuration is complete (behaviour 6 and 10).

use super::ServerRecord;
use api::servers::{AuthStatus, AuthType, ConfigProblem};

/// What an admin must still do before the server can be dialled; empty when it is complete.
pub fn config_problems(server: &ServerRecord) -> Vec<ConfigProblem> {
    let problem = |field: &str, detail: &str| {
        vec![ConfigProblem { field: field.to_owned(), detail: detail.to_owned() }]
    };
    match server.auth_type {
        AuthType::ApiKey if !server.has_api_key => problem(
            "api_key_value",
            "The API key is missing. Enter it again; it is wiped when the server moves to another origin.",
        ),
        AuthType::ApiKey if server.api_key_header.is_empty() => {
            problem("api_key_header", "The header of the API key is missing. Enter it.")
        }
        AuthType::CustomHeaders if !server.has_custom_headers => problem(
            "custom_headers",
            "The custom headers are missing. Enter them again; they are wiped when the server moves to another origin.",
        ),
        AuthType::None | AuthType::ApiKey | AuthType::CustomHeaders => Vec::new(),
        AuthType::Oauth2 | AuthType::UserOidc | AuthType::UserHeader => {
            problem("auth_type", "This authentication type is not available in this build. Choose another.")
        }
    }
}

/// Whether the server can be used as far as its configuration goes, and a machine-readable reason when not.
///
/// The types of this build have no step per user, so the answer is the same for every caller.
pub fn auth_status(server: &ServerRecord) -> (AuthStatus, &'static str) {
    match config_problems(server).first().map(|problem| problem.field.as_str()) {
        None => (AuthStatus::NotRequired, ""),
        Some("auth_type") => (AuthStatus::Misconfigured, "auth_type_not_available"),
        Some(_) => (AuthStatus::Misconfigured, "missing_secret"),
    }
}
