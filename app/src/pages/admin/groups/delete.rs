//! Deleting a group: at once where it only gathers people, and first the way out where servers are limited to it.

use crate::{
    components::{Deed, DeleteButton, Glyph, Icon, Modal, loaded},
    server_fns::groups::{group_delete, group_get},
};
use api::{Uuid, groups::Group};
use leptos::prelude::*;

#[component]
pub(super) fn DeleteGroup(
    id: Uuid,
    label: String,
    members: i64,
    servers: i64,
    changed: Callback<()>,
) -> impl IntoView {
    if servers > 0 {
        return view! { <InUse id label/> }.into_any();
    }
    view! {
        <DeleteButton label="Delete group" name=label consequence=consequence(members)
            deed=Deed::new(move || group_delete(id)) done=changed/>
    }
    .into_any()
}

/// The same button, but what it opens says which servers come first: without the group they would be open to everybody.
#[component]
fn InUse(id: Uuid, label: String) -> impl IntoView {
    let open = RwSignal::new(false);
    let title = format!("Delete {label}?");
    let why = format!("delete-group-{id}-why");
    view! {
        <button type="button" class="btn btn-small" aria-label=format!("Delete group {label}") on:click=move |_| open.set(true)>
            <Icon glyph=Glyph::Trash/>
            "Delete"
        </button>
        <Modal open title=Signal::stored(title)>
            <div class="modal-body" id=why.clone()>
                <Servers id/>
            </div>
            <div class="modal-foot">
                <button type="button" class="btn" on:click=move |_| open.set(false)>"Close"</button>
                <button type="button" class="btn btn-danger" disabled=true aria-describedby=why.clone()>"Delete group"</button>
            </div>
        </Modal>
    }
}

/// Read when the question is opened: somebody may have changed a server since the list was drawn.
#[component]
fn Servers(id: Uuid) -> impl IntoView {
    let group = Resource::new(|| (), move |()| group_get(id));
    loaded(group, false, |group| view! { <Named group/> })
}

#[component]
fn Named(group: Group) -> impl IntoView {
    let servers = group
        .servers
        .iter()
        .map(|server| {
            let address = format!("/admin/servers/{}", server.id);
            view! { <li><a dir="auto" href=address>{server.display_name.clone()}</a></li> }
        })
        .collect_view();
    view! {
        <p>{in_the_way(group.servers.len())}</p>
        <ul class="notice-list">{servers}</ul>
    }
}

/// Why it cannot be deleted yet, and what to do.
fn in_the_way(servers: usize) -> &'static str {
    match servers {
        0 => "No server is limited to it any more. Reload the page to delete it.",
        1 => {
            "A server is limited to it and would be open to everybody, so it cannot be deleted yet. Choose another group or none under Access of that server first:"
        }
        _ => {
            "Servers are limited to it and could be open to everybody, so it cannot be deleted yet. Choose other groups or none under Access of these servers first:"
        }
    }
}

/// What deleting a group means that limits no server.
fn consequence(members: i64) -> String {
    match members {
        0 => "It has no members, and no server is limited to it.".to_owned(),
        1 => "Its member leaves it. No server is limited to it, so nobody loses or gains one.".to_owned(),
        members => format!(
            "Its {members} members leave it. No server is limited to it, so nobody loses or gains one."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_what_would_happen() {
        assert!(consequence(3).starts_with("Its 3 members leave it."));
        assert!(consequence(1).starts_with("Its member leaves it."));
        assert!(consequence(0).starts_with("It has no members"));
        assert!(
            in_the_way(1).starts_with("A server is limited to it")
                && in_the_way(1).contains("open to everybody")
        );
        assert!(in_the_way(2).starts_with("Servers are limited to it"));
        assert!(in_the_way(0).contains("Reload"));
    }
}
