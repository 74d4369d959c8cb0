//! One tool: what it is called, how it stands, what the server claims of it, and what changed.

use super::{
    Catalogue,
    accept::AcceptButton,
    definition::Definition,
    diff::DiffList,
    state::{StateBadges, is_new, to_review},
};
use crate::components::{Badge, Glyph, RelativeTime, Tone};
use api::tools::{ServerTool, ToolClaims, ToolState};
use domain::text::{hex, quote, reveal};
use leptos::prelude::*;

/// Characters of a name in the label of a button.
const NAME_CHARS: usize = 80;

/// Drawn anew when this tool changes, and only then.
#[component]
pub(super) fn ToolRow(catalogue: Catalogue, name: String) -> impl IntoView {
    // A tool that has just gone keeps its last value until its element is taken away.
    let tool = Memo::new(move |last: Option<&Option<ServerTool>>| {
        let found = catalogue.tools.with(|tools| tools.iter().find(|tool| tool.name == name).cloned());
        found.or_else(|| last.cloned().flatten())
    });
    move || tool.get().map(|tool| view! { <ToolCard catalogue tool/> })
}

/// The id of a tool's card.
pub(super) fn card_id(name: &str) -> String {
    format!("tool-{}", hex(name.as_bytes()))
}

/// The name as it stands in sentences and labels.
pub(super) fn spoken(name: &str) -> String {
    quote(&reveal(name), NAME_CHARS)
}

#[component]
pub(super) fn ToolCard(catalogue: Catalogue, tool: ServerTool) -> impl IntoView {
    let (review, new) = (to_review(&tool), is_new(&tool));
    let subject = tool.clone();
    let try_it = move |_| {
        catalogue.trying.set(Some(subject.clone()));
        catalogue.dialog.set(true);
    };
    // Attributes are read after the children have taken the tool.
    let (id, state) = (card_id(&tool.name), state_word(tool.state));
    let writes = catalogue.writes && tool.gone_since.is_none();
    let reason = (!tool.allowed && !tool.reason.is_empty()).then(|| tool.reason.clone());
    let lint = tool.lint.iter().map(|finding| {
        view! { <p class="note-warn" dir="auto">{reveal(finding).into_owned()}</p> }
    });
    view! {
        <li class="tool-card" id=id tabindex="-1" data-testid="tool" data-state=state>
            <div class="tool-card-head">
                <div class="min-w-0">
                    <h2 class="tool-card-name">
                        <code class="tool-name">{reveal(&tool.name).into_owned()}</code>
                        {(!tool.title.is_empty()).then(|| view! { <span class="tool-title" dir="auto">{reveal(&tool.title).into_owned()}</span> })}
                    </h2>
                    <p class="field-hint">"The model sees " <code>{reveal(&tool.exposed_name).into_owned()}</code></p>
                </div>
                <div class="badges">
                    <StateBadges state=tool.state is_new=new/>
                    {(!tool.allowed).then(|| view! { <Badge glyph=Glyph::Cross text="Not allowed"/> })}
                    {tool.gone_since.is_some().then(|| view! { <Badge tone=Tone::Warn glyph=Glyph::Warn text="Gone"/> })}
                </div>
                {writes.then(|| view! {
                    <div class="btn-row">
                        {review.then(|| view! { <AcceptButton catalogue tool=tool.clone()/> })}
                        <button type="button" class="btn btn-small" aria-label=format!("Try {}", spoken(&tool.name)) on:click=try_it>"Try"</button>
                    </div>
                })}
            </div>
            {(!tool.description.is_empty()).then(|| view! { <p class="tool-about" dir="auto">{reveal(&tool.description).into_owned()}</p> })}
            {reason.map(|reason| view! { <p class="field-hint" dir="auto">{reveal(&reason).into_owned()}</p> })}
            {lint.collect_view()}
            <Claims claims=tool.claims/>
            {tool.gone_since.map(|at| view! { <p class="field-hint">"Not listed any more since " <RelativeTime at/>"."</p> })}
            {review.then(|| view! { <p class="field-hint">{first_seen(new)} <RelativeTime at=tool.first_seen_at/>"."</p> })}
            {tool.diff.clone().filter(|_| tool.state != ToolState::Accepted).map(|diff| view! { <DiffList diff/> })}
            <Definition tool/>
        </li>
    }
}

/// Value of `data-state`.
fn state_word(state: ToolState) -> &'static str {
    match state {
        ToolState::Accepted => "accepted",
        ToolState::New => "new",
        ToolState::Changed => "changed",
        ToolState::Held => "held",
    }
}

fn first_seen(new: bool) -> &'static str {
    if new { "This tool was listed first " } else { "This definition was listed first " }
}

/// What the server says of the tool. It decides nothing, so it looks like nothing that does.
#[component]
fn Claims(claims: ToolClaims) -> impl IntoView {
    let words = claim_words(claims);
    (!words.is_empty()).then(|| {
        let chips = words.into_iter().map(|word| view! { <li class="claim">{word}</li> }).collect_view();
        view! {
            <div class="claims" title="Said by the server. Nothing is decided by it.">
                <span class="field-hint">"Claimed"</span>
                <ul class="claims-list" aria-label="Claimed by the server">{chips}</ul>
            </div>
        }
    })
}

fn claim_words(claims: ToolClaims) -> Vec<&'static str> {
    let word = |claim: Option<bool>, yes, no| claim.map(|claim| if claim { yes } else { no });
    [
        word(claims.read_only, "reads only", "changes things"),
        word(claims.destructive, "destructive", "not destructive"),
        word(claims.idempotent, "idempotent", "not idempotent"),
        word(claims.open_world, "reaches the outside", "stays within"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_claimed_is_not_said() {
        assert!(claim_words(ToolClaims::default()).is_empty());
        let claims = ToolClaims { read_only: Some(false), open_world: Some(true), ..ToolClaims::default() };
        assert_eq!(claim_words(claims), ["changes things", "reaches the outside"]);
    }

    #[test]
    fn an_id_is_one_whatever_the_name() {
        assert_eq!(card_id("a b\"#"), "tool-6120622223");
    }
}
