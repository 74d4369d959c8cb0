//! Settings of the deployment.

mod spelling;
mod workspaces;

use crate::{
    components::{
        BusyButton, ErrorNotice, Notice, PageHead, Task, TextArea, Tone, loaded, toast::use_toasts,
    },
    context::use_viewer,
    error::{UiError, UiErrorKind},
    server_fns::settings::{egress_allow_get, egress_allow_put},
};
use api::{
    settings::{EgressAllow, EgressAllowWrite},
    users::User,
};
use domain::settings::egress_allow_etag;
use leptos::prelude::*;
use spelling::refuse_urls;
use workspaces::WorkspaceServersSection;

/// `GET /admin/settings`.
#[component]
pub fn SettingsPage() -> impl IntoView {
    let allowed = Resource::new(|| (), |()| egress_allow_get());
    view! {
        <div class="page page-narrow">
            <PageHead title="Settings" purpose="What holds for the whole deployment.".to_owned()/>
            <noscript>
                <p class="notice tone-warn">"This page needs JavaScript (WebAssembly) to change anything; reading works without."</p>
            </noscript>
            <section class="section">
                <div class="section-head">
                    <h2>"Private destinations"</h2>
                    <p>"Patchbay refuses to dial addresses inside your network, apart from these."</p>
                </div>
                <div class="section-body stack">
                    {loaded(allowed, true, |allowed| view! { <PrivateDestinations allowed/> })}
                </div>
            </section>
            <WorkspaceServersSection/>
        </div>
    }
}

#[component]
fn PrivateDestinations(allowed: EgressAllow) -> impl IntoView {
    let is_owner = use_viewer().with_untracked(|viewer| viewer.as_ref().is_some_and(User::is_owner));
    let own = if allowed.locked {
        view! {
            <Notice tone=Tone::Info>
                "The operator keeps this list: owners cannot change it ("<code>"PATCHBAY_EGRESS_ALLOW_LOCKED"</code>")."
                {(!allowed.entries.is_empty()).then(|| view! { <p>"What owners allowed before is kept and opens nothing: "<code>{allowed.entries.join(", ")}</code></p> })}
            </Notice>
        }
        .into_any()
    } else if is_owner {
        view! { <AllowForm entries=allowed.entries/> }.into_any()
    } else {
        view! { <Entries title="Allowed by owners" entries=allowed.entries note="Only an owner can change these."/> }.into_any()
    };
    view! {
        <Entries title="Set by the operator" entries=allowed.operator_entries
            note="From PATCHBAY_EGRESS_ALLOW; changing them needs a restart."/>
        {own}
    }
}

/// A list that cannot be changed here.
#[component]
fn Entries(title: &'static str, entries: Vec<String>, note: &'static str) -> impl IntoView {
    let list = if entries.is_empty() {
        view! { <p class="field-hint">"None."</p> }.into_any()
    } else {
        let rows = entries.into_iter().map(|entry| view! { <li><code>{entry}</code></li> }).collect_view();
        view! { <ul class="notice-list">{rows}</ul> }.into_any()
    };
    view! {
        <div class="field">
            <h3 class="field-label">{title}</h3>
            {list}
            <p class="field-hint">{note}</p>
        </div>
    }
}

/// What owners allow, one destination a line.
#[component]
fn AllowForm(entries: Vec<String>) -> impl IntoView {
    let toasts = use_toasts();
    let task = Task::new();
    let version = RwSignal::new(egress_allow_etag(&entries));
    let text = RwSignal::new(entries.join("\n"));
    let submit = move || {
        // Blank lines go along: the server counts lines as the person does, and drops them.
        let entries: Vec<String> = text.with_untracked(|text| text.lines().map(str::to_owned).collect());
        if let Some(refused) = refuse_urls(&entries) {
            task.error.set(Some(refused));
            return;
        }
        task.run(
            egress_allow_put(EgressAllowWrite { entries }, Some(version.get_untracked())),
            move |allowed| {
                version.set(egress_allow_etag(&allowed.entries));
                text.set(allowed.entries.join("\n"));
                toasts.say("Private destinations are saved and act at once");
            },
        );
    };
    let error = Signal::derive(move || task.error.with(|error| error.as_ref().and_then(line_errors)));
    view! {
        <form
            class="stack"
            novalidate
            on:submit=move |event| {
                event.prevent_default();
                submit();
            }
        >
            <TextArea name="egress-allow" label="Allowed by owners" value=text rows=6 mono=true error placeholder="mcp.corp.lan:443"
                hint="One host:port or network:port a line, * for any port: 10.20.0.0/16:8080, [fd00::/8]:443. Link-local and metadata addresses and Patchbay itself stay closed."/>
            <div><BusyButton label="Save destinations" busy=task.busy class="btn-primary"/></div>
            {move || task.error.get().filter(|error| line_errors(error).is_none()).map(|error| view! { <ErrorNotice error=with_advice(error)/> })}
        </form>
    }
}

/// A conflict says what becomes of the lines in the field.
fn with_advice(mut error: UiError) -> UiError {
    if error.kind == UiErrorKind::Stale {
        "Somebody else changed this list after this page read it, so nothing was saved. Copy your lines, reload the page to see \
         theirs, and make your change again."
            .clone_into(&mut error.body.message);
    }
    error
}

/// The refused lines, each with its number; `None` when something else was refused.
fn line_errors(error: &UiError) -> Option<String> {
    let lines: Option<Vec<String>> = error
        .body
        .validations
        .iter()
        .map(|wrong| {
            if wrong.field == "entries" {
                return Some(wrong.detail.clone());
            }
            let at: usize = wrong.field.strip_prefix("entries[")?.strip_suffix(']')?.parse().ok()?;
            Some(format!("Line {}: {}", at + 1, wrong.detail))
        })
        .collect();
    lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{ErrorBody, Validation};

    fn refused(fields: &[&str]) -> UiError {
        let validations = fields.iter().map(|field| Validation::new(*field, "no.")).collect();
        let body = ErrorBody { validations, ..ErrorBody::message("refused") };
        UiError { kind: UiErrorKind::Invalid, body }
    }

    #[test]
    fn refused_lines_are_counted_as_people_count() {
        assert_eq!(line_errors(&refused(&["entries[0]", "entries[4]"])).unwrap(), "Line 1: no. Line 5: no.");
        assert_eq!(line_errors(&refused(&["entries"])).unwrap(), "no.");
        assert_eq!(line_errors(&refused(&[])), None);
        assert_eq!(line_errors(&refused(&["entries[0]", "other"])), None);
    }

    #[test]
    fn a_conflict_says_what_to_do_with_the_lines() {
        assert_eq!(with_advice(refused(&[])).body.message, "refused");
        let stale = with_advice(UiError { kind: UiErrorKind::Stale, ..refused(&[]) });
        assert!(stale.body.message.contains("Copy your lines, reload"), "{stale}");
    }
}
