//! Text in fixed width: keys, commands, JSON.

use super::button::CopyButton;
use leptos::prelude::*;

/// A block of code with a copy button. The text stays text.
#[component]
pub fn CodeBlock(#[prop(into)] text: String, #[prop(optional, into)] label: Option<String>) -> impl IntoView {
    let shown = text.clone();
    view! {
        <div class="code-block">
            <pre dir="ltr" tabindex="0" aria-label=label><code>{shown}</code></pre>
            <CopyButton text=Signal::stored(text)/>
        </div>
    }
}
