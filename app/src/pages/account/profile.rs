//! Who you are; the email is an administrator's to change.

use super::AccountSection;
use crate::{
    components::{BusyButton, ErrorNotice, Task, TextField, toast::use_toasts},
    context::use_viewer,
    server_fns::users::user_update,
};
use api::users::{User, UserUpdate};
use leptos::prelude::*;

#[component]
pub(super) fn ProfileSection() -> impl IntoView {
    let viewer = use_viewer();
    let toasts = use_toasts();
    let task = Task::new();
    let text = |get: fn(&User) -> &String| {
        RwSignal::new(viewer.with_untracked(|viewer| viewer.as_ref().map(get).cloned().unwrap_or_default()))
    };
    let (name, username) = (text(|u| &u.name), text(|u| &u.username));
    let email = text(|u| &u.email).get_untracked();
    let submit = move || {
        let Some(id) = viewer.with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.id)) else {
            return;
        };
        let update = UserUpdate {
            name: Some(name.get_untracked()),
            username: Some(username.get_untracked()),
            ..UserUpdate::default()
        };
        task.run(user_update(id, update), move |user| {
            viewer.set(Some(user));
            toasts.say("Profile is saved");
        });
    };
    view! {
        <AccountSection title="Profile" purpose="How others see you.">
            <form
                class="stack"
                novalidate
                on:submit=move |event| {
                    event.prevent_default();
                    submit();
                }
            >
                <p class="fact"><span class="field-label">"Email"</span><span dir="auto">{email}</span></p>
                <TextField name="profile-name" label="Name" value=name autocomplete="name" error=task.error_at("name")/>
                <TextField name="profile-username" label="User name" value=username autocomplete="nickname" error=task.error_at("username")/>
                {move || task.error_beside(&["name", "username"]).map(|error| view! { <ErrorNotice error/> })}
                <div class="btn-row"><BusyButton label="Save profile" busy=task.busy class="btn-primary"/></div>
            </form>
        </AccountSection>
    }
}
