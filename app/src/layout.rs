//! The shell around every page of a signed-in person, and who may see what.

pub(crate) mod account_menu;
mod sidebar;

use crate::{
    browser,
    components::{Brand, EmptyState, Glyph, Icon, PageTitle, connect::ConnectDialog, toast::ToastRegion},
    context::{use_viewer, viewer_is_admin, viewer_may_audit},
};
use leptos::prelude::*;
use leptos_router::{
    components::{Outlet, Redirect},
    hooks::use_location,
};
use sidebar::Sidebar;

/// Element id of the navigation, which is a drawer on narrow screens.
pub(crate) const SIDEBAR_ID: &str = "sidebar";

/// Sends anonymous visitors to the login page and back; frames the page for everybody else.
#[component]
pub(crate) fn Shell() -> impl IntoView {
    let location = use_location();
    if use_viewer().with_untracked(Option::is_none) {
        let here = location.pathname.get_untracked() + &query(&location.search.get_untracked());
        let login = browser::login_path(&here);
        // The link is for clients that do not follow: the server redirects only who asked for a page.
        return view! {
            <Redirect path=login.clone()/>
            <p class="page"><a href=login>"Log in to continue"</a></p>
        }
        .into_any();
    }
    let here = browser::use_here();
    let (pathname, search) = (location.pathname, location.search);
    let path = move || pathname.get() + &query(&search.get());
    // The first frame has it already, on both sides.
    here.set(untrack(path));
    Effect::new(move || here.set(path()));
    // A followed link closes the drawer.
    Effect::new(move || {
        location.pathname.track();
        browser::close_drawer(SIDEBAR_ID);
    });
    view! {
        <a class="skip-link" href="#main">"Skip to content"</a>
        <div class="frame">
            <Sidebar/>
            <div class="frame-body">
                <header class="topbar">
                    <button type="button" class="btn btn-quiet btn-icon" aria-label="Open navigation" popovertarget=SIDEBAR_ID>
                        <Icon glyph=Glyph::Menu/>
                    </button>
                    <a href="/" class="topbar-brand"><Brand/></a>
                </header>
                <main id="main" class="main" tabindex="-1">
                    <Outlet/>
                </main>
            </div>
        </div>
        <ConnectDialog/>
        <ToastRegion/>
    }
    .into_any()
}

/// A query with its question mark, or nothing.
fn query(search: &str) -> String {
    match search.trim_start_matches('?') {
        "" => String::new(),
        search => format!("?{search}"),
    }
}

/// Pages that change the configuration.
#[component]
pub(crate) fn RequireAdmin(children: ChildrenFn) -> impl IntoView {
    if viewer_is_admin() { children().into_any() } else { view! { <NotAllowed/> }.into_any() }
}

/// Pages that show the configuration: admins and auditors.
#[component]
pub(crate) fn RequireReader(children: ChildrenFn) -> impl IntoView {
    if viewer_may_audit() { children().into_any() } else { view! { <NotAllowed/> }.into_any() }
}

/// The plain refusal; status 403.
#[component]
fn NotAllowed() -> impl IntoView {
    browser::set_status(403);
    view! {
        <PageTitle text="Not allowed"/>
        <div class="page">
            <EmptyState glyph=Glyph::Lock title="Not allowed" text="This page is for administrators. Ask one of yours if you need something changed here.">
                <a class="btn btn-primary" href="/">"Back to your chats"</a>
            </EmptyState>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn a_query_has_one_question_mark() {
        assert_eq!((query(""), query("a=b"), query("?a=b")), (String::new(), "?a=b".into(), "?a=b".into()));
    }
}
