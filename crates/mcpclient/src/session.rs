//! An open connection to a server, whatever it speaks: requests go in, answers come out (protocol.md 1).

mod detect;
mod initialize;
mod legacy_sse;
mod listen;
mod stateless;

use std::sync::Arc;

use domain::text::{cut_bytes, quote};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    error::{McpError, McpErrorKind},
    exchange::{Exchange, Failure},
    identity::Stamp,
    limits::{DESCRIPTION, TITLE},
    protocol::{Revision, meta, method},
    redact::Secrets,
    wire::{Answer, Ask, Channel},
};
pub(crate) use detect::open;
pub use detect::{Trail, Wire};
pub(crate) use listen::{Listener, Listening};
pub(crate) use stateless::headers_altered;

/// What a server says about itself. Untrusted: shown, never acted upon (protocol.md E6, T14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) revision: Revision,
    pub(crate) instructions: Option<String>,
    /// Only what was negotiated is used (protocol.md L2).
    pub(crate) offers_tools: bool,
    /// Whether it says when its tools changed.
    pub(crate) announces_changes: bool,
}

/// One request.
#[derive(Default)]
pub(crate) struct Asking {
    pub(crate) method: &'static str,
    pub(crate) params: Map<String, Value>,
    /// Headers for servers of every era.
    pub(crate) headers: HeaderMap,
    /// Headers that mirror arguments, for servers of the stateless era (protocol.md 4).
    pub(crate) mirrored: HeaderMap,
    /// For whom, where identities are forwarded.
    pub(crate) stamp: Option<Arc<Stamp>>,
    /// Whether the server may report progress.
    pub(crate) reports_progress: bool,
    /// Whether somebody can answer what the server asks (protocol.md H6).
    pub(crate) elicits: bool,
}

/// Dropping it ends the server's session in the background.
pub(crate) struct Session {
    pub(crate) channel: Channel,
    pub(crate) identity: ServerIdentity,
    link: Link,
}

enum Link {
    Stateless(stateless::Client),
    Initialized,
    Sse(legacy_sse::Stream),
}

impl Session {
    /// Sends a request and waits for its answer. Whoever stops waiting drops the future, then calls [`Self::cancel`].
    pub(crate) async fn ask(&self, asking: Asking, exchange: &Exchange) -> Result<Answer, Failure> {
        let id = self.channel.next_id();
        exchange.name(id);
        let Asking { method, mut params, mut headers, mirrored, stamp, reports_progress, elicits } = asking;
        if elicits && matches!(self.link, Link::Stateless(_)) {
            let declared = json!({"elicitation": {"form": {}, "url": {}}});
            meta_of(&mut params).insert(meta::CLIENT_CAPABILITIES.to_owned(), declared);
        }
        let progress_token = reports_progress.then(|| Value::from(id));
        if let Some(token) = &progress_token {
            meta_of(&mut params).insert(meta::PROGRESS_TOKEN.to_owned(), token.clone());
        }
        let ask = Ask { id: Value::from(id), progress_token, exchange: exchange.clone(), stamp };
        match &self.link {
            Link::Stateless(client) => {
                headers.extend(mirrored);
                client.ask(&self.channel, method, params, headers, &ask).await
            }
            Link::Initialized => initialize::ask(&self.channel, method, params, headers, &ask).await,
            Link::Sse(stream) => {
                let body = message(&ask.id, method, params);
                stream.ask(&self.channel, ask, body, headers).await
            }
        }
    }

    /// Tells the server to stop working on a request whose answer nobody waits for any more (protocol.md C1, C2).
    /// Nothing waits for that; a request that has ended or never left is left alone.
    pub(crate) fn cancel(&self, exchange: &Exchange, stamp: Option<Arc<Stamp>>) {
        let Some(id) = exchange.open_id() else { return };
        exchange.end();
        if matches!(self.link, Link::Stateless(_)) {
            // The stream was closed when the future was dropped, and that is the cancellation.
            return;
        }
        let mut params = Map::new();
        params.insert("requestId".to_owned(), Value::from(id));
        params.insert("reason".to_owned(), Value::from("the call was stopped"));
        self.channel.notify_beside(method::CANCELLED, params, stamp);
    }

    /// Ends the session and waits for it; requests under way end without an answer.
    pub(crate) async fn close(&self) {
        self.channel.close();
        self.channel.end_session().await;
    }

    /// No request can leave any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// How notices of changes are heard between two requests; `None` where there are none, or where they come anyway.
    pub(crate) fn listening(&self) -> Option<Listening> {
        match &self.link {
            _ if !self.identity.announces_changes => None,
            Link::Stateless(client) => Some(Listening::Stateless(client.clone())),
            Link::Initialized => Some(Listening::Standing),
            Link::Sse(_) => None,
        }
    }

    /// How the server is spoken to.
    pub(crate) fn wire(&self) -> Wire {
        match self.link {
            Link::Stateless(_) => Wire::Stateless,
            Link::Initialized => Wire::Streamable,
            Link::Sse(_) => Wire::Sse,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.channel.close();
        self.channel.end_session_beside();
    }
}

/// Ends the session of a handshake that was given up half-way.
struct GiveUp(Option<Channel>);

impl GiveUp {
    fn of(channel: &Channel) -> Self {
        Self(Some(channel.clone()))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for GiveUp {
    fn drop(&mut self) {
        if let Some(channel) = self.0.take() {
            channel.end_session_beside();
        }
    }
}

fn message(id: &Value, method: &str, params: Map<String, Value>) -> Vec<u8> {
    let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
    if !params.is_empty() {
        message["params"] = Value::Object(params);
    }
    message.to_string().into_bytes()
}

/// The `_meta` of a request's parameters.
fn meta_of(params: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let meta = params.entry("_meta").or_insert(Value::Null);
    if !meta.is_object() {
        *meta = Value::Object(Map::new());
    }
    match meta {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// What both eras have in common in the answer to the first request.
fn identity(
    result: &Value,
    server_info: Option<&Value>,
    revision: Revision,
    secrets: &Secrets,
) -> ServerIdentity {
    let text = |key: &str| {
        let told = server_info.and_then(|info| info.get(key)).and_then(Value::as_str).unwrap_or_default();
        quote(&secrets.clean(told), TITLE)
    };
    let tools = result.get("capabilities").and_then(|offered| offered.get("tools"));
    ServerIdentity {
        name: text("name"),
        version: text("version"),
        revision,
        instructions: result
            .get("instructions")
            .and_then(Value::as_str)
            .map(|text| cut_bytes(&secrets.clean(text), DESCRIPTION).replace('\0', "\u{fffd}")),
        offers_tools: tools.is_some(),
        announces_changes: tools.and_then(|tools| tools.get("listChanged")).and_then(Value::as_bool)
            == Some(true),
    }
}

/// The statuses by which a server says that it does not take this kind of request (protocol.md 2, steps 6 and 7).
fn is_wrong_kind(status: StatusCode) -> bool {
    status.is_client_error()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
        )
}

fn speaks_other(host: &str, theirs: &str, secrets: &Secrets) -> McpError {
    let theirs = quote(&secrets.clean(theirs), 64);
    let ours: Vec<_> = Revision::STATELESS.iter().chain(Revision::INITIALIZED).map(|r| r.as_str()).collect();
    McpError::quoting(
        McpErrorKind::Protocol,
        format!("{host} speaks revision \"{theirs}\" of MCP; Patchbay speaks {}", ours.join(", ")),
    )
}
