//! What the demo model answers besides conversations: the beginning as a title, the first lines as a summary. No AI, and the same
//! answer to the same text every time.

use crate::tasks::Task;

/// Characters of a title.
const TITLE_CHARS: usize = 60;
/// Entries of a summary, the oldest and the newest, and characters of each.
const FIRST: usize = 4;
const LAST: usize = 8;
const ENTRY_CHARS: usize = 160;
/// How the text marks who speaks.
const USER: &str = "User: ";
/// Said before a wish, and no part of it.
const POLITE: [&str; 4] = ["please ", "could you ", "can you ", "would you "];

pub(super) fn answer(task: Task, text: &str) -> String {
    match task {
        Task::Title => title(text),
        Task::Summary => summary(text),
    }
}

fn title(text: &str) -> String {
    let said = text.lines().find_map(|line| line.strip_prefix(USER)).unwrap_or(text);
    let mut wish = said.trim();
    while let Some(rest) = POLITE.iter().find_map(|polite| without(wish, polite)) {
        wish = rest.trim_start();
    }
    let mut title: String = wish.chars().take(TITLE_CHARS).collect();
    if title.len() < wish.len()
        && let Some((whole, _)) = title.rsplit_once(' ')
    {
        title = whole.to_owned();
    }
    let mut chars = title.chars();
    chars.next().map_or_else(|| "New chat".to_owned(), |first| first.to_uppercase().chain(chars).collect())
}

fn without<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
}

fn summary(text: &str) -> String {
    let entries: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut lines =
        vec!["Demo model, not an AI: the first and last lines of what was said so far.".to_owned()];
    for (at, entry) in entries.iter().enumerate() {
        if at >= FIRST && at + LAST < entries.len() {
            if at == FIRST {
                lines.push(format!("- ({} lines left out)", entries.len() - FIRST - LAST));
            }
            continue;
        }
        let short: String = entry.chars().take(ENTRY_CHARS).collect();
        let more = if short.len() < entry.len() { "\u{2026}" } else { "" };
        lines.push(format!("- {short}{more}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_wish() {
        for (text, expected) in [
            ("User: Tell me a long story\nAssistant: No.", "Tell me a long story"),
            ("User: could you please search the docs", "Search the docs"),
            ("User: \u{e4}pfel", "\u{c4}pfel"),
            ("", "New chat"),
        ] {
            assert_eq!(answer(Task::Title, text), expected, "{text}");
        }
        let long = answer(Task::Title, &format!("User: {}", "word ".repeat(40)));
        assert!(long.chars().count() <= TITLE_CHARS && long.ends_with("word"), "{long}");
    }

    #[test]
    fn a_summary_has_the_ends() {
        let text: String = (0..40).map(|n| format!("User: line {n}\n")).collect();
        let summary = answer(Task::Summary, &text);
        assert!(summary.contains("- User: line 0\n") && summary.ends_with("- User: line 39"), "{summary}");
        assert!(summary.contains("(28 lines left out)") && !summary.contains("line 20"), "{summary}");
        assert_eq!(summary, answer(Task::Summary, &text));
    }
}
