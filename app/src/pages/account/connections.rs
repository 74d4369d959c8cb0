//! Servers that act in your name, and how to end it.

use super::AccountSection;
use crate::{
    components::{
        Connect, ServerTile,
        connect::{Step, step},
        loaded,
    },
    server_fns::servers::server_list_personal,
};
use api::servers::McpServer;
use leptos::prelude::*;

#[component]
pub(super) fn ConnectionsSection() -> impl IntoView {
    let servers = Resource::new(|| (), |()| server_list_personal());
    view! {
        <AccountSection title="Connections" purpose="Servers that your chats use with your own values. Disconnect deletes them.">
            {loaded(servers, false, |servers| {
                let own: Vec<McpServer> = servers.into_iter().filter(is_own).collect();
                if own.is_empty() {
                    return view! { <p class="field-hint">"No server asks for your own values."</p> }.into_any();
                }
                let rows = own.into_iter().map(|server| view! { <ConnectionRow server/> }).collect_view();
                view! { <ul class="rows">{rows}</ul> }.into_any()
            })}
        </AccountSection>
    }
}

/// Servers with a step of their own for each user; those switched off only while something is stored.
fn is_own(server: &McpServer) -> bool {
    match step(server) {
        Step::Connected => true,
        Step::Enter { .. } => server.enabled,
        Step::Nothing | Step::Says(_) => false,
    }
}

#[component]
fn ConnectionRow(server: McpServer) -> impl IntoView {
    let (name, icon_url) = (server.display_name.clone(), server.icon_url.clone());
    let state = RwSignal::new(server);
    view! {
        <li class="row">
            <span class="server-name">
                <ServerTile name=name.clone() icon_url/>
                <span class="row-title" dir="auto">{name}</span>
            </span>
            <Connect server=state changed=Callback::new(move |server| state.set(server))/>
        </li>
    }
}
