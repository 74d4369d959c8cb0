//! The dialog in which people enter their own header values.

use super::{popup::use_popups, reread};
use crate::{
    components::{BusyButton, ErrorNotice, Modal, Task, toast::use_toasts},
    server_fns::servers::user_headers_set,
};
use api::servers::{AuthStatus, McpServer, UserHeader, UserHeaderValues};
use leptos::{prelude::*, task::spawn_local};
use std::collections::BTreeMap;

/// For whom the dialog is open.
#[derive(Clone)]
pub(super) struct Opening {
    server: McpServer,
    changed: Callback<McpServer>,
}

/// The one dialog of the document. Copy it into handlers.
#[derive(Clone, Copy)]
pub(super) struct ConnectHost {
    open: RwSignal<bool>,
    what: RwSignal<Option<Opening>>,
}

impl Opening {
    pub(super) fn new(server: McpServer, changed: Callback<McpServer>) -> Self {
        Self { server, changed }
    }
}

impl ConnectHost {
    fn new() -> Self {
        Self { open: RwSignal::new(false), what: RwSignal::new(None) }
    }

    pub(super) fn open(self, server: McpServer, changed: Callback<McpServer>) {
        self.what.set(Some(Opening::new(server, changed)));
        self.open.set(true);
    }
}

/// Makes the dialog's state.
pub(super) fn provide_dialog() {
    provide_context(ConnectHost::new());
}

pub(super) fn use_connect() -> ConnectHost {
    use_context::<ConnectHost>().unwrap_or_else(ConnectHost::new)
}

/// Where the dialog stands; once, in the shell.
#[component]
pub(crate) fn ConnectDialog() -> impl IntoView {
    let host = use_connect();
    let title = Signal::derive(move || {
        host.what.with(|what| {
            what.as_ref()
                .map(|what| format!("Your values for {}", what.server.display_name))
                .unwrap_or_default()
        })
    });
    view! {
        <Modal open=host.open title>
            {host.what.get_untracked().map(|opening| view! { <ValuesForm opening open=host.open/> })}
        </Modal>
    }
}

/// One field per header. What is typed lives in this form only and goes with it.
#[component]
pub(super) fn ValuesForm(opening: Opening, open: RwSignal<bool>) -> impl IntoView {
    let Opening { server, changed } = opening;
    let task = Task::new();
    let toasts = use_toasts();
    let popups = use_popups();
    let headers = server.user_headers.clone();
    let values = RwSignal::new(
        headers.iter().map(|header| (header.name.clone(), String::new())).collect::<BTreeMap<_, _>>(),
    );
    let fields: Vec<String> = headers.iter().map(|header| field_of(&header.name)).collect();
    let rows = headers
        .into_iter()
        .enumerate()
        .map(|(index, header)| view! { <ValueField index header values task/> })
        .collect_view();
    let submit = move || {
        let server = server.clone();
        let put = user_headers_set(server.id, UserHeaderValues { values: values.get_untracked() });
        task.run(put, move |()| {
            toasts.say(format!("{} is connected", server.display_name));
            open.set(false);
            popups.note_deed();
            // Whoever opened the dialog may be gone by now.
            spawn_local(async move {
                changed.try_run(reread(server, AuthStatus::Connected).await);
            });
        });
    };
    view! {
        <form
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                submit();
            }
        >
            <div class="modal-body stack">
                <p class="field-hint">"Stored encrypted, for your chats alone. They are sent to this server and never shown again, to anybody."</p>
                {rows}
                {move || {
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    task.error_beside(&fields).map(|error| view! { <ErrorNotice error/> })
                }}
            </div>
            <div class="modal-foot">
                <button type="button" class="btn" on:click=move |_| open.set(false)>"Cancel"</button>
                <BusyButton label="Save values" busy=task.busy class="btn-primary"/>
            </div>
        </form>
    }
}

/// How refusals name a value.
fn field_of(name: &str) -> String {
    format!("values.{name}")
}

/// What the admin wrote about the header, the fixed part, and a field whose content stays hidden.
#[component]
fn ValueField(
    index: usize,
    header: UserHeader,
    values: RwSignal<BTreeMap<String, String>>,
    task: Task,
) -> impl IntoView {
    let UserHeader { name, description, value_prefix } = header;
    let field = field_of(&name);
    let error =
        Signal::derive(move || task.error.with(|error| error.as_ref().and_then(|error| error.field(&field))));
    let id = format!("f-value-{index}");
    let (about, prefix, problem) = (format!("{id}-about"), format!("{id}-prefix"), format!("{id}-error"));
    let described = {
        let mut ids = vec![problem.clone()];
        ids.extend((!description.is_empty()).then(|| about.clone()));
        ids.extend((!value_prefix.is_empty()).then(|| prefix.clone()));
        ids.join(" ")
    };
    let label = name.clone();
    view! {
        <div class="field" class:field-bad=move || error.with(Option::is_some)>
            <label class="field-label font-mono" for=id.clone()>{label}</label>
            {(!description.is_empty()).then(|| view! { <p class="field-hint connect-about" id=about dir="auto">{description}</p> })}
            <div class="prefixed">
                {(!value_prefix.is_empty()).then(|| view! {
                    <span class="prefix" id=prefix><span class="sr-only">"Sent after "</span><code>{value_prefix}</code></span>
                })}
                <input
                    id=id
                    class="input font-mono"
                    type="password"
                    autocomplete="new-password"
                    autofocus=index == 0
                    aria-required="true"
                    aria-invalid=move || error.with(Option::is_some).then_some("true")
                    aria-describedby=described
                    on:input=move |event| {
                        let value = event_target_value(&event);
                        values.update(|values| {
                            values.insert(name.clone(), value);
                        });
                    }
                />
            </div>
            <p class="field-error" id=problem aria-live="polite">{move || error.get()}</p>
        </div>
    }
}
