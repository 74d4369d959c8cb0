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
    let lists = Memo::new(move |_| Lists {
        allow: lines(&form.allow.get()),
        deny: lines(&form.deny.get()),
        idempotent: lines(&form.idempotent.get()),
        approval: lines(&form.approval.get()),
    });
    move || {
        let tools = tools.get().filter(|tools| !tools.is_empty())?;
        let unused = move || {
            let names: Vec<String> = form.report.with(|report| {
                report.iter().flat_map(|report| &report.tools).map(|tool| tool.name.clone()).collect()
            });
            lists.with(|lists| lists.unmatched(&names))
        };
        let rows = tools.into_iter().map(|tool| view! { <ToolRow tool lists/> }).collect_view();
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
fn ToolRow(tool: CheckedTool, lists: Memo<Lists>) -> impl IntoView {
    let name = StoredValue::new(tool.name.clone());
    let verdict = move || {
        name.with_value(|name| lists.with(|lists| ToolFilter::new(&lists.allow, &lists.deny).verdict(name)))
    };
    let asks = move || name.with_value(|name| lists.with(|lists| matched(&lists.approval, name)));
    let safe_twice = move || {
        let safe = !asks() && name.with_value(|name| lists.with(|lists| matched(&lists.idempotent, name)));
        safe.then(|| view! { <Badge text="Safe to run twice"/> })
    };
    let needs_approval = move || asks().then(|| view! { <Badge text="Needs approval"/> });
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
                {safe_twice}
                {needs_approval}
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

/// The patterns as typed right now.
#[derive(Debug, Clone, Default, PartialEq)]
struct Lists {
    allow: Vec<String>,
    deny: Vec<String>,
    idempotent: Vec<String>,
    approval: Vec<String>,
}

impl Lists {
    /// Patterns that no known tool matches, each once: often a slip of the pen.
    fn unmatched(&self, names: &[String]) -> Vec<String> {
        let mut unmatched: Vec<String> = Vec::new();
        for pattern in self.allow.iter().chain(&self.deny).chain(&self.idempotent).chain(&self.approval) {
            let known = names.iter().any(|name| pattern_matches(pattern, name));
            if !known && !unmatched.contains(pattern) {
                unmatched.push(pattern.clone());
            }
        }
        unmatched
    }
}

fn matched(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern_matches(pattern, name))
}

#[cfg(test)]
mod tests {
    use super::Lists;

    #[test]
    fn patterns_without_a_tool_are_named() {
        let names = ["search_docs".to_owned(), "create_ticket".to_owned()];
        let lists = Lists {
            allow: vec!["search_*".to_owned(), "serach_*".to_owned()],
            deny: vec!["delete_?".to_owned()],
            idempotent: vec!["search_*".to_owned(), "serach_*".to_owned(), "get".to_owned()],
            approval: vec!["create_*".to_owned(), "drop".to_owned()],
        };
        assert_eq!(lists.unmatched(&names), ["serach_*", "delete_?", "get", "drop"]);
    }
}
