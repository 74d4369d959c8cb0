//! OAuth in the editor: found by itself or entered by hand, what is stored of it, and what was found when it did not work.

mod facts;
mod input;
mod issuers;
mod rediscover;
mod report;
#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests;

use super::{authentication::stored, form::EditorForm};
use crate::{
    browser,
    components::{ErrorNotice, Glyph, Icon, Notice, SecretField, TextField, Tone},
    error::{UiError, UiErrorKind},
};
use api::{ErrorBody, Validation, oauth::ManualSetup};
use facts::{ClientFacts, RedirectUri};
pub(super) use input::OAuthInput;
use issuers::{IssuerPair, Issuers};
use leptos::prelude::*;

/// Fields that only a setup by hand shows.
const BY_HAND: [&str; 6] = [
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_auth_url",
    "oauth2_token_url",
    "oauth2_revocation_url",
    "oauth2_issuer",
];

impl EditorForm {
    /// Why the form cannot be saved yet: an issuer that came from elsewhere waits for the admin's word.
    pub(super) fn unconfirmed(self) -> Option<UiError> {
        let waits = self.auth_type.with(|chosen| chosen == "oauth2")
            && self.oauth.by_hand.get()
            && self.oauth.unconfirmed.get();
        waits.then(|| {
            let detail = "Check that this is your provider and confirm it below.";
            let mut body = ErrorBody::message("Nothing is saved yet: the issuer has to be confirmed.");
            body.validations.push(Validation::new("oauth2_issuer", detail));
            UiError { kind: UiErrorKind::Invalid, body }
        })
    }

    /// Goes on by hand, from what the provider published.
    fn set_up_by_hand(self, setup: &ManualSetup) {
        self.auth_type.set("oauth2".to_owned());
        self.oauth.take_over(setup);
        self.error.set(None);
        browser::focus_soon("#f-oauth2_client_id");
    }
}

/// The choice, and the fields of what is chosen.
#[component]
pub(super) fn OAuthFields(form: EditorForm) -> impl IntoView {
    let oauth = form.oauth;
    let choice = move |by_hand: bool, label: &'static str, hint: &'static str| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="oauth_setup"
                    value=if by_hand { "manual" } else { "automatic" }
                    checked=oauth.by_hand.get_untracked() == by_hand
                    prop:checked=move || oauth.by_hand.get() == by_hand
                    on:change=move |_| oauth.by_hand.set(by_hand)
                />
                <span>
                    <span class="check-label">{label}</span>
                    <span class="field-hint">{hint}</span>
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="field stack-tight" data-testid="oauth-setup">
            <legend class="field-label">"Client at the provider"</legend>
            {choice(
                false,
                "Find everything automatically (recommended)",
                "Saving asks the server for its provider, checks what it publishes, and registers Patchbay there. It needs nothing but the URL.",
            )}
            {choice(
                true,
                "Enter a client by hand",
                "For a provider that takes no registrations, or for a client you have already.",
            )}
        </fieldset>
        {move || if oauth.by_hand.get() {
            view! { <ByHand form/> }.into_any()
        } else {
            view! { <Automatic form/> }.into_any()
        }}
        <ClientFacts form/>
    }
}

#[component]
fn Scopes(form: EditorForm, hint: &'static str) -> impl IntoView {
    view! {
        <TextField name="oauth2_scopes" label="Scopes" value=form.oauth.scopes mono=true
            error=form.error_at("oauth2_scopes") hint=hint/>
    }
}

#[component]
fn Automatic(form: EditorForm) -> impl IntoView {
    // Refused fields that are not shown now.
    // None, not an empty text: with that the paragraph would not be empty and take a gap.
    let hidden = move || {
        let refused = form.refusals(|at| BY_HAND.contains(&at)).join(" ");
        (!refused.is_empty()).then_some(refused)
    };
    view! {
        <Scopes form hint="Optional: what Patchbay asks people to consent to, separated by blanks. Empty: what the server asks for, or publishes."/>
        <p class="field-error" aria-live="polite">{hidden}</p>
    }
}

/// A client that was made at the provider by hand.
#[component]
fn ByHand(form: EditorForm) -> impl IntoView {
    let oauth = form.oauth;
    // The secret of a client that was registered automatically is none of the admin's.
    let has_secret = stored(form, |server| {
        server.has_oauth2_secret && !matches!(server.oauth2_registration.as_deref(), Some("cimd" | "dcr"))
    });
    let typed = Callback::new(move |()| oauth.unconfirmed.set(false));
    view! {
        <RedirectUri form/>
        <TextField name="oauth2_client_id" label="Client ID" value=oauth.client_id mono=true required=true
            error=form.error_at("oauth2_client_id") hint="Of the client you registered at the provider."/>
        <SecretField name="oauth2_client_secret" label="Client secret" value=oauth.client_secret
            stored=has_secret error=form.error_at("oauth2_client_secret")
            hint="Empty for a public client."/>
        <TextField name="oauth2_auth_url" label="Authorization URL" value=oauth.auth_url mono=true required=true kind="url"
            placeholder="https://auth.example.com/authorize" error=form.error_at("oauth2_auth_url")
            hint="Where people give their consent."/>
        <TextField name="oauth2_token_url" label="Token URL" value=oauth.token_url mono=true required=true kind="url"
            placeholder="https://auth.example.com/token" error=form.error_at("oauth2_token_url")
            hint="Where Patchbay gets and renews tokens."/>
        <TextField name="oauth2_revocation_url" label="Revocation URL" value=oauth.revocation_url mono=true kind="url"
            error=form.error_at("oauth2_revocation_url") hint="Optional: where tokens are given back."/>
        <Scopes form hint="Optional: what Patchbay asks for, separated by blanks."/>
        <TextField name="oauth2_issuer" label="Issuer" value=oauth.issuer mono=true kind="url" error=form.error_at("oauth2_issuer")
            on_typed=typed hint="Optional: the provider's identifier, exactly as it writes it. Sign-ins that come from another are refused."/>
        {move || oauth.unconfirmed.get().then(|| view! {
            <Notice tone=Tone::Warn title="Check that this is your provider">
                <p>"The addresses were published by the server or its provider; nobody has vouched for them. People sign in there, and tokens come from there."</p>
                <div class="btn-row">
                    <button type="button" class="btn btn-small" on:click=move |_| {
                        oauth.unconfirmed.set(false);
                        browser::focus_soon("#f-oauth2_issuer");
                    }>
                        <Icon glyph=Glyph::Check/>
                        "It is my provider"
                    </button>
                </div>
            </Notice>
        })}
    }
}

/// Whether a refusal tells of a discovery: it stands at the authentication, with what was asked.
pub(super) fn is_of_discovery(error: &UiError) -> bool {
    !error.body.candidates.is_empty() || error.body.manual_setup.is_some()
}

/// Why nothing was found when saving, what was asked, and the way on by hand.
#[component]
pub(super) fn DiscoveryFailed(form: EditorForm) -> impl IntoView {
    move || {
        let error = form.error.get().filter(is_of_discovery)?;
        Some(view! {
            <div id="discovery-failed" class="stack-tight above-bar" tabindex="-1" data-testid="discovery-failed">
                <Refused form error/>
            </div>
        })
    }
}

/// The message with the candidates under it, and the button that goes on by hand; `done` after that.
#[component]
fn Refused(form: EditorForm, error: UiError, #[prop(optional)] done: Option<Callback<()>>) -> impl IntoView {
    let setup = error.body.manual_setup.clone();
    let issuers = Issuers::of(&error.body);
    view! {
        <ErrorNotice error/>
        {issuers.map(|issuers| view! { <IssuerPair issuers/> })}
        {setup.map(|setup| view! {
            <div class="btn-row">
                <button type="button" class="btn btn-wraps" on:click=move |_| {
                    if let Some(done) = done {
                        done.run(());
                    }
                    form.set_up_by_hand(&setup);
                }>
                    <Icon glyph=Glyph::Pencil/>
                    "Set up by hand with what the provider published"
                </button>
            </div>
        })}
    }
}
