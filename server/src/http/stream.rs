//! The live stream over SSE (behaviour 19).

use super::{
    auth::Ctx,
    error::{ApiError, ApiResult},
    router::{AppState, parse_id},
};
use api::{stream::StreamEvent, watch::WatchEvent};
use axum::{
    extract::{Path, Query, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header::CACHE_CONTROL};
use serde::Deserialize;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use utoipa::IntoParams;

/// threats 5, Browser.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const CLIENT_RETRY: Duration = Duration::from_secs(2);
const STREAMS_PER_USER: usize = 20;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Committed messages after this one are sent first.
    after_id: Option<i64>,
    /// Text parts of committed messages carry sanitised `html`.
    #[serde(default)]
    rendered: bool,
}

/// Open streams per user.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamCounter(Arc<Mutex<HashMap<api::Uuid, usize>>>);

/// One open stream; counts itself out when dropped.
struct Counted {
    counter: StreamCounter,
    user: api::Uuid,
}

impl StreamCounter {
    fn enter(&self, user: api::Uuid) -> Option<Counted> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user).or_default();
        if *count >= STREAMS_PER_USER {
            return None;
        }
        *count += 1;
        Some(Counted { counter: self.clone(), user })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.counter.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

/// The live stream of a chat, as server-sent events: `event` is the type, `data` the JSON described here, `id` opaque.
#[utoipa::path(
    get, path = "/api/experimental/chats/{id}/stream", tag = "chats",
    params(("id" = Uuid, Path, description = "The chat"), StreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "Where a broken stream goes on")),
    responses((status = 200, content_type = "text/event-stream", body = StreamEvent), (status = 404), (status = 429)),
)]
pub(crate) async fn follow(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    Path(id): Path<String>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let user = ctx.require()?.user.id;
    let id = parse_id("id", &id)?;
    let last = last_event_id(&headers);
    let events = state.service.chat_follow(&ctx, id, last, query.after_id, query.rendered).await?;
    let counted = enter(&state, user)?;
    Ok(live(to_sse(events, counted)))
}

/// The live list of own chats, as server-sent events: `event` is the kind, `data` the JSON described here, `id` opaque.
#[utoipa::path(
    get, path = "/api/experimental/chats/watch", tag = "chats",
    params(("Last-Event-ID" = Option<String>, Header, description = "Where a broken stream goes on")),
    responses((status = 200, content_type = "text/event-stream", body = WatchEvent), (status = 429)),
)]
pub(crate) async fn watch(
    State(state): State<AppState>,
    Ctx(ctx): Ctx,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let user = ctx.require()?.user.id;
    let events = state.service.chats_watch(&ctx, last_event_id(&headers)).await?;
    let counted = enter(&state, user)?;
    Ok(live(to_sse(events, counted)))
}

fn last_event_id(headers: &HeaderMap) -> Option<String> {
    headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn enter(state: &AppState, user: api::Uuid) -> ApiResult<Counted> {
    state.streams.enter(user).ok_or_else(|| {
        ApiError::too_many("Twenty live streams are open already. Close some and try again.", 5)
    })
}

/// The answer that goes on; through silence a comment says that it does.
fn live(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn to_sse(
    events: impl Stream<Item = service::RenderedEvent> + Send + 'static,
    counted: Counted,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let first = futures::stream::once(async { Ok(Event::default().retry(CLIENT_RETRY).comment("open")) });
    // Ids are [A-Za-z0-9_-] and names constants, so neither can break a line (threats 4, axum SSE); JSON has no raw line breaks.
    let rest = events.map(move |event| {
        let _open = &counted;
        Ok(Event::default().id(event.id).event(event.name).data(event.data))
    });
    first.chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use tokio::time::{Instant, sleep};

    /// Threats 5, Browser: silence of 15 s ends with a comment, which no client takes for an event. What is said in between puts it off.
    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_every_fifteen_seconds() {
        let said = stream::once(async {
            sleep(Duration::from_secs(40)).await;
            service::RenderedEvent { id: "1".to_owned(), name: "status", data: "{}".to_owned() }
        });
        let counted = StreamCounter::default().enter(api::Uuid::nil()).unwrap();
        let mut body = live(to_sse(said.chain(stream::pending()), counted)).into_body().into_data_stream();
        let begun = Instant::now();
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let frame = body.next().await.unwrap().unwrap();
            seen.push((begun.elapsed().as_secs(), String::from_utf8(frame.to_vec()).unwrap()));
        }
        assert!(seen[0].0 == 0 && seen[0].1.contains("retry: 2000"), "{seen:?}");
        assert_eq!((seen[3].0, seen[3].1.contains("event: status")), (40, true), "{seen:?}");
        for (at, second) in [(1, 15), (2, 30), (4, 55)] {
            assert_eq!(seen[at].0, second, "{seen:?}");
            assert!(seen[at].1.starts_with(':') && !seen[at].1.contains("data"), "{seen:?}");
        }
    }
}
