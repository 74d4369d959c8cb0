//! Signing in: a plain form, so it works before and without wasm.

use crate::{
    components::{Brand, Notice, PageTitle, PlainField, Tone},
    context::{use_form_state, use_has_users, use_viewer},
    forms::FormState,
};
use leptos::prelude::*;
use leptos_router::{components::Redirect, hooks::use_query_map};

/// `GET /login`; posts to `/login` with `email`, `password`, `return_to`.
#[component]
pub fn LoginPage() -> impl IntoView {
    if use_viewer().with_untracked(Option::is_some) {
        return view! { <Redirect path="/"/> }.into_any();
    }
    let form = use_form_state();
    let return_to = match form.value("return_to") {
        kept if !kept.is_empty() => kept,
        _ => use_query_map().with_untracked(|query| query.get("return_to").unwrap_or_default()),
    };
    view! {
        <SignedOutFrame title="Log in">
            {(!use_has_users()).then(|| view! {
                <Notice tone=Tone::Info>
                    <p>"No account exists yet. Open the one-time setup link that the server printed when it started."</p>
                </Notice>
            })}
            <FormError form=form.clone() fields=&["email", "password"]/>
            <form class="stack" method="post" action="/login">
                <input type="hidden" name="return_to" value=return_to/>
                <PlainField
                    name="email"
                    label="Email"
                    kind="email"
                    autocomplete="username"
                    value=form.value("email")
                    error=form.field_error("email")
                    autofocus=true
                />
                <PlainField
                    name="password"
                    label="Password"
                    kind="password"
                    autocomplete="current-password"
                    error=form.field_error("password")
                />
                <button type="submit" class="btn btn-primary btn-wide">"Log in"</button>
            </form>
        </SignedOutFrame>
    }
    .into_any()
}

/// The centred card of the pages before login.
#[component]
pub(super) fn SignedOutFrame(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <PageTitle text=title/>
        <main id="main" class="door">
            <div class="door-card">
                <p class="door-brand"><Brand/></p>
                <h1>{title}</h1>
                {children()}
            </div>
        </main>
    }
}

/// Why the form was refused, above the fields. What stands at a field of the form is not said twice.
#[component]
pub(super) fn FormError(form: FormState, fields: &'static [&'static str]) -> impl IntoView {
    form.error.map(|error| {
        let beside = error
            .body
            .validations
            .into_iter()
            .filter(|v| !fields.contains(&v.field.as_str()))
            .map(|v| view! { <p>{v.detail}</p> })
            .collect_view();
        view! { <Notice tone=Tone::Danger><p>{error.body.message}</p>{beside}</Notice> }
    })
}
