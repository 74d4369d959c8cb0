//! How a definition stands to what was accepted, in a word.

use crate::components::{Badge, Glyph, Tone};
use api::tools::{ServerTool, ToolState};
use leptos::prelude::*;

/// New, changed, or held back; nothing where all is as it was accepted.
#[component]
pub(in super::super) fn StateBadge(state: ToolState) -> impl IntoView {
    let (tone, glyph, text) = match state {
        ToolState::Accepted => return None,
        ToolState::New => (Tone::Info, Glyph::Plus, "New"),
        ToolState::Changed => (Tone::Info, Glyph::Pencil, "Changed"),
        ToolState::Held => (Tone::Warn, Glyph::Lock, "Held back"),
    };
    Some(view! { <Badge tone glyph text/> })
}

/// What it is, beside whether it is held back.
#[component]
pub(super) fn StateBadges(state: ToolState, is_new: bool) -> impl IntoView {
    let held = (state == ToolState::Held).then(|| {
        let state = if is_new { ToolState::New } else { ToolState::Changed };
        view! { <StateBadge state/> }
    });
    view! { {held}<StateBadge state/> }
}

/// Nothing was accepted of it before.
pub(super) fn is_new(tool: &ServerTool) -> bool {
    // Held back may be either; only what was accepted before can be compared with.
    tool.state == ToolState::New || (tool.state == ToolState::Held && tool.diff.is_none())
}

/// Another than the accepted one.
pub(super) fn is_changed(tool: &ServerTool) -> bool {
    tool.state == ToolState::Changed || (tool.state == ToolState::Held && tool.diff.is_some())
}

/// Waits for somebody to look at it: not accepted, and still there to be.
pub(super) fn to_review(tool: &ServerTool) -> bool {
    tool.state != ToolState::Accepted && tool.gone_since.is_none()
}
