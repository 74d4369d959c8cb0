//! `message_agent`: tells a subagent more. It begins a turn there, or waits behind the one that runs.

use super::{as_text, going_on, task, told, unknown};
use crate::builtins::{BuiltIn, BuiltInCall, Failed, StepFacts};
use api::{
    Timestamp, Uuid,
    chats::QueuedMessage,
    messages::{ChatMessage, MessageRole, Part, ResultContent},
};
use async_trait::async_trait;
use domain::{
    chat::{ChatEvent, ChatState, transition},
    limits::QUEUED_BYTES,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{
    Write,
    chats::{
        ChatRecord, IdempotencyRecord, Made, NewQueued, QueuePlace, QueuedRecord, Transition,
        chat_get_for_update, chat_transition, compaction_request_delete, idempotency_find, idempotency_put,
        queue_insert, queue_list, queue_size,
    },
    messages::{NewMessage, message_insert},
};

pub(in crate::builtins) struct MessageAgent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    agent_id: Uuid,
    message: String,
    #[serde(default)]
    interrupt: bool,
}

/// What a message did, to be told when it is committed.
enum Done {
    Begun(ChatMessage),
    Waits(Vec<QueuedMessage>),
}

#[async_trait]
impl BuiltIn for MessageAgent {
    fn name(&self) -> &'static str {
        "message_agent"
    }

    fn title(&self) -> &'static str {
        "Message a subagent"
    }

    fn description(&self) -> &'static str {
        "Tell a subagent more: it knows its own conversation so far. While it works, the message waits for the end of that, unless you \
         interrupt. Get the answer with wait_agent."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "required": ["agent_id", "message"],
            "additionalProperties": false,
            "properties": {
                "agent_id": {"type": "string", "description": "As spawn_agent said it"},
                "message": {"type": "string"},
                "interrupt": {"type": "boolean", "description": "Stop what it is doing first"}
            }
        })
    }

    fn offered(&self, step: StepFacts<'_>) -> bool {
        step.root
    }

    fn in_order(&self) -> bool {
        true
    }

    async fn run(&self, call: &BuiltInCall<'_>) -> Result<Vec<ResultContent>, Failed> {
        let Message { agent_id, message, interrupt } = call.parse()?;
        let words = task(&message)?;
        let mut write = call.write().await?;
        going_on(&mut write, call).await?;
        let child = chat_get_for_update(&mut write, call.owner, agent_id).await?;
        let child = child.filter(|child| child.parent_chat_id == Some(call.chat)).ok_or_else(unknown)?;
        // A key that no request can have: those are visible characters.
        let key = format!("\u{1}{} {} {}", call.chat, call.message, call.tool_call_id);
        if idempotency_find(&mut write, call.owner, &key).await?.is_some() {
            return Ok(as_text(&told(&child)));
        }
        let now = call.shared.deps.clock.now();
        let (child, done, made) = send(&mut write, call, child, words, interrupt, now).await?;
        let record = IdempotencyRecord {
            request_hash: Sha256::digest(words.as_bytes()).to_vec(),
            chat_id: child.id,
            made,
            created_at: now,
        };
        idempotency_put(&mut write, call.owner, &key, &record).await?;
        write.commit().await?;
        let daemon = call.shared.daemon();
        match done {
            Done::Begun(message) => daemon.turn_begun(&child, &message),
            Done::Waits(queue) => {
                daemon.queue_changed(&child, queue);
                daemon.chat_changed(&child);
                if interrupt {
                    daemon.interrupt(child.id);
                }
            }
        }
        Ok(as_text(&told(&child)))
    }
}

async fn send(
    write: &mut Write,
    call: &BuiltInCall<'_>,
    child: ChatRecord,
    words: &str,
    interrupt: bool,
    now: Timestamp,
) -> Result<(ChatRecord, Done, Made), Failed> {
    let event = if interrupt { ChatEvent::SendNow } else { ChatEvent::Send };
    let state = ChatState { status: child.status, queued: child.queue_length, archived: child.archived };
    let next = transition(state, event).map_err(|conflict| Failed::Refused(conflict.to_string()))?;
    let content = vec![Part::text(words)];
    if !child.status.is_busy() {
        let step = Transition::to(next.status, now).history().lease(call.shared.daemon().lease_on_send());
        let child = chat_transition(write, &child.fence(), &step).await?.ok_or_else(changed)?;
        compaction_request_delete(write, child.id).await?;
        let message = NewMessage {
            chat_id: child.id,
            role: MessageRole::User,
            content,
            model_config_id: child.model_config_id,
            usage: None,
            interrupted: false,
            created_at: now,
        };
        let message = message_insert(write, message).await?;
        let made = Made::Message(message.id);
        return Ok((child, Done::Begun(message), made));
    }
    let size = i64::try_from(words.len()).unwrap_or(i64::MAX);
    if queue_size(write, child.id).await?.saturating_add(size) > QUEUED_BYTES {
        let text = "Too much waits for this subagent already. Wait for it with wait_agent first.";
        return Err(Failed::Refused(text.to_owned()));
    }
    let step = match next.status == child.status {
        true => Transition::stay(&child, now),
        false => Transition::to(next.status, now),
    };
    let child = chat_transition(write, &child.fence(), &step.queue(1)).await?.ok_or_else(changed)?;
    let place = if interrupt { QueuePlace::Next } else { QueuePlace::Last };
    let new = NewQueued {
        chat_id: child.id,
        content,
        size,
        model_config_id: None,
        mcp_server_ids: None,
        plan_mode: None,
        created_at: now,
    };
    let queued = queue_insert(write, place, new).await?;
    let queue = queue_list(write, child.id).await?.iter().map(QueuedRecord::to_wire).collect();
    Ok((child, Done::Waits(queue), Made::Queued(queued.id)))
}

fn changed() -> Failed {
    Failed::Refused("The subagent changed meanwhile. Try again.".to_owned())
}
