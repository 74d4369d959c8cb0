//! Groups: what may be entered (behaviour 2 and 30).

use crate::{
    limits::{DISPLAY_NAME_CHARS, GROUP_CHANGES, GROUP_NAME_CHARS},
    validation::{Problems, optional_line, required_line},
};
use api::{
    Uuid, Validation,
    groups::{GroupCreate, GroupUpdate},
};
use std::collections::BTreeSet;

/// A valid new group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    pub name: String,
    /// May be empty.
    pub display_name: String,
}

/// A valid edit of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    pub name: String,
    pub display_name: String,
    /// Without doubles, in the order of the request.
    pub add_users: Vec<Uuid>,
    /// Without doubles, in the order of the request.
    pub remove_users: Vec<Uuid>,
    /// Names of the changed fields, for the audit log.
    pub changed: Vec<&'static str>,
}

const FIELD_ORDER: &[&str] = &["name", "display_name", "add_users", "remove_users"];

/// Checks a new group.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_group_create(create: &GroupCreate) -> Result<NewGroup, Vec<Validation>> {
    let mut problems = Problems::default();
    let name = problems.take("name", check_name(&create.name));
    let display_name = create.display_name.as_deref().unwrap_or_default();
    let display_name = problems.take("display_name", optional_line(display_name, DISPLAY_NAME_CHARS));
    problems.finish(FIELD_ORDER)?;
    Ok(NewGroup { name: name.unwrap_or_default(), display_name: display_name.unwrap_or_default() })
}

/// Checks an edit of a group called `name`, shown as `display_name`: omitted keeps.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_group_update(
    name: &str,
    display_name: &str,
    update: &GroupUpdate,
) -> Result<GroupChange, Vec<Validation>> {
    let mut problems = Problems::default();
    let new_name = match &update.name {
        // A name that a claim brought need not be one that could be entered; sending it again changes nothing.
        Some(text) if text.trim() != name => problems.take("name", check_name(text)).unwrap_or_default(),
        _ => name.to_owned(),
    };
    let new_display_name = match &update.display_name {
        Some(text) => {
            problems.take("display_name", optional_line(text, DISPLAY_NAME_CHARS)).unwrap_or_default()
        }
        None => display_name.to_owned(),
    };
    let add_users = problems.take("add_users", distinct(&update.add_users)).unwrap_or_default();
    let remove_users = problems.take("remove_users", distinct(&update.remove_users)).unwrap_or_default();
    if let Some(both) = add_users.iter().find(|id| remove_users.contains(id)) {
        problems.refuse("remove_users", format!("{both} is in `add_users` too. Keep one of the two."));
    }
    problems.finish(FIELD_ORDER)?;
    let changed = [("name", new_name != name), ("display_name", new_display_name != display_name)];
    let changed = changed.into_iter().filter_map(|(field, changed)| changed.then_some(field)).collect();
    Ok(GroupChange { name: new_name, display_name: new_display_name, add_users, remove_users, changed })
}

fn distinct(ids: &[Uuid]) -> Result<Vec<Uuid>, String> {
    if ids.len() > GROUP_CHANGES {
        return Err(format!(
            "Has {} users; at most {GROUP_CHANGES} are possible in one request. Send the rest in a second one.",
            ids.len()
        ));
    }
    let mut seen = BTreeSet::new();
    Ok(ids.iter().copied().filter(|id| seen.insert(*id)).collect())
}

/// 1–64 of letters, digits, `.`, `_`, `-`: what a claim of an identity provider can carry, and the same on both database engines
/// whatever its case.
fn check_name(text: &str) -> Result<String, String> {
    let name = required_line(text, "a name for the group, such as `web-team`", GROUP_NAME_CHARS)?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err(
            "Use only letters (a–z), digits, `-`, `_` and `.`. The display name takes any text.".into()
        );
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(name: &str, display_name: &str) -> GroupCreate {
        GroupCreate { name: name.to_owned(), display_name: Some(display_name.to_owned()) }
    }

    fn fields(problems: Vec<Validation>) -> Vec<String> {
        problems.into_iter().map(|problem| problem.field).collect()
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    #[test]
    fn names_are_short_words_and_display_names_any_line() {
        for name in ["web", "Web-Team_2.x", &"a".repeat(GROUP_NAME_CHARS)] {
            assert_eq!(validate_group_create(&create(name, "")).unwrap().name, name);
        }
        let taken = validate_group_create(&create("  web ", "  The web team ☂ ")).unwrap();
        assert_eq!((taken.name.as_str(), taken.display_name.as_str()), ("web", "The web team ☂"));
        for name in ["", " ", "two words", "wéb", "a/b", "a\0b", &"a".repeat(GROUP_NAME_CHARS + 1)] {
            assert_eq!(fields(validate_group_create(&create(name, "")).unwrap_err()), ["name"], "{name:?}");
        }
        let long = "é".repeat(DISPLAY_NAME_CHARS + 1);
        for display_name in ["a\nb", "a\u{0}b", &long] {
            assert_eq!(
                fields(validate_group_create(&create("", display_name)).unwrap_err()),
                ["name", "display_name"]
            );
        }
    }

    #[test]
    fn an_edit_keeps_what_it_omits() {
        let change = validate_group_update("web", "Web", &GroupUpdate::default()).unwrap();
        assert_eq!((change.name.as_str(), change.display_name.as_str()), ("web", "Web"));
        assert!(change.changed.is_empty());
        let update = GroupUpdate {
            name: Some("ops".into()),
            display_name: Some(String::new()),
            ..GroupUpdate::default()
        };
        let change = validate_group_update("web", "Web", &update).unwrap();
        assert_eq!((change.name.as_str(), change.display_name.as_str()), ("ops", ""));
        assert_eq!(change.changed, ["name", "display_name"]);
        // As a claim brought it.
        let update = GroupUpdate { name: Some("/acme/web".into()), ..GroupUpdate::default() };
        assert!(validate_group_update("/acme/web", "", &update).unwrap().changed.is_empty());
        assert!(validate_group_update("web", "", &update).is_err());
    }

    #[test]
    fn nobody_joins_and_leaves_at_once_and_the_lists_are_bounded() {
        let update = GroupUpdate {
            add_users: vec![id(1), id(2), id(1)],
            remove_users: vec![id(3), id(3)],
            ..GroupUpdate::default()
        };
        let change = validate_group_update("web", "", &update).unwrap();
        assert_eq!((change.add_users, change.remove_users), (vec![id(1), id(2)], vec![id(3)]));
        let update =
            GroupUpdate { add_users: vec![id(1)], remove_users: vec![id(1)], ..GroupUpdate::default() };
        assert_eq!(fields(validate_group_update("web", "", &update).unwrap_err()), ["remove_users"]);
        let many: Vec<Uuid> = (0..=GROUP_CHANGES as u128).map(id).collect();
        let update = GroupUpdate {
            name: Some(String::new()),
            add_users: many.clone(),
            remove_users: many,
            ..GroupUpdate::default()
        };
        assert_eq!(
            fields(validate_group_update("web", "", &update).unwrap_err()),
            ["name", "add_users", "remove_users"]
        );
    }
}
