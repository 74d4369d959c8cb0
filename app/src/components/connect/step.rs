//! What a person has to do before chats can use a server for them (behaviour 10).

use api::servers::{AuthStatus, AuthType, McpServer};

/// The viewer's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The server needs nothing from anybody.
    Nothing,
    /// Connected; it can be ended.
    Connected {
        /// What is worth knowing beside it; mostly nothing.
        note: &'static str,
    },
    /// A sign-in at the server's provider.
    Connect { label: &'static str, why: &'static str },
    /// Values are to be entered.
    Enter { label: &'static str, why: &'static str },
    /// Something is missing that the viewer cannot do here.
    Says(&'static str),
}

impl Step {
    /// Whether the viewer can do it now.
    pub(crate) fn is_due(self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Enter { .. })
    }
}

/// From the server as answered to the viewer.
pub(crate) fn step(server: &McpServer) -> Step {
    match (server.auth_status, server.auth_type) {
        (AuthStatus::NotRequired, _) => Step::Nothing,
        (AuthStatus::Misconfigured | AuthStatus::UntrustedOrigin, _) => {
            Step::Says("Not set up correctly. An admin has to mend it.")
        }
        (AuthStatus::NeedsOidcLogin, _) => Step::Says("Needs a single sign-on login."),
        (_, AuthType::Oauth2) => sign_in(server),
        (status, AuthType::UserHeader) => enter(status, &server.auth_status_reason),
        (AuthStatus::Connected | AuthStatus::ExpiredRefreshable, _) => Step::Says("Connected"),
        (AuthStatus::NotConnected | AuthStatus::NeedsReconnect | AuthStatus::NeedsPermission, _) => {
            Step::Says("Needs your account.")
        }
    }
}

/// Of `oauth2`.
fn sign_in(server: &McpServer) -> Step {
    match server.auth_status {
        AuthStatus::ExpiredRefreshable
            if server.connection.as_ref().is_some_and(|connection| connection.retrying) =>
        {
            Step::Connected { note: "Could not renew; trying again" }
        }
        AuthStatus::ExpiredRefreshable => Step::Connected { note: "Renews automatically" },
        AuthStatus::NeedsPermission if server.enabled => {
            Step::Connect { label: "Grant", why: "Needs more permission than you gave it." }
        }
        AuthStatus::NotConnected | AuthStatus::NeedsReconnect if !server.enabled => {
            Step::Says("Switched off. People can connect once it is enabled.")
        }
        AuthStatus::NotConnected => Step::Connect { label: "Connect", why: "Needs your account." },
        AuthStatus::NeedsReconnect => {
            Step::Connect { label: "Reconnect", why: signed_out(&server.auth_status_reason) }
        }
        _ => Step::Connected { note: "" },
    }
}

/// Of `user_header`.
fn enter(status: AuthStatus, reason: &str) -> Step {
    match status {
        AuthStatus::Connected | AuthStatus::ExpiredRefreshable => Step::Connected { note: "" },
        AuthStatus::NotConnected => Step::Enter {
            label: "Enter values",
            why: match reason {
                "missing_value" => "The server asks for a further value since you entered yours.",
                _ => "Needs your own values.",
            },
        },
        _ => Step::Enter { label: "Enter values again", why: lost(reason) },
    }
}

/// Why a sign-in that was once good is so no longer.
fn signed_out(reason: &str) -> &'static str {
    match reason {
        "refresh_rejected" => "The provider ended your sign-in.",
        "expired_no_refresh_token" => "Your sign-in has expired.",
        "rejected_by_server" => "The server refused your sign-in.",
        "client_changed" => "An admin changed how people sign in to it.",
        "undecryptable" => "Your sign-in cannot be read any more.",
        _ => "Your sign-in does not work any more.",
    }
}

/// Why values that were once good are so no longer.
fn lost(reason: &str) -> &'static str {
    match reason {
        "rejected_by_server" => "The server refused your values.",
        "undecryptable" => "Your values cannot be read any more. They have to be entered again.",
        _ => "Your values do not work any more.",
    }
}
