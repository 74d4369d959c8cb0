//! The models.

use super::model_form::ModelForm;
use crate::{
    components::{
        Badge, Column, Deed, DeleteButton, EmptyState, Glyph, Icon, Modal, Switch, Table, Tone,
        toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::models::{model_delete, model_update},
};
use api::models::{Model, ModelUpdate, Provider};
use leptos::{prelude::*, task::spawn_local};

const COLUMNS: [Column; 7] = [
    Column::Text("Model"),
    Column::Text("Provider"),
    Column::Number("Context"),
    Column::Number("Output"),
    Column::Text("Default"),
    Column::Text("Enabled"),
    Column::Unseen("Actions"),
];

#[component]
pub(super) fn ModelTable(
    providers: Vec<Provider>,
    models: Vec<Model>,
    changed: Callback<()>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let editing = RwSignal::new(None::<Model>);
    let edit = Callback::new(move |model: Option<Model>| {
        editing.set(model);
        open.set(true);
    });
    let may_add = viewer_is_admin() && !providers.is_empty();
    let add = move || {
        may_add.then(|| {
            view! {
                <button type="button" class="btn" on:click=move |_| edit.run(None)>
                    <Icon glyph=Glyph::Plus/>
                    "New model"
                </button>
            }
        })
    };
    let body = if models.is_empty() {
        let text = if providers.is_empty() {
            "Add a provider first; its models stand here."
        } else {
            "Add a model to let people chat with it."
        };
        view! { <EmptyState glyph=Glyph::Chip title="No models yet" text>{add()}</EmptyState> }.into_any()
    } else {
        let rows = models
            .into_iter()
            .map(|model| {
                let provider =
                    providers.iter().find(|p| model.provider_id == Some(p.id)).map(|p| p.name.clone());
                view! { <ModelRow model provider=provider.unwrap_or_default() edit changed/> }
            })
            .collect_view();
        view! {
            <Table columns=&COLUMNS>{rows}</Table>
        }
        .into_any()
    };
    let providers = StoredValue::new(providers);
    view! {
        <section class="table-block">
            <div class="table-head">
                <h2>"Models"</h2>
                {add()}
            </div>
            {body}
            <Modal open title=Signal::derive(move || if editing.with(Option::is_some) { "Edit model" } else { "New model" }.to_owned())>
                <ModelForm model=editing.get_untracked() providers=providers.get_value() open changed/>
            </Modal>
        </section>
    }
}

#[component]
fn ModelRow(
    model: Model,
    provider: String,
    edit: Callback<Option<Model>>,
    changed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let (id, enabled, is_default) = (model.id, model.enabled, model.is_default);
    let busy = RwSignal::new(false);
    let update = Callback::new(move |update: ModelUpdate| {
        busy.set(true);
        spawn_local(async move {
            if let Err(error) = model_update(id, update).await {
                let detail = error.body.validations.first().map(|v| v.detail.clone());
                toasts.warn(detail.unwrap_or(error.body.message));
            }
            busy.try_set(false);
            changed.run(());
        });
    });
    let blocked = Signal::derive(move || busy.get() || !viewer_is_admin());
    let subject = model.clone();
    view! {
        <tr>
            <td>
                <span class="row-title" dir="auto">{model.display_name.clone()}</span>
                <span class="row-note font-mono">{model.model.clone().unwrap_or_default()}</span>
            </td>
            <td data-label="Provider" dir="auto">{provider}</td>
            <td data-label="Context" class="num">{tokens(model.context_limit)}</td>
            <td data-label="Output" class="num">{tokens(model.max_output_tokens)}</td>
            <td data-label="Default">
                {if is_default {
                    view! { <Badge tone=Tone::Accent glyph=Glyph::Check text="Default"/> }.into_any()
                } else if enabled && viewer_is_admin() {
                    view! {
                        <button type="button" class="btn btn-small" disabled=move || blocked.get()
                            aria-label=format!("Make {} the default", model.display_name)
                            on:click=move |_| update.run(ModelUpdate { is_default: Some(true), ..ModelUpdate::default() })>
                            "Make default"
                        </button>
                    }.into_any()
                } else {
                    "–".into_any()
                }}
            </td>
            <td data-label="Enabled">
                <Switch
                    label=format!("{} enabled", model.display_name)
                    hide_label=true
                    checked=Signal::stored(enabled)
                    disabled=blocked
                    on_change=Callback::new(move |wanted| update.run(ModelUpdate { enabled: Some(wanted), ..ModelUpdate::default() }))
                />
            </td>
            <td class="row-actions">
                {viewer_is_admin().then(|| view! {
                    <button type="button" class="btn btn-small" aria-label=format!("Edit model {}", model.display_name)
                        on:click=move |_| edit.run(Some(subject.clone()))>
                        <Icon glyph=Glyph::Pencil/>
                        "Edit"
                    </button>
                    <DeleteButton label="Delete model" name=model.display_name.clone()
                        consequence="Chats that used it keep their messages and go on with the default model."
                        deed=Deed::new(move || model_delete(id)) done=changed/>
                })}
            </td>
        </tr>
    }
}

/// `128k`, or all digits where thousands would lie.
fn tokens(count: i64) -> String {
    if count >= 1_000 && count % 1_000 == 0 { format!("{}k", count / 1_000) } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn token_counts_never_round() {
        assert_eq!(
            (tokens(128_000), tokens(8_192), tokens(500)),
            ("128k".into(), "8192".into(), "500".into())
        );
    }
}
