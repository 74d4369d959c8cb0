//! The marks of a call's states. A word always stands beside them, so readers skip the drawing.

use super::transcript::call::CallState;
use leptos::prelude::*;

/// Path data of a state's mark.
fn path(state: CallState) -> &'static str {
    match state {
        CallState::Streaming | CallState::Running => "M8 2.2a5.8 5.8 0 1 1-5.8 5.8",
        CallState::Done => "M3 8.5l3.2 3.2L13 4.8",
        CallState::ToolError => "M8 3v6.2M8 12.4v.2",
        CallState::Failed => "M4 4l8 8m0-8l-8 8",
        CallState::Denied => "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM3.9 3.9l8.2 8.2",
        CallState::Waiting => "M5 3v10M11 3v10",
        CallState::Cancelled => "M4.5 4.5h7v7h-7z",
        CallState::NeedsConnection | CallState::NeedsPermission => {
            "M10.5 2.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8.3 7.7L3 13m2-2l1.8 1.8"
        }
        CallState::Unknown => "M5.6 5.8a2.4 2.4 0 1 1 3.7 2c-.8.5-1.3 1-1.3 1.9M8 12.4v.2",
    }
}

/// The mark of a state; its colour and motion come from the `data-state` around it.
#[component]
pub(super) fn StateMark(#[prop(into)] state: Signal<CallState>) -> impl IntoView {
    let active = move || if state.get().is_active() { "icon spin" } else { "icon" };
    view! {
        <span class="call-mark">
            <svg class=active viewBox="0 0 16 16" aria-hidden="true" focusable="false">
                <path d=move || path(state.get())></path>
            </svg>
        </span>
    }
}

/// Scissors beside a shortened result.
#[component]
pub(super) fn Shortened() -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d="M5.2 11.5a1.6 1.6 0 1 1-3.2 0 1.6 1.6 0 0 1 3.2 0M5.2 4.5a1.6 1.6 0 1 1-3.2 0 1.6 1.6 0 0 1 3.2 0M4.9 5.4L13 11M4.9 10.6L13 5"></path>
        </svg>
    }
}
