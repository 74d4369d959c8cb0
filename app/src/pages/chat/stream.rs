//! The live stream of one chat: an `EventSource` that feeds the transcript (behaviour 19).
//!
//! After a short cut the browser reconnects by itself with `Last-Event-ID`. When it gives up (the server refused) or the tab comes
//! back from the background, the chat is read anew and the stream opened behind its last message. A hidden tab holds no stream:
//! browsers allow six connections per origin.

use super::{shared::OpenChat, transcript::Transcript};
use crate::{
    browser,
    error::{UiError, UiErrorKind},
    server_fns::chats::chat_open,
};
use api::{
    Uuid,
    stream::{StreamEvent, StreamPayload},
};
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::{EventSource, MessageEvent};

/// First wait before a refused stream is tried again; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// State of the connection, for the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Link {
    Connecting,
    Open,
    /// Cut; being tried again.
    Lost,
    /// The chat cannot be read any more.
    Gone(UiError),
}

/// An open `EventSource` with its listeners; closes on drop.
struct Connection {
    source: EventSource,
    _on_event: Closure<dyn FnMut(web_sys::Event)>,
    _on_open: Closure<dyn FnMut(web_sys::Event)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.close();
    }
}

/// The follower of one chat page; lives as long as the page.
#[derive(Clone, Copy)]
struct Follower {
    id: Uuid,
    chat: OpenChat,
    link: RwSignal<Link>,
    connection: StoredValue<Option<Connection>, LocalStorage>,
    /// Counts openings, so that a timer of an earlier one does nothing.
    opening: StoredValue<u64>,
    wait: StoredValue<Duration>,
}

/// Follows the chat from the first effect on, i.e. in the browser only.
pub(super) fn follow(id: Uuid, chat: OpenChat) -> RwSignal<Link> {
    let link = RwSignal::new(Link::Connecting);
    Effect::new(move |_| {
        // Made here and not outside: on the server a thread-bound value must not even be dropped by another thread.
        let follower = Follower {
            id,
            chat,
            link,
            connection: StoredValue::new_local(None),
            opening: StoredValue::new(0),
            wait: StoredValue::new(FIRST_WAIT),
        };
        if browser::is_visible() {
            follower.open();
        }
        let visibility =
            window_event_listener_untyped("visibilitychange", move |_| follower.visibility_changed());
        // A page put aside by the browser (back-forward cache) must not hold its stream either.
        let aside = window_event_listener_untyped("pagehide", move |_| follower.close());
        let back = window_event_listener_untyped("pageshow", move |_| follower.shown());
        on_cleanup(move || {
            visibility.remove();
            aside.remove();
            back.remove();
        });
    });
    link
}

impl Follower {
    fn visibility_changed(self) {
        if browser::is_visible() {
            self.reopen();
        } else {
            self.close();
        }
    }

    /// The first `pageshow` comes while the stream is open already.
    fn shown(self) {
        if self.connection.try_with_value(Option::is_none) == Some(true) && browser::is_visible() {
            self.reopen();
        }
    }

    fn close(self) {
        self.opening.try_update_value(|opening| *opening += 1);
        self.connection.try_update_value(|connection| *connection = None);
    }

    fn open(self) {
        self.close();
        let Some(after_id) = self.chat.transcript.try_update(|transcript| {
            transcript.expect_snapshot();
            transcript.last_id()
        }) else {
            return;
        };
        let address = format!("/api/experimental/chats/{}/stream?after_id={after_id}&rendered=true", self.id);
        let Ok(source) = EventSource::new(&address) else {
            self.link.try_set(Link::Lost);
            return;
        };
        // One listener for every name: `error` is both an event of ours (with data) and the browser's own report (without).
        let on_event = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            match event.dyn_ref::<MessageEvent>().and_then(|message| message.data().as_string()) {
                Some(data) => self.received(&data),
                None if event.type_() == "error" => self.cut(),
                None => {}
            }
        });
        let on_open = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| {
            self.wait.try_set_value(FIRST_WAIT);
            self.link.try_set(Link::Open);
        });
        for name in StreamPayload::EVENT_NAMES {
            // Fails for no name of ours.
            let _ = source.add_event_listener_with_callback(name, on_event.as_ref().unchecked_ref());
        }
        let _ = source.add_event_listener_with_callback("open", on_open.as_ref().unchecked_ref());
        let connection = Connection { source, _on_event: on_event, _on_open: on_open };
        self.connection.try_set_value(Some(connection));
    }

    fn received(self, data: &str) {
        match serde_json::from_str::<StreamEvent>(data) {
            Ok(event) => {
                self.chat.transcript.try_maybe_update(|transcript| (transcript.apply(event), ()));
            }
            // A newer server may send kinds this page does not know; the next load brings the page that does.
            Err(_) => leptos::logging::debug_warn!("unknown stream event"),
        }
    }

    /// The browser reports a cut. While it tries again by itself there is nothing to do; once it has given up, we do.
    fn cut(self) {
        self.link.try_set(Link::Lost);
        let closed = self
            .connection
            .try_with_value(|connection| {
                connection
                    .as_ref()
                    .is_some_and(|connection| connection.source.ready_state() == EventSource::CLOSED)
            })
            .unwrap_or(false);
        if closed {
            self.try_later();
        }
    }

    fn try_later(self) {
        let Some(wait) = self.wait.try_get_value() else { return };
        self.wait.try_set_value((wait * 2).min(LONGEST_WAIT));
        let opening = self.opening.try_get_value();
        // Jitter: after a restart not every page comes at the same moment.
        let wait = wait.mul_f64(0.75 + js_sys::Math::random() / 2.0);
        set_timeout(
            move || {
                if opening.is_some() && self.opening.try_get_value() == opening && browser::is_visible() {
                    self.reopen();
                }
            },
            wait,
        );
    }

    /// Reads the chat anew, then opens the stream behind it: what was edited meanwhile is not told by newer messages alone.
    fn reopen(self) {
        self.close();
        let opening = self.opening.try_get_value();
        spawn_local(async move {
            let read = chat_open(self.id).await;
            if opening.is_none() || self.opening.try_get_value() != opening {
                return;
            }
            match read {
                Ok(opened) => {
                    self.chat.transcript.try_update(|transcript: &mut Transcript| {
                        transcript.reload(&opened.chat, opened.page)
                    });
                    self.open();
                }
                Err(error) => match error.kind {
                    UiErrorKind::Unauthorized => {
                        browser::go_to(&browser::login_path(&format!("/chats/{}", self.id)))
                    }
                    UiErrorKind::NotFound | UiErrorKind::Forbidden => {
                        self.link.try_set(Link::Gone(error));
                    }
                    _ => {
                        self.link.try_set(Link::Lost);
                        self.try_later();
                    }
                },
            }
        });
    }
}
