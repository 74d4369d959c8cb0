//! Whether chats use the servers of their workspaces.

use crate::{
    components::{ErrorNotice, Switch, Task, loaded, toast::use_toasts},
    context::viewer_is_admin,
    server_fns::workspaces::{workspace_servers_get, workspace_servers_put},
};
use api::workspaces::WorkspaceServers;
use leptos::prelude::*;

#[component]
pub(super) fn WorkspaceServersSection() -> impl IntoView {
    let switch = Resource::new(|| (), |()| workspace_servers_get());
    view! {
        <section class="section">
            <div class="section-head">
                <h2>"Servers of workspaces"</h2>
                <p>"Everybody can enter MCP servers of their own in a workspace. Switched off, no chat uses them; what was entered stays."</p>
            </div>
            <div class="section-body stack">
                {loaded(switch, false, |switch| view! { <SwitchForm switch/> })}
            </div>
        </section>
    }
}

#[component]
fn SwitchForm(switch: WorkspaceServers) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let enabled = RwSignal::new(switch.enabled);
    let may_write = viewer_is_admin();
    let change = Callback::new(move |wanted: bool| {
        task.run(workspace_servers_put(WorkspaceServers { enabled: wanted }), move |now| {
            enabled.set(now.enabled);
            toasts.say(if now.enabled {
                "Servers of workspaces are on"
            } else {
                "Servers of workspaces are off"
            });
        });
    });
    view! {
        <Switch label="Chats use the servers of their workspaces" checked=enabled
            disabled=Signal::derive(move || !may_write || task.busy.get()) on_change=change/>
        {(!may_write).then(|| view! { <p class="field-hint">"Only an admin can change this."</p> })}
        {move || task.error.get().map(|error| view! { <ErrorNotice error/> })}
    }
}
