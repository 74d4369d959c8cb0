//! Sends the calls of an answer, in parallel, each checked right before it goes out (behaviour 15).

use super::{
    Runner,
    audit::Actor,
    calls::{Action, Approval, Finished, Planned, Sendable},
    elicit::{Live, Questions},
    permit::Denial,
    refused::{Asking, Final, needs_of, permission_text, rejected_in_workspace, rejected_text},
    results::{NOT_SENT, StepBudget, UNKNOWN, call_result, own_result, redact},
    toolbox::Offered,
};
use crate::{
    daemon::{Lease, Shared},
    error::Exit,
    failpoint::{self, FailPoint},
    hub::{Publisher, content_bytes},
    limits,
    ports::{PermissionAsk, TurnScope},
};
use api::{
    Timestamp, Uuid,
    chats::ChatMode,
    messages::{ChatMessage, MessageRole, Part, ToolCallPart, ToolNeeds, ToolOutcome, ToolResultPart},
    stream::{LivePart, ToolProgress},
};
use domain::{plan_mode::TurnMode, text::hex, workspace::is_entry_id};
use futures::{StreamExt, stream::FuturesUnordered};
use mcpclient::{CallOutcome, Progress, Refused, RefusedKind, Target, ToolCall};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::chats::{ChatRecord, lease_stands};
use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

impl Runner {
    /// Makes the calls of the committed message `asked`; the results in call order. Outcomes that come while others are still
    /// awaited are committed to the ledger at once.
    pub(super) async fn dispatch(
        &mut self,
        asked: &ChatMessage,
        calls: Vec<Planned>,
    ) -> Result<Vec<Finished>, Exit> {
        let calls = Arc::new(calls);
        let (questions, mut asked_now) = mpsc::channel(16);
        let context = Arc::new(CallContext {
            shared: Arc::clone(&self.shared),
            lease: Arc::clone(&self.lease),
            publisher: self.publisher.clone(),
            actor: self.actor(),
            asked: asked.id,
            asked_at: asked.created_at,
            selected: self.selected().to_vec(),
            root: self.root_chat(),
            workspace: self.chat.workspace_id,
            explores: self.chat.mode == Some(ChatMode::Explore),
            heir: self.inherited.as_ref().map(|_| self.chat.clone()),
            mode: self.mode(),
            order: Mutex::new(()),
            client_type: self.chat.client_type.clone(),
            live: questions,
            cancel: CancellationToken::new(),
            sent: calls.iter().map(|planned| AtomicBool::new(planned.is_left_over())).collect(),
        });
        let mut finished: Vec<Option<Finished>> = calls.iter().map(|_| None).collect();
        let mut live = LiveResults { sequence: 0 };
        let mut running = Vec::new();
        for (at, planned) in calls.iter().enumerate() {
            match &planned.action {
                Action::Send(_) | Action::BuiltIn(_) => running.push(at),
                Action::Answer(part) => {
                    live.show(self, part);
                    finished[at] = Some(Finished { part: part.clone(), ledger: None, settled: true });
                }
                // It was to be waited for, and what came of that is an answer.
                Action::Client(_) => {
                    let now = self.shared.deps.clock.now();
                    let part = own_result(&planned.call, ToolOutcome::Cancelled, NOT_SENT, now);
                    finished[at] = Some(Finished { part, ledger: None, settled: true });
                }
            }
        }
        let mut left = running.len();
        // What ends the turn waits for the others: it shows what they have made.
        let (last, first): (Vec<usize>, Vec<usize>) =
            running.into_iter().partition(|at| calls[*at].is_last());
        let parallel = self.shared.deps.config.parallel_calls.max(1);
        let work = (Arc::clone(&context), Arc::clone(&calls));
        // Owned handles in each future: borrows of this function would make the turn's future not `Send`.
        let call = move |at: usize| {
            let (context, calls) = work.clone();
            async move { (at, context.call(&calls[at], at).await) }
        };
        let last = futures::stream::iter(last).map(call.clone()).buffer_unordered(1);
        let mut running = futures::stream::iter(first).map(call).buffer_unordered(parallel).chain(last);

        let (stop, halted, lease) = (self.stop.clone(), self.halted.clone(), Arc::clone(&self.lease));
        let wall = self.deadline;
        let mut budget = StepBudget::new(limits::STEP_RESULTS);
        let mut grace: Option<Instant> = None;
        while left > 0 {
            let (at, part) = tokio::select! {
                biased;
                () = lease.lost() => return Err(Exit::Lost),
                () = halted.cancelled() => return Err(Exit::Halted),
                () = ended(&stop, wall), if grace.is_none() => {
                    // After the wall the results are committed like those of a stop; the next look at the limits fails the turn.
                    context.cancel.cancel();
                    grace = Some(Instant::now() + limits::STOP_GRACE);
                    continue;
                }
                () = tokio::time::sleep_until(grace.unwrap_or_else(Instant::now)), if grace.is_some() => break,
                Some(live) = asked_now.recv() => {
                    self.question(live).await?;
                    continue;
                }
                next = running.next() => match next {
                    Some((at, part)) => (at, part?),
                    None => break,
                },
            };
            left -= 1;
            let part = budget.keep(part);
            live.show(self, &part);
            let line = line_of(&calls[at], asked);
            let mut done = Finished { part, ledger: line, settled: false };
            if left > 0 && grace.is_none() {
                self.commit_outcome(asked.id, &mut done).await;
                self.reached(FailPoint::OutcomeCommitted).await;
            }
            finished[at] = Some(done);
        }
        drop(running);
        self.questions_over(true).await?;

        let now = self.shared.deps.clock.now();
        let done = finished.into_iter().enumerate().map(|(at, done)| {
            done.unwrap_or_else(|| {
                let (outcome, text) = if matches!(calls[at].action, Action::BuiltIn(_)) {
                    context.own_left(at)
                } else if context.sent[at].load(Ordering::SeqCst) {
                    (ToolOutcome::Unknown, UNKNOWN)
                } else {
                    (ToolOutcome::Cancelled, NOT_SENT)
                };
                let part = own_result(&calls[at].call, outcome, text, now);
                Finished { part, ledger: line_of(&calls[at], asked), settled: false }
            })
        });
        Ok(done.collect())
    }
}

/// Completes when the owner pressed Stop or the turn's time is up.
async fn ended(stop: &CancellationToken, wall: Instant) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep_until(wall) => {}
    }
}

fn line_of(planned: &Planned, asked: &ChatMessage) -> Option<super::calls::LedgerLine> {
    match &planned.action {
        Action::Send(sendable) => Some(sendable.line(asked.created_at)),
        Action::BuiltIn(_) | Action::Answer(_) | Action::Client(_) => None,
    }
}

/// Shows finished calls before their message is committed.
struct LiveResults {
    sequence: i64,
}

impl LiveResults {
    fn show(&mut self, runner: &Runner, part: &ToolResultPart) {
        let part = Part::ToolResult(part.clone());
        if content_bytes(&part) > limits::LIVE_RESULT {
            return;
        }
        runner.publisher.part(LivePart {
            role: MessageRole::Tool,
            part,
            attempt: runner.chat.generation_attempt,
            sequence: self.sequence,
            history_version: runner.chat.history_version,
        });
        self.sequence += 1;
    }
}

/// What a call needs; apart from the runner, which commits meanwhile.
pub(super) struct CallContext {
    pub(super) shared: Arc<Shared>,
    pub(super) lease: Arc<Lease>,
    pub(super) publisher: Publisher,
    pub(super) actor: Actor,
    /// The message that asks for the calls, and when it was committed.
    pub(super) asked: i64,
    pub(super) asked_at: Timestamp,
    /// `ui` or `api`: whether a person is taken to be there also when nobody follows the chat.
    pub(super) client_type: String,
    /// Questions of servers on their way to the runner, which alone writes to the chat.
    pub(super) live: mpsc::Sender<Live>,
    /// The servers of the chat.
    pub(super) selected: Vec<Uuid>,
    /// The chat at the top: this one, or the one that a subagent works for. Its workspace counts.
    pub(super) root: Uuid,
    /// The workspace that the chat is bound to.
    workspace: Option<Uuid>,
    /// It is a chat that explores, which has nothing of a workspace.
    pub(super) explores: bool,
    pub(super) mode: TurnMode,
    /// The chat of a subagent: what it has from its parent is read again before each call.
    pub(super) heir: Option<ChatRecord>,
    /// Whose turn it is among the built-ins that go one after the other.
    pub(super) order: Mutex<()>,
    pub(super) cancel: CancellationToken,
    /// Whether each call was handed to the client, now or by an earlier runner, and not refused since: decides what a call is that a
    /// stop leaves behind.
    pub(super) sent: Vec<AtomicBool>,
}

impl CallContext {
    pub(super) fn scope(&self) -> TurnScope<'_> {
        TurnScope { owner: self.actor.owner, selected: &self.selected, mode: self.mode }
    }

    /// One call, from the last checks to its result.
    async fn call(&self, planned: &Planned, at: usize) -> Result<ToolResultPart, Exit> {
        let call = &planned.call;
        let sendable = match &planned.action {
            Action::Send(sendable) => sendable,
            Action::BuiltIn(own) => return self.carry_out(call, own, at).await,
            Action::Answer(part) => return Ok(part.clone()),
            Action::Client(_) => {
                return Ok(own_result(call, ToolOutcome::Cancelled, NOT_SENT, self.shared.deps.clock.now()));
            }
        };
        if sendable.left_over {
            let before = own_result(call, ToolOutcome::Unknown, UNKNOWN, self.shared.deps.clock.now());
            return self.call_again(call, sendable, at, before).await;
        }
        let done = self.try_call(call, sendable, at, false).await?;
        let lost = matches!(done, Ok(CallOutcome::Unknown { lost: true, .. }));
        let part = self.part_of(call, done);
        // An approval is for one sending.
        let approved = matches!(sendable.approval, Approval::Given(_));
        if lost && !approved && self.may_repeat(sendable).await {
            return self.call_again(call, sendable, at, part).await;
        }
        Ok(part)
    }

    pub(super) fn part_of(&self, call: &ToolCallPart, done: Result<CallOutcome, Denial>) -> ToolResultPart {
        let now = self.shared.deps.clock.now();
        match done {
            Ok(outcome) => call_result(call, outcome, now),
            Err(Denial { outcome, text, needs }) => {
                ToolResultPart { needs, ..own_result(call, outcome, text, now) }
            }
        }
    }

    /// The call, and once more when the server refused its credential and there is another: it was refused, so it was not executed
    /// (protocol.md R3). Both go out under the one intent that was committed before the first. `repeat`: it was sent before under another
    /// attempt, and may have happened.
    pub(super) async fn try_call(
        &self,
        call: &ToolCallPart,
        sendable: &Sendable,
        at: usize,
        repeat: bool,
    ) -> Result<Result<CallOutcome, Denial>, Exit> {
        // An edit on another replica takes the chat at once; the next renewal would tell only then.
        if let Some(unchecked) = self.still_ours().await? {
            return Ok(Ok(unchecked));
        }
        let mut target = match self.permit(sendable, repeat).await {
            Ok(target) => target,
            Err(denial) => return Ok(Err(denial)),
        };
        let mut again = false;
        loop {
            let outcome = self.attempt(call, sendable, target.clone(), at).await?;
            let CallOutcome::NotExecuted { refused: Some(refused), .. } = &outcome else {
                return Ok(Ok(outcome));
            };
            self.sent[at].store(repeat, Ordering::SeqCst);
            let renewed = match refused.kind {
                RefusedKind::Scope => return Ok(Err(self.wants_more(sendable, refused).await)),
                RefusedKind::Credential if again => {
                    let after = self.asking().refused_twice(&target, refused).await;
                    return Ok(Err(self.rejected(sendable, after).await));
                }
                RefusedKind::Credential => tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return Ok(Ok(CallOutcome::Cancelled { sure: true })),
                    renewed = self.renew(sendable, &target, refused, repeat) => renewed,
                },
            };
            target = match renewed {
                Ok(renewed) => renewed,
                Err(denial) => return Ok(Err(denial)),
            };
            if let Some(unchecked) = self.still_ours().await? {
                return Ok(Ok(unchecked));
            }
            again = true;
        }
    }

    /// Hands the call to the client.
    async fn attempt(
        &self,
        call: &ToolCallPart,
        sendable: &Sendable,
        target: Target,
        at: usize,
    ) -> Result<CallOutcome, Exit> {
        if self.cancel.is_cancelled() {
            return Ok(CallOutcome::Cancelled { sure: true });
        }
        // Last: a process that was paused must not act on an old right.
        if !self.lease.is_ours() {
            return Err(Exit::Lost);
        }
        self.sent[at].store(true, Ordering::SeqCst);
        let parent = self.heir.as_ref().and_then(|heir| heir.parent_chat_id);
        let target = in_chat(target, self.actor.chat, parent, self.workspace);
        let mut outcome = self.send(call, sendable, &target).await;
        failpoint::pause(FailPoint::CallSent, &*self.shared.deps.entropy).await;
        if let CallOutcome::Done { content, .. } = &mut outcome {
            redact(content, &secrets(&target));
        }
        Ok(outcome)
    }

    /// Whether the database still has the lease as ours; something when that cannot be found out, and then nothing is sent.
    async fn still_ours(&self) -> Result<Option<CallOutcome>, Exit> {
        let asked = async {
            let mut session = self.shared.deps.db.read().await?;
            lease_stands(&mut session, self.actor.chat, self.lease.holder, self.lease.epoch).await
        };
        match asked.await {
            Ok(true) => Ok(None),
            Ok(false) => Err(Exit::Lost),
            Err(error) => {
                tracing::warn!(chat = %self.actor.chat, %error, "a call is not sent: its lease could not be checked");
                let message = "The call was not sent: the database could not be asked. Try again.".to_owned();
                Ok(Some(CallOutcome::NotExecuted { message, refused: None }))
            }
        }
    }

    pub(super) fn asking(&self) -> Asking<'_> {
        Asking { shared: &self.shared, root: self.root, scope: self.scope() }
    }

    /// Where the call may go after the credential of `target` was refused.
    async fn renew(
        &self,
        sendable: &Sendable,
        target: &Target,
        refused: &Refused,
        repeat: bool,
    ) -> Result<Target, Denial> {
        match self.asking().renewed(target, refused).await {
            Ok(server) => self.permit_at(server, sendable, repeat).await,
            Err(after) => Err(self.rejected(sendable, after).await),
        }
    }

    /// The credential was refused, and the call does not go out again.
    async fn rejected(&self, sendable: &Sendable, after: Final) -> Denial {
        let server = &sendable.offered.server;
        let status = self.asking().standing(&server.record, server.facts.auth_status, after).await;
        let name = name_of(&sendable.offered);
        let text = if is_entry_id(server.record.id) {
            rejected_in_workspace(&name)
        } else {
            rejected_text(&name, status)
        };
        Denial { needs: needs_of(status), ..Denial::new(ToolOutcome::Error, text) }
    }

    /// The server wants more permission than was granted: the person is asked, unless that was done too often (threats 19).
    async fn wants_more(&self, sendable: &Sendable, refused: &Refused) -> Denial {
        let offered = &sendable.offered;
        let asked = self.asking().permission(offered.server.record.id, &offered.tool().name, refused).await;
        let needs = (asked == Some(PermissionAsk::Asked)).then_some(ToolNeeds::Permission);
        let text = permission_text(&name_of(offered), refused, asked);
        Denial { needs, ..Denial::new(ToolOutcome::Error, text) }
    }

    async fn send(&self, call: &ToolCallPart, sendable: &Sendable, target: &Target) -> CallOutcome {
        let (sender, mut progress) = mpsc::channel(16);
        let (asker, mut asks) = mpsc::channel(4);
        let server = &sendable.offered.server.record;
        let request = ToolCall {
            tool: sendable.offered.tool().name.clone(),
            arguments: sendable.arguments.clone(),
            tool_call_id: call.tool_call_id.clone(),
            definition_hash: Some(sendable.offered.tool().hash.clone()),
            traceparent: server
                .send_trace_context
                .then(|| traceparent(self.actor.chat, server.id, &call.tool_call_id)),
            cancel: self.cancel.clone(),
            progress: Some(sender),
            asker: self.is_present().then_some(asker),
        };
        let sending = self.shared.deps.mcp.call(target, request);
        tokio::pin!(sending);
        let mut questions = Questions::default();
        let mut answering = FuturesUnordered::new();
        let mut outcome = loop {
            tokio::select! {
                outcome = &mut sending => break outcome,
                Some(report) = progress.recv() => self.publisher.progress(progress_of(&call.tool_call_id, report)),
                Some(asked) = asks.recv() => {
                    let turn = questions.next();
                    answering.push(self.answer(call, sendable, asked, turn));
                }
                Some(refused) = answering.next(), if !answering.is_empty() => questions.note(refused),
            }
        };
        questions.add_to(&mut outcome);
        outcome
    }
}

pub(super) fn name_of(offered: &Offered) -> String {
    domain::text::quote(&offered.server.record.display_name, 80)
}

/// Says in which chat a request is made, where the server is told who asks (behaviour 12): of a subagent also in which chat at the top.
pub(super) fn in_chat(
    mut target: Target,
    chat: Uuid,
    parent: Option<Uuid>,
    workspace: Option<Uuid>,
) -> Target {
    if let Some(forwarding) = &mut target.forwarding {
        forwarding.identity.chat = Some(parent.unwrap_or(chat));
        forwarding.identity.subchat = parent.map(|_| chat);
        forwarding.identity.workspace = workspace;
    }
    target
}

/// W3C Trace Context, 3.2: one trace per chat and server, a span per call. No span of ours is behind them and no id of ours is in them,
/// so a server learns nothing but which calls belong together.
fn traceparent(chat: Uuid, server: Uuid, tool_call_id: &str) -> String {
    let id = |of: &[u8], bytes: usize| {
        hex(&Sha256::new().chain_update(chat.as_bytes()).chain_update(of).finalize()[..bytes])
    };
    let (trace, span) = (id(server.as_bytes(), 16), id(tool_call_id.as_bytes(), 8));
    format!("00-{trace}-{span}-00")
}

fn progress_of(tool_call_id: &str, report: Progress) -> ToolProgress {
    let fraction =
        report.total.filter(|total| *total > 0.0).map(|total| (report.progress / total).clamp(0.0, 1.0));
    ToolProgress {
        tool_call_id: tool_call_id.to_owned(),
        fraction: fraction.filter(|fraction| fraction.is_finite()),
        progress: if report.progress.is_finite() { report.progress } else { 0.0 },
        message: report.message.unwrap_or_default(),
    }
}

/// The values that were sent as credentials, and what stands after a scheme such as `Bearer`.
fn secrets(target: &Target) -> Vec<String> {
    let mut secrets = Vec::new();
    for (_, value) in &target.headers {
        let value = value.expose_secret();
        let bare = value.split_once(' ').map(|(_, rest)| rest);
        secrets.extend([Some(value), bare].into_iter().flatten().map(str::trim).map(str::to_owned));
    }
    secrets.retain(|secret| secret.len() >= limits::REDACTED_MIN);
    // The longest first: a whole header value goes before its part.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}
