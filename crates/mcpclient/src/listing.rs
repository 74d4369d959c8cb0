//! Listing tools page by page, under caps (behaviour 13, protocol.md P1, P2).

use std::collections::HashSet;

use rmcp::model::{ClientRequest, GetExtensions, ListToolsRequest, PaginatedRequestParams};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    catalogue::{Builder, Catalogue},
    error::{McpError, McpErrorKind, RpcError},
    exchange::{Exchange, State},
    initialize::Session,
    limits::{CURSOR, DEFINITIONS, PAGES, TOOLS},
};

/// All tools of the server, as far as the caps allow. What was cut off is among the problems.
pub(crate) async fn list(session: &Session, deadline: Instant) -> Result<Catalogue, McpError> {
    if !session.identity.offers_tools {
        return Ok(Builder::new(session.channel.secrets()).finish(&session.identity));
    }
    match list_once(session, deadline).await? {
        Listed::All(catalogue) => Ok(catalogue),
        // Pages that belong to different states of the list do not fit together: from the start, once.
        Listed::CursorRefused => match list_once(session, deadline).await? {
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

async fn list_once(session: &Session, deadline: Instant) -> Result<Listed, McpError> {
    let host = session.channel.host();
    let mut found = Builder::new(session.channel.secrets());
    let mut cursors = HashSet::new();
    let mut cursor: Option<String> = None;
    for page in 1.. {
        let mut result = match page_of_tools(session, cursor.clone(), deadline).await? {
            Ok(result) => result,
            Err(error) if cursor.is_some() && error.code == RpcError::INVALID_PARAMS => {
                return Ok(Listed::CursorRefused);
            }
            Err(error) => return Err(error.into_error(host)),
        };
        let Some(Value::Array(definitions)) = result.get_mut("tools").map(Value::take) else {
            return Err(McpError::protocol(format!("{host} answered tools/list without a list of tools")));
        };
        for definition in definitions {
            if found.seen() >= TOOLS {
                found.problem("", format!("the list stopped after {TOOLS} tools"));
                return Ok(Listed::All(found.finish(&session.identity)));
            }
            found.add(definition);
            if found.bytes() > DEFINITIONS {
                return Err(McpError::new(
                    McpErrorKind::TooLarge,
                    format!(
                        "{host} offers tool definitions of more than {} MiB",
                        DEFINITIONS / (1024 * 1024)
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
    Ok(Listed::All(found.finish(&session.identity)))
}

async fn page_of_tools(
    session: &Session,
    cursor: Option<String>,
    deadline: Instant,
) -> Result<Result<Value, RpcError>, McpError> {
    let exchange = Exchange::new(deadline, None);
    let params = PaginatedRequestParams::default().with_cursor(cursor);
    let mut request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
    request.extensions_mut().insert(exchange.clone());
    let started = Instant::now();
    let asked = async {
        let handle = session.peer.send_request_with_option(request, Default::default()).await.ok()?;
        // Whatever rmcp makes of it: the exchange knows.
        handle.rx.await.ok()
    };
    let in_time = timeout_at(deadline, asked).await.is_ok();
    match exchange.finish() {
        State::Answered(answer) => Ok(answer),
        State::Failed(failure) => Err(failure.error),
        State::Queued | State::Withdrawn | State::Sent if in_time => Err(McpError::closed()),
        State::Queued | State::Withdrawn | State::Sent => {
            Err(McpError::late(session.channel.host(), "list its tools", deadline.duration_since(started)))
        }
    }
}
