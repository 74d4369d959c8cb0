//! A scripted model server in the OpenAI dialect (`POST …/chat/completions` with `stream: true`).
//!
//! Answers come from a queue, or from a function of the request; every request is recorded with its headers.

use crate::{
    record::{Record, Recorded},
    serve::Serving,
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// One scripted answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The pieces as text deltas, then `stop`.
    Text(Vec<String>),
    /// Calls in one answer, then `tool_calls`.
    Tools(Vec<Call>),
    /// A status with headers and a JSON error body whose message is `message`.
    Status { status: u16, headers: Vec<(&'static str, String)>, message: String },
    /// 200 with a web page.
    Html,
    /// The pieces, then an `error` event inside the 200.
    MidStreamError(Vec<String>),
    /// The pieces, then the body ends in order, without finish reason or `[DONE]`.
    NoEndMarker(Vec<String>),
    /// A call whose argument text is cut in the middle; the connection is dropped.
    CutInCall(Call),
    /// The pieces, then silence; the connection stays open.
    Stall(Vec<String>),
    /// The pieces, each after `pause`.
    Slow(Vec<String>, Duration),
}

/// A tool call that the model asks for.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: String,
    /// As offered in the request.
    pub name: String,
    /// The argument text.
    pub arguments: String,
    /// In how many deltas the argument text arrives.
    pub deltas: usize,
    /// Between two deltas.
    pub pause: Duration,
}

impl Call {
    /// A call with these arguments in one delta.
    pub fn new(id: &str, name: &str, arguments: &Value) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_string(),
            deltas: 1,
            pause: Duration::ZERO,
        }
    }

    /// The same in `deltas` pieces, `pause` apart.
    #[must_use]
    pub fn in_deltas(mut self, deltas: usize, pause: Duration) -> Self {
        self.deltas = deltas.max(1);
        self.pause = pause;
        self
    }
}

impl Reply {
    /// One text delta.
    pub fn text(text: &str) -> Self {
        Self::Text(vec![text.to_owned()])
    }

    /// One call.
    pub fn call(call: Call) -> Self {
        Self::Tools(vec![call])
    }

    /// A failure without special headers.
    pub fn status(status: u16, message: &str) -> Self {
        Self::Status { status, headers: Vec::new(), message: message.to_owned() }
    }
}

/// Makes an answer of a request.
type Script = dyn Fn(&Recorded) -> Reply + Send + Sync;

/// The running fake.
#[derive(Debug)]
pub struct FakeLlm {
    serving: Serving,
    record: Record,
    queue: Arc<Mutex<VecDeque<Reply>>>,
}

#[derive(Clone)]
struct Shared {
    record: Record,
    queue: Arc<Mutex<VecDeque<Reply>>>,
    script: Arc<Script>,
}

impl FakeLlm {
    /// Answers what was [`FakeLlm::push`]ed, and "done" when nothing is left.
    pub async fn start() -> Self {
        Self::scripted(|_| Reply::text("done")).await
    }

    /// Answers what was pushed, then what `script` says.
    pub async fn scripted(script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        let (record, queue) = (Record::default(), Arc::new(Mutex::new(VecDeque::new())));
        let shared = Shared { record: record.clone(), queue: queue.clone(), script: Arc::new(script) };
        let serving = Serving::start(Router::new().fallback(answer).with_state(shared)).await;
        Self { serving, record, queue }
    }

    /// Adds an answer to the end of the queue.
    pub fn push(&self, reply: Reply) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(reply);
    }

    /// What to put into a provider's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.serving.addr)
    }

    /// `host:port`, as the egress allow list takes it.
    pub fn authority(&self) -> String {
        self.serving.addr.to_string()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.record.all()
    }

    /// Goes down: connections are cut, new ones refused.
    pub fn stop(&self) {
        self.serving.stop();
    }
}

/// The names of the servers' tools that a request offers, in its order; without Patchbay's own.
pub fn offered_tools(request: &Recorded) -> Vec<String> {
    // Behaviour 14: `slug__tool`; no name of ours has two underscores.
    offered_names(request).into_iter().filter(|name| name.contains("__")).collect()
}

/// The names of all tools that a request offers, in its order.
pub fn offered_names(request: &Recorded) -> Vec<String> {
    let body = request.json();
    let tools = body["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().filter_map(|tool| tool["function"]["name"].as_str().map(str::to_owned)).collect()
}

/// The messages of a request with the role `tool`, as `(tool_call_id, content)`.
pub fn tool_results(request: &Recorded) -> Vec<(String, String)> {
    let body = request.json();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    messages
        .iter()
        .filter(|message| message["role"] == "tool")
        .map(|message| {
            let content =
                message["content"].as_str().map_or_else(|| message["content"].to_string(), str::to_owned);
            (message["tool_call_id"].as_str().unwrap_or_default().to_owned(), content)
        })
        .collect()
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let recorded = Recorded::read(request).await;
    let pushed = shared.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let reply = pushed.unwrap_or_else(|| (shared.script)(&recorded));
    shared.record.push(recorded);
    respond(reply)
}

/// What the body of an answer does next.
enum Beat {
    Send(String),
    Wait(Duration),
    /// Drops the connection.
    Cut,
    /// Nothing, for ever.
    Hang,
}

fn respond(reply: Reply) -> Response {
    let texts =
        |pieces: &[String]| pieces.iter().map(|piece| Beat::Send(text_delta(piece))).collect::<Vec<_>>();
    let beats = match reply {
        Reply::Status { status, headers, message } => return failure(status, &headers, &message),
        Reply::Html => {
            return axum::response::Html("<!doctype html><title>Welcome</title><h1>Not a model</h1>")
                .into_response();
        }
        Reply::Text(pieces) => chain(texts(&pieces), end("stop")),
        Reply::Tools(calls) => {
            let beats = calls.iter().enumerate().flat_map(|(index, call)| call_beats(index, call)).collect();
            chain(beats, end("tool_calls"))
        }
        Reply::MidStreamError(pieces) => {
            let error = json!({"error": {"message": "the engine fell over", "type": "server_error"}});
            chain(texts(&pieces), vec![Beat::Send(event(&error))])
        }
        Reply::NoEndMarker(pieces) => texts(&pieces),
        Reply::CutInCall(mut call) => {
            call.arguments.truncate(call.arguments.len() / 2);
            chain(call_beats(0, &call), vec![Beat::Wait(Duration::from_millis(50)), Beat::Cut])
        }
        Reply::Stall(pieces) => chain(texts(&pieces), vec![Beat::Hang]),
        Reply::Slow(pieces, pause) => {
            let beats =
                pieces.iter().flat_map(|piece| [Beat::Wait(pause), Beat::Send(text_delta(piece))]).collect();
            chain(beats, end("stop"))
        }
    };
    let body = stream::iter(beats).filter_map(|beat| async {
        match beat {
            Beat::Send(text) => Some(Ok(Bytes::from(text))),
            Beat::Wait(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Beat::Cut => Some(Err(std::io::Error::other("cut by the script"))),
            Beat::Hang => std::future::pending().await,
        }
    });
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    response
}

fn chain(mut beats: Vec<Beat>, more: Vec<Beat>) -> Vec<Beat> {
    beats.extend(more);
    beats
}

fn failure(status: u16, headers: &[(&'static str, String)], message: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a script names a real status");
    let mut response =
        (status, axum::Json(json!({"error": {"message": message, "type": "scripted"}}))).into_response();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a script sends real header values");
        response.headers_mut().insert(*name, value);
    }
    response
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn chunk(delta: &Value, finish_reason: &Value) -> String {
    event(&json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }))
}

fn text_delta(piece: &str) -> String {
    chunk(&json!({"role": "assistant", "content": piece}), &Value::Null)
}

fn end(reason: &str) -> Vec<Beat> {
    let usage = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    });
    vec![
        Beat::Send(chunk(&json!({}), &json!(reason))),
        Beat::Send(event(&usage)),
        Beat::Send("data: [DONE]\n\n".to_owned()),
    ]
}

fn call_beats(index: usize, call: &Call) -> Vec<Beat> {
    let head = json!({"role": "assistant", "tool_calls": [{
        "index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""},
    }]});
    let mut beats = vec![Beat::Send(chunk(&head, &Value::Null))];
    let characters: Vec<char> = call.arguments.chars().collect();
    for piece in characters.chunks(characters.len().div_ceil(call.deltas).max(1)) {
        if !call.pause.is_zero() {
            beats.push(Beat::Wait(call.pause));
        }
        let arguments: String = piece.iter().collect();
        let delta = json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
        beats.push(Beat::Send(chunk(&delta, &Value::Null)));
    }
    beats
}
