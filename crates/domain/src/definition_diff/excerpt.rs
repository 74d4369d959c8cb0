//! Both sides of a change, no longer than needed to see it.

use crate::{
    limits::DIFF_TEXT_CHARS,
    text::{CUT_MARKER, cut_chars, reveal},
};
use serde_json::Value;

/// Characters kept before the first difference of two long texts.
const CONTEXT_CHARS: usize = 40;

pub(super) fn of(before: Option<&Value>, after: Option<&Value>) -> (Option<String>, Option<String>) {
    let (before, after) = (before.map(written), after.map(written));
    match (before, after) {
        (Some(before), Some(after)) => {
            let (before, after) = differing(&before, &after);
            (Some(reveal(&before).into_owned()), Some(reveal(&after).into_owned()))
        }
        (before, after) => (before.map(|text| shortened(&text)), after.map(|text| shortened(&text))),
    }
}

/// A text as it is; anything else as JSON.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shortened(text: &str) -> String {
    reveal(&cut_chars(text, DIFF_TEXT_CHARS)).into_owned()
}

/// Two texts without the long parts at both ends that they share.
fn differing(before: &str, after: &str) -> (String, String) {
    let (old, new): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    if old.len() <= DIFF_TEXT_CHARS && new.len() <= DIFF_TEXT_CHARS {
        return (before.to_owned(), after.to_owned());
    }
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let shorter = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(shorter).take_while(|(a, b)| a == b).count();
    let side = |chars: &[char]| {
        let start = same_start.saturating_sub(CONTEXT_CHARS);
        let end = chars.len().min(chars.len() - same_end + CONTEXT_CHARS);
        let mut shown = String::new();
        if start > 0 {
            shown.push_str(CUT_MARKER);
        }
        let room = DIFF_TEXT_CHARS.min(end - start);
        shown.extend(&chars[start..start + room]);
        if start + room < chars.len() {
            shown.push_str(CUT_MARKER);
        }
        shown
    };
    (side(&old), side(&new))
}
