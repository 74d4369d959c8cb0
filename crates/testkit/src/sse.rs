//! A reader of server-sent events, written from the WHATWG text alone, so that it can disagree with the server.

use crate::limits::SOON;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use serde_json::Value;
use std::time::Duration;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// The last id seen, as a browser would send it in `Last-Event-ID`.
    pub id: String,
    pub name: String,
    pub data: String,
}

impl SseEvent {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.data))
    }
}

/// An open stream of events.
pub struct SseReader {
    body: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    buffer: Vec<u8>,
    last_id: String,
    // The event that is being read: kept here, so that giving up waiting loses nothing.
    name: String,
    data: Vec<String>,
    /// What the server named as the time to wait before a reconnect.
    pub retry: Option<Duration>,
    /// Comment lines so far.
    pub comments: Vec<String>,
}

impl std::fmt::Debug for SseReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseReader").field("last_id", &self.last_id).finish_non_exhaustive()
    }
}

impl SseReader {
    /// Reads an answer that is an event stream.
    ///
    /// # Panics
    /// When it is none.
    pub fn new(response: reqwest::Response) -> Self {
        assert_eq!(response.status().as_u16(), 200, "not an event stream");
        let kind =
            response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "not an event stream but {kind}");
        Self {
            body: response.bytes_stream().boxed(),
            buffer: Vec::new(),
            last_id: String::new(),
            name: String::new(),
            data: Vec::new(),
            retry: None,
            comments: Vec::new(),
        }
    }

    /// The next event; `None` when the server ended the stream.
    ///
    /// # Panics
    /// When nothing comes within 30 s.
    pub async fn next(&mut self) -> Option<SseEvent> {
        match tokio::time::timeout(SOON, self.read()).await {
            Ok(event) => event,
            Err(_) => panic!("no event within {} s", SOON.as_secs()),
        }
    }

    /// The next event, if one comes within `time`.
    pub async fn next_within(&mut self, time: Duration) -> Option<SseEvent> {
        tokio::time::timeout(time, self.read()).await.ok().flatten()
    }

    /// Waits for the end of the stream and gives what came before; `None` when it was still open after `time`.
    pub async fn end_within(&mut self, time: Duration) -> Option<Vec<SseEvent>> {
        let all = async {
            let mut events = Vec::new();
            while let Some(event) = self.read().await {
                events.push(event);
            }
            events
        };
        tokio::time::timeout(time, all).await.ok()
    }

    /// All events up to and including the first one that `last` accepts.
    ///
    /// # Panics
    /// When the stream ends before, or nothing comes within 30 s.
    pub async fn until(&mut self, mut last: impl FnMut(&SseEvent) -> bool) -> Vec<SseEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended after {events:#?}"));
            let done = last(&event);
            events.push(event);
            if done {
                return events;
            }
        }
    }

    async fn read(&mut self) -> Option<SseEvent> {
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if data.is_empty() {
                    continue;
                }
                let name = if name.is_empty() { "message".to_owned() } else { name };
                return Some(SseEvent { id: self.last_id.clone(), name, data: data.join("\n") });
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => self.comments.push(value.to_owned()),
                "event" => self.name = value.to_owned(),
                "data" => self.data.push(value.to_owned()),
                "id" => self.last_id = value.to_owned(),
                "retry" => self.retry = value.parse().ok().map(Duration::from_millis),
                _ => {}
            }
        }
    }

    /// One line without its end (LF, CR LF).
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(String::from_utf8(line).expect("an event stream is UTF-8"));
            }
            // A cut connection ends the stream like an orderly end: what was half received does not count.
            self.buffer.extend_from_slice(&self.body.next().await?.ok()?);
        }
    }
}
