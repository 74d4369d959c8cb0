//! Follows the end of the transcript while the reader is there, and leaves them in peace when they are not.

use leptos::prelude::*;
use wasm_bindgen::{JsCast as _, closure::Closure};
use web_sys::Element;

/// How far from the end still counts as being there, in CSS pixels.
const NEAR_PX: i32 = 64;

/// Whether the page keeps to its end.
#[derive(Clone, Copy)]
pub(super) struct Follow {
    at_end: RwSignal<bool>,
    /// Something arrived below while the reader was elsewhere.
    pub(super) missed: RwSignal<bool>,
}

impl Follow {
    /// `changes` tracks whatever makes the page grow.
    pub(super) fn new(changes: impl Fn() + Send + Sync + 'static) -> Self {
        let follow = Self { at_end: RwSignal::new(true), missed: RwSignal::new(false) };
        // Made inside the effect, which only the browser runs: on the server a thread-bound value must not even be dropped.
        Effect::new(move |_| {
            StoredValue::new_local(Listener::new(move || follow.scrolled()));
        });
        Effect::new(move |_| {
            changes();
            if follow.at_end.get_untracked() {
                // After the views have taken the change in,
                // and only if the reader has not left in between: scroll events come before frames.
                request_animation_frame(move || {
                    if follow.at_end.try_get_untracked() == Some(true) {
                        to_end();
                    }
                });
            } else {
                follow.missed.set(true);
            }
        });
        follow
    }

    /// Goes to the end and stays there.
    pub(super) fn resume(self) {
        self.at_end.set(true);
        self.missed.set(false);
        request_animation_frame(to_end);
    }

    fn scrolled(self) {
        let Some(element) = scroller() else { return };
        let below = element.scroll_height() - element.scroll_top() - element.client_height();
        let at_end = below <= NEAR_PX;
        self.at_end.try_set(at_end);
        if at_end {
            self.missed.try_set(false);
        }
    }
}

/// What scrolls: the shell's main part, which outlives this page; without it the document.
fn scroller() -> Option<Element> {
    document().get_element_by_id("main").or_else(|| document().scrolling_element())
}

fn to_end() {
    if let Some(element) = scroller() {
        element.set_scroll_top(element.scroll_height());
    }
}

/// Listens until it is dropped. `scroll` does not bubble, so the element itself must be listened to.
struct Listener {
    element: Element,
    closure: Closure<dyn FnMut()>,
}

impl Listener {
    fn new(scrolled: impl Fn() + 'static) -> Option<Self> {
        let element = scroller()?;
        let closure = Closure::<dyn FnMut()>::new(scrolled);
        element.add_event_listener_with_callback("scroll", closure.as_ref().unchecked_ref()).ok()?;
        Some(Self { element, closure })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Fails only for a listener that is not there.
        let _ =
            self.element.remove_event_listener_with_callback("scroll", self.closure.as_ref().unchecked_ref());
    }
}
