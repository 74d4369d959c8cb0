//! The window in which a person signs in at the provider of a server, and how this page hears that it is done (behaviour 9, 25).
//!
//! Three ways, because browsers may cut any of them: a message of the window that was opened, the channel of this origin, and the
//! window being closed. Whatever is heard only makes the page read the server again: nothing is believed of what a message says.

use super::channel::{Channel, completed};
use crate::{browser, components::toast::Toasts, server_fns::servers::server_get};
use api::{
    Uuid,
    servers::{AuthStatus, McpServer},
};
use leptos::{leptos_dom::helpers::WindowListenerHandle, prelude::*, task::spawn_local};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    time::Duration,
};
use wasm_bindgen::JsCast as _;
use web_sys::MessageEvent;

/// Size of the window (behaviour 25).
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 600.0;
/// How often it is looked whether the window is still there; the contract allows 500 ms.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// A sign-in that takes longer has expired (behaviour 9).
const LISTEN_FOR: Duration = Duration::from_mins(10);

/// The sign-ins of this document. Copy it into handlers.
#[derive(Clone, Copy)]
pub(super) struct Popups {
    /// Servers whose window is open.
    waiting: RwSignal<BTreeSet<Uuid>>,
    /// Servers whose window the browser did not open.
    blocked: RwSignal<BTreeSet<Uuid>>,
    /// Rises with whatever a person does to a connection: an answer that was asked for before is old.
    deeds: RwSignal<u64>,
}

/// For whom a window is opened.
#[derive(Clone)]
pub(super) struct SignIn {
    pub(super) server: McpServer,
    pub(super) changed: Callback<McpServer>,
    pub(super) toasts: Toasts,
}

/// What listens while a window is open.
struct Watch {
    message: Option<WindowListenerHandle>,
    _channel: Option<Channel>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            message.remove();
        }
    }
}

impl Popups {
    fn new() -> Self {
        Self { waiting: RwSignal::default(), blocked: RwSignal::default(), deeds: RwSignal::default() }
    }

    /// Whether the window for `id` is open; tracks.
    pub(super) fn waits(self, id: Uuid) -> bool {
        self.waiting.with(|waiting| waiting.contains(&id))
    }

    /// Whether the browser refused to open it; tracks.
    pub(super) fn is_blocked(self, id: Uuid) -> bool {
        self.blocked.with(|blocked| blocked.contains(&id))
    }

    pub(super) fn note_deed(self) {
        self.deeds.try_update(|deeds| *deeds += 1);
    }

    pub(super) fn deeds(self) -> u64 {
        self.deeds.try_get_untracked().unwrap_or_default()
    }

    /// Opens the window. Only in answer to a click, or the browser refuses.
    pub(super) fn open(self, sign_in: SignIn) {
        let id = sign_in.server.id;
        // One window for each server: a second click brings the first one back.
        let name = format!("patchbay-connect-{id}");
        let opened = window().open_with_url_and_target_and_features(&address(id), &name, &features());
        let opened = opened.ok().flatten();
        self.blocked.update(|blocked| {
            if opened.is_some() {
                blocked.remove(&id);
            } else {
                blocked.insert(id);
            }
        });
        if let Some(opened) = opened {
            let _ = opened.focus();
            self.waiting.update(|waiting| {
                waiting.insert(id);
            });
            self.listen(Some(opened), sign_in);
        }
    }

    /// The person opened it by hand, after the browser had refused. Of such a tab this page knows nothing, so that only the channel
    /// tells.
    pub(super) fn opened_by_hand(self, sign_in: SignIn) {
        self.listen(None, sign_in);
    }

    fn listen(self, opened: Option<web_sys::Window>, sign_in: SignIn) {
        let id = sign_in.server.id;
        let watch = Rc::new(RefCell::new(None::<Watch>));
        let said = Rc::new(Cell::new(false));
        let done = {
            let (watch, sign_in, said) = (watch.clone(), sign_in.clone(), said.clone());
            // The window tells in both ways.
            let finished = Cell::new(false);
            Rc::new(move || {
                if finished.replace(true) {
                    return;
                }
                self.over(sign_in.clone(), said.clone());
                let watch = watch.clone();
                // Not while one of its own closures runs.
                set_timeout(move || drop(watch.take()), Duration::ZERO);
            })
        };
        let message = opened.clone().map(|opened| {
            let done = done.clone();
            window_event_listener_untyped("message", move |event| {
                if let Some(message) = event.dyn_ref::<MessageEvent>()
                    && comes_from(message, &opened)
                    && completed(message).is_some_and(|server| server == id.to_string())
                {
                    done();
                }
            })
        });
        let channel = Channel::open(move |server| {
            if server == id.to_string() {
                done();
            }
        });
        watch.replace(Some(Watch { message, _channel: channel }));
        set_timeout(
            move || {
                self.waiting.try_update(|waiting| waiting.remove(&id));
                drop(watch.take());
            },
            LISTEN_FOR,
        );
        if let Some(opened) = opened {
            self.look_after(opened, sign_in, said);
        }
    }

    /// Notices that the window is gone. A browser that has cut it off says the same, so the other ways stay open.
    fn look_after(self, opened: web_sys::Window, sign_in: SignIn, said: Rc<Cell<bool>>) {
        let id = sign_in.server.id;
        let ticking = Rc::new(Cell::new(None::<IntervalHandle>));
        let stop = ticking.clone();
        let tick = move || {
            let waits = self.waiting.try_with_untracked(|waiting| waiting.contains(&id)) == Some(true);
            if waits && !opened.closed().unwrap_or(true) {
                return;
            }
            if let Some(handle) = stop.take() {
                handle.clear();
            }
            if waits {
                self.over(sign_in.clone(), said.clone());
            }
        };
        if let Ok(handle) = set_interval_with_handle(tick, LOOK_EVERY) {
            ticking.set(Some(handle));
        }
    }

    /// Reads the server as it stands now. `said`: it was said already that it is connected.
    fn over(self, sign_in: SignIn, said: Rc<Cell<bool>>) {
        let SignIn { server, changed, toasts } = sign_in;
        self.waiting.try_update(|waiting| waiting.remove(&server.id));
        self.blocked.try_update(|blocked| blocked.remove(&server.id));
        spawn_local(async move {
            // What cannot be read now is read by the page a little later.
            let Ok(now) = server_get(server.id).await else { return };
            if now.auth_status == AuthStatus::Connected && !said.replace(true) {
                toasts.say(format!("{} is connected", now.display_name));
            }
            self.note_deed();
            changed.try_run(now);
        });
    }
}

/// Makes the document's sign-ins.
pub(super) fn provide_popups() {
    provide_context(Popups::new());
}

pub(super) fn use_popups() -> Popups {
    use_context::<Popups>().unwrap_or_else(Popups::new)
}

/// Where a sign-in begins: a page of its own, because only a navigation may begin one.
pub(super) fn address(id: Uuid) -> String {
    format!("/api/experimental/mcp/servers/{id}/oauth2/connect")
}

/// The same for this very tab, which comes back afterwards. A window of its own must not: it would show the page a second time.
pub(super) fn address_and_back(id: Uuid, here: &str) -> String {
    format!("{}?return_to={}", address(id), browser::encode_query_value(here))
}

/// In the middle of the page that opens it.
fn features() -> String {
    let page = window();
    let number = |name: &str| js_sys::Reflect::get(&page, &name.into()).ok().and_then(|value| value.as_f64());
    let middle = |start: &str, size: &str, own: f64| {
        let start = number(start).unwrap_or_default();
        start + ((number(size).unwrap_or(own) - own) / 2.0).max(0.0)
    };
    let (left, top) = (middle("screenX", "outerWidth", WIDTH), middle("screenY", "outerHeight", HEIGHT));
    format!("popup,width={WIDTH},height={HEIGHT},left={left:.0},top={top:.0}")
}

/// Whether a message was sent by a page of ours in the window that was opened (behaviour 25).
fn comes_from(message: &MessageEvent, opened: &web_sys::Window) -> bool {
    let own = window().location().origin().is_ok_and(|origin| origin == message.origin());
    own && message.source().is_some_and(|source| js_sys::Object::is(&source, opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_begins_at_the_server_and_leads_back() {
        let id = Uuid::from_u128(7);
        assert_eq!(
            address_and_back(id, "/chats/1?a=b&c"),
            format!("/api/experimental/mcp/servers/{id}/oauth2/connect?return_to=/chats/1%3Fa%3Db%26c")
        );
    }
}
