//! Import of servers: a document, the plan of what it would do, and the button that does it.

mod plan;

use crate::{
    browser,
    components::{
        BusyButton, ErrorNotice, Glyph, Icon, Notice, PageHead, Task, TextArea, Tone, toast::use_toasts,
    },
    server_fns::servers::server_import,
};
use api::transfer::{ImportAction, ImportPlan, ImportRequest};
use domain::limits::IMPORT_BYTES;
use leptos::{prelude::*, task::spawn_local};
use plan::PlanView;

const PURPOSE: &str =
    "From an export of Patchbay (YAML or JSON), or from the mcpServers JSON of a desktop client.";
const HINT: &str = "Nothing changes before you have seen the plan. Servers are matched by their slug; those that are not named stay as they are.";

/// A plan and the text it was made for.
#[derive(Clone)]
struct Seen {
    document: String,
    plan: ImportPlan,
}

/// What the buttons of this page work on.
#[derive(Clone, Copy)]
struct Import {
    document: RwSignal<String>,
    seen: RwSignal<Option<Seen>>,
    previewing: Task,
    applying: Task,
    /// Why a chosen file was not taken.
    file_error: RwSignal<Option<String>>,
}

impl Import {
    fn new() -> Self {
        Self {
            document: RwSignal::default(),
            seen: RwSignal::new(None),
            previewing: Task::new(),
            applying: Task::new(),
            file_error: RwSignal::new(None),
        }
    }

    fn preview(self) {
        let document = self.document.get_untracked();
        self.seen.set(None);
        self.applying.error.set(None);
        let request = ImportRequest { document: document.clone(), ..ImportRequest::default() };
        self.previewing.run(server_import(request), move |plan| {
            self.seen.set(Some(Seen { document, plan }));
            browser::focus_soon("#import-plan");
        });
    }

    /// Sends what was seen, not what stands in the field meanwhile.
    fn apply(self, done: impl FnOnce(&ImportPlan) + 'static) {
        let Some(Seen { document, plan }) = self.seen.get_untracked() else { return };
        let request = ImportRequest {
            document: document.clone(),
            apply: true,
            plan_hash: Some(plan.plan_hash),
            ..ImportRequest::default()
        };
        self.applying.run(server_import(request), move |plan| {
            done(&plan);
            self.seen.set(Some(Seen { document, plan }));
            browser::focus_soon("#import-plan");
        });
    }

    /// Whether the field holds something else than what the plan is about.
    fn is_outdated(self) -> bool {
        self.document.with(|document| {
            self.seen.with(|seen| seen.as_ref().is_some_and(|seen| seen.document != *document))
        })
    }
}

/// `GET /admin/servers/import`.
#[component]
pub fn ImportServersPage() -> impl IntoView {
    let import = Import::new();
    view! {
        <div class="page">
            <a class="back-link" href="/admin/servers"><Icon glyph=Glyph::ArrowLeft/>"Servers"</a>
            <PageHead title="Import servers" purpose=PURPOSE.to_owned()/>
            <noscript>
                <p class="notice tone-warn">"This page needs JavaScript (WebAssembly). Without it, use "<code>"patchbay mcp import"</code>"."</p>
            </noscript>
            <DocumentForm import/>
            {move || import.previewing.error_beside(&["document"]).map(|error| view! { <ErrorNotice error/> })}
            {move || import.seen.get().map(|seen| view! { <Outcome import plan=seen.plan/> })}
        </div>
    }
}

#[component]
fn DocumentForm(import: Import) -> impl IntoView {
    let busy = Signal::derive(move || import.previewing.busy.get());
    let empty = Signal::derive(move || import.document.with(|document| document.trim().is_empty()));
    view! {
        <form
            class="stack"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                import.preview();
            }
        >
            <FileField import/>
            <TextArea
                name="document"
                label="Document"
                value=import.document
                hint=HINT
                error=import.previewing.error_at("document")
                rows=14
                mono=true
                placeholder="patchbay: 1\nservers: …"
            />
            <div class="btn-row">
                <BusyButton label="Preview" class="btn-primary" busy disabled=empty/>
            </div>
        </form>
    }
}

#[component]
fn FileField(import: Import) -> impl IntoView {
    let choose = move |event| {
        let input = event_target::<web_sys::HtmlInputElement>(&event);
        spawn_local(async move {
            match browser::chosen_text(&input, IMPORT_BYTES).await {
                Ok(Some(text)) => {
                    import.file_error.try_set(None);
                    import.document.try_set(text);
                }
                Ok(None) => {}
                Err(sentence) => {
                    import.file_error.try_set(Some(sentence));
                }
            }
        });
    };
    view! {
        <div class="field">
            <label class="field-label" for="f-file">"File"</label>
            <input id="f-file" class="input" type="file" accept=".yaml,.yml,.json" aria-describedby="f-file-error" on:change=choose/>
            <p class="field-error" id="f-file-error" aria-live="polite">{move || import.file_error.get()}</p>
        </div>
    }
}

/// The plan, and the button that carries it out.
#[component]
fn Outcome(import: Import, plan: ImportPlan) -> impl IntoView {
    let toasts = use_toasts();
    let applied = plan.applied;
    let has_work = plan.has_work();
    let title = if applied { "What was done" } else { "Plan" };
    let label = apply_label(&plan);
    let outdated = Signal::derive(move || import.is_outdated());
    view! {
        <section class="stack" aria-labelledby="import-plan">
            <h2 id="import-plan" tabindex="-1">{title}</h2>
            <p>{summary(&plan)}</p>
            <PlanView plan/>
            {move || (outdated.get() && !applied).then(|| view! {
                <Notice tone=Tone::Info><p>"The document changed since this plan. Preview it again."</p></Notice>
            })}
            {move || import.applying.error.get().map(|error| view! { <ErrorNotice error/> })}
            {(has_work && !applied).then(|| view! {
                <div class="btn-row">
                    <BusyButton
                        label
                        class="btn-primary"
                        busy=Signal::derive(move || import.applying.busy.get())
                        disabled=outdated
                        on_press=Callback::new(move |()| import.apply(move |plan| toasts.say(summary(plan))))
                    />
                </div>
            })}
            {applied.then(|| view! { <p><a href="/admin/servers">"To the list of servers"</a></p> })}
        </section>
    }
}

/// `Create 2 servers, update 1`.
fn apply_label(plan: &ImportPlan) -> String {
    let servers = |count: usize| if count == 1 { "1 server".to_owned() } else { format!("{count} servers") };
    match (plan.count(ImportAction::Create), plan.count(ImportAction::Update)) {
        (0, updated) => format!("Update {}", servers(updated)),
        (created, 0) => format!("Create {}", servers(created)),
        (created, updated) => format!("Create {}, update {updated}", servers(created)),
    }
}

/// The counts in words.
fn summary(plan: &ImportPlan) -> String {
    let words = if plan.applied {
        ["created", "updated", "unchanged", "refused"]
    } else {
        ["to create", "to update", "unchanged", "refused"]
    };
    let counts: Vec<String> = ImportAction::ALL
        .into_iter()
        .zip(words)
        .map(|(action, word)| (plan.count(action), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match (counts.is_empty(), plan.applied || plan.has_work()) {
        (true, _) => "The document holds no servers.".to_owned(),
        (false, true) => format!("{}.", counts.join(", ")),
        (false, false) => format!("{}. There is nothing to do.", counts.join(", ")),
    }
}

#[cfg(test)]
mod tests;
