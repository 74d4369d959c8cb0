//! What a discovery found: the provider, what would change, who has to connect again, what was asked.

use super::{
    super::save::users_have,
    facts::{Audience, Endpoints, Guessed, ScopesFact},
};
use crate::{
    components::{CandidateList, Notice, Tone},
    pages::admin::servers::{
        changes::{Change, shown},
        words::registration_label,
    },
};
use api::oauth::{Discovery, FoundProvider};
use leptos::prelude::*;

#[component]
pub(super) fn DiscoveryReport(
    discovery: Discovery,
    /// Of the server.
    url: String,
) -> impl IntoView {
    let Discovery { found, changes, user_tokens, candidates, warnings, .. } = discovery;
    let changed = !changes.is_empty();
    let changes = changes.into_iter().map(|change| view! { <Change change is_new=false/> }).collect_view();
    let warnings = warnings.iter().map(|warning| view! { <li>{shown(warning)}</li> }).collect::<Vec<_>>();
    let asked = candidates.len();
    view! {
        <div class="stack" data-testid="discovery-report">
            <Provider found url/>
            <section class="stack-tight">
                <h3 class="field-label">"What changes"</h3>
                {if changed {
                    view! { <dl class="import-changes fact-columns">{changes}</dl> }.into_any()
                } else {
                    view! { <p class="field-hint">"Nothing: it is stored like this already."</p> }.into_any()
                }}
                {changed.then(|| if user_tokens > 0 {
                    view! { <Notice tone=Tone::Warn><p>{format!("{} to connect again.", users_have(user_tokens))}</p></Notice> }.into_any()
                } else {
                    view! { <p class="field-hint">"Nobody has to connect again."</p> }.into_any()
                })}
            </section>
            {(!warnings.is_empty()).then(|| view! {
                <Notice tone=Tone::Warn title="Worth knowing">
                    <ul class="notice-list">{warnings}</ul>
                </Notice>
            })}
            <details class="fold">
                <summary>{format!("What was asked ({asked})")}</summary>
                <CandidateList candidates/>
            </details>
        </div>
    }
}

#[component]
fn Provider(found: FoundProvider, url: String) -> impl IntoView {
    let client = registration_plan(&found.registration);
    view! {
        {found.guessed.then(|| view! { <Guessed/> })}
        <dl class="fact-rows">
            <dt>"Issuer"</dt>
            <dd><code>{shown(&found.issuer)}</code></dd>
            <dt>"Client"</dt>
            <dd><span>{client}</span></dd>
            <Audience resource=found.resource url/>
            <ScopesFact scopes=found.scopes source=found.scopes_source/>
            <Endpoints issuer=found.issuer auth_url=found.auth_url token_url=found.token_url revocation_url=found.revocation_url/>
        </dl>
    }
}

/// How Patchbay would come to its client.
fn registration_plan(registration: &str) -> &'static str {
    match registration {
        "" => "Has to be made at the provider by hand",
        other => registration_label(other).unwrap_or("Made in a way this page does not know"),
    }
}
