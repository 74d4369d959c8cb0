//! Times. The server writes the absolute time; the browser turns it into a relative one after hydration, so that both halves
//! draw the same first frame, and keeps it fresh.

use crate::browser;
use api::Timestamp;
use leptos::prelude::*;
use std::time::Duration;

/// How often relative times are drawn again.
const TICK: Duration = Duration::from_secs(30);

/// Milliseconds since the epoch; 0 until the page lives in a browser.
#[derive(Clone, Copy)]
struct Now(RwSignal<i64>);

/// One ticking signal for all times of the document.
pub(crate) fn provide_clock() {
    let now = Now(RwSignal::new(0));
    provide_context(now);
    Effect::new(move || {
        now.0.set(browser::now_millis());
        if let Ok(handle) = set_interval_with_handle(move || now.0.set(browser::now_millis()), TICK) {
            on_cleanup(move || handle.clear());
        }
    });
}

/// "3 min ago", exact on hover.
#[component]
pub fn RelativeTime(at: Timestamp) -> impl IntoView {
    let now = use_context::<Now>().map_or_else(|| RwSignal::new(0), |now| now.0);
    let exact = absolute(at);
    let text = {
        let exact = exact.clone();
        move || match now.get() {
            0 => exact.clone(),
            now => relative(now, at.as_millis()),
        }
    };
    view! { <time datetime=at.to_string() title=exact>{text}</time> }
}

/// `2026-11-23 18:43 UTC`.
pub fn absolute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => text,
    }
}

/// Both in milliseconds since the epoch. Small differences between clocks read as "just now".
fn relative(now: i64, at: i64) -> String {
    let ahead = at > now;
    let minutes = (now - at).abs() / 60_000;
    let amount = match minutes {
        0 => return "just now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..1_440 => format!("{} h", minutes / 60),
        1_440..2_880 => "1 day".to_owned(),
        2_880..86_400 => format!("{} days", minutes / 1_440),
        _ => format!("{} months", minutes / 43_200),
    };
    if ahead { format!("in {amount}") } else { format!("{amount} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_relative_with_units() {
        let now = 1_700_000_000_000;
        for (offset_minutes, expected) in [
            (0, "just now"),
            (-3, "3 min ago"),
            (-119, "1 h ago"),
            (-1_500, "1 day ago"),
            (-4_000, "2 days ago"),
            (-100_000, "2 months ago"),
            (43_000, "in 29 days"),
        ] {
            assert_eq!(relative(now, now + offset_minutes * 60_000), expected);
        }
        assert_eq!(absolute(Timestamp(1_700_000_000_123_456)), "2023-11-14 22:13 UTC");
    }
}
