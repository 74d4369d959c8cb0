//! Below a call that could not do its work for want of the person's account or permission: the way to give it.

use super::{
    shared::OpenChat,
    transcript::call::{CallState, CallView},
};
use crate::components::connect::{NextStep, NotNow, Step, step};
use api::servers::{AuthStatus, McpServer};
use leptos::prelude::*;

/// Nothing unless the call needs the person, is the one of its server that asks, and the person still has something to do: a server
/// connected since asks for nothing.
#[component]
pub(super) fn CallAsks(call: Memo<Option<CallView>>, chat: OpenChat) -> impl IntoView {
    let waits =
        Memo::new(move |_| call.with(|call| call.as_ref().is_some_and(|call| call.state.is_waiting())));
    // It was found out while this page looked on: the servers that it knows are older than that.
    Effect::new(move |last: Option<bool>| {
        let now = waits.get();
        if now && last == Some(false) {
            chat.servers.refresh();
        }
        now
    });
    let asks = Memo::new(move |_| {
        let part = call.with(|call| call.as_ref().map(|call| call.call.clone()));
        waits.get()
            && part.is_some_and(|part| chat.asking.with(|asking| asking.iter().any(|(_, one)| *one == part)))
    });
    let server = Memo::new(move |_| {
        let id = call.with(|call| call.as_ref()?.call.mcp_server_config_id)?;
        asks.get().then(|| chat.servers.find(id)).flatten()
    });
    let due =
        Memo::new(move |_| server.with(|server| server.as_ref().is_some_and(|server| step(server).is_due())));
    move || {
        let first = due.get().then(|| server.get_untracked()).flatten()?;
        let server = Signal::derive(move || server.get().unwrap_or_else(|| first.clone()));
        let asked =
            call.with_untracked(|call| call.as_ref().map_or(CallState::NeedsConnection, |call| call.state));
        Some(view! { <AskCard server asked changed=chat.servers.changed() /> })
    }
}

/// What is asked for, and the buttons.
#[component]
pub(super) fn AskCard(
    server: Signal<McpServer>,
    asked: CallState,
    changed: Callback<McpServer>,
) -> impl IntoView {
    let permission = Memo::new(move |_| {
        asked == CallState::NeedsPermission
            && server.with(|server| server.auth_status == AuthStatus::NeedsPermission)
    });
    let words = Memo::new(move |_| match server.with(step) {
        _ if permission.get() => "Grant it, then ask again.",
        Step::Connect { why, .. } | Step::Enter { why, .. } => why,
        _ => "",
    });
    view! {
        <div class="call-ask" role="status" data-testid="call-ask">
            <span class="call-ask-text">{move || words.get()}</span>
            <div class="ask-buttons">
                <NextStep server changed />
                {move || permission.get().then(|| view! { <NotNow server changed /> })}
            </div>
        </div>
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;
    use crate::components::connect::tests::server;
    use api::servers::AuthType;
    use leptos::reactive::owner::Owner;

    fn card(status: AuthStatus, reason: &str, asked: CallState) -> String {
        let server = server(AuthType::Oauth2, status, reason);
        let draw =
            move || view! { <AskCard server=Signal::stored(server) asked changed=Callback::new(|_| ()) /> };
        Owner::new().with(|| draw().into_view().to_html())
    }

    #[test]
    fn a_call_that_waits_for_the_person_offers_the_next_step() {
        let html = card(AuthStatus::NeedsPermission, "insufficient_scope", CallState::NeedsPermission);
        assert!(
            html.contains("Grant") && html.contains("Not now") && html.contains("then ask again"),
            "{html}"
        );
        let html = card(AuthStatus::NeedsReconnect, "rejected_by_server", CallState::NeedsConnection);
        assert!(html.contains("Reconnect") && html.contains("The server refused your sign-in."), "{html}");
        assert!(!html.contains("Not now"), "{html}");
        // The connection died after the server had asked for more.
        let html = card(AuthStatus::NeedsReconnect, "refresh_rejected", CallState::NeedsPermission);
        assert!(html.contains("Reconnect") && !html.contains("Not now"), "{html}");
    }
}
