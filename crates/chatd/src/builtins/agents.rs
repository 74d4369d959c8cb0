//! Subagents (behaviour 21): `spawn_agent`, `wait_agent`, `message_agent`, `list_agents`. Offered to root chats only; a subagent that
//! writes such a call all the same has no such tool, and the chat above is looked at once more under its row lock.

mod message;
mod spawn;
mod wait;

pub(super) use message::MessageAgent;
pub(super) use spawn::SpawnAgent;
pub(super) use wait::WaitAgent;

use super::{BuiltIn, BuiltInCall, Failed, StepFacts, text};
use crate::limits;
use api::{
    Uuid,
    chats::{ChatMode, ChatStatus},
    messages::ResultContent,
};
use async_trait::async_trait;
use domain::text::human_bytes;
use serde_json::{Value, json};
use store::{
    Session, Write,
    chats::{ChatRecord, chat_children, chat_get, chat_get_any},
};

/// What the model is told of a subagent.
fn told(child: &ChatRecord) -> Value {
    json!({
        "agent_id": child.id,
        "type": child.mode.map(ChatMode::as_str),
        "title": child.title,
        "status": status_word(child),
    })
}

fn status_word(child: &ChatRecord) -> &'static str {
    match child.status {
        ChatStatus::Waiting => "finished",
        ChatStatus::Running => "working",
        ChatStatus::Interrupting => "stopping",
        ChatStatus::RequiresAction => "waits for the user",
        ChatStatus::Error => "failed",
    }
}

fn as_text(value: &Value) -> Vec<ResultContent> {
    text(value.to_string())
}

/// The chat of this call, under its row lock. One that is being stopped starts nothing more: its subagents were stopped with it, and
/// nobody would stop what came after that.
async fn going_on(write: &mut Write, call: &BuiltInCall<'_>) -> Result<ChatRecord, Failed> {
    let chat = chat_get_any(write, call.chat).await?.ok_or(Failed::Lost)?;
    // A server that asks somebody meanwhile stops nothing.
    match chat.status {
        ChatStatus::Running | ChatStatus::RequiresAction => Ok(chat),
        _ => Err(Failed::Stopped),
    }
}

/// A subagent of the chat of this call; that of another chat is none.
async fn own_child(session: &mut Session, call: &BuiltInCall<'_>, id: Uuid) -> Result<ChatRecord, Failed> {
    let child = chat_get(session, call.owner, id).await?;
    child.filter(|child| child.parent_chat_id == Some(call.chat)).ok_or_else(unknown)
}

fn unknown() -> Failed {
    Failed::Refused(
        "This chat has no such subagent; it may have been deleted. list_agents says which there are."
            .to_owned(),
    )
}

/// What a subagent is asked for, not empty and not endless.
fn task(words: &str) -> Result<&str, Failed> {
    let words = words.trim();
    if words.is_empty() {
        return Err(Failed::Refused("The text is empty. Say what the subagent is to do.".to_owned()));
    }
    if words.len() > limits::AGENT_TASK {
        return Err(Failed::Refused(format!(
            "The text has {}; a subagent takes at most {}. Shorten it.",
            human_bytes(words.len()),
            human_bytes(limits::AGENT_TASK)
        )));
    }
    Ok(words)
}

pub(super) struct ListAgents;

#[async_trait]
impl BuiltIn for ListAgents {
    fn name(&self) -> &'static str {
        "list_agents"
    }

    fn title(&self) -> &'static str {
        "List subagents"
    }

    fn description(&self) -> &'static str {
        "List the subagents of this chat with their ids, types and states."
    }

    fn parameters(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        step.root
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        let mut session = call.shared.deps.db.read().await?;
        let children = chat_children(&mut session, call.chat).await?;
        Ok(as_text(&json!({"agents": children.iter().map(told).collect::<Vec<_>>()})))
    }
}
