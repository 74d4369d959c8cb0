//! The transcript cut into what stands below one another on the page.

use super::{
    Shared, Transcript,
    call::{CallState, CallView},
    committed::{Committed, CommittedPart},
    live::LiveItem,
};
use api::{
    Uuid,
    actions::ActionState,
    check::{ConnectOutcome, ServerOutcome},
    messages::{FilePart, MessageRole, TextPart, ToolCallPart, ToolResultPart},
};
use domain::{plan_mode::is_presented_plan, questions::ASK_USER_QUESTION};
use std::sync::Arc;

/// Place of a block: the turn (id of its user message, 0 when that is not loaded) and the part's place within the turn. A part
/// keeps its place from the first streamed piece to the reloaded page, so what is open or selected stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockKey {
    pub turn: i64,
    pub ordinal: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    User {
        message_id: i64,
        text: Shared<TextPart>,
    },
    /// A file that the person attached.
    File(FilePart),
    /// Servers this turn goes on without.
    Trouble(Shared<Vec<ServerOutcome>>),
    Text(Text),
    Reasoning(Text),
    Calls(Frame),
    /// A plan that was put before the person.
    Plan(CallView),
    /// Questions to the person.
    Questions(CallView),
    /// What is above is no longer sent to the model: a summary is, or nothing.
    Boundary {
        kind: domain::boundary::Kind,
        result: Shared<ToolResultPart>,
    },
    /// A kind of part this build does not know.
    Other(Arc<str>),
    /// The message ends here because it was stopped.
    Interrupted,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Text {
    Committed(Shared<TextPart>),
    /// Still growing: plain text, markup comes with the committed message.
    Live(String),
}

/// Calls with nothing said between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub calls: Vec<CallView>,
    pub turn_over: bool,
}

impl Frame {
    /// Several calls of a finished turn fold to one line, unless one of them needs the reader's attention.
    pub fn folds(&self) -> bool {
        self.turn_over
            && self.calls.len() > 1
            && self.calls.iter().all(|call| call.state != CallState::Unknown && !call.state.is_waiting())
    }

    /// "Used 3 tools in 4.2 s, 1 failed"; the seconds are those on the wall, parallel calls overlap.
    pub fn summary(&self) -> String {
        let mut text = format!("Used {} tools", self.calls.len());
        let start = self.calls.iter().filter_map(CallView::started_at).min();
        let end =
            self.calls.iter().filter_map(|call| call.result.as_ref().map(|result| result.created_at)).max();
        if let (Some(start), Some(end)) = (start, end) {
            text.push_str(" in ");
            text.push_str(&super::call::duration_text(end.millis_since(start)));
        }
        let stopped = self.count(&[CallState::Cancelled]);
        let denied = self.count(&[CallState::Denied]);
        for (count, word) in [(self.failed(), "failed"), (stopped, "stopped"), (denied, "denied")] {
            if count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        text
    }

    /// Calls that did not do what was asked.
    pub fn failed(&self) -> usize {
        self.count(&[
            CallState::ToolError,
            CallState::Failed,
            CallState::NeedsConnection,
            CallState::NeedsPermission,
        ])
    }

    fn count(&self, states: &[CallState]) -> usize {
        self.calls.iter().filter(|call| states.contains(&call.state)).count()
    }

    /// Servers in the order they were used, each once.
    pub fn servers(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for call in &self.calls {
            let name = call.server_name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }
}

impl CallView {
    /// Calls of Patchbay's own that are shown for what they put before the person, once they have.
    fn card(&self) -> Option<Block> {
        let result = self.result.as_ref()?;
        if is_presented_plan(result) {
            return Some(Block::Plan(self.clone()));
        }
        let asks = self.state == CallState::Done
            && result.mcp_server_config_id.is_none()
            && result.tool_name == ASK_USER_QUESTION;
        asks.then(|| Block::Questions(self.clone()))
    }
}

/// Outcomes worth a line: servers the turn goes on without.
pub fn troubled(outcomes: &[ServerOutcome]) -> impl Iterator<Item = &ServerOutcome> {
    outcomes.iter().filter(|server| match server.outcome {
        ConnectOutcome::Connected => false,
        // Skipped with a reason is a server that cannot be used, such as one whose secret is missing.
        ConnectOutcome::Skipped => !server.error.is_empty(),
        ConnectOutcome::Timeout | ConnectOutcome::Error | ConnectOutcome::NoTools => true,
    })
}

/// The calls that ask for something of the person's, each with its server: the newest of each server in the newest turn. What older
/// turns lacked is asked for before the next message is sent.
pub fn asking(blocks: &[(BlockKey, Block)]) -> Vec<(Uuid, Shared<ToolCallPart>)> {
    let Some((newest, _)) = blocks.last() else { return Vec::new() };
    let mut asking = Vec::<(Uuid, Shared<ToolCallPart>)>::new();
    for (_, block) in blocks.iter().rev().take_while(|(key, _)| key.turn == newest.turn) {
        let Block::Calls(frame) = block else { continue };
        for call in frame.calls.iter().rev().filter(|call| call.state.is_waiting()) {
            if let Some(server) = call.call.mcp_server_config_id
                && !asking.iter().any(|(known, _)| *known == server)
            {
                asking.push((server, call.call.clone()));
            }
        }
    }
    asking
}

impl Transcript {
    /// Everything to show, in order; keys ascend.
    pub fn blocks(&self) -> Vec<(BlockKey, Block)> {
        let mut builder = Builder { transcript: self, blocks: Vec::new(), turn: Turn::new(0) };
        for message in &self.messages {
            builder.message(message);
        }
        builder.live();
        builder.end_turn(true);
        builder.blocks
    }
}

struct Turn {
    id: i64,
    next: u32,
    items: Vec<(u32, Item)>,
}

impl Turn {
    fn new(id: i64) -> Self {
        Self { id, next: 0, items: Vec::new() }
    }
}

enum Item {
    Block(Block),
    Call {
        committed: bool,
        call: Shared<ToolCallPart>,
        label: Arc<str>,
        result: Option<Shared<ToolResultPart>>,
    },
}

struct Builder<'a> {
    transcript: &'a Transcript,
    blocks: Vec<(BlockKey, Block)>,
    turn: Turn,
}

impl Builder<'_> {
    fn message(&mut self, message: &Committed) {
        if message.role == MessageRole::System {
            return;
        }
        if message.role == MessageRole::User {
            self.end_turn(false);
            self.turn = Turn::new(message.id);
        }
        for part in &message.parts {
            match part {
                CommittedPart::Result(result) => self.answer(result),
                _ => self.part(message, part),
            }
        }
        if message.interrupted {
            self.push(Some(Item::Block(Block::Interrupted)));
        }
        // Above the answer, below the question. Its place is always counted, or the answer would move when trouble is heard of.
        if message.role == MessageRole::User {
            let trouble = troubled(&message.servers).next().is_some();
            self.push(trouble.then(|| Item::Block(Block::Trouble(message.servers.clone()))));
        }
    }

    fn part(&mut self, message: &Committed, part: &CommittedPart) {
        let item = match part {
            CommittedPart::Text(text) if message.role == MessageRole::User => {
                Some(Item::Block(Block::User { message_id: message.id, text: text.clone() }))
            }
            CommittedPart::Text(text) => (!text.text.trim().is_empty())
                .then(|| Item::Block(Block::Text(Text::Committed(text.clone())))),
            CommittedPart::Reasoning(text) => (!text.text.trim().is_empty())
                .then(|| Item::Block(Block::Reasoning(Text::Committed(text.clone())))),
            CommittedPart::Call { call, label } => {
                Some(Item::Call { committed: true, call: call.clone(), label: label.clone(), result: None })
            }
            CommittedPart::File(file) => Some(Item::Block(Block::File(file.clone()))),
            CommittedPart::Other(kind) => Some(Item::Block(Block::Other(kind.clone()))),
            CommittedPart::Result(_) => None,
        };
        self.push(item);
    }

    fn live(&mut self) {
        for item in &self.transcript.live.items {
            let item = match item {
                LiveItem::Text(text) => {
                    (!text.trim().is_empty()).then(|| Item::Block(Block::Text(Text::Live(text.clone()))))
                }
                LiveItem::Reasoning(text) => {
                    (!text.trim().is_empty()).then(|| Item::Block(Block::Reasoning(Text::Live(text.clone()))))
                }
                LiveItem::Call(call) => Some(Item::Call {
                    committed: false,
                    call: call.call.clone(),
                    label: call.label.clone(),
                    result: None,
                }),
                LiveItem::Other(kind) => Some(Item::Block(Block::Other(kind.clone()))),
            };
            self.push(item);
        }
    }

    /// Takes the next place of the turn, also for parts that show nothing.
    fn push(&mut self, item: Option<Item>) {
        let ordinal = self.turn.next;
        self.turn.next += 1;
        if let Some(item) = item {
            self.turn.items.push((ordinal, item));
        }
    }

    /// Gives a result to the first call of the turn that bears its id and has none. Ids may repeat within a chat: some models
    /// count from `call_1` each time.
    fn answer(&mut self, answer: &Shared<ToolResultPart>) {
        let open = self.turn.items.iter_mut().find_map(|(_, item)| match item {
            Item::Call { call, result, .. }
                if result.is_none() && call.tool_call_id == answer.tool_call_id =>
            {
                Some(result)
            }
            _ => None,
        });
        if let Some(open) = open {
            *open = Some(answer.clone());
        }
    }

    fn end_turn(&mut self, last: bool) {
        let runs = last && self.transcript.status.is_busy();
        let turn = std::mem::replace(&mut self.turn, Turn::new(0));
        let key = |ordinal| BlockKey { turn: turn.id, ordinal };
        for (ordinal, item) in turn.items {
            match item {
                Item::Block(block) => self.blocks.push((key(ordinal), block)),
                Item::Call { committed: true, call, result, .. }
                    if domain::boundary::may_be(&call, result.as_deref()) =>
                {
                    // Its result comes right behind the call.
                    let Some(result) = result else { continue };
                    if let Some(kind) = domain::boundary::kind_of(&call, Some(&result)) {
                        self.blocks.push((key(ordinal), Block::Boundary { kind, result }));
                    }
                }
                Item::Call { committed, call, label, result } => {
                    let view = self.call(ordinal, committed, call, label, result, runs);
                    if let Some(block) = view.card() {
                        self.blocks.push((key(ordinal), block));
                        continue;
                    }
                    match self.blocks.last_mut() {
                        Some((BlockKey { turn: frame_turn, .. }, Block::Calls(frame)))
                            if *frame_turn == turn.id =>
                        {
                            frame.calls.push(view);
                        }
                        _ => {
                            let frame = Frame { calls: vec![view], turn_over: !runs };
                            self.blocks.push((key(ordinal), Block::Calls(frame)));
                        }
                    }
                }
            }
        }
    }

    fn call(
        &self,
        ordinal: u32,
        committed: bool,
        call: Shared<ToolCallPart>,
        label: Arc<str>,
        result: Option<Shared<ToolResultPart>>,
        runs: bool,
    ) -> CallView {
        if !committed {
            return CallView::streaming(ordinal, call, label);
        }
        let result = result.or_else(|| {
            runs.then(|| self.transcript.live_results.get(&call.tool_call_id).cloned()).flatten()
        });
        let progress =
            self.transcript.progress.get(&call.tool_call_id).filter(|_| runs && result.is_none()).cloned();
        // Another call of the same step may be out already.
        let open = |id: &str| {
            let mut actions = self.transcript.actions().iter();
            actions.any(|action| action.state == ActionState::Open && action.tool_call_id == id)
        };
        let waits = runs && result.is_none() && open(&call.tool_call_id);
        let view = CallView::committed(ordinal, call, label, result, runs);
        CallView { progress, state: if waits { CallState::Waiting } else { view.state }, ..view }
    }
}
