//! "Why this tool?": the gates of a server as a short list of ticks and crosses, then its tools.

use super::{
    badge::{Badge, Tone},
    icon::{Glyph, Icon},
};
use crate::context::use_viewer;
use api::explain::{ExplainedGate, ExplainedTool, GateVerdict, ServerExplanation};
use leptos::prelude::*;

/// The whole answer.
#[component]
pub fn Explanation(explanation: ServerExplanation) -> impl IntoView {
    let ServerExplanation { user_id, offered, gates, tools_known, tools, .. } = explanation;
    let own =
        use_viewer().with_untracked(|viewer| viewer.as_ref().is_some_and(|viewer| viewer.id == user_id));
    let gates = gates.into_iter().map(|gate| view! { <GateLine gate/> }).collect_view();
    view! {
        <div class="stack-tight explanation" data-testid="explanation">
            <p class="explanation-verdict">
                {if offered { "The next turn uses this server." } else { "The next turn does not use this server." }}
            </p>
            <ol class="steps">{gates}</ol>
            {if tools_known {
                view! { <ToolList tools/> }.into_any()
            } else {
                view! { <p class="field-hint">{unknown_tools(own)}</p> }.into_any()
            }}
        </div>
    }
}

/// Why no tools are listed, to the one who is explained or to somebody else.
fn unknown_tools(own: bool) -> &'static str {
    if own {
        "The tools are not listed here: nothing is known of them until a turn of yours uses the server."
    } else {
        "The tools are not listed here: nothing is known of them until this user tests the connection or a turn uses the server."
    }
}

#[component]
fn GateLine(gate: ExplainedGate) -> impl IntoView {
    let (glyph, class, word) = match gate.verdict {
        GateVerdict::Pass => (Glyph::Check, "step tone-ok", "Passes: "),
        GateVerdict::Fail => (Glyph::Cross, "step tone-danger", "Stops here: "),
        GateVerdict::NotApplicable => (Glyph::Dots, "step tone-neutral", "Does not apply: "),
    };
    view! {
        <li class=class>
            <Icon glyph/>
            <span dir="auto"><span class="sr-only">{word}</span>{gate.reason}</span>
        </li>
    }
}

#[component]
fn ToolList(tools: Vec<ExplainedTool>) -> impl IntoView {
    if tools.is_empty() {
        return view! { <p class="field-hint">"The server listed no tools."</p> }.into_any();
    }
    let rows = tools.into_iter().map(|tool| view! { <ToolLine tool/> }).collect_view();
    view! { <ul class="tool-list">{rows}</ul> }.into_any()
}

#[component]
fn ToolLine(tool: ExplainedTool) -> impl IntoView {
    let why = tool_reason(&tool);
    view! {
        <li class="tool-row">
            <div class="min-w-0">
                <code class="tool-name">{tool.name}</code>
                {(!tool.title.is_empty()).then(|| view! { <span class="tool-title" dir="auto">{tool.title}</span> })}
                {why.map(|why| view! { <p class="tool-about" dir="auto">{why}</p> })}
            </div>
            {if tool.offered {
                view! { <Badge tone=Tone::Ok glyph=Glyph::Check text="Offered"/> }
            } else {
                view! { <Badge tone=Tone::Warn glyph=Glyph::Cross text="Not offered"/> }
            }}
        </li>
    }
}

/// What the lists say of a tool: what stops it, else the pattern that lets it in. Nothing where no list speaks of it.
fn tool_reason(tool: &ExplainedTool) -> Option<String> {
    let stops = tool.gates.iter().find(|gate| gate.verdict == GateVerdict::Fail);
    let names = tool.gates.iter().find(|gate| gate.pattern.is_some());
    stops.or(names).map(|gate| gate.reason.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::explain::Gate;

    fn gate(gate: Gate, verdict: GateVerdict, reason: &str, pattern: Option<&str>) -> ExplainedGate {
        ExplainedGate { gate, verdict, reason: reason.into(), pattern: pattern.map(str::to_owned) }
    }

    #[test]
    fn people_are_told_of_themselves_as_you() {
        assert!(unknown_tools(true).contains("yours") && !unknown_tools(true).contains("this user"));
        assert!(unknown_tools(false).contains("this user"));
    }

    #[test]
    fn what_stops_a_tool_is_said_before_what_lets_it_in() {
        let tool = |gates| ExplainedTool {
            name: "t".into(),
            exposed_name: "s__t".into(),
            title: String::new(),
            offered: true,
            failed_gate: None,
            gates,
        };
        let allowed = gate(Gate::AllowList, GateVerdict::Pass, "allowed", Some("t*"));
        let silent = gate(Gate::DenyList, GateVerdict::NotApplicable, "silent", None);
        let denied = gate(Gate::DenyList, GateVerdict::Fail, "denied", Some("t"));
        assert_eq!(tool_reason(&tool(vec![allowed.clone(), denied])).as_deref(), Some("denied"));
        assert_eq!(tool_reason(&tool(vec![allowed, silent.clone()])).as_deref(), Some("allowed"));
        assert_eq!(tool_reason(&tool(vec![silent])), None);
    }
}
