//! Where a change is, for machines and for people.

use crate::text::{cut_chars, quote, reveal};

/// Characters of one name in a place.
const NAME_CHARS: usize = 60;
/// Characters of a whole place.
const PLACE_CHARS: usize = 240;

/// The JSON pointer.
pub(super) fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

/// "description", "argument `filter.state`, type", "result field `items[]`", "claim readOnlyHint".
pub(super) fn place(path: &[String]) -> String {
    let words = match path.split_first() {
        Some((root, rest)) if root == "inputSchema" => within("arguments", "argument", rest),
        Some((root, rest)) if root == "outputSchema" => within("result", "result field", rest),
        Some((root, [claim])) if root == "annotations" => format!("claim {}", name(claim)),
        Some((root, rest)) => {
            let steps: Vec<String> = [root].into_iter().chain(rest).map(|step| name(step)).collect();
            steps.join(", ")
        }
        None => String::new(),
    };
    cut_chars(&words, PLACE_CHARS).into_owned()
}

/// Follows `properties` and `items` as far as they go; the rest is said as keywords.
fn within(whole: &str, one: &str, path: &[String]) -> String {
    let (mut field, mut rest) = (String::new(), path);
    loop {
        rest = match rest {
            [keyword, member, after @ ..] if keyword == "properties" => {
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(&name(member));
                after
            }
            [keyword, after @ ..] if keyword == "items" && !field.is_empty() => {
                field.push_str("[]");
                after
            }
            _ => break,
        };
    }
    let start = if field.is_empty() { whole.to_owned() } else { format!("{one} `{field}`") };
    [start].into_iter().chain(rest.iter().map(|step| name(step))).collect::<Vec<_>>().join(", ")
}

fn name(step: &str) -> String {
    quote(&reveal(step), NAME_CHARS)
}
