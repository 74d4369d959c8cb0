//! "Why can somebody use this?": the gates between one user and this server.

use crate::{
    browser,
    components::{BusyButton, ErrorNotice, Explanation, Glyph, TextField, loaded},
    context::use_viewer,
    error::UiError,
    server_fns::{servers::server_explain, users::user_list},
};
use api::{PageQuery, Uuid, explain::ServerExplanation, users::User};
use leptos::{html, prelude::*, task::spawn_local};

/// Users found by a search; more are reached by a longer search.
const FOUND: i64 = 10;

/// Who is explained, and what came of it.
#[derive(Clone, Copy)]
struct Asked {
    server: Uuid,
    busy: RwSignal<bool>,
    name: RwSignal<String>,
    answer: RwSignal<Option<Result<ServerExplanation, UiError>>>,
}

impl Asked {
    fn ask(self, user: &User) {
        let id = user.id;
        self.name.set(format!("{} · {}", user.username, user.email));
        self.busy.set(true);
        spawn_local(async move {
            let explained = server_explain(self.server, Some(id), None).await;
            self.answer.try_set(Some(explained));
            self.busy.try_set(false);
        });
    }
}

/// No part of what the form saves: it asks about what is stored, and changes nothing.
#[component]
pub(super) fn WhySection(server: Uuid) -> impl IntoView {
    let asked =
        Asked { server, busy: RwSignal::new(false), name: RwSignal::default(), answer: RwSignal::new(None) };
    let viewer = StoredValue::new(use_viewer().get_untracked());
    let typed = RwSignal::new(String::new());
    let wanted = RwSignal::new(String::new());
    let found = Resource::new(
        move || wanted.get(),
        |q: String| async move {
            if q.is_empty() {
                return Ok(None);
            }
            user_list(PageQuery { q, limit: Some(FOUND), ..PageQuery::default() }).await.map(Some)
        },
    );
    let search = Callback::new(move |()| wanted.set(typed.get_untracked().trim().to_owned()));
    let own =
        Callback::new(move |()| viewer.with_value(|viewer| viewer.iter().for_each(|user| asked.ask(user))));
    view! {
        <section class="section" aria-label="Why can somebody use this?">
            <div class="section-head">
                <h2>"Why can somebody use this?"</h2>
                <p>"Every rule between one user and this server, as saved, for a new chat of that user. Nothing is contacted."</p>
            </div>
            <div class="section-body stack">
                <div
                    class="inline-form"
                    role="search"
                    on:keydown=move |event| {
                        // Enter searches; it must not save the server around it.
                        if event.key() == "Enter" {
                            event.prevent_default();
                            search.run(());
                        }
                    }
                >
                    <TextField name="explain-user" label="User" value=typed placeholder="Name, user name or email"/>
                    <BusyButton label="Find users" busy=Signal::stored(false) on_press=search/>
                    <BusyButton label="Explain for me" glyph=Glyph::Question busy=asked.busy on_press=own/>
                </div>
                {loaded(found, false, move |found| found.map(|page| view! { <Found users=page.rows more=page.next.is_some() asked/> }))}
                <div aria-live="polite">
                    {move || asked.answer.get().map(|answer| match answer {
                        Ok(explanation) => view! { <Answer name=asked.name.get_untracked() explanation/> }.into_any(),
                        Err(error) => view! { <ErrorNotice error/> }.into_any(),
                    })}
                </div>
            </div>
        </section>
    }
}

/// Comes below what was pressed, and may be longer than what is left of the window.
#[component]
fn Answer(name: String, explanation: ServerExplanation) -> impl IntoView {
    let node = NodeRef::<html::Div>::new();
    Effect::new(move || {
        if let Some(answer) = node.get() {
            browser::show_nearest(&answer);
        }
    });
    view! {
        <div class="stack-tight above-bar" node_ref=node>
            <h3 class="field-label" dir="auto">{name}</h3>
            <Explanation explanation/>
        </div>
    }
}

#[component]
fn Found(users: Vec<User>, more: bool, asked: Asked) -> impl IntoView {
    if users.is_empty() {
        return view! { <p class="field-hint" role="status">"No user matches."</p> }.into_any();
    }
    let rows = users
        .into_iter()
        .map(|user| {
            let label = format!("Explain for {}", user.username);
            let text = format!("{} · {}", user.username, user.email);
            let ask = move |_| asked.ask(&user);
            view! {
                <li class="row row-tight">
                    <bdi class="min-w-0">{text}</bdi>
                    <button type="button" class="btn btn-small" aria-label=label disabled=move || asked.busy.get() on:click=ask>
                        "Explain"
                    </button>
                </li>
            }
        })
        .collect_view();
    view! {
        <ul class="rows" aria-label="Users found">{rows}</ul>
        {more.then(|| view! { <p class="field-hint">{format!("Only the first {FOUND} are shown. Search for more of the name.")}</p> })}
    }
    .into_any()
}
