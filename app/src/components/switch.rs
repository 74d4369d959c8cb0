//! On/off controls. A switch acts at once; a checkbox belongs to a form.

use leptos::prelude::*;

/// A switch with its word. `on_change` gets the wanted state; the caller decides whether `checked` follows.
#[component]
pub fn Switch(
    /// The accessible name; shown unless `hide_label`.
    #[prop(into)]
    label: String,
    #[prop(into)] checked: Signal<bool>,
    #[prop(optional, into)] disabled: Signal<bool>,
    #[prop(optional)] hide_label: bool,
    on_change: Callback<bool>,
) -> impl IntoView {
    let text_class = if hide_label { "sr-only" } else { "" };
    view! {
        <label class="switch">
            <input
                type="checkbox"
                role="switch"
                checked=checked.get_untracked()
                prop:checked=move || checked.get()
                disabled=move || disabled.get()
                on:change=move |event| {
                    let wanted = event_target_checked(&event);
                    on_change.run(wanted);
                    // The browser has toggled already; where the caller did not follow, the control must not lie.
                    event_target::<web_sys::HtmlInputElement>(&event).set_checked(checked.get_untracked());
                }
            />
            <span class="switch-track" aria-hidden="true"></span>
            <span class=text_class>{label}</span>
        </label>
    }
}

/// A checkbox with its words and an optional explanation.
#[component]
pub fn Checkbox(
    #[prop(into)] label: String,
    #[prop(optional, into)] hint: Option<String>,
    checked: RwSignal<bool>,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                checked=checked.get_untracked()
                prop:checked=move || checked.get()
                disabled=move || disabled.get()
                on:change=move |event| checked.set(event_target_checked(&event))
            />
            <span>
                <span class="check-label">{label}</span>
                {hint.map(|hint| view! { <span class="field-hint">{hint}</span> })}
            </span>
        </label>
    }
}
