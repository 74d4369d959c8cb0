//! The viewer's own account.

mod password;
mod profile;
mod sessions;
mod tokens;

use crate::{components::PageHead, layout::account_menu::ThemeSwitch};
use leptos::prelude::*;
use password::PasswordSection;
use profile::ProfileSection;
use sessions::SessionsSection;
use tokens::TokensSection;

/// `GET /account`.
#[component]
pub fn AccountPage() -> impl IntoView {
    view! {
        <div class="page page-narrow">
            <PageHead title="Account"/>
            <noscript>
                <p class="notice tone-warn">"This page needs JavaScript (WebAssembly) to change anything; reading works without."</p>
            </noscript>
            <ProfileSection/>
            <PasswordSection/>
            <AccountSection title="Appearance" purpose="Kept in this browser.">
                <ThemeSwitch/>
            </AccountSection>
            <TokensSection/>
            <SessionsSection/>
        </div>
    }
}

/// One block of the page.
#[component]
fn AccountSection(title: &'static str, purpose: &'static str, children: Children) -> impl IntoView {
    view! {
        <section class="section" aria-label=title>
            <div class="section-head">
                <h2>{title}</h2>
                <p>{purpose}</p>
            </div>
            <div class="section-body stack">{children()}</div>
        </section>
    }
}
