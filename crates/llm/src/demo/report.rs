//! What the demo model says.

use super::intent;
use crate::{
    PromptMessage, ToolSpec,
    limits::{DEMO_RESULT, DEMO_RESULT_LINES, DEMO_RESULTS},
};
use serde_json::Value;

/// Words that are named as the reason of a choice.
const WORDS_NAMED: usize = 4;

/// Why this tool is called.
pub(super) fn choice(tool: &ToolSpec, shared: &[String]) -> String {
    let words: Vec<String> =
        shared.iter().take(WORDS_NAMED).map(|word| format!("*{}*", word.replace(['*', '_'], " "))).collect();
    let fit = if words.len() == 1 { "Your word" } else { "Your words" };
    let verb = if words.len() == 1 { "matches" } else { "match" };
    format!(
        "I am the demo model, not an AI. {fit} {} {verb} the tool `{}`, so I call it.",
        words.join(", "),
        code(&tool.name)
    )
}

/// What to try when no tool fits.
pub(super) fn nothing_fits(tools: &[ToolSpec]) -> String {
    let me = "I am the demo model, not an AI: I only match your words with the tools of this chat";
    let Some(tool) = tools.first() else {
        return format!(
            "{me}, and there are none. Select a server with tools below the message box, then say what to do."
        );
    };
    let example = intent::request(tool);
    let names: Vec<String> = tools.iter().take(3).map(|tool| format!("`{}`", code(&tool.name))).collect();
    let more = if tools.len() > names.len() { " and others" } else { "" };
    format!(
        "{me}. Try a message that says what one of them does ({}{more}), for example \u{201c}{example}\u{201d}.",
        names.join(", ")
    )
}

/// What came of the calls among `messages`.
pub(super) fn results(messages: &[PromptMessage]) -> String {
    let results: Vec<(&str, &str, bool)> = messages
        .iter()
        .filter_map(|message| match message {
            PromptMessage::Tool { name, text, is_error, .. } => {
                Some((name.as_str(), text.as_str(), *is_error))
            }
            _ => None,
        })
        .collect();
    let mut parts: Vec<String> =
        results.iter().take(DEMO_RESULTS).map(|(name, text, error)| result(name, text, *error)).collect();
    if results.len() > DEMO_RESULTS {
        parts.push(format!("{} more results stand above.", results.len() - DEMO_RESULTS));
    }
    parts.push("*Demo model, not an AI: this is the result as it came, unread.*".to_owned());
    parts.join("\n\n")
}

fn result(name: &str, text: &str, is_error: bool) -> String {
    let name = code(name);
    let text = readable(text.trim());
    match (text.is_empty(), is_error) {
        (true, false) => format!("The tool `{name}` answered with an empty result."),
        (true, true) => format!("The tool `{name}` failed and did not say why."),
        (false, true) => format!("The tool `{name}` failed:\n\n{}", quoted(text)),
        (false, false) => format!("The tool `{name}` answered:\n\n{}", shown(text)),
    }
}

/// The text without a last line of JSON: tools that answer for people and for programs say the same twice.
fn readable(text: &str) -> &str {
    match text.rsplit_once('\n') {
        Some((before, last)) if last.starts_with('{') && serde_json::from_str::<Value>(last).is_ok() => {
            before.trim_end()
        }
        _ => text,
    }
}

fn shown(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => {
            let pretty = serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned());
            let (shown, cut) = shortened(&pretty);
            // A fence longer than any inside it.
            let fence = "`".repeat(longest_run(shown).max(2) + 1);
            format!("{fence}json\n{shown}\n{fence}{}", if cut { CUT } else { "" })
        }
        _ => quoted(text),
    }
}

fn quoted(text: &str) -> String {
    let (shown, cut) = shortened(text);
    let lines: Vec<String> = shown.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
    format!("{}{}", lines.join("\n"), if cut { CUT } else { "" })
}

const CUT: &str = "\n\nThe rest is left out here; the whole result stands in the call's details.";

/// The beginning of `text`, and whether something is missing.
fn shortened(text: &str) -> (&str, bool) {
    let by_lines = text.match_indices('\n').nth(DEMO_RESULT_LINES - 1).map_or(text.len(), |(at, _)| at);
    let by_chars = text.char_indices().nth(DEMO_RESULT).map_or(text.len(), |(at, _)| at);
    let end = by_lines.min(by_chars);
    (text[..end].trim_end(), end < text.len())
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Fit to stand between backticks.
fn code(name: &str) -> String {
    name.chars().filter(|c| *c != '`' && !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(text: &str, is_error: bool) -> PromptMessage {
        PromptMessage::Tool {
            tool_call_id: "c".to_owned(),
            name: "x__look".to_owned(),
            text: text.to_owned(),
            is_error,
        }
    }

    #[test]
    fn results_are_quoted_and_errors_said_plainly() {
        let text = results(&[tool("one\n\ntwo", false)]);
        assert!(text.starts_with("The tool `x__look` answered:\n\n> one\n>\n> two\n\n"), "{text}");
        let text = results(&[tool("no such file", true)]);
        assert!(text.starts_with("The tool `x__look` failed:\n\n> no such file\n\n"), "{text}");
        assert!(results(&[tool(" ", false)]).contains("an empty result"));
    }

    #[test]
    fn json_is_laid_out_and_cannot_leave_its_fence() {
        let text = results(&[tool("{\"a\":[1,\"```\"]}", false)]);
        assert!(text.contains("````json\n{\n  \"a\": [\n    1,\n    \"```\"\n  ]\n}\n````"), "{text}");
    }

    #[test]
    fn long_results_are_cut_and_say_so() {
        let long = "ä".repeat(10_000);
        let text = results(&[tool(&long, false)]);
        assert!(text.contains(CUT) && text.chars().filter(|c| *c == 'ä').count() == DEMO_RESULT);
        let lines = "x\n".repeat(500);
        let text = results(&[tool(&lines, false)]);
        assert!(text.contains(CUT) && text.matches("> x").count() == DEMO_RESULT_LINES);
        let many: Vec<_> = (0..20).map(|_| tool("x", false)).collect();
        assert!(results(&many).contains("12 more results"));
    }
}
