//! The HTTP side of one connection: rmcp's `StreamableHttpClient` over `egress`.
//!
//! rmcp sees as little as it can work with: a stub for each answer (the true one is in the exchange), an alias for the
//! session id (rmcp logs it, and it is a secret), and nothing of what the server tells or asks in between.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use egress::{Egress, EgressError, Limits, Redirects, Request, Response};
use futures::stream::BoxStream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, GetExtensions, GetMeta, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use serde_json::{Value, json};
use sse_stream::Sse;
use tokio::{sync::Semaphore, time::Duration};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    error::{McpError, McpErrorKind, RpcError},
    exchange::{Exchange, Failure},
    limits::{self, SESSION_ID, Timeouts},
    redact::Secrets,
    target::Target,
    wire::{flood::FloodGate, message, stream},
};

pub(super) const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// What rmcp believes to be the session id.
const SESSION_ALIAS: &str = "session";
/// Beyond the deadline of the call: the caller's own deadline comes first and cancels properly.
const BACKSTOP: Duration = Duration::from_secs(5);
/// Replies to the server that may be on their way at the same time.
const REPLIES: usize = 4;

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    egress: Egress,
    url: Url,
    pub(super) host: String,
    headers: HeaderMap,
    secrets: Secrets,
    timeouts: Timeouts,
    session: Mutex<Option<HeaderValue>>,
    version: Mutex<Option<HeaderValue>>,
    handshake_failure: Mutex<Option<McpError>>,
    tools_changed: AtomicBool,
    flood: FloodGate,
    replies: Arc<Semaphore>,
    abandoned: CancellationToken,
}

/// What a request expects back.
pub(super) struct Ask {
    pub(super) id: Value,
    pub(super) progress_token: Option<Value>,
    /// Missing for `initialize` only.
    pub(super) exchange: Option<Exchange>,
}

pub(super) type Answer = Result<Value, RpcError>;

impl Channel {
    /// # Errors
    /// A header value that cannot be sent.
    pub(crate) fn new(egress: Egress, target: &Target, timeouts: Timeouts) -> Result<Self, McpError> {
        let inner = Inner {
            egress,
            url: target.url.clone(),
            host: target.host(),
            headers: target.header_map()?,
            secrets: Secrets::of(target),
            timeouts,
            session: Mutex::default(),
            version: Mutex::default(),
            handshake_failure: Mutex::default(),
            tools_changed: AtomicBool::new(false),
            flood: FloodGate::new(),
            replies: Arc::new(Semaphore::new(REPLIES)),
            abandoned: CancellationToken::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn host(&self) -> &str {
        &self.inner.host
    }

    /// What must not come back out of anything the server writes.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    pub(super) fn of_egress(&self, error: &EgressError) -> Failure {
        Failure {
            error: McpError::of_egress(error, &self.inner.secrets),
            surely_not_executed: error.surely_not_sent(),
        }
    }

    /// Why the handshake failed, if the trouble was ours to see.
    pub(crate) fn take_handshake_failure(&self) -> Option<McpError> {
        lock(&self.inner.handshake_failure).take()
    }

    /// Whether the server said that its tools changed since the last time this was asked.
    pub(crate) fn take_tools_changed(&self) -> bool {
        self.inner.tools_changed.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn tools_changed(&self) -> bool {
        self.inner.tools_changed.load(Ordering::Relaxed)
    }

    pub(super) fn note_tools_changed(&self) {
        self.inner.tools_changed.store(true, Ordering::Relaxed);
    }

    pub(super) fn admits_message(&self) -> bool {
        self.inner.flood.admits()
    }

    /// Stops what is on its way and ends the session; for a handshake that nobody waits for any more, which rmcp would
    /// let run on.
    pub(crate) fn abandon(&self) {
        self.inner.abandoned.cancel();
        // Called from destructors, which also run while a runtime goes down.
        if lock(&self.inner.session).is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let channel = self.clone();
            runtime.spawn(async move { channel.end_session().await });
        }
    }

    /// DELETEs the session, once (protocol.md L6). Whatever the server answers is fine.
    pub(crate) async fn end_session(&self) {
        let Some(session) = lock(&self.inner.session).take() else { return };
        let dropped = self.inner.flood.dropped();
        if dropped > 0 {
            tracing::warn!(host = %self.inner.host, dropped, "the MCP server sent more messages than are accepted");
        }
        let mut request = self.request(Method::DELETE, Bytes::new(), self.control_limits());
        request.headers.insert(SESSION_HEADER, session);
        match self.inner.egress.send(request).await {
            Ok(response) => {
                tracing::debug!(host = %self.inner.host, status = %response.status, "MCP session ended")
            }
            Err(error) => {
                let error = self.of_egress(&error).error;
                tracing::debug!(host = %self.inner.host, %error, "MCP session not ended");
            }
        }
    }

    /// Answers a request of the server: a ping, or no (protocol.md L11). Nothing waits for it.
    pub(super) fn reply(&self, id: &Value, method: &str) {
        let reply = if method == "ping" {
            json!({"jsonrpc": "2.0", "id": id, "result": {}})
        } else {
            tracing::info!(
                host = %self.inner.host,
                method = %domain::text::quote(method, 64),
                "refused a request of the MCP server"
            );
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "not supported by this client"}})
        };
        let Ok(permit) = Arc::clone(&self.inner.replies).try_acquire_owned() else { return };
        let channel = self.clone();
        tokio::spawn(async move {
            let limits = channel.control_limits();
            if let Err(failure) = channel.post(Bytes::from(reply.to_string()), limits).await {
                tracing::debug!(host = %channel.inner.host, error = %failure.error, "reply not delivered");
            }
            drop(permit);
        });
    }

    /// Asks for the rest of a broken stream (protocol.md L8).
    pub(super) async fn resume(&self, last_event_id: &str, exchange: &Exchange) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, Bytes::new(), self.call_limits(exchange));
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let id = HeaderValue::from_str(last_event_id).map_err(|_| {
            unsure(McpError::protocol("the server sent an event id that no header can carry"))
        })?;
        request.headers.insert(HeaderName::from_static("last-event-id"), id);
        self.send(request).await
    }

    fn control_limits(&self) -> Limits {
        let wait = self.inner.timeouts.control;
        Limits {
            first_byte: wait,
            idle: wait,
            total: Some(wait),
            max_body: limits::ERROR_BODY as u64,
            ..Limits::default()
        }
    }

    fn handshake_limits(&self) -> Limits {
        Limits { total: Some(self.inner.timeouts.check), ..Limits::default() }
    }

    fn call_limits(&self, exchange: &Exchange) -> Limits {
        let total = exchange.remaining() + BACKSTOP;
        let wait = (self.inner.timeouts.call_idle + BACKSTOP).min(total);
        Limits {
            first_byte: wait,
            idle: wait,
            total: Some(total),
            max_body: limits::SSE_TOTAL,
            ..Limits::default()
        }
    }

    /// The admin's headers first, ours over them: no stored header can pose as a session or change the form.
    fn request(&self, method: Method, body: Bytes, limits: Limits) -> Request {
        let mut request = Request::new(method, self.inner.url.clone(), body);
        request.headers = self.inner.headers.clone();
        for ours in [SESSION_HEADER, VERSION_HEADER, HeaderName::from_static("last-event-id")] {
            request.headers.remove(ours);
        }
        if let Some(session) = lock(&self.inner.session).clone() {
            request.headers.insert(SESSION_HEADER, session);
        }
        if let Some(version) = lock(&self.inner.version).clone() {
            request.headers.insert(VERSION_HEADER, version);
        }
        request.limits = limits;
        request.redirects = Redirects::SameOrigin;
        request
    }

    async fn post(&self, body: Bytes, limits: Limits) -> Result<Response, Failure> {
        let mut request = self.request(Method::POST, body, limits);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        self.send(request).await
    }

    async fn send(&self, request: Request) -> Result<Response, Failure> {
        tokio::select! {
            biased;
            () = self.inner.abandoned.cancelled() => Err(unsure(McpError::closed())),
            sent = self.inner.egress.send(request) => sent.map_err(|error| self.of_egress(&error)),
        }
    }

    /// `initialize`, and nothing else, goes without an exchange: rmcp builds it.
    async fn initialize(&self, ask: &Ask, body: Bytes) -> Result<Value, McpError> {
        let response = self.post(body, self.handshake_limits()).await.map_err(|failure| failure.error)?;
        let session = response.headers.get(SESSION_HEADER).cloned();
        let answer = tokio::select! {
            biased;
            () = self.inner.abandoned.cancelled() => return Err(McpError::closed()),
            answer = stream::read(self, response, ask) => answer,
        };
        let result =
            answer.map_err(|failure| failure.error)?.map_err(|error| error.into_error(&self.inner.host))?;
        if let Some(mut session) = session {
            let visible = session.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte));
            if !visible || session.is_empty() || session.len() > SESSION_ID {
                return Err(McpError::protocol(format!("{} sent an unusable session id", self.inner.host)));
            }
            session.set_sensitive(true);
            *lock(&self.inner.session) = Some(session);
        }
        let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        *lock(&self.inner.version) = HeaderValue::from_str(version).ok().filter(|value| !value.is_empty());
        if self.inner.abandoned.is_cancelled() {
            // The handshake was given up while its answer arrived: the session must not be left behind.
            self.abandon();
        }
        Ok(result)
    }

    async fn exchange(&self, ask: &Ask, exchange: &Exchange, body: Bytes) -> Result<Answer, Failure> {
        let response = self.post(body, self.call_limits(exchange)).await?;
        stream::read(self, response, ask).await
    }

    pub(super) fn has_session(&self) -> bool {
        lock(&self.inner.session).is_some()
    }

    /// Batches exist in 2025-03-26 only.
    pub(super) fn accepts_batches(&self) -> bool {
        lock(&self.inner.version).as_ref().is_some_and(|version| version == "2025-03-26")
    }

    async fn notify(&self, body: Bytes, limits: Limits) -> Result<(), McpError> {
        let response = self.post(body, limits).await.map_err(|failure| failure.error)?;
        if response.status.is_success() {
            // Read to the end, so that the connection can be used again; there is nothing in it for us.
            let _ = tokio::time::timeout(Duration::from_millis(100), response.prefix(1024)).await;
            return Ok(());
        }
        let form = super::refusal::Form::of(&response.headers);
        Err(super::refusal::of_status(&self.inner.host, response.status, form))
    }
}

impl StreamableHttpClient for Channel {
    type Error = McpError;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        _session: Option<Arc<str>>,
        _auth_header: Option<String>,
        _headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<McpError>> {
        let body = Bytes::from(serde_json::to_vec(&message)?);
        let ClientJsonRpcMessage::Request(request) = &message else {
            let is_control = message_is_cancelled(&message);
            let limits = if is_control { self.control_limits() } else { self.handshake_limits() };
            return match self.notify(body, limits).await {
                Ok(()) => Ok(StreamableHttpPostResponse::Accepted),
                Err(error) => {
                    *lock(&self.inner.handshake_failure) = Some(error.clone());
                    Err(StreamableHttpError::Client(error))
                }
            };
        };
        let id = request.id.clone().into_json_value();
        if matches!(request.request, ClientRequest::InitializeRequest(_)) {
            let ask = Ask { id: id.clone(), progress_token: None, exchange: None };
            return match self.initialize(&ask, body).await {
                Ok(result) => {
                    let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
                    let session = self.has_session().then(|| SESSION_ALIAS.to_owned());
                    Ok(StreamableHttpPostResponse::Json(typed(answer)?, session))
                }
                Err(error) => {
                    *lock(&self.inner.handshake_failure) = Some(error.clone());
                    Err(StreamableHttpError::Client(error))
                }
            };
        }
        let Some(exchange) = request.request.extensions().get::<Exchange>().cloned() else {
            // Nothing in this crate sends such a request; refusing it keeps it so.
            return Err(StreamableHttpError::Client(McpError::protocol("a request without an exchange")));
        };
        if !exchange.begin() {
            return Err(StreamableHttpError::Client(McpError::closed()));
        }
        let progress_token =
            request.request.get_meta().get_progress_token().map(|token| token.0.into_json_value());
        let ask = Ask { id: id.clone(), progress_token, exchange: Some(exchange.clone()) };
        match self.exchange(&ask, &exchange, body).await {
            Ok(answer) => {
                exchange.answer(answer);
                Ok(StreamableHttpPostResponse::Json(typed(message::stub_answer(&id))?, None))
            }
            Err(Failure { error, surely_not_executed }) => {
                exchange.fail(error.clone(), surely_not_executed);
                Err(StreamableHttpError::Client(error))
            }
        }
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        _session: Arc<str>,
        _auth_header: Option<String>,
        _headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), StreamableHttpError<McpError>> {
        self.end_session().await;
        Ok(())
    }

    /// rmcp would keep a standing GET per session open. Nothing here needs one: lists are refreshed by age.
    async fn get_stream(
        &self,
        _uri: Arc<str>,
        _session: Option<Arc<str>>,
        _last_event_id: Option<String>,
        _auth_header: Option<String>,
        _headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<McpError>> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

fn message_is_cancelled(message: &ClientJsonRpcMessage) -> bool {
    use rmcp::model::ClientNotification;
    matches!(message, ClientJsonRpcMessage::Notification(notification)
        if matches!(notification.notification, ClientNotification::CancelledNotification(_)))
}

fn typed(value: Value) -> Result<ServerJsonRpcMessage, StreamableHttpError<McpError>> {
    Ok(serde_json::from_value(value)?)
}

/// The request left; nobody knows what became of it.
pub(super) fn unsure(error: McpError) -> Failure {
    Failure { error, surely_not_executed: false }
}

/// The request did not arrive, or was turned away at the door.
pub(super) fn refused(error: McpError) -> Failure {
    Failure { error, surely_not_executed: true }
}

pub(super) fn session_ended(host: &str) -> McpError {
    McpError::new(McpErrorKind::SessionEnded, format!("{host} has ended the session"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("host", &self.inner.host).finish_non_exhaustive()
    }
}
