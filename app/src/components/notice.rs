//! Messages that stand in the page: notices, empty states, placeholders.

use super::{
    badge::Tone,
    icon::{Glyph, Icon},
};
use leptos::prelude::*;

/// A message with an icon and a tone. Problems are announced at once, the rest politely.
#[component]
pub fn Notice(
    #[prop(optional)] tone: Tone,
    #[prop(optional, into)] title: Option<String>,
    children: Children,
) -> impl IntoView {
    let (glyph, role) = match tone {
        Tone::Danger => (Glyph::Cross, "alert"),
        Tone::Warn => (Glyph::Warn, "status"),
        Tone::Ok => (Glyph::Check, "status"),
        _ => (Glyph::Info, "status"),
    };
    view! {
        <div class=format!("notice {}", tone.class()) role=role>
            <Icon glyph/>
            <div class="notice-text">
                {title.map(|title| view! { <strong class="notice-title">{title}</strong> })}
                {children()}
            </div>
        </div>
    }
}

/// What an empty page says: what would be here, and the one next step.
#[component]
pub fn EmptyState(
    glyph: Glyph,
    #[prop(into)] title: String,
    #[prop(into)] text: String,
    /// The button, if there is a next step for this viewer.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <span class="empty-icon"><Icon glyph/></span>
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| children())}
        </div>
    }
}

/// Grey lines in place of what loads; style shows them only after 200 ms, so quick answers do not flicker.
#[component]
pub fn Skeleton(#[prop(default = 3)] lines: usize) -> impl IntoView {
    view! {
        <div class="skeleton" role="status" aria-label="Loading">
            {(0..lines).map(|_| view! { <span></span> }).collect_view()}
        </div>
    }
}
