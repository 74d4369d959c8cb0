//! A user in a dialog, new or existing.

use super::{role_label, role_meaning};
use crate::{
    components::{Checkbox, FormDialog, Task, TextField, toast::use_toasts},
    context::use_viewer,
    server_fns::users::{user_create, user_update},
};
use api::users::{Role, User, UserCreate, UserUpdate};
use leptos::prelude::*;

const FIELDS: [&str; 5] = ["email", "username", "name", "password", "roles"];

#[component]
pub(super) fn UserForm(user: Option<User>, open: RwSignal<bool>, changed: Callback<()>) -> impl IntoView {
    let toasts = use_toasts();
    let viewer = use_viewer();
    let task = Task::new();
    let id = user.as_ref().map(|user| user.id);
    let is_new = user.is_none();
    let text = |get: fn(&User) -> &String| RwSignal::new(user.as_ref().map(get).cloned().unwrap_or_default());
    let (email, username, name) = (text(|u| &u.email), text(|u| &u.username), text(|u| &u.name));
    let password = RwSignal::new(String::new());
    let had: Vec<Role> = user.as_ref().map_or_else(|| vec![Role::Member], |user| user.roles.clone());
    let viewer_is_owner = viewer.with_untracked(|viewer| viewer.as_ref().is_some_and(User::is_owner));
    // The owner role is offered to owners only; the server would refuse it from anybody else.
    let roles = StoredValue::new(
        Role::ALL
            .into_iter()
            .filter(|role| *role != Role::Owner || viewer_is_owner)
            .map(|role| (role, RwSignal::new(had.contains(&role))))
            .collect::<Vec<_>>(),
    );
    let had = StoredValue::new(had);
    let finish = move |user: User| {
        toasts.say(format!("{} is saved", user.username));
        if viewer.with_untracked(|viewer| viewer.as_ref().is_some_and(|viewer| viewer.id == user.id)) {
            viewer.set(Some(user));
        }
        open.set(false);
        changed.run(());
    };
    let submit = Callback::new(move |()| {
        let chosen: Vec<Role> = roles.with_value(|roles| {
            roles.iter().filter(|(_, on)| on.get_untracked()).map(|(role, _)| *role).collect()
        });
        let names: Vec<String> = chosen.iter().map(|role| role.as_str().to_owned()).collect();
        match id {
            Some(id) => {
                let same = had.with_value(|had| {
                    had.len() == chosen.len() && had.iter().all(|role| chosen.contains(role))
                });
                let update = UserUpdate {
                    email: Some(email.get_untracked()),
                    username: Some(username.get_untracked()),
                    name: Some(name.get_untracked()),
                    password: Some(password.get_untracked()).filter(|password| !password.is_empty()),
                    roles: (!same).then_some(names),
                    status: None,
                };
                task.run(user_update(id, update), finish);
            }
            None => {
                let create = UserCreate {
                    email: email.get_untracked(),
                    username: username.get_untracked(),
                    name: name.get_untracked(),
                    password: password.get_untracked(),
                    roles: names,
                };
                task.run(user_create(create), finish);
            }
        }
    });
    let password_label = if is_new { "Password" } else { "New password" };
    let password_hint = if is_new {
        "At least 12 characters."
    } else {
        "Leave empty to keep the present one. A new one signs them out everywhere."
    };
    let boxes = roles.with_value(|roles| {
        roles
            .iter()
            .map(|(role, on)| view! { <Checkbox label=role_label(*role) hint=role_meaning(*role).to_owned() checked=*on/> })
            .collect_view()
    });
    view! {
        <FormDialog open submit_label="Save user" task fields=&FIELDS on_submit=submit>
            <TextField name="user-email" label="Email" value=email kind="email" required=true error=task.error_at("email")/>
            <TextField name="user-username" label="User name" value=username required=true error=task.error_at("username")/>
            <TextField name="user-name" label="Name" value=name error=task.error_at("name")/>
            <TextField name="user-password" label=password_label value=password kind="password" autocomplete="new-password"
                hint=password_hint error=task.error_at("password")/>
            <fieldset class="field">
                <legend class="field-label">"Roles"</legend>
                <div class="stack-tight">{boxes}</div>
                <p class="field-error" aria-live="polite">{move || task.error_at("roles").get()}</p>
            </fieldset>
        </FormDialog>
    }
}
