//! An issuer that is not the one that was asked for (protocol.md 14.3): both one above the other, with what differs marked.

use api::ErrorBody;
use domain::text::reveal;
use leptos::prelude::*;

/// Two issuers that ought to be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issuers {
    needed: Parts,
    published: Parts,
    /// Of the first character that differs, from 1.
    place: usize,
}

/// An issuer, cut around what the other one has not. Everything in it is visible.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    before: String,
    differs: String,
    after: String,
}

impl Issuers {
    /// From a failed discovery; None where it failed for another reason.
    pub(super) fn of(body: &ErrorBody) -> Option<Self> {
        let setup = body.manual_setup.as_ref().filter(|setup| !setup.expected_issuer.is_empty())?;
        Self::between(&setup.expected_issuer, &setup.issuer)
    }

    /// None where both are the same.
    fn between(needed: &str, published: &str) -> Option<Self> {
        let (one, other): (Vec<char>, Vec<char>) = (needed.chars().collect(), published.chars().collect());
        let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
        let tails = one[same..].iter().rev().zip(other[same..].iter().rev());
        let same_after = tails.take_while(|(a, b)| a == b).count();
        let parts = |chars: &[char]| {
            let text = |part: &[char]| reveal(&part.iter().collect::<String>()).into_owned();
            let end = chars.len() - same_after;
            Parts {
                before: text(&chars[..same]),
                differs: text(&chars[same..end]),
                after: text(&chars[end..]),
            }
        };
        (one != other).then(|| Self { needed: parts(&one), published: parts(&other), place: same + 1 })
    }

    /// The same for those who do not see the marks.
    fn words(&self) -> String {
        let said = |part: &Parts| match part.differs.as_str() {
            "" => "nothing".to_owned(),
            text => format!("“{text}”"),
        };
        format!(
            "They differ from character {} on: {} is needed there, {} is published.",
            self.place,
            said(&self.needed),
            said(&self.published)
        )
    }
}

#[component]
pub(super) fn IssuerPair(issuers: Issuers) -> impl IntoView {
    let words = issuers.words();
    let line = |label: &'static str, Parts { before, differs, after }: Parts| {
        let class = if differs.is_empty() { "issuer-nothing" } else { "" };
        view! {
            <dt>{label}</dt>
            <dd><code dir="ltr">{before}<mark class=class>{differs}</mark>{after}</code></dd>
        }
    };
    view! {
        <div class="issuers" role="group" aria-label="Two issuers that differ" data-testid="issuers">
            <dl>
                {line("Needed", issuers.needed)}
                {line("Published", issuers.published)}
            </dl>
            <p class="field-hint">{words}</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::oauth::ManualSetup;

    fn body(published: &str, needed: &str) -> ErrorBody {
        let setup = ManualSetup {
            issuer: published.to_owned(),
            expected_issuer: needed.to_owned(),
            ..ManualSetup::default()
        };
        ErrorBody { manual_setup: Some(Box::new(setup)), ..ErrorBody::message("Discovery failed.") }
    }

    fn marked(published: &str, needed: &str) -> [String; 2] {
        let found = Issuers::of(&body(published, needed)).expect("a pair");
        [found.needed, found.published].map(|part| format!("{}[{}]{}", part.before, part.differs, part.after))
    }

    #[test]
    fn what_differs_is_marked_in_both() {
        for (published, needed, marks) in [
            ("https://id.example/", "https://id.example", ["https://id.example[]", "https://id.example[/]"]),
            ("https://ID.example", "https://id.example", ["https://[id].example", "https://[ID].example"]),
            (
                "https://id.example/t",
                "https://id.example:443/t",
                ["https://id.example[:443]/t", "https://id.example[]/t"],
            ),
            ("", "https://id.example", ["[https://id.example]", "[]"]),
            ("aa", "a", ["a[]", "a[a]"]),
            (
                "https://id.ex\u{200b}ample",
                "https://id.example",
                ["https://id.ex[]ample", "https://id.ex[⟨U+200B⟩]ample"],
            ),
        ] {
            assert_eq!(marked(published, needed), marks.map(str::to_owned), "{published}");
        }
    }

    #[test]
    fn other_failures_have_no_pair() {
        assert_eq!(Issuers::of(&ErrorBody::message("Discovery failed: no answer.")), None);
        assert_eq!(Issuers::of(&body("https://id.example", "https://id.example")), None);
        assert_eq!(Issuers::of(&body("https://id.example", "")), None, "nothing was needed");
    }

    #[test]
    fn the_marks_are_said_in_words_too() {
        let found = Issuers::of(&body("https://id.example/", "https://id.example")).unwrap();
        let words = "They differ from character 19 on: nothing is needed there, “/” is published.";
        assert_eq!(found.words(), words);
    }
}
