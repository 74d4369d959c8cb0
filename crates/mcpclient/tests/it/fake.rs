//! A small MCP server whose answers a test writes itself, and which remembers every request.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use egress::{Egress, EgressConfig};
use testkit::axum;
use testkit::axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};

use api::messages::ResultContent;
use patchbay_mcpclient::{
    CallOutcome, ClientConfig, McpClients, Target, Timeouts, ToolCall, Transport, Wire,
};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) http: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) raw: Bytes,
    pub(crate) body: Value,
}

impl Seen {
    /// The JSON-RPC method; empty for replies and bodies without one.
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// An answer with this result, as JSON.
    pub(crate) fn result(&self, result: Value) -> Response {
        axum::Json(self.message(result)).into_response()
    }

    pub(crate) fn message(&self, result: Value) -> Value {
        json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result})
    }

    pub(crate) fn progress(&self, progress: f64) -> Value {
        json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": self.body["params"]["_meta"]["progressToken"], "progress": progress}})
    }

    pub(crate) fn error(&self, status: StatusCode, code: i64) -> Response {
        let body = json!({"jsonrpc": "2.0", "id": self.body["id"], "error": {"code": code, "message": "server words"}});
        (status, axum::Json(body)).into_response()
    }
}

type Answering = Pin<Box<dyn Future<Output = Option<Response>> + Send>>;
type Script = Arc<dyn Fn(Seen) -> Answering + Send + Sync>;

#[derive(Clone)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    sessions: Arc<AtomicUsize>,
    script: Script,
}

pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    shared: Shared,
}

/// Starts a server. What `script` leaves open (`None`) is answered as an honest server with one tool would.
pub(crate) async fn start<F>(script: impl Fn(Seen) -> F + Send + Sync + 'static) -> Fake
where
    F: Future<Output = Option<Response>> + Send + 'static,
{
    let shared = Shared {
        seen: Arc::default(),
        sessions: Arc::default(),
        script: Arc::new(move |seen| Box::pin(script(seen))),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(shared.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Fake { addr, shared }
}

async fn answer(
    State(shared): State<Shared>,
    http: Method,
    uri: Uri,
    headers: HeaderMap,
    raw: Bytes,
) -> Response {
    let body = serde_json::from_slice(&raw).unwrap_or(Value::Null);
    let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen { http, target, headers, raw, body };
    shared.seen.lock().unwrap().push(seen.clone());
    if let Some(response) = (shared.script)(seen.clone()).await {
        return response;
    }
    match (seen.http.as_str(), seen.method()) {
        ("POST", "initialize") => {
            let number = shared.sessions.fetch_add(1, Ordering::SeqCst) + 1;
            let mut response = seen.result(hello("2025-11-25"));
            response.headers_mut().insert("mcp-session-id", format!("session-{number}").parse().unwrap());
            response
        }
        // As the older SDKs do with whatever comes before `initialize`.
        ("POST", "server/discover") => seen.error(StatusCode::BAD_REQUEST, -32000),
        ("POST", "tools/list") => seen.result(json!({"tools": [tool("echo")]})),
        ("POST", "tools/call") => {
            let text = seen.body["params"]["arguments"]["text"].as_str().unwrap_or("nothing").to_owned();
            seen.result(json!({"content": [{"type": "text", "text": text}]}))
        }
        ("POST", _) => StatusCode::ACCEPTED.into_response(),
        ("DELETE", _) => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// An honest server.
pub(crate) async fn honest() -> Fake {
    start(|_| async { None }).await
}

/// A server that answers everything alike.
pub(crate) async fn always(status: StatusCode, content_type: &'static str, body: &'static str) -> Fake {
    start(move |_| async move { Some((status, [("content-type", content_type)], body).into_response()) })
        .await
}

pub(crate) fn hello(version: &str) -> Value {
    json!({"protocolVersion": version, "capabilities": {"tools": {"listChanged": true}},
        "serverInfo": {"name": "fake", "version": "0.1"}, "instructions": "Be kind."})
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "Says it back", "inputSchema": {"type": "object",
        "properties": {"text": {"type": "string"}}}})
}

/// An event stream: each piece is sent after its pause. The stream ends after the last one.
pub(crate) fn events(pieces: Vec<(u64, String)>) -> Response {
    let stream = futures::stream::unfold(pieces.into_iter(), |mut pieces| async move {
        let (pause, piece) = pieces.next()?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece)), pieces))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
}

pub(crate) fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

/// Never answers.
pub(crate) async fn silence() -> Option<Response> {
    std::future::pending().await
}

impl Fake {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Requests with this JSON-RPC method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method() == method).count()
    }

    pub(crate) fn deletes(&self) -> Vec<String> {
        let seen = self.seen();
        let deletes = seen.iter().filter(|seen| seen.http == Method::DELETE);
        deletes.map(|seen| seen.header("mcp-session-id").unwrap().to_owned()).collect()
    }

    pub(crate) fn target(&self) -> Target {
        target(&format!("http://{}/mcp", self.addr))
    }

    /// The same, of which nobody knows what it speaks.
    pub(crate) fn unknown(&self) -> Target {
        Target { wire: None, ..self.target() }
    }

    /// What was asked, in order.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.http, seen.method()).trim().to_owned()).collect()
    }
}

pub(crate) fn target(url: &str) -> Target {
    Target {
        server_id: Uuid::from_u128(1),
        user_id: Uuid::from_u128(2),
        slug: "fake".into(),
        url: url.parse().unwrap(),
        transport: Transport::StreamableHttp,
        // Known, so that a test sees the requests it is about; `eras` has those that find it out.
        wire: Some(Wire::Streamable),
        headers: vec![("authorization".parse().unwrap(), SecretString::from("Bearer hunter2"))],
        forwarding: None,
        credential_version: 1,
    }
}

pub(crate) fn clients() -> McpClients {
    clients_with(Timeouts::default())
}

pub(crate) fn clients_with(timeouts: Timeouts) -> McpClients {
    clients_allowing("127.0.0.1:*", timeouts)
}

pub(crate) fn clients_allowing(allow: &str, timeouts: Timeouts) -> McpClients {
    let config = EgressConfig {
        allow: allow.parse().unwrap(),
        own_listeners: Vec::new(),
        access_url: None,
        user_agent: "patchbay/test".into(),
    };
    McpClients::with_timeouts(
        Egress::new(config).unwrap(),
        ClientConfig {
            version: "9.8.7".into(),
            clock: Arc::new(domain::clock::ManualClock::default()),
            observer: None,
        },
        timeouts,
    )
}

pub(crate) fn in_(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

pub(crate) fn echo(text: &str) -> ToolCall {
    call("echo", json!({"text": text}))
}

pub(crate) fn call(tool: &str, arguments: Value) -> ToolCall {
    let arguments: Map<String, Value> = arguments.as_object().unwrap().clone();
    ToolCall {
        tool: tool.into(),
        arguments,
        tool_call_id: "call_7".into(),
        definition_hash: None,
        traceparent: None,
        cancel: CancellationToken::new(),
        progress: None,
        asker: None,
    }
}

/// The first text of an outcome, or its message.
pub(crate) fn text_of(outcome: &CallOutcome) -> &str {
    match outcome {
        CallOutcome::Done { content, .. } => match &content[0] {
            ResultContent::Text { text } => text,
            other => panic!("{other:?}"),
        },
        CallOutcome::NotExecuted { message, .. } | CallOutcome::Unknown { message, .. } => message,
        CallOutcome::Cancelled { .. } => "",
    }
}

/// Waits until `check` holds, two seconds at most.
pub(crate) async fn until(what: &str, check: impl Fn() -> bool) {
    for _ in 0..200 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
