//! The chats in the sidebar: the pinned ones, then the others by day; or those that were put away.

use super::{
    agents::ListChildren,
    browser,
    list_stream::follow_list,
    popover::Popover,
    rename::RenameField,
    shared::{list_changed, list_version},
};
use crate::{
    components::{ConfirmDialog, Glyph, Icon, toast::use_toasts},
    error::UiError,
    server_fns::chats::{ChatListing, chat_delete, chat_list, chat_update},
};
use api::{
    Timestamp,
    chats::{Chat, ChatStatus, ChatUpdate},
};
use leptos::{prelude::*, task::spawn_local};
use leptos_router::hooks::{use_location, use_navigate};
use std::time::Duration;

/// How often the list is read again while a chat in it is at work and no stream tells of it: a twenty-first tab has none.
const POLL: Duration = Duration::from_secs(4);

const DAY_MS: i64 = 86_400_000;

/// The sidebar's list of own chats.
#[component]
pub fn ChatList() -> impl IntoView {
    let put_away = RwSignal::new(false);
    let listing =
        Resource::new(move || (list_version(), put_away.get()), |(_, put_away)| chat_list(put_away));
    // Where the reader's day begins is known only in the browser; until then days are those of UTC.
    let offset_ms = RwSignal::new(0_i64);
    Effect::new(move |_| {
        let minutes = browser::timezone_offset_minutes().unwrap_or(0);
        if minutes != 0 {
            offset_ms.set(minutes * 60_000);
        }
    });
    let any_busy = RwSignal::new(false);
    Effect::new(move |_| {
        let busy = listing.get().is_some_and(|listing| {
            listing.is_ok_and(|listing| listing.chats.iter().any(|chat| chat.status.is_busy()))
        });
        if any_busy.get_untracked() != busy {
            any_busy.set(busy);
        }
    });
    let live = follow_list();
    Effect::new(move |_| {
        if any_busy.get()
            && !live.get()
            && let Ok(handle) = set_interval_with_handle(list_changed, POLL)
        {
            on_cleanup(move || handle.clear());
        }
    });
    view! {
        <nav class="chat-list" aria-label="Recent chats">
            <Transition>
                {move || Suspend::new(async move {
                    match listing.await {
                        Ok(listing) => {
                            let groups = Memo::new(move |_| by_day(&listing, offset_ms.get()));
                            (move || view! { <Groups groups=groups.get() put_away=put_away.get_untracked() /> }).into_any()
                        }
                        Err(error) => view! { <p class="chat-list-empty">{error.to_string()}</p> }.into_any(),
                    }
                })}
            </Transition>
            <button
                type="button"
                class="btn btn-quiet chat-list-switch"
                aria-pressed=move || put_away.get().to_string()
                on:click=move |_| put_away.update(|put_away| *put_away = !*put_away)
            >
                <Icon glyph=Glyph::Archive />
                {move || if put_away.get() { "Back to chats" } else { "Archived chats" }}
            </button>
        </nav>
    }
}

/// Chats of one heading, newest first.
type Group = (&'static str, Vec<Chat>);

/// Pinned, today, yesterday, earlier, in the days of a place `offset_ms` behind UTC. Headings without chats are left out.
fn by_day(listing: &ChatListing, offset_ms: i64) -> Vec<Group> {
    let day = |at: Timestamp| (at.as_millis() - offset_ms).div_euclid(DAY_MS);
    let today = day(listing.now);
    let mut groups: Vec<Group> =
        ["Pinned", "Today", "Yesterday", "Earlier"].map(|heading| (heading, Vec::new())).into();
    for chat in &listing.chats {
        if chat.pin_order > 0 {
            groups[0].1.push(chat.clone());
            continue;
        }
        // A clock that went back makes a chat of the future: it is today's.
        let index = match today - day(chat.updated_at) {
            ..=0 => 1,
            1 => 2,
            _ => 3,
        };
        groups[index].1.push(chat.clone());
    }
    groups.retain(|(_, chats)| !chats.is_empty());
    groups
}

#[component]
fn Groups(groups: Vec<Group>, put_away: bool) -> impl IntoView {
    if groups.is_empty() {
        let words =
            if put_away { "No archived chats." } else { "No chats yet. The first message begins one." };
        return view! { <p class="chat-list-empty">{words}</p> }.into_any();
    }
    groups
        .into_iter()
        .map(|(heading, chats)| {
            view! {
                <section class="chat-list-group">
                    <h2 class="chat-list-heading">{heading}</h2>
                    <ul>{chats.into_iter().map(|chat| view! { <Row chat /> }).collect_view()}</ul>
                </section>
            }
        })
        .collect_view()
        .into_any()
}

#[component]
fn Row(chat: Chat) -> impl IntoView {
    let id = chat.id;
    let path = StoredValue::new(format!("/chats/{id}"));
    let title = StoredValue::new(chat.title.clone());
    let location = use_location();
    let is_current = Memo::new(move |_| path.with_value(|path| location.pathname.with(|here| here == path)));
    let menu = RwSignal::new(false);
    let renaming = RwSignal::new(false);
    let deleting = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let refused = RwSignal::new(None::<UiError>);
    let (pinned, archived) = (chat.pin_order > 0, chat.archived);
    let toasts = use_toasts();
    let navigate = use_navigate();
    let leave = navigate.clone();
    let change = Callback::new(move |update: ChatUpdate| {
        menu.set(false);
        let leave = leave.clone();
        // What was put away is out of the way.
        let leaves = update.archived == Some(true) && is_current.get_untracked();
        spawn_local(async move {
            match chat_update(id, update).await {
                Ok(_) => {
                    if leaves {
                        leave("/", Default::default());
                    }
                    list_changed();
                }
                Err(error) => toasts.warn(error.to_string()),
            }
        });
    });
    let delete = Callback::new(move |()| {
        busy.set(true);
        let navigate = navigate.clone();
        let leave = is_current.get_untracked();
        spawn_local(async move {
            match chat_delete(id).await {
                Ok(()) => {
                    deleting.try_set(false);
                    if leave {
                        navigate("/", Default::default());
                    }
                    list_changed();
                }
                Err(error) => {
                    refused.try_set(Some(error));
                }
            }
            busy.try_set(false);
        });
    });
    let state = status_word(chat.status);
    let children = chat.children.clone();
    view! {
        <li class="chat-list-row" data-current=move || is_current.get().to_string()>
            <Show
                when=move || renaming.get()
                fallback=move || {
                    view! {
                        <a class="chat-list-link" href=path.get_value() aria-current=move || is_current.get().then_some("page")>
                            <span class="chat-list-title" dir="auto">{title.get_value()}</span>
                            {state
                                .map(|(class, word)| {
                                    view! { <span class=format!("chat-list-state {class}")>{word}</span> }
                                })}
                        </a>
                        <Popover
                            open=menu
                            label=format!("Options for {}", title.get_value())
                            button_class="btn btn-quiet btn-icon chat-list-menu"
                            panel_class="chat-panel chat-menu"
                            trigger=view! { <Icon glyph=Glyph::Dots /> }.into_any()
                        >
                            <button
                                type="button"
                                class="chat-menu-item"
                                on:click=move |_| {
                                    menu.set(false);
                                    renaming.set(true);
                                }
                            >
                                <Icon glyph=Glyph::Pencil />
                                "Rename"
                            </button>
                            <button
                                type="button"
                                class="chat-menu-item"
                                on:click=move |_| {
                                    let pin_order = Some(if pinned { 0 } else { 1 });
                                    change.run(ChatUpdate { pin_order, ..ChatUpdate::default() });
                                }
                            >
                                <Icon glyph=Glyph::Pin />
                                {if pinned { "Unpin" } else { "Pin" }}
                            </button>
                            <button
                                type="button"
                                class="chat-menu-item"
                                on:click=move |_| {
                                    change.run(ChatUpdate { archived: Some(!archived), ..ChatUpdate::default() });
                                }
                            >
                                <Icon glyph=Glyph::Archive />
                                {if archived { "Restore" } else { "Archive" }}
                            </button>
                            <button
                                type="button"
                                class="chat-menu-item chat-menu-danger"
                                on:click=move |_| {
                                    menu.set(false);
                                    refused.set(None);
                                    deleting.set(true);
                                }
                            >
                                <Icon glyph=Glyph::Trash />
                                "Delete"
                            </button>
                        </Popover>
                    }
                }
            >
                <RenameField
                    id
                    title=title.get_value()
                    editing=renaming
                    on_saved=move |_| list_changed()
                />
            </Show>
            <ConfirmDialog open=deleting title="Delete this chat?" confirm_label="Delete chat" busy error=refused on_confirm=delete>
                <p>
                    <bdi class="chat-strong">{title.get_value()}</bdi>
                    " and everything in it will be gone for good. A turn that is running is stopped."
                </p>
            </ConfirmDialog>
        </li>
        {(!children.is_empty()).then(|| view! { <li class="chat-list-below"><ListChildren parent=id agents=children /></li> })}
    }
}

/// A dot's class and its word, for chats that are not simply idle.
pub(super) fn status_word(status: ChatStatus) -> Option<(&'static str, &'static str)> {
    match status {
        ChatStatus::Waiting => None,
        ChatStatus::Running => Some(("chat-list-running", "Running")),
        ChatStatus::Interrupting => Some(("chat-list-running", "Stopping")),
        ChatStatus::RequiresAction => Some(("chat-list-asks", "Needs you")),
        ChatStatus::Error => Some(("chat-list-failed", "Failed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Uuid;

    fn chat(hours: i64) -> Chat {
        Chat {
            id: Uuid::from_u128(u128::from(hours.unsigned_abs())),
            organization_id: Uuid::nil(),
            owner_id: Uuid::nil(),
            workspace_id: None,
            parent_chat_id: None,
            root_chat_id: None,
            mode: None,
            last_model_config_id: None,
            title: format!("at hour {hours}"),
            status: ChatStatus::Waiting,
            last_error: None,
            plan_mode: Default::default(),
            plan_version: 0,
            archived: false,
            mcp_server_ids: Vec::new(),
            labels: Default::default(),
            pin_order: 0,
            queued_for_capacity: false,
            children: Vec::new(),
            created_at: Timestamp(hours * 3_600_000_000),
            updated_at: Timestamp(hours * 3_600_000_000),
        }
    }

    #[test]
    fn days_are_those_of_the_reader() {
        let listing = ChatListing {
            chats: vec![chat(241), chat(230), chat(215), chat(200), chat(100)],
            now: Timestamp(241 * 3_600_000_000),
        };
        let shape = |offset_hours: i64| -> Vec<(&'static str, usize)> {
            by_day(&listing, offset_hours * 3_600_000)
                .into_iter()
                .map(|(heading, chats)| (heading, chats.len()))
                .collect()
        };
        // Hour 241 is 01:00 of day 10 in UTC; two hours further west it is still day 9.
        assert_eq!(shape(0), [("Today", 1), ("Yesterday", 1), ("Earlier", 3)]);
        assert_eq!(shape(2), [("Today", 2), ("Yesterday", 2), ("Earlier", 1)]);
        assert_eq!(by_day(&ChatListing { chats: vec![chat(300)], now: Timestamp(0) }, 0)[0].0, "Today");
        assert!(by_day(&ChatListing { chats: vec![], now: Timestamp(0) }, 0).is_empty());
    }
}
