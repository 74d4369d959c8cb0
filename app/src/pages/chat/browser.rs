//! What the chat asks of the browser beyond `crate::browser`. On the server each does nothing, so that views need no `cfg`.

use leptos::prelude::window;

/// Minutes to add to local time to get UTC; `None` on the server, which does not know where the reader is.
pub(super) fn timezone_offset_minutes() -> Option<i64> {
    if cfg!(feature = "ssr") {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole minutes, less than a day")]
    Some(js_sys::Date::new_0().get_timezone_offset() as i64)
}

/// A value remembered in this browser; `None` when there is none or storage is blocked.
pub(super) fn remembered(key: &str) -> Option<String> {
    if cfg!(feature = "ssr") {
        return None;
    }
    window().local_storage().ok()??.get_item(key).ok()?
}

/// Remembers a value; a browser that refuses forgets it, nothing else depends on it.
pub(super) fn remember(key: &str, value: &str) {
    if cfg!(not(feature = "ssr"))
        && let Ok(Some(storage)) = window().local_storage()
    {
        let _ = storage.set_item(key, value);
    }
}
