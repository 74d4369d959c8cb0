//! The person's own corner: account, theme, logout.

use crate::{
    browser,
    components::{Glyph, Icon},
    context::{use_theme, use_viewer},
    theme::Theme,
};
use leptos::prelude::*;

const MENU_ID: &str = "account-menu";

/// A native popover; logout is a plain form and works without wasm.
#[component]
pub(super) fn AccountMenu() -> impl IntoView {
    let viewer = use_viewer();
    let name = move || viewer.with(|viewer| viewer.as_ref().map(display_name).unwrap_or_default());
    let email =
        move || viewer.with(|viewer| viewer.as_ref().map(|user| user.email.clone()).unwrap_or_default());
    let letter =
        move || name().chars().next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    view! {
        <div class="account">
            <button type="button" class="account-button" popovertarget=MENU_ID aria-label="Account menu">
                <span class="avatar" aria-hidden="true">{letter}</span>
                <span class="account-name" dir="auto">{name}</span>
                <Icon glyph=Glyph::ChevronDown/>
            </button>
            <div id=MENU_ID class="menu account-menu" popover="auto">
                <p class="menu-note">
                    <span dir="auto">{name}</span>
                    <span class="text-fg-muted" dir="auto">{email}</span>
                </p>
                <ThemeSwitch/>
                <a class="menu-item" href="/account" on:click=move |_| browser::close_drawer(MENU_ID)>
                    <Icon glyph=Glyph::User/>
                    "Account"
                </a>
                <form method="post" action="/logout">
                    <button type="submit" class="menu-item">
                        <Icon glyph=Glyph::Logout/>
                        "Log out"
                    </button>
                </form>
            </div>
        </div>
    }
}

/// The name for people; the user name where none was given.
fn display_name(user: &api::users::User) -> String {
    if user.name.is_empty() { user.username.clone() } else { user.name.clone() }
}

/// System, light or dark; acts at once.
#[component]
pub(crate) fn ThemeSwitch() -> impl IntoView {
    let theme = use_theme();
    let choices = Theme::ALL
        .into_iter()
        .map(|choice| {
            view! {
                <button
                    type="button"
                    aria-pressed=move || if theme.get() == choice { "true" } else { "false" }
                    on:click=move |_| {
                        theme.set(choice);
                        browser::apply_theme(choice);
                    }
                >
                    {choice.label()}
                </button>
            }
        })
        .collect_view();
    view! { <div class="segments" role="group" aria-label="Theme">{choices}</div> }
}
