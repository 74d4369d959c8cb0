//! Where a message is written: the text, the servers, the model, a button that sends and, while a turn runs, one that stops.

use super::{
    files::{AttachButton, Attachments, Chips, drags_files, dropped_files},
    needs::NeedsYou,
    picker::{Selection, ServerPicker},
    plan::PlanSwitch,
    workspace::{WorkspaceChoice, WorkspaceSelect},
};
use crate::{
    components::{Glyph, Icon},
    context::viewer_is_admin,
    error::UiError,
    server_fns::chats::ChatOptions,
};
use api::{Uuid, chats::InputPart, models::Model};
use leptos::{ev::KeyboardEvent, html, prelude::*};

/// What the composer and its page say to each other.
#[derive(Clone, Copy)]
pub(super) struct Draft {
    pub(super) text: RwSignal<String>,
    pub(super) servers: Selection,
    /// `None`: the chat's or the default one.
    pub(super) model: RwSignal<Option<Uuid>>,
    pub(super) workspace: WorkspaceChoice,
    pub(super) files: Attachments,
    pub(super) sending: RwSignal<bool>,
    pub(super) error: RwSignal<Option<UiError>>,
}

impl Draft {
    pub(super) fn new(servers: Selection, workspace: WorkspaceChoice) -> Self {
        Self {
            workspace,
            files: Attachments::new(),
            text: RwSignal::new(String::new()),
            servers,
            model: RwSignal::new(None),
            sending: RwSignal::new(false),
            error: RwSignal::new(None),
        }
    }

    /// What is to be sent, unless there is nothing, or a file is still on its way.
    pub(super) fn message(self) -> Option<Vec<InputPart>> {
        let text = self.text.with_untracked(|text| text.trim().to_owned());
        let sends =
            (!text.is_empty() || self.files.ready()) && !self.files.busy() && !self.sending.get_untracked();
        sends.then(|| self.files.content(text))
    }
}

/// `busy`: a turn runs; what is sent waits for it. `stopping`: a stop is under way.
#[component]
pub(super) fn Composer(
    draft: Draft,
    options: ChatOptions,
    /// The model the chat used last.
    #[prop(optional_no_strip)]
    last_model: Option<Uuid>,
    /// Servers that a call above asks for already.
    #[prop(optional, into)]
    asked_above: Signal<Vec<Uuid>>,
    #[prop(into)] busy: Signal<bool>,
    #[prop(into)] stopping: Signal<bool>,
    /// Plan mode was switched.
    #[prop(into)]
    on_plan: Callback<bool>,
    #[prop(into)] on_send: Callback<()>,
    #[prop(into)] on_stop: Callback<()>,
) -> impl IntoView {
    let textarea = NodeRef::<html::Textarea>::new();
    let no_model = options.models.is_empty();
    draft.servers.follow();
    // Typed text lives in the element; the signal follows it. (A value bound the other way would, at hydration, wipe what was typed
    // while the page was still loading.)
    Effect::new(move |first: Option<()>| {
        let Some(element) = textarea.get() else { return };
        let text = draft.text.get();
        if first.is_none() && text.is_empty() && !element.value().is_empty() {
            draft.text.set(element.value());
        } else if element.value() != text {
            element.set_value(&text);
        }
    });
    // Ready to type, except on touch screens, where the keyboard would cover the page.
    Effect::new(move |_| {
        if let Some(element) = textarea.get()
            && !no_model
            && has_pointer()
        {
            let _ = element.focus();
        }
    });
    let can_send = Memo::new(move |_| {
        let says = draft.text.with(|text| !text.trim().is_empty()) || draft.files.ready();
        !no_model && !draft.sending.get() && says && !draft.files.busy()
    });
    let send = move || {
        if can_send.get_untracked() {
            on_send.run(());
        }
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    view! {
        <form
            class="chat-composer"
            on:dragover=|event| {
                if drags_files(&event) {
                    event.prevent_default();
                }
            }
            on:drop=move |event| {
                // Text goes where it is dropped. A browser left alone with a file would leave the page for it.
                let Some(list) = dropped_files(&event) else { return };
                event.prevent_default();
                if !no_model && !draft.sending.get_untracked() {
                    draft.files.take(&list);
                }
            }
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <NeedsYou selection=draft.servers asked_above />
            <div class="chat-composer-box" data-plan=move || draft.servers.planning().get().then_some("true")>
                <label class="sr-only" for="chat-message">"Message"</label>
                <textarea
                    id="chat-message"
                    node_ref=textarea
                    class="chat-textarea"
                    rows="2"
                    dir="auto"
                    placeholder="Ask anything"
                    aria-describedby="chat-composer-note"
                    disabled=no_model
                    readonly=move || draft.sending.get()
                    on:input=move |event| draft.text.set(event_target_value(&event))
                    on:keydown=on_key
                ></textarea>
                <Chips attachments=draft.files />
                <div class="chat-composer-bar">
                    <AttachButton attachments=draft.files disabled=Signal::derive(move || no_model || draft.sending.get()) />
                    <ServerPicker selection=draft.servers />
                    <WorkspaceSelect choice=draft.workspace />
                    <ModelSelect models=options.models.clone() chosen=draft.model last=last_model />
                    <PlanSwitch planning=draft.servers.planning() on_change=on_plan />
                    <span class="chat-spacer"></span>
                    <Show when=move || busy.get()>
                        <button
                            type="button"
                            class="chat-send chat-send-stop"
                            aria-label="Stop"
                            disabled=move || stopping.get()
                            on:click=move |_| on_stop.run(())
                        >
                            <Icon glyph=Glyph::Stop />
                            <span>{move || if stopping.get() { "Stopping" } else { "Stop" }}</span>
                        </button>
                    </Show>
                    <button
                        type="submit"
                        class="chat-send"
                        aria-label=move || if busy.get() { "Send after this turn" } else { "Send" }
                        disabled=move || !can_send.get()
                    >
                        <Icon glyph=Glyph::ArrowUp />
                    </button>
                </div>
            </div>
            <p class="chat-field-error" role="alert">
                {move || draft.error.get().map(|error| error.field("content").unwrap_or_else(|| error.to_string()))}
            </p>
            <p id="chat-composer-note" class="chat-composer-note">
                {if no_model {
                    view! { <NoModel /> }.into_any()
                } else {
                    (move || {
                        if draft.servers.planning().get() && !busy.get() {
                            "Plan mode: the answer works toward a plan, and nothing is changed outside."
                        } else if busy.get() {
                            "A turn is running. Enter lets the message wait for it, Esc stops it."
                        } else {
                            "Enter sends, Shift+Enter starts a new line."
                        }
                    })
                        .into_any()
                }}
            </p>
            <noscript>
                <p class="chat-composer-note">
                    "Writing in a chat needs JavaScript with WebAssembly. Reading works without."
                </p>
            </noscript>
        </form>
    }
}

fn has_pointer() -> bool {
    window().match_media("(pointer: fine)").ok().flatten().is_some_and(|query| query.matches())
}

/// Why nothing can be sent, and who does what about it.
#[component]
fn NoModel() -> impl IntoView {
    if viewer_is_admin() {
        view! {
            "No model is set up. "
            <a class="chat-link" href="/admin/models">"Add a model"</a>
            " to start chatting."
        }
        .into_any()
    } else {
        "No model is set up. An admin has to add one before anybody can chat.".into_any()
    }
}

/// A choice of models, when there is one.
#[component]
fn ModelSelect(models: Vec<Model>, chosen: RwSignal<Option<Uuid>>, last: Option<Uuid>) -> impl IntoView {
    if models.len() < 2 {
        return ().into_any();
    }
    let default = models.iter().find(|model| model.is_default).or(models.first()).map(|model| model.id);
    let preset = last.filter(|last| models.iter().any(|model| model.id == *last)).or(default);
    let options = models
        .into_iter()
        .map(|model| {
            let id = model.id;
            view! {
                <option value=id.to_string() selected=move || chosen.get().or(preset) == Some(id)>
                    {model.display_name}
                </option>
            }
        })
        .collect_view();
    view! {
        <select
            class="chat-tool-button chat-model"
            aria-label="Model"
            on:change=move |event| chosen.set(event_target_value(&event).parse().ok())
        >
            {options}
        </select>
    }
    .into_any()
}
