//! Where the model's view of the chat begins: a line across the transcript (behaviour 24). What is above stays to be read.

use super::transcript::Shared;
use api::messages::{ResultContent, ToolResultPart};
use domain::boundary::Kind;
use leptos::prelude::*;

/// The line, and of a summary its text.
#[component]
pub(super) fn Boundary(kind: Kind, result: Shared<ToolResultPart>) -> impl IntoView {
    match kind {
        Kind::Clear => view! {
            <div class="chat-boundary" role="separator" aria-label="Context cleared here" data-testid="cleared">
                <span class="chat-boundary-words">"Context cleared here"</span>
                <span class="chat-faint">"The model is not told what is above"</span>
            </div>
        }
        .into_any(),
        Kind::Summary => {
            let text = summary_of(&result);
            view! {
                <details class="chat-boundary" data-testid="summarised">
                    <summary class="chat-boundary-words">"Summarised here"</summary>
                    <p class="chat-faint">"Instead of what is above the model is told this:"</p>
                    // The words of a model, as text.
                    <div class="prose prose-plain" dir="auto">{text}</div>
                </details>
            }
            .into_any()
        }
    }
}

fn summary_of(result: &ToolResultPart) -> String {
    let texts = result.result.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
