//! Groups of users: a server can be limited to some.

mod delete;
mod detail;
mod group_form;
mod members;

pub use detail::GroupPage;

use crate::{
    components::{
        Badge, Column, EmptyState, Glyph, Icon, Modal, PageHead, PageLinks, RelativeTime, Table, Tone,
        loaded, use_page_query,
    },
    context::viewer_is_admin,
    server_fns::groups::group_list,
};
use api::{
    Uuid,
    groups::{GroupSource, GroupSummary},
};
use delete::DeleteGroup;
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

const COLUMNS: [Column; 6] = [
    Column::Text("Group"),
    Column::Text("Members from"),
    Column::Number("Members"),
    Column::Number("Servers"),
    Column::Text("Changed"),
    Column::Unseen("Actions"),
];

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
        <Table columns=&COLUMNS>{rows}</Table>
    }
    .into_any()
}

#[component]
fn GroupRow(group: GroupSummary, edit: Callback<Option<Named>>, changed: Callback<()>) -> impl IntoView {
    let label = group.label().to_owned();
    let id = group.id;
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
                    <DeleteGroup id label=label.clone() members=group.member_count servers=group.server_count changed/>
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
