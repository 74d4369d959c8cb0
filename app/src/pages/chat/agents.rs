//! Subagents on the page (behaviour 21): the way from a call to the subagent it is about, from the subagent back to its chat, and below
//! a chat in the list.

use super::{list::status_word, transcript::call::CallView};
use crate::components::{Glyph, Icon};
use api::{
    Uuid,
    chats::{Chat, ChatMode},
    messages::{ResultContent, ToolCallPart, ToolResultPart},
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Patchbay's own tools that are about one subagent.
const AGENT_TOOLS: [&str; 3] = ["spawn_agent", "wait_agent", "message_agent"];

/// The subagent that a call is about, once its result names it. A server's tool of the same name means nothing.
pub(super) fn agent_of(call: &CallView) -> Option<Uuid> {
    agent_in(&call.call, call.result.as_ref()?)
}

fn agent_in(call: &ToolCallPart, result: &ToolResultPart) -> Option<Uuid> {
    if call.mcp_server_config_id.is_some() || !AGENT_TOOLS.contains(&call.tool_name.as_str()) {
        return None;
    }
    let text = result.result.iter().find_map(|content| match content {
        ResultContent::Text { text } => Some(text.as_str()),
        _ => None,
    })?;
    let said: serde_json::Value = serde_json::from_str(text).ok()?;
    said.get("agent_id")?.as_str()?.parse().ok()
}

/// The way to the transcript of the subagent of a call.
#[component]
pub(super) fn AgentLink(call: Memo<Option<CallView>>) -> impl IntoView {
    let agent = Memo::new(move |_| call.with(|call| call.as_ref().and_then(agent_of)));
    move || {
        agent.get().map(|id| {
            view! {
                " "
                <a class="chat-link" data-testid="agent-link" href=format!("/chats/{id}")>"Open subagent"</a>
            }
        })
    }
}

/// What a subagent is for, in a word before "subagent".
fn kind_word(mode: Option<ChatMode>) -> &'static str {
    match mode {
        Some(ChatMode::Explore) => "Research subagent",
        Some(ChatMode::General) | None => "Subagent",
    }
}

/// Above the transcript of a subagent: whose it is.
#[component]
pub(super) fn SubagentOf(mode: Option<ChatMode>, parent: Chat) -> impl IntoView {
    view! {
        <p class="chat-subagent" data-testid="subagent-of">
            <Icon glyph=Glyph::ArrowLeft />
            <span>
                {kind_word(mode)} " of "
                <a class="chat-link" href=format!("/chats/{}", parent.id)><bdi>{parent.title}</bdi></a>
            </span>
        </p>
    }
}

/// In place of the composer of a subagent.
#[component]
pub(super) fn SubagentFoot(
    #[prop(into)] busy: Signal<bool>,
    #[prop(into)] stopping: Signal<bool>,
    on_stop: Callback<()>,
) -> impl IntoView {
    view! {
        <div class="chat-archived" data-testid="subagent-foot">
            <p>"This is a subagent: its chat tells it what to do. You can watch it and stop it."</p>
            <Show when=move || busy.get()>
                <button type="button" class="btn btn-small" disabled=move || stopping.get() on:click=move |_| on_stop.run(())>
                    {move || if stopping.get() { "Stopping" } else { "Stop" }}
                </button>
            </Show>
        </div>
    }
}

/// The subagents of a chat of the list: while one of them is at work, or the chat or one of them is open.
#[component]
pub(super) fn ListChildren(parent: Uuid, agents: Vec<Chat>) -> impl IntoView {
    let location = use_location();
    let paths: Vec<String> =
        agents.iter().map(|child| child.id).chain([parent]).map(|id| format!("/chats/{id}")).collect();
    let busy = agents.iter().any(|child| child.status.is_busy());
    let open = Memo::new(move |_| busy || location.pathname.with(|here| paths.contains(here)));
    let agents = StoredValue::new(agents);
    view! {
        <Show when=move || open.get()>
            <ul class="chat-list-children" aria-label="Subagents">
                {agents.with_value(|agents| {
                    agents.iter().cloned().map(|child| view! { <ListChild child /> }).collect_view()
                })}
            </ul>
        </Show>
    }
}

#[component]
fn ListChild(child: Chat) -> impl IntoView {
    let path = StoredValue::new(format!("/chats/{}", child.id));
    let location = use_location();
    let is_current = Memo::new(move |_| path.with_value(|path| location.pathname.with(|here| here == path)));
    view! {
        <li class="chat-list-child chat-list-row" data-testid="list-child" data-current=move || is_current.get().to_string()>
            <a class="chat-list-link" href=path.get_value() aria-current=move || is_current.get().then_some("page")>
                <span class="chat-list-title" dir="auto">{child.title}</span>
                {status_word(child.status)
                    .map(|(class, word)| view! { <span class=format!("chat-list-state {class}")>{word}</span> })}
            </a>
        </li>
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;
    use api::messages::Part;
    use serde_json::json;

    fn view(tool: &str, server: Option<Uuid>, result: &str) -> Option<Uuid> {
        let call: Part = serde_json::from_value(json!({
            "type": "tool-call", "tool_call_id": "c", "tool_name": tool, "mcp_server_config_id": server, "args": {},
            "created_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let Part::ToolCall(call) = call else { panic!("a call") };
        let result: Part = serde_json::from_value(json!({
            "type": "tool-result", "tool_call_id": "c", "tool_name": tool, "mcp_server_config_id": server,
            "result": [{"type": "text", "text": result}], "is_error": false, "outcome": "ok", "created_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let Part::ToolResult(result) = result else { panic!("a result") };
        agent_in(&call, &result)
    }

    #[test]
    fn a_call_leads_to_its_subagent() {
        let id = Uuid::from_u128(5);
        let said = json!({"agent_id": id, "status": "working"}).to_string();
        for tool in AGENT_TOOLS {
            assert_eq!(view(tool, None, &said), Some(id));
        }
        assert_eq!(view("list_agents", None, &said), None);
        assert_eq!(view("spawn_agent", Some(Uuid::from_u128(9)), &said), None, "a server's tool");
        for text in ["no JSON", "{}", r#"{"agent_id": "x"}"#, r#"{"agent_id": 7}"#, "[]"] {
            assert_eq!(view("spawn_agent", None, text), None, "{text}");
        }
    }

    #[test]
    fn a_subagent_says_whose_it_is() {
        assert_eq!(kind_word(Some(ChatMode::Explore)), "Research subagent");
        assert_eq!(kind_word(Some(ChatMode::General)), "Subagent");
    }
}
