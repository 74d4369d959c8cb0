//! Each authentication type in each state has its words and its next step.

use super::{
    Connect, Step,
    dialog::{Opening, ValuesForm},
    disconnected, step,
};
use crate::server_fns::servers::ServerState;
use api::servers::{AuthStatus, AuthType, McpServer};
use leptos::{prelude::*, reactive::owner::Owner};

const HOSTILE: &str = "</p><script>alert(1)</script>";

pub(crate) fn server(auth_type: AuthType, status: AuthStatus, reason: &str) -> McpServer {
    serde_json::from_value(serde_json::json!({
        "id": "01900000-0000-7000-8000-000000000001", "display_name": "Linear", "slug": "linear", "description": "", "icon_url": "",
        "transport": "", "url": "", "auth_type": auth_type, "has_oauth2_secret": false, "has_api_key": false,
        "has_custom_headers": false, "has_signing_secret": false,
        "user_headers": [
            {"name": "Authorization", "description": format!("Make one under Settings {HOSTILE}"), "value_prefix": "Bearer "},
            {"name": "X-Team", "description": "", "value_prefix": ""},
        ],
        "tool_allow_list": [], "tool_deny_list": [], "tool_idempotent_list": [], "tool_approval_list": [],
        "tool_change_policy": "notify", "send_trace_context": false, "use_instructions": false, "availability": "default_on",
        "enabled": true, "model_intent": false, "allow_in_plan_mode": false, "forward_coder_headers": false,
        "auth_connected": false, "auth_status": status, "auth_status_reason": reason,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    }))
    .expect("a server as the API answers it")
}

fn rendered<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().into_view().to_html())
}

fn shown(auth_type: AuthType, status: AuthStatus, reason: &str) -> String {
    let server = server(auth_type, status, reason);
    rendered(move || view! { <Connect server=Signal::stored(server) changed=Callback::new(|_| ())/> })
}

#[test]
fn every_type_and_state_says_what_is_so_and_what_to_do() {
    use AuthStatus as S;
    use AuthType as T;
    let mend = "Not set up correctly. An admin has to mend it.";
    for (auth_type, status, reason, words, button) in [
        (T::None, S::NotRequired, "", "", ""),
        (T::ApiKey, S::NotRequired, "", "", ""),
        (T::ApiKey, S::Misconfigured, "missing_secret", mend, ""),
        (T::CustomHeaders, S::NotRequired, "", "", ""),
        (T::CustomHeaders, S::Misconfigured, "undecryptable", mend, ""),
        (T::UserHeader, S::NotConnected, "", "Needs your own values.", "Enter values"),
        (T::UserHeader, S::NotConnected, "missing_value", "asks for a further value", "Enter values"),
        (T::UserHeader, S::Connected, "", "Connected", "Disconnect"),
        (
            T::UserHeader,
            S::NeedsReconnect,
            "rejected_by_server",
            "The server refused your values.",
            "Enter values again",
        ),
        (T::UserHeader, S::NeedsReconnect, "undecryptable", "cannot be read any more", "Enter values again"),
        (T::UserHeader, S::NeedsReconnect, "client_changed", "do not work any more", "Enter values again"),
        (T::UserHeader, S::Misconfigured, "missing_field", mend, ""),
        (T::Oauth2, S::NotConnected, "", "Needs your account.", "Connect"),
        (T::Oauth2, S::Connected, "", "Connected", "Disconnect"),
        (T::Oauth2, S::ExpiredRefreshable, "", "Renews automatically", "Disconnect"),
        (T::Oauth2, S::NeedsReconnect, "refresh_rejected", "The provider ended your sign-in.", "Reconnect"),
        (T::Oauth2, S::NeedsReconnect, "expired_no_refresh_token", "Your sign-in has expired.", "Reconnect"),
        (T::Oauth2, S::NeedsReconnect, "rejected_by_server", "The server refused your sign-in.", "Reconnect"),
        (
            T::Oauth2,
            S::NeedsReconnect,
            "client_changed",
            "An admin changed how people sign in to it.",
            "Reconnect",
        ),
        (T::Oauth2, S::NeedsReconnect, "undecryptable", "Your sign-in cannot be read any more.", "Reconnect"),
        (T::Oauth2, S::NeedsReconnect, "a_new_one", "Your sign-in does not work any more.", "Reconnect"),
        (
            T::Oauth2,
            S::NeedsPermission,
            "insufficient_scope",
            "Needs more permission than you gave it.",
            "Grant",
        ),
        (T::Oauth2, S::Misconfigured, "missing_field", mend, ""),
        (T::UserOidc, S::NeedsOidcLogin, "", "Needs a single sign-on login.", ""),
        (T::UserOidc, S::UntrustedOrigin, "", mend, ""),
    ] {
        let html = shown(auth_type, status, reason);
        assert!(html.contains(words), "{auth_type:?} {status:?}: {html}");
        let offers = html.contains("<button") || html.contains("<a ");
        assert_eq!(offers, !button.is_empty(), "{auth_type:?} {status:?}: {html}");
        assert!(html.contains(button), "{auth_type:?} {status:?}: {html}");
    }
}

#[test]
fn a_button_names_its_server() {
    let html = shown(AuthType::UserHeader, AuthStatus::NotConnected, "");
    assert!(html.contains(r#"aria-label="Enter values for Linear""#), "{html}");
    let html = shown(AuthType::UserHeader, AuthStatus::Connected, "");
    assert!(html.contains(r#"aria-label="Disconnect Linear""#), "{html}");
    assert!(html.contains(r#"aria-label="Replace values for Linear""#), "{html}");
}

#[test]
fn every_pair_of_the_contract_has_a_step() {
    for auth_type in AuthType::ALL {
        for status in AuthStatus::ALL {
            let found = step(&server(*auth_type, *status, ""));
            let own = match auth_type {
                AuthType::UserHeader => matches!(found, Step::Enter { .. } | Step::Connected { .. }),
                AuthType::Oauth2 => matches!(found, Step::Connect { .. } | Step::Connected { .. }),
                _ => false,
            };
            let does = found.is_due() || matches!(found, Step::Connected { .. });
            assert!(!does || own, "{auth_type:?} {status:?}: {found:?}");
        }
    }
}

#[test]
fn connecting_is_a_plain_link_that_leads_back() {
    let html = shown(AuthType::Oauth2, AuthStatus::NotConnected, "");
    let address =
        "/api/experimental/mcp/servers/01900000-0000-7000-8000-000000000001/oauth2/connect?return_to=/";
    assert!(html.contains(&format!(r#"href="{address}""#)), "{html}");
    assert!(html.contains(r#"rel="external""#) && html.contains(r#"data-testid="connect""#), "{html}");
    assert!(!html.contains("target="), "without a script it works in the same tab: {html}");
    for (status, spoken) in [
        (AuthStatus::NotConnected, "Connect Linear"),
        (AuthStatus::NeedsReconnect, "Reconnect Linear"),
        (AuthStatus::NeedsPermission, "Grant Linear more permission"),
    ] {
        let html = shown(AuthType::Oauth2, status, "");
        assert!(html.contains(&format!(r#"aria-label="{spoken}""#)), "{html}");
    }
    let html = shown(AuthType::Oauth2, AuthStatus::Connected, "");
    assert!(html.contains(r#"aria-label="Disconnect Linear""#) && !html.contains("Replace values"), "{html}");
    let html = shown(AuthType::Oauth2, AuthStatus::NeedsPermission, "");
    assert!(html.contains(r#"aria-label="Disconnect Linear""#), "what was granted can be ended: {html}");
}

#[test]
fn nobody_is_sent_to_the_provider_of_a_server_that_is_off() {
    let off = |status| McpServer { enabled: false, ..server(AuthType::Oauth2, status, "") };
    for status in [AuthStatus::NotConnected, AuthStatus::NeedsReconnect] {
        assert!(
            matches!(step(&off(status)), Step::Says(words) if words.contains("Switched off")),
            "{status:?}"
        );
    }
    for status in [AuthStatus::Connected, AuthStatus::NeedsPermission] {
        assert!(matches!(step(&off(status)), Step::Connected { .. }), "{status:?}");
    }
}

#[test]
fn how_a_connection_ended_is_said_as_it_is() {
    assert_eq!(disconnected(Some(true)), "Disconnected; revoked at the provider");
    assert_eq!(disconnected(Some(false)), "Disconnected here; the provider could not be told");
    assert_eq!(disconnected(None), "Disconnected");
}

#[test]
fn only_what_is_new_changes_a_server() {
    let mut shown = server(AuthType::Oauth2, AuthStatus::NotConnected, "");
    let same = ServerState::of(&shown);
    assert!(!same.apply(&mut shown));
    let now = ServerState { auth_connected: true, auth_status: AuthStatus::Connected, ..same.clone() };
    assert!(!ServerState { id: api::Uuid::nil(), ..now.clone() }.apply(&mut shown), "another server");
    assert!(now.apply(&mut shown) && !now.apply(&mut shown));
    assert_eq!(shown.auth_status, AuthStatus::Connected);
    // Nor is what was granted left as it was.
    let connection = serde_json::json!({
        "scopes": "files:read", "wanted_scopes": "", "renews": true, "retrying": false, "connected_at": "2026-01-01T00:00:00Z",
    });
    let connection = serde_json::from_value(connection).expect("a connection as the API answers it");
    let granted = ServerState { connection: Some(connection), ..now };
    assert!(granted.apply(&mut shown) && !granted.apply(&mut shown));
    assert_eq!(shown.connection, granted.connection);
}

#[test]
fn the_dialog_asks_for_each_value_hidden_with_what_the_admin_wrote() {
    let html = rendered(|| {
        let opening =
            Opening::new(server(AuthType::UserHeader, AuthStatus::NotConnected, ""), Callback::new(|_| ()));
        view! { <ValuesForm opening open=RwSignal::new(true)/> }
    });
    // Markers of hydration.
    let html = html.replace("<!>", "");
    assert_eq!(html.matches(r#"type="password""#).count(), 2, "{html}");
    assert!(html.contains("Make one under Settings") && html.contains("<code>Bearer </code>"), "{html}");
    assert!(html.contains("X-Team") && !html.contains("<script>"), "{html}");
    assert!(
        html.contains(r#"aria-describedby="f-value-0-error f-value-0-about f-value-0-prefix""#),
        "{html}"
    );
}

/// Protocol 14.8 and 14.9 (R8): what was granted and for how long, beside the way to end it.
#[test]
fn a_connection_says_what_was_granted_and_whether_it_lasts() {
    let with = |status, connection: serde_json::Value| {
        let mut server = server(AuthType::Oauth2, status, "");
        server.connection =
            Some(serde_json::from_value(connection).expect("a connection as the API answers it"));
        rendered(move || view! { <Connect server=Signal::stored(server) changed=Callback::new(|_| ())/> })
    };
    let lasting = serde_json::json!({
        "scopes": "files:read <script>", "wanted_scopes": "", "renews": true, "retrying": false,
        "expires_at": "2026-01-01T01:00:00Z", "connected_at": "2026-01-01T00:00:00Z",
    });
    let html = with(AuthStatus::Connected, lasting.clone());
    assert!(
        html.contains("Granted: ") && html.contains("files:read") && html.contains("Stays connected."),
        "{html}"
    );
    assert!(!html.contains("<script>") && !html.contains("Also asked for"), "{html}");
    let mut short = lasting.clone();
    (short["renews"], short["wanted_scopes"]) = (false.into(), "files:write".into());
    let html = with(AuthStatus::NeedsPermission, short);
    assert!(
        html.contains("Asks again ") && html.contains("Also asked for: ") && html.contains("files:write"),
        "{html}"
    );
    let mut failing = lasting;
    failing["retrying"] = true.into();
    assert!(with(AuthStatus::ExpiredRefreshable, failing.clone()).contains("Could not renew; trying again"));
    failing["retrying"] = false.into();
    assert!(with(AuthStatus::ExpiredRefreshable, failing).contains("Renews automatically"));
}
