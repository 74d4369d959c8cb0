//! Before sending: which of the chosen servers will be left out, until the person acts or for good.

use super::picker::Selection;
use crate::components::{
    Glyph, Icon,
    connect::{NextStep, NotNow, Step, step},
};
use api::{
    Uuid,
    servers::{AuthStatus, McpServer},
};
use leptos::prelude::*;

/// Servers named one by one; more are a number.
const NAMED: usize = 3;

/// A line for each chosen server that needs the person's account and is not asked for at a call. Nothing while all can be used.
#[component]
pub(super) fn NeedsYou(selection: Selection, asked_above: Signal<Vec<Uuid>>) -> impl IntoView {
    let waiting = Memo::new(move |_| {
        let mut waiting = selection.waiting();
        asked_above.with(|asked| waiting.retain(|id| !asked.contains(id)));
        waiting
    });
    let more = move || waiting.with(|waiting| waiting.len().saturating_sub(NAMED));
    let lost = selection.lost();
    view! {
        <ul class="chat-needs" aria-live="polite" hidden=move || lost == 0 && waiting.with(Vec::is_empty)>
            {(lost > 0).then(|| view! {
                <li class="chat-need" data-testid="lost-servers">
                    <Icon glyph=Glyph::Lock />
                    <span class="chat-need-text">{lost_words(lost)}</span>
                </li>
            })}
            <For each=move || waiting.get().into_iter().take(NAMED) key=|id| *id let(id)>
                <NeedLine id selection/>
            </For>
            {move || match more() {
                0 => None,
                more => Some(view! { <li class="chat-need">{format!("And {more} more: see Servers.")}</li> }),
            }}
        </ul>
    }
}

#[component]
fn NeedLine(id: Uuid, selection: Selection) -> impl IntoView {
    let Some(first) = selection.find_now(id) else { return ().into_any() };
    let name = first.display_name.clone();
    let server = Signal::derive(move || selection.find(id).unwrap_or_else(|| first.clone()));
    let words = Memo::new(move |_| server.with(words));
    let more = Memo::new(move |_| server.with(|server| server.auth_status == AuthStatus::NeedsPermission));
    view! {
        <li class="chat-need" data-testid="needs-you">
            <Icon glyph=Glyph::Key />
            <span class="chat-need-text"><bdi>{name}</bdi> {move || words.get()}</span>
            <div class="ask-buttons">
                <NextStep server changed=selection.changed() />
                {move || more.get().then(|| view! { <NotNow server changed=selection.changed() /> })}
            </div>
        </li>
    }
    .into_any()
}

/// Whether a chosen server waits for something of the person's own.
pub(super) fn is_waiting(server: &McpServer) -> bool {
    step(server).is_due()
}

/// Nothing of what they were called: to the person they do not exist.
fn lost_words(count: usize) -> String {
    let (servers, are, them) = match count {
        1 => ("A server".to_owned(), "is", "it"),
        count => (format!("{count} servers"), "are", "them"),
    };
    format!(
        "{servers} this chat used {are} not available to you any more; the chat goes on without {them}. An admin can tell why."
    )
}

fn words(server: &McpServer) -> &'static str {
    match (step(server), server.auth_status) {
        (Step::Enter { .. }, _) => " needs your own values; the chat goes on without its tools.",
        // It stays in use with what was granted.
        (_, AuthStatus::NeedsPermission) => " needs more permission; the chat uses what you granted so far.",
        (_, AuthStatus::NeedsReconnect) => " has to be connected again; the chat goes on without its tools.",
        _ => " is not connected yet; the chat goes on without its tools.",
    }
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::{is_waiting, lost_words, words};
    use crate::components::connect::tests::server;
    use api::servers::{AuthStatus, AuthType};

    #[test]
    fn lost_servers_are_counted_and_not_named() {
        assert!(lost_words(1).starts_with(
            "A server this chat used is not available to you any more; the chat goes on without it."
        ));
        assert!(lost_words(2).starts_with("2 servers this chat used are not available"));
    }

    #[test]
    fn what_is_left_out_is_said_before_sending() {
        use {AuthStatus as S, AuthType as T};
        for (auth_type, status, said) in [
            (T::Oauth2, S::NotConnected, Some(" is not connected yet; the chat goes on without its tools.")),
            (
                T::Oauth2,
                S::NeedsReconnect,
                Some(" has to be connected again; the chat goes on without its tools."),
            ),
            (
                T::Oauth2,
                S::NeedsPermission,
                Some(" needs more permission; the chat uses what you granted so far."),
            ),
            (T::Oauth2, S::Connected, None),
            (T::Oauth2, S::ExpiredRefreshable, None),
            (T::Oauth2, S::Misconfigured, None),
            (
                T::UserHeader,
                S::NotConnected,
                Some(" needs your own values; the chat goes on without its tools."),
            ),
            (T::None, S::NotRequired, None),
        ] {
            let server = server(auth_type, status, "");
            assert_eq!(is_waiting(&server).then(|| words(&server)), said, "{auth_type:?} {status:?}");
        }
    }
}
