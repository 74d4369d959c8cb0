//! The root component: contexts and routes.

use crate::{
    browser::provide_here,
    components::{clock::provide_clock, connect::provide_connect, toast::provide_toasts},
    context::{PageContext, provide_page},
    layout::{RequireAdmin, RequireReader, Shell},
    pages::{
        account::AccountPage,
        admin::{
            audit::AuditPage,
            chats::ChatSettingsPage,
            fleet::FleetPage,
            groups::{GroupPage, GroupsPage},
            keys::KeysPage,
            models::ModelsPage,
            servers::{
                editor::EditServerPage, editor::NewServerPage, import::ImportServersPage, list::ServersPage,
                tools::ServerToolsPage,
            },
            settings::SettingsPage,
            users::UsersPage,
        },
        chat::{ChatHome, ChatPage},
        login::LoginPage,
        not_found::NotFoundPage,
        setup::SetupPage,
        workspaces::{EditWorkspacePage, NewWorkspacePage, WorkspacesPage},
    },
};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{ParentRoute, Route, Router, Routes},
    path,
};

/// The whole user interface. On the server [`PageContext`] must be in context; the browser reads what the server wrote.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    // Written into the page by the server and read back here, so that both halves draw the same first frame.
    let page = SharedValue::new(|| use_context::<PageContext>().unwrap_or_default()).into_inner();
    provide_page(page);
    provide_toasts();
    provide_connect();
    provide_here();
    provide_clock();

    view! {
        <Title formatter=|text: String| if text.is_empty() { "Patchbay".to_owned() } else { format!("{text} · Patchbay") }/>
        <Router>
            <Routes fallback=NotFoundPage>
                <Route path=path!("/login") view=LoginPage ssr=SsrMode::Async/>
                <Route path=path!("/setup") view=SetupPage ssr=SsrMode::Async/>
                <ParentRoute path=path!("") view=Shell ssr=SsrMode::Async>
                    <Route path=path!("/") view=ChatHome ssr=SsrMode::Async/>
                    <Route path=path!("/chats/:id") view=ChatPage ssr=SsrMode::Async/>
                    <Route path=path!("/workspaces") view=WorkspacesPage ssr=SsrMode::Async/>
                    <Route path=path!("/workspaces/new") view=NewWorkspacePage ssr=SsrMode::Async/>
                    <Route path=path!("/workspaces/:id") view=EditWorkspacePage ssr=SsrMode::Async/>
                    <Route path=path!("/account") view=AccountPage ssr=SsrMode::Async/>
                    <Route path=path!("/admin/servers") view=|| view! { <RequireReader><ServersPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/servers/new") view=|| view! { <RequireAdmin><NewServerPage/></RequireAdmin> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/servers/import") view=|| view! { <RequireAdmin><ImportServersPage/></RequireAdmin> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/servers/:id") view=|| view! { <RequireReader><EditServerPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/servers/:id/tools") view=|| view! { <RequireReader><ServerToolsPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/fleet") view=|| view! { <RequireReader><FleetPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/models") view=|| view! { <RequireReader><ModelsPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/keys") view=|| view! { <RequireReader><KeysPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/users") view=|| view! { <RequireAdmin><UsersPage/></RequireAdmin> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/audit") view=|| view! { <RequireReader><AuditPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/groups") view=|| view! { <RequireReader><GroupsPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/groups/:id") view=|| view! { <RequireReader><GroupPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/chats") view=|| view! { <RequireReader><ChatSettingsPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/admin/settings") view=|| view! { <RequireReader><SettingsPage/></RequireReader> } ssr=SsrMode::Async/>
                    <Route path=path!("/*any") view=NotFoundPage ssr=SsrMode::Async/>
                </ParentRoute>
            </Routes>
        </Router>
    }
}
