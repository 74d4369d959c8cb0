//! What a turn says about itself: servers it goes on without, a model that is asked again, a failure and the way out.

use super::transcript::{Shared, blocks::troubled};
use crate::components::{Glyph, Icon};
use api::{
    chats::TurnError,
    check::{ConnectOutcome, ServerOutcome},
    servers::AuthStatus,
    stream::RetryNotice,
};
use domain::plan_mode::ASLEEP;
use leptos::prelude::*;

/// One quiet line per server that is missing.
#[component]
pub(super) fn ServerTrouble(outcomes: Shared<Vec<ServerOutcome>>) -> impl IntoView {
    let lines = troubled(&outcomes)
        .map(|server| {
            let why = if server.error.is_empty() {
                default_reason(server.outcome).to_owned()
            } else {
                server.error.clone()
            };
            let glyph = if sleeps(server) { Glyph::Moon } else { Glyph::Warn };
            view! {
                <details class="chat-trouble" data-testid="server-trouble">
                    <summary>
                        <Icon glyph=glyph />
                        <span><bdi>{server.display_name.clone()}</bdi> {trouble_words(server)}</span>
                        <span class="chat-link">"Why?"</span>
                    </summary>
                    <p class="chat-trouble-why" dir="auto">{why}</p>
                </details>
            }
        })
        .collect_view();
    view! { <div class="chat-troubles">{lines}</div> }
}

/// What the person can do something about goes first.
fn trouble_words(server: &ServerOutcome) -> &'static str {
    if sleeps(server) {
        return " sleeps in plan mode; continuing without it.";
    }
    match server.auth_status {
        Some(AuthStatus::NotConnected) => return " is not connected yet; continuing without it.",
        Some(AuthStatus::NeedsReconnect) => return " has to be connected again; continuing without it.",
        _ => {}
    }
    match server.outcome {
        ConnectOutcome::Timeout => " did not answer in time; continuing without it.",
        ConnectOutcome::NoTools => " offers no tools; continuing without it.",
        ConnectOutcome::Skipped => " cannot be used; continuing without it.",
        _ => " is not reachable; continuing without it.",
    }
}

/// Plan mode leaves it out.
fn sleeps(server: &ServerOutcome) -> bool {
    server.outcome == ConnectOutcome::Skipped && server.error.starts_with(ASLEEP)
}

fn default_reason(outcome: ConnectOutcome) -> &'static str {
    match outcome {
        ConnectOutcome::Timeout => "The server took too long to answer.",
        ConnectOutcome::NoTools => "The server listed no tool that this deployment allows.",
        _ => "The connection failed. An admin can test it under Servers.",
    }
}

/// "The model is busy; trying again in 4 s".
#[component]
pub(super) fn RetryLine(notice: RetryNotice) -> impl IntoView {
    let seconds = (notice.delay_ms.max(0) + 999) / 1000;
    let cause = notice.cause.trim().trim_end_matches('.').to_owned();
    let cause = if cause.is_empty() { "The model is busy".to_owned() } else { cause };
    view! {
        <p class="chat-retry" data-testid="retry-notice">
            <Icon glyph=Glyph::Spinner class="spin" />
            <span dir="auto">{cause} "; trying again in " {seconds} " s"</span>
        </p>
    }
}

/// Why the turn failed, and the button that runs it again.
#[component]
pub(super) fn ErrorCard(
    error: TurnError,
    #[prop(into)] retrying: Signal<bool>,
    #[prop(into)] on_retry: Callback<()>,
) -> impl IntoView {
    view! {
        <div class="chat-card chat-card-danger" role="alert" data-testid="turn-error" data-code=error.code>
            <Icon glyph=Glyph::Cross />
            <div class="chat-card-body">
                <p class="chat-card-title">"The turn failed"</p>
                <p dir="auto">{error.message}</p>
            </div>
            <button type="button" class="btn" disabled=move || retrying.get() on:click=move |_| on_retry.run(())>
                "Retry"
            </button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_sleeps_is_said_to_sleep() {
        let server: ServerOutcome = serde_json::from_value(serde_json::json!({
            "server_id": api::Uuid::nil(), "slug": "s", "display_name": "S", "outcome": "skipped",
            "error": format!("{ASLEEP}: the server is not approved for it."), "tool_count": 0, "auth_status": "not_connected",
        }))
        .unwrap();
        assert_eq!(trouble_words(&server), " sleeps in plan mode; continuing without it.");
    }

    #[test]
    fn what_the_person_can_do_goes_before_what_happened() {
        for (outcome, auth_status, words) in [
            ("error", None, " is not reachable; continuing without it."),
            ("error", Some("connected"), " is not reachable; continuing without it."),
            ("error", Some("needs_reconnect"), " has to be connected again; continuing without it."),
            ("skipped", Some("needs_reconnect"), " has to be connected again; continuing without it."),
            ("skipped", Some("not_connected"), " is not connected yet; continuing without it."),
            ("skipped", Some("misconfigured"), " cannot be used; continuing without it."),
        ] {
            let server: ServerOutcome = serde_json::from_value(serde_json::json!({
                "server_id": api::Uuid::nil(), "slug": "s", "display_name": "S", "outcome": outcome, "error": "e", "tool_count": 0,
                "auth_status": auth_status,
            }))
            .unwrap();
            assert_eq!(trouble_words(&server), words, "{outcome} {auth_status:?}");
        }
    }
}
