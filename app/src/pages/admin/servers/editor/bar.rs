//! The sticky bar: what saving does, how many fields are refused, and the buttons.

use super::{
    form::{ALL_FIELDS, Busy, EditorForm},
    save::Saver,
};
use crate::{
    components::{BusyButton, ConfirmDialog, Glyph, Icon},
    error::UiError,
};
use leptos::{prelude::*, task::spawn_local};

/// Save, test, delete.
#[component]
pub(super) fn ActionBar(form: EditorForm, saver: Saver) -> impl IntoView {
    let is_new = Signal::derive(move || form.saved.with(Option::is_none));
    let waiting = move |for_what: Busy| Signal::derive(move || form.busy.get() == for_what);
    let blocked = Signal::derive(move || form.busy.get() != Busy::No);
    let deleting = RwSignal::new(false);
    view! {
        <div class="action-bar">
            <p class="action-note" role="status">{move || note(form)}</p>
            <div class="btn-row">
                <Show when=move || !is_new.get()>
                    <button type="button" class="btn btn-quiet btn-danger-text" disabled=move || blocked.get() on:click=move |_| deleting.set(true)>
                        <Icon glyph=Glyph::Trash/>
                        <span class="narrow-hide">"Delete server"</span>
                    </button>
                </Show>
                <BusyButton
                    label="Test connection"
                    busy=waiting(Busy::Checking)
                    disabled=blocked
                    on_press=Callback::new(move |()| spawn_local(saver.check()))
                />
                <BusyButton label="Save server" class="btn-primary" busy=waiting(Busy::Saving) disabled=blocked/>
            </div>
        </div>
        <DeleteDialog form saver open=deleting/>
    }
}

/// Refused fields first, then what a save wipes, then what testing does.
fn note(form: EditorForm) -> AnyView {
    let refused = ALL_FIELDS.iter().map(|fields| form.errors_in(fields)).sum::<usize>();
    if refused > 0 {
        let text = if refused == 1 {
            "1 field needs a change".to_owned()
        } else {
            format!("{refused} fields need a change")
        };
        return view! { <span class="note-danger"><Icon glyph=Glyph::Warn/>{text}</span> }.into_any();
    }
    let wipes = form.wipes();
    if !wipes.is_empty() {
        let text = format!("This save removes: {}", wipes.join(", "));
        return view! { <span class="note-warn"><Icon glyph=Glyph::Warn/>{text}</span> }.into_any();
    }
    let text = match (form.saved.with(Option::is_none), form.is_dirty()) {
        (true, _) => "Testing saves the server first, switched off",
        (false, true) => "Unsaved changes. Testing saves them first",
        (false, false) => "",
    };
    view! { {text} }.into_any()
}

#[component]
fn DeleteDialog(form: EditorForm, saver: Saver, open: RwSignal<bool>) -> impl IntoView {
    let failed = RwSignal::new(None::<UiError>);
    let name = Signal::derive(move || {
        form.saved.with(|saved| saved.as_ref().map(|s| s.display_name.clone()).unwrap_or_default())
    });
    view! {
        <ConfirmDialog
            open
            title=Signal::derive(move || format!("Delete {}?", name.get()))
            confirm_label="Delete server"
            busy=Signal::derive(move || form.busy.get() == Busy::Deleting)
            error=failed
            on_confirm=Callback::new(move |()| spawn_local(saver.delete(failed, open)))
        >
            <p>
                "Chats lose the tools of "
                <strong dir="auto">{move || name.get()}</strong>
                " at once, also in running turns. Its stored secrets and what users entered for it are deleted. Messages that used it stay."
            </p>
        </ConfirmDialog>
    }
}
