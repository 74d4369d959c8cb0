//! Full-text search over one's own chats: what is looked for, and which part of a text is shown.
//!
//! What a person types is words and nothing else: no sign of it has a meaning to a database.

use crate::limits::{SEARCH_CHARS, SEARCH_WORDS, SNIPPET_CHARS};
use api::search::SnippetPart;

/// The words of a search, in small letters, each of letters and digits alone.
///
/// # Errors
/// What to type instead.
pub fn search_words(text: &str) -> Result<Vec<String>, String> {
    if text.chars().count() > SEARCH_CHARS {
        return Err(format!("Use at most {SEARCH_CHARS} characters."));
    }
    let mut words: Vec<String> = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.truncate(SEARCH_WORDS);
    if words.is_empty() { Err("Type a word to look for.".to_owned()) } else { Ok(words) }
}

/// A piece of `body` around the first place where one of `words` begins a word, with every such place told apart.
pub fn snippet(body: &str, words: &[String]) -> Vec<SnippetPart> {
    let hits = hits(body, words);
    let first = hits.first().map_or(0, |hit| hit.0);
    // A third of the piece stands before the first hit.
    let before = SNIPPET_CHARS / 3;
    let start = body[..first].char_indices().rev().take(before).last().map_or(first, |(at, _)| at);
    let end = body[start..].char_indices().nth(SNIPPET_CHARS).map_or(body.len(), |(at, _)| start + at);
    let mut parts = Vec::new();
    let mut push = |text: &str, hit: bool| {
        if !text.is_empty() {
            let text = crate::text::neutralise(text).replace(['\n', '\t'], " ");
            parts.push(SnippetPart { text, hit });
        }
    };
    let mut at = start;
    if start > 0 {
        push("…", false);
    }
    for (from, to) in hits.into_iter().filter(|(from, to)| *from >= start && *to <= end) {
        push(&body[at..from], false);
        push(&body[from..to], true);
        at = to;
    }
    push(&body[at..end], false);
    if end < body.len() {
        push("…", false);
    }
    parts
}

/// The words of `body` that begin with one of `words`: from and to, in bytes.
fn hits(body: &str, words: &[String]) -> Vec<(usize, usize)> {
    let mut hits = Vec::new();
    let mut start = None;
    let ends = body.char_indices().map(Some).chain([None]);
    for step in ends {
        let inside = step.is_some_and(|(_, c)| c.is_alphanumeric());
        match (start, step) {
            (None, Some((at, _))) if inside => start = Some(at),
            (Some(from), _) if !inside => {
                let to = step.map_or(body.len(), |(at, _)| at);
                let word = body[from..to].to_lowercase();
                if words.iter().any(|wanted| word.starts_with(wanted.as_str())) {
                    hits.push((from, to));
                }
                start = None;
            }
            _ => {}
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(body: &str, looked_for: &str) -> String {
        let parts = snippet(body, &search_words(looked_for).unwrap());
        parts
            .iter()
            .map(|part| if part.hit { format!("[{}]", part.text) } else { part.text.clone() })
            .collect()
    }

    #[test]
    fn a_search_is_words_and_nothing_else() {
        for (text, words) in [
            ("Lease epochs", vec!["lease", "epochs"]),
            ("\"lease\" AND -epoch* NEAR(x)", vec!["lease", "and", "epoch", "near", "x"]),
            ("body:a & !b | c:*", vec!["body", "a", "b", "c"]),
            ("Äpfel äpfel", vec!["äpfel"]),
        ] {
            assert_eq!(search_words(text).unwrap(), words, "{text}");
        }
        for text in ["", "  ", "*\"'!&|():<->"] {
            assert!(search_words(text).is_err(), "{text}");
        }
        assert!(search_words(&"x".repeat(SEARCH_CHARS + 1)).is_err());
        let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        assert_eq!(search_words(&many.join(" ")).unwrap().len(), SEARCH_WORDS);
    }

    #[test]
    fn the_place_is_shown_with_its_marks() {
        assert_eq!(shown("The lease has an epoch.", "epoch LEASE"), "The [lease] has an [epoch].");
        assert_eq!(shown("Leases, not releases", "lease"), "[Leases], not releases");
        assert_eq!(shown("nothing of it", "lease"), "nothing of it");
        assert_eq!(shown("<b>lease</b>\nnext", "lease"), "<b>[lease]</b> next");
        let long = format!("{}lease{}", "word ".repeat(100), " tail".repeat(100));
        let found = shown(&long, "lease");
        assert!(found.starts_with("…") && found.ends_with('…') && found.contains("[lease]"), "{found}");
        assert!(found.chars().count() <= SNIPPET_CHARS + 4, "{found}");
    }

    proptest! {
        #[test]
        fn any_text_is_survived(body in "\\PC{0,300}", text in "\\PC{0,60}") {
            if let Ok(words) = search_words(&text) {
                prop_assert!(words.iter().all(|word| word.chars().any(char::is_alphanumeric)));
                let parts = snippet(&body, &words);
                let length: usize = parts.iter().map(|part| part.text.chars().count()).sum();
                prop_assert!(length <= SNIPPET_CHARS + 2);
            }
        }
    }
}
