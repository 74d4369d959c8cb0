//! The field above the list of chats: what is typed is looked for in titles and messages, and the hits take the place of the list.

use super::list::ChatList;
use crate::{
    components::{Glyph, Icon},
    error::UiError,
    server_fns::chats::chats_search,
};
use api::search::SearchHit;
use leptos::{prelude::*, task::spawn_local};
use std::time::Duration;

/// After the last keystroke.
const PAUSE: Duration = Duration::from_millis(250);

/// What was found so far.
#[derive(Debug, Clone, Default, PartialEq)]
struct Found {
    /// The text that was looked for.
    text: String,
    hits: Vec<SearchHit>,
    has_more: bool,
}

/// The field, then the hits or the list.
#[component]
pub fn ChatSearch() -> impl IntoView {
    let text = RwSignal::new(String::new());
    let found = RwSignal::new(None::<Found>);
    let refused = RwSignal::new(None::<UiError>);
    let busy = RwSignal::new(false);
    let searching = Memo::new(move |_| text.with(|text| !text.trim().is_empty()));
    let load = move |wanted: String, after: Option<i64>| {
        busy.set(true);
        spawn_local(async move {
            let answer = chats_search(wanted.clone(), after).await;
            // Somebody has typed on: that search will answer.
            if text.try_with_untracked(|text| text.trim() == wanted) != Some(true) {
                return;
            }
            busy.try_set(false);
            match answer {
                Ok(page) => {
                    refused.try_set(None);
                    found.try_update(|found| {
                        let before = found.take().filter(|_| after.is_some()).map(|found| found.hits);
                        let hits = before.into_iter().flatten().chain(page.hits).collect();
                        *found = Some(Found { text: wanted, hits, has_more: page.has_more });
                    });
                }
                Err(error) => {
                    refused.try_set(Some(error));
                    found.try_set(None);
                }
            }
        });
    };
    Effect::new(move |_| {
        let wanted = text.with(|text| text.trim().to_owned());
        if wanted.is_empty() {
            found.set(None);
            refused.set(None);
            busy.set(false);
            return;
        }
        if let Ok(handle) = set_timeout_with_handle(move || load(wanted, None), PAUSE) {
            on_cleanup(move || handle.clear());
        }
    });
    let more = move |_| {
        let next = found.with_untracked(|found| {
            let found = found.as_ref()?;
            Some((found.text.clone(), found.hits.last()?.id))
        });
        if let Some((text, last)) = next {
            load(text, Some(last));
        }
    };
    view! {
        <div class="chat-search" role="search" aria-label="Chats">
            <Icon glyph=Glyph::Search />
            <input
                class="input chat-search-input"
                type="search"
                dir="auto"
                autocomplete="off"
                maxlength="128"
                placeholder="Search chats"
                aria-label="Search chats"
                prop:value=move || text.get()
                on:input=move |event| text.set(event_target_value(&event))
                on:keydown=move |event| {
                    if event.key() == "Escape" && searching.get_untracked() {
                        // Used up here: further out it would stop the turn.
                        event.stop_propagation();
                        event.prevent_default();
                        text.set(String::new());
                    }
                }
            />
        </div>
        <div hidden=move || searching.get()>
            <ChatList />
        </div>
        <Show when=move || searching.get()>
            <div class="chat-list" data-testid="search-results">
                <p class="sr-only" role="status">{move || announced(busy.get(), found.get().as_ref())}</p>
                {move || refused.get().map(|error| view! { <p class="chat-field-error" role="alert">{told(&error)}</p> })}
                {move || {
                    let found = found.get();
                    let nothing = found.as_ref().is_some_and(|found| found.hits.is_empty());
                    if found.is_none() && busy.get() {
                        return view! { <p class="chat-list-empty">"Searching"</p> }.into_any();
                    }
                    if nothing {
                        return view! { <p class="chat-list-empty">"Nothing found in your chats."</p> }.into_any();
                    }
                    let hits = found.map(|found| found.hits).unwrap_or_default();
                    view! { <ul>{hits.into_iter().map(|hit| view! { <Hit hit /> }).collect_view()}</ul> }.into_any()
                }}
                <Show when=move || found.with(|found| found.as_ref().is_some_and(|found| found.has_more))>
                    <button type="button" class="btn btn-small" disabled=move || busy.get() on:click=more>
                        "Show more"
                    </button>
                </Show>
            </div>
        </Show>
    }
}

#[component]
fn Hit(hit: SearchHit) -> impl IntoView {
    // Text as it is; only the marks around it are ours.
    let pieces = hit
        .snippet
        .into_iter()
        .map(|part| {
            if part.hit {
                view! { <mark>{part.text}</mark> }.into_any()
            } else {
                view! { <span>{part.text}</span> }.into_any()
            }
        })
        .collect_view();
    let in_title = hit.message_id.is_none();
    view! {
        <li class="chat-search-hit">
            <a href=format!("/chats/{}", hit.chat_id)>
                {if in_title {
                    view! { <span class="chat-list-title" dir="auto">{pieces}</span> }.into_any()
                } else {
                    view! {
                        <span class="chat-list-title" dir="auto">{hit.title}</span>
                        <span class="chat-search-snippet" dir="auto">{pieces}</span>
                    }
                    .into_any()
                }}
                {hit.archived.then(|| view! { <span class="chat-faint">"Archived"</span> })}
            </a>
        </li>
    }
}

/// For those who hear the page.
fn announced(busy: bool, found: Option<&Found>) -> String {
    match found {
        _ if busy => "Searching".to_owned(),
        None => String::new(),
        Some(found) => match (found.hits.len(), found.has_more) {
            (0, _) => "Nothing found".to_owned(),
            (1, false) => "1 hit".to_owned(),
            (count, false) => format!("{count} hits"),
            (count, true) => format!("{count} hits and more"),
        },
    }
}

/// What is wrong with the text, without the name of its field.
fn told(error: &UiError) -> String {
    error.field("q").unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_counted_aloud() {
        let found = |hits: usize, has_more| {
            let hit = SearchHit {
                id: 1,
                chat_id: api::Uuid::nil(),
                title: String::new(),
                archived: false,
                message_id: None,
                snippet: Vec::new(),
                updated_at: api::Timestamp(0),
            };
            Found { text: "x".to_owned(), hits: vec![hit; hits], has_more }
        };
        for (busy, found, words) in [
            (true, None, "Searching"),
            (false, None, ""),
            (false, Some(found(0, false)), "Nothing found"),
            (false, Some(found(1, false)), "1 hit"),
            (false, Some(found(20, true)), "20 hits and more"),
        ] {
            assert_eq!(announced(busy, found.as_ref()), words);
        }
    }
}
