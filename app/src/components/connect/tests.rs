//! Each authentication type in each state has its words and its next step.

use super::{
    Connect, Step,
    dialog::{Opening, ValuesForm},
    step,
};
use api::servers::{AuthStatus, AuthType, McpServer};
use leptos::{prelude::*, reactive::owner::Owner};

const HOSTILE: &str = "</p><script>alert(1)</script>";

fn server(auth_type: AuthType, status: AuthStatus, reason: &str) -> McpServer {
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
    let later = "You cannot connect yet in this build.";
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
        (T::Oauth2, S::NotConnected, "", later, ""),
        (T::Oauth2, S::NeedsReconnect, "refresh_rejected", later, ""),
        (T::Oauth2, S::NeedsPermission, "", later, ""),
        (T::Oauth2, S::Misconfigured, "missing_field", mend, ""),
        (T::UserOidc, S::NeedsOidcLogin, "", "Needs a single sign-on login.", ""),
        (T::UserOidc, S::UntrustedOrigin, "", mend, ""),
    ] {
        let html = shown(auth_type, status, reason);
        assert!(html.contains(words), "{auth_type:?} {status:?}: {html}");
        assert_eq!(html.contains("<button"), !button.is_empty(), "{auth_type:?} {status:?}: {html}");
        assert!(html.contains(button), "{auth_type:?} {status:?}: {html}");
        if auth_type == T::Oauth2 {
            assert!(!html.contains("later"), "nothing is promised: {html}");
        }
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
            let connect = matches!(found, Step::Enter { .. } | Step::Connected);
            assert!(!connect || *auth_type == AuthType::UserHeader, "{auth_type:?} {status:?}: {found:?}");
        }
    }
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
