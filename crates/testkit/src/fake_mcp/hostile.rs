//! Servers that are no MCP servers, one per way of being none.

use crate::{
    record::{Record, Recorded},
    serve::Serving,
};
use axum::{
    Router,
    extract::{Request, State},
    response::{Html, IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::json;
use std::time::Duration;

/// How the server answers everything.
#[derive(Debug, Clone)]
enum Way {
    Html,
    Json,
    Status(StatusCode),
    Slow(Duration),
    Redirect(String),
}

/// A server that speaks HTTP, but no MCP.
#[derive(Debug)]
pub struct NotMcp {
    serving: Serving,
    record: Record,
}

impl NotMcp {
    /// 200 with a web page.
    pub async fn html() -> Self {
        Self::start(Way::Html).await
    }

    /// 200 with JSON that is no JSON-RPC.
    pub async fn json() -> Self {
        Self::start(Way::Json).await
    }

    /// Always this status, without a body.
    ///
    /// # Panics
    /// When `status` is no HTTP status.
    pub async fn status(status: u16) -> Self {
        Self::start(Way::Status(StatusCode::from_u16(status).expect("a real status"))).await
    }

    /// Silence for this long, then an empty 200.
    pub async fn slow(delay: Duration) -> Self {
        Self::start(Way::Slow(delay)).await
    }

    /// 307 to `target`.
    pub async fn redirect(target: &str) -> Self {
        Self::start(Way::Redirect(target.to_owned())).await
    }

    async fn start(way: Way) -> Self {
        let record = Record::default();
        let router = Router::new().fallback(answer).with_state((way, record.clone()));
        Self { serving: Serving::start(router).await, record }
    }

    /// The endpoint.
    pub fn url(&self) -> String {
        format!("http://{}{}", self.serving.addr, super::PATH)
    }

    /// `host:port`, as the egress allow list takes it.
    pub fn authority(&self) -> String {
        self.serving.addr.to_string()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.record.all()
    }
}

async fn answer(State((way, record)): State<(Way, Record)>, request: Request) -> Response {
    record.push(Recorded::read(request).await);
    match way {
        Way::Html => Html("<!doctype html><title>Welcome to nginx!</title>").into_response(),
        Way::Json => axum::Json(json!({"hello": "world"})).into_response(),
        Way::Status(status) => status.into_response(),
        Way::Slow(delay) => {
            tokio::time::sleep(delay).await;
            StatusCode::OK.into_response()
        }
        Way::Redirect(target) => (StatusCode::TEMPORARY_REDIRECT, [("location", target)]).into_response(),
    }
}

/// `host:port` of a loopback port on which nobody listens.
///
/// # Panics
/// When no port is free.
pub fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    listener.local_addr().expect("a bound listener has an address").to_string()
}
