//! What is shown of connections follows the truth: another tab, another device, an admin or a turn may have changed it.

use super::{channel::Channel, popup::use_popups};
use crate::{
    browser,
    server_fns::servers::{ServerState, server_states},
};
use api::Uuid;
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

/// How often the shown servers are asked about; what is shown is at most 5 s old.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// Asks about the servers whose connections are shown, all in one request: every 4 s while somebody can see the page, at once when it
/// comes back into view, when a sign-in ends anywhere in this browser, and when the first server is shown later than the page.
/// Nothing is asked while `shown` is empty.
pub(crate) fn keep_live(
    shown: impl Fn() -> Vec<Uuid> + Send + Sync + 'static,
    heard: impl Fn(Vec<ServerState>) + Copy + 'static,
) {
    let popups = use_popups();
    let shown = Memo::new(move |_| shown());
    let any = Memo::new(move |_| shown.with(|shown| !shown.is_empty()));
    Effect::new(move |first: Option<()>| {
        if !any.get() {
            return;
        }
        let busy = StoredValue::new(false);
        let read = move || {
            if !browser::is_visible() || busy.try_get_value() != Some(false) {
                return;
            }
            let Some(asked) = shown.try_get_untracked().filter(|asked| !asked.is_empty()) else { return };
            busy.set_value(true);
            let before = popups.deeds();
            spawn_local(async move {
                let answer = server_states(asked).await;
                // Gone, or asked before the person did something themselves: too old to be shown.
                let fresh = busy.try_update_value(|busy| *busy = false).is_some() && popups.deeds() == before;
                // Nobody asked for this, so a failure is not worth words: what was known stays.
                if let (Ok(states), true) = (answer, fresh) {
                    heard(states);
                }
            });
        };
        if let Ok(handle) = set_interval_with_handle(read, FRESH_FOR) {
            on_cleanup(move || handle.clear());
        }
        let seen = window_event_listener_untyped("visibilitychange", move |_| read());
        on_cleanup(move || seen.remove());
        // Closed with this effect.
        let _channel = StoredValue::new_local(Channel::open(move |_| read()));
        if first.is_some() {
            read();
        }
    });
}
