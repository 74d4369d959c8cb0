//! The messages that wait for the turn before them, above the composer: each can be taken back or made the next one.

use super::{shared::OpenChat, transcript::Transcript};
use crate::{
    components::{Glyph, Icon},
    error::UiError,
    server_fns::chats::{queue_promote, queue_remove},
};
use api::{
    Uuid,
    chats::{ChatStatus, QueuedMessage},
    messages::Part,
};
use leptos::{prelude::*, task::spawn_local};

/// Characters of a message in the names of its buttons.
const NAMED: usize = 40;

/// Nothing while nothing waits. What changes comes back by the stream.
#[component]
pub(super) fn Queue(id: Uuid, chat: OpenChat, archived: Memo<bool>) -> impl IntoView {
    let transcript = chat.transcript;
    let queue = Memo::new(move |_| transcript.with(|transcript| transcript.queue().to_vec()));
    let held = Memo::new(move |_| transcript.with(Transcript::status) == ChatStatus::Error);
    let refused = RwSignal::new(None::<UiError>);
    Effect::new(move |before: Option<usize>| {
        let now = queue.with(Vec::len);
        if let Some(before) = before.filter(|before| *before != now) {
            // Whatever went wrong is old news with the queue it was about.
            refused.set(None);
            if now > before {
                chat.announcement.set(head(now, held.get_untracked()));
            }
        }
        now
    });
    view! {
        <section class="chat-queue" aria-label="Messages that wait" data-testid="queue" hidden=move || queue.with(Vec::is_empty)>
            <h2 class="chat-queue-head">{move || head(queue.with(Vec::len), held.get())}</h2>
            <ol class="chat-queue-list">
                <For each=move || queue.get() key=|queued| queued.id let(queued)>
                    <Waiting id queued held archived refused />
                </For>
            </ol>
        </section>
        <p class="chat-field-error" role="alert">{move || refused.get().map(|error| error.to_string())}</p>
    }
}

fn head(waiting: usize, held: bool) -> String {
    let messages = if waiting == 1 { "1 message waits" } else { &format!("{waiting} messages wait") };
    if held { format!("{messages} because the last turn failed") } else { messages.to_owned() }
}

#[component]
fn Waiting(
    id: Uuid,
    queued: QueuedMessage,
    held: Memo<bool>,
    archived: Memo<bool>,
    refused: RwSignal<Option<UiError>>,
) -> impl IntoView {
    let busy = RwSignal::new(false);
    let which = queued.id;
    let text = text_of(&queued);
    let named: String = text.chars().take(NAMED).collect();
    let remove = format!("Remove: {named}");
    let send = format!("Send now: {named}");
    let act = move |now: bool| {
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            let done =
                if now { queue_promote(id, which).await.map(drop) } else { queue_remove(id, which).await };
            if let Err(error) = done {
                refused.try_set(Some(error));
            }
            busy.try_set(false);
        });
    };
    view! {
        <li class="chat-queue-item" data-testid="queued">
            <span class="chat-queue-text" dir="auto">{text}</span>
            <button
                type="button"
                class="btn btn-small"
                aria-label=send
                title=move || if held.get() { "Begins a turn with it" } else { "Stops the running turn" }
                hidden=move || archived.get()
                disabled=move || busy.get()
                on:click=move |_| act(true)
            >
                "Send now"
            </button>
            <button
                type="button"
                class="btn btn-quiet btn-icon"
                aria-label=remove
                title="Remove"
                disabled=move || busy.get()
                on:click=move |_| act(false)
            >
                <Icon glyph=Glyph::Trash />
            </button>
        </li>
    }
}

fn text_of(queued: &QueuedMessage) -> String {
    let texts = queued.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        Part::File(file) => Some(file.name.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[cfg(feature = "ssr")]
mod tests {
    use super::*;

    #[test]
    fn the_head_counts_and_says_why_nothing_moves() {
        assert_eq!(head(1, false), "1 message waits");
        assert_eq!(head(2, false), "2 messages wait");
        assert_eq!(head(2, true), "2 messages wait because the last turn failed");
    }
}
