//! A workspace, new or existing: name, description and its servers, as forms or as the JSON document.

use super::{
    DeleteWorkspace, PATH,
    entry::EntryForms,
    rows::{Rows, document_of, rows_of},
};
use crate::{
    components::{
        BusyButton, ErrorNotice, Glyph, Icon, Notice, PageTitle, Task, TextArea, TextField, Tone, loaded,
        toast::use_toasts,
    },
    error::UiError,
    server_fns::workspaces::{workspace_create, workspace_get, workspace_update},
};
use api::{
    Uuid,
    workspaces::{Workspace, WorkspaceCreate, WorkspaceUpdate},
};
use leptos::prelude::*;
use leptos_router::hooks::{use_navigate, use_params_map};
use serde_json::Value;

/// `GET /workspaces/new`.
#[component]
pub fn NewWorkspacePage() -> impl IntoView {
    view! {
        <div class="page page-narrow">
            <BackLink/>
            <PageTitle text="New workspace"/>
            <header class="page-head"><h1>"New workspace"</h1></header>
            <Editor workspace=None/>
        </div>
    }
}

/// `GET /workspaces/{id}`.
#[component]
pub fn EditWorkspacePage() -> impl IntoView {
    let params = use_params_map();
    let id = move || params.with(|params| params.get("id").and_then(|id| id.parse::<Uuid>().ok()));
    let workspace = Resource::new(id, |id| workspace_get(id.unwrap_or_default()));
    view! {
        <div class="page page-narrow">
            <BackLink/>
            {loaded(workspace, true, |workspace| view! { <Existing workspace/> })}
        </div>
    }
}

#[component]
fn BackLink() -> impl IntoView {
    view! { <a class="back-link" href=PATH><Icon glyph=Glyph::ArrowLeft/>"Workspaces"</a> }
}

#[component]
fn Existing(workspace: Workspace) -> impl IntoView {
    let navigate = use_navigate();
    let gone = Callback::new(move |()| navigate(PATH, Default::default()));
    view! {
        <PageTitle text=Signal::stored(workspace.name.clone())/>
        <header class="page-head">
            <h1 dir="auto">{workspace.name.clone()}</h1>
            <div class="page-actions"><DeleteWorkspace workspace=workspace.clone() done=gone/></div>
        </header>
        {workspace.unreadable.then(|| view! {
            <Notice tone=Tone::Danger>
                "The servers of this workspace cannot be read any more, because their encryption key is gone. Enter them again and save."
            </Notice>
        })}
        <Editor workspace=Some(workspace)/>
    }
}

/// The document in one of its two forms.
#[derive(Clone, Copy)]
struct Document {
    rows: Rows,
    /// The text stands for the rows.
    as_json: RwSignal<bool>,
    text: RwSignal<String>,
    /// Why what was entered is no document.
    wrong: RwSignal<Option<String>>,
}

impl Document {
    /// What is to be saved; says at its place why there is nothing.
    fn value(self) -> Option<Value> {
        let read = if self.as_json.get_untracked() {
            self.text.with_untracked(|text| parsed(text))
        } else {
            self.rows.rows.with_untracked(|rows| document_of(rows))
        };
        self.wrong.set(read.as_ref().err().cloned());
        read.ok()
    }

    fn switch(self) {
        let Some(value) = self.value() else { return };
        if !self.as_json.get_untracked() {
            self.text.set(serde_json::to_string_pretty(&value).unwrap_or_default());
            self.as_json.set(true);
            return;
        }
        match rows_of(&value) {
            Some(rows) => {
                self.rows.take(rows);
                self.as_json.set(false);
            }
            None => self.wrong.set(Some(
                "The form cannot show this document: a server has only type (http or sse), url and headers."
                    .to_owned(),
            )),
        }
    }
}

fn parsed(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(serde_json::json!({"mcpServers": {}}));
    }
    serde_json::from_str(text)
        .map_err(|error| format!("This is no JSON: line {}, column {}.", error.line(), error.column()))
}

fn names_no_server(document: &Value) -> bool {
    rows_of(document).is_some_and(|rows| rows.is_empty())
}

#[component]
fn Editor(workspace: Option<Workspace>) -> impl IntoView {
    let toasts = use_toasts();
    let navigate = use_navigate();
    let task = Task::new();
    let id = workspace.as_ref().map(|workspace| workspace.id);
    let text = |get: fn(&Workspace) -> &String| {
        RwSignal::new(workspace.as_ref().map(get).cloned().unwrap_or_default())
    };
    let (name, description) = (text(|workspace| &workspace.name), text(|workspace| &workspace.description));
    let stored = workspace.as_ref().map(|workspace| workspace.mcp_json.clone()).unwrap_or_default();
    let document = Document {
        rows: Rows::new(&stored),
        as_json: RwSignal::new(false),
        text: RwSignal::new(String::new()),
        wrong: RwSignal::new(None),
    };
    // The stored document is lost to us, but not to whoever finds its key again: only another one takes its place.
    let unreadable = StoredValue::new(workspace.as_ref().is_some_and(|workspace| workspace.unreadable));
    let saved = move |workspace: Workspace| {
        toasts.say(format!("{} is saved", workspace.name));
        if id.is_none() {
            navigate(&format!("{PATH}/{}", workspace.id), Default::default());
            return;
        }
        unreadable.set_value(workspace.unreadable);
        // What was entered is a placeholder from here on.
        document.rows.show(&workspace.mcp_json);
        let shown = serde_json::to_string_pretty(&workspace.mcp_json).unwrap_or_default();
        document.text.set(shown);
    };
    let submit = move || {
        let Some(mcp_json) = document.value() else { return };
        let (name, description) = (name.get_untracked(), description.get_untracked());
        let saved = saved.clone();
        match id {
            Some(id) => {
                let keeps = unreadable.get_value() && names_no_server(&mcp_json);
                let update = WorkspaceUpdate {
                    name: Some(name),
                    description: Some(description),
                    mcp_json: (!keeps).then_some(mcp_json),
                };
                task.run(workspace_update(id, update), saved);
            }
            None => {
                let create = WorkspaceCreate { name, description, mcp_json: Some(mcp_json) };
                task.run(workspace_create(create), saved);
            }
        }
    };
    view! {
        <noscript>
            <p class="notice tone-warn">"This page needs JavaScript (WebAssembly) to change anything; reading works without."</p>
        </noscript>
        <form
            class="stack"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                submit();
            }
        >
            <TextField name="workspace-name" label="Name" value=name required=true error=task.error_at("name")/>
            <TextArea name="workspace-description" label="Description" value=description error=task.error_at("description")/>
            <section class="section">
                <div class="section-head">
                    <h2>"Servers"</h2>
                    <p>"MCP servers over HTTP or SSE. Their addresses and headers are stored encrypted, and no chat shows them."</p>
                    <button type="button" class="btn btn-small" on:click=move |_| document.switch()>
                        {move || if document.as_json.get() { "Edit as form" } else { "Edit as JSON" }}
                    </button>
                </div>
                <div class="section-body stack">
                    <DocumentErrors document task/>
                    <Show
                        when=move || document.as_json.get()
                        fallback=move || view! { <EntryForms rows=document.rows task/> }
                    >
                        <TextArea name="workspace-json" label=".mcp.json" value=document.text rows=16 mono=true
                            hint="An entry of mcpServers has type (http or sse), url and headers. <stored> keeps the value that is stored."/>
                    </Show>
                </div>
            </section>
            <div><BusyButton label="Save workspace" busy=task.busy class="btn-primary"/></div>
            {move || task.error_beside(&["name", "description"]).and_then(|error| beside(error, document.as_json.get())).map(|error| view! { <ErrorNotice error/> })}
        </form>
    }
}

/// What is wrong with the document as a whole.
#[component]
fn DocumentErrors(document: Document, task: Task) -> impl IntoView {
    let refused = task.error_at("mcp_json");
    view! {
        <p class="field-error" role="alert">{move || document.wrong.get().or_else(|| refused.get())}</p>
    }
}

/// What no field of the form shows: with the document as text, every entry.
fn beside(error: UiError, as_json: bool) -> Option<UiError> {
    error.without(|field| field == "mcp_json" || (!as_json && field.starts_with("mcp_json.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UiErrorKind;
    use api::{ErrorBody, Validation};

    #[test]
    fn the_place_of_a_mistake_is_named_where_no_form_shows_it() {
        assert_eq!(parsed(" ").unwrap(), serde_json::json!({"mcpServers": {}}));
        assert_eq!(parsed("{\n  nope").unwrap_err(), "This is no JSON: line 2, column 3.");
        assert!(names_no_server(&parsed(" ").unwrap()) && names_no_server(&serde_json::json!({})));
        assert!(!names_no_server(&serde_json::json!({"mcpServers": 5})), "to be refused, not left out");
        assert!(!names_no_server(&serde_json::json!({"mcpServers": {"a": {"url": "https://a.example"}}})));
        let error = || UiError {
            kind: UiErrorKind::Invalid,
            body: ErrorBody {
                validations: vec![Validation::new("mcp_json.mcpServers.a.url", "no.")],
                ..ErrorBody::message("refused")
            },
        };
        assert!(beside(error(), true).is_some());
        assert!(beside(error(), false).is_none());
    }
}
