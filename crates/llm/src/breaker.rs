//! A provider that is down is left alone (behaviour 18, threats 121): of all turns of this process one asks every ten seconds, the
//! others wait, and they go on together once it answers. Their own retries would be a storm upon whoever is just coming back.

use crate::{
    GenerationRequest, ModelError, ModelProvider, ModelStream,
    error::Outage,
    limits::{BREAKER_OUTCOMES, BREAKER_PROBE, BREAKER_REMEMBERED, BREAKER_WINDOW},
};
use async_trait::async_trait;
use futures::StreamExt;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What is known of one provider. Time is a parameter.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When somebody was answered (`true`) or not, the newest last.
    outcomes: VecDeque<(Instant, bool)>,
    /// Open: nobody asks before this moment, and then one.
    probe_at: Option<Instant>,
}

impl Breaker {
    /// Whether somebody may ask now. While it is open, whoever comes after the wait is the one who does; should no answer come of
    /// that, another may ten seconds later.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        match &mut state.probe_at {
            Some(at) if now < *at => Err(*at - now),
            Some(at) => {
                *at = now + BREAKER_PROBE;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The provider answered, be it with a refusal.
    pub fn worked(&self, now: Instant) {
        let mut state = self.state();
        if state.probe_at.take().is_some() {
            tracing::info!("a model provider answers again");
            state.outcomes.clear();
        }
        state.note(now, true);
    }

    /// The provider was down. Opens the breaker when half of what was asked lately, and no little, ended so.
    pub fn failed(&self, now: Instant) {
        let mut state = self.state();
        if state.probe_at.is_some() {
            return;
        }
        state.note(now, false);
        let failed = state.outcomes.iter().filter(|(_, worked)| !worked).count();
        if state.outcomes.len() >= BREAKER_OUTCOMES && 2 * failed >= state.outcomes.len() {
            tracing::warn!(failed, of = state.outcomes.len(), "a model provider is left alone for a while");
            state.probe_at = Some(now + BREAKER_PROBE);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, now: Instant, worked: bool) {
        let old = |at: Instant| now.duration_since(at) > BREAKER_WINDOW;
        while self.outcomes.len() >= BREAKER_REMEMBERED
            || self.outcomes.front().is_some_and(|(at, _)| old(*at))
        {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, worked));
    }
}

/// A provider behind its breaker.
pub(crate) struct Guarded<P> {
    inner: P,
    breaker: Arc<Breaker>,
}

impl<P: ModelProvider> Guarded<P> {
    pub(crate) fn new(inner: P) -> Self {
        Self { inner, breaker: Arc::default() }
    }
}

#[async_trait]
impl<P: ModelProvider> ModelProvider for Guarded<P> {
    async fn generate(
        &self,
        request: GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<ModelStream, ModelError> {
        if let Err(wait) = self.breaker.admit(Instant::now()) {
            return Err(ModelError::Unavailable { outage: Outage::Paused, retry_after: Some(wait) });
        }
        let stream = match self.inner.generate(request, cancel).await {
            Ok(stream) => stream,
            Err(error) => {
                judge(&self.breaker, Some(&error));
                return Err(error);
            }
        };
        let breaker = Arc::clone(&self.breaker);
        let mut judged = false;
        // The head of an answer promises nothing: its first event counts.
        Ok(stream
            .inspect(move |event| {
                if !std::mem::replace(&mut judged, true) {
                    judge(&breaker, event.as_ref().err());
                }
            })
            .boxed())
    }
}

/// What the beginning of an answer, or the error instead of it, says about the provider.
fn judge(breaker: &Breaker, error: Option<&ModelError>) {
    let now = Instant::now();
    match error {
        Some(ModelError::Cancelled | ModelError::RefusedByPolicy { .. }) => {}
        Some(ModelError::Unavailable { .. } | ModelError::Interrupted(_)) => {
            if error.is_some_and(ModelError::is_retryable) {
                breaker.failed(now);
            }
        }
        // Also a wrong key or too many requests: somebody is there, and says how to go on.
        _ => breaker.worked(now),
    }
}

#[cfg(test)]
mod tests;
