//! One turn, from the user's message to the end (DESIGN, "The way of the data", 3).

mod again;
mod answer;
mod audit;
mod calls;
mod commit;
mod compaction;
mod dispatch;
mod elicit;
mod files;
mod generation;
mod inherited;
mod own;
mod parked;
mod permit;
mod prompt;
mod recovery;
mod refused;
mod results;
mod toolbox;
mod transcript;
mod workspaces;

use crate::{
    builtins,
    daemon::{Lease, Shared},
    error::{Exit, internal, step_limit},
    failpoint::{self, FailPoint},
    hub::Publisher,
};
pub(crate) use parked::expire;

use answer::Answer;
use api::{
    chats::{ChatStatus, TurnError},
    messages::{ChatMessage, MessageRole},
};
use calls::Finished;
use commit::{Committed, Content};
use compaction::Compaction;
pub(crate) use compaction::collect;
use domain::chat_settings::ChatSettings;
use generation::Generated;
use inherited::Inherited;
use std::{future::Future, sync::Arc, time::Duration};
use store::{
    chats::{ChatRecord, LeaseChange, Transition, chat_get_any},
    messages::NewMessage,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolbox::Toolbox;
use transcript::Transcript;
pub(crate) use transcript::prompt_of;
use uuid::Uuid;

/// How a runner left its chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// There is nothing more to do.
    Done,
    /// A message that waited is next.
    NextTurn,
    /// The turn has no end yet: look again.
    Open,
}

/// The runner of one turn. It lives as long as it holds the lease.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    /// The chat as this runner last committed or read it: what the next write is fenced on.
    chat: ChatRecord,
    lease: Arc<Lease>,
    publisher: Publisher,
    /// The owner wants the turn to stop.
    stop: CancellationToken,
    /// The process shuts down and waits no longer.
    halted: CancellationToken,
    /// Something may have been shown of this chat by a runner that is no more.
    claimed: bool,
    deadline: Instant,
    /// The end of the turn is committed.
    over: bool,
    /// A message that waited has begun the next turn in the same transaction.
    next_turn: bool,
    /// The user's message that began the turn.
    turn_message: Option<i64>,
    /// The connect outcomes shown last.
    shown_servers: Vec<api::check::ServerOutcome>,
    /// They are not yet kept with the turn's message: the next commit does it, so that they cost none of their own.
    servers_unsaved: bool,
    /// What a subagent has from its parent, as of this step.
    inherited: Option<Inherited>,
    /// The calls of the newest answer have waited for somebody: what of it is still open ends with their results.
    parked: bool,
    /// Questions of servers that are open now.
    questions: usize,
    /// Name of the owner for the audit log, once it was needed.
    owner_name: Option<String>,
    /// What admins set for all chats, as this turn found it: the system prompt, the instructions for plan mode.
    settings: ChatSettings,
    compaction: Compaction,
}

impl Runner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        chat: ChatRecord,
        claimed: bool,
        lease: Arc<Lease>,
        stop: CancellationToken,
        halted: CancellationToken,
    ) -> Self {
        let publisher = shared.hub.publisher(chat.id, chat.edit_version);
        let deadline = Instant::now() + shared.deps.config.wall;
        Self {
            shared,
            chat,
            lease,
            publisher,
            stop,
            halted,
            claimed,
            deadline,
            over: false,
            next_turn: false,
            turn_message: None,
            shown_servers: Vec::new(),
            servers_unsaved: false,
            inherited: None,
            parked: false,
            questions: 0,
            owner_name: None,
            settings: ChatSettings::default(),
            compaction: Compaction::default(),
        }
    }

    /// Runs the turn.
    pub(crate) async fn run(mut self) -> Left {
        let exit = match self.turn().await {
            Ok(()) => return self.left(),
            Err(exit) => exit,
        };
        let ended = match exit {
            Exit::Stopped => self.finish().await,
            Exit::Failed(error) => self.fail(error).await,
            Exit::Database(error) if !error.is_retryable() => {
                tracing::error!(chat = %self.chat.id, error = ?error, "a turn failed in the database");
                self.fail(internal()).await
            }
            other => Err(other),
        };
        match ended {
            Ok(()) => self.left(),
            Err(Exit::Halted) => {
                if let Err(error) = self.lease.release(&self.shared.deps.db).await {
                    tracing::warn!(chat = %self.chat.id, %error, "a lease could not be given back");
                }
                Left::Done
            }
            Err(exit) => {
                self.lease.give_up();
                tracing::warn!(chat = %self.chat.id, epoch = self.lease.epoch, ?exit, "a runner left its turn");
                Left::Open
            }
        }
    }

    fn left(&self) -> Left {
        if self.next_turn { Left::NextTurn } else { Left::Done }
    }

    async fn turn(&mut self) -> Result<(), Exit> {
        self.inherit().await?;
        let mut transcript = self.load().await?;
        if self.claimed {
            self.publisher.preview_reset(self.chat.generation_attempt);
        }
        // The poll can be faster than the one who stored the message and is about to show it.
        if let Some(message) = transcript.last_user() {
            self.publisher.message(message);
            self.turn_message = Some(message.id);
            self.shown_servers = message.mcp_status.clone().unwrap_or_default();
        }
        if let Some(left) = transcript.take_unanswered() {
            let own = transcript::tool_calls(&left).count();
            let before = transcript.calls().saturating_sub(own);
            let room = self.shared.deps.config.calls.saturating_sub(before);
            let settled = self.take_up(&left, room).await?;
            if self.ended() {
                // A stop that the earlier runner did not live to carry out.
                return Ok(());
            }
            transcript.push(settled);
        }
        if self.chat.status == ChatStatus::Running && self.compact_as_wished(&mut transcript).await? {
            return Ok(());
        }
        loop {
            if self.chat.status == ChatStatus::Interrupting || self.stop.is_cancelled() {
                return Err(Exit::Stopped);
            }
            if !transcript.wants_answer() {
                return self.finish().await;
            }
            self.check_limits(&transcript)?;
            self.compact_if_full(&mut transcript).await?;
            let toolbox = self.toolbox().await?;
            let generated = match self.generate(&transcript, &toolbox).await {
                Err(Exit::Failed(error)) if self.compact_after(&error, &mut transcript).await? => continue,
                generated => generated?,
            };
            self.reached(FailPoint::AnswerComplete).await;
            match generated {
                Generated::Complete(answer) if !answer.has_calls() => {
                    return self.finish_with(answer, false).await;
                }
                Generated::Complete(answer) => {
                    if !self.step(answer, &toolbox, &mut transcript).await? {
                        return Ok(());
                    }
                }
                Generated::Stopped(answer) => return self.finish_with(answer, true).await,
                Generated::Broken(answer, error) => return self.break_off(answer, error).await,
            }
        }
    }

    async fn load(&mut self) -> Result<Transcript, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        self.settings = store::settings::chat_settings(&mut session).await?;
        self.compaction.load(&mut session, self.chat.id).await?;
        Ok(Transcript::load(&mut session, self.chat.id).await?)
    }

    fn check_limits(&self, transcript: &Transcript) -> Result<(), Exit> {
        let config = &self.shared.deps.config;
        let what = if transcript.steps() >= config.steps {
            format!("{} steps", config.steps)
        } else if transcript.calls() >= config.calls {
            format!("{} tool calls", config.calls)
        } else if Instant::now() >= self.deadline {
            format!("{} minutes", config.wall.as_secs().div_ceil(60))
        } else {
            return Ok(());
        };
        Err(Exit::Failed(step_limit(&what)))
    }

    /// An answer with calls: commits it with its intents, makes the calls, commits the results. False when that ended the turn.
    async fn step(
        &mut self,
        answer: Answer,
        toolbox: &Toolbox,
        transcript: &mut Transcript,
    ) -> Result<bool, Exit> {
        let room = self.shared.deps.config.calls.saturating_sub(transcript.calls());
        let calls = calls::plan(&answer, toolbox, room, &*self.shared.deps.clock, &*self.shared.deps.entropy);
        if calls.iter().any(calls::Planned::waits) {
            self.park(answer, &calls).await?;
            return Ok(false);
        }
        let content = Content::Answer { message: self.assistant(&answer, false), calls: &calls };
        let message = match self.commit(self.going_on(), content).await? {
            Committed::Yes(message) => message,
            // Stop came first: nothing was sent, and nothing will be.
            Committed::Interrupting => {
                self.finish_with(answer, true).await?;
                return Ok(false);
            }
        };
        let Some(message) = message else { return Err(Exit::Lost) };
        transcript.push(message.clone());
        self.reached(FailPoint::IntentCommitted).await;

        let results = self.dispatch(&message, calls).await?;
        let stored = self.commit_results(&message, &results, None).await?;
        transcript.push(stored);
        self.reached(FailPoint::ResultsCommitted).await;
        Ok(!self.ended())
    }

    /// Commits the results of a message's calls; also the end of the turn, when a stop was asked for, it fails with
    /// `error`, or one of Patchbay's own tools ends it.
    async fn commit_results(
        &mut self,
        asked: &ChatMessage,
        results: &[Finished],
        error: Option<&TurnError>,
    ) -> Result<ChatMessage, Exit> {
        loop {
            let stopped = self.stop.is_cancelled() || self.chat.status == ChatStatus::Interrupting;
            let step = match error {
                _ if stopped => self.ending(),
                Some(error) => self.ending().error(error.clone()),
                None if results.iter().any(|done| builtins::ends_turn(&done.part)) => self.ending(),
                None => self.going_on(),
            };
            let message = NewMessage {
                chat_id: self.chat.id,
                role: MessageRole::Tool,
                content: results
                    .iter()
                    .map(|done| api::messages::Part::ToolResult(done.part.clone()))
                    .collect(),
                model_config_id: None,
                usage: None,
                interrupted: false,
                created_at: self.shared.deps.clock.now(),
            };
            match self.commit(step, Content::Results { message, asked: asked.id, results }).await? {
                Committed::Yes(Some(message)) => {
                    if let Some(error) = error.filter(|_| !stopped) {
                        self.publisher.error(error);
                    }
                    return Ok(message);
                }
                Committed::Yes(None) => return Err(Exit::Lost),
                Committed::Interrupting => {}
            }
        }
    }

    /// The last answer and the end of the turn, in one transaction. `cut`: the owner stopped it, or it broke.
    async fn finish_with(&mut self, answer: Answer, cut: bool) -> Result<(), Exit> {
        loop {
            let content = if answer.has_text() || (!cut && !answer.is_empty()) {
                Content::Message(self.assistant(&answer, cut))
            } else {
                Content::Nothing
            };
            if let Committed::Yes(_) = self.commit(self.ending(), content).await? {
                return Ok(());
            }
        }
    }

    /// What came of a broken stream is kept, and the turn fails.
    async fn break_off(&mut self, answer: Answer, error: TurnError) -> Result<(), Exit> {
        let content = if answer.has_text() {
            Content::Message(self.assistant(&answer, true))
        } else {
            Content::Nothing
        };
        let step = self.ending().error(error.clone());
        match self.commit(step, content).await? {
            Committed::Yes(_) => {
                self.publisher.error(&error);
                Ok(())
            }
            // A stopped turn ends as asked for, also when it broke at the same time.
            Committed::Interrupting => self.finish_with(answer, true).await,
        }
    }

    async fn finish(&mut self) -> Result<(), Exit> {
        while let Committed::Interrupting = self.commit(self.ending(), Content::Nothing).await? {}
        Ok(())
    }

    /// Ends the turn with `error`. Calls that were sent and have no results yet are settled in the same transaction: the next turn must
    /// not find them open, and the model is told that they may have happened.
    async fn fail(&mut self, error: TurnError) -> Result<(), Exit> {
        match self.fail_with_results(&error).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The results cannot be stored. The chat must not stay busy for that; the prompt says of such calls that they are unknown.
            Err(Exit::Database(failure)) if !failure.is_retryable() => {
                tracing::error!(chat = %self.chat.id, error = ?failure, "the calls of a failed turn could not be settled");
            }
            Err(exit) => return Err(exit),
        }
        if self.chat.status == ChatStatus::Interrupting {
            return self.finish().await;
        }
        match self.commit(self.ending().error(error.clone()), Content::Nothing).await? {
            Committed::Yes(_) => {
                self.publisher.error(&error);
                Ok(())
            }
            Committed::Interrupting => self.finish().await,
        }
    }

    /// True when the newest message had calls without results, and the turn has ended with them.
    async fn fail_with_results(&mut self, error: &TurnError) -> Result<bool, Exit> {
        let mut session = self.shared.deps.db.read().await?;
        let newest = store::messages::messages_for_turn(&mut session, self.chat.id, 1).await?.pop();
        drop(session);
        let asked = newest.filter(|message| {
            message.role == MessageRole::Assistant && transcript::tool_calls(message).next().is_some()
        });
        let Some(asked) = asked else { return Ok(false) };
        self.settle(&asked, Some(error)).await?;
        Ok(true)
    }

    async fn reached(&self, point: FailPoint) {
        failpoint::pause(point, &*self.shared.deps.entropy).await;
    }

    fn going_on(&self) -> Transition {
        Transition::to(self.chat.status, self.shared.deps.clock.now())
            .lease(LeaseChange::Extend { lasting: self.lease.lasting() })
    }

    fn ending(&self) -> Transition {
        Transition::to(ChatStatus::Waiting, self.shared.deps.clock.now()).lease(LeaseChange::Release)
    }

    fn ended(&self) -> bool {
        self.over || !self.chat.status.is_busy()
    }

    fn assistant(&self, answer: &Answer, cut: bool) -> NewMessage {
        NewMessage {
            chat_id: self.chat.id,
            role: MessageRole::Assistant,
            content: if cut { answer.parts_without_calls() } else { answer.parts() },
            model_config_id: Some(answer.model_id),
            usage: answer.usage,
            interrupted: cut,
            created_at: self.shared.deps.clock.now(),
        }
    }

    /// Runs `work` until it is done or the turn must end.
    async fn unless_ended<T>(&self, work: impl Future<Output = T>) -> Result<T, Exit> {
        tokio::select! {
            biased;
            exit = self.must_end() => Err(exit),
            done = work => Ok(done),
        }
    }

    /// Completes when the turn must end.
    async fn must_end(&self) -> Exit {
        tokio::select! {
            biased;
            () = self.lease.lost() => Exit::Lost,
            () = self.stop.cancelled() => Exit::Stopped,
            () = self.halted.cancelled() => Exit::Halted,
        }
    }

    async fn pause(&self, wait: Duration) -> Result<(), Exit> {
        self.unless_ended(tokio::time::sleep(wait)).await
    }
}

/// A turn panicked: says so in the chat, so that it is not run into the same wall again and again.
pub(crate) async fn fail_after_panic(shared: &Arc<Shared>, chat: Uuid, lease: Arc<Lease>) {
    let failed = async {
        let record = chat_get_any(&mut shared.deps.db.read().await?, chat).await?;
        let ours = |record: &ChatRecord| {
            record.lease_epoch == lease.epoch
                && record.lease_holder == Some(lease.holder)
                && record.status.is_busy()
        };
        let Some(record) = record.filter(ours) else { return Ok(()) };
        // A runner that never ran: nothing of what the panic left half done is used.
        let (stop, halted) = (CancellationToken::new(), CancellationToken::new());
        let mut runner = Runner::new(Arc::clone(shared), record, false, Arc::clone(&lease), stop, halted);
        runner.fail(internal()).await
    };
    if let Err(exit) = failed.await {
        tracing::error!(%chat, ?exit, "a panicked turn could not be marked as failed");
    }
}
