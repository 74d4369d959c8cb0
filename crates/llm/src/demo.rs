//! The demo model: no AI, no key, no network.
//!
//! It shows what a model does to Patchbay: it ranks the offered tools by the words they share with the user's last
//! message, fills the arguments of the best one from its schema and the message, streams intent and arguments in small
//! pieces, and reports the result. It knows no server's tool by name and gives the same answer to the same conversation every
//! time. In plan mode it makes a plan of the message and puts it before the person. After tool results it always answers in text, so that a turn ends after one call.

mod arguments;
mod formats;
mod intent;
mod message;
mod numbers;
mod plan;
mod rank;
mod report;
mod schema;
mod tasks;
mod words;

use crate::{
    FinishReason, GenerationRequest, ModelError, ModelEvent, ModelProvider, ModelStream, PromptMessage,
    ToolSpec, ids, limits::DEMO_MESSAGE, tasks::Task,
};
use async_trait::async_trait;
use domain::tools::BUILT_IN_NAMES;
use futures::StreamExt;
use message::Message;
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio_util::sync::CancellationToken;

/// Characters of one piece of arguments: few enough that the label is seen to grow.
const ARGUMENT_PIECE: usize = 4;
/// Characters of one piece of text.
const TEXT_PIECE: usize = 12;

/// The demo model.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    pacing: Duration,
}

impl Demo {
    /// A demo model that waits `pacing` between two pieces; zero for none.
    pub fn new(pacing: Duration) -> Self {
        Self { pacing }
    }
}

#[async_trait]
impl ModelProvider for Demo {
    async fn generate(
        &self,
        request: GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<ModelStream, ModelError> {
        if cancel.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let playing = Playing { script: script(&request), pacing: self.pacing, cancel, begun: false };
        Ok(futures::stream::unfold(playing, |mut playing| async move {
            let event = playing.next().await?;
            Some((event, playing))
        })
        .fuse()
        .boxed())
    }
}

struct Playing {
    script: VecDeque<ModelEvent>,
    pacing: Duration,
    cancel: CancellationToken,
    begun: bool,
}

impl Playing {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        if self.script.is_empty() {
            return None;
        }
        if self.begun && !self.pacing.is_zero() {
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = tokio::time::sleep(self.pacing) => {}
            }
        }
        self.begun = true;
        if self.cancel.is_cancelled() {
            self.script.clear();
            return Some(Err(ModelError::Cancelled));
        }
        self.script.pop_front().map(Ok)
    }
}

/// The whole answer.
fn script(request: &GenerationRequest) -> VecDeque<ModelEvent> {
    if let Some((task, text)) = Task::of(request) {
        return spoken(&tasks::answer(task, text));
    }
    let last_user =
        request.messages.iter().rposition(|message| matches!(message, PromptMessage::User { .. }));
    let since = &request.messages[last_user.map_or(0, |at| at + 1)..];
    if since.iter().any(|message| matches!(message, PromptMessage::Tool { .. })) {
        return spoken(&report::results(since));
    }
    let text = match last_user.and_then(|at| request.messages.get(at)) {
        Some(PromptMessage::User { text }) => text.as_str(),
        _ => "",
    };
    let message =
        Message::read(&text[..text.char_indices().nth(DEMO_MESSAGE).map_or(text.len(), |(at, _)| at)]);
    // Patchbay's own tools are no help with what the message is about.
    let (own, tools): (Vec<ToolSpec>, Vec<ToolSpec>) =
        request.tools.iter().cloned().partition(|tool| BUILT_IN_NAMES.contains(&tool.name.as_str()));
    if plan::wanted(&own) {
        return plan::propose(request, text);
    }
    match rank::choose(&message, &tools) {
        Some(choice) => call(request, &message, &choice),
        None => spoken(&report::nothing_fits(&tools)),
    }
}

fn call(
    request: &GenerationRequest,
    message: &Message<'_>,
    choice: &rank::Choice<'_>,
) -> VecDeque<ModelEvent> {
    let tool = choice.tool;
    let mut events = pieces(&report::choice(tool, &choice.shared), TEXT_PIECE)
        .map(ModelEvent::Text)
        .collect::<VecDeque<_>>();
    let id = ids::unique(&mut ids::of_conversation(request), None);
    events.push_back(ModelEvent::ToolCallStart { index: 0, id, name: tool.name.clone() });
    let arguments = arguments_of(tool, message).to_string();
    events.extend(
        pieces(&arguments, ARGUMENT_PIECE).map(|arguments| ModelEvent::ToolCallDelta { index: 0, arguments }),
    );
    events.push_back(ModelEvent::ToolCallEnd { index: 0 });
    events.push_back(ModelEvent::End { reason: FinishReason::ToolCalls });
    events
}

/// The arguments, with the intent first where the schema asks for one, so that it is seen while the rest still streams.
fn arguments_of(tool: &ToolSpec, message: &Message<'_>) -> Value {
    let asked = schema::Asked::of(&tool.parameters);
    let subject = message.subject(&rank::naming_words(tool));
    let arguments = arguments::fill(&asked, message, subject.unwrap_or_else(|| message.text.trim()));
    if asked.intent {
        let named = message.quoted.first().map(|quoted| quoted.text).or(subject);
        json!({"model_intent": intent::label(tool, named), "properties": arguments})
    } else {
        arguments
    }
}

fn spoken(text: &str) -> VecDeque<ModelEvent> {
    let mut events: VecDeque<_> = pieces(text, TEXT_PIECE).map(ModelEvent::Text).collect();
    events.push_back(ModelEvent::End { reason: FinishReason::Stop });
    events
}

/// `text` in pieces of `size` characters.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = String> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || chars.peek().is_some().then(|| chars.by_ref().take(size).collect()))
}

#[cfg(test)]
mod tests;
