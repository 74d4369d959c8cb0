//! Listing tools page by page, under caps (behaviour 13, protocol.md P1, P2).

use std::{collections::HashSet, sync::Arc};

use serde_json::{Map, Value};
use tokio::time::{Duration, Instant, timeout_at};

use crate::{
    catalogue::{Builder, Catalogue},
    error::{McpError, McpErrorKind, RpcError},
    exchange::Exchange,
    identity::Stamp,
    limits::{CURSOR, PAGES, TTL_FLOOR, TTL_PRIVATE, TTL_PUBLIC},
    protocol::{code, method},
    session::{Asking, Session},
};

/// All tools of the server, as far as the caps allow. What was cut off is among the problems.
pub(crate) async fn list(
    session: &Session,
    stamp: Option<&Arc<Stamp>>,
    deadline: Instant,
) -> Result<Catalogue, McpError> {
    if !session.identity.offers_tools {
        return Ok(Builder::new(session.channel.secrets()).finish(&session.identity, None));
    }
    match list_once(session, stamp, deadline).await? {
        Listed::All(catalogue) => Ok(catalogue),
        // Pages that belong to different states of the list do not fit together: from the start, once.
        Listed::CursorRefused => match list_once(session, stamp, deadline).await? {
            Listed::All(catalogue) => Ok(catalogue),
            Listed::CursorRefused => Err(McpError::protocol(format!(
                "{} refuses the place it gave itself for the next page of tools",
                session.channel.host()
            ))),
        },
    }
}

enum Listed {
    All(Catalogue),
    CursorRefused,
}

async fn list_once(
    session: &Session,
    stamp: Option<&Arc<Stamp>>,
    deadline: Instant,
) -> Result<Listed, McpError> {
    let host = session.channel.host();
    let bounds = session.channel.bounds();
    let mut found = Builder::new(session.channel.secrets());
    let mut fresh = Freshness::of(session);
    let mut cursors = HashSet::new();
    let mut cursor: Option<String> = None;
    for page in 1.. {
        let mut result = match page_of_tools(session, stamp, cursor.clone(), deadline).await? {
            Ok(result) => result,
            Err(error) if cursor.is_some() && error.code == code::INVALID_PARAMS => {
                return Ok(Listed::CursorRefused);
            }
            Err(error) => return Err(error.into_error(host)),
        };
        if result.get("resultType").and_then(Value::as_str).is_some_and(|kind| kind != "complete") {
            // Only calls may ask for more (protocol.md H12, M6).
            return Err(McpError::protocol(format!(
                "{host} answered tools/list with an unknown type of result"
            )));
        }
        fresh.add(&result);
        let Some(Value::Array(definitions)) = result.get_mut("tools").map(Value::take) else {
            return Err(McpError::protocol(format!("{host} answered tools/list without a list of tools")));
        };
        for definition in definitions {
            if found.seen() >= bounds.tools {
                found.problem("", format!("the list stopped after {} tools", bounds.tools));
                return Ok(Listed::All(found.finish(&session.identity, fresh.lasts())));
            }
            found.add(definition);
            // Megabytes of definitions are looked at here; others use this thread too.
            tokio::task::yield_now().await;
            if found.bytes() > bounds.definitions {
                return Err(McpError::new(
                    McpErrorKind::TooLarge,
                    format!(
                        "{host} offers tool definitions of more than {}",
                        domain::text::human_bytes(bounds.definitions)
                    ),
                ));
            }
        }
        // Only an absent or null cursor ends a list; an empty one is a cursor like any other.
        let next = match result.get("nextCursor") {
            None | Some(Value::Null) => break,
            Some(Value::String(next)) if next.len() <= CURSOR => next.clone(),
            Some(_) => {
                found
                    .problem("", "the list stopped at a place for the next page that is too long or no text");
                break;
            }
        };
        if !cursors.insert(next.clone()) {
            found.problem("", "the list stopped where the server repeated a page");
            break;
        }
        if page >= PAGES {
            found.problem("", format!("the list stopped after {PAGES} pages"));
            break;
        }
        cursor = Some(next);
    }
    Ok(Listed::All(found.finish(&session.identity, fresh.lasts())))
}

async fn page_of_tools(
    session: &Session,
    stamp: Option<&Arc<Stamp>>,
    cursor: Option<String>,
    deadline: Instant,
) -> Result<Result<Value, RpcError>, McpError> {
    let exchange = Exchange::new(deadline, None);
    let mut params = Map::new();
    if let Some(cursor) = cursor {
        params.insert("cursor".to_owned(), Value::String(cursor));
    }
    let asking = Asking { method: method::TOOLS_LIST, params, stamp: stamp.cloned(), ..Asking::default() };
    let started = Instant::now();
    match timeout_at(deadline, session.ask(asking, &exchange)).await {
        Ok(answer) => answer.map_err(|failure| failure.error),
        Err(_) => {
            session.cancel(&exchange, stamp.cloned());
            Err(McpError::late(session.channel.host(), "list its tools", deadline.duration_since(started)))
        }
    }
}

/// How long the pages may be served, by the shortest of them (protocol.md P3, P4). Servers of the initialize-based
/// revisions say nothing of it.
struct Freshness {
    stateless: bool,
    ttl_ms: Option<u64>,
    public: bool,
}

impl Freshness {
    fn of(session: &Session) -> Self {
        Self { stateless: session.channel.is_stateless(), ttl_ms: None, public: true }
    }

    fn add(&mut self, page: &Value) {
        if !self.stateless {
            return;
        }
        // An absent, negative or unreadable one means stale now.
        let ttl = page.get("ttlMs").map_or(0, milliseconds);
        self.ttl_ms = Some(self.ttl_ms.map_or(ttl, |known| known.min(ttl)));
        self.public &= page.get("cacheScope").and_then(Value::as_str) == Some("public");
    }

    fn lasts(&self) -> Option<Duration> {
        let longest = if self.public { TTL_PUBLIC } else { TTL_PRIVATE };
        self.ttl_ms.map(|ms| Duration::from_millis(ms).clamp(TTL_FLOOR, longest))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn milliseconds(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_f64().map(|ms| ms.clamp(0.0, 1e15) as u64)).unwrap_or(0)
}
