//! The honest half: JSON-RPC over POST.

use super::{Shared, asking};
use crate::{record::Recorded, serve::Lost};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

/// The revision it speaks.
const REVISION: &str = "2025-06-18";

pub(super) async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    respond(&shared, Recorded::read(request).await).await
}

/// The answer to a request that somebody else has read.
pub(crate) async fn respond(shared: &Shared, recorded: Recorded) -> Response {
    let message = recorded.json();
    let manners = shared.manners();
    let refused = manners
        .required_header
        .as_ref()
        .is_some_and(|(name, value)| recorded.header(name) != Some(value.as_str()));
    let method = recorded.method.clone();
    shared.record.push(recorded);
    if !manners.delay.is_zero() {
        tokio::time::sleep(manners.delay).await;
    }
    if refused {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Bearer")], "no").into_response();
    }
    match method {
        Method::POST => rpc(shared, &message).await,
        // No standing stream, sessions end quietly.
        Method::DELETE => StatusCode::NO_CONTENT.into_response(),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn rpc(shared: &Shared, message: &Value) -> Response {
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    if message.get("method").is_none() {
        return asking::answered(shared, id, message);
    }
    if let Some(question) = asking::question_of(shared, message) {
        return asking::ask(shared, message, question);
    }
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => return initialized(id),
        "ping" => Ok(json!({})),
        "tools/list" => {
            let tools: Vec<Value> = shared.manners().tools.iter().map(super::FakeTool::definition).collect();
            Ok(json!({"tools": tools}))
        }
        "tools/call" => {
            let result = call(shared, &message["params"]).await;
            if shared.loses_answer() {
                return lost();
            }
            result
        }
        other => Err((-32601, format!("no method {other}"))),
    };
    let answer = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, text)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}}),
    };
    Json(answer).into_response()
}

/// What never arrives.
fn lost() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Lost);
    response
}

fn initialized(id: &Value) -> Response {
    let result = json!({
        "protocolVersion": REVISION,
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "fake-mcp", "version": "1.2.3"},
    });
    let mut response = Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response();
    let session = HeaderValue::from_str(&crate::temp::unique()).expect("hex characters are a header value");
    response.headers_mut().insert("mcp-session-id", session);
    response
}

pub(super) async fn call(shared: &Shared, params: &Value) -> Result<Value, (i64, String)> {
    let name = params["name"].as_str().unwrap_or_default();
    let tool = shared.manners().tools.into_iter().find(|tool| tool.name == name);
    let Some(tool) = tool else { return Err((-32602, format!("no tool {name}"))) };
    let arguments = &params["arguments"];
    shared.ledger.append(&json!({
        "id": params["_meta"]["com.coder/tool_call_id"], "tool": name, "arguments": arguments,
    }));
    let answer = tool.answer(arguments);
    tokio::time::sleep(answer.delay).await;
    Ok(json!({"content": answer.content, "isError": answer.is_error}))
}
