//! Short notes about what was just done, in one polite live region.

use super::{
    badge::Tone,
    icon::{Glyph, Icon},
};
use leptos::prelude::*;
use std::time::Duration;

/// How long a note stays; errors stand at their place and are no toasts.
const TOAST_FOR: Duration = Duration::from_secs(5);
/// The oldest goes when there are more.
const TOASTS_MAX: usize = 3;

#[derive(Clone)]
struct Toast {
    id: u64,
    tone: Tone,
    text: String,
}

/// The notes on screen. Copy it into handlers.
#[derive(Clone, Copy)]
pub struct Toasts {
    list: RwSignal<Vec<Toast>>,
    next: StoredValue<u64>,
}

impl Toasts {
    /// Says that something was done.
    pub fn say(self, text: impl Into<String>) {
        self.show(Tone::Ok, text.into());
    }

    /// Says that something did not work where no better place for it exists.
    pub fn warn(self, text: impl Into<String>) {
        self.show(Tone::Warn, text.into());
    }

    fn show(self, tone: Tone, text: String) {
        let id = self.next.get_value();
        self.next.set_value(id + 1);
        self.list.update(|list| {
            if list.len() >= TOASTS_MAX {
                list.remove(0);
            }
            list.push(Toast { id, tone, text });
        });
        set_timeout(move || self.dismiss(id), TOAST_FOR);
    }

    fn dismiss(self, id: u64) {
        self.list.try_update(|list| list.retain(|toast| toast.id != id));
    }
}

/// Makes the list of notes.
pub(crate) fn provide_toasts() {
    provide_context(Toasts { list: RwSignal::new(Vec::new()), next: StoredValue::new(0) });
}

/// The notes of this document.
pub fn use_toasts() -> Toasts {
    use_context::<Toasts>()
        .unwrap_or_else(|| Toasts { list: RwSignal::new(Vec::new()), next: StoredValue::new(0) })
}

/// Where notes appear; once, in the shell.
#[component]
pub(crate) fn ToastRegion() -> impl IntoView {
    let toasts = use_toasts();
    view! {
        <div class="toasts" role="status" aria-live="polite">
            <For each=move || toasts.list.get() key=|toast| toast.id let(toast)>
                <div class=format!("toast {}", toast.tone.class())>
                    <Icon glyph=if toast.tone == Tone::Ok { Glyph::Check } else { Glyph::Warn }/>
                    <span>{toast.text.clone()}</span>
                    <button type="button" class="btn btn-quiet btn-icon" aria-label="Dismiss" on:click=move |_| toasts.dismiss(toast.id)>
                        <Icon glyph=Glyph::Cross/>
                    </button>
                </div>
            </For>
        </div>
    }
}
