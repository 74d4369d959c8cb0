//! One tool call as it is shown: its label, its state, and what stands behind "Details".

use super::Shared;
use api::{
    Timestamp,
    messages::{ResultContent, ToolCallPart, ToolNeeds, ToolOutcome, ToolResultPart},
    stream::ToolProgress,
};
use std::sync::Arc;

/// The states of a call in this build (ui.md, "A tool call").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// The model is still writing the arguments.
    Streaming,
    Running,
    Done,
    /// The tool itself reported a failure.
    ToolError,
    /// Surely not executed.
    Failed,
    Denied,
    Cancelled,
    /// It may or may not have happened.
    Unknown,
    /// Surely not executed: the person has to connect first.
    NeedsConnection,
    /// Surely not executed: the server wants more permission than the person gave.
    NeedsPermission,
    /// Somebody has to approve it, to run it, or to answer its server.
    Waiting,
}

impl CallState {
    /// Value of `data-state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Running => "running",
            Self::Done => "done",
            Self::ToolError => "tool-error",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::NeedsConnection => "needs-connection",
            Self::NeedsPermission => "needs-permission",
            Self::Waiting => "waiting",
        }
    }

    /// The word beside the icon: a state is never told by colour or shape alone.
    pub fn word(self) -> &'static str {
        match self {
            Self::Streaming => "Preparing",
            Self::Running => "Running",
            Self::Done => "Done",
            Self::ToolError => "Tool reported a problem",
            Self::Failed => "Failed",
            Self::Denied => "Denied",
            Self::Cancelled => "Stopped",
            Self::Unknown => "Outcome unknown",
            Self::NeedsConnection => "Needs your account",
            Self::NeedsPermission => "Needs more permission",
            Self::Waiting => "Waiting for you",
        }
    }

    pub fn is_active(self) -> bool {
        matches!(self, Self::Streaming | Self::Running)
    }

    /// The person can do something about it.
    pub fn is_waiting(self) -> bool {
        matches!(self, Self::NeedsConnection | Self::NeedsPermission)
    }

    /// How a call ended that has this result.
    fn of(result: &ToolResultPart) -> Self {
        match result.needs {
            Some(ToolNeeds::Connection) => Self::NeedsConnection,
            Some(ToolNeeds::Permission) => Self::NeedsPermission,
            None => Self::ended(result.outcome, result.is_error),
        }
    }

    /// How a call ended that did so with `outcome`.
    pub fn ended(outcome: ToolOutcome, is_error: bool) -> Self {
        match outcome {
            ToolOutcome::Ok if is_error => Self::ToolError,
            ToolOutcome::Ok => Self::Done,
            ToolOutcome::Error => Self::Failed,
            ToolOutcome::Cancelled => Self::Cancelled,
            ToolOutcome::Denied => Self::Denied,
            ToolOutcome::Unknown => Self::Unknown,
        }
    }
}

/// A call with everything its line needs.
#[derive(Debug, Clone, PartialEq)]
pub struct CallView {
    /// Place in the turn; stays the same from the first streamed piece to the reloaded page.
    pub ordinal: u32,
    pub label: Arc<str>,
    pub state: CallState,
    pub call: Shared<ToolCallPart>,
    pub result: Option<Shared<ToolResultPart>>,
    pub progress: Option<ToolProgress>,
}

impl CallView {
    /// A call the model has finished writing. Without a result it runs while the turn does; after that nobody knows.
    pub(super) fn committed(
        ordinal: u32,
        call: Shared<ToolCallPart>,
        label: Arc<str>,
        result: Option<Shared<ToolResultPart>>,
        turn_runs: bool,
    ) -> Self {
        let state = match &result {
            Some(result) => CallState::of(result),
            None if turn_runs => CallState::Running,
            None => CallState::Unknown,
        };
        Self { ordinal, label, state, call, result, progress: None }
    }

    pub(super) fn streaming(ordinal: u32, call: Shared<ToolCallPart>, label: Arc<str>) -> Self {
        Self { ordinal, label, state: CallState::Streaming, call, result: None, progress: None }
    }

    /// Name of the server for people; calls of built-in tools belong to Patchbay.
    pub fn server_name(&self) -> String {
        match &self.call.server {
            Some(server) if !server.display_name.trim().is_empty() => server.display_name.clone(),
            Some(server) => server.slug.clone(),
            None => "Patchbay".to_owned(),
        }
    }

    pub fn icon_url(&self) -> String {
        self.call.server.as_ref().map(|server| server.icon_url.clone()).unwrap_or_default()
    }

    /// The tool's own name, as its server calls it.
    pub fn true_name(&self) -> String {
        self.call.original_name.clone().unwrap_or_else(|| self.call.tool_name.clone())
    }

    pub fn started_at(&self) -> Option<Timestamp> {
        self.call.created_at
    }

    /// Milliseconds from call to result, once there is one.
    pub fn duration_ms(&self) -> Option<i64> {
        Some(self.result.as_ref()?.created_at.millis_since(self.call.created_at?))
    }

    /// What the second line says beside the server's name; empty when there is nothing to add.
    pub fn remark(&self) -> String {
        match self.state {
            CallState::Streaming | CallState::Done => self.shortened().unwrap_or_default(),
            CallState::Running => self.progress.as_ref().map(|p| first_line(&p.message)).unwrap_or_default(),
            CallState::ToolError => {
                or(self.result_line(), "The tool reported a problem without saying which.")
            }
            CallState::Failed => or(self.result_line(), "The call was not executed."),
            CallState::NeedsConnection => format!("{} needs your account", self.server_name()),
            CallState::NeedsPermission => match self.wanted_scopes() {
                Some(scopes) => format!("{} needs more permission: {scopes}", self.server_name()),
                None => format!("{} needs more permission for this", self.server_name()),
            },
            CallState::Waiting => String::new(),
            CallState::Denied => self.denied_words().to_owned(),
            CallState::Cancelled => "Stopped".to_owned(),
            CallState::Unknown => {
                format!(
                    "{} It may or may not have happened.",
                    or(self.unknown_cause(), "No answer came back.")
                )
            }
        }
    }

    /// By whom or what it was denied, told from the words that Patchbay itself wrote.
    fn denied_words(&self) -> &'static str {
        let line = self.result_line();
        if line.contains("the user denied it") {
            "You denied this call."
        } else if line.contains("was not approved within") {
            "Not approved in time, so it was not sent."
        } else {
            "This call was denied."
        }
    }

    /// What to do next, where there is something.
    pub fn advice(&self) -> Option<String> {
        (self.state == CallState::Unknown)
            .then(|| format!("Check in {} before trying again.", self.server_name()))
    }

    /// "Result shortened for the model: 256 KiB of 3.1 MiB".
    pub fn shortened(&self) -> Option<String> {
        let result = self.result.as_ref().filter(|result| result.truncated)?;
        Some(match result.total_bytes {
            Some(total) => format!(
                "Result shortened for the model: {} of {}",
                bytes_text(MODEL_RESULT_BYTES.min(total)),
                bytes_text(total)
            ),
            None => "Result shortened for the model".to_owned(),
        })
    }

    fn result_line(&self) -> String {
        let texts =
            self.result.iter().flat_map(|result| &result.result).filter_map(|content| match content {
                ResultContent::Text { text } => Some(first_line(text)),
                _ => None,
            });
        texts.into_iter().find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Which permission it was, where the server told; the rest of the sentence is the model's.
    fn wanted_scopes(&self) -> Option<String> {
        const MARK: &str = " (scopes ";
        let line = self.result_line();
        let from = line.rfind(MARK)? + MARK.len();
        let scopes = line[from..].split(')').next().unwrap_or_default();
        (!scopes.is_empty()).then(|| scopes.to_owned())
    }

    /// What was recorded before the warning begins. The warning itself is said by the line, in its own words.
    fn unknown_cause(&self) -> String {
        let line = self.result_line();
        let end =
            [". ", ": it may "].into_iter().filter_map(|mark| line.find(mark)).min().unwrap_or(line.len());
        let cause = line[..end].trim_end_matches(['.', ':']);
        if cause.is_empty() || cause.contains("may or may not") {
            return String::new();
        }
        format!("{cause}.")
    }
}

/// How much of a result reaches the model (behaviour 15).
const MODEL_RESULT_BYTES: i64 = 256 * 1024;
/// Characters of a second line.
const REMARK_CHARS: usize = 240;

fn or(text: String, fallback: &str) -> String {
    if text.is_empty() { fallback.to_owned() } else { text }
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(REMARK_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

/// Label of a call without an intent: the tool's title, else its own name, else the name the model sees (behaviour 14).
pub(super) fn fallback_label(call: &ToolCallPart) -> String {
    [call.tool_title.as_deref(), call.original_name.as_deref()]
        .into_iter()
        .flatten()
        .map(str::trim)
        .find(|name| !name.is_empty())
        .unwrap_or(&call.tool_name)
        .to_owned()
}

/// Label of a stored call.
pub(super) fn committed_label(call: &ToolCallPart) -> String {
    let fallback = fallback_label(call);
    match &call.args {
        Some(args) if call.model_intent => domain::intent::label(args, &fallback),
        _ => fallback,
    }
}

/// "812 B", "12 KiB", "3.1 MiB".
pub fn bytes_text(bytes: i64) -> String {
    const KIB: i64 = 1024;
    const MIB: i64 = 1024 * KIB;
    match bytes {
        ..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", (bytes + KIB / 2) / KIB),
        _ => {
            let tenths = (bytes * 10 + MIB / 2) / MIB;
            format!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

/// "3.2 s", "1 min 4 s".
pub fn duration_text(ms: i64) -> String {
    let ms = ms.max(0);
    if ms < 60_000 {
        format!("{}.{} s", ms / 1000, ms % 1000 / 100)
    } else {
        format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000)
    }
}
