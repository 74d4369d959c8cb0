//! `spawn_agent`: a chat below this one, with a task as its first message.

use super::{as_text, going_on, task, told};
use crate::{
    builtins::{BuiltIn, BuiltInCall, Failed, StepFacts},
    ports::TurnScope,
};
use api::{
    Uuid,
    chats::{ChatMode, ChatStatus},
    messages::{MessageRole, Part, ResultContent},
};
use async_trait::async_trait;
use domain::{clock::new_id, subagents::spawn_check, title::title_from_prompt};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    chats::{ChatRecord, SpawnedBy, chat_children, chat_get_any, child_insert, child_spawned},
    messages::{NewMessage, message_insert},
};

pub(in crate::builtins) struct SpawnAgent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spawn {
    r#type: ChatMode,
    task: String,
}

#[async_trait]
impl BuiltIn for SpawnAgent {
    fn name(&self) -> &'static str {
        "spawn_agent"
    }

    fn title(&self) -> &'static str {
        "Start a subagent"
    }

    fn description(&self) -> &'static str {
        "Start a subagent: a chat of its own that works on one task, beside you, and does not see this conversation. So write into the \
         task everything that it needs to know, and what it shall answer with. The type general works with the servers of this chat; \
         explore finds something out and changes nothing. It cannot start subagents itself. The answer is the agent_id; get the \
         subagent's answer with wait_agent."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "required": ["type", "task"],
            "additionalProperties": false,
            "properties": {
                "type": {"type": "string", "enum": ["general", "explore"], "description": "What it is for; in plan mode only explore"},
                "task": {"type": "string", "description": "The whole task, in words that stand on their own"}
            }
        })
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        step.root
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        let Spawn { r#type: mode, task: words } = call.parse()?;
        let words = task(&words)?;
        let by = SpawnedBy { message_id: call.message, tool_call_id: call.tool_call_id };
        let servers = match mode {
            ChatMode::General => None,
            ChatMode::Explore => Some(servers_now(call).await?),
        };
        let mut write = call.write().await?;
        let parent = going_on(&mut write, call).await?;
        // Made before a crash; the poll has found it, if nobody else has.
        if let Some(child) = child_spawned(&mut write, parent.id, by).await? {
            return Ok(as_text(&told(&child)));
        }
        let others = chat_children(&mut write, parent.id).await?.len();
        spawn_check(parent.parent_chat_id.is_some(), call.mode.is_plan(), mode, others)
            .map_err(|refused| Failed::Refused(refused.to_string()))?;
        let child = child(call, &parent, mode, servers, words);
        child_insert(&mut write, &child, by).await?;
        let message = NewMessage {
            chat_id: child.id,
            role: MessageRole::User,
            content: vec![Part::text(words)],
            model_config_id: child.model_config_id,
            usage: None,
            interrupted: false,
            created_at: child.created_at,
        };
        let message = message_insert(&mut write, message).await?;
        write.commit().await?;
        call.shared.daemon().turn_begun(&child, &message);
        Ok(as_text(&told(&child)))
    }
}

/// The servers that take part in this step: what an exploring subagent has from now on, and never more.
async fn servers_now(call: &BuiltInCall<'_>) -> Result<Vec<Uuid>, Failed> {
    let mut session = call.shared.deps.db.read().await?;
    let parent = chat_get_any(&mut session, call.chat).await?.ok_or(Failed::Lost)?;
    drop(session);
    let scope = TurnScope { owner: call.owner, selected: &parent.mcp_server_ids, mode: call.mode };
    let servers = call.shared.deps.servers.step_servers(scope).await.map_err(|error| {
        tracing::warn!(chat = %call.chat, %error, "no subagent is made: the servers could not be loaded");
        Failed::Refused("No subagent was started: the servers could not be read. Try again.".to_owned())
    })?;
    Ok(servers.into_iter().map(|server| server.record.id).collect())
}

fn child(
    call: &BuiltInCall<'_>,
    parent: &ChatRecord,
    mode: ChatMode,
    servers: Option<Vec<Uuid>>,
    words: &str,
) -> ChatRecord {
    let deps = &call.shared.deps;
    let now = deps.clock.now();
    ChatRecord {
        id: new_id(&*deps.clock, &*deps.entropy),
        parent_chat_id: Some(parent.id),
        mode: Some(mode),
        title: title_from_prompt(words),
        title_source: "prompt".to_owned(),
        status: ChatStatus::Running,
        last_error: None,
        mcp_server_ids: servers.unwrap_or_else(|| parent.mcp_server_ids.clone()),
        labels: std::collections::BTreeMap::new(),
        archived: false,
        pin_order: 0,
        // What its parent's turn is in counts, at each step.
        plan_mode: api::chats::PlanMode::Off,
        turn_plan_mode: api::chats::PlanMode::Off,
        plan_version: 0,
        snapshot_version: 1,
        history_version: 1,
        edit_version: 0,
        queue_length: 0,
        queue_version: 0,
        generation_attempt: 0,
        lease_holder: None,
        lease_epoch: 0,
        lease_expires_at: None,
        created_at: now,
        updated_at: now,
        queued_for_capacity: false,
        // The client runs its tools for the chat that it follows.
        dynamic_tools: Vec::new(),
        // Owner, model, workspace, and who asked for it.
        ..parent.clone()
    }
}
