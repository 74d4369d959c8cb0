//! The entries of a page. Each opens to all that the log knows of it.

use super::{filters::outcome_word, page_address};
use crate::components::{Badge, Column, EmptyState, Glyph, Icon, RelativeTime, Table, Tone};
use api::audit::{AuditEntry, AuditOutcome, AuditPage, AuditQuery};
use leptos::prelude::*;

const COLUMNS: [Column; 7] = [
    Column::Text("Time"),
    Column::Text("Actor"),
    Column::Text("Action"),
    Column::Text("Resource"),
    Column::Text("Outcome"),
    Column::Text("Address"),
    Column::Unseen("Details"),
];

#[component]
pub(super) fn Entries(page: AuditPage, query: AuditQuery) -> impl IntoView {
    if page.entries.is_empty() {
        return view! { <NoEntries query/> }.into_any();
    }
    let rows = page.entries.into_iter().map(|entry| view! { <Entry entry/> }).collect_view();
    let newest = (!query.after.is_empty()).then(|| page_address(&query, None));
    let older = page.next.map(|next| page_address(&query, Some(next)));
    view! {
        <Table columns=&COLUMNS class="audit">{rows}</Table>
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
    let (tone, glyph, word) = outcome(&entry);
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
            <td data-label="Outcome"><Badge tone glyph text=word/></td>
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

/// Colour, sign and word of what came of it. For calls of tools the log keeps their own outcome among the facts, and it says more:
/// a call that somebody stopped did not fail.
fn outcome(entry: &AuditEntry) -> (Tone, Glyph, &'static str) {
    let of_call = entry.changed_fields.iter().find_map(|fact| fact.strip_prefix("outcome="));
    match (entry.outcome, of_call) {
        (AuditOutcome::Ok, _) => (Tone::Ok, Glyph::Check, outcome_word(AuditOutcome::Ok)),
        (AuditOutcome::Denied, _) => (Tone::Warn, Glyph::Lock, outcome_word(AuditOutcome::Denied)),
        (AuditOutcome::Failed, Some("cancelled")) => (Tone::Neutral, Glyph::Stop, "Stopped"),
        (AuditOutcome::Failed, Some("unknown")) => (Tone::Danger, Glyph::Question, "Unknown"),
        (AuditOutcome::Failed, _) => (Tone::Danger, Glyph::Cross, outcome_word(AuditOutcome::Failed)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: &str, facts: &[&str]) -> AuditEntry {
        serde_json::from_value(serde_json::json!({
            "id": api::Uuid::nil(), "time": "2026-01-01T00:00:00Z", "actor_id": null, "actor_name": "", "credential_id": null,
            "address": "", "user_agent": "", "request_id": "", "action": "tool_call.ended", "resource_type": "mcp_server",
            "resource_id": "", "resource_name": "", "outcome": outcome, "changed_fields": facts,
        }))
        .unwrap()
    }

    #[test]
    fn a_call_is_shown_by_its_own_outcome() {
        for (logged, facts, word, tone) in [
            ("ok", &["outcome=ok"][..], "Done", Tone::Ok),
            ("failed", &["chat=c", "outcome=cancelled"], "Stopped", Tone::Neutral),
            ("failed", &["outcome=error"], "Failed", Tone::Danger),
            ("failed", &["outcome=unknown"], "Unknown", Tone::Danger),
            ("denied", &["outcome=denied"], "Denied", Tone::Warn),
            ("denied", &[], "Denied", Tone::Warn),
            ("failed", &["name", "outcomes=cancelled"], "Failed", Tone::Danger),
        ] {
            let (shown_tone, _, shown_word) = outcome(&entry(logged, facts));
            assert_eq!((shown_word, shown_tone), (word, tone), "{facts:?}");
        }
    }
}
