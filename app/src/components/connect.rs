//! Connecting to a server, one component everywhere: the picker, the chat, the account page, the editor.
//!
//! The button stands where the server is shown. The dialog for values stands once in the shell, because a form inside another form
//! (the composer, the editor) would send both.

mod channel;
mod dialog;
mod live;
mod popup;
mod sign_in;
mod step;

#[cfg(test)]
#[cfg(feature = "ssr")]
pub(crate) mod tests;

use super::{
    badge::Tone,
    clock::RelativeTime,
    dialog::DeleteButton,
    icon::{Glyph, Icon},
    task::Deed,
    toast::use_toasts,
};
use crate::{
    browser,
    server_fns::servers::{server_disconnect, server_get, user_headers_remove},
};
use api::{
    oauth::OwnConnection,
    servers::{AuthStatus, AuthType, McpServer},
};
pub(crate) use dialog::ConnectDialog;
use dialog::use_connect;
use domain::text::quote;
use leptos::{html, prelude::*, task::spawn_local};
pub(crate) use live::keep_live;
use popup::use_popups;
pub(crate) use sign_in::NotNow;
use sign_in::SignInLink;
use std::time::Duration;
pub(crate) use step::{Step, step};

/// Characters of a scope that are shown.
const SCOPE_CHARS: usize = 100;
/// How long a redraw may take before the focus is put back.
const REDRAWN: Duration = Duration::from_millis(20);

/// Makes what the document's connect buttons share.
pub(crate) fn provide_connect() {
    dialog::provide_dialog();
    popup::provide_popups();
}

/// The viewer's own connection to `server`: what state it is in, and the next step. `changed` gets the server as it stands
/// afterwards, so that whoever shows it follows without a reload.
#[component]
pub fn Connect(#[prop(into)] server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let now = Memo::new(move |_| server.with(step));
    // Signed in, and asked for more: what was granted can be ended.
    let partly = Memo::new(move |_| server.with(|server| server.auth_status == AuthStatus::NeedsPermission));
    let node = NodeRef::<html::Div>::new();
    let popups = use_popups();
    // Ends with this component. Who waits for a window gets `changed` itself: it may outlive the row that opened it.
    let changed_here = Callback::new(move |server: McpServer| {
        popups.note_deed();
        changed.try_run(server);
        if browser::has_lost_focus() {
            focus_soon(node);
        }
    });
    view! {
        <div class="connect" node_ref=node tabindex="-1" aria-live="polite" data-testid="connection">
            {move || {
                let now = now.get();
                // What has the keyboard is about to be drawn anew; the keyboard stays here. Whoever writes elsewhere is left alone.
                if node.get_untracked().is_some_and(|node| browser::has_focus_in(&node)) {
                    focus_soon(node);
                }
                match now {
                    Step::Nothing => ().into_any(),
                    Step::Says(words) => view! { <p class="connect-why">{words}</p> }.into_any(),
                    Step::Enter { why, .. } => view! {
                        <p class="connect-why">{why}</p>
                        <NextStep server changed=changed_here/>
                    }.into_any(),
                    Step::Connect { why, .. } => view! {
                        <NextStep server changed/>
                        {partly.get().then(|| view! { <Connected server changed=changed_here note=""/> })}
                        <p class="connect-why connect-below">{why}</p>
                    }.into_any(),
                    Step::Connected { note } => view! { <Connected server changed=changed_here note/> }.into_any(),
                }
            }}
        </div>
    }
}

/// The button of the next step alone; nothing where there is nothing to do.
#[component]
pub(crate) fn NextStep(server: Signal<McpServer>, changed: Callback<McpServer>) -> impl IntoView {
    let host = use_connect();
    let due = Memo::new(move |_| server.with(step));
    move || match due.get() {
        Step::Connect { label, .. } => Some(view! { <SignInLink server label changed/> }.into_any()),
        Step::Enter { label, .. } => {
            let name = server.with_untracked(|server| server.display_name.clone());
            let button = view! {
                <button
                    type="button"
                    class="btn btn-small btn-primary"
                    aria-label=format!("{label} for {name}")
                    on:click=move |_| host.open(server.get_untracked(), changed)
                >
                    <Icon glyph=Glyph::Key/>
                    {label}
                </button>
            };
            Some(button.into_any())
        }
        Step::Nothing | Step::Connected { .. } | Step::Says(_) => None,
    }
}

/// "Connected", with what can be done about it behind a click.
#[component]
fn Connected(server: Signal<McpServer>, changed: Callback<McpServer>, note: &'static str) -> impl IntoView {
    let host = use_connect();
    let toasts = use_toasts();
    let (id, name, auth_type) =
        server.with_untracked(|server| (server.id, server.display_name.clone(), server.auth_type));
    let granted = Memo::new(move |_| server.with(|server| server.connection.clone()));
    // What the provider said when the connection was ended.
    let revoked = StoredValue::new(None::<bool>);
    let deed = match auth_type {
        AuthType::Oauth2 => Deed::new(move || async move {
            let answer = server_disconnect(id).await?;
            revoked.try_set_value(answer);
            Ok(())
        }),
        _ => Deed::new(move || user_headers_remove(id)),
    };
    let gone = {
        let name = name.clone();
        Callback::new(move |()| {
            match auth_type {
                AuthType::Oauth2 => toasts.say(disconnected(revoked.try_get_value().flatten())),
                _ => toasts.say(format!("{name} is disconnected")),
            }
            spawn_local(async move {
                if let Some(last) = server.try_get_untracked() {
                    changed.try_run(reread(last, AuthStatus::NotConnected).await);
                }
            });
        })
    };
    let consequence = match auth_type {
        AuthType::Oauth2 => {
            "Your sign-in is deleted here and given back to the provider. Your chats lose this server's tools until you connect again."
        }
        _ => {
            "The values you entered are deleted. Your chats lose this server's tools until you enter values again."
        }
    };
    let replace = (auth_type == AuthType::UserHeader).then(|| {
        view! {
            <button
                type="button"
                class="btn btn-small"
                aria-label=format!("Replace values for {name}")
                on:click=move |_| host.open(server.get_untracked(), changed)
            >
                <Icon glyph=Glyph::Pencil/>
                "Replace values"
            </button>
        }
    });
    view! {
        <details class="connect-menu">
            <summary aria-label=format!("Connected to {name}: show what can be done")>
                <span class=format!("badge {}", Tone::Ok.class())><Icon glyph=Glyph::Check/>"Connected"</span>
                <Icon glyph=Glyph::ChevronDown/>
            </summary>
            {move || granted.get().map(|connection| view! { <Granted connection/> })}
            <div class="btn-row">
                {replace}
                <DeleteButton label="Disconnect" verb="Disconnect" glyph=Glyph::Logout name consequence deed done=gone/>
            </div>
        </details>
        {(!note.is_empty()).then(|| view! { <span class="connect-why">{note}</span> })}
    }
}

/// What was granted, and for how long (protocol.md 14.8).
#[component]
fn Granted(connection: OwnConnection) -> impl IntoView {
    let lasts = match connection.expires_at {
        _ if connection.renews => view! { "Stays connected." }.into_any(),
        Some(at) => view! { "Asks again " <RelativeTime at/> "." }.into_any(),
        None => view! { "Stays connected until the provider ends it." }.into_any(),
    };
    let scopes = |label: &'static str, scopes: String| {
        (!scopes.is_empty()).then(|| {
            let each: Vec<_> = scopes
                .split(' ')
                .map(|scope| view! { <code>{quote(scope, SCOPE_CHARS)}</code> " " })
                .collect();
            view! { <p class="connect-why">{label} {each}</p> }
        })
    };
    view! {
        <div class="connect-granted" data-testid="granted">
            {scopes("Granted: ", connection.scopes)}
            {scopes("Also asked for: ", connection.wanted_scopes)}
            <p class="connect-why">{lasts}</p>
        </div>
    }
}

/// How a connection ended (protocol.md 14.13).
fn disconnected(revoked: Option<bool>) -> &'static str {
    match revoked {
        Some(true) => "Disconnected; revoked at the provider",
        Some(false) => "Disconnected here; the provider could not be told",
        None => "Disconnected",
    }
}

/// Puts the keyboard here once what just changed is drawn.
fn focus_soon(node: NodeRef<html::Div>) {
    set_timeout(
        move || {
            if let Some(node) = node.try_get_untracked().flatten() {
                let _ = node.focus();
            }
        },
        REDRAWN,
    );
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
            connection: None,
            ..last
        },
    }
}
