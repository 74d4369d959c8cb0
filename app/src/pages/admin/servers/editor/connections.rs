//! Who is connected to the server, and the admin's own connection, to test it with.

use super::form::EditorForm;
use crate::{
    components::{
        Badge, Column, Connect, Deed, DeleteButton, Glyph, RelativeTime, Table, Tone, loaded,
        toast::use_toasts,
    },
    context::viewer_is_admin,
    server_fns::servers::{connection_list, connection_remove, server_get},
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
            saved.as_ref().filter(|saved| saved.auth_type == AuthType::UserHeader).map(|saved| saved.id)
        })
    });
    move || personal.get().map(|id| view! { <Connections form id/> })
}

#[component]
fn Connections(form: EditorForm, id: Uuid) -> impl IntoView {
    // A save may have wiped what users entered.
    let version = Memo::new(move |_| form.saved.with(|saved| saved.as_ref().map(|saved| saved.updated_at)));
    let connections = Resource::new(move || version.get(), move |_| connection_list(id));
    let server = Signal::derive(move || form.saved.get());
    let own_changed = Callback::new(move |server: McpServer| {
        form.hear(&server);
        connections.refetch();
    });
    // Among those removed the viewer's own may be.
    let removed = Callback::new(move |()| {
        connections.refetch();
        spawn_local(async move {
            if let Ok(server) = server_get(id).await {
                form.hear(&server);
            }
        });
    });
    view! {
        <section class="section" aria-label="Connections">
            <div class="section-head">
                <h2>"Connections"</h2>
                <p>"Who entered values for this server. Nobody can read them."</p>
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
                {loaded(connections, false, move |list| view! { <ConnectionTable form id list removed/> })}
            </div>
        </section>
    }
}

const COLUMNS: [Column; 5] = [
    Column::Text("User"),
    Column::Text("Status"),
    Column::Text("Since"),
    Column::Text("Last error"),
    Column::Unseen("Actions"),
];

#[component]
pub(super) fn ConnectionTable(
    form: EditorForm,
    id: Uuid,
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
        return view! { <p class="field-hint">"Nobody has entered values yet."</p> }.into_any();
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
    let users = if count == 1 { "1 user".to_owned() } else { format!("{count} users") };
    view! {
        <Table columns=&COLUMNS>
            <For each=shown key=|row| row.user_id let(connection)>
                <ConnectionRow id connection admin removed/>
            </For>
        </Table>
        <div class="btn-row">
            <Show when=move || !all.get()>
                <button type="button" class="btn btn-small" on:click=move |_| all.set(true)>{format!("Show all {count}")}</button>
            </Show>
            {(admin && count > 1).then(|| view! {
                <DeleteButton label="Disconnect" verb="Disconnect" glyph=Glyph::Logout name=users.clone()
                    consequence="What they entered is deleted. Each of them has to enter values again before their chats can use this server."
                    deed=Deed::new(move || connection_remove(id, None)) done=all_gone/>
            })}
        </div>
    }
    .into_any()
}

#[component]
fn ConnectionRow(
    id: Uuid,
    connection: ServerConnection,
    admin: bool,
    removed: Callback<()>,
) -> impl IntoView {
    let user = connection.user_id;
    let name = connection.username.clone();
    let error = if connection.last_error.is_empty() { "–".to_owned() } else { connection.last_error };
    view! {
        <tr>
            <td dir="auto">{connection.username}</td>
            <td data-label="Status">{status_badge(connection.auth_status, &connection.auth_status_reason)}</td>
            <td data-label="Since"><RelativeTime at=connection.since/></td>
            <td data-label="Last error" dir="auto">{error}</td>
            <td class="row-actions">
                {admin.then(|| view! {
                    <DeleteButton label="Disconnect" verb="Disconnect" glyph=Glyph::Logout name
                        consequence="What this user entered is deleted. Their chats lose this server's tools until they enter values again."
                        deed=Deed::new(move || connection_remove(id, Some(user))) done=removed/>
                })}
            </td>
        </tr>
    }
}

fn status_badge(status: AuthStatus, reason: &str) -> impl IntoView + use<> {
    let (tone, glyph, text) = match (status, reason) {
        (AuthStatus::Connected | AuthStatus::ExpiredRefreshable | AuthStatus::NotRequired, _) => {
            (Tone::Ok, Glyph::Check, "Connected")
        }
        (AuthStatus::NotConnected, "missing_value") => (Tone::Warn, Glyph::Warn, "A value is missing"),
        (AuthStatus::NotConnected, _) => (Tone::Neutral, Glyph::Dots, "Not connected"),
        (AuthStatus::NeedsReconnect, "rejected_by_server") => {
            (Tone::Warn, Glyph::Warn, "Refused by the server")
        }
        (AuthStatus::NeedsReconnect, "undecryptable") => (Tone::Warn, Glyph::Warn, "Cannot be read"),
        (AuthStatus::Misconfigured | AuthStatus::UntrustedOrigin, _) => {
            (Tone::Warn, Glyph::Warn, "Server not set up")
        }
        _ => (Tone::Warn, Glyph::Warn, "Has to connect again"),
    };
    view! { <Badge tone glyph text/> }
}
