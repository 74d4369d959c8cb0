//! The visible history as a turn uses it: the prompt, and what is left to do.

use super::{
    files::{Files, files_of},
    results::{UNKNOWN, model_text},
};
use crate::{
    history::{self, Budget},
    limits,
};
use api::{
    Uuid,
    messages::{ChatMessage, MessageRole, Part, ResultContent, ToolCallPart},
};
use llm::{PromptMessage, PromptToolCall};
use serde_json::Value;
use std::{collections::HashSet, ops::ControlFlow};
use store::{Session, StoreError, chats::boundary_newest, messages::user_messages_between};

/// What a call without a result stands for in the prompt: providers refuse a call that is never answered. That it has none does not
/// mean that it was not sent.
const NO_RESULT: &str = UNKNOWN;

/// The history of a chat, oldest first. Results are held only as the model sees them.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    prompt: Vec<PromptMessage>,
    last_user: Option<ChatMessage>,
    /// The newest message, when it is an assistant's whose calls have no results yet.
    unanswered: Option<ChatMessage>,
    last_role: Option<MessageRole>,
    /// Generations and calls since the user's last message.
    steps: usize,
    calls: usize,
    /// Ids of calls in the prompt that still want a result.
    open: Vec<(String, String)>,
    /// The first of the user's messages that nobody answered to the end.
    asked_from: Option<i64>,
    /// Tokens up to the last generation as its provider counted them, and bytes since.
    counted: i64,
    uncounted: usize,
    files: Files,
}

/// What a summary is called in the prompt. The words of a model are no instructions of ours, so it stands among the messages.
const SUMMARY: &str = "Summary of this conversation so far, written by a model. Where the user's request follows and the summary says that \
     something was done for it already, go on from there and do not do it again.\n\n";

impl Transcript {
    /// The newest messages that fit into the budget, and in any case those of the turn: back to the user's last message.
    pub(super) async fn load(session: &mut Session, chat: Uuid) -> Result<Self, StoreError> {
        Self::load_within(session, chat, Budget::new(limits::HISTORY_MESSAGES, limits::HISTORY_BYTES)).await
    }

    async fn load_within(session: &mut Session, chat: Uuid, mut budget: Budget) -> Result<Self, StoreError> {
        let boundary = boundary_newest(session, chat).await?;
        let mut messages = Vec::new();
        let mut turn_is_whole = false;
        let mut reached = false;
        history::read(session, chat, history::From::Newest, |mut message| {
            if boundary.as_ref().is_some_and(|boundary| message.id <= boundary.through_id) {
                reached = true;
                return ControlFlow::Break(());
            }
            // At once: a page of large results is let go before the next is read.
            shorten(&mut message);
            if !budget.fits(history::message_bytes(&message)) && turn_is_whole {
                return ControlFlow::Break(());
            }
            turn_is_whole |= message.role == MessageRole::User;
            messages.push(message);
            ControlFlow::Continue(())
        })
        .await?;
        messages.reverse();
        let again = match boundary.as_ref().and_then(|boundary| Some((boundary, boundary.replay_from?))) {
            Some((boundary, from)) => {
                user_messages_between(session, chat, from, boundary.message_id, limits::REPLAYED).await?
            }
            None => Vec::new(),
        };
        let shown: Vec<&ChatMessage> = again.iter().chain(&messages).collect();
        let files = Files::load(session, chat, &shown).await?;
        let Some(boundary) = boundary else { return Ok(Self::with_files(messages, files)) };
        let mut transcript = Self { files, ..Self::default() };
        if let Some(summary) = &boundary.summary {
            let text = format!("{SUMMARY}{summary}");
            transcript.uncounted += text.len();
            transcript.prompt.push(PromptMessage::User { text });
        }
        if boundary.replay_from.is_some() {
            again.into_iter().for_each(|message| transcript.take(message));
            let count = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
            (transcript.steps, transcript.calls) = (count(boundary.steps), count(boundary.calls));
        }
        // Behind the boundary nothing is missing, so a turn may go on there; where the budget ended first, it may not.
        let begins = if reached { 0 } else { beginning(&messages) };
        messages.into_iter().skip(begins).for_each(|message| transcript.take(message));
        Ok(transcript)
    }

    /// Without what is in files.
    fn new(messages: Vec<ChatMessage>) -> Self {
        Self::with_files(messages, Files::default())
    }

    /// Of messages whose results are shortened already.
    fn with_files(messages: Vec<ChatMessage>, files: Files) -> Self {
        let mut transcript = Self { files, ..Self::default() };
        let from = beginning(&messages);
        messages.into_iter().skip(from).for_each(|message| transcript.take(message));
        transcript
    }

    pub(super) fn push(&mut self, mut message: ChatMessage) {
        shorten(&mut message);
        self.take(message);
    }

    fn take(&mut self, message: ChatMessage) {
        match message.usage.filter(|_| message.role == MessageRole::Assistant) {
            Some(usage) => {
                self.counted = usage.total_tokens.max(usage.input_tokens.saturating_add(usage.output_tokens));
                self.uncounted = 0;
            }
            None => self.uncounted = self.uncounted.saturating_add(history::message_bytes(&message)),
        }
        if message.role == MessageRole::User && self.last_role != Some(MessageRole::User) {
            self.asked_from = Some(message.id);
        }
        self.last_role = Some(message.role);
        match message.role {
            MessageRole::User => {
                self.close_open();
                self.steps = 0;
                self.calls = 0;
                self.unanswered = None;
                let said = Some(text_of(&message)).filter(|text| !text.is_empty());
                let files = files_of(&message).map(|file| self.files.words(file));
                let text = said.into_iter().chain(files).collect::<Vec<_>>().join("\n\n");
                self.prompt.push(PromptMessage::User { text });
                self.prompt.extend(files_of(&message).filter_map(|file| self.files.picture(file)));
                self.last_user = Some(message);
            }
            MessageRole::Assistant => {
                self.close_open();
                let calls: Vec<&ToolCallPart> = tool_calls(&message).collect();
                self.steps += 1;
                self.calls += calls.len();
                self.open =
                    calls.iter().map(|call| (call.tool_call_id.clone(), call.tool_name.clone())).collect();
                let tool_calls = calls
                    .iter()
                    .map(|call| PromptToolCall {
                        id: call.tool_call_id.clone(),
                        name: call.tool_name.clone(),
                        arguments: prompt_arguments(call.args.as_ref()),
                    })
                    .collect();
                let text = text_of(&message);
                if !text.is_empty() || !calls.is_empty() {
                    self.prompt.push(PromptMessage::Assistant { text, tool_calls });
                }
                self.unanswered = (!self.open.is_empty()).then_some(message);
            }
            MessageRole::Tool => {
                let mut answered = HashSet::new();
                for part in message.content {
                    let Part::ToolResult(result) = part else { continue };
                    if !self.open.iter().any(|(id, _)| *id == result.tool_call_id) {
                        continue;
                    }
                    answered.insert(result.tool_call_id.clone());
                    self.prompt.push(PromptMessage::Tool {
                        tool_call_id: result.tool_call_id,
                        name: result.tool_name,
                        text: result.result.into_iter().map(shortened_text).collect(),
                        is_error: result.is_error,
                    });
                }
                self.open.retain(|(id, _)| !answered.contains(id));
                self.close_open();
                self.unanswered = None;
            }
            MessageRole::System => {}
        }
    }

    fn close_open(&mut self) {
        for (tool_call_id, name) in std::mem::take(&mut self.open) {
            let text = NO_RESULT.to_owned();
            self.prompt.push(PromptMessage::Tool { tool_call_id, name, text, is_error: true });
        }
    }

    pub(super) fn prompt(&self) -> &[PromptMessage] {
        &self.prompt
    }

    pub(super) fn last_user(&self) -> Option<&ChatMessage> {
        self.last_user.as_ref()
    }

    /// The message whose calls an earlier runner left without results.
    pub(super) fn take_unanswered(&mut self) -> Option<ChatMessage> {
        self.unanswered.take()
    }

    /// The model's turn: the newest message is the user's or holds results.
    pub(super) fn wants_answer(&self) -> bool {
        matches!(self.last_role, Some(MessageRole::User | MessageRole::Tool))
    }

    /// Tokens of the conversation: as the provider counted last, and an estimate of what came since.
    pub(super) fn tokens(&self) -> i64 {
        let since = i64::try_from(self.uncounted / limits::BYTES_PER_TOKEN).unwrap_or(i64::MAX);
        self.counted.saturating_add(since)
    }

    /// What a summary is made of: all but the user's messages at the end that nobody has begun to answer. `None` where no assistant
    /// has said anything since the last boundary: a summary would win nothing.
    pub(super) fn to_summarise(&self) -> Option<&[PromptMessage]> {
        let end = self
            .prompt
            .iter()
            .rposition(|message| !matches!(message, PromptMessage::User { .. }))
            .map_or(0, |at| at + 1);
        let said = self.prompt.iter().any(|message| matches!(message, PromptMessage::Assistant { .. }));
        said.then(|| &self.prompt[..end])
    }

    /// The first of the user's messages to be said again behind a boundary that is drawn now.
    pub(super) fn replay_from(&self) -> Option<i64> {
        self.asked_from.filter(|_| self.wants_answer())
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    pub(super) fn calls(&self) -> usize {
        self.calls
    }
}

/// Messages as a prompt, oldest first.
pub(crate) fn prompt_of(mut messages: Vec<ChatMessage>) -> Vec<PromptMessage> {
    messages.iter_mut().for_each(shorten);
    Transcript::new(messages).prompt
}

/// Where messages that were cut off by a budget may begin: a page may begin in the middle of a turn, and a result without its call is
/// refused by providers.
fn beginning(messages: &[ChatMessage]) -> usize {
    messages.iter().position(|message| message.role == MessageRole::User).unwrap_or(messages.len())
}

/// Leaves of every result what the model sees of it, as one text.
fn shorten(message: &mut ChatMessage) {
    for part in &mut message.content {
        if let Part::ToolResult(result) = part {
            let (text, _) = model_text(&result.result, limits::RESULT_TO_MODEL);
            result.result = vec![ResultContent::Text { text }];
        }
    }
}

fn shortened_text(part: ResultContent) -> String {
    match part {
        ResultContent::Text { text } => text,
        // Not after `shorten`, which leaves texts only.
        other => model_text(&[other], limits::RESULT_TO_MODEL).0,
    }
}

/// The calls of a message, in order.
pub(super) fn tool_calls(message: &ChatMessage) -> impl Iterator<Item = &ToolCallPart> {
    message.content.iter().filter_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    })
}

fn text_of(message: &ChatMessage) -> String {
    let texts: Vec<&str> = message
        .content
        .iter()
        .filter_map(|part| match part {
            Part::Text(part) => Some(part.text.as_str()),
            _ => None,
        })
        .collect();
    texts.join("\n\n")
}

/// The arguments of a call as the model wrote them, give or take spaces.
pub(super) fn prompt_arguments(args: Option<&Value>) -> String {
    match args {
        None => "{}".to_owned(),
        // What was no JSON is kept as text: the model sees again what it wrote.
        Some(Value::String(raw)) => raw.clone(),
        Some(args) => args.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{
        Timestamp, Uuid,
        messages::{ResultContent, ToolOutcome, ToolResultPart},
    };
    use serde_json::json;

    fn message(id: i64, role: MessageRole, content: Vec<Part>) -> ChatMessage {
        ChatMessage {
            id,
            chat_id: Uuid::nil(),
            role,
            content,
            created_at: Timestamp(id),
            revision: 1,
            model_config_id: None,
            usage: None,
            interrupted: false,
            mcp_status: None,
        }
    }

    fn call(id: &str) -> Part {
        Part::ToolCall(ToolCallPart {
            tool_call_id: id.to_owned(),
            tool_name: "s__t".to_owned(),
            args: Some(json!({"q": 1})),
            ..ToolCallPart::default()
        })
    }

    fn result(id: &str, text: &str) -> Part {
        Part::ToolResult(ToolResultPart {
            tool_call_id: id.to_owned(),
            tool_name: "s__t".to_owned(),
            mcp_server_config_id: None,
            result: vec![ResultContent::Text { text: text.to_owned() }],
            is_error: false,
            is_media: false,
            provider_executed: false,
            outcome: ToolOutcome::Ok,
            truncated: false,
            total_bytes: None,
            needs: None,
            html: None,
            created_at: Timestamp(0),
        })
    }

    #[test]
    fn every_call_of_the_prompt_has_exactly_one_result() {
        use MessageRole::{Assistant, Tool, User};
        let transcript = Transcript::new(vec![
            message(1, Tool, vec![result("lost", "cut off by the page")]),
            message(2, User, vec![Part::text("hi")]),
            message(3, Assistant, vec![Part::text("on it"), call("a"), call("b")]),
            message(4, Tool, vec![result("b", "B"), result("a", "A"), result("z", "nobody asked")]),
            message(5, Assistant, vec![call("c")]),
            message(6, User, vec![Part::text("never mind")]),
        ]);
        let ids: Vec<_> = transcript
            .prompt()
            .iter()
            .filter_map(|message| match message {
                PromptMessage::Tool { tool_call_id, text, .. } => {
                    Some((tool_call_id.as_str(), text.as_str()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(ids, [("b", "B"), ("a", "A"), ("c", NO_RESULT)]);
        assert_eq!((transcript.steps(), transcript.calls()), (0, 0));
        assert!(transcript.wants_answer());
    }

    #[test]
    fn it_knows_what_is_left_to_do() {
        use MessageRole::{Assistant, Tool, User};
        let mut transcript = Transcript::new(vec![
            message(1, User, vec![Part::text("hi")]),
            message(2, Assistant, vec![call("a")]),
        ]);
        assert!(!transcript.wants_answer());
        assert_eq!(transcript.take_unanswered().map(|message| message.id), Some(2));
        transcript.push(message(3, Tool, vec![result("a", "A")]));
        assert!(transcript.wants_answer());
        assert_eq!((transcript.steps(), transcript.calls()), (1, 1));
        transcript.push(message(4, Assistant, vec![Part::text("done")]));
        assert!(!transcript.wants_answer() && transcript.take_unanswered().is_none());
    }
}
