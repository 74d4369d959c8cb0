//! The few things pages ask of the browser or of the HTTP answer, each a no-op on the other side.

use crate::theme::{THEME_COOKIE, Theme};
use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue};

/// A year, in seconds.
const THEME_COOKIE_AGE: u32 = 31_536_000;

/// Sets the status code of the answer being made; nothing in the browser.
pub(crate) fn set_status(code: u16) {
    #[cfg(feature = "ssr")]
    if let (Some(options), Ok(status)) =
        (use_context::<leptos_axum::ResponseOptions>(), http::StatusCode::from_u16(code))
    {
        options.set_status(status);
    }
    #[cfg(not(feature = "ssr"))]
    let _ = code;
}

/// Loads another page from the server, leaving this document.
pub fn go_to(path: &str) {
    if cfg!(not(feature = "ssr")) {
        // A refused navigation (the tab is closing) leaves the page as it is.
        let _ = window().location().set_href(path);
    }
}

/// Applies the theme at once and remembers it for the server's next first paint.
pub(crate) fn apply_theme(theme: Theme) {
    if cfg!(feature = "ssr") {
        return;
    }
    let document = document();
    if let Some(root) = document.document_element() {
        // Both only fail for illegal attribute names.
        let _ = match theme.attribute() {
            Some(value) => root.set_attribute("data-theme", value),
            None => root.remove_attribute("data-theme"),
        };
    }
    if let Some(document) = document.dyn_ref::<web_sys::HtmlDocument>() {
        // Where cookies are switched off the choice lasts for this document.
        let _ = document.set_cookie(&format!(
            "{THEME_COOKIE}={}; path=/; max-age={THEME_COOKIE_AGE}; samesite=lax",
            theme.as_str()
        ));
    }
}

/// Puts text on the clipboard; false where the browser refuses (no permission, insecure origin).
pub async fn copy_text(text: &str) -> bool {
    if cfg!(feature = "ssr") {
        return false;
    }
    let navigator = window().navigator();
    // `navigator.clipboard` is undefined on insecure origins, which the typed binding does not say.
    let present = js_sys::Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|value| value.is_object());
    present && wasm_bindgen_futures::JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}

/// The text of the file chosen in `input`; None when none was chosen. The choice is forgotten, so that the same file can be chosen
/// again after it was changed.
///
/// # Errors
/// A sentence for people.
pub(crate) async fn chosen_text(
    input: &web_sys::HtmlInputElement,
    max: usize,
) -> Result<Option<String>, String> {
    let member = |of: &JsValue, name: &str| js_sys::Reflect::get(of, &name.into()).ok();
    let files = member(input, "files");
    let Some(file) = files.and_then(|files| member(&files, "0")).filter(JsValue::is_object) else {
        return Ok(None);
    };
    let size = member(&file, "size").and_then(|size| size.as_f64()).unwrap_or(f64::INFINITY);
    if size > max as f64 {
        let max = domain::text::human_bytes(max);
        return Err(format!("The file is larger than {max}. Choose a smaller one, or split it."));
    }
    let unreadable = || "The file could not be read. Choose it again.".to_owned();
    let read = member(&file, "text")
        .and_then(|text| text.dyn_into::<js_sys::Function>().ok())
        .and_then(|text| text.call0(&file).ok())
        .map(js_sys::Promise::from)
        .ok_or_else(unreadable)?;
    let text = wasm_bindgen_futures::JsFuture::from(read).await;
    input.set_value("");
    text.ok().and_then(|text| text.as_string()).map(Some).ok_or_else(unreadable)
}

/// Milliseconds since the epoch by this computer's clock; 0 on the server, whose pages must not depend on the moment.
pub fn now_millis() -> i64 {
    if cfg!(feature = "ssr") { 0 } else { js_sys::Date::now() as i64 }
}

/// Whether somebody can see the page: a tab in the background cannot be seen.
pub(crate) fn is_visible() -> bool {
    cfg!(not(feature = "ssr")) && document().visibility_state() != web_sys::VisibilityState::Hidden
}

/// Closes the navigation drawer if it is open.
pub(crate) fn close_drawer(id: &str) {
    if cfg!(feature = "ssr") {
        return;
    }
    if let Some(element) = document().get_element_by_id(id)
        && element.matches(":popover-open").unwrap_or(false)
        && let Ok(hide) = js_sys::Reflect::get(&element, &"hidePopover".into())
        && let Some(hide) = hide.dyn_ref::<js_sys::Function>()
    {
        let _ = hide.call0(&element);
    }
}

/// Whether the keyboard is in `element`.
pub(crate) fn has_focus_in(element: &web_sys::Element) -> bool {
    cfg!(not(feature = "ssr"))
        && document().active_element().is_some_and(|active| element.contains(Some(&active)))
}

/// Whether the keyboard is nowhere: what had it was taken away.
pub(crate) fn has_lost_focus() -> bool {
    cfg!(not(feature = "ssr"))
        && document().active_element().is_none_or(|active| active.tag_name().eq_ignore_ascii_case("body"))
}

/// Path and query of the page that is shown.
#[derive(Clone, Copy)]
struct Here(RwSignal<String>);

/// Above the router, so that every page finds it; the shell keeps it.
pub(crate) fn provide_here() {
    provide_context(Here(RwSignal::new("/".to_owned())));
}

/// Where the person is, to come back to.
pub(crate) fn use_here() -> RwSignal<String> {
    use_context::<Here>().map_or_else(|| RwSignal::new("/".to_owned()), |here| here.0)
}

/// Moves the keyboard focus to the first element that matches.
pub(crate) fn focus_first(selector: &str) {
    if cfg!(feature = "ssr") {
        return;
    }
    if let Ok(Some(element)) = document().query_selector(selector)
        && let Some(element) = element.dyn_ref::<web_sys::HtmlElement>()
    {
        let _ = element.focus();
    }
}

/// The same, once what was just changed is drawn.
pub(crate) fn focus_soon(selector: impl Into<String>) {
    let selector = selector.into();
    set_timeout(move || focus_first(&selector), std::time::Duration::from_millis(20));
}

/// Scrolls as little as is needed to show the element; one that is longer than the window is shown from its beginning.
pub(crate) fn show_nearest(element: &web_sys::Element) {
    let options = web_sys::ScrollIntoViewOptions::new();
    // Fails for nothing that takes properties.
    let _ = js_sys::Reflect::set(&options, &"block".into(), &"nearest".into());
    element.scroll_into_view_with_scroll_into_view_options(&options);
}

/// Changes the address without loading anything, as after the first save of a new object.
pub(crate) fn replace_address(path: &str) {
    if cfg!(not(feature = "ssr"))
        && let Ok(history) = window().history()
    {
        // Refused only for addresses of another origin.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(path));
    }
}

/// Percent-encodes a value for a query string: everything but unreserved characters and `/`.
pub(crate) fn encode_query_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The login page that leads back to `path` (with query) afterwards.
pub(crate) fn login_path(path: &str) -> String {
    if path.is_empty() || path == "/" {
        "/login".to_owned()
    } else {
        format!("/login?return_to={}", encode_query_value(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_remembers_the_way_back() {
        assert_eq!(login_path("/"), "/login");
        assert_eq!(login_path("/admin/servers"), "/login?return_to=/admin/servers");
        assert_eq!(login_path("/chats/1?a=b&c=#d"), "/login?return_to=/chats/1%3Fa%3Db%26c%3D%23d");
    }
}
