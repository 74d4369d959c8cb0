//! A server asks the owner of the chat during a call (behaviour 15, protocol.md 8): the call stays open, its runner keeps the lease, and
//! the chat says that it waits for somebody. The answer comes through the row, whichever process took it, and is wiped once it is handed
//! on: the model neither writes nor sees it.

use super::{
    Runner,
    calls::Sendable,
    commit::{Committed, Content},
    dispatch::{CallContext, name_of},
    parked::expire,
};
use crate::error::Exit;
use api::{
    Timestamp, Uuid,
    actions::{ActionKind, ActionState},
    chats::ChatStatus,
    messages::{ResultContent, ToolCallPart},
    stream::ToolProgress,
};
use domain::{
    clock::new_id,
    elicitation::{Answer, Elicitation},
    limits::ELICITATION_CARDS,
};
use mcpclient::{Asked, CallOutcome};
use serde_json::Value;
use std::time::Duration;
use store::{
    StoreError,
    actions::{ActionRecord, action_get, answer_forget},
    chats::{LeaseChange, Transition},
};
use tokio::{sync::oneshot, time::Instant};

/// Between two looks for an answer, which any process may have taken.
const LOOK: Duration = Duration::from_millis(250);

/// A question on its way from a call to the runner.
pub(super) enum Live {
    /// To be shown; whether it is.
    Ask(Box<ActionRecord>, oneshot::Sender<bool>),
    /// Answered, or over.
    Over,
}

/// The questions of one call.
#[derive(Default)]
pub(super) struct Questions {
    asked: usize,
    refused: Vec<String>,
}

impl Questions {
    /// The number of the next question, from 1.
    pub(super) fn next(&mut self) -> usize {
        self.asked += 1;
        self.asked
    }

    pub(super) fn note(&mut self, refused: Option<String>) {
        self.refused.extend(refused);
    }

    /// What was refused without asking is said with the result.
    pub(super) fn add_to(&mut self, outcome: &mut CallOutcome) {
        if let CallOutcome::Done { content, .. } = outcome {
            content.extend(self.refused.drain(..).map(|text| ResultContent::Text { text }));
        }
    }
}

impl Runner {
    /// Shows a question, or takes note that one is over.
    pub(super) async fn question(&mut self, live: Live) -> Result<(), Exit> {
        match live {
            Live::Ask(_, shown) if self.is_stopping() => {
                // A question must not bring a turn back that is being stopped.
                let _ = shown.send(false);
                Ok(())
            }
            Live::Ask(action, shown) => {
                let step = Transition::to(ChatStatus::RequiresAction, self.shared.deps.clock.now())
                    .lease(LeaseChange::Extend { lasting: self.lease.lasting() });
                self.parked = true;
                let asked = matches!(self.commit(step, Content::Question(&action)).await?, Committed::Yes(_));
                self.questions += usize::from(asked);
                // Nobody listens: the call was stopped meanwhile.
                let _ = shown.send(asked);
                Ok(())
            }
            Live::Over => {
                self.questions = self.questions.saturating_sub(1);
                self.questions_over(false).await
            }
        }
    }

    /// The turn runs again when no question is open; at the end of the calls in any case.
    pub(super) async fn questions_over(&mut self, all: bool) -> Result<(), Exit> {
        if all {
            self.questions = 0;
        }
        if self.questions > 0 || self.chat.status != ChatStatus::RequiresAction {
            return Ok(());
        }
        let step = Transition::to(ChatStatus::Running, self.shared.deps.clock.now())
            .lease(LeaseChange::Extend { lasting: self.lease.lasting() });
        // A stop that was asked for is found by whoever commits next.
        self.commit(step, Content::Nothing).await.map(|_| ())
    }
}

impl CallContext {
    /// Whether somebody can be asked (behaviour 15): in a chat of the page always, in one of a program only while its stream is open.
    pub(super) fn is_present(&self) -> bool {
        self.client_type == "ui" || self.shared.hub.is_watched(self.actor.chat)
    }

    /// Answers one question of the server; why it was refused without asking, if it was.
    pub(super) async fn answer(
        &self,
        call: &ToolCallPart,
        sendable: &Sendable,
        asked: Asked,
        number: usize,
    ) -> Option<String> {
        let name = name_of(&sendable.offered);
        let refuse = |why: String| {
            self.publisher.progress(ToolProgress {
                tool_call_id: call.tool_call_id.clone(),
                fraction: None,
                progress: 0.0,
                message: why.clone(),
            });
            Some(format!("Patchbay declined a question of {name}: {why}"))
        };
        let (answer, refused) = if number > ELICITATION_CARDS {
            (
                Answer::decline().to_wire(),
                refuse(format!("at most {ELICITATION_CARDS} are possible in one call.")),
            )
        } else if !self.is_present() {
            (Answer::cancel().to_wire(), None)
        } else {
            match Elicitation::parse(&asked.params, false) {
                Err(refusal) => (Answer::decline().to_wire(), refuse(refusal.to_string())),
                Ok(question) => {
                    let action = self.ask(call, sendable, &question, asked.params);
                    let answer = self.decided(action).await;
                    (answer.unwrap_or_else(|| Answer::cancel().to_wire()), None)
                }
            }
        };
        // The call may have ended without it.
        let _ = asked.answer.send(answer);
        refused
    }

    fn ask(
        &self,
        call: &ToolCallPart,
        sendable: &Sendable,
        question: &Elicitation,
        params: Value,
    ) -> ActionRecord {
        let server = &sendable.offered.server.record;
        let deps = &self.shared.deps;
        ActionRecord {
            id: new_id(&*deps.clock, &*deps.entropy),
            chat_id: self.actor.chat,
            message_id: self.asked,
            tool_call_id: call.tool_call_id.clone(),
            position: sendable.position,
            kind: ActionKind::Elicitation,
            state: ActionState::Open,
            owner_id: self.actor.owner,
            mcp_server_id: Some(server.id),
            server_name: server.display_name.clone(),
            tool_name: call.tool_name.clone(),
            original_name: sendable.offered.tool().name.clone(),
            definition_hash: sendable.offered.tool().hash.clone(),
            argument_hash: sendable.argument_hash.clone(),
            // What the answer is checked against.
            arguments: params,
            question: Some(question.to_wire()),
            answer: None,
            asked_at: Timestamp(0),
            expires_at: Timestamp(0),
            decided_at: None,
        }
    }

    /// Shows the question and waits; `None` where nobody answered.
    async fn decided(&self, action: ActionRecord) -> Option<Value> {
        let id = action.id;
        let (shown, is_shown) = oneshot::channel();
        self.live.send(Live::Ask(Box::new(action), shown)).await.ok()?;
        if !is_shown.await.unwrap_or(false) {
            return None;
        }
        let until = Instant::now() + self.shared.deps.config.parked;
        let answer = loop {
            tokio::select! {
                () = self.cancel.cancelled() => break None,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.look(id, Instant::now() >= until).await {
                Ok(Some(action)) if action.state == ActionState::Open => {}
                Ok(action) => break action.and_then(|action| action.answer),
                Err(error) => {
                    tracing::warn!(chat = %self.actor.chat, %error, "could not look for an answer");
                }
            }
        };
        // The runner has gone: then the chat is somebody else's.
        let _ = self.live.send(Live::Over).await;
        answer
    }

    /// The row as it is; after its time it ends, and an answer that is taken is wiped.
    async fn look(&self, id: Uuid, late: bool) -> Result<Option<ActionRecord>, StoreError> {
        let deps = &self.shared.deps;
        if late {
            let mut write = deps.db.write().await?;
            expire(deps, &mut write, self.actor.chat, self.actor.owner).await?;
            write.commit().await?;
        }
        let action = action_get(&mut deps.db.read().await?, self.actor.chat, id).await?;
        if action.as_ref().is_some_and(|action| action.answer.is_some()) {
            let mut write = deps.db.write().await?;
            answer_forget(&mut write, id).await?;
            write.commit().await?;
        }
        Ok(action)
    }
}
