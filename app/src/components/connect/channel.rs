//! The channel on which a finished sign-in is told to every page of this origin, also where the browser has cut the window from the
//! page that opened it.

use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::MessageEvent;

/// As the page at the end of a sign-in names it.
const NAME: &str = "patchbay-connect";
/// Kind of the one message there is.
const COMPLETE: &str = "mcp-oauth2-complete";

/// Listens until dropped.
pub(super) struct Channel {
    channel: JsValue,
    _on_message: Closure<dyn FnMut(web_sys::Event)>,
}

impl Channel {
    /// `told` hears of each finished sign-in, by the id of the server. `None` in browsers that have no such channel.
    pub(super) fn open(told: impl Fn(String) + 'static) -> Option<Self> {
        let kind = js_sys::Reflect::get(&window(), &"BroadcastChannel".into()).ok()?;
        let kind = kind.dyn_into::<js_sys::Function>().ok()?;
        let channel = js_sys::Reflect::construct(&kind, &js_sys::Array::of1(&NAME.into())).ok()?;
        let on_message = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            if let Some(server) = event.dyn_ref::<MessageEvent>().and_then(completed) {
                told(server);
            }
        });
        let target = channel.unchecked_ref::<web_sys::EventTarget>();
        target.add_event_listener_with_callback("message", on_message.as_ref().unchecked_ref()).ok()?;
        Some(Self { channel, _on_message: on_message })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Ok(close) = js_sys::Reflect::get(&self.channel, &"close".into())
            && let Some(close) = close.dyn_ref::<js_sys::Function>()
        {
            // Fails for nothing that is a channel.
            let _ = close.call0(&self.channel);
        }
    }
}

/// The server whose sign-in a message says is finished.
pub(super) fn completed(message: &MessageEvent) -> Option<String> {
    let data = message.data();
    let member = |name: &str| js_sys::Reflect::get(&data, &name.into()).ok()?.as_string();
    (data.is_object() && member("type")? == COMPLETE).then(|| member("serverID")).flatten()
}
