//! The live list of chats: an `EventSource` that tells the sidebar when it must be read anew (behaviour 19, `/watch`).
//!
//! What other tabs, devices and REST do arrives here. Every event leads to one read of the list, since the page that is shown is cut by
//! the server; events that come together lead to one. A hidden tab holds no stream: browsers allow six connections per origin.

use super::shared::list_changed;
use crate::browser;
use api::watch::WatchKind;
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::EventSource;

/// First wait before a refused stream is tried again; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Events within this time are one read.
const GATHER: Duration = Duration::from_millis(250);
/// While somebody is in a menu, a field or a question of the list, it stays as it is; then it is looked again.
const IN_USE: Duration = Duration::from_secs(1);
/// What is open in the list.
const OPEN_IN_LIST: &str = ".chat-list [aria-expanded=true], .chat-list input, .chat-list dialog[open]";

/// An open `EventSource` with its listeners; closes on drop.
struct Connection {
    source: EventSource,
    _on_event: Closure<dyn FnMut(web_sys::Event)>,
    _on_open: Closure<dyn FnMut(web_sys::Event)>,
    _on_error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.source.close();
    }
}

#[derive(Clone, Copy)]
struct Follower {
    live: RwSignal<bool>,
    connection: StoredValue<Option<Connection>, LocalStorage>,
    /// Counts openings, so that a timer of an earlier one does nothing.
    opening: StoredValue<u64>,
    wait: StoredValue<Duration>,
    /// A read is due.
    due: StoredValue<bool>,
}

/// Follows the list from the first effect on, i.e. in the browser only. Whether the stream stands.
pub(super) fn follow_list() -> RwSignal<bool> {
    let live = RwSignal::new(false);
    Effect::new(move |_| {
        // Made here and not outside: on the server a thread-bound value must not even be dropped by another thread.
        let follower = Follower {
            live,
            connection: StoredValue::new_local(None),
            opening: StoredValue::new(0),
            wait: StoredValue::new(FIRST_WAIT),
            due: StoredValue::new(false),
        };
        follower.visibility_changed();
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
    live
}

impl Follower {
    fn visibility_changed(self) {
        if browser::is_visible() {
            self.shown();
        } else {
            self.close();
        }
    }

    /// The first `pageshow` comes while the stream is open already.
    fn shown(self) {
        if self.connection.try_with_value(Option::is_none) == Some(true) && browser::is_visible() {
            self.open();
        }
    }

    fn close(self) {
        self.opening.try_update_value(|opening| *opening += 1);
        self.connection.try_update_value(|connection| *connection = None);
        self.live.try_set(false);
    }

    fn open(self) {
        self.close();
        // The first event of a new stream is `reset`: what happened while nobody followed is read then.
        let Ok(source) = EventSource::new("/api/experimental/chats/watch") else { return };
        let on_event = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| self.read_soon());
        let on_open = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| {
            self.wait.try_set_value(FIRST_WAIT);
            self.live.try_set(true);
        });
        let on_error = Closure::<dyn FnMut(web_sys::Event)>::new(move |_| self.cut());
        let listeners = WatchKind::ALL.map(|kind| (kind.as_str(), &on_event));
        for (name, listener) in listeners.into_iter().chain([("open", &on_open), ("error", &on_error)]) {
            // Fails for no name of ours.
            let _ = source.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        }
        let connection = Connection { source, _on_event: on_event, _on_open: on_open, _on_error: on_error };
        self.connection.try_set_value(Some(connection));
    }

    fn read_soon(self) {
        if self.due.try_get_value() == Some(false) {
            self.due.try_set_value(true);
            self.read_after(GATHER);
        }
    }

    fn read_after(self, wait: Duration) {
        set_timeout(
            move || match document().query_selector(OPEN_IN_LIST) {
                // The page may be gone by now.
                _ if self.due.try_get_value() != Some(true) => {}
                Ok(Some(_)) => self.read_after(IN_USE),
                _ => {
                    self.due.try_set_value(false);
                    list_changed();
                }
            },
            wait,
        );
    }

    /// The browser reports a cut. While it tries again by itself there is nothing to do; once it has given up, we do.
    fn cut(self) {
        self.live.try_set(false);
        let closed = self.connection.try_with_value(|connection| {
            connection
                .as_ref()
                .is_some_and(|connection| connection.source.ready_state() == EventSource::CLOSED)
        });
        if closed == Some(true) {
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
                    self.open();
                }
            },
            wait,
        );
    }
}
