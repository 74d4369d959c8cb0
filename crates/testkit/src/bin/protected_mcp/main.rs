//! The sample server of rmcp as a protected resource, in a process of its own: the peer of tests against a real authorization
//! server. It believes no token by its looks, but asks that server about each one (RFC 7662).
//!
//! Settings come by environment (`settings.rs`). It says `Protected MCP server at URL`, then one JSON line for each request
//! that it has judged, and ends when standard input does: with whoever started it.

mod guard;
mod introspection;
mod settings;

use axum::{Json, Router, middleware, routing::get};
use guard::Guard;
use introspection::Introspection;
use patchbay_testkit::samplemcp;
use serde_json::{Value, json};
use settings::Settings;
use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

const METADATA: &str = "/.well-known/oauth-protected-resource";

fn main() {
    let runtime = Runtime::new().expect("a runtime can be made");
    let url = runtime.block_on(serve(Settings::read()));
    say(&format!("Protected MCP server at {url}"));
    // Ends the process with whoever started it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Serves in the background and returns the URL of the endpoint.
async fn serve(settings: Settings) -> String {
    let listener = TcpListener::bind(settings.listen).await.expect("the address to listen on is free");
    let bound = listener.local_addr().expect("a bound listener has an address");
    let url = format!("http://{bound}{}", samplemcp::PATH);
    let resource = settings.resource.unwrap_or_else(|| url.clone());
    let metadata = json!({
        "resource": resource,
        "authorization_servers": [settings.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [settings.scope],
        "resource_name": "Protected sample",
    });
    let guard = Arc::new(Guard {
        introspection: Introspection::new(
            &settings.introspection,
            settings.client_id,
            settings.client_secret,
        ),
        issuer: settings.issuer,
        resource,
        metadata_url: format!("http://{bound}{METADATA}{}", samplemcp::PATH),
        scope: settings.scope,
        tool_scopes: settings.tool_scopes,
    });
    let mcp = samplemcp::router(&settings.data_dir, bound, CancellationToken::new())
        .expect("the data directory can be written")
        .layer(middleware::from_fn_with_state(guard, guard::check));
    let published = Router::new()
        .route(METADATA, document(&metadata))
        .route(&format!("{METADATA}{}", samplemcp::PATH), document(&metadata));
    tokio::spawn(async move { axum::serve(listener, mcp.merge(published)).await });
    url
}

fn document(metadata: &Value) -> axum::routing::MethodRouter {
    let metadata = metadata.clone();
    get(|| async { Json(metadata) })
}

/// One line for whoever started us; when nobody reads any more, we are about to end anyway.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
