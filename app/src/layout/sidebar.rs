//! Navigation: chats for everybody, the panel for those who may.

use super::{SIDEBAR_ID, account_menu::AccountMenu};
use crate::{
    components::{Brand, Glyph, Icon},
    context::{viewer_is_admin, viewer_may_audit},
    pages::chat::ChatSearch,
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// Below 900 px a drawer: a native popover, so it opens, closes on `Esc` and on a click outside without wasm.
#[component]
pub(super) fn Sidebar() -> impl IntoView {
    let location = use_location();
    let in_panel = Memo::new(move |_| location.pathname.with(|path| path.starts_with("/admin")));
    view! {
        <aside id=SIDEBAR_ID class="sidebar" popover="auto" aria-label="Navigation">
            <div class="sidebar-head">
                <a href="/" class="sidebar-brand"><Brand/></a>
                <button
                    type="button"
                    class="btn btn-quiet btn-icon drawer-only"
                    aria-label="Close navigation"
                    popovertarget=SIDEBAR_ID
                    popovertargetaction="hide"
                >
                    <Icon glyph=Glyph::Cross/>
                </button>
            </div>
            {move || if in_panel.get() { view! { <PanelNav/> }.into_any() } else { view! { <ChatNav/> }.into_any() }}
            <AccountMenu/>
        </aside>
    }
}

#[component]
fn ChatNav() -> impl IntoView {
    view! {
        <nav class="sidebar-nav" aria-label="Chats">
            <NavLink href="/" glyph=Glyph::Plus label="New chat" exact=true/>
            <NavLink href="/workspaces" glyph=Glyph::Layers label="Workspaces"/>
        </nav>
        <div class="sidebar-scroll">
            <ChatSearch/>
        </div>
        {viewer_may_audit().then(|| view! {
            <nav class="sidebar-nav sidebar-foot" aria-label="Admin">
                <h2 class="sidebar-title">"Admin"</h2>
                <PanelLinks/>
            </nav>
        })}
    }
}

#[component]
fn PanelNav() -> impl IntoView {
    view! {
        <nav class="sidebar-nav sidebar-scroll" aria-label="Admin">
            <NavLink href="/" glyph=Glyph::ArrowLeft label="Back to chats"/>
            <h2 class="sidebar-title">"Admin"</h2>
            {viewer_may_audit().then(|| view! { <PanelLinks/> })}
        </nav>
    }
}

#[component]
fn PanelLinks() -> impl IntoView {
    view! {
        <NavLink href="/admin/servers" glyph=Glyph::Server label="Servers"/>
        <NavLink href="/admin/models" glyph=Glyph::Chip label="Models"/>
        <NavLink href="/admin/chats" glyph=Glyph::Chat label="Chat settings"/>
        {viewer_is_admin().then(|| view! { <NavLink href="/admin/users" glyph=Glyph::Users label="Users"/> })}
        <NavLink href="/admin/groups" glyph=Glyph::Group label="Groups"/>
        <NavLink href="/admin/fleet" glyph=Glyph::Pulse label="Health"/>
        <NavLink href="/admin/audit" glyph=Glyph::Clock label="Audit"/>
        <NavLink href="/admin/keys" glyph=Glyph::Key label="Keys"/>
        <NavLink href="/admin/settings" glyph=Glyph::Sliders label="Settings"/>
    }
}

/// A link that knows whether it is the current page, or (unless `exact`) an ancestor of it.
#[component]
fn NavLink(
    href: &'static str,
    glyph: Glyph,
    label: &'static str,
    #[prop(optional)] exact: bool,
) -> impl IntoView {
    let location = use_location();
    let current = move || {
        location.pathname.with(|path| {
            let inside =
                !exact && href != "/" && path.strip_prefix(href).is_some_and(|rest| rest.starts_with('/'));
            (path == href || inside).then_some("page")
        })
    };
    view! {
        <a class="nav-link" href=href aria-current=current>
            <Icon glyph/>
            <span>{label}</span>
        </a>
    }
}
