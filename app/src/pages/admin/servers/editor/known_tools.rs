//! After a test: the server's tools, and what the patterns typed right now mean for each.

use super::form::{EditorForm, lines};
use crate::{
    components::{Badge, Glyph, Tone},
    pages::admin::servers::tools::StateBadge,
};
use api::{check::CheckedTool, tools::ToolState};
use domain::tools::{ToolFilter, Verdict, pattern_matches};
use leptos::prelude::*;

/// Nothing until the tools are known.
#[component]
pub(super) fn KnownTools(form: EditorForm) -> impl IntoView {
    let tools =
        Memo::new(move |_| form.report.with(|report| report.as_ref().map(|report| report.tools.clone())));
    let filter = Memo::new(move |_| (lines(&form.allow.get()), lines(&form.deny.get())));
    move || {
        let tools = tools.get().filter(|tools| !tools.is_empty())?;
        let unused = move || {
            let names: Vec<String> = form.report.with(|report| {
                report.iter().flat_map(|report| &report.tools).map(|tool| tool.name.clone()).collect()
            });
            filter.with(|(allow, deny)| unmatched(&names, allow, deny))
        };
        let rows = tools.into_iter().map(|tool| view! { <ToolRow tool filter/> }).collect_view();
        Some(view! {
            <div class="field">
                <h3 class="field-label">"Tools of this server"</h3>
                {move || {
                    let unused = unused();
                    (!unused.is_empty()).then(|| view! {
                        <p class="note-warn">{format!("No tool matches {}", unused.join(", "))}</p>
                    })
                }}
                <ul class="tool-list">{rows}</ul>
            </div>
        })
    }
}

#[component]
fn ToolRow(tool: CheckedTool, filter: Memo<(Vec<String>, Vec<String>)>) -> impl IntoView {
    let name = tool.name.clone();
    let verdict = move || filter.with(|(allow, deny)| ToolFilter::new(allow, deny).verdict(&name));
    let problems = tool.problems.join(" ");
    // A definition with a problem is left out of chats, whatever the patterns say.
    let broken = !problems.is_empty();
    let held = tool.state == Some(ToolState::Held);
    view! {
        <li class="tool-row">
            <div class="min-w-0">
                <code class="tool-name">{tool.name}</code>
                {(!tool.title.is_empty()).then(|| view! { <span class="tool-title" dir="auto">{tool.title}</span> })}
                {(!tool.description.is_empty()).then(|| view! { <p class="tool-about" dir="auto">{tool.description}</p> })}
                {(!problems.is_empty()).then(|| view! { <p class="note-warn" dir="auto">{problems}</p> })}
                {tool.lint.into_iter().map(|finding| view! { <p class="field-hint" dir="auto">{finding}</p> }).collect_view()}
            </div>
            <span class="badges">
                {tool.state.map(|state| view! { <StateBadge state/> })}
                {move || match verdict() {
                    _ if broken => Some(view! { <Badge tone=Tone::Warn glyph=Glyph::Warn text="Not usable"/> }),
                    // Beside "Held back" it would be a tick for what chats do not get.
                    Verdict::Allowed if held => None,
                    Verdict::Allowed => Some(view! { <Badge tone=Tone::Ok glyph=Glyph::Check text="Allowed"/> }),
                    Verdict::NotOnAllowList => Some(view! { <Badge glyph=Glyph::Cross text="Not on the allow list"/> }),
                    Verdict::Denied { pattern } => {
                        Some(view! { <Badge tone=Tone::Warn glyph=Glyph::Cross text=format!("Denied by {pattern}")/> })
                    }
                }}
            </span>
        </li>
    }
}

/// Patterns that no known tool matches: often a slip of the pen.
fn unmatched(names: &[String], allow: &[String], deny: &[String]) -> Vec<String> {
    allow
        .iter()
        .chain(deny)
        .filter(|pattern| !names.iter().any(|name| pattern_matches(pattern, name)))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::unmatched;

    #[test]
    fn patterns_without_a_tool_are_named() {
        let names = ["search_docs".to_owned(), "create_ticket".to_owned()];
        let allow = ["search_*".to_owned(), "serach_*".to_owned()];
        let deny = ["delete_?".to_owned()];
        assert_eq!(unmatched(&names, &allow, &deny), ["serach_*", "delete_?"]);
    }
}
