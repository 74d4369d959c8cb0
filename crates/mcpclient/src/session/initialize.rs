//! The initialize-based revisions over streamable HTTP, 2025-03-26 to 2025-11-25 (protocol.md 11).

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::{
    error::McpError,
    exchange::{Exchange, Failure},
    protocol::{CLIENT_NAME, Revision, code, method},
    session::{
        GiveUp, Link, ServerIdentity, Session, identity, is_wrong_kind, message, speaks_other,
        stateless::era_changed,
    },
    wire::{Answer, Ask, Channel, Post, Told, unsure},
};

/// Why there is no session.
pub(super) enum Refusal {
    /// Nothing here takes `initialize`: it may be the older transport (protocol.md 2, step 7).
    NotHere(McpError),
    /// A server of the stateless era answered (protocol.md E5).
    Stateless(McpError),
    /// Anything else.
    Failed(McpError),
}

/// Connects and shakes hands. Dropping the future leaves nothing behind.
pub(super) async fn open(channel: &Channel, client_version: &str) -> Result<Session, Refusal> {
    let given_up = GiveUp::of(channel);
    channel.speak(None);
    let ask = asking(channel);
    let body = message(&ask.id, method::INITIALIZE, hello(client_version));
    let told = post(channel, &ask, body, HeaderMap::new())
        .await
        .map_err(|failure| Refusal::Failed(failure.error))?;
    let result = match told.answer {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            let stateless = error.code == code::UNSUPPORTED_VERSION
                || (told.status == StatusCode::NOT_FOUND && error.code == code::METHOD_NOT_FOUND);
            let not_here = is_wrong_kind(told.status) && !code::is_stateless(error.code);
            let error = error.into_error(channel.host()).with_status(told.status);
            return Err(match (stateless, not_here) {
                (true, _) => Refusal::Stateless(error),
                (_, true) => Refusal::NotHere(error),
                _ => Refusal::Failed(error),
            });
        }
        Err(failure) if is_wrong_kind(told.status) => return Err(Refusal::NotHere(failure.error)),
        Err(failure) => return Err(Refusal::Failed(failure.error)),
    };
    channel.take_session(&told.headers).map_err(Refusal::Failed)?;
    let identity = negotiated(channel, &result).map_err(Refusal::Failed)?;
    channel.notify(method::INITIALIZED, Map::new()).await.map_err(Refusal::Failed)?;
    given_up.keep();
    Ok(Session { channel: channel.clone(), identity, link: Link::Initialized })
}

/// Sends a request on an open session. A server that has become stateless since says so (protocol.md E5).
pub(super) async fn ask(
    channel: &Channel,
    method: &'static str,
    params: Map<String, Value>,
    headers: HeaderMap,
    ask: &Ask,
) -> Result<Answer, Failure> {
    // Parameters that nobody could find fault with, but for the `_meta` of the stateless revisions.
    let is_plain = method == method::TOOLS_LIST && !params.contains_key("cursor");
    let body = message(&ask.id, method, params);
    let Told { status, answer, .. } = post(channel, ask, body, headers).await?;
    let Ok(Err(error)) = &answer else { return answer };
    let by_code = status.is_client_error() && code::is_stateless(error.code);
    let by_method = status == StatusCode::NOT_FOUND && error.code == code::METHOD_NOT_FOUND;
    let by_params = is_plain && status == StatusCode::BAD_REQUEST && error.code == code::INVALID_PARAMS;
    if by_code || by_method || by_params {
        // A tool may use such a code as well: what it was said to may have run.
        return Err(unsure(era_changed(channel.host())));
    }
    answer
}

/// POSTs a request and reads its answer from the response.
async fn post(channel: &Channel, ask: &Ask, body: Vec<u8>, headers: HeaderMap) -> Result<Told, Failure> {
    let limits = channel.limits_of(&ask.exchange);
    channel.ask(ask, Post { body: body.into(), headers, limits, stamp: ask.stamp.clone() }).await
}

/// A request of the handshake; its caller holds the deadline.
pub(super) fn asking(channel: &Channel) -> Ask {
    let exchange = Exchange::new(Instant::now() + channel.timeouts().check, None);
    Ask { id: Value::from(channel.next_id()), progress_token: None, exchange, stamp: None }
}

/// Who we are, and that we offer nothing (behaviour 13).
pub(super) fn hello(client_version: &str) -> Map<String, Value> {
    let mut hello = Map::new();
    hello.insert("protocolVersion".into(), Revision::INITIALIZED[0].as_str().into());
    // One session serves chats with and without a person: where nobody is present, a question is answered `cancel` (behaviour 15).
    hello.insert("capabilities".into(), json!({"elicitation": {"form": {}, "url": {}}}));
    hello.insert("clientInfo".into(), json!({"name": CLIENT_NAME, "version": client_version}));
    hello
}

/// Reads the answer to `initialize`, and speaks its revision from now on.
pub(super) fn negotiated(channel: &Channel, result: &Value) -> Result<ServerIdentity, McpError> {
    let host = channel.host();
    let Some(theirs) = result.get("protocolVersion").and_then(Value::as_str) else {
        return Err(McpError::protocol(format!(
            "{host} answered the MCP handshake with something else than its result"
        )));
    };
    let revision = Revision::parse(theirs)
        .filter(|revision| !revision.is_stateless())
        .ok_or_else(|| speaks_other(host, theirs, channel.secrets()))?;
    channel.speak(Some(revision));
    Ok(identity(result, result.get("serverInfo"), revision, channel.secrets()))
}
