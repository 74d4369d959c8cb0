//! Follows the end of the transcript while the reader is there, and leaves them in peace when they are not.

use leptos::{ev, prelude::*};

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
    /// `changes` tracks whatever makes the page grow. The page scrolls as a whole, so that the browser's own habits (keys, find,
    /// restoring) work.
    pub(super) fn new(changes: impl Fn() + Send + Sync + 'static) -> Self {
        let follow = Self { at_end: RwSignal::new(true), missed: RwSignal::new(false) };
        Effect::new(move |listening: Option<bool>| {
            if listening.is_none() {
                let handle = window_event_listener(ev::scroll, move |_| follow.scrolled());
                on_cleanup(move || handle.remove());
            }
            true
        });
        Effect::new(move |_| {
            changes();
            if follow.at_end.get_untracked() {
                // After the views have taken the change in.
                request_animation_frame(to_end);
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
        let Some(element) = document().scrolling_element() else { return };
        let below = element.scroll_height() - element.scroll_top() - element.client_height();
        let at_end = below <= NEAR_PX;
        self.at_end.try_set(at_end);
        if at_end {
            self.missed.try_set(false);
        }
    }
}

fn to_end() {
    if let Some(element) = document().scrolling_element() {
        element.set_scroll_top(element.scroll_height());
    }
}
