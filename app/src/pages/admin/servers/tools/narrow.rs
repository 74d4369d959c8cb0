//! Which tools are shown: by state, and by words.

use super::{
    Catalogue,
    state::{is_changed, is_new, to_review},
};
use crate::components::{Glyph, Icon};
use api::tools::{ServerTool, ToolState};
use leptos::prelude::*;

/// Tools of one state, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    All,
    Review,
    Accepted,
    New,
    Changed,
    Held,
    NotAllowed,
    Gone,
}

impl Show {
    pub(super) const ALL: [Show; 8] = [
        Self::All,
        Self::Review,
        Self::New,
        Self::Changed,
        Self::Held,
        Self::Accepted,
        Self::NotAllowed,
        Self::Gone,
    ];

    /// From `?show=`, as other pages link here; anything unknown shows all.
    pub(super) fn parse(text: &str) -> Self {
        if text == "review" { Self::Review } else { Self::All }
    }

    fn label(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Review => "To review",
            Self::Accepted => "Accepted",
            Self::New => "New",
            Self::Changed => "Changed",
            Self::Held => "Held back",
            Self::NotAllowed => "Not allowed",
            Self::Gone => "Gone",
        }
    }

    pub(super) fn lets(self, tool: &ServerTool) -> bool {
        match self {
            Self::All => true,
            Self::Review => to_review(tool),
            Self::Accepted => tool.state == ToolState::Accepted,
            Self::New => is_new(tool),
            Self::Changed => is_changed(tool),
            Self::Held => tool.state == ToolState::Held,
            Self::NotAllowed => !tool.allowed,
            Self::Gone => tool.gone_since.is_some(),
        }
    }
}

/// The filter as it is set; survives that the list is read again.
#[derive(Clone, Copy)]
pub(super) struct Narrowing {
    show: RwSignal<Show>,
    words: RwSignal<String>,
}

/// The filter at one moment.
pub(super) struct Wanted {
    pub(super) show: Show,
    pub(super) words: Vec<String>,
}

impl Narrowing {
    pub(super) fn new(show: Show) -> Self {
        Self { show: RwSignal::new(show), words: RwSignal::default() }
    }

    /// Tracks.
    pub(super) fn get(self) -> Wanted {
        let words = self.words.with(|words| words.split_whitespace().map(str::to_lowercase).collect());
        Wanted { show: self.show.get(), words }
    }
}

impl Wanted {
    pub(super) fn lets(&self, tool: &ServerTool) -> bool {
        if !self.show.lets(tool) {
            return false;
        }
        let texts =
            [&tool.name, &tool.exposed_name, &tool.title, &tool.description].map(|text| text.to_lowercase());
        self.words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

/// "12 tools, 2 to review".
pub(super) fn count_line(tools: &[ServerTool]) -> String {
    let there = tools.iter().filter(|tool| tool.gone_since.is_none()).count();
    let mut line = if there == 1 { "1 tool".to_owned() } else { format!("{there} tools") };
    let (review, gone) = (tools.iter().filter(|tool| to_review(tool)).count(), tools.len() - there);
    for (count, word) in [(review, "to review"), (gone, "gone")] {
        if count > 0 {
            line.push_str(&format!(", {count} {word}"));
        }
    }
    line
}

/// The search and a chip for each state that occurs.
#[component]
pub(super) fn ToolFilters(catalogue: Catalogue) -> impl IntoView {
    let Narrowing { show, words } = catalogue.narrowing;
    let chips = Show::ALL.map(|choice| {
        let count = Memo::new(move |_| {
            catalogue.tools.with(|tools| tools.iter().filter(|tool| choice.lets(tool)).count())
        });
        // The chosen one stays, also when accepting has emptied it.
        let offered = move || choice == Show::All || count.get() > 0 || show.get() == choice;
        view! {
            <Show when=offered>
                <button
                    type="button"
                    class="chip"
                    aria-pressed=move || if show.get() == choice { "true" } else { "false" }
                    on:click=move |_| show.set(choice)
                >
                    {choice.label()}" "<span class="chip-count">{move || count.get()}</span>
                </button>
            </Show>
        }
    });
    view! {
        <div class="table-tools">
            <label class="search">
                <Icon glyph=Glyph::Search/>
                <span class="sr-only">"Search tools"</span>
                <input
                    type="search"
                    class="input"
                    placeholder="Search name or description"
                    maxlength="128"
                    prop:value=move || words.get()
                    on:input=move |event| words.set(event_target_value(&event))
                />
            </label>
        </div>
        <div class="chips" role="group" aria-label="Filter by state">{chips.collect_view()}</div>
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use serde_json::json;

    #[test]
    fn the_count_says_what_waits() {
        let tool = |over| sample::tool("echo", over);
        assert_eq!(count_line(&[tool(json!({}))]), "1 tool");
        let gone = json!({"state": "new", "gone_since": "2026-01-01T00:00:00Z"});
        let many =
            [json!({}), json!({"state": "held"}), json!({"state": "changed"}), json!({"state": "new"}), gone];
        assert_eq!(count_line(&many.map(tool)), "4 tools, 3 to review, 1 gone");
    }

    #[test]
    fn states_and_words_narrow_together() {
        let held =
            sample::tool("create_issue", json!({"state": "held", "description": "Opens a ticket in Größe"}));
        let lets = |show, words: &str| {
            Wanted { show, words: words.split_whitespace().map(str::to_lowercase).collect() }.lets(&held)
        };
        assert!(lets(Show::All, "") && lets(Show::Review, "ticket ISSUE") && lets(Show::Held, "größe"));
        assert!(
            !lets(Show::Held, "ticket other") && !lets(Show::Changed, "") && !lets(Show::Accepted, "ticket")
        );
        assert!(lets(Show::New, ""), "its badge says so beside that it is held back");
    }

    #[test]
    fn the_link_of_the_health_page_shows_what_waits() {
        assert_eq!(
            (Show::parse("review"), Show::parse("<b>"), Show::parse("")),
            (Show::Review, Show::All, Show::All)
        );
    }
}
