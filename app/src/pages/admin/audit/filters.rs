//! The filters: a plain GET form.

use crate::components::{FieldFrame, Glyph, Icon};
use api::{
    Timestamp, Validation,
    audit::{AuditOutcome, AuditQuery},
};
use leptos::prelude::*;

/// Offered while typing. A dot at the end means everything of an area.
const ACTIONS: [&str; 15] = [
    "server.",
    "provider.",
    "model.",
    "user.",
    "user.update",
    "group.",
    "token.",
    "session.",
    "session.login",
    "tool_call.",
    "keys.",
    "connection.",
    "settings.",
    "access.",
    "audit.",
];
const RESOURCE_TYPES: [&str; 11] = [
    "mcp_server",
    "provider",
    "model",
    "user",
    "group",
    "token",
    "session",
    "setting",
    "encryption_key",
    "sealed_value",
    "audit_log",
];

#[component]
pub(super) fn Filters(query: AuditQuery) -> impl IntoView {
    let problems = domain::audit::check_query(&query).err().unwrap_or_default();
    let filtered = !query.pairs(true).is_empty();
    let outcome = query.outcome.clone();
    let chosen = move |value: &str| outcome == value;
    let options = AuditOutcome::ALL
        .map(|outcome| {
            let value = outcome.as_str();
            view! { <option value=value selected=chosen(value)>{filter_word(outcome)}</option> }
        })
        .collect_view();
    view! {
        <form class="filters" method="get" action="/admin/audit" role="search" aria-label="Filter the log">
            <Filter name="from" label="From (UTC)" kind="datetime-local" value=form_time(&query.from) error=error_of(&problems, "from")/>
            <Filter name="to" label="Before (UTC)" kind="datetime-local" value=form_time(&query.to) error=error_of(&problems, "to")/>
            <Filter name="actor" label="Actor" placeholder="Username or id" value=query.actor error=error_of(&problems, "actor")/>
            <Filter name="action" label="Action" placeholder="server. or server.update" list="audit-actions" value=query.action
                error=error_of(&problems, "action")/>
            <Filter name="resource_type" label="Resource type" placeholder="mcp_server" list="audit-types" value=query.resource_type
                error=error_of(&problems, "resource_type")/>
            <Filter name="resource_id" label="Resource id" value=query.resource_id error=error_of(&problems, "resource_id")/>
            <FieldFrame name="outcome" label="Outcome" error=Signal::stored(error_of(&problems, "outcome"))>
                <select id="f-outcome" name="outcome" class="input select">
                    <option value="">"Any"</option>
                    {options}
                </select>
            </FieldFrame>
            <div class="filters-actions">
                <button type="submit" class="btn btn-primary">
                    <Icon glyph=Glyph::Search/>
                    "Filter"
                </button>
                {filtered.then(|| view! { <a class="btn btn-quiet" href="/admin/audit">"Clear"</a> })}
            </div>
            <datalist id="audit-actions">{suggestions(&ACTIONS)}</datalist>
            <datalist id="audit-types">{suggestions(&RESOURCE_TYPES)}</datalist>
        </form>
    }
}

fn suggestions(values: &'static [&'static str]) -> impl IntoView {
    values.iter().map(|value| view! { <option value=*value></option> }).collect_view()
}

#[component]
fn Filter(
    name: &'static str,
    label: &'static str,
    value: String,
    error: Option<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] placeholder: &'static str,
    /// Id of a list of suggestions.
    #[prop(optional)]
    list: Option<&'static str>,
) -> impl IntoView {
    let invalid = error.is_some().then_some("true");
    let described = error.is_some().then(|| format!("f-{name}-error"));
    view! {
        <FieldFrame name label error=Signal::stored(error)>
            <input
                id=format!("f-{name}")
                name=name
                class="input"
                type=kind
                value=value
                placeholder=placeholder
                list=list
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-invalid=invalid
                aria-describedby=described
            />
        </FieldFrame>
    }
}

fn error_of(problems: &[Validation], field: &str) -> Option<String> {
    problems.iter().find(|problem| problem.field == field).map(|problem| problem.detail.clone())
}

/// What a `datetime-local` control takes: the UTC time without its zone.
fn form_time(time: &str) -> String {
    let utc = Timestamp::parse(time).map(|at| at.to_string());
    utc.and_then(|utc| utc.get(..19).map(str::to_owned)).unwrap_or_default()
}

/// What a filter finds: calls that were stopped and those nobody knows the end of are logged as failed.
fn filter_word(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Failed => "Failed, stopped, unknown",
        other => outcome_word(other),
    }
}

/// How an outcome is called.
pub(super) fn outcome_word(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Ok => "Done",
        AuditOutcome::Denied => "Denied",
        AuditOutcome::Failed => "Failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_shows_times_in_utc() {
        assert_eq!(form_time("2026-11-23T18:43:00+02:00"), "2026-11-23T16:43:00");
        assert_eq!(form_time("2026-11-23T18:43:00.5Z"), "2026-11-23T18:43:00");
        assert_eq!(form_time("yesterday"), "");
    }
}
