//! The upstream: rmcp's server with one tool that gives back what it gets, and counters that tell what reached it.

use std::{
    borrow::Cow,
    io::{self, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
    routing::get,
    serve::ListenerExt as _,
};
use rmcp::{
    ErrorData, ServerHandler,
    handler::server::wrapper::Parameters,
    model::{CallToolResult, ContentBlock, ProtocolVersion, ServerCapabilities, ServerConfig},
    schemars::{self, JsonSchema},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::era::Era;

/// The tool.
pub(crate) const TOOL: &str = "echo";
const SESSION: &str = "mcp-session-id";

/// What reached the server since it started.
#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    /// Sessions it has opened.
    sessions: AtomicU64,
    /// `server/discover`, with which a connection of the stateless era begins.
    discoveries: AtomicU64,
    /// Calls of the tool.
    calls: AtomicU64,
}

#[derive(Clone)]
struct Echo {
    era: Era,
    counts: Arc<Counts>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Said {
    /// What to give back
    text: String,
}

#[tool_router]
impl Echo {
    #[tool(name = "echo", description = "Gives back the text", annotations(read_only_hint = true))]
    async fn echo(&self, Parameters(said): Parameters<Said>) -> Result<CallToolResult, ErrorData> {
        self.counts.calls.fetch_add(1, Ordering::Relaxed);
        Ok(CallToolResult::success(vec![ContentBlock::text(said.text)]))
    }
}

#[tool_handler]
impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(self.era.versions())
    }
}

/// Serves both eras on any free loopback port, says on which, and ends when standard input does: with whoever started it.
pub(crate) fn serve(runtime: &Runtime) -> Result<()> {
    let counts = Arc::new(Counts::default());
    // Without it the second piece of an answer waits for the acknowledgement of the first.
    let listener =
        runtime.block_on(TcpListener::bind("127.0.0.1:0"))?.tap_io(|stream| drop(stream.set_nodelay(true)));
    let address = axum::serve::Listener::local_addr(&listener)?;
    let router = Router::new()
        .route_service(Era::Stateless.path(), service(Era::Stateless, &counts))
        .route_service(Era::Sessions.path(), service(Era::Sessions, &counts))
        .layer(middleware::from_fn_with_state(Arc::clone(&counts), count))
        .route("/counts", get(tell))
        .with_state(counts);
    runtime.spawn(async move { axum::serve(listener, router).await });
    writeln!(io::stdout(), "{address}")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn service(era: Era, counts: &Arc<Counts>) -> StreamableHttpService<Echo, LocalSessionManager> {
    let echo = Echo { era, counts: Arc::clone(counts) };
    StreamableHttpService::new(
        move || Ok(echo.clone()),
        Arc::default(),
        StreamableHttpServerConfig::default(),
    )
}

async fn count(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    counts.requests.fetch_add(1, Ordering::Relaxed);
    let in_session = request.headers().contains_key(SESSION);
    if request.headers().get("mcp-method").is_some_and(|method| method == "server/discover") {
        counts.discoveries.fetch_add(1, Ordering::Relaxed);
    }
    let response = next.run(request).await;
    if !in_session && response.headers().contains_key(SESSION) {
        counts.sessions.fetch_add(1, Ordering::Relaxed);
    }
    response
}

async fn tell(State(counts): State<Arc<Counts>>) -> Json<Value> {
    let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Json(json!({
        "requests": value(&counts.requests),
        "sessions": value(&counts.sessions),
        "discoveries": value(&counts.discoveries),
        "calls": value(&counts.calls),
    }))
}
