//! Groups of users: a server can be limited to some.

mod detail;
mod group_form;
mod members;

pub use detail::GroupPage;

use crate::{
    components::{
        Badge, Deed, DeleteButton, EmptyState, Glyph, Icon, Modal, PageHead, PageLinks, RelativeTime, Tone,
        loaded, use_page_query,
    },
    context::viewer_is_admin,
    server_fns::groups::{group_delete, group_list},
};
use api::{
    Uuid,
    groups::{GroupSource, GroupSummary},
};
use group_form::GroupForm;
use leptos::prelude::*;

/// Where the list is.
const PATH: &str = "/admin/groups";

/// What the form needs of a group that is there already.
#[derive(Clone)]
struct Named {
    id: Uuid,
    name: String,
    display_name: String,
    source: GroupSource,
}

/// `GET /admin/groups`.
#[component]
pub fn GroupsPage() -> impl IntoView {
    let query = use_page_query();
    let groups = Resource::new(move || query.get(), group_list);
    let changed = Callback::new(move |()| groups.refetch());
    let open = RwSignal::new(false);
    let editing = RwSignal::new(None::<Named>);
    let edit = Callback::new(move |group: Option<Named>| {
        editing.set(group);
        open.set(true);
    });
    view! {
        <div class="page">
            <PageHead title="Groups" purpose="A server can be limited to the members of some groups; others neither see nor use it.".to_owned()>
                {viewer_is_admin().then(|| view! { <NewGroupButton edit/> })}
            </PageHead>
            {loaded(groups, true, move |page| view! {
                <GroupTable groups=page.rows edit changed/>
                <PageLinks path=PATH query=query.get_untracked() next=page.next/>
            })}
            <Modal open title=Signal::derive(move || if editing.with(Option::is_some) { "Rename group" } else { "New group" }.to_owned())>
                <GroupForm group=editing.get_untracked() open changed/>
            </Modal>
        </div>
    }
}

#[component]
fn NewGroupButton(edit: Callback<Option<Named>>) -> impl IntoView {
    view! {
        <button type="button" class="btn btn-primary" on:click=move |_| edit.run(None)>
            <Icon glyph=Glyph::Plus/>
            "New group"
        </button>
    }
}

#[component]
fn GroupTable(
    groups: Vec<GroupSummary>,
    edit: Callback<Option<Named>>,
    changed: Callback<()>,
) -> impl IntoView {
    if groups.is_empty() {
        let text = "Make a group, add its members, and choose it under Access of a server.";
        return view! {
            <EmptyState glyph=Glyph::Group title="No groups yet" text>
                {viewer_is_admin().then(|| view! { <NewGroupButton edit/> })}
            </EmptyState>
        }
        .into_any();
    }
    let rows = groups.into_iter().map(|group| view! { <GroupRow group edit changed/> }).collect_view();
    view! {
        <div class="table-frame">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Group"</th>
                        <th scope="col">"Members from"</th>
                        <th scope="col" class="num">"Members"</th>
                        <th scope="col" class="num">"Servers"</th>
                        <th scope="col">"Changed"</th>
                        <th scope="col"><span class="sr-only">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn GroupRow(group: GroupSummary, edit: Callback<Option<Named>>, changed: Callback<()>) -> impl IntoView {
    let label = group.label().to_owned();
    let id = group.id;
    let consequence = consequence(group.member_count, group.server_count);
    let named = Named {
        id,
        name: group.name.clone(),
        display_name: group.display_name.clone(),
        source: group.source,
    };
    view! {
        <tr>
            <td>
                <a class="row-title" dir="auto" href=format!("{PATH}/{id}")>{label.clone()}</a>
                <span class="row-note">{group.name.clone()}</span>
            </td>
            <td data-label="Members from"><SourceBadge source=group.source/></td>
            <td data-label="Members" class="num">{group.member_count}</td>
            <td data-label="Servers" class="num">{group.server_count}</td>
            <td data-label="Changed"><RelativeTime at=group.updated_at/></td>
            <td class="row-actions">
                {viewer_is_admin().then(|| view! {
                    <button type="button" class="btn btn-small" aria-label=format!("Rename group {label}") on:click=move |_| edit.run(Some(named.clone()))>
                        <Icon glyph=Glyph::Pencil/>
                        "Rename"
                    </button>
                    <DeleteButton label="Delete group" name=label.clone() consequence
                        deed=Deed::new(move || group_delete(id)) done=changed/>
                })}
            </td>
        </tr>
    }
}

/// Who says who is in it.
#[component]
fn SourceBadge(source: GroupSource) -> impl IntoView {
    match source {
        GroupSource::Admin => view! { <Badge text="Admins"/> },
        GroupSource::Oidc => view! { <Badge tone=Tone::Info glyph=Glyph::Key text="Identity provider"/> },
    }
}

/// What deleting a group means.
fn consequence(members: i64, servers: i64) -> String {
    match (members, servers) {
        (_, 1) => "A server is limited to it and would be open to everybody, so it cannot be deleted yet. Take it off that server first.".to_owned(),
        (_, 2..) => format!("{servers} servers are limited to it and could be open to everybody, so it cannot be deleted yet. Take it off these servers first."),
        (0, _) => "It has no members, and no server is limited to it.".to_owned(),
        (1, _) => "Its member leaves it. No server is limited to it, so nobody loses or gains one.".to_owned(),
        (members, _) => format!("Its {members} members leave it. No server is limited to it, so nobody loses or gains one."),
    }
}

#[cfg(test)]
mod tests {
    use super::consequence;

    #[test]
    fn the_question_names_what_would_happen() {
        assert!(consequence(3, 0).starts_with("Its 3 members leave it."));
        assert!(consequence(1, 0).starts_with("Its member leaves it."));
        assert!(consequence(0, 0).starts_with("It has no members"));
        assert!(consequence(3, 1).contains("open to everybody"));
        assert!(consequence(0, 2).starts_with("2 servers are limited to it"));
    }
}
