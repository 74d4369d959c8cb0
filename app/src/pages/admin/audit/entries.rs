//! The entries of a page. Each opens to all that the log knows of it.

use super::{filters::outcome_word, page_address};
use crate::components::{Badge, EmptyState, Glyph, Icon, RelativeTime, Tone};
use api::audit::{AuditEntry, AuditOutcome, AuditPage, AuditQuery};
use leptos::prelude::*;

#[component]
pub(super) fn Entries(page: AuditPage, query: AuditQuery) -> impl IntoView {
    if page.entries.is_empty() {
        return view! { <NoEntries query/> }.into_any();
    }
    let rows = page.entries.into_iter().map(|entry| view! { <Entry entry/> }).collect_view();
    let newest = (!query.after.is_empty()).then(|| page_address(&query, None));
    let older = page.next.map(|next| page_address(&query, Some(next)));
    view! {
        <div class="table-frame">
            <table class="table audit">
                <thead>
                    <tr>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Actor"</th>
                        <th scope="col">"Action"</th>
                        <th scope="col">"Resource"</th>
                        <th scope="col">"Outcome"</th>
                        <th scope="col">"Address"</th>
                        <th scope="col"><span class="sr-only">"Details"</span></th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <nav class="pager" aria-label="Pages of the log">
            {newest.map(|href| view! { <a class="btn" href=href><Icon glyph=Glyph::ArrowUp/>"Newest"</a> })}
            {older.map(|href| view! { <a class="btn" rel="next" href=href>"Older"<Icon glyph=Glyph::ChevronRight/></a> })}
        </nav>
    }
    .into_any()
}

#[component]
fn NoEntries(query: AuditQuery) -> impl IntoView {
    if query.pairs(false).is_empty() {
        let text = "Logins, changes of the configuration and tool calls will be listed here.";
        return view! { <EmptyState glyph=Glyph::Clock title="Nothing logged yet" text/> }.into_any();
    }
    view! {
        <EmptyState glyph=Glyph::Search title="No entry matches" text="Widen the time, or leave a filter out.">
            <a class="btn btn-primary" href="/admin/audit">"Show all entries"</a>
        </EmptyState>
    }
    .into_any()
}

/// Two rows: the entry, and what opens below it. The second is shown by style alone, so it opens without wasm.
#[component]
fn Entry(entry: AuditEntry) -> impl IntoView {
    let actor = actor_words(&entry);
    let (tone, glyph) = match entry.outcome {
        AuditOutcome::Ok => (Tone::Ok, Glyph::Check),
        AuditOutcome::Denied => (Tone::Warn, Glyph::Lock),
        AuditOutcome::Failed => (Tone::Danger, Glyph::Cross),
    };
    let resource = if entry.resource_name.is_empty() {
        view! { <span class="row-note">{entry.resource_type.clone()}</span> }.into_any()
    } else {
        view! {
            <span dir="auto">{entry.resource_name.clone()}</span>
            <span class="row-note">{entry.resource_type.clone()}</span>
        }
        .into_any()
    };
    let label = format!("Details of {}", entry.action);
    view! {
        <tr>
            <td><RelativeTime at=entry.time/></td>
            <td data-label="Actor"><span dir="auto">{actor}</span></td>
            <td data-label="Action" class="mono-cell">{entry.action.clone()}</td>
            <td data-label="Resource"><span class="audit-resource">{resource}</span></td>
            <td data-label="Outcome"><Badge tone glyph text=outcome_word(entry.outcome)/></td>
            <td data-label="Address" class="mono-cell">{shown(&entry.address)}</td>
            <td class="row-actions">
                <details class="audit-toggle">
                    <summary class="btn btn-small btn-quiet" aria-label=label>
                        "Details"
                        <Icon glyph=Glyph::ChevronDown/>
                    </summary>
                </details>
            </td>
        </tr>
        <tr class="audit-more">
            <td colspan="7"><Facts entry/></td>
        </tr>
    }
}

#[component]
fn Facts(entry: AuditEntry) -> impl IntoView {
    let id = |id: Option<api::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let facts = [
        ("Time", entry.time.to_string()),
        ("Request", entry.request_id),
        ("User agent", entry.user_agent),
        ("Credential", id(entry.credential_id)),
        ("Actor id", id(entry.actor_id)),
        ("Resource id", entry.resource_id),
        ("Entry", entry.id.to_string()),
    ];
    let facts = facts
        .into_iter()
        .map(|(name, value)| view! { <div><dt>{name}</dt><dd>{shown(&value)}</dd></div> })
        .collect_view();
    let changed = entry.changed_fields;
    let changed = if changed.is_empty() {
        shown("").into_any()
    } else {
        changed.into_iter().map(|field| view! { <code dir="auto">{field}</code> }).collect_view().into_any()
    };
    view! {
        <dl class="facts">
            {facts}
            <div><dt>"Changed fields and facts"</dt><dd class="facts-list">{changed}</dd></div>
        </dl>
    }
}

/// Who it was: a user, somebody who was not signed in, or Patchbay itself, which has no address.
fn actor_words(entry: &AuditEntry) -> String {
    match (entry.actor_name.as_str(), entry.actor_id) {
        ("", Some(id)) => id.to_string(),
        ("", None) if entry.address.is_empty() => "Patchbay".to_owned(),
        ("", None) => "Not signed in".to_owned(),
        (name, _) => name.to_owned(),
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}
