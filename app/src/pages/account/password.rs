//! Changing the own password.

use super::AccountSection;
use crate::{
    components::{BusyButton, ErrorNotice, Task, TextField, toast::use_toasts},
    server_fns::account::password_change,
};
use api::users::PasswordChange;
use leptos::prelude::*;

#[component]
pub(super) fn PasswordSection() -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let (old, new) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let submit = move || {
        let change = PasswordChange { old_password: old.get_untracked(), password: new.get_untracked() };
        task.run(password_change(change), move |()| {
            old.set(String::new());
            new.set(String::new());
            toasts.say("Password is changed. Other sessions are signed out");
        });
    };
    view! {
        <AccountSection title="Password" purpose="Changing it signs you out everywhere else.">
            <form
                class="stack"
                novalidate
                on:submit=move |event| {
                    event.prevent_default();
                    submit();
                }
            >
                <TextField name="old-password" label="Current password" value=old kind="password" autocomplete="current-password"
                    error=task.error_at("old_password")/>
                <TextField name="new-password" label="New password" value=new kind="password" autocomplete="new-password"
                    hint="At least 12 characters." error=task.error_at("password")/>
                {move || task.error_beside(&["old_password", "password"]).map(|error| view! { <ErrorNotice error/> })}
                <div class="btn-row"><BusyButton label="Change password" busy=task.busy class="btn-primary"/></div>
            </form>
        </AccountSection>
    }
}
