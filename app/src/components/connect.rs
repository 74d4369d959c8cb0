//! Connecting to a server, one component everywhere: the picker, the account page, the editor.
//!
//! The button stands where the server is shown. The dialog stands once in the shell, because a form inside another form (the
//! composer, the editor) would send both.

mod dialog;
mod step;

#[cfg(all(test, feature = "ssr"))]
mod tests;

use super::{
    badge::Tone,
    dialog::DeleteButton,
    icon::{Glyph, Icon},
    task::Deed,
    toast::use_toasts,
};
use crate::server_fns::servers::{server_get, user_headers_remove};
use api::servers::{AuthStatus, McpServer};
use dialog::use_connect;
pub(crate) use dialog::{ConnectDialog, provide_connect};
use leptos::{html, prelude::*, task::spawn_local};
use std::time::Duration;
pub(crate) use step::{Step, step};

/// How long a redraw may take before the focus is put back.
const REDRAWN: Duration = Duration::from_millis(20);

/// The viewer's own connection to `server`: what state it is in, and the next step. `changed` gets the server as it stands
/// afterwards, so that whoever shows it follows without a reload.
#[component]
pub fn Connect(#[prop(into)] server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let now = Memo::new(move |_| server.with(step));
    let node = NodeRef::<html::Div>::new();
    let changed = Callback::new(move |server: McpServer| {
        changed.try_run(server);
        // What was pressed is gone; the keyboard stays here.
        set_timeout(
            move || {
                if let Some(node) = node.try_get_untracked().flatten() {
                    let _ = node.focus();
                }
            },
            REDRAWN,
        );
    });
    view! {
        <div class="connect" node_ref=node tabindex="-1">
            {move || match now.get() {
                Step::Nothing => ().into_any(),
                Step::Says(words) => view! { <p class="connect-why">{words}</p> }.into_any(),
                Step::Enter { why, .. } => view! {
                    <p class="connect-why">{why}</p>
                    <EnterButton server changed/>
                }.into_any(),
                Step::Connected => view! { <Connected server changed/> }.into_any(),
            }}
        </div>
    }
}

/// The button that opens the dialog; nothing where there is nothing to enter.
#[component]
pub(crate) fn EnterButton(server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let host = use_connect();
    let label = Memo::new(move |_| match server.with(step) {
        Step::Enter { label, .. } => Some(label),
        _ => None,
    });
    move || {
        let label = label.get()?;
        let name = server.with_untracked(|server| server.display_name.clone());
        Some(view! {
            <button
                type="button"
                class="btn btn-small btn-primary"
                aria-label=format!("{label} for {name}")
                on:click=move |_| host.open(server.get_untracked(), changed)
            >
                <Icon glyph=Glyph::Key/>
                {label}
            </button>
        })
    }
}

/// "Connected", with what can be done about it behind a click.
#[component]
fn Connected(server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let host = use_connect();
    let toasts = use_toasts();
    let (id, name) = server.with_untracked(|server| (server.id, server.display_name.clone()));
    let gone = {
        let name = name.clone();
        Callback::new(move |()| {
            toasts.say(format!("{name} is disconnected"));
            spawn_local(async move {
                if let Some(last) = server.try_get_untracked() {
                    changed.try_run(reread(last, AuthStatus::NotConnected).await);
                }
            });
        })
    };
    view! {
        <details class="connect-menu">
            <summary aria-label=format!("Connected to {name}: show what can be done")>
                <span class=format!("badge {}", Tone::Ok.class())><Icon glyph=Glyph::Check/>"Connected"</span>
                <Icon glyph=Glyph::ChevronDown/>
            </summary>
            <div class="btn-row">
                <button
                    type="button"
                    class="btn btn-small"
                    aria-label=format!("Replace values for {name}")
                    on:click=move |_| host.open(server.get_untracked(), changed)
                >
                    <Icon glyph=Glyph::Pencil/>
                    "Replace values"
                </button>
                <DeleteButton
                    label="Disconnect" verb="Disconnect" glyph=Glyph::Logout name
                    consequence="The values you entered are deleted. Your chats lose this server's tools until you enter values again."
                    deed=Deed::new(move || user_headers_remove(id)) done=gone
                />
            </div>
        </details>
    }
}

/// The server as it stands now. A server that the viewer may no longer see, or that could not be asked, is as last known, with
/// the state that the deed just done has brought about.
async fn reread(last: McpServer, status: AuthStatus) -> McpServer {
    match server_get(last.id).await {
        Ok(server) => server,
        Err(_) => McpServer {
            auth_connected: status == AuthStatus::Connected,
            auth_status: status,
            auth_status_reason: String::new(),
            ..last
        },
    }
}
