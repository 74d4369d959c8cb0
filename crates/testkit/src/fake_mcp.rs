//! MCP servers of our own making, without rmcp: what they accept and send is written down here, so that a fault of the SDK cannot
//! hide on both sides. They speak streamable HTTP with JSON answers, revision 2025-06-18, and record every request.

mod asking;
mod hostile;
pub(crate) mod rpc;

pub use hostile::{NotMcp, closed_port};

use crate::{
    effects::EffectLedger,
    record::{Record, Recorded},
    serve::Serving,
    temp::TempDir,
};
use axum::{Router, routing::any};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Path of the endpoint of every fake.
pub const PATH: &str = "/mcp";

/// What a tool answers to its arguments.
type Answer = dyn Fn(&Value) -> ToolAnswer + Send + Sync;

/// The result of a call.
#[derive(Debug, Clone)]
pub struct ToolAnswer {
    pub content: Value,
    pub is_error: bool,
    /// The server works this long before it answers; the effect is in the ledger before.
    pub delay: Duration,
}

impl ToolAnswer {
    /// One text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: json!([{"type": "text", "text": text.into()}]),
            is_error: false,
            delay: Duration::ZERO,
        }
    }

    /// One text part, reported by the tool as its own failure.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// The same, later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// A tool of the fake.
#[derive(Clone)]
pub struct FakeTool {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    pub input_schema: Value,
    /// `annotations`, as the server lists them.
    annotations: Option<Value>,
    /// The `params` of an `elicitation/create` that comes before the result.
    question: Option<Value>,
    answer: Arc<Answer>,
}

impl fmt::Debug for FakeTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTool")
            .field("name", &self.name)
            .field("input_schema", &self.input_schema)
            .finish_non_exhaustive()
    }
}

impl FakeTool {
    /// A tool that answers "NAME was called".
    pub fn new(name: &str, description: &str, input_schema: Value) -> Self {
        let said = format!("{name} was called");
        Self {
            name: name.to_owned(),
            title: None,
            description: description.to_owned(),
            input_schema,
            annotations: None,
            question: None,
            answer: Arc::new(move |_| ToolAnswer::text(said.clone())),
        }
    }

    /// A tool that takes one text, `text`.
    pub fn of_text(name: &str, description: &str) -> Self {
        let schema = json!({
            "type": "object", "properties": {"text": {"type": "string", "description": "What it is about"}}, "required": ["text"],
        });
        Self::new(name, description, schema)
    }

    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        self.title = Some(title.to_owned());
        self
    }

    #[must_use]
    pub fn annotated(mut self, annotations: Value) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Asks the person for a yes or no before it answers; what came back is its result.
    #[must_use]
    pub fn asking(self, message: &str) -> Self {
        self.asking_with(json!({"message": message, "requestedSchema": {"type": "object", "properties": {}}}))
    }

    /// The same with these `params`.
    #[must_use]
    pub fn asking_with(mut self, params: Value) -> Self {
        self.question = Some(params);
        self
    }

    #[must_use]
    pub fn answering(mut self, answer: impl Fn(&Value) -> ToolAnswer + Send + Sync + 'static) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    pub(crate) fn definition(&self) -> Value {
        let mut definition =
            json!({"name": self.name, "description": self.description, "inputSchema": self.input_schema});
        if let Some(title) = &self.title {
            definition["title"] = json!(title);
        }
        if let Some(annotations) = &self.annotations {
            definition["annotations"] = annotations.clone();
        }
        definition
    }
}

/// What the fake is like; changeable while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manners {
    pub(crate) tools: Vec<FakeTool>,
    /// Every request must carry this header with this value, or gets 401.
    pub(crate) required_header: Option<(String, String)>,
    /// Before any answer.
    pub(crate) delay: Duration,
    /// Of so many calls the effect happens and the answer is lost.
    pub(crate) lost: u32,
}

/// An honest MCP server.
#[derive(Debug)]
pub struct FakeMcp {
    serving: Serving,
    record: Record,
    manners: Arc<Mutex<Manners>>,
    ledger: Arc<EffectLedger>,
    _folder: TempDir,
}

#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) record: Record,
    pub(crate) manners: Arc<Mutex<Manners>>,
    pub(crate) ledger: Arc<EffectLedger>,
    /// What clients answered to questions, by the ids of these.
    pub(crate) answers: Arc<watch::Sender<HashMap<String, Value>>>,
}

impl FakeMcp {
    /// A server with these tools.
    pub async fn start(tools: Vec<FakeTool>) -> Self {
        let folder = TempDir::new();
        let shared = Shared::new(tools, &folder);
        let router = Router::new().route(PATH, any(rpc::answer)).with_state(shared.clone());
        Self {
            serving: Serving::start(router).await,
            record: shared.record,
            manners: shared.manners,
            ledger: shared.ledger,
            _folder: folder,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.manners.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on every request must carry this header with this value.
    pub fn require_header(&self, name: &str, value: &str) {
        self.change(|manners| manners.required_header = Some((name.to_owned(), value.to_owned())));
    }

    /// From now on every answer takes this long.
    pub fn slow_down(&self, delay: Duration) {
        self.change(|manners| manners.delay = delay);
    }

    /// The next so many calls have their effect, and their connections are cut instead of an answer.
    pub fn lose_answers(&self, calls: u32) {
        self.change(|manners| manners.lost = calls);
    }

    /// From now on the server has these tools.
    pub fn set_tools(&self, tools: Vec<FakeTool>) {
        self.change(|manners| manners.tools = tools);
    }

    /// The endpoint.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.serving.addr)
    }

    /// `host:port`, as the egress allow list takes it.
    pub fn authority(&self) -> String {
        self.serving.addr.to_string()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.record.all()
    }

    /// The bodies of the `tools/call` requests so far.
    pub fn calls(&self) -> Vec<Value> {
        self.record.all().iter().map(Recorded::json).filter(|body| body["method"] == "tools/call").collect()
    }

    /// The effects so far: `{"id", "tool", "arguments"}`, `id` being the model's call id.
    pub fn effects(&self) -> Vec<Value> {
        self.ledger.effects()
    }

    /// Goes down: connections are cut, new ones refused.
    pub fn stop(&self) {
        self.serving.stop();
    }
}

impl Shared {
    /// A server with these tools that keeps its effects in `folder`.
    pub(crate) fn new(tools: Vec<FakeTool>, folder: &TempDir) -> Self {
        Self {
            record: Record::default(),
            manners: Arc::new(Mutex::new(Manners { tools, ..Manners::default() })),
            ledger: Arc::new(EffectLedger::open(&folder.path().join("effects.jsonl"))),
            answers: Arc::new(watch::Sender::new(HashMap::new())),
        }
    }

    pub(crate) fn set_tools(&self, tools: Vec<FakeTool>) {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner).tools = tools;
    }

    pub(crate) fn effects(&self) -> Vec<Value> {
        self.ledger.effects()
    }

    /// Whether the answer of this call is to be lost.
    pub(crate) fn loses_answer(&self) -> bool {
        let mut manners = self.manners.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = manners.lost > 0;
        manners.lost = manners.lost.saturating_sub(1);
        lost
    }

    pub(crate) fn manners(&self) -> Manners {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl FakeTool {
    pub(crate) fn answer(&self, arguments: &Value) -> ToolAnswer {
        (self.answer)(arguments)
    }
}
