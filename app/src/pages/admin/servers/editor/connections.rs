//! Who is connected to the server, and the admin's own connection, to test it with.

use super::form::EditorForm;
use crate::{
    components::{
        Badge, Column, Connect, Deed, DeleteButton, Glyph, RelativeTime, Table, Tone, connect::keep_live,
        loaded, toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::servers::{ServerState, connection_list, connection_remove, is_personal, server_get},
};
use api::{
    Uuid,
    servers::{AuthStatus, AuthType, McpServer, ServerConnection},
};
use leptos::{prelude::*, task::spawn_local};

/// Rows shown before a button shows the rest.
const ROWS: usize = 25;

/// Nothing for servers without a step per user.
#[component]
pub(super) fn ConnectionsSection(form: EditorForm) -> impl IntoView {
    let personal = Memo::new(move |_| {
        form.saved.with(|saved| {
            saved
                .as_ref()
                .filter(|saved| is_personal(saved))
                .map(|saved| (saved.id, Words::of(saved.auth_type)))
        })
    });
    move || personal.get().map(|(id, words)| view! { <Connections form id words/> })
}

/// How the section speaks of a connection, by the authentication it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    purpose: &'static str,
    nobody: &'static str,
    one_gone: &'static str,
    /// Before and after how many users it is.
    all_gone: [&'static str; 2],
}

impl Words {
    pub(super) fn of(auth_type: AuthType) -> Self {
        match auth_type {
            AuthType::Oauth2 => Self {
                purpose: "Who signed in to this server. Nobody can read what the provider gave them.",
                nobody: "Nobody is connected yet.",
                one_gone: "This user's sign-in is deleted here and given back to the provider. Their chats lose this server's tools until they connect again.",
                all_gone: [
                    "The sign-ins of",
                    "are deleted here and given back to the provider. Each of them has to connect again before their chats can use this server.",
                ],
            },
            _ => Self {
                purpose: "Who entered values for this server. Nobody can read them.",
                nobody: "Nobody has entered values yet.",
                one_gone: "What this user entered is deleted. Their chats lose this server's tools until they enter values again.",
                all_gone: [
                    "The values of",
                    "are deleted. Each of them has to enter values again before their chats can use this server.",
                ],
            },
        }
    }
}

#[component]
fn Connections(form: EditorForm, id: Uuid, words: Words) -> impl IntoView {
    // A save may have wiped what users entered.
    let version = Memo::new(move |_| form.saved.with(|saved| saved.as_ref().map(|saved| saved.updated_at)));
    let connections = Resource::new(move || version.get(), move |_| connection_list(id));
    let server = Signal::derive(move || form.saved.get());
    let own_changed = Callback::new(move |server: McpServer| {
        form.hear(&ServerState::of(&server));
        connections.refetch();
    });
    keep_live(
        move || vec![id],
        move |states| {
            if states.iter().any(|state| form.hear(state)) {
                connections.refetch();
            }
        },
    );
    // Among those removed the viewer's own may be.
    let removed = Callback::new(move |()| {
        connections.refetch();
        spawn_local(async move {
            if let Ok(server) = server_get(id).await {
                form.hear(&ServerState::of(&server));
            }
        });
    });
    view! {
        <section class="section" aria-label="Connections">
            <div class="section-head">
                <h2>"Connections"</h2>
                <p>{words.purpose}</p>
            </div>
            <div class="section-body stack">
                {move || server.get().map(|first| {
                    let server = Signal::derive(move || server.get().unwrap_or_else(|| first.clone()));
                    view! {
                        <div class="own-connection">
                            <span class="field-label">"Yours, to test with"</span>
                            <Connect server changed=own_changed/>
                        </div>
                    }
                })}
                {loaded(connections, false, move |list| view! { <ConnectionTable form id words list removed/> })}
            </div>
        </section>
    }
}

/// Few enough that the button stands in view beside the form's labels.
const COLUMNS: [Column; 4] =
    [Column::Text("User"), Column::Text("Status"), Column::Text("Since"), Column::Unseen("Actions")];

#[component]
pub(super) fn ConnectionTable(
    form: EditorForm,
    id: Uuid,
    words: Words,
    list: Vec<ServerConnection>,
    removed: Callback<()>,
) -> impl IntoView {
    let toasts = use_toasts();
    let admin = viewer_is_admin();
    let count = list.len();
    let known = list.clone();
    // The bar counts by it. After mount, so that server and browser draw the same first.
    Effect::new(move || form.connections.set(Some(known.clone())));
    if list.is_empty() {
        return view! { <p class="field-hint">{words.nobody}</p> }.into_any();
    }
    let all = RwSignal::new(count <= ROWS);
    let rows = StoredValue::new(list);
    let shown = move || {
        let shown = if all.get() { count } else { ROWS };
        rows.with_value(|rows| rows.iter().take(shown).cloned().collect::<Vec<_>>())
    };
    let all_gone = Callback::new(move |()| {
        toasts.say("All are disconnected");
        removed.run(());
    });
    let users = format!("{count} users");
    let [before, after] = words.all_gone;
    let consequence = format!("{before} {users} {after}");
    view! {
        <Table columns=&COLUMNS class="connections">
            <For each=shown key=|row| row.user_id let(connection)>
                <ConnectionRow id words connection admin removed/>
            </For>
        </Table>
        <div class="btn-row">
            <Show when=move || !all.get()>
                <button type="button" class="btn btn-small" on:click=move |_| all.set(true)>{format!("Show all {count}")}</button>
            </Show>
            {(admin && count > 1).then(|| view! {
                <DeleteButton label="Disconnect all" verb="Disconnect all" glyph=Glyph::Logout name=users consequence
                    deed=Deed::new(move || connection_remove(id, None)) done=all_gone/>
            })}
        </div>
    }
    .into_any()
}

#[component]
fn ConnectionRow(
    id: Uuid,
    words: Words,
    connection: ServerConnection,
    admin: bool,
    removed: Callback<()>,
) -> impl IntoView {
    let user = connection.user_id;
    let name = connection.username.clone();
    let error = Some(connection.last_error).filter(|error| !error.is_empty());
    view! {
        <tr>
            <td dir="auto">{connection.username}</td>
            <td data-label="Status">
                <div class="connection-status">
                    {status_badge(connection.auth_status, &connection.auth_status_reason)}
                    {error.map(|error| view! { <span class="row-note" dir="auto">{error}</span> })}
                </div>
            </td>
            <td data-label="Since"><RelativeTime at=connection.since/></td>
            <td class="row-actions">
                {admin.then(|| view! {
                    <DeleteButton label="Disconnect" verb="Disconnect" glyph=Glyph::Logout name
                        consequence=words.one_gone
                        deed=Deed::new(move || connection_remove(id, Some(user))) done=removed/>
                })}
            </td>
        </tr>
    }
}

fn status_badge(status: AuthStatus, reason: &str) -> impl IntoView + use<> {
    let (tone, glyph, text) = match (status, reason) {
        (AuthStatus::Connected | AuthStatus::NotRequired, _) => (Tone::Ok, Glyph::Check, "Connected"),
        (AuthStatus::ExpiredRefreshable, _) => (Tone::Ok, Glyph::Check, "Connected, renews automatically"),
        (AuthStatus::NeedsPermission, _) => (Tone::Info, Glyph::Key, "Asked for more permission"),
        (AuthStatus::NotConnected, "missing_value") => (Tone::Warn, Glyph::Warn, "A value is missing"),
        (AuthStatus::NotConnected, _) => (Tone::Neutral, Glyph::Dots, "Not connected"),
        (AuthStatus::NeedsReconnect, "rejected_by_server") => {
            (Tone::Warn, Glyph::Warn, "Refused by the server")
        }
        (AuthStatus::NeedsReconnect, "refresh_rejected") => {
            (Tone::Warn, Glyph::Warn, "Ended by the provider")
        }
        (AuthStatus::NeedsReconnect, "expired_no_refresh_token") => (Tone::Warn, Glyph::Warn, "Expired"),
        (AuthStatus::NeedsReconnect, "client_changed") => {
            (Tone::Warn, Glyph::Warn, "From before the client changed")
        }
        (AuthStatus::NeedsReconnect, "undecryptable") => (Tone::Warn, Glyph::Warn, "Cannot be read"),
        (AuthStatus::Misconfigured | AuthStatus::UntrustedOrigin, _) => {
            (Tone::Warn, Glyph::Warn, "Server not set up")
        }
        _ => (Tone::Warn, Glyph::Warn, "Has to connect again"),
    };
    view! { <Badge tone glyph text/> }
}
