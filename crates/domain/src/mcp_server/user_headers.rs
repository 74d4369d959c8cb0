//! `user_header`: what the admin asks of every user, and what a user enters (behaviour 3, 5 and 7).

use super::credentials::{Edit, Outcome, UserValuesWipe};
use crate::{
    header,
    limits::{DESCRIPTION_CHARS, HEADERS, VALUE_PREFIX_BYTES},
    text::quote,
    validation::{Problems, optional_lines},
};
use api::{
    Validation,
    servers::{AuthType, UserHeader},
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// The names in lower case: how values are stored and compared, because case does not count in header names.
pub fn lower_names(headers: &[UserHeader]) -> Vec<String> {
    headers.iter().map(|header| header.name.to_ascii_lowercase()).collect()
}

/// The list as it may be stored: names as for custom headers and unique, texts capped. What is wrong with an entry stands under
/// its own name, such as `user_headers[2].name`.
pub(super) fn check_list(list: &[UserHeader], problems: &mut Problems) -> Option<Vec<UserHeader>> {
    if list.len() > HEADERS {
        let detail = format!("Has {} headers; at most {HEADERS} are possible.", list.len());
        problems.refuse("user_headers", detail);
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(list.len());
    for (at, header) in list.iter().enumerate() {
        let field = |part: &str| format!("user_headers[{at}].{part}");
        let name = header::check_name(&header.name).and_then(|name| {
            if seen.insert(name.to_ascii_lowercase()) {
                return Ok(name);
            }
            Err(format!("`{}` is given twice; case does not count in header names.", quote(&name, 40)))
        });
        let name = problems.take(&field("name"), name);
        let description = optional_lines(&header.description, DESCRIPTION_CHARS);
        let description = problems.take(&field("description"), description);
        let value_prefix = problems.take(&field("value_prefix"), check_prefix(&header.value_prefix));
        if let (Some(name), Some(description), Some(value_prefix)) = (name, description, value_prefix) {
            kept.push(UserHeader { name, description, value_prefix });
        }
    }
    (kept.len() == list.len()).then_some(kept)
}

fn check_prefix(prefix: &str) -> Result<String, String> {
    // The blank between `Bearer` and the value belongs to the prefix; one before it is never sent.
    let prefix = prefix.trim_start_matches([' ', '\t']);
    if prefix.len() > VALUE_PREFIX_BYTES {
        return Err(format!(
            "The prefix has {} bytes; at most {VALUE_PREFIX_BYTES} are possible.",
            prefix.len()
        ));
    }
    if prefix.chars().any(char::is_control) {
        return Err("The prefix contains a line break or control character. Remove it.".to_owned());
    }
    Ok(prefix.to_owned())
}

/// The rules of `user_header`; of every other type: nothing of it stays.
pub(super) fn resolve(edit: &Edit<'_>, outcome: &mut Outcome, problems: &mut Problems) {
    let (current, sent) = (edit.current, &edit.parsed.user_headers);
    if edit.auth_type == AuthType::UserHeader {
        let stored = if edit.type_changed { &[][..] } else { &current.user_headers };
        outcome.user_headers = sent.clone().unwrap_or_else(|| stored.to_vec());
        if outcome.user_headers.is_empty() && edit.judge && !problems.has_within("user_headers") {
            problems.refuse("user_headers", "Enter at least one header; `user_header` needs one.");
        }
    } else if sent.as_ref().is_some_and(|list| !list.is_empty()) || !current.user_headers.is_empty() {
        outcome.cleared.push("user_headers".to_owned());
    }
    let kept = lower_names(&outcome.user_headers);
    let gone: Vec<String> =
        lower_names(&current.user_headers).into_iter().filter(|name| !kept.contains(name)).collect();
    outcome.user_values = if edit.origin_moved || edit.type_changed {
        UserValuesWipe::All
    } else if gone.is_empty() {
        UserValuesWipe::Nothing
    } else {
        UserValuesWipe::Names(gone)
    };
}

/// What a user entered, by the names in lower case: a value for every header, none for any other.
///
/// # Errors
/// A refusal per name, under `values.NAME`. Values are never quoted.
pub fn check_user_values(
    headers: &[UserHeader],
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Vec<Validation>> {
    let mut problems = Problems::default();
    let mut kept = BTreeMap::new();
    let known = lower_names(headers);
    // More names than a server can ask for are not worth a sentence each.
    if values.len() > HEADERS {
        let detail = format!("Has {} values; at most {HEADERS} are possible.", values.len());
        return Err(vec![Validation::new("values", detail)]);
    }
    for (name, value) in values {
        let lower = name.trim_matches([' ', '\t']).to_ascii_lowercase();
        let field = format!("values.{}", quote(name, 128));
        if !known.contains(&lower) {
            problems.refuse(&field, "This server does not ask for this header. Remove it.");
        } else {
            match kept.entry(lower) {
                Entry::Occupied(_) => {
                    problems.refuse(&field, "Is given twice; case does not count in header names.");
                }
                Entry::Vacant(place) => {
                    let value = problems.take(&field, header::check_value(value));
                    place.insert(value.unwrap_or_default());
                }
            }
        }
    }
    for (header, lower) in headers.iter().zip(&known) {
        if kept.get(lower).is_none_or(String::is_empty) {
            let spelled = values.keys().find(|name| name.trim().eq_ignore_ascii_case(&header.name));
            let field = format!("values.{}", spelled.unwrap_or(&header.name));
            problems.refuse(&field, format!("Enter a value for `{}`.", header.name));
        }
    }
    problems.finish(&[])?;
    Ok(kept)
}
