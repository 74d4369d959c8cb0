//! A provider in a dialog, new or existing.

use super::type_label;
use crate::{
    components::{
        AllowDestination, FormDialog, SecretField, SecretInput, SelectField, Task, TextField,
        toast::use_toasts,
    },
    pages::admin::servers::words::origin,
    server_fns::models::{provider_create, provider_update},
};
use api::models::{Provider, ProviderCreate, ProviderType, ProviderUpdate};
use leptos::prelude::*;

const FIELDS: [&str; 4] = ["name", "type", "base_url", "api_key"];

/// What is appended to a base URL.
fn address_hint(kind: ProviderType) -> &'static str {
    match kind {
        ProviderType::Openai => "Where /chat/completions lies.",
        ProviderType::Anthropic => "Where /messages lies.",
        ProviderType::Demo => "",
    }
}

#[component]
pub(super) fn ProviderForm(
    provider: Option<Provider>,
    open: RwSignal<bool>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let id = provider.as_ref().map(|provider| provider.id);
    let is_new = provider.is_none();
    let stored = provider.as_ref().is_some_and(|provider| provider.has_api_key);
    let kind = RwSignal::new(
        provider.as_ref().map_or(ProviderType::Openai, |p| p.provider_type).as_str().to_owned(),
    );
    let name = RwSignal::new(provider.as_ref().map(|p| p.name.clone()).unwrap_or_default());
    let base_url = RwSignal::new(provider.as_ref().map(|p| p.base_url.clone()).unwrap_or_default());
    let old_url = StoredValue::new(base_url.get_untracked());
    let api_key = RwSignal::new(SecretInput::Keep);
    let needs_address = Memo::new(move |_| kind.get() != ProviderType::Demo.as_str());
    // A key is bound to where it was meant for: moved and not entered again, it goes.
    let wipes = move || {
        let moved = old_url.with_value(|old| origin(old) != origin(&base_url.get()));
        stored && moved && api_key.get() == SecretInput::Keep
    };
    let finish = move |provider: Provider| {
        toasts.say(format!("{} is saved", provider.name));
        open.set(false);
        changed.run(());
    };
    let submit = Callback::new(move |()| {
        let key =
            if needs_address.get_untracked() { api_key.with_untracked(SecretInput::to_wire) } else { None };
        let url = if needs_address.get_untracked() { base_url.get_untracked() } else { String::new() };
        match id {
            Some(id) => {
                let update = ProviderUpdate {
                    name: Some(name.get_untracked()),
                    base_url: Some(url),
                    api_key: key,
                    enabled: None,
                };
                task.run(provider_update(id, update), finish);
            }
            None => {
                let create = ProviderCreate {
                    name: name.get_untracked(),
                    provider_type: kind.get_untracked(),
                    base_url: url,
                    api_key: key,
                    enabled: Some(true),
                };
                task.run(provider_create(create), finish);
            }
        }
    });
    let allowed = Callback::new(move |()| task.forgive("base_url"));
    let options =
        Signal::stored(ProviderType::ALL.map(|t| (t.as_str().to_owned(), type_label(t).to_owned())).to_vec());
    view! {
        <FormDialog open submit_label="Save provider" task fields=&FIELDS on_submit=submit>
            {is_new.then(|| view! { <SelectField name="provider-type" label="Type" value=kind options error=task.error_at("type")/> })}
            <TextField name="provider-name" label="Name" value=name required=true error=task.error_at("name")/>
            <Show
                when=move || needs_address.get()
                fallback=|| view! { <p class="field-hint">"The demo model needs no key and no network. It is no AI: it picks a tool by the words of the message and reports the result."</p> }
            >
                {move || {
                    let kind = ProviderType::parse(&kind.get()).unwrap_or(ProviderType::Openai);
                    view! {
                        <TextField name="provider-base-url" label="Base URL" value=base_url kind="url" mono=true required=true
                            placeholder=kind.default_base_url() error=task.error_at("base_url") hint=address_hint(kind)/>
                    }
                }}
                <AllowDestination refusal=task.error_at("base_url") done=allowed/>
                <SecretField name="provider-key" label="API key" value=api_key stored=stored error=task.error_at("api_key")
                    hint="Stored encrypted and never shown again. Local model servers often need none."/>
                <p class="note-warn" role="status">
                    {move || wipes().then_some("Saving wipes 1 stored secret: the API key. It was meant for another origin; enter it again to keep using it.")}
                </p>
            </Show>
        </FormDialog>
    }
}
