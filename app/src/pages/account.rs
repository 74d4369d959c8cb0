//! The viewer's own account.

mod chats;
mod connections;
mod password;
mod profile;
mod sessions;
mod tokens;

use crate::{
    components::{PageHead, loaded},
    layout::account_menu::ThemeSwitch,
    server_fns::account::build_info,
};
use chats::ChatsSection;
use connections::ConnectionsSection;
use leptos::prelude::*;
use password::PasswordSection;
use profile::ProfileSection;
use sessions::SessionsSection;
pub(crate) use tokens::TokenFacts;
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
            <ChatsSection/>
            <ConnectionsSection/>
            <TokensSection/>
            <SessionsSection/>
            <BuildLine/>
        </div>
    }
}

/// Which Patchbay this is, for reports to an administrator.
#[component]
fn BuildLine() -> impl IntoView {
    let build = Resource::new(|| (), |()| build_info());
    loaded(build, false, |build| {
        view! { <p class="row-note">{format!("Patchbay {} · {}", build.version, build.database)}</p> }
    })
}

/// One block of the page.
#[component]
fn AccountSection(title: &'static str, purpose: &'static str, children: Children) -> impl IntoView {
    view! {
        <section class="section">
            <div class="section-head">
                <h2>{title}</h2>
                <p>{purpose}</p>
            </div>
            <div class="section-body stack">{children()}</div>
        </section>
    }
}
