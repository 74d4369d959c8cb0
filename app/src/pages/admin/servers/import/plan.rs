//! A plan, entry by entry: what happens, each field before and after, what is wiped, why something is refused.

use crate::{
    components::{Badge, Glyph, Icon, Notice, Tone},
    pages::admin::servers::{
        changes::{Change, FieldName, shown},
        words::field_label,
    },
};
use api::{
    servers::CredentialsCleared,
    transfer::{ImportAction, ImportEntry, ImportPlan},
};
use leptos::prelude::*;

/// The list of entries and what the document holds besides.
#[component]
pub(super) fn PlanView(plan: ImportPlan) -> impl IntoView {
    let applied = plan.applied;
    let entries = plan.entries.into_iter().map(|entry| view! { <Entry entry applied/> }).collect_view();
    let notes = plan.notes;
    view! {
        <ul class="import-plan">{entries}</ul>
        {(!notes.is_empty()).then(|| view! {
            <Notice tone=Tone::Info>
                {notes.into_iter().map(|note| view! { <p>{shown(&note)}</p> }).collect_view()}
            </Notice>
        })}
    }
}

#[component]
fn Entry(entry: ImportEntry, applied: bool) -> impl IntoView {
    let (word, tone, glyph) = outcome(entry.action, applied);
    let is_new = entry.action == ImportAction::Create;
    let name = shown(&entry.name);
    let slug = (entry.slug != entry.name && !entry.slug.is_empty()).then(|| shown(&entry.slug));
    let changes =
        entry.changes.into_iter().map(|change| view! { <Change change is_new/> }).collect::<Vec<_>>();
    let reasons = entry
        .reasons
        .into_iter()
        .map(|reason| view! { <li><FieldName field=reason.field/>": "{shown(&reason.detail)}</li> })
        .collect_view();
    let warnings = wiped(&entry.credentials_cleared)
        .into_iter()
        .chain(entry.notes.iter().map(|note| shown(note)))
        .map(|text| view! { <li class="note-warn"><Icon glyph=Glyph::Warn/><span>{text}</span></li> })
        .collect_view();
    view! {
        <li class="import-entry">
            <div class="import-head">
                <Badge tone glyph text=word/>
                {match entry.server_id {
                    Some(id) => view! { <a class="import-name" dir="auto" href=format!("/admin/servers/{id}")>{name}</a> }.into_any(),
                    None => view! { <strong class="import-name" dir="auto">{name}</strong> }.into_any(),
                }}
                {slug.map(|slug| view! { <span class="server-slug">{slug}</span> })}
            </div>
            {(!changes.is_empty()).then(|| view! { <dl class="import-changes">{changes}</dl> })}
            <ul class="notice-list">{reasons}</ul>
            <ul class="import-notes">{warnings}</ul>
        </li>
    }
}

/// Word, colour and sign of an outcome.
fn outcome(action: ImportAction, applied: bool) -> (&'static str, Tone, Glyph) {
    match (action, applied) {
        (ImportAction::Create, false) => ("Create", Tone::Ok, Glyph::Plus),
        (ImportAction::Create, true) => ("Created", Tone::Ok, Glyph::Check),
        (ImportAction::Update, false) => ("Update", Tone::Accent, Glyph::Pencil),
        (ImportAction::Update, true) => ("Updated", Tone::Ok, Glyph::Check),
        (ImportAction::Unchanged, _) => ("Unchanged", Tone::Neutral, Glyph::Check),
        (ImportAction::Refused, _) => ("Refused", Tone::Danger, Glyph::Cross),
    }
}

/// What an update wipes, as sentences.
fn wiped(cleared: &CredentialsCleared) -> Vec<String> {
    let mut said = Vec::new();
    if !cleared.fields.is_empty() {
        let fields: Vec<&str> = cleared.fields.iter().map(|field| field_label(field)).collect();
        said.push(format!("Wipes what is stored in {}.", fields.join(", ")));
    }
    for (count, what) in [
        (cleared.user_tokens, "connections of users"),
        (cleared.user_header_values, "personal values of users"),
    ] {
        if count > 0 {
            said.push(format!("Removes {count} {what}."));
        }
    }
    said
}
