//! The HTTP side of one connection: what every request carries, how long it may take, and what the server tells or asks
//! in between.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use egress::{Egress, EgressError, HopHeaders, Limits, Redirects, Request, Response, Reuse};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::{Map, Value, json};
use tokio::{sync::Semaphore, time::Duration};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    error::{McpError, McpErrorKind, RpcError},
    exchange::{Exchange, Failure},
    identity::Stamp,
    limits::{self, Bounds, SESSION_ID, Timeouts},
    protocol::{Revision, header},
    redact::Secrets,
    target::Target,
    wire::{flood::FloodGate, refusal, stream},
};

/// Beyond the deadline of the call: the caller's own deadline comes first and cancels properly.
const BACKSTOP: Duration = Duration::from_secs(5);
/// Replies to the server that may be on their way at the same time.
const REPLIES: usize = 4;

/// Clones share the connection.
#[derive(Clone)]
pub(crate) struct Channel {
    inner: Arc<Inner>,
}

struct Inner {
    egress: Egress,
    url: Url,
    host: String,
    headers: HeaderMap,
    secrets: Secrets,
    bounds: Bounds,
    timeouts: Timeouts,
    dialect: Mutex<Dialect>,
    tools_changed: AtomicBool,
    flood: FloodGate,
    replies: Arc<Semaphore>,
    ids: AtomicI64,
    /// Of whoever opened the connection; a request of somebody else's chat brings its own.
    stamp: Option<Arc<Stamp>>,
    closed: CancellationToken,
}

/// What a handshake has settled.
#[derive(Clone, Default)]
struct Dialect {
    revision: Option<Revision>,
    /// Secret: whoever has it is the user to the server (protocol.md L3).
    session: Option<HeaderValue>,
    /// Where messages go in the two-endpoint transport; the server's URL otherwise.
    endpoint: Option<Url>,
}

/// What a request expects back.
pub(crate) struct Ask {
    pub(crate) id: Value,
    pub(crate) progress_token: Option<Value>,
    pub(crate) exchange: Exchange,
    /// For whom, where that is not who opened the connection.
    pub(crate) stamp: Option<Arc<Stamp>>,
}

/// The server's answer to a request: a result, or an error of JSON-RPC.
pub(crate) type Answer = Result<Value, RpcError>;

/// One message to be POSTed.
pub(crate) struct Post {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    pub(crate) limits: Limits,
    pub(crate) stamp: Option<Arc<Stamp>>,
}

/// What came back for a request.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) answer: Result<Answer, Failure>,
}

impl Channel {
    /// # Errors
    /// A header value that cannot be sent.
    pub(crate) fn new(
        egress: Egress,
        target: &Target,
        timeouts: Timeouts,
        stamp: Option<Arc<Stamp>>,
    ) -> Result<Self, McpError> {
        let inner = Inner {
            egress,
            url: target.url.clone(),
            host: target.host(),
            headers: without_ours(target.header_map()?),
            secrets: Secrets::of(target),
            bounds: target.bounds(),
            timeouts,
            dialect: Mutex::default(),
            tools_changed: AtomicBool::new(false),
            flood: FloodGate::new(),
            replies: Arc::new(Semaphore::new(REPLIES)),
            ids: AtomicI64::new(0),
            stamp,
            closed: CancellationToken::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What is taken from this server at once.
    pub(crate) fn bounds(&self) -> Bounds {
        self.inner.bounds
    }

    pub(crate) fn host(&self) -> &str {
        &self.inner.host
    }

    pub(crate) fn url(&self) -> &Url {
        &self.inner.url
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// What must not come back out of anything the server writes.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.inner.secrets
    }

    /// Unique among the requests of this connection (protocol.md H7).
    pub(crate) fn next_id(&self) -> i64 {
        self.inner.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on requests are those of this revision; of none while a handshake goes on.
    pub(crate) fn speak(&self, revision: Option<Revision>) {
        lock(&self.inner.dialect).revision = revision;
    }

    /// Messages go to this address from now on.
    pub(crate) fn set_endpoint(&self, endpoint: Url) {
        lock(&self.inner.dialect).endpoint = Some(endpoint);
    }

    /// Takes the session id out of the answer to `initialize` (protocol.md L3).
    ///
    /// # Errors
    /// An id with other than visible ASCII, or too long a one.
    pub(crate) fn take_session(&self, headers: &HeaderMap) -> Result<(), McpError> {
        let Some(mut session) = headers.get(header::SESSION).cloned() else { return Ok(()) };
        let visible = session.as_bytes().iter().all(|byte| (0x21..=0x7e).contains(byte));
        if !visible || session.is_empty() || session.len() > SESSION_ID {
            return Err(McpError::protocol(format!("{} sent an unusable session id", self.inner.host)));
        }
        session.set_sensitive(true);
        lock(&self.inner.dialect).session = Some(session);
        Ok(())
    }

    pub(crate) fn has_session(&self) -> bool {
        lock(&self.inner.dialect).session.is_some()
    }

    pub(crate) fn revision(&self) -> Option<Revision> {
        lock(&self.inner.dialect).revision
    }

    pub(crate) fn is_stateless(&self) -> bool {
        self.revision().is_some_and(Revision::is_stateless)
    }

    pub(crate) fn accepts_batches(&self) -> bool {
        self.revision().is_some_and(Revision::has_batches)
    }

    /// What it means that the server answered with this.
    pub(crate) fn refusal(&self, status: StatusCode, headers: &HeaderMap) -> McpError {
        refusal::of_answer(&self.inner.host, status, headers, &self.inner.secrets)
    }

    pub(crate) fn of_egress(&self, error: &EgressError) -> Failure {
        Failure {
            error: McpError::of_egress(error, &self.inner.secrets),
            surely_not_executed: error.surely_not_sent(),
        }
    }

    /// Forgets that the server said that its tools changed.
    pub(crate) fn take_tools_changed(&self) {
        self.inner.tools_changed.store(false, Ordering::Relaxed);
    }

    pub(crate) fn tools_changed(&self) -> bool {
        self.inner.tools_changed.load(Ordering::Relaxed)
    }

    pub(crate) fn note_tools_changed(&self) {
        self.inner.tools_changed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn admits_message(&self) -> bool {
        self.inner.flood.admits()
    }

    /// No request leaves any more, and those on their way end.
    pub(crate) fn close(&self) {
        self.inner.closed.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.is_cancelled()
    }

    pub(crate) async fn closed(&self) {
        self.inner.closed.cancelled().await;
    }

    /// DELETEs the session, once (protocol.md L6). Whatever the server answers is fine.
    pub(crate) async fn end_session(&self) {
        let Some(session) = lock(&self.inner.dialect).session.take() else { return };
        let dropped = self.inner.flood.dropped();
        if dropped > 0 {
            tracing::warn!(host = %self.inner.host, dropped, "the MCP server sent more messages than are accepted");
        }
        let mut request = self.request(Method::DELETE, Bytes::new(), self.control_limits(), None);
        request.headers.insert(header::SESSION, session);
        match self.inner.egress.send(request).await {
            Ok(response) => {
                tracing::debug!(host = %self.inner.host, status = %response.status, "MCP session ended");
            }
            Err(error) => {
                let error = self.of_egress(&error).error;
                tracing::debug!(host = %self.inner.host, %error, "MCP session not ended");
            }
        }
    }

    /// Ends the session in the background; for destructors, which also run while a runtime goes down.
    pub(crate) fn end_session_beside(&self) {
        if self.has_session()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let channel = self.clone();
            runtime.spawn(async move { channel.end_session().await });
        }
    }

    /// Answers a request of the server: a ping, or no (protocol.md L11). Nothing waits for it.
    pub(crate) fn reply(&self, id: &Value, method: &str, stamp: Option<Arc<Stamp>>) {
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
            if let Err(failure) = channel.tell(&reply, stamp).await {
                tracing::debug!(host = %channel.inner.host, error = %failure.error, "reply not delivered");
            }
            drop(permit);
        });
    }

    /// Gives the answer to a request of the server.
    pub(crate) async fn respond(&self, id: &Value, result: Value, stamp: Option<Arc<Stamp>>) {
        let reply = json!({"jsonrpc": "2.0", "id": id, "result": result});
        if let Err(failure) = self.tell(&reply, stamp).await {
            tracing::debug!(host = %self.inner.host, error = %failure.error, "an answer was not delivered");
        }
    }

    /// Sends a notification and waits until it was taken.
    pub(crate) async fn notify(&self, method: &str, params: Map<String, Value>) -> Result<(), McpError> {
        let message = notification(method, params);
        let response = self.tell(&message, None).await.map_err(|failure| failure.error)?;
        if response.status.is_success() {
            // Read to the end, so that the connection can be used again; there is nothing in it for us.
            let _ = tokio::time::timeout(Duration::from_millis(100), response.prefix(1024)).await;
            return Ok(());
        }
        Err(self.refusal(response.status, &response.headers))
    }

    /// Sends a notification that nothing waits for, also when the connection is closed meanwhile: a cancellation often is
    /// the last thing that happens on one. Called from destructors, which also run while a runtime goes down.
    pub(crate) fn notify_beside(&self, method: &str, params: Map<String, Value>, stamp: Option<Arc<Stamp>>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let request = self.posting(self.control_post(&notification(method, params), stamp));
        let channel = self.clone();
        runtime.spawn(async move {
            if let Err(error) = channel.inner.egress.send(request).await {
                let error = channel.of_egress(&error).error;
                tracing::debug!(host = %channel.inner.host, %error, "notification not delivered");
            }
        });
    }

    async fn tell(&self, message: &Value, stamp: Option<Arc<Stamp>>) -> Result<Response, Failure> {
        self.post(self.control_post(message, stamp)).await
    }

    fn control_post(&self, message: &Value, stamp: Option<Arc<Stamp>>) -> Post {
        let body = Bytes::from(message.to_string());
        Post { body, headers: HeaderMap::new(), limits: self.control_limits(), stamp }
    }

    /// Opens a stream of events by GET: the rest of a broken one (protocol.md L8), or one that stands.
    pub(crate) async fn get_events(
        &self,
        last_event_id: Option<&str>,
        limits: Limits,
        stamp: Option<Arc<Stamp>>,
    ) -> Result<Response, Failure> {
        let mut request = self.request(Method::GET, Bytes::new(), limits, stamp);
        // The stream lies at the server's URL, whatever address messages go to.
        request.url = self.inner.url.clone();
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id {
            let id = HeaderValue::from_str(id).map_err(|_| {
                unsure(McpError::protocol("the server sent an event id that no header can carry"))
            })?;
            request.headers.insert(header::LAST_EVENT_ID, id);
        }
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

    /// For a request with a deadline of its own.
    pub(crate) fn limits_of(&self, exchange: &Exchange) -> Limits {
        // While a person is asked the server has nothing to say; the caller's own deadlines stand still then and come first otherwise.
        let asking = exchange.asker().map_or(Duration::ZERO, |_| limits::ASKING);
        let total = exchange.remaining() + BACKSTOP + asking;
        let wait = (self.inner.timeouts.call_idle + BACKSTOP + asking).min(total);
        Limits {
            first_byte: wait,
            idle: wait,
            total: Some(total),
            max_body: limits::SSE_TOTAL,
            ..Limits::default()
        }
    }

    /// The admin's headers first, ours over them.
    fn request(&self, method: Method, body: Bytes, limits: Limits, stamp: Option<Arc<Stamp>>) -> Request {
        let Dialect { revision, session, endpoint } = lock(&self.inner.dialect).clone();
        let mut request = Request::new(method, endpoint.unwrap_or_else(|| self.inner.url.clone()), body);
        request.headers = self.inner.headers.clone();
        if let Some(session) = session {
            request.headers.insert(header::SESSION, session);
        }
        if let Some(revision) = revision.filter(|revision| revision.has_version_header()) {
            request.headers.insert(header::VERSION, HeaderValue::from_static(revision.as_str()));
        }
        let stamp = stamp.or_else(|| self.inner.stamp.clone());
        request.hop_headers = stamp.map(|stamp| stamp as Arc<dyn HopHeaders>);
        request.limits = limits;
        request.redirects = Redirects::SameOrigin;
        request.reuse = Reuse::Brief;
        request
    }

    fn posting(&self, post: Post) -> Request {
        let mut request = self.request(Method::POST, post.body, post.limits, post.stamp);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        request.headers.extend(post.headers);
        request
    }

    pub(crate) async fn post(&self, post: Post) -> Result<Response, Failure> {
        self.send(self.posting(post)).await
    }

    async fn send(&self, request: Request) -> Result<Response, Failure> {
        tokio::select! {
            biased;
            () = self.inner.closed.cancelled() => Err(unsure(McpError::closed())),
            sent = self.inner.egress.send(request) => sent.map_err(|error| self.of_egress(&error)),
        }
    }

    /// Sends one request and reads until its answer is there, in the response or in what continues it.
    pub(crate) async fn ask(&self, ask: &Ask, post: Post) -> Result<Told, Failure> {
        if !ask.exchange.begin() {
            return Err(refused(McpError::closed()));
        }
        let told = async {
            let response = self.post(post).await?;
            let (status, headers) = (response.status, response.headers.clone());
            let answer = tokio::select! {
                biased;
                () = self.inner.closed.cancelled() => Err(unsure(McpError::closed())),
                answer = stream::read(self, response, ask) => answer,
            };
            Ok(Told { status, headers, answer })
        };
        let told = told.await;
        ask.exchange.end();
        told
    }
}

fn notification(method: &str, params: Map<String, Value>) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "method": method});
    if !params.is_empty() {
        message["params"] = Value::Object(params);
    }
    message
}

/// No stored header can pose as one of the protocol's.
fn without_ours(mut headers: HeaderMap) -> HeaderMap {
    let ours = [header::SESSION, header::VERSION, header::METHOD, header::NAME, header::LAST_EVENT_ID];
    let posing = |name: &HeaderName| ours.contains(name) || name.as_str().starts_with(header::PARAM_PREFIX);
    let posing: Vec<HeaderName> = headers.keys().filter(|name| posing(name)).cloned().collect();
    for name in posing {
        headers.remove(name);
    }
    headers
}

/// The request left; nobody knows what became of it.
pub(crate) fn unsure(error: McpError) -> Failure {
    Failure { error, surely_not_executed: false }
}

/// The request did not arrive, or was turned away at the door.
pub(crate) fn refused(error: McpError) -> Failure {
    Failure { error, surely_not_executed: true }
}

pub(crate) fn session_ended(host: &str) -> McpError {
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
