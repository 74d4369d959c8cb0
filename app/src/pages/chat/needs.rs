//! Before sending: which of the chosen servers will be left out, until the person acts or for good.

use super::picker::Selection;
use crate::components::{
    Glyph, Icon,
    connect::{EnterButton, Step, step},
};
use api::{
    Uuid,
    servers::{AuthType, McpServer},
};
use leptos::prelude::*;

/// Servers named one by one; more are a number.
const NAMED: usize = 3;

/// A line for each chosen server that needs the person's account. Nothing while all can be used.
#[component]
pub(super) fn NeedsYou(selection: Selection) -> impl IntoView {
    let waiting = Memo::new(move |_| selection.waiting());
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
    let words = words(&first);
    let server = Signal::derive(move || selection.find(id).unwrap_or_else(|| first.clone()));
    view! {
        <li class="chat-need" data-testid="needs-you">
            <Icon glyph=Glyph::Key />
            <span class="chat-need-text"><bdi>{name}</bdi> {words}</span>
            <EnterButton server changed=selection.changed() />
        </li>
    }
    .into_any()
}

/// Whether a chosen server is left out for want of something of the person's own.
pub(super) fn is_waiting(server: &McpServer) -> bool {
    match step(server) {
        Step::Enter { .. } => true,
        Step::Says(_) => server.auth_type == AuthType::Oauth2 && !server.auth_connected,
        Step::Nothing | Step::Connected => false,
    }
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
    match step(server) {
        Step::Enter { .. } => " needs your own values; the chat goes on without its tools.",
        _ => " cannot be connected in this build; the chat goes on without its tools.",
    }
}

#[cfg(test)]
mod tests {
    use super::lost_words;

    #[test]
    fn lost_servers_are_counted_and_not_named() {
        assert!(lost_words(1).starts_with(
            "A server this chat used is not available to you any more; the chat goes on without it."
        ));
        assert!(lost_words(2).starts_with("2 servers this chat used are not available"));
    }
}
