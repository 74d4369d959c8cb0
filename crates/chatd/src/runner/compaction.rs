//! Summarises a conversation that has grown too long, or whose owner wishes it (behaviour 24). The model is asked with the text alone:
//! no tools, no instructions of servers, nothing that was not in the conversation. What fails changes nothing.

use super::{
    Runner,
    commit::{Committed, Content},
    transcript::Transcript,
};
use crate::{
    digest::digest,
    error::{Exit, model_error, turn_error},
    limits,
    ports::ResolvedModel,
};
use api::chats::TurnError;
use domain::{boundary::Cause, chat_settings};
use futures::StreamExt;
use llm::{FinishReason, ModelError, ModelEvent, tasks::Task};
use store::chats::{NewBoundary, compaction_request_get, compaction_thresholds};
use tokio_util::sync::CancellationToken;

/// What one turn knows of summaries.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// Its owner wishes one; `true`: the turn that failed goes on behind it.
    pub(super) wished: Option<bool>,
    /// How often the threshold was passed in this turn.
    made: u32,
    /// The provider said once that the conversation does not fit.
    overflowed: bool,
}

impl Compaction {
    pub(super) async fn load(&mut self, session: &mut store::Session, chat: uuid::Uuid) -> Result<(), Exit> {
        self.wished = compaction_request_get(session, chat).await?;
        Ok(())
    }
}

impl Runner {
    /// The summary that the owner wishes, if one is wished. True when that was all there is to do.
    pub(super) async fn compact_as_wished(&mut self, transcript: &mut Transcript) -> Result<bool, Exit> {
        let Some(resume) = self.compaction.wished else { return Ok(false) };
        if transcript.to_summarise().is_none() {
            // Somebody was faster, or it was cleared meanwhile.
            if resume {
                return Ok(false);
            }
            self.finish().await?;
            return Ok(true);
        }
        self.compact(transcript, Cause::Asked, !resume).await?;
        if !resume {
            return Ok(true);
        }
        *transcript = self.load().await?;
        Ok(false)
    }

    /// At the start of a step: summarises what passes the threshold.
    pub(super) async fn compact_if_full(&mut self, transcript: &mut Transcript) -> Result<(), Exit> {
        let used = transcript.tokens();
        // A chat of a few words is full for nobody: most steps cost no query.
        if used < domain::limits::CONTEXT_LIMIT_MIN_TOKENS / 100
            || transcript.to_summarise().is_none()
            || self.compaction.made >= limits::COMPACTIONS
        {
            return Ok(());
        }
        let resolving = self.shared.deps.models.model_resolve(self.chat.model_config_id);
        let model = self.unless_ended(resolving).await?.map_err(Exit::Failed)?;
        if used.saturating_mul(100) < model.context_limit {
            return Ok(());
        }
        let mut session = self.shared.deps.db.read().await?;
        let (own, of_model) = compaction_thresholds(&mut session, self.chat.owner_id, model.id).await?;
        drop(session);
        let threshold = chat_settings::threshold(own, of_model, self.settings.compaction_threshold);
        if !chat_settings::is_full(used, model.context_limit, threshold) {
            return Ok(());
        }
        self.compaction.made += 1;
        tracing::info!(chat = %self.chat.id, used, limit = model.context_limit, threshold, "a chat is summarised");
        self.compact(transcript, Cause::Full, false).await?;
        *transcript = self.load().await?;
        Ok(())
    }

    /// After a generation that failed with `error`: once in a turn a conversation that does not fit is summarised. False when it is not
    /// this error, or when a summary would not help.
    pub(super) async fn compact_after(
        &mut self,
        error: &TurnError,
        transcript: &mut Transcript,
    ) -> Result<bool, Exit> {
        if error.code != ModelError::ContextOverflow.code()
            || self.compaction.overflowed
            || transcript.to_summarise().is_none()
        {
            return Ok(false);
        }
        self.compaction.overflowed = true;
        self.compact(transcript, Cause::Overflow, false).await?;
        *transcript = self.load().await?;
        Ok(true)
    }

    /// Asks for a summary and draws the boundary, with `end` together with the end of the turn.
    async fn compact(&mut self, transcript: &Transcript, cause: Cause, end: bool) -> Result<(), Exit> {
        let began = self.shared.deps.clock.now();
        let resolving = self.shared.deps.models.model_resolve(self.chat.model_config_id);
        let model = self.unless_ended(resolving).await?.map_err(Exit::Failed)?;
        let text = digest(transcript.to_summarise().unwrap_or_default(), text_budget(&model, cause));
        let summary = self.summarise(&model, &text).await?;
        let ended = self.shared.deps.clock.now();
        let id = domain::clock::new_id(&*self.shared.deps.clock, &*self.shared.deps.entropy).to_string();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let boundary = NewBoundary {
            chat_id: self.chat.id,
            shown: domain::boundary::shown_summary(&id, &summary, cause, began, ended),
            summary: Some(summary),
            model_config_id: Some(model.id),
            replay_from: transcript.replay_from(),
            steps: count(transcript.steps()),
            calls: count(transcript.calls()),
            created_at: ended,
        };
        let step = if end { self.ending() } else { self.going_on() };
        match self.commit(step, Content::Boundary(Box::new(boundary))).await? {
            Committed::Yes(_) => {
                self.compaction.wished = None;
                Ok(())
            }
            Committed::Interrupting => Err(Exit::Stopped),
        }
    }

    async fn summarise(&mut self, model: &ResolvedModel, text: &str) -> Result<String, Exit> {
        let mut tries = 0;
        loop {
            let error = match self.summarise_once(model, text).await? {
                Ok(summary) if summary.trim().is_empty() => {
                    return Err(Exit::Failed(failed("The model gave an empty answer.")));
                }
                Ok(summary) => return Ok(summary.trim().to_owned()),
                Err(error) => error,
            };
            tries += 1;
            tracing::warn!(chat = %self.chat.id, %error, tries, "a summary failed");
            let delay = self.shared.deps.config.retry_delay;
            let again = error.is_retryable() || matches!(error, ModelError::Interrupted(_));
            let wait = (again && tries < limits::SUMMARY_TRIES)
                .then(|| delay(tries, error.retry_after(), 0.5))
                .flatten();
            let Some(wait) = wait else {
                return Err(Exit::Failed(failed(&model_error(&error).message)));
            };
            self.pause(wait).await?;
        }
    }

    /// One try. The outer error ends the turn, the inner one is the model's.
    async fn summarise_once(
        &self,
        model: &ResolvedModel,
        text: &str,
    ) -> Result<Result<String, ModelError>, Exit> {
        let cancel = CancellationToken::new();
        // Whatever ends this function ends the exchange with the provider.
        let _guard = cancel.clone().drop_guard();
        let request = Task::Summary.request(&model.model, text, model.max_output_tokens);
        let asking = collect(model, request, cancel, limits::SUMMARY_ANSWER);
        match self.unless_ended(tokio::time::timeout(limits::SUMMARY, asking)).await? {
            Ok(answer) => Ok(answer),
            Err(_) => Err(Exit::Failed(failed("The model took too long."))),
        }
    }
}

/// The text of one answer; what is beyond `cap` bytes is not read. Calls are no part of it: none was offered.
pub(crate) async fn collect(
    model: &ResolvedModel,
    request: llm::GenerationRequest,
    cancel: CancellationToken,
    cap: usize,
) -> Result<String, ModelError> {
    let mut stream = model.provider.generate(request, cancel).await?;
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event? {
            ModelEvent::Text(piece) => {
                text.push_str(&piece);
                if text.len() > cap {
                    return Ok(domain::text::cut_bytes(&text, cap).into_owned());
                }
            }
            ModelEvent::End { reason: FinishReason::ContentFilter } => return Err(ModelError::ContentFilter),
            ModelEvent::End { .. } => return Ok(text),
            _ => {}
        }
    }
    Err(ModelError::Interrupted(llm::Interruption::NoEndMarker))
}

/// Bytes that the model is given to read. A conversation that did not fit as the provider counted is made much shorter.
fn text_budget(model: &ResolvedModel, cause: Cause) -> usize {
    let room = (model.context_limit - llm::tasks::SUMMARY_TOKENS).max(model.context_limit / 2);
    let per_token = if cause == Cause::Overflow { 1 } else { 2 };
    usize::try_from(room.saturating_mul(per_token)).unwrap_or(0).min(limits::SUMMARY_TEXT)
}

fn failed(why: &str) -> TurnError {
    let text = format!(
        "This chat could not be summarised, and nothing in it was changed. {why} Try again, choose another model, or clear the context."
    );
    turn_error("compaction_failed", text, true)
}
