//! One group: who is in it, and which servers are limited to it.

use super::{
    PATH, SourceBadge,
    members::{Members, UserSearch},
};
use crate::{
    components::{Glyph, Icon, PageTitle, loaded},
    server_fns::groups::group_get,
};
use api::{Uuid, groups::Group};
use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

/// `GET /admin/groups/{id}`.
#[component]
pub fn GroupPage() -> impl IntoView {
    let params = use_params_map();
    let id = move || params.with(|params| params.get("id").and_then(|id| id.parse::<Uuid>().ok()));
    let group = Resource::new(id, |id| group_get(id.unwrap_or_default()));
    let changed = Callback::new(move |()| group.refetch());
    let search = UserSearch::new();
    view! {
        <div class="page">
            <a class="back-link" href=PATH><Icon glyph=Glyph::ArrowLeft/>"Groups"</a>
            {loaded(group, true, move |group| view! { <Details group search changed/> })}
        </div>
    }
}

#[component]
fn Details(group: Group, search: UserSearch, changed: Callback<()>) -> impl IntoView {
    let label = group.label().to_owned();
    let servers = group
        .servers
        .iter()
        .map(|server| view! { <li><a dir="auto" href=format!("/admin/servers/{}", server.id)>{server.display_name.clone()}</a></li> })
        .collect_view();
    let limits = if group.servers.is_empty() {
        view! { <p class="field-hint">"No server is limited to this group. Choose it under Access of a server."</p> }.into_any()
    } else {
        view! { <ul class="notice-list">{servers}</ul> }.into_any()
    };
    view! {
        <PageTitle text=Signal::stored(label.clone())/>
        <header class="page-head">
            <div class="min-w-0">
                <h1 dir="auto">{label}</h1>
                <p><code>{group.name.clone()}</code>" · members from: " <SourceBadge source=group.source/></p>
            </div>
        </header>
        <Members group=group.clone() search changed/>
        <section class="table-block">
            <div class="table-head"><h2>"Servers"</h2></div>
            {limits}
        </section>
    }
}
