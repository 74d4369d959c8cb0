//! Asks what [`Discovery`] wants to know, under the deadlines of threats 5.

use std::time::Duration;

use domain::oauth::challenge::bearer_challenge;
use egress::{Egress, EgressError, Limits, Redirects, Request};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use crate::{
    discovery::{Answer, Discovery, DiscoveryError, Found, Question, Step, Trouble},
    limits::{DISCOVERY, METADATA_BODY, METADATA_HOPS, METADATA_REQUEST},
};

/// The revision whose rules these are.
const REVISION: &str = "2026-07-28";
const VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Finds who issues tokens for a server.
///
/// # Errors
/// [`DiscoveryError`], with everything that was asked.
pub async fn discover(egress: &Egress, question: Question) -> Result<Found, DiscoveryError> {
    let deadline = Instant::now() + DISCOVERY;
    let mut discovery = Discovery::new(question);
    loop {
        let step = discovery.next();
        let wait = deadline.saturating_duration_since(Instant::now()).min(METADATA_REQUEST);
        let answer = match step {
            Step::Done(found) => return Ok(*found),
            Step::Failed(error) => return Err(*error),
            Step::Probe { .. } | Step::Fetch { .. } if wait.is_zero() => return Err(discovery.too_slow()),
            Step::Probe { url } => probe(egress, &url, wait).await,
            Step::Fetch { url, .. } => fetch(egress, &url, wait).await,
        };
        discovery.answer(answer.unwrap_or_else(|error| failed(&error)));
    }
}

/// One request as any client without credentials would send it (protocol.md 3). The body is never waited for: an old server may
/// answer with a stream that does not end.
async fn probe(egress: &Egress, url: &str, wait: Duration) -> Result<Answer, EgressError> {
    let body = json!({
        "jsonrpc": "2.0",
        "id": "discovery",
        "method": "server/discover",
        "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": {"name": "patchbay", "version": env!("CARGO_PKG_VERSION")},
            "io.modelcontextprotocol/clientCapabilities": {},
        }},
    });
    let mut request = Request::post(parsed(url)?, body.to_string());
    request.headers = headers("application/json, text/event-stream");
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
        .headers
        .insert(HeaderName::from_static("mcp-method"), HeaderValue::from_static("server/discover"));
    request.limits = limits(wait);
    request.redirects = Redirects::SameOrigin;
    let response = egress.send(request).await?;
    let fields = response.headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes);
    Ok(Answer::Probed { status: response.status.as_u16(), challenge: bearer_challenge(fields) })
}

async fn fetch(egress: &Egress, url: &str, wait: Duration) -> Result<Answer, EgressError> {
    let mut request = Request::get(parsed(url)?);
    request.headers = headers("application/json");
    request.limits = limits(wait);
    request.redirects = Redirects::Checked(METADATA_HOPS);
    let response = egress.send(request).await?;
    let status = response.status;
    let body = if status == StatusCode::OK { response.bytes().await?.to_vec() } else { Vec::new() };
    Ok(Answer::Fetched { status: status.as_u16(), body })
}

fn headers(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(VERSION_HEADER, HeaderValue::from_static(REVISION));
    headers
}

fn limits(wait: Duration) -> Limits {
    Limits { first_byte: wait, idle: wait, total: Some(wait), max_body: METADATA_BODY, ..Limits::default() }
}

fn parsed(url: &str) -> Result<Url, EgressError> {
    Url::parse(url).map_err(|_| EgressError::InvalidUrl("it cannot be read"))
}

fn failed(error: &EgressError) -> Answer {
    Answer::Failed { trouble: trouble(error), cause: error.public_message() }
}

fn trouble(error: &EgressError) -> Trouble {
    match error {
        EgressError::AfterRedirect(inner) => trouble(inner),
        EgressError::Blocked { .. } => Trouble::Blocked,
        EgressError::Timeout { .. } => Trouble::Late,
        EgressError::InvalidUrl(_)
        | EgressError::Redirect { .. }
        | EgressError::HeadersTooLarge { .. }
        | EgressError::BodyTooLarge { .. }
        | EgressError::Encoded { .. } => Trouble::Unusable,
        _ => Trouble::Unreachable,
    }
}
