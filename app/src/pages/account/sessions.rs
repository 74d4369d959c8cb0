//! Where you are signed in.

use super::AccountSection;
use crate::{
    components::{Badge, Deed, DeleteButton, Glyph, RelativeTime, Tone, loaded},
    server_fns::account::{session_delete, session_list},
};
use api::users::Session;
use leptos::prelude::*;

#[component]
pub(super) fn SessionsSection() -> impl IntoView {
    let sessions = Resource::new(|| (), |()| session_list());
    let changed = Callback::new(move |()| sessions.refetch());
    view! {
        <AccountSection title="Sessions" purpose="Browsers that are signed in as you.">
            {loaded(sessions, false, move |sessions| {
                let rows = sessions.into_iter().map(|session| view! { <SessionRow session changed/> }).collect_view();
                view! { <ul class="rows">{rows}</ul> }
            })}
        </AccountSection>
    }
}

#[component]
fn SessionRow(session: Session, changed: Callback<()>) -> impl IntoView {
    let id = session.id;
    let browser = browser_name(&session.user_agent);
    view! {
        <li class="row">
            <div class="min-w-0">
                <p class="row-title" title=session.user_agent.clone() dir="auto">
                    {browser.clone()}
                    {session.current.then(|| view! { " " <Badge tone=Tone::Ok glyph=Glyph::Check text="This browser"/> })}
                </p>
                <p class="row-note">
                    {session.address.clone()}
                    " · used "
                    <RelativeTime at=session.last_used.unwrap_or(session.created_at)/>
                </p>
            </div>
            {(!session.current).then(|| view! {
                <DeleteButton label="End session" verb="End" glyph=Glyph::Logout name=browser.clone()
                    consequence="This browser is signed out at once."
                    deed=Deed::new(move || session_delete(id)) done=changed/>
            })}
        </li>
    }
}

/// "Firefox on Linux" out of what the browser says of itself; the whole text where nothing is known.
fn browser_name(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name)
    };
    // The order matters: most browsers also name the ones they descend from.
    let browser = find(&[
        ("Firefox/", "Firefox"),
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if agent.is_empty() => "Unknown browser".to_owned(),
        _ => agent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::browser_name;

    #[test]
    fn browsers_are_named_by_what_they_are() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(browser_name(chrome), "Chrome on Linux");
        assert_eq!(browser_name(&format!("{chrome} Edg/140.0")), "Edge on Linux");
        assert_eq!(browser_name("curl/8.5"), "curl");
        assert_eq!(browser_name(""), "Unknown browser");
    }
}
