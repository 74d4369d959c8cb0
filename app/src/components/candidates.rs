//! What a discovery asked, address by address: how each answered and which answer was used.

use super::icon::{Glyph, Icon};
use api::oauth::DiscoveryCandidate;
use domain::text::neutralise;
use leptos::prelude::*;

/// In the order they were asked.
#[component]
pub fn CandidateList(candidates: Vec<DiscoveryCandidate>) -> impl IntoView {
    let rows = candidates.into_iter().map(|candidate| view! { <Candidate candidate/> }).collect_view();
    view! { <ol class="candidates" aria-label="What was asked" data-testid="candidates">{rows}</ol> }
}

#[component]
fn Candidate(candidate: DiscoveryCandidate) -> impl IntoView {
    let DiscoveryCandidate { url, what, status, cause, used } = candidate;
    let (glyph, class, word) = if used {
        (Glyph::Check, "candidate tone-ok", "Used")
    } else {
        (Glyph::Cross, "candidate tone-neutral", "Not used")
    };
    let answer = match status {
        Some(status) => format!("{status} · {}", neutralise(&cause)),
        None => neutralise(&cause).into_owned(),
    };
    view! {
        <li class=class>
            <Icon glyph/>
            <div class="min-w-0">
                <code class="candidate-url" dir="ltr">{neutralise(&url).into_owned()}</code>
                <p class="candidate-answer" dir="auto">
                    <strong>{word}</strong>
                    " · "
                    {kind_label(&what)}
                    " · "
                    {answer}
                </p>
            </div>
        </li>
    }
}

fn kind_label(what: &str) -> String {
    match what {
        "probe" => "the server itself",
        "resource_metadata" => "what the server publishes",
        "authorization_server" => "what the provider publishes",
        "registration" => "registration at the provider",
        other => return neutralise(other).into_owned(),
    }
    .to_owned()
}
