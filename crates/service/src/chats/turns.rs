//! Turns: send, edit or go on, stop, wait (behaviour 18).

use super::{
    MESSAGES_PAGE_MAX, auth_required,
    children::{ChildrenMoved, not_a_child},
    idempotency::request_hash,
    queue::Waiting,
    text_parts, user_message,
};
use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Timestamp, Uuid, Validation,
    chats::{
        AuthRequired, BusyBehavior, Chat, ChatStatus, MessageCreate, MessageEdit, MessageSent, PlanMode,
        QueuedMessage,
    },
    messages::{ChatMessage, MessageRole},
};
use chatd::Awaited;
use domain::{
    availability::{Selection, servers_after_message},
    chat::{ChatConflict, ChatEvent, ChatState, transition},
    mcp_server::ServerRecord,
};
use std::time::{Duration, Instant};
use store::{
    Write,
    chats::{self, ChatRecord, LeaseChange, Made, Transition},
    messages::{self, PageRequest},
};

impl Service {
    /// Appends a user message and starts a turn, or lets it wait for the one that runs. Durable before the answer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] in an archived chat and where the queue is full.
    pub async fn message_send(
        &self,
        ctx: &OpContext,
        id: Uuid,
        request: MessageCreate,
        key: Option<&str>,
    ) -> Result<MessageSent> {
        let owner = ctx.require()?.user.id;
        let hash = request_hash(&request, &id.to_string())?;
        let mut wrong = Vec::new();
        let mut content = text_parts(&request.content, &mut wrong);
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        // Under the row lock: of two equal requests at once the second finds what the first made.
        if let Some(found) = self.replayed(&mut write, owner, key, &hash).await? {
            drop(write);
            return self.message_replay(ctx, &found).await;
        }
        not_a_child(&record)?;
        let requested = request.mcp_server_ids.as_deref();
        let servers = self.chat_servers(ctx, &mut write, &record.mcp_server_ids, requested).await?;
        let selection = select(&servers.records, &record, requested, &mut wrong);
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        self.files_attach(&mut write, (owner, id), &mut content, &[]).await?;
        let behavior = request.busy_behavior.unwrap_or_default();
        let waits = record.status.is_busy() || record.queue_length > 0 && behavior == BusyBehavior::Queue;
        if waits {
            let waiting = Waiting {
                content,
                model: request.model_config_id,
                servers: request.mcp_server_ids.is_some().then_some(selection.ids),
                plan_mode: request.plan_mode,
                behavior,
            };
            let (queued, changed) = self.message_wait(ctx, &mut write, record, waiting).await?;
            if !self.remember(&mut write, owner, key, &hash, (id, Made::Queued(queued.id))).await? {
                return Err(key_used_elsewhere());
            }
            let after = changed.record.clone();
            self.queue_commit(write, changed).await?;
            let required = auth_required(self, &servers, &after);
            return Ok(waiting_answer(queued.to_wire(), after.status, selection.warnings, required));
        }
        let now = self.now();
        let turn = Turn {
            event: ChatEvent::Send,
            rewrite: false,
            lease: self.deps().chatd.lease_on_send(),
            model: request.model_config_id,
            servers: selection.ids,
            plan_mode: request.plan_mode,
            now,
        };
        let planned = record.plan_mode;
        let record = begin_turn(&mut write, record, turn).await?;
        self.plan_mode_audit(&mut write, ctx, &record, planned).await?;
        let message = messages::message_insert(&mut write, user_message(&record, content, now)).await?;
        if !self.remember(&mut write, owner, key, &hash, (id, Made::Message(message.id))).await? {
            return Err(key_used_elsewhere());
        }
        self.turn_commit(write, &record, &message).await?;
        Ok(sent(message, record.status, selection.warnings, auth_required(self, &servers, &record)))
    }

    /// Edits a user message and reruns from there. Without content the same text runs again; after a failed turn that goes on where
    /// the turn failed: what its tools have done stays, and nothing is done twice. An edit empties the queue.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`] for an archived chat, and without content while a turn is running.
    pub async fn message_edit(
        &self,
        ctx: &OpContext,
        id: Uuid,
        message_id: i64,
        request: MessageEdit,
    ) -> Result<MessageSent> {
        let owner = ctx.require()?.user.id;
        let mut wrong = Vec::new();
        let mut content = request.content.as_ref().map(|content| text_parts(content, &mut wrong));
        self.check_model(ctx, request.model_config_id, &mut wrong).await?;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let current = messages::message_get(&mut write, id, message_id).await?.ok_or(Error::NotFound)?;
        // A failed subagent may be told to go on; nothing else is asked of it but by its chat.
        let asks_more = content.is_some() || request.mcp_server_ids.is_some() || request.plan_mode.is_some();
        let goes_on = record.status == ChatStatus::Error && !asks_more;
        if !goes_on {
            not_a_child(&record)?;
        }
        if current.role != MessageRole::User {
            wrong.push(Validation::new("message", "Only a message of yours can be edited."));
        }
        let requested = request.mcp_server_ids.as_deref();
        let servers = self.chat_servers(ctx, &mut write, &record.mcp_server_ids, requested).await?;
        let selection = select(&servers.records, &record, requested, &mut wrong);
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        let now = self.now();
        if let Some(content) = &mut content {
            self.files_attach(&mut write, (owner, id), content, &current.content).await?;
        }
        // The same text again means nothing while it is being answered.
        if content.is_none() && record.status.is_busy() {
            return Err(Error::conflict(ChatConflict::Busy.to_string()));
        }
        let retry = content.is_none() && record.status == ChatStatus::Error;
        let (rewrite, hide_after) =
            if retry { resume_point(&mut write, id, message_id).await? } else { (true, Some(message_id)) };
        let (had_queue, superseded) = (record.queue_length > 0, record.status.is_busy());
        let turn = Turn {
            event: if retry { ChatEvent::Retry } else { ChatEvent::Edit },
            rewrite,
            lease: self.deps().chatd.lease_on_send(),
            model: request.model_config_id,
            servers: selection.ids,
            plan_mode: request.plan_mode,
            now,
        };
        let planned = record.plan_mode;
        let record = begin_turn(&mut write, record, turn).await?;
        self.plan_mode_audit(&mut write, ctx, &record, planned).await?;
        if had_queue && record.queue_length == 0 {
            chats::queue_clear(&mut write, id).await?;
        }
        if let Some(after) = hide_after {
            self.calls_abandon(ctx, &mut write, id, after).await?;
            store::actions::actions_cancel(&mut write, id, after).await?;
            messages::messages_hide_after(&mut write, id, after).await?;
        }
        let mut message = match content {
            Some(content) => messages::message_replace(&mut write, id, message_id, content)
                .await?
                .ok_or(Error::NotFound)?,
            None => current,
        };
        // What was asked of them may be gone with the history.
        let children =
            if rewrite { self.children_stop(&mut write, id).await? } else { ChildrenMoved::default() };
        if superseded {
            chats::compaction_request_delete(&mut write, id).await?;
            // Elsewhere it hears of it with its next heartbeat. Before the commit, while this transaction keeps it from ending the chat:
            // a stop that came later would hit the turn that begins here.
            self.deps().chatd.interrupt(id);
        }
        self.turn_commit(write, &record, &message).await?;
        self.children_announce(&children);
        if had_queue && record.queue_length == 0 {
            self.deps().chatd.queue_changed(&record, Vec::new());
        }
        self.veil(ctx, std::slice::from_mut(&mut message));
        Ok(sent(message, record.status, selection.warnings, auth_required(self, &servers, &record)))
    }

    /// Calls whose messages are about to be hidden while they are under way: nobody will say what came of them.
    async fn calls_abandon(&self, ctx: &OpContext, write: &mut Write, id: Uuid, after: i64) -> Result<()> {
        for call in store::tool_calls::tool_calls_abandon(write, id, after, self.now()).await? {
            let intent = call.intent;
            let facts = vec![
                format!("chat={id}"),
                format!("argument_hash={}", intent.argument_hash),
                "outcome=unknown".to_owned(),
            ];
            let name = &intent.exposed_name;
            let act = Act::on("tool_call.ended", "mcp_server", intent.mcp_server_id, name).fields(facts);
            self.audit_outcome(write, ctx, act, "failed").await?;
        }
        Ok(())
    }

    /// Stops the running turn and the subagents; what has arrived stays. Pressing it too late is no mistake.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn chat_interrupt(&self, ctx: &OpContext, id: Uuid) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        // At once in this process; the row tells every other one.
        let mut session = self.db().read().await?;
        self.chat_own(ctx, &mut session, id).await?;
        drop(session);
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let next = transition(state_of(&record), ChatEvent::Interrupt)
            .map_err(|e| Error::conflict(e.to_string()))?;
        let record = if next.status == record.status {
            record
        } else {
            let step = Transition::to(next.status, self.now());
            let moved = chats::chat_transition(&mut write, &record.fence(), &step).await?;
            moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?
        };
        // They may be at work while their chat is idle.
        let children = self.children_stop(&mut write, id).await?;
        write.commit().await?;
        // Only for a turn that the row knows: a Stop that comes late must not hit the next one.
        if record.status == ChatStatus::Interrupting {
            self.deps().chatd.interrupt(id);
        }
        self.status_announce(&record);
        self.children_announce(&children);
        Ok(record.to_wire())
    }

    /// Waits until the turn that `first` began is over or `patience` has passed: every message of it so far, and the chat as it is
    /// then.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn turn_wait(
        &self,
        ctx: &OpContext,
        id: Uuid,
        first: i64,
        patience: Duration,
    ) -> Result<(Vec<ChatMessage>, Chat)> {
        let hub = self.deps().chatd.hub();
        hub.wait_for(self.db(), id, Awaited::NextTurn(first), patience).await?;
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, id).await?;
        // What came behind it is no part of this turn.
        let end = messages::user_message_after(&mut session, id, first).await?;
        let page = PageRequest { before_id: None, after_id: Some(first - 1), limit: MESSAGES_PAGE_MAX };
        let (mut messages, _) = messages::message_page(&mut session, id, page).await?;
        messages.retain(|message| end.is_none_or(|end| message.id < end));
        self.veil(ctx, &mut messages);
        Ok((messages, chat.to_wire()))
    }

    /// The same for a message that waits: every message from the one it became on, none while it still waits.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn queued_wait(
        &self,
        ctx: &OpContext,
        id: Uuid,
        queued: i64,
        patience: Duration,
    ) -> Result<(Vec<ChatMessage>, Chat)> {
        let began = Instant::now();
        let hub = self.deps().chatd.hub();
        hub.wait_for(self.db(), id, Awaited::Unqueued(queued), patience).await?;
        let mut session = self.db().read().await?;
        let chat = self.chat_own(ctx, &mut session, id).await?;
        let became = chats::queue_find(&mut session, id, queued).await?.and_then(|found| found.message_id);
        drop(session);
        match became {
            Some(first) => self.turn_wait(ctx, id, first, patience.saturating_sub(began.elapsed())).await,
            None => Ok((Vec::new(), chat.to_wire())),
        }
    }
}

/// The state that the next event of the chat starts from.
pub(crate) fn state_of(record: &ChatRecord) -> ChatState {
    ChatState { status: record.status, queued: record.queue_length, archived: record.archived }
}

fn key_used_elsewhere() -> Error {
    Error::conflict("This Idempotency-Key was used for another chat at the same time. Use a new one.")
}

fn select(
    visible: &[ServerRecord],
    record: &ChatRecord,
    requested: Option<&[Uuid]>,
    wrong: &mut Vec<Validation>,
) -> Selection {
    servers_after_message(visible, &record.mcp_server_ids, requested).unwrap_or_else(|refused| {
        wrong.extend(refused);
        Selection::default()
    })
}

/// How a turn begins.
struct Turn {
    event: ChatEvent,
    /// The history is rewritten, so that every reader starts anew; else it only grows.
    rewrite: bool,
    /// The runner of this process starts under it: one commit less in every turn.
    lease: LeaseChange,
    model: Option<Uuid>,
    servers: Vec<Uuid>,
    /// What the chat is switched to with it.
    plan_mode: Option<PlanMode>,
    now: Timestamp,
}

/// Where a failed turn of the message goes on: after its finished tools if they are the last thing that happened, without the torso
/// of a broken answer; from the message itself otherwise. Whether the history is rewritten, and the message after which everything is
/// hidden.
async fn resume_point(write: &mut Write, chat: Uuid, message_id: i64) -> Result<(bool, Option<i64>)> {
    let page = PageRequest { before_id: None, after_id: Some(message_id), limit: MESSAGES_PAGE_MAX };
    let (later, more) = messages::message_page(write, chat, page).await?;
    let rewrite = (true, Some(message_id));
    // Behind a cleared context the model would be told nothing of the message.
    if chats::boundary_is_cleared_after(write, chat, message_id).await? {
        return Ok(rewrite);
    }
    if more || later.iter().any(|message| message.role == MessageRole::User) {
        return Ok(rewrite);
    }
    Ok(match later.last() {
        None => (false, None),
        Some(last) if last.role == MessageRole::Tool => (false, None),
        Some(last) if last.interrupted => (true, Some(last.id - 1)),
        Some(_) => rewrite,
    })
}

/// Moves the chat to `running` under the row lock, with the model, servers and plan mode of the message.
async fn begin_turn(write: &mut Write, mut record: ChatRecord, turn: Turn) -> Result<ChatRecord> {
    let state = state_of(&record);
    let next = transition(state, turn.event).map_err(|e| Error::conflict(e.to_string()))?;
    let mode = turn.plan_mode.unwrap_or(record.plan_mode);
    if turn.model.is_some_and(|id| record.model_config_id != Some(id))
        || turn.servers != record.mcp_server_ids
        || (record.plan_mode, record.turn_plan_mode) != (mode, mode)
    {
        (record.plan_mode, record.turn_plan_mode) = (mode, mode);
        record.model_config_id = turn.model.or(record.model_config_id);
        record.mcp_server_ids = turn.servers;
        record.updated_at = turn.now;
        chats::chat_update_fields(write, &record).await?;
    }
    let step = Transition::to(next.status, turn.now).lease(turn.lease).queue(next.queued - state.queued);
    let step = if turn.rewrite { step.rewrite() } else { step.history() };
    let moved = chats::chat_transition(write, &record.fence(), &step).await?;
    // A wish for a summary that nobody carried out must not meet this turn instead.
    chats::compaction_request_delete(write, record.id).await?;
    moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))
}

pub(super) fn sent(
    message: ChatMessage,
    status: ChatStatus,
    warnings: Vec<String>,
    auth_required: Vec<AuthRequired>,
) -> MessageSent {
    MessageSent {
        messages: vec![message.clone()],
        message: Some(message),
        status,
        queued: false,
        queued_message: None,
        warnings,
        auth_required,
    }
}

/// The answer to a message that waits.
pub(super) fn waiting_answer(
    queued: QueuedMessage,
    status: ChatStatus,
    warnings: Vec<String>,
    auth_required: Vec<AuthRequired>,
) -> MessageSent {
    MessageSent {
        message: None,
        messages: Vec::new(),
        status,
        queued: true,
        queued_message: Some(queued),
        warnings,
        auth_required,
    }
}
