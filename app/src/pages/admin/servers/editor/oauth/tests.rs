//! OAuth in the editor as the server draws it, and what of it is sent.

use super::{
    super::{authentication::AuthenticationSection, form::EditorForm, sample, sections::FormError},
    DiscoveryFailed,
    facts::{FactList, Stored},
    report::DiscoveryReport,
};
use crate::error::{UiError, UiErrorKind};
use api::{
    ErrorBody,
    oauth::{Discovery, ManualSetup},
    servers::{McpServer, ServerWrite},
};
use leptos::{prelude::*, reactive::owner::Owner};
use serde_json::{Value, json};

const HOSTILE: &str = "</code><script>alert(1)</script>";
const DOCUMENT: &str = "https://patchbay.example/api/experimental/mcp/servers/1/oauth2/client-metadata.json";

fn rendered<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| view().into_view().to_html()).replace("<!>", "")
}

fn client(over: Value) -> Value {
    let mut client = json!({
        "redirect_uri": "https://patchbay.example/callback", "resource": "https://mcp.example.com/mcp", "auth_method": "none",
        "scopes": "read write", "scopes_source": "challenge", "guessed": false, "discovered_at": "2026-02-03T04:05:00Z",
    });
    for (member, value) in over.as_object().cloned().unwrap_or_default() {
        client[member] = value;
    }
    client
}

fn stored(registration: &str, over: Value, of_client: Value) -> McpServer {
    let mut server = json!({
        "oauth2_client_id": "client-1", "oauth2_auth_url": "https://id.example/authorize", "oauth2_token_url": "https://id.example/token",
        "oauth2_issuer": "https://id.example", "oauth2_registration": registration, "oauth2_client": client(of_client),
    });
    for (member, value) in over.as_object().cloned().unwrap_or_default() {
        server[member] = value;
    }
    sample::server("oauth2", server)
}

fn section(server: Option<McpServer>) -> String {
    rendered(|| view! { <AuthenticationSection form=EditorForm::new(server)/> })
}

#[test]
fn by_itself_it_asks_for_nothing_but_the_url() {
    let html = rendered(|| {
        let form = EditorForm::new(None);
        form.auth_type.set("oauth2".into());
        view! { <AuthenticationSection form/> }
    });
    assert!(
        html.contains("Find everything automatically (recommended)")
            && html.contains("Enter a client by hand"),
        "{html}"
    );
    assert!(html.contains("Saving asks the server for its provider"), "{html}");
    assert!(html.contains("f-oauth2_scopes") && !html.contains("f-oauth2_client_id"), "{html}");
    assert!(!html.contains("in this build"), "{html}");
    let html = section(Some(stored("dcr", json!({}), json!({}))));
    assert!(!html.contains("f-oauth2_client_id"), "what was found is no field: {html}");
}

#[test]
fn by_hand_it_asks_for_the_client_and_shows_where_people_come_back() {
    let html = section(Some(stored("manual", json!({"has_oauth2_secret": true}), json!({}))));
    for words in [
        "client-1",
        "Stored ••••",
        "https://patchbay.example/callback",
        "data-testid=\"redirect-uri\"",
        "Using your client",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("redirect-later"), "{html}");
    let html = rendered(|| {
        let form = EditorForm::new(None);
        form.auth_type.set("oauth2".into());
        form.oauth.by_hand.set(true);
        view! { <AuthenticationSection form/> }
    });
    assert!(
        html.contains("redirect-later") && html.contains("when it is saved for the first time"),
        "{html}"
    );
    assert!(
        html.contains("You have a client at the provider already") && html.contains("You have none yet"),
        "{html}"
    );
}

#[test]
fn only_what_the_choice_needs_is_sent() {
    let sent = |server: Option<McpServer>, change: fn(EditorForm)| -> ServerWrite {
        Owner::new().with(|| {
            let form = EditorForm::new(server);
            form.auth_type.set("oauth2".into());
            change(form);
            untrack(|| form.to_write())
        })
    };
    let none = |write: &ServerWrite| {
        write.oauth2_client_id.is_none() && write.oauth2_auth_url.is_none() && write.oauth2_issuer.is_none()
    };
    assert!(none(&sent(None, |_| ())), "a new server is discovered");
    let found = sent(Some(stored("cimd", json!({}), json!({}))), |_| ());
    assert!(none(&found), "what was found is kept");
    assert_eq!(found.oauth2_scopes.as_deref(), Some(""));
    let again = sent(Some(stored("manual", json!({}), json!({}))), |form| form.oauth.by_hand.set(false));
    for emptied in
        [&again.oauth2_client_id, &again.oauth2_auth_url, &again.oauth2_token_url, &again.oauth2_issuer]
    {
        assert_eq!(emptied.as_deref(), Some(""), "{again:?}");
    }
    assert_eq!(again.oauth2_client_secret, None, "a lone secret would be refused");
    let own = sent(Some(stored("dcr", json!({}), json!({}))), |form| form.oauth.by_hand.set(true));
    assert_eq!(
        own.oauth2_client_id.as_deref(),
        Some(""),
        "the client that was registered is not the admin's"
    );
    assert_eq!(own.oauth2_token_url.as_deref(), Some("https://id.example/token"));
}

fn facts(server: &McpServer) -> String {
    let (client, stored) = (server.oauth2_client.clone().expect("facts"), Stored::of(server));
    rendered(move || view! { <FactList client stored/> })
}

#[test]
fn the_facts_say_how_the_client_stands() {
    let registered = json!({"registered_at": "2026-05-03T00:00:00Z", "auth_method": "client_secret_basic"});
    let html = facts(&stored("dcr", json!({}), registered));
    for words in [
        "Registered automatically",
        "2026-05-03 00:00 UTC",
        "https://id.example",
        "client_secret_basic",
        "read write",
        "asked by the server",
        "https://id.example/authorize",
        "2026-02-03 04:05 UTC",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(
        !html.contains("wider than this server")
            && !html.contains("On another site")
            && !html.contains("guessed"),
        "{html}"
    );

    let returns = r#"data-testid="stored-redirect-uri">https://patchbay.example/callback<"#;
    assert!(html.contains(returns) && html.contains(">Copy<"), "{html}");
    let html = facts(&stored("cimd", json!({"oauth2_client_id": DOCUMENT}), json!({})));
    assert!(html.contains(returns), "{html}");
    assert!(html.contains("Identified by URL") && html.contains(&format!(r#"href="{DOCUMENT}""#)), "{html}");
    let html = facts(&stored("cimd", json!({"oauth2_client_id": "javascript:alert(1)"}), json!({})));
    assert!(!html.contains("href="), "{html}");

    let html = facts(&stored(
        "manual",
        json!({"oauth2_scopes": "own", "oauth2_token_url": "https://elsewhere.example/token", "oauth2_client_id": HOSTILE}),
        json!({"guessed": true, "resource": "https://mcp.example.com"}),
    ));
    for words in [
        "2025-03-26 sign-in: endpoints guessed, PKCE not declared",
        "wider than this server",
        "On another site than the issuer",
        "set by you",
        "Without a secret (none)",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert_eq!(html.matches("On another site").count(), 1, "{html}");
    assert!(!html.contains("stored-redirect-uri"), "it stands above the fields: {html}");
    assert!(!html.contains("<script>"), "{html}");
}

fn discovery(over: Value) -> Discovery {
    let mut discovery = json!({
        "found": {
            "issuer": "https://id.example", "all_issuers": ["https://id.example", "https://other.example"],
            "resource": "https://mcp.example.com", "auth_url": "https://id.example/authorize", "token_url": "https://id.example/token",
            "revocation_url": "", "scopes": "read", "scopes_source": "published", "registration": "dcr", "guessed": false,
        },
        "changes": [
            {"field": "oauth2_client_id", "old": "client-1", "new": "(new)"},
            {"field": "oauth2_registration", "old": "manual", "new": "dcr"},
        ],
        "user_tokens": 2, "applied": false,
        "candidates": [
            {"url": "https://mcp.example.com/mcp", "what": "probe", "status": 401, "cause": "names no metadata", "used": false},
            {"url": "https://mcp.example.com/.well-known/x", "what": "resource_metadata", "status": 200, "cause": HOSTILE, "used": true},
            {"url": "https://id.example/.well-known/y", "what": "authorization_server", "cause": "no answer within 10 s", "used": false},
        ],
        "warnings": ["The provider does not list the method."],
    });
    for (member, value) in over.as_object().cloned().unwrap_or_default() {
        discovery[member] = value;
    }
    serde_json::from_value(discovery).expect("a discovery as the API answers it")
}

#[test]
fn a_report_says_what_would_change_and_for_whom() {
    let report = |over: Value| {
        let discovery = discovery(over);
        rendered(move || view! { <DiscoveryReport discovery url="https://mcp.example.com/mcp".to_owned()/> })
    };
    let html = report(json!({}));
    for words in [
        "Client ID",
        "(new)",
        "Using your client",
        "Registered automatically",
        "2 users have to connect again.",
        "published by the server",
        "wider than this server",
        "The provider does not list the method.",
        "What was asked (3)",
        "401 · names no metadata",
        "no answer within 10 s",
        "<strong>Used</strong>",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script>"), "{html}");
    let html = report(json!({"changes": [], "user_tokens": 0, "warnings": []}));
    assert!(html.contains("it is stored like this already") && !html.contains("connect again"), "{html}");
    let html = report(json!({"user_tokens": 0}));
    assert!(html.contains("Nobody has to connect again."), "{html}");
}

fn failure(setup: Option<ManualSetup>) -> UiError {
    let mut body = ErrorBody::message("Discovery failed: mcp.example.com has no OAuth metadata.");
    body.detail = Some("the same as text".into());
    body.candidates = discovery(json!({})).candidates;
    body.manual_setup = setup.map(Box::new);
    UiError { kind: UiErrorKind::Invalid, body }
}

#[test]
fn a_failed_discovery_shows_what_was_asked_and_the_way_on() {
    let setup = ManualSetup {
        issuer: "https://id.example".into(),
        auth_url: "https://id.example/authorize".into(),
        token_url: "https://id.example/token".into(),
        revocation_url: "https://id.example/revoke".into(),
        scopes: "read".into(),
        ..ManualSetup::default()
    };
    let by_hand = "Set up by hand with what the provider published";
    let html = rendered(|| {
        let form = EditorForm::new(None);
        form.error.set(Some(failure(Some(setup.clone()))));
        view! { <FormError form/> <DiscoveryFailed form/> }
    });
    assert_eq!(html.matches("Discovery failed").count(), 1, "said once: {html}");
    assert!(html.contains("401 · names no metadata") && !html.contains("the same as text"), "{html}");
    assert!(html.contains(by_hand), "{html}");
    let html = rendered(|| {
        let form = EditorForm::new(None);
        form.error.set(Some(failure(None)));
        view! { <DiscoveryFailed form/> }
    });
    assert!(!html.contains(by_hand), "{html}");

    let html = rendered(|| {
        let form = EditorForm::new(None);
        let expected_issuer = "https://<b>id.example".to_owned();
        form.error.set(Some(failure(Some(ManualSetup { expected_issuer, ..setup.clone() }))));
        view! { <DiscoveryFailed form/> }
    });
    let (_, pair) = html.split_once(r#"data-testid="issuers""#).expect("both issuers");
    let (needed, published) = (pair.find("&lt;b&gt;</mark>id.example"), pair.find("https://<mark"));
    assert!(needed.is_some() && published.is_some() && pair.contains("from character 9 on"), "{html}");

    Owner::new().with(|| {
        let form = EditorForm::new(None);
        form.oauth.take_over(&setup);
        form.auth_type.set("oauth2".into());
        assert!(form.oauth.by_hand.get_untracked() && form.oauth.client_id.get_untracked().is_empty());
        assert_eq!(form.oauth.revocation_url.get_untracked(), "https://id.example/revoke");
        assert_eq!(form.oauth.scopes.get_untracked(), "read");
        let waits = untrack(|| form.unconfirmed()).expect("nobody has said that it is the right one");
        assert!(waits.field("oauth2_issuer").is_some());
        form.oauth.unconfirmed.set(false);
        assert!(untrack(|| form.unconfirmed()).is_none());
    });
    let html = rendered(|| {
        let form = EditorForm::new(None);
        form.auth_type.set("oauth2".into());
        form.oauth.take_over(&setup);
        view! { <AuthenticationSection form/> }
    });
    assert!(
        html.contains("Check that this is your provider") && html.contains("It is my provider"),
        "{html}"
    );
}
