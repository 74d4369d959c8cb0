//! How a definition stands to what was accepted, in a word.

use crate::components::{Badge, Glyph, Tone};
use api::tools::{ServerTool, ToolState};
use leptos::prelude::*;

/// What the badge of a state says; nothing where all is as it was accepted.
pub(super) fn state_label(state: ToolState) -> Option<&'static str> {
    match state {
        ToolState::Accepted => None,
        ToolState::New => Some("New"),
        ToolState::Changed => Some("Changed"),
        ToolState::Held => Some("Held back"),
    }
}

/// New, changed, or held back.
#[component]
pub(in super::super) fn StateBadge(state: ToolState) -> impl IntoView {
    let tone = if state == ToolState::Held { Tone::Warn } else { Tone::Info };
    let glyph = match state {
        ToolState::Held => Glyph::Lock,
        ToolState::New => Glyph::Plus,
        ToolState::Accepted | ToolState::Changed => Glyph::Pencil,
    };
    state_label(state).map(|text| view! { <Badge tone glyph text/> })
}

/// Waits for somebody to look at it: not accepted, and still there to be.
pub(super) fn to_review(tool: &ServerTool) -> bool {
    tool.state != ToolState::Accepted && tool.gone_since.is_none()
}
