//! "Why can somebody use this?": the gates between one user and this server.

use crate::{
    components::{BusyButton, ErrorNotice, Explanation, FieldFrame, Glyph},
    context::use_viewer,
    error::UiError,
    server_fns::{servers::server_explain, users::user_list},
};
use api::{Uuid, explain::ServerExplanation, users::User};
use leptos::{prelude::*, task::spawn_local};

/// No part of what the form saves: it asks about what is stored, and changes nothing.
#[component]
pub(super) fn WhySection(server: Uuid) -> impl IntoView {
    let viewer = use_viewer().get_untracked();
    let own = viewer.as_ref().map(|viewer| viewer.id);
    let chosen = RwSignal::new(own.map(|id| id.to_string()).unwrap_or_default());
    let answer = RwSignal::new(None::<Result<ServerExplanation, UiError>>);
    let busy = RwSignal::new(false);
    // Auditors may ask about any user, but do not get the list of users: they are offered themselves.
    let users = Resource::new(|| (), |()| async { user_list().await.unwrap_or_default() });
    let ask = Callback::new(move |()| {
        let user = chosen.get_untracked().parse::<Uuid>().ok();
        busy.set(true);
        spawn_local(async move {
            let explained = server_explain(server, user, None).await;
            answer.try_set(Some(explained));
            busy.try_set(false);
        });
    });
    view! {
        <section class="section" aria-label="Why can somebody use this?">
            <div class="section-head">
                <h2>"Why can somebody use this?"</h2>
                <p>"Every rule between one user and this server, as saved, for a new chat of that user. Nothing is contacted."</p>
            </div>
            <div class="section-body stack">
                <FieldFrame name="explain_user" label="User">
                    <Transition>
                        {move || Suspend::new({
                            let viewer = viewer.clone();
                            async move {
                                let options = options(users.await, viewer.as_ref());
                                view! { <UserSelect options chosen answer/> }
                            }
                        })}
                    </Transition>
                </FieldFrame>
                <div class="btn-row">
                    <BusyButton label="Explain" glyph=Glyph::Question busy=busy on_press=ask/>
                </div>
                <div aria-live="polite">
                    {move || answer.get().map(|answer| match answer {
                        Ok(explanation) => view! { <Explanation explanation/> }.into_any(),
                        Err(error) => view! { <ErrorNotice error/> }.into_any(),
                    })}
                </div>
            </div>
        </section>
    }
}

#[component]
fn UserSelect(
    options: Vec<(Uuid, String)>,
    chosen: RwSignal<String>,
    answer: RwSignal<Option<Result<ServerExplanation, UiError>>>,
) -> impl IntoView {
    let options = options
        .into_iter()
        .map(|(id, label)| {
            let id = id.to_string();
            let selected = chosen.with_untracked(|chosen| *chosen == id);
            view! { <option value=id selected=selected>{label}</option> }
        })
        .collect_view();
    view! {
        <select
            id="f-explain_user"
            class="input"
            on:change=move |event| {
                chosen.set(event_target_value(&event));
                // An answer about somebody else must not stand under the new name.
                answer.set(None);
            }
        >
            {options}
        </select>
    }
}

/// By user name, with the viewer marked; the viewer alone where there is no list.
fn options(users: Vec<User>, viewer: Option<&User>) -> Vec<(Uuid, String)> {
    let mut users = users;
    if let Some(viewer) = viewer
        && !users.iter().any(|user| user.id == viewer.id)
    {
        users.push(viewer.clone());
    }
    users.sort_by(|a, b| a.username.cmp(&b.username));
    let label = |user: &User| {
        let own = if viewer.is_some_and(|viewer| viewer.id == user.id) { " (you)" } else { "" };
        format!("{} · {}{own}", user.username, user.email)
    };
    users.iter().map(|user| (user.id, label(user))).collect()
}
