//! Dialogs on the native element: focus trap, `Esc` and inert background come with it.

use super::{
    button::BusyButton,
    icon::{Glyph, Icon},
    loaded::ErrorNotice,
    task::{Deed, Task},
};
use crate::error::UiError;
use leptos::{html, prelude::*};

/// A dialog with a title. Its children exist only while it is open, so every opening starts fresh.
#[component]
pub fn Modal(
    open: RwSignal<bool>,
    #[prop(into)] title: Signal<String>,
    /// For what a narrow column would break, such as results of tools.
    #[prop(optional)]
    wide: bool,
    children: ChildrenFn,
) -> impl IntoView {
    let node = NodeRef::<html::Dialog>::new();
    Effect::new(move || {
        let Some(dialog) = node.get() else { return };
        match (open.get(), dialog.open()) {
            // Only fails when the element has left the document.
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let children = StoredValue::new(children);
    view! {
        // `Esc` closes the dialog natively and means nothing to the page behind it, where it would stop a running turn.
        <dialog
            class=if wide { "modal modal-wide" } else { "modal" }
            node_ref=node
            aria-label=move || open.get().then(|| title.get())
            on:close=move |_| open.set(false)
            on:keydown=|event| {
                if event.key() == "Escape" {
                    event.stop_propagation();
                }
            }
        >
            <Show when=move || open.get()>
                <div class="modal-head">
                    <h2>{move || title.get()}</h2>
                    <button type="button" class="btn btn-quiet btn-icon" aria-label="Close" on:click=move |_| open.set(false)>
                        <Icon glyph=Glyph::Cross/>
                    </button>
                </div>
                {move || children.with_value(|children| children())}
            </Show>
        </dialog>
    }
}

/// Asks before something that cannot be undone. The children name the object and the consequence.
#[component]
pub fn ConfirmDialog(
    open: RwSignal<bool>,
    #[prop(into)] title: Signal<String>,
    #[prop(into)] confirm_label: Signal<String>,
    #[prop(into)] busy: Signal<bool>,
    /// Why the last attempt was refused.
    #[prop(optional, into)]
    error: Signal<Option<UiError>>,
    on_confirm: Callback<()>,
    children: ChildrenFn,
) -> impl IntoView {
    let children = StoredValue::new(children);
    view! {
        <Modal open title>
            <div class="modal-body">
                {move || children.with_value(|children| children())}
                {move || error.get().map(|error| view! { <ErrorNotice error/> })}
            </div>
            <div class="modal-foot">
                <button type="button" class="btn" on:click=move |_| open.set(false)>"Cancel"</button>
                <BusyButton label=confirm_label busy class="btn-danger" on_press=on_confirm/>
            </div>
        </Modal>
    }
}

/// A form in a dialog: fields as children, one submit button. It closes when its task says so.
#[component]
pub fn FormDialog(
    open: RwSignal<bool>,
    #[prop(into)] submit_label: Signal<String>,
    task: Task,
    /// Fields that show their own errors; other refusals stand above the buttons.
    fields: &'static [&'static str],
    on_submit: Callback<()>,
    children: Children,
) -> impl IntoView {
    view! {
        <form
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                on_submit.run(());
            }
        >
            <div class="modal-body stack">
                {children()}
                {move || task.error_beside(fields).map(|error| view! { <ErrorNotice error/> })}
            </div>
            <div class="modal-foot">
                <button type="button" class="btn" on:click=move |_| open.set(false)>"Cancel"</button>
                <BusyButton label=submit_label busy=task.busy class="btn-primary"/>
            </div>
        </form>
    }
}

/// A button that deletes after a question naming the object and the consequence.
#[component]
pub fn DeleteButton(
    /// On both buttons, such as "Delete provider".
    #[prop(into)]
    label: String,
    /// The object's name.
    #[prop(into)]
    name: String,
    #[prop(into)] consequence: String,
    deed: Deed,
    /// After it is gone.
    done: Callback<()>,
    /// Verb of the question.
    #[prop(default = "Delete")]
    verb: &'static str,
    #[prop(default = Glyph::Trash)] glyph: Glyph,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let task = Task::new();
    let title = format!("{verb} {name}?");
    let confirm = Callback::new(move |()| {
        task.run(deed.run(), move |()| {
            open.set(false);
            done.run(());
        });
    });
    view! {
        <button type="button" class="btn btn-small" aria-label=format!("{label} {name}") on:click=move |_| open.set(true)>
            <Icon glyph/>
            {verb}
        </button>
        <ConfirmDialog open title=Signal::stored(title) confirm_label=Signal::stored(label) busy=task.busy error=task.error on_confirm=confirm>
            <p dir="auto">{consequence.clone()}</p>
        </ConfirmDialog>
    }
}
