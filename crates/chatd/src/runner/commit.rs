//! The transactions of a turn. Each is fenced: it counts only while the chat is as this runner knows it (behaviour 18).

use super::{
    Runner,
    audit::{Actor, Said},
    calls::{Action, Approval, Finished, LedgerLine, Planned},
};
use crate::{
    error::{Exit, account_suspended},
    limits,
};
use api::{
    Timestamp,
    chats::{ChatStatus, PlanMode, QueuedMessage},
    messages::ChatMessage,
    users::UserStatus,
};
use store::{
    StoreError, Write,
    actions::{ActionRecord, action_insert, actions_cancel, actions_of, answers_forget, approval_use},
    chats::{
        ChatRecord, LeaseChange, NewBoundary, QueuedRecord, Transition, boundary_insert, chat_get_any,
        chat_transition, compaction_request_delete, queue_head_for_update, queue_list, queue_promote,
    },
    messages::{NewMessage, message_insert, message_servers_set},
    tool_calls::{OutcomeWrite, tool_call_intent_insert, tool_call_outcome},
};
use tokio::time::Instant;

/// What a transaction stores besides the step of the chat.
pub(super) enum Content<'a> {
    Nothing,
    Message(NewMessage),
    /// An answer with the intents of the calls that will be sent.
    Answer {
        message: NewMessage,
        calls: &'a [Planned],
    },
    /// An answer whose calls wait: nothing is sent, and there is no intent.
    Parked {
        message: NewMessage,
        calls: &'a [Planned],
    },
    /// The intents of the calls of message `asked`, which have waited; the approvals are used up with them.
    Intents {
        asked: &'a ChatMessage,
        calls: &'a [Planned],
    },
    /// A question of the server of a call that is under way.
    Question(&'a ActionRecord),
    /// A boundary of the model's view, with what shows it.
    Boundary(Box<NewBoundary>),
    /// The results of the calls of message `asked`, with the outcomes that are not committed yet.
    Results {
        message: NewMessage,
        asked: i64,
        results: &'a [Finished],
    },
}

pub(super) enum Committed {
    /// With the message that was stored, if there was one.
    Yes(Option<ChatMessage>),
    /// The owner pressed Stop meanwhile: nothing was stored, and `chat` is read anew. The same content can be committed again with
    /// what a stop makes of it.
    Interrupting,
}

/// What a transaction stored.
struct Stored {
    chat: ChatRecord,
    /// Of the content.
    message: Option<ChatMessage>,
    /// Of a boundary: the message before that one.
    before: Option<ChatMessage>,
    next: Option<Next>,
    /// What the turn waits for from now on.
    actions: Vec<ActionRecord>,
}

/// The message that waited for the end of the turn, as it begins the next one.
struct Next {
    message: ChatMessage,
    /// What still waits.
    queue: Vec<QueuedMessage>,
}

impl Runner {
    /// Commits `step` with `content` and publishes both. A database that is away for a moment is asked again while the lease lasts:
    /// an effect that has happened must not be forgotten for a hiccup.
    pub(super) async fn commit(
        &mut self,
        mut step: Transition,
        content: Content<'_>,
    ) -> Result<Committed, Exit> {
        step.history |= !matches!(content, Content::Nothing | Content::Intents { .. } | Content::Question(_));
        if !matches!(content, Content::Nothing | Content::Message(_)) {
            self.name_owner().await;
        }
        let mut tries = 0;
        let stored = loop {
            // After the end of the turn nothing of it is ours to write.
            if self.ended() || !self.lease.is_ours() {
                return Err(Exit::Lost);
            }
            let began = Instant::now();
            match self.commit_once(&step, &content).await {
                Ok(stored) => {
                    if stored.is_some() {
                        self.lease.renewed_at(began);
                    }
                    break stored;
                }
                Err(error) if error.is_retryable() && tries < limits::COMMIT_TRIES => {
                    tries += 1;
                    tracing::warn!(chat = %self.chat.id, %error, tries, "a commit is tried again");
                    tokio::time::sleep(limits::COMMIT_WAIT).await;
                }
                Err(error) => return Err(Exit::Database(error)),
            }
        };
        let Some(Stored { chat, message, before, next, actions }) = stored else {
            return self.fence_lost().await;
        };
        let status_changed = chat.status != self.chat.status;
        // A call that asks goes on: what was shown of the others stays.
        let asks = [chat.status, self.chat.status].contains(&ChatStatus::RequiresAction);
        self.over = !step.to.is_busy() || step.lease == LeaseChange::Release;
        self.chat = chat;
        self.servers_unsaved = false;
        if let Some(before) = &before {
            self.publisher.message(before);
        }
        match &message {
            Some(message) => self.publisher.message(message),
            // Whatever was shown of a generation comes to nothing.
            None if status_changed && !asks => self.publisher.preview_reset(self.chat.generation_attempt),
            None => {}
        }
        if !actions.is_empty() {
            self.publisher.actions(&self.chat, &actions);
        }
        if let Some(Next { message, queue }) = next {
            self.next_turn = true;
            self.publisher.message(&message);
            self.publisher.queue(&self.chat, queue);
        }
        if status_changed || self.next_turn {
            self.publisher.status(&self.chat);
        }
        Ok(Committed::Yes(message))
    }

    async fn commit_once(
        &self,
        step: &Transition,
        content: &Content<'_>,
    ) -> Result<Option<Stored>, StoreError> {
        let mut write = self.shared.deps.db.write().await?;
        // The end of a turn is the beginning of the next while something waits. After a failure it waits on: the next turn would most
        // likely fail the same way.
        let mut head = match step.to {
            ChatStatus::Waiting => queue_head_for_update(&mut write, self.chat.id).await?,
            _ => None,
        };
        let begins = match &head {
            None => None,
            // Whoever may not act any more does not through what they wrote before; it waits for them.
            Some(_) if !self.owner_is_active(&mut write).await? => {
                head = None;
                Some(step.clone().error(account_suspended()))
            }
            Some(_) => Some(begins_next(step)),
        };
        let ends = !step.to.is_busy();
        let step = begins.as_ref().unwrap_or(step);
        let Some(mut chat) = chat_transition(&mut write, &self.chat.fence(), step).await? else {
            return Ok(None);
        };
        if let Some(turn) = self.turn_message.filter(|_| self.servers_unsaved) {
            message_servers_set(&mut write, chat.id, turn, &self.shown_servers).await?;
        }
        // Whatever ends the turn ends the wish for a summary, which would else meet the next one.
        if self.compaction.wished.is_some() || step.to == ChatStatus::Error {
            let fulfilled = matches!(content, Content::Boundary(_));
            if ends || fulfilled {
                compaction_request_delete(&mut write, chat.id).await?;
            }
        }
        let mut before = None;
        let mut actions = Vec::new();
        let message = match content {
            Content::Nothing => None,
            Content::Parked { message, calls } => {
                let message = message_insert(&mut write, message.clone()).await?;
                for planned in *calls {
                    let Some(ask) = planned.ask(&chat, message.id) else { continue };
                    let asked = action_insert(&mut write, &ask, self.shared.deps.config.parked).await?;
                    self.audit_action(&mut write, &asked, "approval.asked").await?;
                    actions.push(asked);
                }
                Some(message)
            }
            Content::Question(action) => {
                let asked = action_insert(&mut write, action, self.shared.deps.config.parked).await?;
                self.audit_action(&mut write, &asked, "elicitation.asked").await?;
                actions = actions_of(&mut write, chat.id, asked.message_id).await?;
                None
            }
            Content::Intents { asked, calls } => {
                for planned in *calls {
                    let Action::Send(sendable) = &planned.action else { continue };
                    if let Approval::Given(approval) = sendable.approval
                        && !approval_use(&mut write, approval, &sendable.argument_hash).await?
                    {
                        // It ended between the look and now. Nothing is stored; the next look finds it so.
                        return Ok(None);
                    }
                    let at = self.shared.deps.clock.now();
                    self.write_intent(&mut write, &chat, planned, (asked.id, at)).await?;
                }
                None
            }
            Content::Boundary(boundary) => {
                let (call, result) = boundary_insert(&mut write, NewBoundary::clone(boundary)).await?;
                before = Some(call);
                Some(result)
            }
            Content::Message(message) => Some(message_insert(&mut write, message.clone()).await?),
            Content::Answer { message, calls } => {
                let message = message_insert(&mut write, message.clone()).await?;
                for planned in *calls {
                    self.write_intent(&mut write, &chat, planned, (message.id, message.created_at)).await?;
                }
                Some(message)
            }
            Content::Results { message, asked, results } => {
                let message = message_insert(&mut write, message.clone()).await?;
                for done in results.iter().filter(|done| !done.settled) {
                    self.write_outcome(&mut write, *asked, done, false).await?;
                }
                if self.parked {
                    actions_cancel(&mut write, chat.id, *asked - 1).await?;
                    answers_forget(&mut write, chat.id, *asked).await?;
                }
                Some(message)
            }
        };
        let next = match head {
            Some(head) => {
                let planned = chat.plan_mode;
                let message = queue_promote(&mut write, &mut chat, head, step.at).await?;
                if chat.plan_mode != planned {
                    self.audit_mode(&mut write, chat.plan_mode).await?;
                }
                let queue =
                    queue_list(&mut write, chat.id).await?.iter().map(QueuedRecord::to_wire).collect();
                Some(Next { message, queue })
            }
            None => None,
        };
        write.commit().await?;
        Ok(Some(Stored { chat, message, before, next, actions }))
    }

    /// The intent of a call of a message, as of the given time; nothing for what is not sent.
    async fn write_intent(
        &self,
        write: &mut Write,
        chat: &ChatRecord,
        planned: &Planned,
        (message_id, at): (i64, Timestamp),
    ) -> Result<(), StoreError> {
        let Action::Send(sendable) = &planned.action else { return Ok(()) };
        let intent = sendable.intent(&planned.call, chat.id, message_id, chat.lease_epoch, at);
        tool_call_intent_insert(write, &intent).await?;
        self.audit(write, &sendable.line(at), Said::Sent).await
    }

    async fn owner_is_active(&self, write: &mut Write) -> Result<bool, StoreError> {
        let owner = store::users::user_get(write, self.chat.owner_id).await?;
        Ok(owner.is_some_and(|owner| owner.user.status == UserStatus::Active))
    }

    /// The outcome of one call, before the others are done; best effort, since the message of the results brings it again.
    pub(super) async fn commit_outcome(&mut self, asked: i64, done: &mut Finished) {
        if done.ledger.is_none() || done.settled {
            return;
        }
        let committed = async {
            let mut write = self.shared.deps.db.write().await?;
            self.write_outcome(&mut write, asked, done, true).await?;
            write.commit().await
        };
        match committed.await {
            Ok(()) => done.settled = true,
            Err(error) => tracing::warn!(chat = %self.chat.id, %error, "an outcome waits for its message"),
        }
    }

    async fn write_outcome(
        &self,
        write: &mut Write,
        asked: i64,
        done: &Finished,
        with_result: bool,
    ) -> Result<(), StoreError> {
        let Some(line) = &done.ledger else { return Ok(()) };
        let outcome = OutcomeWrite {
            chat_id: self.chat.id,
            message_id: asked,
            tool_call_id: &done.part.tool_call_id,
            outcome: done.part.outcome,
            result: with_result.then_some(&done.part),
            at: done.part.created_at,
            lease_epoch: self.lease.epoch,
        };
        if tool_call_outcome(write, outcome).await? {
            self.audit(write, line, Said::Ended(done)).await?;
        }
        Ok(())
    }

    async fn audit(&self, write: &mut Write, line: &LedgerLine, said: Said<'_>) -> Result<(), StoreError> {
        self.actor().audit(write, &self.shared.deps, line, said).await
    }

    /// A message that waited has switched plan mode.
    async fn audit_mode(&self, write: &mut Write, mode: PlanMode) -> Result<(), StoreError> {
        let owner = store::users::user_get(write, self.chat.owner_id).await?;
        let name = owner.map(|owner| owner.user.username).unwrap_or_default();
        Actor { name, ..self.actor() }.mode_switched(write, &self.shared.deps, mode).await
    }

    /// As whom the log knows the calls of this turn.
    pub(super) fn actor(&self) -> Actor {
        let name = self.owner_name.clone().unwrap_or_default();
        Actor { chat: self.chat.id, owner: self.chat.owner_id, name }
    }

    /// Finds out what the owner is called in the audit log.
    pub(super) async fn name_owner(&mut self) {
        if self.owner_name.is_some() {
            return;
        }
        let read = async {
            let mut session = self.shared.deps.db.read().await?;
            store::users::user_get(&mut session, self.chat.owner_id).await
        };
        match read.await {
            Ok(user) => self.owner_name = user.map(|record| record.user.username),
            // The entry keeps the id; a name is not worth failing for.
            Err(error) => tracing::warn!(chat = %self.chat.id, %error, "the owner's name could not be read"),
        }
    }

    /// The fence did not hold. Either the owner pressed Stop, which is ours to carry out, or the chat is somebody else's now.
    async fn fence_lost(&mut self) -> Result<Committed, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        let Some(chat) = chat_get_any(&mut session, self.chat.id).await? else { return Err(Exit::Lost) };
        drop(session);
        let ours = chat.lease_epoch == self.lease.epoch
            && chat.lease_holder == Some(self.lease.holder)
            && chat.history_version == self.chat.history_version
            && matches!(self.chat.status, ChatStatus::Running | ChatStatus::RequiresAction);
        if ours && chat.status == ChatStatus::Interrupting {
            self.stop.cancel();
            self.chat = chat;
            return Ok(Committed::Interrupting);
        }
        Err(Exit::Lost)
    }
}

/// The end of a turn behind which a message waits. The lease is given back: whoever is next in line gets the place first.
fn begins_next(end: &Transition) -> Transition {
    Transition { to: ChatStatus::Running, ..end.clone() }.history().queue(-1).lease(LeaseChange::Release)
}
