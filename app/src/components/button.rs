//! Buttons that wait and buttons that copy. Plain buttons are plain elements with the classes `btn`, `btn-primary`, `btn-danger`,
//! `btn-quiet`, `btn-small`, `btn-icon`.

use super::icon::{Glyph, Icon};
use crate::browser;
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

/// How long "Copied" stays.
const COPIED_FOR: Duration = Duration::from_secs(2);

/// A button that shows that its work is under way and cannot be pressed twice. Its name stays the same while it waits.
#[component]
pub fn BusyButton(
    #[prop(into)] label: Signal<String>,
    #[prop(into)] busy: Signal<bool>,
    #[prop(optional, into)] disabled: Signal<bool>,
    /// Extra classes, such as `btn-primary`.
    #[prop(optional, into)]
    class: String,
    #[prop(optional)] glyph: Option<Glyph>,
    /// The whole name for readers, where several buttons say the same.
    #[prop(optional, into)]
    spoken: Option<String>,
    /// Absent: a submit button of its form.
    #[prop(optional)]
    on_press: Option<Callback<()>>,
) -> impl IntoView {
    let kind = if on_press.is_some() { "button" } else { "submit" };
    view! {
        <button
            type=kind
            class=format!("btn {class}")
            aria-label=spoken
            disabled=move || busy.get() || disabled.get()
            aria-busy=move || if busy.get() { "true" } else { "false" }
            on:click=move |_| if let Some(on_press) = on_press { on_press.run(()) }
        >
            {move || {
                if busy.get() {
                    Some(view! { <Icon glyph=Glyph::Spinner class="spin"/> })
                } else {
                    glyph.map(|glyph| view! { <Icon glyph/> })
                }
            }}
            <span>{move || label.get()}</span>
        </button>
    }
}

/// Copies `text` and says so.
#[component]
pub fn CopyButton(
    #[prop(into)] text: Signal<String>,
    #[prop(optional, into)] label: Option<String>,
) -> impl IntoView {
    let label = StoredValue::new(label.unwrap_or_else(|| "Copy".to_owned()));
    let said = RwSignal::new(None::<&'static str>);
    let copy = move |_| {
        spawn_local(async move {
            let done = browser::copy_text(&text.get_untracked()).await;
            said.set(Some(if done { "Copied" } else { "Select and copy by hand" }));
            set_timeout(
                move || {
                    said.try_set(None);
                },
                COPIED_FOR,
            );
        });
    };
    view! {
        <button type="button" class="btn btn-small" on:click=copy>
            {move || view! { <Icon glyph=if said.get() == Some("Copied") { Glyph::Check } else { Glyph::Copy }/> }}
            <span aria-live="polite">{move || said.get().map_or_else(|| label.get_value(), str::to_owned)}</span>
        </button>
    }
}
