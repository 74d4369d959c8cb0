//! The form of one server of a workspace.

use super::{
    error_at,
    rows::{Row, Rows},
};
use crate::{
    components::{Glyph, Icon, Task},
    error::UiError,
};
use leptos::prelude::*;

/// The servers one below the other.
#[component]
pub(super) fn EntryForms(rows: Rows, task: Task) -> impl IntoView {
    view! {
        <div class="stack" data-testid="workspace-servers">
            <For each=move || rows.rows.get() key=|row| row.id let(row)>
                <EntryForm row rows task/>
            </For>
            <Show when=move || rows.rows.with(Vec::is_empty)>
                <p class="field-hint">"No servers yet."</p>
            </Show>
            <div>
                <button type="button" class="btn" on:click=move |_| rows.add()>
                    <Icon glyph=Glyph::Plus/>
                    "Add server"
                </button>
            </div>
        </div>
    }
}

#[component]
fn EntryForm(row: Row, rows: Rows, task: Task) -> impl IntoView {
    let id = row.id;
    let error = move |part: &'static str| {
        Signal::derive(move || {
            let name = rows.name_of(id);
            task.error.with(|error: &Option<UiError>| error_at(error.as_ref(), &name, part))
        })
    };
    let (whole, kind_error, url_error, headers_error) =
        (error(""), error("type"), error("url"), error("headers"));
    let part = move |name: &str| format!("workspace-server-{id}-{name}");
    let kind = row.kind.clone();
    view! {
        <fieldset class="workspace-server stack">
            <legend class="sr-only">"Server"</legend>
            <p class="field-error" role="alert">{move || whole.get()}</p>
            <div class="field">
                <label class="field-label" for=part("name")>"Name"</label>
                <input id=part("name") class="input" autocomplete="off" spellcheck="false" dir="auto" placeholder="github"
                    value=row.name.clone() prop:value=row.name.clone()
                    on:input=move |event| rows.edit(id, |row| row.name = event_target_value(&event))/>
                <p class="field-hint">"The names of its tools begin with it."</p>
            </div>
            <div class="field" class:field-bad=move || kind_error.with(Option::is_some)>
                <label class="field-label" for=part("type")>"Type"</label>
                <select id=part("type") class="input select"
                    on:change=move |event| rows.edit(id, |row| row.kind = event_target_value(&event))>
                    <option value="http" selected=kind != "sse">"HTTP"</option>
                    <option value="sse" selected=kind == "sse">"SSE (old transport)"</option>
                </select>
                <p class="field-error" aria-live="polite">{move || kind_error.get()}</p>
            </div>
            <div class="field" class:field-bad=move || url_error.with(Option::is_some)>
                <label class="field-label" for=part("url")>"URL"</label>
                <input id=part("url") class="input font-mono" type="url" autocomplete="off" spellcheck="false"
                    placeholder="https://mcp.example.com/mcp" value=row.url.clone() prop:value=row.url.clone()
                    aria-invalid=move || url_error.with(Option::is_some).then_some("true")
                    on:input=move |event| rows.edit(id, |row| row.url = event_target_value(&event))/>
                <p class="field-error" aria-live="polite">{move || url_error.get()}</p>
            </div>
            <div class="field" class:field-bad=move || headers_error.with(Option::is_some)>
                <label class="field-label" for=part("headers")>"Headers"</label>
                <textarea id=part("headers") class="input font-mono" rows="2" autocomplete="off" spellcheck="false"
                    placeholder="Authorization: Bearer …" prop:value=row.headers.clone()
                    aria-invalid=move || headers_error.with(Option::is_some).then_some("true")
                    on:input=move |event| rows.edit(id, |row| row.headers = event_target_value(&event))></textarea>
                <p class="field-error" aria-live="polite">{move || headers_error.get()}</p>
                <p class="field-hint">"One a line, as Name: value. <stored> keeps the value that is stored."</p>
            </div>
            <div>
                <button type="button" class="btn btn-small" on:click=move |_| rows.remove(id)
                    aria-label=move || format!("Remove server {}", rows.name_of(id))>
                    <Icon glyph=Glyph::Trash/>
                    "Remove server"
                </button>
            </div>
        </fieldset>
    }
}
