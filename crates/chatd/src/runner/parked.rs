//! Turns that wait (behaviour 15 and 18): for an approval, or for the client that runs a tool itself.
//!
//! All calls of a step wait together. The answer with its calls is committed beside one row per call that is waited for, without any intent,
//! and the lease is given back: nothing of ours runs meanwhile. When all is decided, or its time is over, the next runner plans the calls
//! anew, commits the intents together with the use of the approvals, and sends. An approval holds for exactly the call that was shown: the
//! same server, definition and arguments. From the intent on it is used up, so that a crash leaves a call `unknown` like any other.

use super::{
    Runner,
    answer::Answer,
    calls::{Action, Approval, Planned, hash_of, plan_call},
    commit::{Committed, Content},
    results::{
        APPROVED_OTHER, CLIENT_CANCELLED, DENIED, NO_CLIENT_RESULT, NO_ROOM, NOT_APPROVED, client_result,
        own_result,
    },
    toolbox::Toolbox,
    transcript::{prompt_arguments, tool_calls},
};
use crate::{daemon::Deps, error::Exit};
use api::{
    Timestamp, Uuid,
    actions::{ActionKind, ActionState},
    chats::ChatStatus,
    messages::{ChatMessage, Part, ToolCallPart, ToolOutcome, ToolResultPart},
};
use serde_json::Value;
use store::{
    StoreError, Write,
    actions::{ActionRecord, actions_expire, actions_of},
    audit::{AuditEntry, audit_append},
    chats::{ChatRecord, LeaseChange, Transition},
};

impl Planned {
    /// Somebody has to decide or to act before it can go on.
    pub(super) fn waits(&self) -> bool {
        match &self.action {
            Action::Send(sendable) => sendable.approval == Approval::Wanted,
            Action::Client(_) => true,
            Action::BuiltIn(_) | Action::Answer(_) => false,
        }
    }

    /// What is asked, for the call of `message_id`; `None` when nobody is. The database sets the times.
    pub(super) fn ask(&self, chat: &ChatRecord, message_id: i64) -> Option<ActionRecord> {
        let ask = ActionRecord {
            id: self.ask_id()?,
            chat_id: chat.id,
            message_id,
            tool_call_id: self.call.tool_call_id.clone(),
            position: 0,
            kind: ActionKind::Approval,
            state: ActionState::Open,
            owner_id: chat.owner_id,
            mcp_server_id: None,
            server_name: String::new(),
            tool_name: self.call.tool_name.clone(),
            original_name: self.call.tool_name.clone(),
            definition_hash: String::new(),
            argument_hash: String::new(),
            arguments: Value::Null,
            question: None,
            answer: None,
            asked_at: Timestamp(0),
            expires_at: Timestamp(0),
            decided_at: None,
        };
        match &self.action {
            Action::Send(sendable) => {
                let server = &sendable.offered.server.record;
                Some(ActionRecord {
                    position: sendable.position,
                    mcp_server_id: Some(server.id),
                    server_name: server.display_name.clone(),
                    original_name: sendable.offered.tool().name.clone(),
                    definition_hash: sendable.offered.tool().hash.clone(),
                    argument_hash: sendable.argument_hash.clone(),
                    arguments: Value::Object(sendable.arguments.clone()),
                    ..ask
                })
            }
            Action::Client(call) => Some(ActionRecord {
                position: call.position,
                kind: ActionKind::ClientTool,
                argument_hash: call.argument_hash.clone(),
                arguments: Value::Object(call.arguments.clone()),
                ..ask
            }),
            Action::BuiltIn(_) | Action::Answer(_) => None,
        }
    }

    fn ask_id(&self) -> Option<Uuid> {
        match &self.action {
            Action::Send(sendable) if sendable.approval == Approval::Wanted => Some(sendable.id),
            Action::Client(call) => Some(call.id),
            Action::Send(_) | Action::BuiltIn(_) | Action::Answer(_) => None,
        }
    }
}

impl Runner {
    /// Commits the answer with what its calls wait for, and leaves the chat.
    pub(super) async fn park(&mut self, answer: Answer, calls: &[Planned]) -> Result<(), Exit> {
        let mut message = self.assistant(&answer, false);
        for part in &mut message.content {
            let Part::ToolCall(call) = part else { continue };
            let planned = calls.iter().find(|planned| planned.call.tool_call_id == call.tool_call_id);
            call.approval_id =
                planned.filter(|planned| matches!(planned.action, Action::Send(_))).and_then(Planned::ask_id);
        }
        let step = Transition::to(ChatStatus::RequiresAction, self.shared.deps.clock.now())
            .lease(LeaseChange::Release);
        match self.commit(step, Content::Parked { message, calls }).await? {
            Committed::Yes(_) => Ok(()),
            // Stop came first: nobody is asked.
            Committed::Interrupting => self.finish_with(answer, true).await,
        }
    }

    /// Answers the calls of `asked`, the newest message, which an earlier runner left: those that waited go on, what was sent is settled.
    /// At most `room` of them are made, as when they were planned first.
    pub(super) async fn take_up(&mut self, asked: &ChatMessage, room: usize) -> Result<ChatMessage, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        let actions = actions_of(&mut session, self.chat.id, asked.id).await?;
        let waited = actions.iter().any(|action| action.kind != ActionKind::Elicitation);
        let sent = !store::tool_calls::tool_calls_of(&mut session, self.chat.id, asked.id).await?.is_empty();
        drop(session);
        // What was withdrawn belongs to a turn that has ended: nothing of that step goes out any more.
        let withdrawn = actions.iter().any(|action| action.state == ActionState::Cancelled);
        if !waited || sent || withdrawn || self.is_stopping() {
            return self.settle(asked, None).await;
        }
        self.parked = true;
        self.expire().await?;
        let toolbox = match self.toolbox().await {
            Ok(toolbox) => toolbox,
            // What waited is settled all the same, with the end of the turn.
            Err(Exit::Stopped) => return self.settle(asked, None).await,
            Err(exit) => return Err(exit),
        };
        // After the look at the servers, which takes its time.
        let mut session = self.shared.deps.db.read().await?;
        let actions = actions_of(&mut session, self.chat.id, asked.id).await?;
        drop(session);
        let calls = self.plan_waited(asked, &actions, &toolbox, room);
        let step = self.going_on();
        match self.commit(step, Content::Intents { asked, calls: &calls }).await? {
            Committed::Yes(_) => {}
            Committed::Interrupting => return self.settle(asked, None).await,
        }
        let results = self.dispatch(asked, calls).await?;
        self.commit_results(asked, &results, None).await
    }

    /// What becomes of the calls now that all that was waited for is decided.
    fn plan_waited(
        &self,
        asked: &ChatMessage,
        actions: &[ActionRecord],
        toolbox: &Toolbox,
        room: usize,
    ) -> Vec<Planned> {
        let deps = &self.shared.deps;
        let plan = |(at, call): (usize, &ToolCallPart)| {
            let raw = prompt_arguments(call.args.as_ref());
            let planned = || plan_call(call, &raw, at, toolbox, &*deps.clock, &*deps.entropy);
            let now = deps.clock.now();
            let answer = |part| Planned { call: call.clone(), action: Action::Answer(part) };
            if at >= room {
                return answer(own_result(call, ToolOutcome::Error, NO_ROOM, now));
            }
            let Some(action) = call_action(actions, call) else { return planned() };
            if let Some(part) = waited_result(call, action, now) {
                return answer(part);
            }
            if (action.kind, action.state) != (ActionKind::Approval, ActionState::Approved) {
                return answer(own_result(call, ToolOutcome::Cancelled, CLIENT_CANCELLED, now));
            }
            let mut planned = planned();
            if let Action::Send(sendable) = &mut planned.action {
                let tool = sendable.offered.tool();
                let same = Some(sendable.offered.server.record.id) == action.mcp_server_id
                    && tool.name == action.original_name
                    && tool.hash == action.definition_hash
                    && sendable.argument_hash == action.argument_hash
                    // What was shown is what is sent.
                    && action.arguments.as_object().map(hash_of).as_ref() == Some(&action.argument_hash);
                if !same {
                    return answer(own_result(call, ToolOutcome::Denied, APPROVED_OTHER, now));
                }
                sendable.approval = Approval::Given(action.id);
            }
            planned
        };
        tool_calls(asked).enumerate().map(plan).collect()
    }

    /// Ends what nobody decided or used in time.
    async fn expire(&mut self) -> Result<(), Exit> {
        let deps = &self.shared.deps;
        let mut write = deps.db.write().await?;
        expire(deps, &mut write, self.chat.id, self.chat.owner_id).await?;
        write.commit().await?;
        Ok(())
    }

    pub(super) async fn audit_action(
        &self,
        write: &mut Write,
        action: &ActionRecord,
        what: &'static str,
    ) -> Result<(), StoreError> {
        let name = self.owner_name.clone().unwrap_or_default();
        audit_action(&self.shared.deps, write, action, what, name).await
    }
}

/// Ends what nobody decided or used in time in this chat, and says so in the audit log.
pub(crate) async fn expire(
    deps: &Deps,
    write: &mut Write,
    chat: Uuid,
    owner: Uuid,
) -> Result<(), StoreError> {
    let ended = actions_expire(write, chat).await?;
    if ended.iter().all(|action| action.kind == ActionKind::ClientTool) {
        return Ok(());
    }
    let owner = store::users::user_get(write, owner).await?;
    let name = owner.map(|owner| owner.user.username).unwrap_or_default();
    for action in ended {
        let what = match action.kind {
            ActionKind::Elicitation => "elicitation.expired",
            ActionKind::Approval | ActionKind::ClientTool => "approval.expired",
        };
        audit_action(deps, write, &action, what, name.clone()).await?;
    }
    Ok(())
}

/// An entry about an approval or a question, never with what was asked or answered. The tools of clients have no effect of ours.
async fn audit_action(
    deps: &Deps,
    write: &mut Write,
    action: &ActionRecord,
    what: &'static str,
    actor_name: String,
) -> Result<(), StoreError> {
    if action.kind == ActionKind::ClientTool {
        return Ok(());
    }
    let entry = AuditEntry {
        id: domain::clock::new_id(&*deps.clock, &*deps.entropy),
        at: deps.clock.now(),
        actor_id: Some(action.owner_id),
        actor_name,
        credential_id: None,
        address: String::new(),
        user_agent: String::new(),
        request_id: String::new(),
        action: what,
        resource_type: "mcp_server",
        resource_id: action.mcp_server_id.map(|id| id.to_string()).unwrap_or_default(),
        resource_name: action.tool_name.clone(),
        outcome: if what == "approval.expired" { "denied" } else { "ok" },
        changed_fields: vec![
            format!("chat={}", action.chat_id),
            format!("{}={}", action.kind.as_str(), action.id),
            format!("argument_hash={}", action.argument_hash),
        ],
    };
    audit_append(write, &entry).await
}

/// What the call itself waited for.
pub(super) fn call_action<'a>(actions: &'a [ActionRecord], call: &ToolCallPart) -> Option<&'a ActionRecord> {
    actions
        .iter()
        .find(|action| action.kind != ActionKind::Elicitation && action.tool_call_id == call.tool_call_id)
}

/// The result of a call that will not be sent, where waiting for it has made one.
pub(super) fn waited_result(
    call: &ToolCallPart,
    action: &ActionRecord,
    now: Timestamp,
) -> Option<ToolResultPart> {
    use ActionState::{Answered, Denied, Expired};
    Some(match (action.kind, action.state) {
        (ActionKind::Approval, Denied) => own_result(call, ToolOutcome::Denied, DENIED, now),
        (ActionKind::Approval, Expired) => own_result(call, ToolOutcome::Denied, NOT_APPROVED, now),
        (ActionKind::ClientTool, Answered) => {
            client_result(call, action.answer.as_ref().unwrap_or(&Value::Null), now)
        }
        (ActionKind::ClientTool, Denied) => own_result(call, ToolOutcome::Cancelled, CLIENT_CANCELLED, now),
        (ActionKind::ClientTool, Expired) => own_result(call, ToolOutcome::Cancelled, NO_CLIENT_RESULT, now),
        _ => return None,
    })
}
