//! Saying yes to definitions, each as it was looked at: one that changed again meanwhile is not accepted.

use super::{
    Catalogue,
    diff::severity_label,
    row::{card_id, spoken},
    state::to_review,
};
use crate::{
    browser,
    components::{BusyButton, ConfirmDialog, ErrorNotice, Glyph, Task, toast::use_toasts},
    error::UiErrorKind,
    server_fns::tools::{ACCEPTED_AT_ONCE, SeenTool, tool_accept, tools_accept},
};
use api::tools::{DefinitionChange, ServerTool, ToolAccept, ToolState};
use leptos::{prelude::*, task::spawn_local};

/// Names that a question lists.
const NAMED: usize = 8;

/// Accepts one definition.
#[component]
pub(super) fn AcceptButton(catalogue: Catalogue, tool: ServerTool) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let name = StoredValue::new(tool.name);
    let hash = tool.definition_hash;
    let accept = Callback::new(move |()| {
        let seen = ToolAccept { definition_hash: Some(hash.clone()) };
        let named = name.get_value();
        task.run(tool_accept(catalogue.server, named.clone(), seen), move |()| {
            toasts.say(format!("{} is accepted", spoken(&named)));
            accepted(catalogue, std::slice::from_ref(&named));
            // The button that had the focus goes.
            browser::focus_soon(format!("#{}", card_id(&named)));
            spawn_local(catalogue.reread());
        });
    });
    // Somebody else's news: the card is drawn anew by them, so they are told above the list.
    Effect::new(move || {
        let changed =
            task.error.with(|error| error.as_ref().is_some_and(|error| error.kind == UiErrorKind::Conflict));
        if changed {
            let named = name.with_value(|name| spoken(name));
            catalogue.notice.set(Some(changed_again(&[named])));
            spawn_local(catalogue.reread());
        }
    });
    let other = move || task.error.get().filter(|error| error.kind != UiErrorKind::Conflict);
    view! {
        <BusyButton label="Accept" spoken=name.with_value(|name| format!("Accept {}", spoken(name))) glyph=Glyph::Check class="btn-small"
            busy=task.busy on_press=accept/>
        {move || other().map(|error| view! { <ErrorNotice error/> })}
    }
}

/// Accepts all that are shown and wait, after a question that names the worst of what changed.
#[component]
pub(super) fn AcceptAll(catalogue: Catalogue) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let open = RwSignal::new(false);
    let waiting = move || {
        let wanted = catalogue.narrowing.get();
        catalogue.tools.with(|tools| {
            let waits = |tool: &&ServerTool| to_review(tool) && wanted.lets(tool);
            tools.iter().filter(waits).take(ACCEPTED_AT_ONCE).cloned().collect::<Vec<_>>()
        })
    };
    let count = Memo::new(move |_| waiting().len());
    // What the question was asked about: what comes in meanwhile is not accepted with it.
    let asked = RwSignal::new(Vec::<ServerTool>::new());
    let ask = move |_| {
        asked.set(untrack(waiting));
        task.error.set(None);
        open.set(true);
    };
    let confirm = Callback::new(move |()| {
        let tools: Vec<SeenTool> = asked.with_untracked(|tools| {
            let seen = |tool: &ServerTool| SeenTool {
                name: tool.name.clone(),
                definition_hash: tool.definition_hash.clone(),
            };
            tools.iter().map(seen).collect()
        });
        let names: Vec<String> = tools.iter().map(|tool| tool.name.clone()).collect();
        task.run(tools_accept(catalogue.server, tools), move |done| {
            open.set(false);
            let taken: Vec<String> =
                names.into_iter().filter(|name| !done.changed_again.contains(name)).collect();
            accepted(catalogue, &taken);
            browser::focus_soon("#tools-count");
            toasts.say(match done.accepted {
                1 => "1 definition is accepted".to_owned(),
                count => format!("{count} definitions are accepted"),
            });
            if !done.changed_again.is_empty() {
                let names: Vec<String> = done.changed_again.iter().map(|name| spoken(name)).collect();
                catalogue.notice.set(Some(changed_again(&names)));
            }
            spawn_local(catalogue.reread());
        });
    });
    let title = Signal::derive(move || match asked.with(Vec::len) {
        1 => "Accept 1 definition?".to_owned(),
        count => format!("Accept {count} definitions?"),
    });
    view! {
        <Show when=move || count.get() != 0>
            <button type="button" class="btn" on:click=ask>{move || format!("Accept all ({})", count.get())}</button>
        </Show>
        <ConfirmDialog open title confirm_label="Accept all" busy=task.busy error=task.error on_confirm=confirm>
            {asked.with_untracked(|tools| question(tools)).into_iter().map(|line| view! { <p dir="auto">{line}</p> }).collect_view()}
        </ConfirmDialog>
    }
}

/// The rows change at once; what the server says of them follows.
fn accepted(catalogue: Catalogue, names: &[String]) {
    catalogue.notice.try_set(None);
    catalogue.tools.try_update(|tools| {
        for tool in tools.iter_mut().filter(|tool| names.contains(&tool.name)) {
            tool.state = ToolState::Accepted;
            tool.diff = None;
        }
    });
}

fn changed_again(names: &[String]) -> String {
    format!(
        "Changed again since this page was loaded, so not accepted: {}. The list below is read anew; look at what it says now.",
        names.join(", ")
    )
}

/// What is accepted, and the worst of it.
fn question(tools: &[ServerTool]) -> Vec<String> {
    let mut names: Vec<String> = tools.iter().take(NAMED).map(|tool| spoken(&tool.name)).collect();
    if tools.len() > NAMED {
        names.push(format!("{} more", tools.len() - NAMED));
    }
    let mut lines = vec![format!("{}.", names.join(", "))];
    if let Some((tool, change)) = worst(tools) {
        lines.push(format!(
            "The worst of what changed is {}: {} of {}. {}",
            severity_label(change.severity).to_lowercase(),
            change.place,
            spoken(&tool.name),
            change.why
        ));
    }
    let unseen = tools.iter().filter(|tool| tool.diff.is_none()).count();
    if unseen > 0 {
        let are = if unseen == 1 { "1 is new".to_owned() } else { format!("{unseen} are new") };
        lines.push(format!("{are}: nothing was accepted before that could be compared with."));
    }
    lines
}

/// The first of the worst changes.
fn worst(tools: &[ServerTool]) -> Option<(&ServerTool, &DefinitionChange)> {
    let changes = tools.iter().flat_map(|tool| {
        tool.diff.iter().flat_map(move |diff| diff.changes.iter().map(move |change| (tool, change)))
    });
    changes.reduce(|worst, next| if next.1.severity > worst.1.severity { next } else { worst })
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use serde_json::json;

    fn changed(name: &str, severity: &str) -> ServerTool {
        let change = json!({
            "path": "/description", "place": "description", "before": "a", "after": "b", "severity": severity, "why": "The model reads it.",
        });
        sample::tool(name, json!({"state": "changed", "diff": {"changes": [change]}}))
    }

    #[test]
    fn the_question_names_the_tools_and_the_worst_change() {
        let tools = [
            changed("a", "minor"),
            changed("b", "serious"),
            changed("c", "serious"),
            sample::tool("d", json!({"state": "new"})),
        ];
        let lines = question(&tools);
        assert_eq!(lines[0], "a, b, c, d.");
        assert_eq!(lines[1], "The worst of what changed is serious: description of b. The model reads it.");
        assert!(lines[2].starts_with("1 is new"), "{lines:?}");
        assert_eq!(question(&tools[..1]).len(), 2);
    }

    #[test]
    fn a_long_list_is_counted() {
        let tools: Vec<ServerTool> =
            (0..12).map(|n| sample::tool(&format!("t{n}"), json!({"state": "new"}))).collect();
        assert!(question(&tools)[0].ends_with("t7, 4 more."));
    }
}
