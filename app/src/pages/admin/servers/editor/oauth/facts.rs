//! How the stored client stands at its provider, as facts.

use super::{super::form::EditorForm, rediscover::Rediscover};
use crate::{
    components::{Badge, CopyButton, Glyph, RelativeTime, Tone},
    pages::admin::servers::{
        changes::shown,
        words::{origin, registration_label, scopes_source_label},
    },
};
use api::{
    oauth::OAuthClientFacts,
    servers::{AuthType, McpServer},
};
use leptos::prelude::*;

/// Where the endpoints were taken for granted (protocol.md 14.4).
const GUESSED: &str = "2025-03-26 sign-in: endpoints guessed, PKCE not declared";

/// Nothing until an OAuth server is stored.
#[component]
pub(super) fn ClientFacts(form: EditorForm) -> impl IntoView {
    let saved = Memo::new(move |_| {
        form.saved.with(|saved| saved.clone().filter(|saved| saved.auth_type == AuthType::Oauth2))
    });
    // The viewer's own connection changes too: only what is shown here draws anew.
    let shown = Memo::new(move |_| {
        saved.get().and_then(|server| Some((server.oauth2_client.clone()?, Stored::of(&server))))
    });
    move || {
        shown.get().map(|(client, stored)| {
            view! {
                <div class="oauth-facts stack-tight" role="group" aria-label="What is stored" data-testid="oauth-facts">
                    <FactList client stored/>
                    <Rediscover form/>
                </div>
            }
        })
    }
}

/// What the fact list says beside the client's own facts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    url: String,
    issuer: String,
    registration: String,
    client_id: String,
    auth_url: String,
    token_url: String,
    revocation_url: String,
    scopes: String,
}

impl Stored {
    pub(super) fn of(server: &McpServer) -> Self {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        Self {
            url: server.url.clone(),
            issuer: text(&server.oauth2_issuer),
            registration: text(&server.oauth2_registration),
            client_id: text(&server.oauth2_client_id),
            auth_url: text(&server.oauth2_auth_url),
            token_url: text(&server.oauth2_token_url),
            revocation_url: text(&server.oauth2_revocation_url),
            scopes: text(&server.oauth2_scopes),
        }
    }
}

/// Where the provider sends people back to: whoever makes a client by hand has to enter it there. It holds the server's id, so it is
/// known once the server is stored.
#[component]
pub(super) fn RedirectUri(form: EditorForm) -> impl IntoView {
    let uri = Memo::new(move |_| {
        form.saved.with(|saved| Some(saved.as_ref()?.oauth2_client.as_ref()?.redirect_uri.clone()))
    });
    move || {
        match uri.get() {
        Some(uri) => {
            let copied = uri.clone();
            view! {
                <div class="field" role="group" aria-label="Redirect URI">
                    <span class="field-label">"Redirect URI to register at the provider"</span>
                    <div class="oauth-copy">
                        <code data-testid="redirect-uri">{uri}</code>
                        <CopyButton text=Signal::stored(copied) label="Copy"/>
                    </div>
                </div>
            }
            .into_any()
        }
        None => view! {
            <div class="field" role="group" aria-label="Redirect URI" data-testid="redirect-later">
                <span class="field-label">"Redirect URI to register at the provider"</span>
                <p class="field-hint">
                    "It contains the number that this server gets when it is saved for the first time, so it is shown here after that."
                </p>
                <ul class="hint-list">
                    <li>
                        <strong>"You have a client at the provider already: "</strong>
                        "fill in the fields below and save. Then copy the URI from here and add it to that client."
                    </li>
                    <li>
                        <strong>"You have none yet: "</strong>
                        "switch “Enabled” off at the top, choose “None” as authentication and save. Then choose “OAuth 2” again, copy the URI from here, make the client with it at the provider, and fill in the fields below."
                    </li>
                </ul>
            </div>
        }
        .into_any(),
    }
    }
}

#[component]
pub(super) fn FactList(client: OAuthClientFacts, stored: Stored) -> impl IntoView {
    let registered = client.registered_at;
    // Of a client that was entered by hand it stands above the fields.
    let automatic = matches!(stored.registration.as_str(), "cimd" | "dcr");
    let label = registration_label(&stored.registration).unwrap_or("There is none yet");
    let document = (stored.registration == "cimd" && is_web_address(&stored.client_id)).then(|| {
        view! { <a href=stored.client_id.clone() target="_blank" rel="noopener noreferrer external">"The document"</a> }
    });
    let (scopes, source) = match stored.scopes.as_str() {
        "" => (client.scopes.clone(), client.scopes_source.clone()),
        given => (given.to_owned(), "given".to_owned()),
    };
    view! {
        {client.guessed.then(|| view! { <Guessed/> })}
        <dl class="fact-rows">
            <dt>"Issuer"</dt>
            <dd>{text_or(&stored.issuer, "not set")}</dd>
            <dt>"Client"</dt>
            <dd>
                <span>
                    {label}
                    {registered.map(|at| view! { ", " <RelativeTime at/> })}
                </span>
                {(!stored.client_id.is_empty()).then(|| view! { <code>{shown(&stored.client_id)}</code> })}
                {document}
            </dd>
            {automatic.then(|| view! {
                <dt>"Redirect URI"</dt>
                <dd>
                    <code data-testid="stored-redirect-uri">{client.redirect_uri.clone()}</code>
                    <CopyButton text=Signal::stored(client.redirect_uri) label="Copy"/>
                </dd>
            })}
            <dt>"Client login"</dt>
            <dd>{method_label(&client.auth_method)}</dd>
            <Audience resource=client.resource url=stored.url/>
            <ScopesFact scopes source/>
            <Endpoints issuer=stored.issuer auth_url=stored.auth_url token_url=stored.token_url revocation_url=stored.revocation_url/>
            {client.discovered_at.map(|at| view! { <dt>"Found out"</dt><dd><span><RelativeTime at/></span></dd> })}
        </dl>
    }
}

#[component]
pub(super) fn Guessed() -> impl IntoView {
    view! { <div class="badges oauth-guessed"><Badge tone=Tone::Warn glyph=Glyph::Warn text=GUESSED/></div> }
}

/// What tokens are for; wider where they would be good for other servers of that origin, too.
#[component]
pub(super) fn Audience(resource: String, url: String) -> impl IntoView {
    let wider = resource.trim_end_matches('/') != url.trim_end_matches('/');
    view! {
        <dt>"Token audience"</dt>
        <dd>
            {text_or(&resource, "not set")}
            {wider.then(|| view! { <span class="text-fg-muted">"wider than this server"</span> })}
        </dd>
    }
}

#[component]
pub(super) fn ScopesFact(scopes: String, source: String) -> impl IntoView {
    let source = scopes_source_label(&source);
    view! {
        <dt>"Scopes"</dt>
        <dd>
            {text_or(&scopes, "none asked for: the provider decides")}
            {source.filter(|_| !scopes.is_empty()).map(|source| view! { <span class="text-fg-muted">{source}</span> })}
        </dd>
    }
}

#[component]
pub(super) fn Endpoints(
    issuer: String,
    auth_url: String,
    token_url: String,
    revocation_url: String,
) -> impl IntoView {
    [("Authorization URL", auth_url), ("Token URL", token_url), ("Revocation URL", revocation_url)]
        .into_iter()
        .filter(|(_, url)| !url.is_empty())
        .map(|(label, url)| {
            let foreign = is_foreign(&url, &issuer);
            view! {
                <dt>{label}</dt>
                <dd>
                    <code>{shown(&url)}</code>
                    {foreign.then(|| view! {
                        <span class="badges"><Badge tone=Tone::Warn glyph=Glyph::Warn text="On another site than the issuer"/></span>
                    })}
                </dd>
            }
        })
        .collect_view()
}

/// Whether an endpoint lies elsewhere than its issuer; without an issuer nobody can tell.
fn is_foreign(url: &str, issuer: &str) -> bool {
    !issuer.is_empty() && origin(url) != origin(issuer)
}

fn text_or(text: &str, nothing: &'static str) -> AnyView {
    if text.is_empty() {
        view! { <span class="text-fg-muted">{nothing}</span> }.into_any()
    } else {
        view! { <code>{shown(text)}</code> }.into_any()
    }
}

/// How Patchbay proves to the provider who it is.
fn method_label(method: &str) -> String {
    match method {
        "client_secret_basic" => "With its secret, in a header (client_secret_basic)".to_owned(),
        "client_secret_post" => "With its secret, in the body (client_secret_post)".to_owned(),
        "none" => "Without a secret (none)".to_owned(),
        other => shown(other),
    }
}

/// Links go to the web and nowhere else.
fn is_web_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}
