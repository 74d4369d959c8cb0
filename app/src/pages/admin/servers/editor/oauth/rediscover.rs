//! "Run discovery again": look first, then apply.

use super::{
    super::{form::EditorForm, save::users_have},
    Refused,
    report::DiscoveryReport,
};
use crate::{
    components::{BusyButton, Glyph, Icon, Modal, Skeleton, Task, toast::use_toasts},
    context::viewer_is_admin,
    pages::admin::servers::changes::shown,
    server_fns::servers::{server_discover, server_get},
};
use api::oauth::{DiscoverRequest, Discovery};
use leptos::{prelude::*, task::spawn_local};

/// The button and its dialog, for admins.
#[component]
pub(super) fn Rediscover(form: EditorForm) -> impl IntoView {
    if !viewer_is_admin() {
        return ().into_any();
    }
    let open = RwSignal::new(false);
    let look = Task::new();
    let found = RwSignal::new(None::<Discovery>);
    let asked = RwSignal::new(DiscoverRequest::default());
    let dirty = Memo::new(move |_| form.is_dirty());
    let id = move || form.saved.with_untracked(|saved| saved.as_ref().map(|server| server.id));
    let begin = Callback::new(move |request: DiscoverRequest| {
        let Some(id) = id() else { return };
        found.set(None);
        open.set(true);
        asked.set(request.clone());
        look.run(server_discover(id, request), move |discovery| {
            found.try_set(Some(discovery));
        });
    });
    let automatic = Memo::new(move |_| {
        form.saved.with(|saved| {
            saved.as_ref().is_some_and(|server| server.oauth2_registration.as_deref() == Some("dcr"))
        })
    });
    let register_again = move |_| {
        begin.run(DiscoverRequest { register_again: true, ..DiscoverRequest::default() });
    };
    view! {
        <div class="btn-row">
            <button type="button" class="btn btn-small" disabled=move || dirty.get() || look.busy.get() on:click=move |_| begin.run(DiscoverRequest::default())>
                <Icon glyph=Glyph::Search/>
                "Run discovery again"
            </button>
            <Show when=move || automatic.get()>
                <button type="button" class="btn btn-small" disabled=move || dirty.get() || look.busy.get() on:click=register_again>
                    "Register again"
                </button>
            </Show>
            <span class="field-hint">
                {move || if dirty.get() {
                    "Save your changes first: discovery works on what is stored."
                } else {
                    "Shows first what would change."
                }}
            </span>
        </div>
        <Modal open title="What the provider offers" wide=true>
            <Looked form open look found asked begin/>
        </Modal>
    }
    .into_any()
}

/// The report, and the button that stores it.
#[component]
fn Looked(
    form: EditorForm,
    open: RwSignal<bool>,
    look: Task,
    found: RwSignal<Option<Discovery>>,
    asked: RwSignal<DiscoverRequest>,
    begin: Callback<DiscoverRequest>,
) -> impl IntoView {
    let toasts = use_toasts();
    let apply = Task::new();
    let url = form
        .saved
        .with_untracked(|saved| saved.as_ref().map(|server| server.url.clone()).unwrap_or_default());
    let close = Callback::new(move |()| open.set(false));
    let can_apply = Memo::new(move |_| {
        found.with(|found| found.as_ref().is_some_and(|found| !found.changes.is_empty() && !found.applied))
    });
    let store = Callback::new(move |()| {
        let Some(id) = form.saved.with_untracked(|saved| saved.as_ref().map(|server| server.id)) else {
            return;
        };
        // What was looked at, and nothing else that the server names by now.
        let issuer = found.with_untracked(|found| found.as_ref().map(|found| found.found.issuer.clone()));
        let request = DiscoverRequest { apply: true, issuer, ..asked.get_untracked() };
        apply.run(server_discover(id, request), move |discovery: Discovery| {
            let users = discovery.user_tokens;
            toasts.say(if users > 0 {
                format!("What was found is stored. {} to connect again", users_have(users))
            } else {
                "What was found is stored".to_owned()
            });
            open.try_set(false);
            spawn_local(async move {
                if let Ok(server) = server_get(id).await {
                    form.load(server);
                }
            });
        });
    });
    view! {
        <div class="modal-body" aria-live="polite">
            {move || {
                if let Some(error) = look.error.get() {
                    return view! { <Refused form error done=close/> }.into_any();
                }
                match found.get() {
                    Some(discovery) => view! {
                        {is_choice(&discovery).then(|| view! {
                            <IssuerChoice discovery=discovery.clone() asked begin/>
                        })}
                        <DiscoveryReport discovery url=url.clone()/>
                    }
                    .into_any(),
                    None => view! {
                        <p class="field-hint">"Asking the server and its provider. This can take half a minute."</p>
                        <Skeleton/>
                    }
                    .into_any(),
                }
            }}
            {move || apply.error.get().map(|error| view! { <Refused form error done=close/> })}
        </div>
        <div class="modal-foot">
            <button type="button" class="btn" on:click=move |_| open.set(false)>"Close"</button>
            <Show when=move || can_apply.get()>
                <BusyButton label="Apply" class="btn-primary" busy=apply.busy on_press=store/>
            </Show>
        </div>
    }
}

fn is_choice(discovery: &Discovery) -> bool {
    discovery.found.all_issuers.len() > 1
}

/// Which of several authorization servers is taken (protocol.md 14.2). Another one is looked at first.
#[component]
fn IssuerChoice(
    discovery: Discovery,
    asked: RwSignal<DiscoverRequest>,
    begin: Callback<DiscoverRequest>,
) -> impl IntoView {
    let used = discovery.found.issuer;
    let choose = move |event| {
        let issuer = Some(event_target_value(&event));
        begin.run(DiscoverRequest { issuer, ..asked.get_untracked() });
    };
    let options = discovery.found.all_issuers.into_iter().map(|issuer| {
        let selected = issuer == used;
        view! { <option value=issuer.clone() selected=selected>{shown(&issuer)}</option> }
    });
    view! {
        <div class="field">
            <label class="field-label" for="discovered-issuer">"Authorization server"</label>
            <select id="discovered-issuer" class="input select" on:change=choose>{options.collect_view()}</select>
            <p class="field-hint">"The server names several. Choose whose tokens it gets."</p>
        </div>
    }
}
