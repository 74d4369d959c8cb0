//! A conversation as plain text, for a title or a summary (behaviour 24). What it is made of is what the model saw; nothing is added.

use domain::text::{cut_bytes, human_bytes};
use llm::PromptMessage;

/// Bytes of one message.
const SAID: usize = 16 * 1024;
/// Bytes of the arguments of one call.
const ARGUMENTS: usize = 1024;
/// Bytes of one result.
const RESULT: usize = 4 * 1024;

/// The conversation in at most `budget` bytes. Its first message, which is the wish or an earlier summary, stays in any case; of the
/// others the oldest give way.
pub(crate) fn digest(prompt: &[PromptMessage], budget: usize) -> String {
    let Some((first, rest)) = prompt.split_first() else { return String::new() };
    let first = cut_bytes(&entry(first), budget / 2).into_owned();
    let mut left = budget.saturating_sub(first.len());
    let mut newest = Vec::new();
    for message in rest.iter().rev() {
        let entry = entry(message);
        if entry.len() + 1 > left {
            break;
        }
        left -= entry.len() + 1;
        newest.push(entry);
    }
    let mut text = first;
    let dropped = rest.len() - newest.len();
    if dropped > 0 {
        text.push_str(&format!("\n[{dropped} messages left out here]"));
    }
    for entry in newest.iter().rev() {
        text.push('\n');
        text.push_str(entry);
    }
    text
}

fn entry(message: &PromptMessage) -> String {
    match message {
        PromptMessage::User { text } => format!("User: {}", cut_bytes(text, SAID)),
        PromptMessage::UserImage { media_type, .. } => format!("User: (a picture, {media_type})"),
        PromptMessage::Assistant { text, tool_calls } => {
            let mut entry =
                if text.is_empty() { String::new() } else { format!("Assistant: {}", cut_bytes(text, SAID)) };
            for call in tool_calls {
                if !entry.is_empty() {
                    entry.push('\n');
                }
                entry.push_str(&format!(
                    "The assistant called {} with {}",
                    call.name,
                    cut_bytes(&call.arguments, ARGUMENTS)
                ));
            }
            entry
        }
        PromptMessage::Tool { name, text, is_error, .. } => {
            let how = if *is_error { "failed" } else { "answered" };
            let size =
                if text.len() > RESULT { format!(" ({})", human_bytes(text.len())) } else { String::new() };
            format!("{name} {how}{size}: {}", cut_bytes(text, RESULT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> PromptMessage {
        PromptMessage::User { text: text.to_owned() }
    }

    #[test]
    fn who_said_what_stands_in_order_and_the_oldest_give_way() {
        let prompt = vec![
            user("the wish"),
            PromptMessage::Assistant {
                text: String::new(),
                tool_calls: vec![llm::PromptToolCall {
                    id: "1".to_owned(),
                    name: "s__t".to_owned(),
                    arguments: "{}".to_owned(),
                }],
            },
            PromptMessage::Tool {
                tool_call_id: "1".to_owned(),
                name: "s__t".to_owned(),
                text: "x".repeat(9000),
                is_error: true,
            },
            user("and then?"),
        ];
        let whole = digest(&prompt, 100_000);
        assert!(
            whole
                .starts_with("User: the wish\nThe assistant called s__t with {}\ns__t failed (8.7 KiB): xxx"),
            "{whole}"
        );
        assert!(whole.ends_with("…\nUser: and then?") && whole.len() < 5000, "{whole}");
        let short = digest(&prompt, 60);
        assert_eq!(short, "User: the wish\n[2 messages left out here]\nUser: and then?");
        assert_eq!(digest(&[], 10), "");
        assert!(digest(&[user(&"y".repeat(500))], 100).len() <= 50);
    }
}
