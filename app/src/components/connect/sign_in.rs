//! The button that leads to a provider, and "Not now".

use super::popup::{SignIn, address, address_and_back, use_popups};
use crate::{
    browser,
    components::{BusyButton, Glyph, Icon, Task, toast::use_toasts},
    error::UiErrorKind,
    server_fns::servers::{permission_decline, server_get},
};
use api::servers::McpServer;
use leptos::{ev::MouseEvent, prelude::*, task::spawn_local};

/// A plain link that works in the same tab; with JavaScript it opens a small window and this page stays.
#[component]
pub(super) fn SignInLink(
    server: Signal<McpServer>,
    label: &'static str,
    changed: Callback<McpServer>,
) -> impl IntoView {
    let popups = use_popups();
    let toasts = use_toasts();
    let here = browser::use_here();
    let (id, name) = server.with_untracked(|server| (server.id, server.display_name.clone()));
    let waits = Memo::new(move |_| popups.waits(id));
    let blocked = Memo::new(move |_| popups.is_blocked(id));
    let spoken = match label {
        "Grant" => format!("Grant {name} more permission"),
        label => format!("{label} {name}"),
    };
    let sign_in = move || SignIn { server: server.get_untracked(), changed, toasts };
    let press = move |event: MouseEvent| {
        let own_way = event.ctrl_key() || event.meta_key() || event.shift_key() || event.button() != 0;
        if !own_way {
            event.prevent_default();
            popups.open(sign_in());
        }
    };
    view! {
        <a
            class="btn btn-small btn-primary"
            href=move || address_and_back(id, &here.get())
            // Not a page of the router's.
            rel="external"
            aria-label=spoken
            data-testid="connect"
            on:click=press
        >
            <Icon glyph=Glyph::Key/>
            {label}
        </a>
        {move || waits.get().then(|| view! {
            <span class="connect-wait" data-testid="connect-waits">
                <Icon glyph=Glyph::Spinner class="spin"/>
                "Go on in the window that opened."
            </span>
        })}
        {move || blocked.get().then(|| view! {
            <span class="connect-wait" data-testid="connect-blocked">
                "The browser did not open a window. "
                // Without an opener: the provider's pages cannot touch this one, and this one hears of the end on the channel, which
                // needs none.
                <a
                    class="connect-plain"
                    href=address(id)
                    target="_blank"
                    rel="noopener external"
                    on:click=move |_| popups.opened_by_hand(sign_in())
                >
                    "Open the sign-in page"
                </a>
            </span>
        })}
    }
}

/// "Not now" to a server that asks for more permission: it stops asking, and what was granted stays.
#[component]
pub(crate) fn NotNow(server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let popups = use_popups();
    let task = Task::new();
    let (id, name) = server.with_untracked(|server| (server.id, server.display_name.clone()));
    let decline = Callback::new(move |()| {
        let declined = async move {
            match permission_decline(id).await {
                // Said already, in another tab.
                Err(error) if error.kind == UiErrorKind::NotFound => Ok(()),
                answer => answer,
            }
        };
        task.run(declined, move |()| {
            popups.note_deed();
            spawn_local(async move {
                if let Ok(server) = server_get(id).await {
                    changed.try_run(server);
                }
            });
        });
    });
    view! {
        <BusyButton
            label="Not now" class="btn-small" busy=task.busy on_press=decline
            spoken=format!("Not now: give {name} no more permission")
        />
        <span class="connect-wait" role="alert">{move || task.error.get().map(|error| error.to_string())}</span>
    }
}
