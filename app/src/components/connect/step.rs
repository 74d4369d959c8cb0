//! What a person has to do before chats can use a server for them (behaviour 10).

use api::servers::{AuthStatus, AuthType, McpServer};

/// The viewer's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The server needs nothing from anybody.
    Nothing,
    /// Connected; it can be ended.
    Connected,
    /// Values are to be entered.
    Enter { label: &'static str, why: &'static str },
    /// Something is missing that the viewer cannot do here.
    Says(&'static str),
}

/// From the server as answered to the viewer.
pub(crate) fn step(server: &McpServer) -> Step {
    match (server.auth_status, server.auth_type) {
        (AuthStatus::NotRequired, _) => Step::Nothing,
        (AuthStatus::Misconfigured | AuthStatus::UntrustedOrigin, _) => {
            Step::Says("Not set up correctly. An admin has to mend it.")
        }
        (AuthStatus::NeedsOidcLogin, _) => Step::Says("Needs a single sign-on login."),
        (AuthStatus::Connected | AuthStatus::ExpiredRefreshable, AuthType::UserHeader) => Step::Connected,
        (AuthStatus::Connected | AuthStatus::ExpiredRefreshable, _) => Step::Says("Connected"),
        (AuthStatus::NotConnected, AuthType::UserHeader) => Step::Enter {
            label: "Enter values",
            why: match server.auth_status_reason.as_str() {
                "missing_value" => "The server asks for a further value since you entered yours.",
                _ => "Needs your own values.",
            },
        },
        (AuthStatus::NeedsReconnect | AuthStatus::NeedsPermission, AuthType::UserHeader) => {
            Step::Enter { label: "Enter values again", why: lost(&server.auth_status_reason) }
        }
        (
            AuthStatus::NotConnected | AuthStatus::NeedsReconnect | AuthStatus::NeedsPermission,
            AuthType::Oauth2,
        ) => Step::Says("You cannot connect yet in this build. Chats leave this server out until you can."),
        (AuthStatus::NotConnected | AuthStatus::NeedsReconnect | AuthStatus::NeedsPermission, _) => {
            Step::Says("Needs your account.")
        }
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
