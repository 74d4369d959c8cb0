//! Making the first owner: a plain form behind the one-time link.

use super::login::{FormError, SignedOutFrame};
use crate::{
    components::{Notice, PlainField, Tone},
    context::{use_form_state, use_has_users},
};
use leptos::prelude::*;
use leptos_router::{components::Redirect, hooks::use_query_map};

/// `GET /setup?token=…`; posts to `/setup` with `setup_token`, `email`, `username`, `name`, `password`.
#[component]
pub fn SetupPage() -> impl IntoView {
    if use_has_users() {
        return view! { <Redirect path="/login"/> }.into_any();
    }
    let form = use_form_state();
    let token = match form.value("setup_token") {
        kept if !kept.is_empty() => kept,
        _ => use_query_map().with_untracked(|query| query.get("token").unwrap_or_default()),
    };
    let no_token = token.is_empty();
    view! {
        <SignedOutFrame title="Set up Patchbay">
            <p class="text-fg-muted">"Create the first account. It owns this deployment and can add everybody else."</p>
            {no_token.then(|| view! {
                <Notice tone=Tone::Warn>
                    <p>"The setup token is missing. Open the whole link that the server printed when it started."</p>
                </Notice>
            })}
            <FormError form=form.clone() fields=&["email", "username", "name", "password"]/>
            <form class="stack" method="post" action="/setup">
                <input type="hidden" name="setup_token" value=token/>
                <PlainField name="email" label="Email" kind="email" autocomplete="username"
                    value=form.value("email") error=form.field_error("email") autofocus=true/>
                <PlainField name="username" label="User name" autocomplete="nickname" hint="Letters, digits, dot, dash or underscore."
                    value=form.value("username") error=form.field_error("username")/>
                <PlainField name="name" label="Name" autocomplete="name" hint="How others see you."
                    value=form.value("name") error=form.field_error("name")/>
                <PlainField name="password" label="Password" kind="password" autocomplete="new-password"
                    hint="At least 12 characters." error=form.field_error("password")/>
                <button type="submit" class="btn btn-primary btn-wide">"Create account"</button>
            </form>
        </SignedOutFrame>
    }
    .into_any()
}
