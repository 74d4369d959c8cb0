//! Titles of chats (behaviour 24): of the first prompt at once, then of a model; never one that a person would not read as a title.

use crate::{
    limits::TITLE_CHARS,
    text::{CUT_MARKER, is_invisible, is_line_break, visible},
};

/// The title until a better one is generated: the first line with text of the prompt, cut at a word, at most 80 characters.
pub fn title_from_prompt(text: &str) -> String {
    let line = first_line(text);
    if line.is_empty() {
        return "New chat".to_owned();
    }
    cut_at_word(line)
}

/// A model's answer as a title: its first line with text, without marks of Markdown, quotation marks around it, a label such as
/// `Title:` and the full stop at its end; nothing invisible, at most 80 characters. `None` when nothing is left that can be read.
pub fn title_from_model(answer: &str) -> Option<String> {
    let mut line = first_line(answer);
    // Joiners and the sign that makes a picture of a character stay: words and pictures need them.
    let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}');
    line.retain(|c| (!is_invisible(c) || joins(c)) && !matches!(c, '*' | '`'));
    let mut title = line.as_str();
    // Labels and marks come in any order and more than once: `**Title: "A"**`.
    loop {
        let before = title;
        title = title
            .trim()
            .trim_matches(['_', '#', '"', '\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}']);
        title = match title.get(..6) {
            Some(label) if label.eq_ignore_ascii_case("title:") => &title[6..],
            _ => title,
        };
        title = title.trim_end_matches(['.', ',', ';', ':']).trim();
        if title == before {
            break;
        }
    }
    title.chars().any(char::is_alphanumeric).then(|| cut_at_word(title.to_owned()))
}

/// The first line with text, its blanks made single, its control characters visible.
fn first_line(text: &str) -> String {
    let line = text.split(is_line_break).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().map(visible).collect()
}

fn cut_at_word(line: String) -> String {
    if line.chars().count() <= TITLE_CHARS {
        return line;
    }
    let head: String = line.chars().take(TITLE_CHARS - 1).collect();
    let next_is_blank = line.chars().nth(TITLE_CHARS - 1) == Some(' ');
    // A single endless word (a URL, or a language without blanks) is cut anywhere.
    let at_word = if next_is_blank { None } else { head.rfind(' ').filter(|at| *at >= head.len() / 2) };
    format!("{}{CUT_MARKER}", head[..at_word.unwrap_or(head.len())].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn titles_of_prompts() {
        for (prompt, title) in [
            ("Fix the flaky login test", "Fix the flaky login test"),
            ("\n\n  First line\nsecond", "First line"),
            ("a\tb   c", "a b c"),
            ("", "New chat"),
            (" \r\n \u{2028}", "New chat"),
            ("bell\u{7}", "bell␇"),
        ] {
            assert_eq!(title_from_prompt(prompt), title);
        }
        let words = "word ".repeat(40);
        let title = title_from_prompt(&words);
        assert!(title.ends_with("word…") && title.chars().count() <= 80, "{title}");
        assert_eq!(title_from_prompt(&"日".repeat(200)).chars().count(), 80);
        let exact = format!("{} tail", "x".repeat(79));
        assert_eq!(title_from_prompt(&exact), format!("{}…", "x".repeat(79)));
    }

    #[test]
    fn titles_of_models_are_plain() {
        for (answer, title) in [
            ("Lease epochs in the docs", Some("Lease epochs in the docs")),
            ("Title: \"Flaky login test\".", Some("Flaky login test")),
            ("**Title: Flaky login test**\n\nHere is why", Some("Flaky login test")),
            ("# \u{201c}What is a lease?\u{201d}", Some("What is a lease?")),
            ("\n\n `cargo test` fails ", Some("cargo test fails")),
            ("pass\u{200b}word\u{202e}", Some("password\u{fffd}")),
            ("<b>bold</b>", Some("<b>bold</b>")),
            ("ti\u{e0001}tle", Some("title")),
            ("Title:", None),
            ("...", None),
            ("", None),
            ("\u{200b}\u{200d}", None),
        ] {
            assert_eq!(title_from_model(answer).as_deref(), title, "{answer:?}");
        }
        assert!(title_from_model(&"word ".repeat(90)).unwrap().chars().count() <= 80);
    }

    proptest! {
        #[test]
        fn titles_of_models_are_one_bounded_line(answer in "(\\PC|[\\x00-\\x20]){0,200}") {
            if let Some(title) = title_from_model(&answer) {
                prop_assert!(title.chars().count() <= TITLE_CHARS && !title.trim().is_empty());
                let is_hidden = |c: char| c.is_control() || is_line_break(c) || c == '\u{200b}';
                prop_assert!(!title.chars().any(is_hidden));
            }
        }

        #[test]
        fn titles_are_one_bounded_line(prompt in "(\\PC|[\\x00-\\x20]){0,200}") {
            let title = title_from_prompt(&prompt);
            prop_assert!(title.chars().count() <= TITLE_CHARS);
            prop_assert!(!title.is_empty() && !title.chars().any(|c| c.is_control() || is_line_break(c)));
        }
    }
}
