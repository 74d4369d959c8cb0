//! Whether a server can be used by one person, and what is missing (behaviour 6 and 10). The one place that decides: lists,
//! `check` and turns all ask it.

use super::{ServerRecord, user_headers::lower_names};
use api::{
    Timestamp,
    servers::{AuthStatus, AuthType, ConfigProblem, Transport},
};

/// What is known of the secrets behind a server when one person asks. Whoever has the keys fills it in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// A stored secret of the server itself cannot be opened any more: the field's name.
    pub unreadable: Option<&'static str>,
    pub own: OwnCredential,
    /// What the server was found to speak.
    pub spoken: Option<Spoken>,
    /// Who issues tokens for it has moved since it was found: a sentence; empty when nothing has.
    pub drift: String,
}

/// What a server was found to speak, by asking it (protocol.md 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// `stateless`, `streamable` or `sse`.
    pub wire: String,
    /// The revision of MCP.
    pub revision: String,
    /// Self-reported.
    pub server_name: String,
    /// Self-reported.
    pub server_version: String,
    pub found_at: Timestamp,
}

/// What an admin should know of a server that works: it costs nobody the use of it.
pub fn remarks(server: &ServerRecord, access: &Access) -> Vec<ConfigProblem> {
    let old = server.transport == Transport::StreamableHttp
        && access.spoken.as_ref().is_some_and(|spoken| spoken.wire == "sse");
    let remark = || {
        ConfigProblem {
        field: "transport".to_owned(),
        detail: "The server answers over the HTTP+SSE transport of 2024 only, which is used. Ask its vendor for Streamable HTTP, or set \
                 the transport to `sse` to save the questions."
            .to_owned(),
    }
    };
    let drift = || ConfigProblem { field: "oauth2_issuer".to_owned(), detail: access.drift.clone() };
    let moved = server.auth_type == AuthType::Oauth2 && !access.drift.is_empty();
    old.then(remark).into_iter().chain(moved.then(drift)).collect()
}

/// What the person has stored for the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OwnCredential {
    #[default]
    Absent,
    /// Stored, but it cannot be opened.
    Unreadable,
    /// Values of `user_header`, by the names in lower case.
    HeaderValues(Vec<String>),
    /// What the provider gave for `oauth2`.
    Token(TokenState),
}

/// A token of a user, as far as its use is concerned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenState {
    /// Ten seconds before its end it counts as expired (behaviour 10).
    pub expired: bool,
    /// There is a refresh token, and nothing says that it is dead.
    pub refreshable: bool,
    /// Why it cannot be used any more.
    pub failure: Option<TokenFailure>,
    /// The server asked for more than was granted (step-up).
    pub wants_more: bool,
    /// It was issued to another client, by another provider or for another resource than the server has now.
    pub foreign: bool,
}

/// Why a user has to connect again (behaviour 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFailure {
    RefreshRejected,
    ExpiredNoRefreshToken,
    RejectedByServer,
    ClientChanged,
}

impl TokenFailure {
    pub const ALL: [Self; 4] =
        [Self::RefreshRejected, Self::ExpiredNoRefreshToken, Self::RejectedByServer, Self::ClientChanged];

    /// As in `auth_status_reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshRejected => "refresh_rejected",
            Self::ExpiredNoRefreshToken => "expired_no_refresh_token",
            Self::RejectedByServer => "rejected_by_server",
            Self::ClientChanged => "client_changed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.as_str() == text)
    }
}

impl TokenState {
    fn status(self) -> (AuthStatus, &'static str) {
        let again = |failure: TokenFailure| (AuthStatus::NeedsReconnect, failure.as_str());
        match self {
            Self { failure: Some(failure), .. } => again(failure),
            Self { foreign: true, .. } => again(TokenFailure::ClientChanged),
            Self { expired: true, refreshable: false, .. } => again(TokenFailure::ExpiredNoRefreshToken),
            Self { expired: true, .. } => (AuthStatus::ExpiredRefreshable, ""),
            Self { wants_more: true, .. } => (AuthStatus::NeedsPermission, "insufficient_scope"),
            _ => (AuthStatus::Connected, ""),
        }
    }
}

/// What an admin must still do before the server can be dialled; empty when it is complete.
pub fn config_problems(server: &ServerRecord, access: &Access) -> Vec<ConfigProblem> {
    let problem = |field: &str, detail: &str| {
        vec![ConfigProblem { field: field.to_owned(), detail: detail.to_owned() }]
    };
    if let Some(field) = access.unreadable {
        return problem(
            field,
            "The stored value cannot be read any more: it was sealed with another key, or changed outside of Patchbay. Enter it again.",
        );
    }
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
        AuthType::Oauth2 => {
            let mut problems: Vec<ConfigProblem> = server
                .oauth2
                .needed()
                .into_iter()
                .filter(|(_, text)| text.is_empty())
                .map(|(field, _)| ConfigProblem {
                    field: field.to_owned(),
                    detail: "Is missing; nobody can connect without it. Enter it, or run discovery."
                        .to_owned(),
                })
                .collect();
            if server.oauth2.secret_wiped {
                problems.extend(problem(
                    "oauth2_client_secret",
                    "The client secret was wiped when the server moved or its OAuth fields changed. Enter it again, or clear it \
                     if the client has none.",
                ));
            }
            problems
        }
        AuthType::UserHeader if server.user_headers.is_empty() => {
            problem("user_headers", "No header is asked for. Enter at least one.")
        }
        AuthType::None | AuthType::ApiKey | AuthType::CustomHeaders | AuthType::UserHeader => Vec::new(),
        AuthType::UserOidc => {
            problem("auth_type", "This authentication type is not available in this build. Choose another.")
        }
    }
}

/// Whether the server can be used by the person whose `access` this is, and a machine-readable reason when not.
pub fn auth_status(server: &ServerRecord, access: &Access) -> (AuthStatus, &'static str) {
    match config_problems(server, access).first().map(|problem| problem.field.as_str()) {
        Some("auth_type") => return (AuthStatus::Misconfigured, "auth_type_not_available"),
        Some(_) if access.unreadable.is_some() => return (AuthStatus::Misconfigured, "undecryptable"),
        Some("api_key_value" | "custom_headers" | "oauth2_client_secret") => {
            return (AuthStatus::Misconfigured, "missing_secret");
        }
        Some(_) => return (AuthStatus::Misconfigured, "missing_field"),
        None => {}
    }
    match server.auth_type {
        AuthType::None | AuthType::ApiKey | AuthType::CustomHeaders => (AuthStatus::NotRequired, ""),
        AuthType::UserHeader => match &access.own {
            OwnCredential::Absent => (AuthStatus::NotConnected, ""),
            OwnCredential::Unreadable => (AuthStatus::NeedsReconnect, "undecryptable"),
            OwnCredential::HeaderValues(names)
                if lower_names(&server.user_headers).iter().all(|name| names.contains(name)) =>
            {
                (AuthStatus::Connected, "")
            }
            // The admin asks for a further header since.
            OwnCredential::HeaderValues(_) | OwnCredential::Token(_) => {
                (AuthStatus::NotConnected, "missing_value")
            }
        },
        AuthType::Oauth2 => match access.own {
            OwnCredential::Token(token) => token.status(),
            OwnCredential::Unreadable => (AuthStatus::NeedsReconnect, "undecryptable"),
            OwnCredential::Absent | OwnCredential::HeaderValues(_) => (AuthStatus::NotConnected, ""),
        },
        AuthType::UserOidc => (AuthStatus::Misconfigured, "auth_type_not_available"),
    }
}

/// The older flag (behaviour 10): about the connect step only, so true for every type without one.
pub fn auth_connected(auth_type: AuthType, status: AuthStatus) -> bool {
    match auth_type {
        AuthType::Oauth2 | AuthType::UserHeader => {
            matches!(status, AuthStatus::Connected | AuthStatus::ExpiredRefreshable)
        }
        AuthType::None | AuthType::ApiKey | AuthType::CustomHeaders | AuthType::UserOidc => true,
    }
}
