//! The transport of 2024-11-05 (protocol.md 12): one GET whose stream carries every message of the server, and a second
//! address where ours are POSTed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use egress::{EgressError, Limits};
use futures::{StreamExt, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use tokio::{sync::oneshot, task::AbortHandle, time::timeout};
use url::Url;

use crate::{
    elicit,
    error::{McpError, McpErrorKind},
    exchange::Failure,
    limits::{ENDPOINT, ERROR_BODY, SSE_EVENTS, SSE_TOTAL, STANDING_IDLE},
    protocol::method,
    session::{GiveUp, Link, Session, initialize, message},
    wire::{
        Answer, Ask, Channel, Decoder, Event, Form, Message, MessageError, Post, of_form, parse,
        progress_for, refused, same_id, session_ended, unsure,
    },
};

/// Answers that are waited for, by the id of their request.
type Pending = Arc<Mutex<HashMap<i64, Waiting>>>;

struct Waiting {
    ask: Ask,
    tell: oneshot::Sender<Result<Answer, Failure>>,
}

/// The standing stream of one session.
pub(super) struct Stream {
    pending: Pending,
    reader: AbortHandle,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Takes a request out of the table when nobody waits for its answer any more.
struct Registered<'a> {
    pending: &'a Pending,
    id: i64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        lock(self.pending).remove(&self.id);
    }
}

/// Opens the stream, learns the second address and shakes hands. Dropping the future leaves nothing behind.
pub(super) async fn open(channel: &Channel, client_version: &str) -> Result<Session, McpError> {
    let given_up = GiveUp::of(channel);
    channel.speak(None);
    let patience = channel.timeouts().check;
    let limits = Limits {
        first_byte: patience,
        idle: STANDING_IDLE,
        total: None,
        max_body: u64::MAX,
        ..Limits::default()
    };
    let response = channel.get_events(None, limits, None).await.map_err(|failure| failure.error)?;
    if !response.status.is_success() {
        return Err(channel.refusal(response.status, &response.headers));
    }
    let form = Form::of(&response.headers);
    if form != Form::EventStream {
        return Err(of_form(channel.host(), form));
    }
    let mut events = Events {
        decoder: Decoder::new(channel.bounds().event),
        body: response.into_stream().boxed(),
        bytes: 0,
        events: 0,
    };
    let first = timeout(patience, events.next(channel)).await;
    let first =
        first.map_err(|_| McpError::late(channel.host(), "name its address for messages", patience))??;
    if first.name != "endpoint" {
        return Err(names_no_address(channel.host()));
    }
    channel.set_endpoint(endpoint(channel, &first.data)?);

    let pending = Pending::default();
    let reader = tokio::spawn(read(channel.clone(), events, Arc::clone(&pending))).abort_handle();
    let stream = Stream { pending, reader };
    let ask = initialize::asking(channel);
    let body = message(&ask.id, method::INITIALIZE, initialize::hello(client_version));
    let answer = stream.ask(channel, ask, body, HeaderMap::new()).await.map_err(|failure| failure.error)?;
    let result = answer.map_err(|error| error.into_error(channel.host()))?;
    let identity = initialize::negotiated(channel, &result)?;
    channel.notify(method::INITIALIZED, Map::new()).await?;
    given_up.keep();
    Ok(Session { channel: channel.clone(), identity, link: Link::Sse(stream) })
}

/// Same scheme, host and port, or the credentials would go where the server sends them (protocol.md 12, step 2).
fn endpoint(channel: &Channel, data: &[u8]) -> Result<Url, McpError> {
    let host = channel.host();
    let text = std::str::from_utf8(data).ok().map(str::trim);
    let text = text.filter(|text| !text.is_empty() && text.len() <= ENDPOINT);
    let url = text.and_then(|text| channel.url().join(text).ok()).ok_or_else(|| names_no_address(host))?;
    let ours = channel.url();
    let same = url.scheme() == ours.scheme()
        && url.host_str() == ours.host_str()
        && url.port_or_known_default() == ours.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none();
    if !same {
        return Err(McpError::protocol(format!(
            "{host} wants messages sent to another host, where the credentials of this server do not belong: refused"
        )));
    }
    Ok(url)
}

fn names_no_address(host: &str) -> McpError {
    McpError::new(
        McpErrorKind::NotMcp,
        format!("{host} sends events, but names no address for messages as the sse transport does"),
    )
}

impl Stream {
    /// Sends a request; its answer comes on the standing stream.
    pub(super) async fn ask(
        &self,
        channel: &Channel,
        ask: Ask,
        body: Vec<u8>,
        headers: HeaderMap,
    ) -> Result<Answer, Failure> {
        let id = ask.id.as_i64().unwrap_or_default();
        let (exchange, stamp) = (ask.exchange.clone(), ask.stamp.clone());
        let limits = channel.limits_of(&exchange);
        let (tell, told) = oneshot::channel();
        if !exchange.begin() {
            return Err(refused(McpError::closed()));
        }
        lock(&self.pending).insert(id, Waiting { ask, tell });
        let _registered = Registered { pending: &self.pending, id };
        if self.reader.is_finished() {
            return Err(refused(session_ended(channel.host())));
        }
        let post = post(channel, Post { body: body.into(), headers, limits, stamp });
        let (mut told, mut post) = (std::pin::pin!(told), std::pin::pin!(post));
        let mut posted = false;
        let answer = loop {
            tokio::select! {
                biased;
                // First: an answer that is there counts, whatever becomes of the POST.
                answer = &mut told => {
                    break answer.unwrap_or_else(|_| Err(unsure(stream_ended(channel.host()))));
                }
                () = channel.closed() => break Err(unsure(McpError::closed())),
                taken = &mut post, if !posted => match taken {
                    Ok(()) => posted = true,
                    Err(failure) => break Err(failure),
                },
            }
        };
        exchange.end();
        answer
    }
}

/// Hands a message over. What the response says beyond its status is of no interest: the answer comes on the stream.
async fn post(channel: &Channel, post: Post) -> Result<(), Failure> {
    let response = channel.post(post).await?;
    let status = response.status;
    if status == StatusCode::NOT_FOUND {
        return Err(refused(session_ended(channel.host())));
    }
    if !status.is_success() {
        let error = channel.refusal(status, &response.headers);
        let at_the_door = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
        return Err(if at_the_door { refused(error) } else { unsure(error) });
    }
    let _ = timeout(channel.timeouts().control, response.prefix(ERROR_BODY)).await;
    Ok(())
}

/// The stream, event by event.
struct Events {
    decoder: Decoder,
    body: BoxStream<'static, Result<Bytes, EgressError>>,
    /// Since the last answer to a request of ours: what a server sends unasked has an end (threats 5).
    bytes: u64,
    events: usize,
}

impl Events {
    async fn next(&mut self, channel: &Channel) -> Result<Event, McpError> {
        loop {
            if let Some(event) = self.decoder.next() {
                self.events += 1;
                if self.events > SSE_EVENTS || self.bytes > SSE_TOTAL {
                    return Err(McpError::protocol(format!(
                        "{} sent more messages than are accepted and no answer",
                        channel.host()
                    )));
                }
                return Ok(event);
            }
            match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.bytes += chunk.len() as u64;
                    // Not "too large": it need not be the answer to anything, and no tool may have run.
                    self.decoder.push(&chunk).map_err(|_| {
                        McpError::protocol(format!(
                            "{} sent a message larger than is accepted and was cut off",
                            channel.host()
                        ))
                    })?;
                }
                Some(Err(error)) => return Err(channel.of_egress(&error).error),
                None => return Err(stream_ended(channel.host())),
            }
        }
    }
}

/// Hands every message to whom it concerns, until the stream ends: that ends the session, and nothing is resumed.
async fn read(channel: Channel, mut events: Events, pending: Pending) {
    let ended = loop {
        let event = tokio::select! {
            biased;
            () = channel.closed() => break McpError::closed(),
            event = events.next(&channel) => match event {
                Ok(event) => event,
                Err(error) => break error,
            },
        };
        if event.name != "message" {
            continue;
        }
        match parse(event.data, channel.accepts_batches(), channel.secrets()).await {
            Ok(messages) => {
                for message in messages {
                    if hand_out(&channel, &pending, message) {
                        (events.bytes, events.events) = (0, 0);
                    }
                }
            }
            Err(error) => drop_unreadable(&channel, &pending, error),
        }
    };
    for (_, waiting) in lock(&pending).drain() {
        let _ = waiting.tell.send(Err(unsure(ended.clone())));
    }
    channel.close();
}

/// Whose answer it was is not to be read; where only one is waited for, it was that one.
fn drop_unreadable(channel: &Channel, pending: &Pending, error: MessageError) {
    tracing::debug!(host = channel.host(), %error, "dropped a message that cannot be read");
    let mut pending = lock(pending);
    if pending.len() == 1
        && let Some((_, waiting)) = pending.drain().next()
    {
        let broken = format!("{} sent a message that cannot be read: {error}", channel.host());
        let _ = waiting.tell.send(Err(unsure(McpError::protocol(broken))));
    }
}

/// True for an answer to a request of ours.
fn hand_out(channel: &Channel, pending: &Pending, message: Message) -> bool {
    match message {
        Message::Answer { id: Some(id), answer } => {
            let mut pending = lock(pending);
            let ours = pending.iter().find(|(_, waiting)| same_id(&waiting.ask.id, &id)).map(|(id, _)| *id);
            match ours.and_then(|id| pending.remove(&id)) {
                Some(waiting) => {
                    let _ = waiting.tell.send(Ok(answer));
                    return true;
                }
                None => tracing::debug!(host = channel.host(), "dropped an answer to no open request"),
            }
        }
        Message::Answer { id: None, .. } => {}
        _ if !channel.admits_message() => {}
        Message::Request { id, method, params } if method == method::ELICIT => {
            // Which call it belongs to is not told: it is clear only while there is one.
            let pending = lock(pending);
            let mut waiting = pending.values();
            let only = waiting.next().filter(|_| waiting.next().is_none());
            elicit::answer(channel, id, params, only.map(|waiting| &waiting.ask));
        }
        Message::Request { id, method, .. } => channel.reply(&id, &method, None),
        Message::Notification { method, params } => match method.as_str() {
            "notifications/progress" => note_progress(channel, pending, &params),
            "notifications/tools/list_changed" => channel.note_tools_changed(),
            _ => {}
        },
    }
    false
}

fn note_progress(channel: &Channel, pending: &Pending, params: &Map<String, Value>) {
    for waiting in lock(pending).values() {
        if let Some(token) = &waiting.ask.progress_token
            && let Some(report) = progress_for(token, params, channel.secrets())
        {
            return waiting.ask.exchange.progress(report);
        }
    }
}

fn stream_ended(host: &str) -> McpError {
    McpError::new(McpErrorKind::SessionEnded, format!("{host} ended its stream of messages"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
