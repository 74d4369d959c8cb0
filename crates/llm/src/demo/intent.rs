//! The label of a call: a present participle, from the tool's own description and what the message is about.

use super::{rank::local_name, words::words};
use crate::ToolSpec;

/// The longest label, in characters: "under 100" (behaviour 14).
const LONGEST: usize = 99;
/// The part of a label that comes from the description, in characters.
const FROM_DESCRIPTION: usize = 60;

/// "Searching the sample documents: lease epochs".
pub(super) fn label(tool: &ToolSpec, subject: Option<&str>) -> String {
    let doing = phrase(&does(tool), participle);
    let subject = plain(subject.unwrap_or_default());
    let label = if subject.is_empty() { doing } else { format!("{doing}: {subject}") };
    cut(&label, LONGEST)
}

/// What to say so that the tool is called: "Search the sample documents".
pub(super) fn request(tool: &ToolSpec) -> String {
    phrase(&does(tool), base_form)
}

/// What the tool does, in its own words, the verb first.
fn does(tool: &ToolSpec) -> Vec<String> {
    let description = plain(first_clause(&tool.description));
    let mut rest: Vec<&str> = description.split(' ').filter(|word| !word.is_empty()).collect();
    if rest.is_empty() {
        return words(local_name(&tool.name)).into_iter().map(|word| word.text).collect();
    }
    // "A tool that searches …", "This function lists …"
    let lower = |word: &str| word.to_lowercase();
    let noun = rest.iter().take(3).position(|word| NOUNS.contains(&lower(word).as_str()));
    if let Some(at) = noun
        && ARTICLES.contains(&lower(rest[0]).as_str())
    {
        rest.drain(..=at);
        if rest.first().is_some_and(|word| LINKS.contains(&lower(word).as_str())) {
            rest.remove(0);
        }
    }
    // "Searches the docs and returns …": the second verb would need its own participle.
    let third_person = |word: &str| word.len() > 3 && word.ends_with('s') && !word.ends_with("ss");
    if rest.first().is_some_and(|word| third_person(word))
        && let Some(at) = rest.windows(2).position(|two| two[0] == "and" && third_person(two[1]))
    {
        rest.truncate(at);
    }
    rest.into_iter().map(str::to_owned).collect()
}

/// One phrase with the first word in the form that `verb` makes of it, if it can be a verb at all.
fn phrase(words: &[String], verb: fn(&str) -> String) -> String {
    let Some((first, rest)) = words.split_first() else {
        return phrase(&["use".to_owned(), "a tool".to_owned()], verb);
    };
    let (first, rest) = (first.to_lowercase(), rest.join(" "));
    let can_be_verb = first.chars().all(char::is_alphabetic) && !ARTICLES.contains(&first.as_str());
    let text = if can_be_verb {
        format!("{} {rest}", verb(&first))
    } else {
        format!("{} {first} {rest}", verb("use"))
    };
    let text = cut(text.trim(), FROM_DESCRIPTION);
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

const ARTICLES: [&str; 8] = ["a", "an", "the", "this", "these", "that", "tool", "function"];
const NOUNS: [&str; 6] = ["tool", "function", "command", "endpoint", "operation", "action"];
const LINKS: [&str; 6] = ["that", "which", "to", "for", "will", "can"];

/// "search", "searches" to "searching".
fn participle(verb: &str) -> String {
    if !verb.is_ascii() || verb.len() < 2 || verb.ends_with("ing") && verb.len() > 5 {
        return verb.to_owned();
    }
    let base = base_form(verb);
    let bytes = base.as_bytes();
    let vowel = |b: u8| matches!(b, b'a' | b'e' | b'i' | b'o' | b'u');
    if let Some(root) = base.strip_suffix("ie") {
        return format!("{root}ying");
    }
    if base.len() > 2
        && base.ends_with('e')
        && !base.ends_with("ee")
        && !base.ends_with("ye")
        && !base.ends_with("oe")
    {
        return format!("{}ing", &base[..base.len() - 1]);
    }
    // "get", "run", "plan": one syllable of consonant, vowel, consonant.
    let doubles = match bytes {
        [head @ .., a, b, c] => {
            !vowel(*a)
                && vowel(*b)
                && !vowel(*c)
                && !matches!(c, b'w' | b'x' | b'y')
                && !head.iter().any(|h| vowel(*h))
        }
        _ => false,
    };
    match bytes.last() {
        Some(last) if doubles => format!("{base}{}ing", char::from(*last)),
        _ => format!("{base}ing"),
    }
}

/// Without the ending of the third person.
fn base_form(verb: &str) -> String {
    if verb.len() <= 3 {
        return verb.to_owned();
    }
    if let Some(root) = verb.strip_suffix("ies") {
        return format!("{root}y");
    }
    if ["sses", "shes", "ches", "xes", "zzes", "oes"].iter().any(|suffix| verb.ends_with(suffix)) {
        return verb[..verb.len() - 2].to_owned();
    }
    match verb.strip_suffix('s') {
        Some(root) if !root.ends_with(['s', 'u', 'i']) => root.to_owned(),
        _ => verb.to_owned(),
    }
}

/// The beginning of a description, up to its first comma or stop.
pub(super) fn first_clause(text: &str) -> &str {
    let text = text.trim();
    let stop = text.char_indices().find(|(at, c)| match c {
        '\n' | ';' | ':' | '(' | ',' => true,
        // A dot inside a word, as in "example.com", ends no sentence.
        '.' | '!' | '?' => text[at + 1..].chars().next().is_none_or(char::is_whitespace),
        _ => false,
    });
    &text[..stop.map_or(text.len(), |(at, _)| at)]
}

/// One line without underscores, marks and control characters.
fn plain(text: &str) -> String {
    let kept: String = text
        .chars()
        .map(|c| if c.is_control() || matches!(c, '_' | '`' | '*' | '"') { ' ' } else { c })
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `max` characters, whole words where that leaves enough.
fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let head: String = text.chars().take(max - 1).collect();
    let end = head.rfind(' ').filter(|at| *at > head.len() / 2).unwrap_or(head.len());
    format!("{}\u{2026}", head[..end].trim_end_matches([' ', ',', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn labelled(name: &str, description: &str, subject: &str) -> String {
        let tool = ToolSpec {
            name: name.to_owned(),
            description: description.to_owned(),
            parameters: Arc::new(json!({})),
        };
        label(&tool, (!subject.is_empty()).then_some(subject))
    }

    #[test]
    fn labels_are_present_participles() {
        for (description, subject, label) in [
            (
                "Search the sample documents. Returns hits.",
                "lease epochs",
                "Searching the sample documents: lease epochs",
            ),
            ("Lists open issues (paged)", "", "Listing open issues"),
            ("Files a case and returns its number", "x", "Filing a case: x"),
            (
                "A tool that creates a ticket, then tells its number",
                "no_login",
                "Creating a ticket: no login",
            ),
            ("This tool gets a page of example.com", "x", "Getting a page of example.com: x"),
            ("The current weather", "Rome\nnow", "Using the current weather: Rome now"),
            ("Running a count", "", "Running a count"),
            ("Queries a table", "", "Querying a table"),
            ("", "5", "Counting slow: 5"),
        ] {
            assert_eq!(labelled("x__count_slow", description, subject), label, "{description}");
        }
    }

    #[test]
    fn verbs() {
        for (verb, participle_of) in [
            ("search", "searching"),
            ("searches", "searching"),
            ("create", "creating"),
            ("creates", "creating"),
            ("get", "getting"),
            ("run", "running"),
            ("stop", "stopping"),
            ("list", "listing"),
            ("show", "showing"),
            ("fix", "fixing"),
            ("open", "opening"),
            ("die", "dying"),
            ("see", "seeing"),
            ("fetches", "fetching"),
            ("process", "processing"),
            ("processes", "processing"),
            ("bring", "bringing"),
            ("returns", "returning"),
        ] {
            assert_eq!(participle(verb), participle_of);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_label_keeps_the_rules(name in "\\PC{0,20}", description in "\\PC{0,200}|[a-z_ \n]{0,300}", subject in "\\PC{0,200}|[a-z_\n ]{0,300}") {
            let label = labelled(&name, &description, &subject);
            assert!(!label.is_empty() && label.chars().count() < 100, "{label}");
            assert!(!label.contains(['_', '\n', '\r']), "{label}");
        }
    }
}
