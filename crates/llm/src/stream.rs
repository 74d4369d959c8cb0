//! From the bytes of an answer to its events, with deadlines and the rules of how a stream may end.

use crate::{
    Deadlines, Interruption, ModelError, ModelEvent, ModelStream, Outage, ProtocolFault,
    exchange::Answer,
    limits::DRAIN,
    refusal::{Refusal, error_of},
    sse::{SseEvent, SseParser},
};
use bytes::Bytes;
use egress::EgressError;
use futures::{StreamExt, stream::BoxStream};
use serde_json::Value;
use std::collections::VecDeque;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How one dialect turns the events of an answer into ours.
pub(crate) trait Assemble: Send {
    /// Takes one event, by its name (empty without one) and its data, and appends what comes of it to `out`.
    ///
    /// # Errors
    /// Over a cap, or not of this dialect.
    fn take(&mut self, name: &str, data: &Value, out: &mut Vec<ModelEvent>) -> Result<Taken, ModelError>;

    /// The stream has ended in order: closes what is complete.
    ///
    /// # Errors
    /// [`Interruption`] when the model itself had not ended.
    fn finish(&mut self, out: &mut Vec<ModelEvent>) -> Result<(), ModelError>;
}

/// What an event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A sign of life, and no part of the answer.
    KeepAlive,
    /// A part of the answer.
    Part,
    /// The dialect's end marker.
    End,
}

/// The events of `answer` for `model`. After an error, or the end, the stream ends.
pub(crate) fn events(
    answer: Answer,
    assembler: Box<dyn Assemble>,
    model: String,
    deadlines: Deadlines,
    cancel: CancellationToken,
) -> ModelStream {
    let reader = Reader {
        first_event: answer.begun + deadlines.first_event,
        labelled: answer.labelled,
        // Fused: what is read after the end marker may be the end of the body already.
        body: Some(answer.response.into_stream().fuse().boxed()),
        parser: SseParser::default(),
        assembler,
        ready: VecDeque::new(),
        seen_event: false,
        shown: false,
        model,
        deadlines,
        cancel,
    };
    futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((event, reader))
    })
    .fuse()
    .boxed()
}

struct Reader {
    /// `None` once nothing more is to be read.
    body: Option<BoxStream<'static, Result<Bytes, EgressError>>>,
    parser: SseParser,
    assembler: Box<dyn Assemble>,
    ready: VecDeque<Result<ModelEvent, ModelError>>,
    /// The provider has sent an event.
    seen_event: bool,
    /// The caller has been given an event.
    shown: bool,
    labelled: bool,
    model: String,
    first_event: Instant,
    deadlines: Deadlines,
    cancel: CancellationToken,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if self.cancel.is_cancelled() && (self.body.is_some() || !self.ready.is_empty()) {
                self.body = None;
                self.ready.clear();
                return Some(Err(ModelError::Cancelled));
            }
            if let Some(event) = self.ready.pop_front() {
                self.shown = true;
                return Some(event);
            }
            let body = self.body.as_mut()?;
            let idle = Instant::now() + self.deadlines.idle;
            let wait = if self.seen_event { idle } else { self.first_event };
            let read = tokio::select! {
                biased;
                () = self.cancel.cancelled() => continue,
                read = timeout_at(wait, body.next()) => read,
            };
            if let Err(error) = self.take(read) {
                self.fail(error);
            }
        }
    }

    /// An error ends the answer, after the events that came before it.
    fn fail(&mut self, error: ModelError) {
        self.body = None;
        self.ready.push_back(Err(error));
    }

    fn take(
        &mut self,
        read: Result<Option<Result<Bytes, EgressError>>, tokio::time::error::Elapsed>,
    ) -> Result<(), ModelError> {
        match read {
            Ok(Some(Ok(bytes))) => {
                self.parser.feed(&bytes).map_err(|_| too_large())?;
                self.parsed(false)
            }
            Ok(None) => {
                self.parser.finish().map_err(|_| too_large())?;
                self.parsed(true)?;
                // The end marker has been read, or the body ended in order without one.
                if self.body.is_some() { self.end() } else { Ok(()) }
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "model stream failed");
                Err(if self.seen_event {
                    ModelError::amid_events(&error, self.deadlines.idle, self.deadlines.total)
                } else {
                    ModelError::before_events(&error)
                })
            }
            Err(_) if self.seen_event => {
                Err(ModelError::Interrupted(Interruption::Idle { after: self.deadlines.idle }))
            }
            Err(_) => Err(ModelError::Unavailable {
                outage: Outage::FirstEvent { after: self.deadlines.first_event },
                retry_after: None,
            }),
        }
    }

    /// Handles the complete events of the parser. `at_end`: the body is over, so that the last one may be a cut one.
    fn parsed(&mut self, at_end: bool) -> Result<(), ModelError> {
        while let Some(event) = self.parser.next_event() {
            if self.body.is_none() {
                return Ok(());
            }
            self.event(&event, at_end)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &SseEvent, at_end: bool) -> Result<(), ModelError> {
        let data = event.data.trim();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.seen_event = true;
            return self.end();
        }
        let value: Result<Value, _> = serde_json::from_str(data);
        if event.name == "error" {
            let value = value.unwrap_or_else(|_| Value::String(data.to_owned()));
            return Err(self.reported(error_of(&value).unwrap_or(&value)));
        }
        let value = match value {
            Ok(value) => value,
            Err(_) if at_end && self.seen_event => {
                return Err(ModelError::Interrupted(Interruption::NoEndMarker));
            }
            Err(_) if self.labelled => return Err(ModelError::Protocol(ProtocolFault::BadEvent)),
            Err(_) => return Err(ModelError::Protocol(ProtocolFault::NoStream)),
        };
        if let Some(error) = error_of(&value) {
            return Err(self.reported(error));
        }
        let mut events = Vec::new();
        let taken = self.assembler.take(&event.name, &value, &mut events);
        self.seen_event |= taken != Ok(Taken::KeepAlive);
        self.ready.extend(events.into_iter().map(Ok));
        if taken? == Taken::End { self.end() } else { Ok(()) }
    }

    /// An error inside HTTP 200. Before anything was shown it counts like the same error in a status; later the answer is
    /// broken, whatever the provider calls it, unless waiting cannot help.
    fn reported(&self, error: &Value) -> ModelError {
        let error = Refusal::of_error(error).into_error(&self.model);
        let amid = self.shown || !self.ready.is_empty();
        if amid
            && (error.is_retryable()
                || matches!(error, ModelError::Unavailable { .. } | ModelError::Rejected { .. }))
        {
            return ModelError::Interrupted(Interruption::ErrorEvent);
        }
        error
    }

    /// The stream has ended in order.
    fn end(&mut self) -> Result<(), ModelError> {
        if !self.seen_event && !self.labelled {
            return Err(ModelError::Protocol(ProtocolFault::NoStream));
        }
        let mut events = Vec::new();
        self.assembler.finish(&mut events)?;
        self.ready.extend(events.into_iter().map(Ok));
        if let Some(mut body) = self.body.take() {
            // A connection goes back to the pool only when its answer has been read to the end.
            tokio::spawn(async move {
                let drain = async { while let Some(Ok(_)) = body.next().await {} };
                tokio::time::timeout(DRAIN, drain).await.ok();
            });
        }
        Ok(())
    }
}

fn too_large() -> ModelError {
    ModelError::Protocol(ProtocolFault::TooLarge { what: "the caps of an event" })
}
