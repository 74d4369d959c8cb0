//! The two-endpoint transport of 2024-11-05, with every stream in the hands of the test.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchbay_mcpclient::{Target, Transport};
use serde_json::{Value, json};
use testkit::axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc::{self, UnboundedSender};

use super::lab::{QUERY, target};
use crate::fake::{self, Fake, Seen};

/// What became of a call.
pub(super) enum Told {
    /// This goes out on the stream.
    Events(String),
    /// The same after this time.
    Later(Duration, String),
    /// The stream ends.
    Cut,
    /// The session is unknown: 404.
    Lost,
}

type Streams = Arc<Mutex<HashMap<String, UnboundedSender<String>>>>;

pub(super) struct OldPeer {
    pub(super) fake: Fake,
    streams: Streams,
}

impl OldPeer {
    /// A server with the tool `echo`, whose calls are answered by `call`.
    pub(super) async fn start(call: impl Fn(&Seen) -> Told + Send + Sync + 'static) -> Self {
        let streams = Streams::default();
        let (opened, sessions) = (Arc::clone(&streams), AtomicUsize::new(0));
        let call = Arc::new(call);
        let fake = fake::start(move |seen: Seen| {
            let response = if seen.http == "GET" {
                let number = sessions.fetch_add(1, Ordering::SeqCst);
                standing(&opened, format!("/messages?session={number}"))
            } else {
                posted(&opened, &seen, &*call)
            };
            async move { Some(response) }
        })
        .await;
        Self { fake, streams }
    }

    pub(super) fn target(&self) -> Target {
        let url = format!("http://{}/sse?key={QUERY}", self.fake.addr);
        Target { transport: Transport::Sse, ..target(&url, None) }
    }

    /// Sends this on every open stream; false when there is none.
    pub(super) fn tell(&self, events: &str) -> bool {
        let mut streams = self.streams.lock().unwrap();
        streams.retain(|_, stream| stream.send(events.to_owned()).is_ok());
        !streams.is_empty()
    }
}

fn standing(streams: &Streams, endpoint: String) -> Response {
    let (tell, told) = mpsc::unbounded_channel();
    tell.send(format!("event: endpoint\ndata: {endpoint}\n\n")).unwrap();
    streams.lock().unwrap().insert(endpoint, tell);
    let stream = futures::stream::unfold(told, |mut told| async move {
        let piece: String = told.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), told))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
}

fn posted(streams: &Streams, seen: &Seen, call: &dyn Fn(&Seen) -> Told) -> Response {
    let mut streams = streams.lock().unwrap();
    let Some(stream) = streams.get(&seen.target) else { return StatusCode::NOT_FOUND.into_response() };
    let answer = |result: Value| Told::Events(fake::event(&seen.message(result)));
    let told = match seen.method() {
        "initialize" => answer(fake::hello("2024-11-05")),
        "tools/list" => answer(json!({"tools": [fake::tool("echo")]})),
        "tools/call" => call(seen),
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    match told {
        Told::Events(events) => {
            let _ = stream.send(events);
        }
        Told::Later(wait, events) => {
            let stream = stream.clone();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                let _ = stream.send(events);
            });
        }
        Told::Cut => {
            streams.remove(&seen.target);
        }
        Told::Lost => {
            // The stream stays: it is the answer that tells.
            if let Some(stream) = streams.remove(&seen.target) {
                streams.insert(format!("lost {}", seen.target), stream);
            }
            return StatusCode::NOT_FOUND.into_response();
        }
    }
    StatusCode::ACCEPTED.into_response()
}
