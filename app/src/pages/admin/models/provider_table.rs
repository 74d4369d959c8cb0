//! The providers.

use super::{provider_form::ProviderForm, type_label};
use crate::{
    components::{
        Badge, Column, Deed, DeleteButton, EmptyState, Glyph, Icon, Modal, Switch, Table, Tone,
        toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::models::{provider_delete, provider_update},
};
use api::models::{Model, Provider, ProviderUpdate};
use leptos::{prelude::*, task::spawn_local};

const COLUMNS: [Column; 5] = [
    Column::Text("Provider"),
    Column::Text("Base URL"),
    Column::Text("API key"),
    Column::Text("Enabled"),
    Column::Unseen("Actions"),
];

#[component]
pub(super) fn ProviderTable(
    providers: Vec<Provider>,
    models: Vec<Model>,
    changed: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let editing = RwSignal::new(None::<Provider>);
    let edit = Callback::new(move |provider: Option<Provider>| {
        editing.set(provider);
        open.set(true);
    });
    let add = move || {
        viewer_is_admin().then(|| {
            view! {
                <button type="button" class="btn" on:click=move |_| edit.run(None)>
                    <Icon glyph=Glyph::Plus/>
                    "New provider"
                </button>
            }
        })
    };
    let body = if providers.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Key title="No providers yet" text="Add an OpenAI-compatible or an Anthropic provider, or the demo provider to try Patchbay without a key.">
                {add()}
            </EmptyState>
        }
        .into_any()
    } else {
        let rows = providers
            .into_iter()
            .map(|provider| {
                let uses = models.iter().filter(|model| model.provider_id == Some(provider.id)).count();
                view! { <ProviderRow provider uses edit changed/> }
            })
            .collect_view();
        view! {
            <Table columns=&COLUMNS>{rows}</Table>
        }
        .into_any()
    };
    view! {
        <section class="table-block">
            <div class="table-head">
                <h2>"Providers"</h2>
                {add()}
            </div>
            {body}
            <Modal open title=Signal::derive(move || if editing.with(Option::is_some) { "Edit provider" } else { "New provider" }.to_owned())>
                <ProviderForm provider=editing.get_untracked() open changed/>
            </Modal>
        </section>
    }
}

#[component]
fn ProviderRow(
    provider: Provider,
    /// How many models it has.
    uses: usize,
    edit: Callback<Option<Provider>>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let (id, enabled) = (provider.id, provider.enabled);
    let busy = RwSignal::new(false);
    let switch = Callback::new(move |wanted: bool| {
        busy.set(true);
        spawn_local(async move {
            let update = ProviderUpdate { enabled: Some(wanted), ..ProviderUpdate::default() };
            if let Err(error) = provider_update(id, update).await {
                toasts.warn(error.body.message);
            }
            busy.try_set(false);
            changed.run(());
        });
    });
    let consequence = match uses {
        0 => "No model uses it. Its stored key is deleted.".to_owned(),
        1 => "Its model and its stored key are deleted with it. Chats keep their messages.".to_owned(),
        uses => {
            format!("Its {uses} models and its stored key are deleted with it. Chats keep their messages.")
        }
    };
    let subject = provider.clone();
    view! {
        <tr>
            <td>
                <span class="row-title" dir="auto">{provider.name.clone()}</span>
                <span class="row-note">{type_label(provider.provider_type)}</span>
            </td>
            <td data-label="Base URL" class="mono-cell">{if provider.base_url.is_empty() { "–".to_owned() } else { provider.base_url.clone() }}</td>
            <td data-label="API key">
                {if provider.has_api_key {
                    view! { <Badge tone=Tone::Ok glyph=Glyph::Lock text="Stored"/> }
                } else {
                    view! { <Badge text="None"/> }
                }}
            </td>
            <td data-label="Enabled">
                <Switch
                    label=format!("{} enabled", provider.name)
                    hide_label=true
                    checked=Signal::stored(enabled)
                    disabled=Signal::derive(move || busy.get() || !viewer_is_admin())
                    on_change=switch
                />
            </td>
            <td class="row-actions">
                {viewer_is_admin().then(|| view! {
                    <button type="button" class="btn btn-small" aria-label=format!("Edit provider {}", provider.name)
                        on:click=move |_| edit.run(Some(subject.clone()))>
                        <Icon glyph=Glyph::Pencil/>
                        "Edit"
                    </button>
                    <DeleteButton label="Delete provider" name=provider.name.clone() consequence
                        deed=Deed::new(move || provider_delete(id)) done=changed/>
                })}
            </td>
        </tr>
    }
}
