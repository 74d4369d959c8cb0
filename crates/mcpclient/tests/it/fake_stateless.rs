//! A stateless MCP server whose answers a test writes itself.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::axum::{http::StatusCode, response::Response};

use crate::fake::{self, Fake, Seen};

/// The stateless revision.
pub(crate) const REVISION: &str = "2026-07-28";

pub(crate) fn discovered() -> Value {
    json!({"resultType": "complete", "supportedVersions": [REVISION], "capabilities": {"tools": {}},
        "instructions": "Be brief.", "ttlMs": 60000, "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "modern", "version": "2"}}})
}

/// An honest stateless server with one tool; `script` first, as in [`fake::start`].
pub(crate) async fn start<F>(script: impl Fn(Seen) -> F + Send + Sync + 'static) -> Fake
where
    F: Future<Output = Option<Response>> + Send + 'static,
{
    let script = Arc::new(script);
    fake::start(move |seen| {
        let script = Arc::clone(&script);
        async move {
            if let Some(response) = script(seen.clone()).await {
                return Some(response);
            }
            Some(match seen.method() {
                "server/discover" => seen.result(discovered()),
                "tools/list" => seen.result(json!({"resultType": "complete", "tools": [fake::tool("echo")],
                    "ttlMs": 60000, "cacheScope": "private"})),
                "tools/call" => {
                    let text = seen.body["params"]["arguments"]["text"].clone();
                    seen.result(
                        json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}),
                    )
                }
                _ => seen.error(StatusCode::NOT_FOUND, -32601),
            })
        }
    })
    .await
}
