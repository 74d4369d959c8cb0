//! Asks the model and streams its answer (behaviour 18 and 19).

use super::{Runner, answer::Answer, toolbox::Toolbox, transcript::Transcript};
use crate::{
    error::{Exit, model_error, step_limit, turn_error},
    failpoint::FailPoint,
    limits,
    ports::ResolvedModel,
};
use api::{
    chats::TurnError,
    messages::{MessageRole, Part, ToolCallPart},
    stream::{LivePart, RetryNotice},
};
use futures::StreamExt;
use llm::{FinishReason, GenerationRequest, ModelError, ModelEvent};
use std::time::Duration;
use store::chats::Transition;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::commit::{Committed, Content};

/// How a generation ended.
pub(super) enum Generated {
    Complete(Answer),
    /// The owner stopped it.
    Stopped(Answer),
    /// It broke after it had begun to say something; what it said is kept.
    Broken(Answer, TurnError),
}

/// Why an attempt ended without its end marker.
enum Cut {
    Model(ModelError),
    Wall,
    Exit(Exit),
}

impl Runner {
    /// One answer of the model, with retries while nothing of it was readable.
    pub(super) async fn generate(
        &mut self,
        transcript: &Transcript,
        toolbox: &Toolbox,
    ) -> Result<Generated, Exit> {
        let model = self.model().await?;
        let after_results = transcript.steps() > 0;
        let mut retries = 0;
        loop {
            let request = GenerationRequest {
                model: model.model.clone(),
                system: Some(self.system_prompt(toolbox)),
                messages: transcript.prompt().to_vec(),
                tools: toolbox.specs.clone(),
                max_output_tokens: model.max_output_tokens,
            };
            let mut attempt = Attempt { answer: Answer::new(model.id), sequence: 0 };
            let cut = match self.attempt(&model, request, toolbox, &mut attempt).await {
                Ok(reason) => return self.complete(attempt.answer, reason, after_results),
                Err(cut) => cut,
            };
            let error = match cut {
                Cut::Exit(Exit::Stopped) => return Ok(Generated::Stopped(attempt.answer)),
                Cut::Exit(exit) => return Err(exit),
                Cut::Wall => {
                    let minutes = self.shared.deps.config.wall.as_secs().div_ceil(60);
                    return Ok(Generated::Broken(attempt.answer, step_limit(&format!("{minutes} minutes"))));
                }
                Cut::Model(error) => error,
            };
            tracing::warn!(chat = %self.chat.id, %error, retries, "a generation failed");
            if attempt.answer.has_text() {
                // Somebody has read it: it stays, and the owner decides whether to ask again.
                return Ok(Generated::Broken(attempt.answer, model_error(&error)));
            }
            let wait = if let Some(pause) = error.paused() {
                // Nobody was asked, so no retry is used up; the time of the turn ends it at last.
                Some(llm::retry::after_pause(pause, self.chance()))
            } else {
                retries += 1;
                let delay = self.shared.deps.config.retry_delay;
                error.is_retryable().then(|| delay(retries, error.retry_after(), self.chance())).flatten()
            };
            let Some(wait) = wait else { return Err(Exit::Failed(model_error(&error))) };
            self.retry(retries.max(1), wait, &error).await?;
        }
    }

    /// The model of the chat. A database that is away for a moment is no reason to fail the turn.
    async fn model(&self) -> Result<ResolvedModel, Exit> {
        let until = Instant::now() + limits::LOAD_PATIENCE;
        loop {
            let resolving = self.shared.deps.models.model_resolve(self.chat.model_config_id);
            match self.unless_ended(resolving).await? {
                Ok(model) => return Ok(model),
                Err(error) if error.code == "internal" && Instant::now() < until => {
                    self.pause(limits::LOAD_WAIT).await?;
                }
                Err(error) => return Err(Exit::Failed(error)),
            }
        }
    }

    /// Says that the model is asked again, and waits.
    async fn retry(&mut self, retries: u32, wait: Duration, error: &ModelError) -> Result<(), Exit> {
        let attempt = self.chat.generation_attempt + 1;
        let step: Transition = self.going_on().attempt(attempt);
        if let Committed::Interrupting = self.commit(step, Content::Nothing).await? {
            return Err(Exit::Stopped);
        }
        self.publisher.preview_reset(attempt);
        self.publisher.retry(RetryNotice {
            attempt: i64::from(retries),
            delay_ms: i64::try_from(wait.as_millis()).unwrap_or(i64::MAX),
            cause: error.public_message(),
        });
        self.pause(wait).await
    }

    /// One try: everything up to the end marker.
    async fn attempt(
        &self,
        model: &ResolvedModel,
        request: GenerationRequest,
        toolbox: &Toolbox,
        attempt: &mut Attempt,
    ) -> Result<FinishReason, Cut> {
        let cancel = CancellationToken::new();
        // Whatever ends this function ends the exchange with the provider.
        let _guard = cancel.clone().drop_guard();
        let wall = tokio::time::sleep_until(self.deadline);
        tokio::pin!(wall);
        let mut stream = tokio::select! {
            biased;
            exit = self.must_end() => return Err(Cut::Exit(exit)),
            () = &mut wall => return Err(Cut::Wall),
            begun = model.provider.generate(request, cancel) => begun.map_err(Cut::Model)?,
        };
        loop {
            let event = tokio::select! {
                biased;
                exit = self.must_end() => return Err(Cut::Exit(exit)),
                () = &mut wall => return Err(Cut::Wall),
                event = stream.next() => event,
            };
            match event {
                Some(Ok(ModelEvent::End { reason })) => return Ok(reason),
                Some(Ok(event)) => {
                    attempt.take(self, event, toolbox, model.context_limit);
                    self.reached(FailPoint::ModelPart).await;
                }
                Some(Err(error)) => return Err(Cut::Model(error)),
                // A provider that breaks its own promise: never a complete answer.
                None => return Err(Cut::Model(ModelError::Interrupted(llm::Interruption::NoEndMarker))),
            }
        }
    }

    fn complete(&self, answer: Answer, reason: FinishReason, after_results: bool) -> Result<Generated, Exit> {
        if reason == FinishReason::ContentFilter && !answer.has_text() {
            return Err(Exit::Failed(model_error(&ModelError::ContentFilter)));
        }
        if answer.is_empty() && !after_results {
            let text = "The model gave an empty answer. Retry the turn, rephrase the message, or choose another model.";
            return Err(Exit::Failed(turn_error("model_refused", text, true)));
        }
        Ok(Generated::Complete(answer))
    }

    /// A number in 0..1.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.shared.deps.entropy.fill(&mut bytes);
        f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
    }
}

/// An attempt and how much of it was shown.
struct Attempt {
    answer: Answer,
    sequence: i64,
}

impl Attempt {
    fn take(&mut self, runner: &Runner, event: ModelEvent, toolbox: &Toolbox, context_limit: i64) {
        let part = match event {
            ModelEvent::Text(text) => {
                let text = storable(text);
                self.answer.push_text(&text);
                Part::text(text)
            }
            ModelEvent::Reasoning(text) => {
                let text = storable(text);
                self.answer.push_reasoning(&text);
                Part::reasoning(text)
            }
            ModelEvent::ToolCallStart { index, id, name } => {
                let at = runner.shared.deps.clock.now();
                let part = self.answer.start_call(index, storable(id), storable(name), toolbox, at);
                Part::ToolCall(ToolCallPart { args_delta: Some(String::new()), ..part })
            }
            ModelEvent::ToolCallDelta { index, arguments } => {
                let Some(call) = self.answer.call_mut(index) else { return };
                let arguments = storable(arguments);
                call.arguments.push_str(&arguments);
                Part::ToolCall(ToolCallPart {
                    tool_call_id: call.part.tool_call_id.clone(),
                    tool_name: call.part.tool_name.clone(),
                    args_delta: Some(arguments),
                    ..ToolCallPart::default()
                })
            }
            ModelEvent::ToolCallEnd { index } => {
                if let Some(call) = self.answer.call_mut(index) {
                    call.complete = true;
                }
                return;
            }
            ModelEvent::Usage(usage) => {
                let context_limit = if usage.context_limit > 0 { usage.context_limit } else { context_limit };
                self.answer.usage = Some(api::messages::Usage { context_limit, ..usage });
                return;
            }
            ModelEvent::End { .. } => return,
        };
        runner.publisher.part(LivePart {
            role: MessageRole::Assistant,
            part,
            attempt: runner.chat.generation_attempt,
            sequence: self.sequence,
            history_version: runner.chat.history_version,
        });
        self.sequence += 1;
    }
}

/// What is shown live is what will be stored: the database has no U+0000.
fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}
