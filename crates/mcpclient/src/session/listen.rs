//! Hearing between two requests that the tools changed: the standing GET of the initialize-based revisions, and `subscriptions/listen`
//! of the stateless ones (protocol.md P8, P9). The two-endpoint transport has its stream anyway.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use egress::{Limits, Response};
use futures::StreamExt;
use serde_json::{Map, Value, json};
use tokio::{
    task::AbortHandle,
    time::{Duration, Instant, sleep, sleep_until},
};

use crate::{
    limits::{LISTEN_BYTES, LISTEN_FOR, RELISTEN, SSE_EVENTS, STANDING_IDLE},
    pool::by_chance,
    protocol::{meta, method},
    session::stateless::Client,
    wire::{Channel, Decoder, Form, Message, parse, same_id},
};

/// How a server is listened to.
#[derive(Clone)]
pub(crate) enum Listening {
    Stateless(Client),
    Standing,
}

/// A stream that stands as long as somebody needs it. Dropping it ends it.
pub(crate) struct Listener {
    task: AbortHandle,
    needed: Arc<Mutex<Instant>>,
    not_offered: Arc<AtomicBool>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(crate) fn start(channel: Channel, how: Listening) -> Self {
        let needed = Arc::new(Mutex::new(Instant::now()));
        let not_offered = Arc::new(AtomicBool::new(false));
        let run = run(channel, how, Arc::clone(&needed), Arc::clone(&not_offered));
        Self { task: tokio::spawn(run).abort_handle(), needed, not_offered }
    }

    /// Somebody needs it now; false when it has ended and has to be started again.
    pub(crate) fn attend(&self) -> bool {
        *lock(&self.needed) = Instant::now();
        // A server that offers no such stream is not asked again on this connection.
        !self.task.is_finished() || self.not_offered.load(Ordering::Relaxed)
    }
}

/// How a stream ended.
enum End {
    /// The server has none, or does not keep to the rules for it.
    NotOffered,
    /// The server ended it in order; on this connection it is not opened again.
    Over,
    /// It may be opened again.
    Broken,
}

async fn run(channel: Channel, how: Listening, needed: Arc<Mutex<Instant>>, not_offered: Arc<AtomicBool>) {
    let (mut wait, mut again) = (RELISTEN.0, false);
    loop {
        let until = || *lock(&needed) + LISTEN_FOR;
        let end = tokio::select! {
            biased;
            () = channel.closed() => return,
            () = passed(until) => return,
            end = listen(&channel, &how, again) => end,
        };
        if matches!(end, End::NotOffered | End::Over) {
            tracing::debug!(host = channel.host(), "the MCP server gives no more notices of changes");
            not_offered.store(true, Ordering::Relaxed);
            return;
        }
        tokio::select! {
            biased;
            () = channel.closed() => return,
            () = passed(until) => return,
            () = sleep(Duration::from_secs(1) + by_chance(wait)) => {}
        }
        again = true;
        wait = (wait * 2).min(RELISTEN.1);
    }
}

/// Completes when a moment that keeps moving has passed.
async fn passed(until: impl Fn() -> Instant) {
    while Instant::now() < until() {
        sleep_until(until()).await;
    }
}

/// `again`: what was missed since the stream before is not known.
async fn listen(channel: &Channel, how: &Listening, again: bool) -> End {
    let limits = Limits {
        first_byte: channel.timeouts().control,
        idle: STANDING_IDLE,
        total: None,
        max_body: LISTEN_BYTES,
        ..Limits::default()
    };
    let id = Value::from(channel.next_id());
    let opened = match how {
        Listening::Stateless(client) => {
            let mut params = Map::new();
            params.insert("notifications".into(), json!({"toolsListChanged": true}));
            let post = client.posting(&id, method::LISTEN, params, limits);
            channel.post(post).await
        }
        Listening::Standing => channel.get_events(None, limits, None).await,
    };
    match opened {
        Ok(response) if response.status.is_success() && Form::of(&response.headers) == Form::EventStream => {
            if again {
                channel.note_tools_changed();
            }
            hear(channel, how, &id, response).await
        }
        Ok(response) if response.status.is_server_error() => End::Broken,
        Ok(_) => End::NotOffered,
        Err(_) => End::Broken,
    }
}

/// Reads a stream to its end. Nothing but notices, pings and what ends it counts.
async fn hear(channel: &Channel, how: &Listening, id: &Value, response: Response) -> End {
    let (mut decoder, mut body) = (Decoder::new(channel.bounds().event), response.into_stream().boxed());
    let mut acknowledged = matches!(how, Listening::Standing);
    let mut events = 0_usize;
    while let Some(Ok(chunk)) = body.next().await {
        if decoder.push(&chunk).is_err() {
            return End::Broken;
        }
        while let Some(event) = decoder.next() {
            events += 1;
            if events > SSE_EVENTS {
                return End::Broken;
            }
            if event.name != "message" {
                continue;
            }
            let parsed = parse(event.data, channel.accepts_batches(), channel.secrets()).await;
            let Ok(messages) = parsed else { return End::NotOffered };
            for message in messages {
                match (message, how) {
                    (Message::Notification { method, params }, _) if !acknowledged => {
                        if method != "notifications/subscriptions/acknowledged" || !names(&params, id) {
                            return End::NotOffered;
                        }
                        acknowledged = true;
                    }
                    (_, _) if !acknowledged => return End::NotOffered,
                    (Message::Notification { method, .. }, _) => {
                        if method == "notifications/tools/list_changed" && channel.admits_message() {
                            channel.note_tools_changed();
                        }
                    }
                    (Message::Request { id, method, .. }, Listening::Standing) => {
                        if channel.admits_message() {
                            channel.reply(&id, &method, None);
                        }
                    }
                    // Nobody could answer a stateless server, so it must not ask (protocol.md H10).
                    (Message::Request { .. }, Listening::Stateless(_)) => return End::NotOffered,
                    (Message::Answer { id: Some(theirs), .. }, Listening::Stateless(_))
                        if same_id(id, &theirs) =>
                    {
                        return End::Over;
                    }
                    (Message::Answer { .. }, _) => {}
                }
            }
        }
    }
    End::Broken
}

/// Whether the acknowledgement is that of our request.
fn names(params: &Map<String, Value>, id: &Value) -> bool {
    let named = params.get("_meta").and_then(|meta| meta.get(meta::SUBSCRIPTION_ID));
    named.is_some_and(|named| same_id(id, named))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
