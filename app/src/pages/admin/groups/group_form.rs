//! Name and display name of a group in a dialog, new or existing.

use super::Named;
use crate::{
    components::{FormDialog, Task, TextField, toast::use_toasts},
    server_fns::groups::{group_create, group_update},
};
use api::groups::{Group, GroupCreate, GroupSource, GroupUpdate};
use leptos::prelude::*;

const FIELDS: [&str; 2] = ["name", "display_name"];

#[component]
pub(super) fn GroupForm(group: Option<Named>, open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let id = group.as_ref().map(|group| group.id);
    let text =
        |get: fn(&Named) -> &String| RwSignal::new(group.as_ref().map(get).cloned().unwrap_or_default());
    let (name, display_name) = (text(|group| &group.name), text(|group| &group.display_name));
    let provided = group.as_ref().is_some_and(|group| group.source == GroupSource::Oidc);
    let finish = move |group: Group| {
        toasts.say(format!("{} is saved", group.label()));
        open.set(false);
        changed.run(());
    };
    let submit = Callback::new(move |()| {
        let (name, display_name) = (name.get_untracked(), Some(display_name.get_untracked()));
        match id {
            Some(id) => {
                let update = GroupUpdate { name: Some(name), display_name, ..GroupUpdate::default() };
                task.run(group_update(id, update), finish);
            }
            None => task.run(group_create(GroupCreate { name, display_name }), finish),
        }
    });
    let name_hint = if provided {
        "The identity provider knows the group by this name, so it stays."
    } else {
        "Letters, digits, dot, dash, underscore."
    };
    view! {
        <FormDialog open submit_label="Save group" task fields=&FIELDS on_submit=submit>
            <TextField name="group-name" label="Name" value=name required=true mono=true disabled=provided hint=name_hint error=task.error_at("name")/>
            <TextField name="group-display-name" label="Display name" value=display_name error=task.error_at("display_name")
                hint="What people see; empty shows the name."/>
        </FormDialog>
    }
}
