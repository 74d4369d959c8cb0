//! The sample MCP server: something to connect to in demos, in the documentation and in tests.
//!
//! It is built on rmcp's server side and speaks streamable HTTP at [`PATH`]. Its tools are `search_docs` (reads only),
//! `create_ticket` (not idempotent) and `slow_count` (takes seconds, reports progress). What the latter two do is
//! written to `tickets.jsonl` and `slow_count.jsonl` in the data directory, fsynced before the answer, so that a test can
//! count effects after any crash.

mod corpus;
mod ledger;
mod search;
mod tools;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio_util::sync::CancellationToken;

use crate::tools::SampleServer;

/// Path of the MCP endpoint.
pub const PATH: &str = "/mcp";
/// Size of one request body in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// A comment is sent on a silent stream this often, so that nobody in between takes it for dead.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What open streams get to end after `shutdown`.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Serves until `shutdown` is cancelled. `ready` is called once with the bound address (port 0 picks a free one).
///
/// Only requests whose `Host` is a loopback name or the bound address itself are answered, so that a web page cannot
/// reach the server through a name of its own (DNS rebinding).
///
/// # Errors
/// The data directory cannot be written or the address cannot be bound.
pub async fn serve(
    addr: SocketAddr,
    data_dir: PathBuf,
    ready: impl FnOnce(SocketAddr),
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener =
        tokio::net::TcpListener::bind(addr).await.with_context(|| format!("cannot listen on {addr}"))?;
    let bound = listener.local_addr().context("the bound address is not known")?;

    let router = router(&data_dir, bound, shutdown.child_token())?;

    ready(bound);
    tracing::info!(address = %bound, "sample MCP server is listening");
    let serving = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let deadline = async {
        shutdown.cancelled().await;
        // Graceful shutdown alone waits for open event streams forever.
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = async { serving.await } => result.context("the sample server stopped"),
        () = deadline => Ok(()),
    }
}

/// The endpoint alone, for whoever serves it at `bound` in a way of their own. `sessions` ends its open streams.
///
/// # Errors
/// The data directory cannot be written.
pub fn router(
    data_dir: &Path,
    bound: SocketAddr,
    sessions: CancellationToken,
) -> anyhow::Result<axum::Router> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot create the data directory {}", data_dir.display()))?;
    let server = SampleServer::open(data_dir)
        .with_context(|| format!("cannot open the ledger files in {}", data_dir.display()))?;
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts(allowed_hosts(bound))
        .enforce_origin_validation()
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_max_request_body_bytes(MAX_BODY)
        .with_cancellation_token(sessions);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        std::sync::Arc::new(LocalSessionManager::default()),
        config,
    );
    Ok(axum::Router::new().route_service(PATH, service))
}

fn allowed_hosts(bound: SocketAddr) -> Vec<String> {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]", "::1"].map(String::from).into();
    if !bound.ip().is_unspecified() {
        hosts.push(bound.ip().to_string());
    }
    hosts
}
