//! Servers that act in your name, and how to end it.

use super::AccountSection;
use crate::{
    components::{
        Connect, ServerTile,
        connect::{Step, keep_live, step},
        loaded,
    },
    server_fns::servers::{ServerState, server_list_personal},
};
use api::servers::McpServer;
use leptos::prelude::*;

#[component]
pub(super) fn ConnectionsSection() -> impl IntoView {
    let servers = Resource::new(|| (), |()| server_list_personal());
    view! {
        <AccountSection title="Connections" purpose="Servers that your chats use in your name, and how to end it.">
            {loaded(servers, false, |servers| {
                let own: Vec<McpServer> = servers.into_iter().filter(is_own).collect();
                if own.is_empty() {
                    return view! { <p class="field-hint">"No server asks for your account or for values of yours."</p> }.into_any();
                }
                view! { <ConnectionList own/> }.into_any()
            })}
        </AccountSection>
    }
}

/// Servers with a step of their own for each user; those switched off only while something is stored.
fn is_own(server: &McpServer) -> bool {
    match step(server) {
        Step::Connected { .. } => true,
        Step::Connect { .. } | Step::Enter { .. } => server.enabled,
        Step::Nothing | Step::Says(_) => false,
    }
}

#[component]
fn ConnectionList(own: Vec<McpServer>) -> impl IntoView {
    let rows: Vec<RwSignal<McpServer>> = own.into_iter().map(RwSignal::new).collect();
    let ids: Vec<_> = rows.iter().map(|row| row.with_untracked(|server| server.id)).collect();
    let list = rows.iter().map(|row| view! { <ConnectionRow state=*row/> }).collect_view();
    let rows = StoredValue::new(rows);
    let hear = move |states: Vec<ServerState>| {
        let rows = rows.try_get_value().unwrap_or_default();
        for row in rows {
            row.try_maybe_update(|server| (states.iter().any(|state| state.apply(server)), ()));
        }
    };
    keep_live(move || ids.clone(), hear);
    view! { <ul class="rows">{list}</ul> }
}

#[component]
fn ConnectionRow(state: RwSignal<McpServer>) -> impl IntoView {
    let (name, icon_url) =
        state.with_untracked(|server| (server.display_name.clone(), server.icon_url.clone()));
    view! {
        <li class="row" data-testid="own-connection">
            <span class="server-name">
                <ServerTile name=name.clone() icon_url/>
                <span class="row-title" dir="auto">{name}</span>
            </span>
            <Connect server=state changed=Callback::new(move |server| state.set(server))/>
        </li>
    }
}
