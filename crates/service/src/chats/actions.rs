//! What turns wait for, decided by the owner of the chat or brought by its client (behaviour 15, 17 and 18).

use super::turns::state_of;
use crate::{Error, OpContext, Result, Service, audit::Act};
use api::{
    Uuid, Validation,
    actions::{
        ActionKind, ActionState, ChatAction, ClientToolResult, Decision, ElicitationAnswer, ToolResults,
    },
    chats::{Chat, ChatStatus},
};
use domain::{
    chat::{ChatEvent, transition},
    elicitation::{Action, Answer, Elicitation},
    limits::{CLIENT_RESULT_BYTES, CLIENT_RESULTS, PARKED_SECONDS},
};
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{
    Session, Write,
    actions::{self, ActionRecord, action_decide, action_get, actions_open, actions_waiting},
    chats::{self, ChatRecord, Transition},
};

/// How long an approval that was given can be used.
const USABLE: Duration = Duration::from_secs(PARKED_SECONDS);

/// What a chat waits for, as REST shows it.
pub(super) async fn actions_wire(session: &mut Session, chat: &ChatRecord) -> Result<Vec<ChatAction>> {
    if chat.status != ChatStatus::RequiresAction {
        return Ok(Vec::new());
    }
    let waiting = actions_waiting(session, chat.id).await?;
    Ok(waiting.iter().map(ActionRecord::to_wire).collect())
}

impl Service {
    /// Lets a call go out, once and exactly as it was shown, or not. The same decision again is no mistake.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it was decided otherwise, its time is over, or the turn went another way.
    pub async fn approval_decide(
        &self,
        ctx: &OpContext,
        id: Uuid,
        approval: Uuid,
        decision: Decision,
    ) -> Result<ChatAction> {
        let owner = ctx.require()?.user.id;
        let state = match decision {
            Decision::Approve => ActionState::Approved,
            Decision::Deny => ActionState::Denied,
        };
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let action = action_get(&mut write, id, approval)
            .await?
            .filter(|action| action.kind == ActionKind::Approval && action.owner_id == owner)
            .ok_or(Error::NotFound)?;
        // A click that was sent twice.
        if action.state == state {
            return Ok(action.to_wire());
        }
        let decided = self.decide(&mut write, &record, &action, state, None).await?;
        let what = match decision {
            Decision::Approve => "approval.given",
            Decision::Deny => "approval.denied",
        };
        let facts = vec![
            format!("chat={id}"),
            format!("approval={approval}"),
            format!("argument_hash={}", decided.argument_hash),
        ];
        let server = decided.mcp_server_id.unwrap_or_default();
        self.audit(&mut write, ctx, Act::on(what, "mcp_server", server, &decided.tool_name).fields(facts))
            .await?;
        self.go_on(write, record).await?;
        Ok(decided.to_wire())
    }

    /// Answers a question of a server. What is answered goes to that server only, never into the log.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming each field; [`Error::Conflict`] when it was answered or is over.
    pub async fn elicitation_answer(
        &self,
        ctx: &OpContext,
        id: Uuid,
        elicitation: Uuid,
        request: ElicitationAnswer,
    ) -> Result<ChatAction> {
        let owner = ctx.require()?.user.id;
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        let action = action_get(&mut write, id, elicitation)
            .await?
            .filter(|action| action.kind == ActionKind::Elicitation && action.owner_id == owner)
            .ok_or(Error::NotFound)?;
        let (state, answer) = checked(&action, &request)?;
        let decided = self.decide(&mut write, &record, &action, state, Some(answer.to_wire())).await?;
        let facts = vec![
            format!("chat={id}"),
            format!("elicitation={elicitation}"),
            format!("action={}", answer.action().name()),
        ];
        let server = decided.mcp_server_id.unwrap_or_default();
        let act = Act::on("elicitation.answered", "mcp_server", server, &decided.tool_name).fields(facts);
        self.audit(&mut write, ctx, act).await?;
        // The runner whose call it is takes it from here.
        self.told(write, record, None).await?;
        Ok(decided.to_wire())
    }

    /// Brings results of tools that the client runs itself. All of a request are taken, or none.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Invalid`] naming a result that no call waits for; [`Error::Conflict`] when nothing waits.
    pub async fn tool_results_submit(&self, ctx: &OpContext, id: Uuid, request: ToolResults) -> Result<Chat> {
        let owner = ctx.require()?.user.id;
        let mut wrong = result_problems(&request.results);
        let mut write = self.db().write().await?;
        let record = chats::chat_get_for_update(&mut write, owner, id).await?.ok_or(Error::NotFound)?;
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        if record.status != ChatStatus::RequiresAction {
            return Err(Error::conflict("This chat waits for no results."));
        }
        let waiting = actions_waiting(&mut write, id).await?;
        for (at, result) in request.results.into_iter().enumerate() {
            let wanted = waiting.iter().find(|action| {
                action.kind == ActionKind::ClientTool
                    && action.state == ActionState::Open
                    && action.tool_call_id == result.tool_call_id
            });
            let Some(wanted) = wanted else {
                let detail = "No call of a tool of the client waits under this id.";
                wrong.push(Validation::new(format!("results[{at}].tool_call_id"), detail));
                continue;
            };
            let (state, answer) = match result.cancelled {
                true => (ActionState::Denied, None),
                false => (
                    ActionState::Answered,
                    Some(json!({"output": result.output, "is_error": result.is_error})),
                ),
            };
            self.decide(&mut write, &record, wanted, state, answer).await?;
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        Ok(self.go_on(write, record).await?.to_wire())
    }

    async fn decide(
        &self,
        write: &mut Write,
        record: &ChatRecord,
        action: &ActionRecord,
        state: ActionState,
        answer: Option<Value>,
    ) -> Result<ActionRecord> {
        if action.state != ActionState::Open || record.status != ChatStatus::RequiresAction {
            return Err(Error::conflict(match action.state {
                ActionState::Expired => "Its 5 minutes are over. Ask again in the chat.",
                _ => "This was decided already, or the turn was stopped.",
            }));
        }
        let decided = action_decide(write, action.id, state, answer, USABLE).await?;
        decided.ok_or_else(|| Error::conflict("Its 5 minutes are over. Ask again in the chat."))
    }

    /// Commits a decision, lets the turn go on once nothing is open any more, and tells who watches; also when the caller leaves in
    /// between.
    async fn go_on(&self, mut write: Write, record: ChatRecord) -> Result<ChatRecord> {
        let step = match actions_open(&mut write, record.id).await? {
            0 => {
                let next = transition(state_of(&record), ChatEvent::Answered)
                    .map_err(|refused| Error::conflict(refused.to_string()))?;
                Some(Transition::to(next.status, self.now()).lease(self.deps().chatd.lease_on_send()))
            }
            _ => None,
        };
        self.told(write, record, step).await
    }

    /// Commits and tells what is decided; with `step` the turn goes on.
    async fn told(
        &self,
        mut write: Write,
        record: ChatRecord,
        step: Option<Transition>,
    ) -> Result<ChatRecord> {
        let shown = actions_waiting_or_decided(&mut write, &record).await?;
        let step = step.unwrap_or_else(|| Transition::stay(&record, self.now()));
        let moved = chats::chat_transition(&mut write, &record.fence(), &step).await?;
        let record = moved.ok_or_else(|| Error::conflict("The chat changed meanwhile. Try again."))?;
        let service = self.clone();
        let work = async move {
            write.commit().await?;
            let publisher = service.deps().chatd.hub().publisher(record.id, record.edit_version);
            publisher.actions(&record, &shown);
            publisher.status(&record);
            if record.status == ChatStatus::Running {
                service.deps().chatd.wake_chat(&record);
            }
            Result::Ok(record)
        };
        tokio::spawn(work).await.map_err(|error| Error::internal("deciding what a turn waits for", error))?
    }
}

/// What was asked for the message whose calls wait, or waited until now.
async fn actions_waiting_or_decided(write: &mut Write, record: &ChatRecord) -> Result<Vec<ActionRecord>> {
    // Nothing follows the message of a parked turn.
    let last = store::messages::message_last_id(write, record.id).await?;
    Ok(actions::actions_of(write, record.id, last).await?)
}

/// The answer as it goes to the server, and what becomes of the row.
fn checked(action: &ActionRecord, request: &ElicitationAnswer) -> Result<(ActionState, Answer)> {
    let empty = Map::new();
    let content = request.content.as_ref().unwrap_or(&empty);
    match Action::named(&request.action) {
        Some(Action::Accept) => {
            let asked = Elicitation::parse(&action.arguments, false)
                .map_err(|refusal| Error::conflict(refusal.to_string()))?;
            let answer = Answer::accept(&asked, content).map_err(|wrong| {
                Error::invalid(
                    wrong
                        .into_iter()
                        .map(|problem| Validation::new(format!("content.{}", problem.field), problem.detail))
                        .collect(),
                )
            })?;
            Ok((ActionState::Answered, answer))
        }
        Some(_) if !content.is_empty() => {
            Err(Error::invalid_field("content", "Only an accepted question is answered with values."))
        }
        Some(Action::Decline) => Ok((ActionState::Denied, Answer::decline())),
        Some(Action::Cancel) => Ok((ActionState::Cancelled, Answer::cancel())),
        None => Err(Error::invalid_field("action", "Use accept, decline or cancel.")),
    }
}

fn result_problems(results: &[ClientToolResult]) -> Vec<Validation> {
    if results.is_empty() || results.len() > CLIENT_RESULTS {
        return vec![Validation::new("results", format!("Send 1 to {CLIENT_RESULTS} results."))];
    }
    let mut wrong = Vec::new();
    for (at, result) in results.iter().enumerate() {
        if results[..at].iter().any(|other| other.tool_call_id == result.tool_call_id) {
            wrong.push(Validation::new(
                format!("results[{at}].tool_call_id"),
                "This call has a result above.",
            ));
        }
        let size = match &result.output {
            Value::String(text) => text.len(),
            value => value.to_string().len(),
        };
        if size > CLIENT_RESULT_BYTES {
            let detail = format!("Use at most {} KiB.", CLIENT_RESULT_BYTES / 1024);
            wrong.push(Validation::new(format!("results[{at}].output"), detail));
        }
    }
    wrong
}
