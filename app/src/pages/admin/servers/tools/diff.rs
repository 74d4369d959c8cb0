//! What changed in a definition, the worst first, for the person who must say yes to it. All texts come with everything in them
//! written out (`domain::definition_diff`), and blanks stay as they are.

use crate::components::{Badge, Glyph, Tone};
use api::tools::{ChangeSeverity, DefinitionChange, DefinitionDiff};
use leptos::prelude::*;

/// Longer texts are folded to their beginning.
const FOLD_CHARS: usize = 160;

pub(super) fn severity_label(severity: ChangeSeverity) -> &'static str {
    match severity {
        ChangeSeverity::Minor => "Minor",
        ChangeSeverity::Notable => "Notable",
        ChangeSeverity::Serious => "Serious",
    }
}

fn severity_look(severity: ChangeSeverity) -> (Tone, Glyph) {
    match severity {
        ChangeSeverity::Minor => (Tone::Neutral, Glyph::Dots),
        ChangeSeverity::Notable => (Tone::Info, Glyph::Info),
        ChangeSeverity::Serious => (Tone::Danger, Glyph::Warn),
    }
}

/// Every change that was sent, and how many more there are.
#[component]
pub(super) fn DiffList(diff: DefinitionDiff) -> impl IntoView {
    let more = diff.more;
    let lines = diff.changes.into_iter().map(|change| view! { <ChangeLine change/> }).collect_view();
    view! {
        <ul class="diff" aria-label="What changed" data-testid="diff">{lines}</ul>
        {(more > 0).then(|| view! { <p class="field-hint">{format!("And {more} more, none of them worse than these.")}</p> })}
    }
}

#[component]
fn ChangeLine(change: DefinitionChange) -> impl IntoView {
    let (tone, glyph) = severity_look(change.severity);
    let side = |word: &'static str, text: Option<String>| {
        let said = match text {
            Some(text) => view! { <Words text/> }.into_any(),
            None => view! { <span class="text-fg-muted">"nothing"</span> }.into_any(),
        };
        view! {
            <dt>{word}</dt>
            <dd>{said}</dd>
        }
    };
    view! {
        <li class=format!("diff-line {}", tone.class())>
            <p class="diff-head">
                <Badge tone glyph text=severity_label(change.severity)/>
                <span class="diff-place" title=change.path>{change.place}</span>
            </p>
            <p class="field-hint">{change.why}</p>
            <dl class="diff-sides">{side("before", change.before)}{side("after", change.after)}</dl>
        </li>
    }
}

#[component]
fn Words(text: String) -> impl IntoView {
    let Some((end, _)) = text.char_indices().nth(FOLD_CHARS) else {
        return view! { <bdi class="diff-text">{text}</bdi> }.into_any();
    };
    let begin = format!("{}…", &text[..end]);
    let summary = format!("All {} characters", text.chars().count());
    view! {
        <details class="fold">
            <summary><bdi class="diff-text">{begin}</bdi> <span class="diff-more">{summary}</span></summary>
            <bdi class="diff-text diff-whole">{text}</bdi>
        </details>
    }
    .into_any()
}
