//! The whole definition as the model gets it, for those who decide about it.

use crate::components::{CodeBlock, RelativeTime};
use api::tools::ServerTool;
use domain::text::reveal;
use leptos::prelude::*;

/// Folded; schemas can be long, so they are written when somebody looks.
#[component]
pub(super) fn Definition(tool: ServerTool) -> impl IntoView {
    let looked = RwSignal::new(false);
    let accepted_at = tool.accepted_at;
    let tool = StoredValue::new(tool);
    view! {
        <details class="fold" on:toggle=move |_| looked.set(true)>
            <summary>"Definition"</summary>
            <Show when=move || looked.get()>
                {tool.with_value(|tool| {
                    let schema = serde_json::to_string_pretty(&tool.input_schema).unwrap_or_default();
                    view! {
                        <div class="stack-tight tool-definition">
                            {(!tool.description.is_empty()).then(|| view! {
                                <p class="fold-text" dir="auto">{reveal(&tool.description).into_owned()}</p>
                            })}
                            <CodeBlock text=reveal(&schema).into_owned() label="Schema of the arguments"/>
                            <p class="field-hint">
                                "Hash " <code class="tool-hash">{tool.definition_hash.clone()}</code>
                                {accepted_at.map(|at| view! { ", accepted " <RelativeTime at/> })}
                            </p>
                        </div>
                    }
                })}
            </Show>
        </details>
    }
}
