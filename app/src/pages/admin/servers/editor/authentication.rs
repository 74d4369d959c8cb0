//! How the server is told who asks: the type, and only its fields. What was typed for another type stays until it is saved.

use super::{
    form::{AUTHENTICATION_FIELDS, EditorForm},
    headers::HeadersField,
    oauth::{DiscoveryFailed, OAuthFields},
    sections::{Section, options},
    user_headers::UserHeadersField,
};
use crate::{
    components::{SecretField, SelectField, TextField},
    pages::admin::servers::words::{AUTH_TYPES, auth_label},
};
use api::servers::{AuthType, McpServer};
use leptos::prelude::*;

/// The type, and only its fields.
#[component]
pub(super) fn AuthenticationSection(form: EditorForm) -> impl IntoView {
    let options = Signal::stored(options(AUTH_TYPES.map(|t| (t.as_str(), auth_label(t)))));
    let chosen = Memo::new(move |_| form.auth_type.with(|text| AuthType::parse(text)));
    view! {
        <Section form title="Authentication" purpose="How Patchbay proves itself to this server." fields=&AUTHENTICATION_FIELDS>
            <SelectField name="auth_type" label="Authentication" value=form.auth_type options error=form.error_at("auth_type")/>
            {move || match chosen.get() {
                Some(AuthType::ApiKey) => view! { <ApiKeyFields form/> }.into_any(),
                Some(AuthType::CustomHeaders) => view! {
                    <HeadersField
                        rows=form.headers
                        stored=stored(form, |server| server.has_custom_headers)
                        error=form.error_at("custom_headers")
                    />
                }.into_any(),
                Some(AuthType::UserHeader) => view! { <UserHeadersField form/> }.into_any(),
                Some(AuthType::Oauth2) => view! { <OAuthFields form/> }.into_any(),
                _ => view! { <p class="field-hint">"Requests carry no credential."</p> }.into_any(),
            }}
            <DiscoveryFailed form/>
        </Section>
    }
}

/// Whether the server has a secret stored.
pub(super) fn stored(form: EditorForm, has: fn(&McpServer) -> bool) -> Signal<bool> {
    Signal::derive(move || form.saved.with(|saved| saved.as_ref().is_some_and(has)))
}

#[component]
fn ApiKeyFields(form: EditorForm) -> impl IntoView {
    view! {
        <TextField name="api_key_header" label="Header" value=form.api_key_header mono=true error=form.error_at("api_key_header")
            hint="The header that carries the key."/>
        <SecretField name="api_key_value" label="API key" value=form.api_key removable=false
            stored=stored(form, |server| server.has_api_key) error=form.error_at("api_key_value")
            hint="Sent exactly as entered: write “Bearer …” if the server wants it. To remove it choose another authentication."/>
    }
}
