//! A small panel at a button: closes on Escape, on a click elsewhere, and gives the focus back.

use leptos::{ev::KeyboardEvent, html, prelude::*};

/// `trigger` is the button's content, `label` its name and the panel's.
#[component]
pub(super) fn Popover(
    open: RwSignal<bool>,
    #[prop(into)] label: Signal<String>,
    #[prop(into)] button_class: &'static str,
    #[prop(into)] panel_class: &'static str,
    trigger: AnyView,
    children: ChildrenFn,
) -> impl IntoView {
    let button = NodeRef::<html::Button>::new();
    let panel = NodeRef::<html::Div>::new();
    let close = move || {
        open.set(false);
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" && open.get_untracked() {
            // The Escape is used up here: further out it would stop the turn.
            event.stop_propagation();
            event.prevent_default();
            close();
        }
    };
    Effect::new(move |_| {
        if let Some(panel) = panel.get() {
            let _ = panel.focus();
        }
    });
    view! {
        <div class="chat-popover" on:keydown=on_key>
            <button
                node_ref=button
                type="button"
                class=button_class
                aria-label=move || label.get()
                aria-haspopup="dialog"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                {trigger}
            </button>
            <Show when=move || open.get()>
                <div class="chat-popover-shade" on:click=move |_| close()></div>
                <div node_ref=panel class=panel_class role="dialog" aria-label=move || label.get() tabindex="-1">
                    {children()}
                </div>
            </Show>
        </div>
    }
}
