//! What may be asked of the audit log (behaviour 27).

use crate::{
    limits::USERNAME_CHARS,
    text::quote,
    validation::{Problems, listed, optional_line},
};
use api::{
    Timestamp, Uuid, Validation,
    audit::{AuditOutcome, AuditQuery},
};

/// Entries of a page, unless asked otherwise.
pub const PAGE: i64 = 50;
/// Entries of a page at most.
pub const PAGE_MAX: i64 = 200;
/// Longest action, resource type and resource id of a filter, characters.
const NAME_CHARS: usize = 64;
const RESOURCE_ID_CHARS: usize = 200;

const FIELD_ORDER: &[&str] =
    &["from", "to", "actor", "action", "resource_type", "resource_id", "outcome", "limit", "after"];

/// Whose entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorFilter {
    Id(Uuid),
    /// A username, without regard to case.
    Name(String),
}

/// Which actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionFilter {
    Exact(String),
    /// Written with the dot at the end: `server.`.
    Prefix(String),
}

/// Which entries. The default is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuditFilter {
    /// This instant and later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    pub actor: Option<ActorFilter>,
    pub action: Option<ActionFilter>,
    pub resource_type: Option<String>,
    pub resource_id: Option<String>,
    pub outcome: Option<AuditOutcome>,
}

/// A valid question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditAsk {
    pub filter: AuditFilter,
    /// 1 to [`PAGE_MAX`].
    pub limit: i64,
    /// The last entry of the page before.
    pub after: Option<Uuid>,
}

/// Checks every parameter; an empty one is absent.
///
/// # Errors
/// Every refused parameter, by name.
pub fn check_query(query: &AuditQuery) -> Result<AuditAsk, Vec<Validation>> {
    let mut problems = Problems::default();
    let from = problems.take("from", given(&query.from, instant)).flatten();
    let to = problems.take("to", given(&query.to, instant)).flatten();
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        problems.refuse("to", "Must be later than `from`.");
    }
    let filter = AuditFilter {
        from,
        to,
        actor: problems.take("actor", given(&query.actor, actor)).flatten(),
        action: problems.take("action", given(&query.action, action)).flatten(),
        resource_type: problems.take("resource_type", given(&query.resource_type, name)).flatten(),
        resource_id: problems.take("resource_id", given(&query.resource_id, resource_id)).flatten(),
        outcome: problems.take("outcome", given(&query.outcome, outcome)).flatten(),
    };
    let limit = problems.take("limit", given(&query.limit, limit)).flatten().unwrap_or(PAGE);
    let after = problems.take("after", given(&query.after, entry_id)).flatten();
    problems.finish(FIELD_ORDER)?;
    Ok(AuditAsk { filter, limit, after })
}

fn given<T>(text: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    // A plus sign that was not encoded arrives as a space.
    Timestamp::parse(&text.replace(' ', "+"))
        .ok_or_else(|| "Enter an RFC 3339 time, such as 2026-01-31T12:00:00Z.".to_owned())
}

fn actor(text: &str) -> Result<ActorFilter, String> {
    match entry_id(text) {
        Ok(id) => Ok(ActorFilter::Id(id)),
        Err(_) => optional_line(text, USERNAME_CHARS).map(|name| ActorFilter::Name(name.to_lowercase())),
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = optional_line(text, NAME_CHARS)?;
    if name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.')) {
        return Ok(name);
    }
    Err("Use only small letters, digits, `_` and `.`, such as `server.update` or `mcp_server`.".to_owned())
}

fn action(text: &str) -> Result<ActionFilter, String> {
    let name = name(text)?;
    Ok(if name.ends_with('.') { ActionFilter::Prefix(name) } else { ActionFilter::Exact(name) })
}

fn resource_id(text: &str) -> Result<String, String> {
    optional_line(text, RESOURCE_ID_CHARS)
}

fn outcome(text: &str) -> Result<AuditOutcome, String> {
    AuditOutcome::parse(text).ok_or_else(|| {
        let known = AuditOutcome::ALL.map(AuditOutcome::as_str);
        format!("`{}` is not an outcome. Use {}.", quote(text, 40), listed(&known))
    })
}

fn limit(text: &str) -> Result<i64, String> {
    let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| format!("Use 1 to {PAGE_MAX}."))
}

fn entry_id(text: &str) -> Result<Uuid, String> {
    // Only the canonical form: the parser would also take braces and URNs.
    let id = (text.len() == 36).then(|| text.parse().ok()).flatten();
    id.ok_or_else(|| "is not a uuid".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01930000-0000-7000-8000-000000000000";

    fn query(pairs: &[(&str, &str)]) -> AuditQuery {
        let mut query = AuditQuery::default();
        for (name, value) in pairs {
            (*value).clone_into(query.field_mut(name).unwrap());
        }
        query
    }

    #[test]
    fn nothing_given_asks_for_the_first_page_of_everything() {
        let ask = check_query(&AuditQuery::default()).unwrap();
        assert_eq!(ask, AuditAsk { filter: AuditFilter::default(), limit: PAGE, after: None });
        assert_eq!(check_query(&query(&[("actor", "  ")])).unwrap(), ask);
    }

    #[test]
    fn every_filter_is_read() {
        let ask = check_query(&query(&[
            ("from", "2026-11-01T00:00:00Z"),
            ("to", "2026-11-01T03:00:00 02:00"),
            ("actor", "Ada"),
            ("action", "server."),
            ("resource_type", "mcp_server"),
            ("resource_id", ID),
            ("outcome", "denied"),
            ("limit", "200"),
            ("after", ID),
        ]))
        .unwrap();
        let start = Timestamp(1_793_491_200_000_000);
        assert_eq!((ask.filter.from, ask.filter.to), (Some(start), Some(start.plus_seconds(3600))));
        assert_eq!(ask.filter.actor, Some(ActorFilter::Name("ada".to_owned())));
        assert_eq!(ask.filter.action, Some(ActionFilter::Prefix("server.".to_owned())));
        assert_eq!(ask.filter.outcome, Some(AuditOutcome::Denied));
        assert_eq!((ask.limit, ask.after), (200, ID.parse().ok()));
        let by_id = check_query(&query(&[("actor", ID), ("action", "server.update")])).unwrap().filter;
        assert_eq!(by_id.actor, Some(ActorFilter::Id(ID.parse().unwrap())));
        assert_eq!(by_id.action, Some(ActionFilter::Exact("server.update".to_owned())));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let long = "x".repeat(300);
        for (name, value) in [
            ("from", "yesterday"),
            ("from", "2026-11-01"),
            ("to", "1793491200"),
            ("actor", long.as_str()),
            ("action", "server.%"),
            ("action", "Server"),
            ("resource_type", "mcp server"),
            ("resource_id", long.as_str()),
            ("resource_id", "a\u{0}b"),
            ("outcome", "maybe"),
            ("limit", "0"),
            ("limit", "201"),
            ("limit", "-1"),
            ("limit", "many"),
            ("after", "1"),
            ("after", "{01930000-0000-7000-8000-00000000000}"),
        ] {
            let refused = check_query(&query(&[(name, value)])).expect_err(value);
            assert_eq!(refused.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), [name], "{value}");
        }
    }

    #[test]
    fn all_problems_come_at_once_in_the_order_of_the_form() {
        let refused = check_query(&query(&[("limit", "x"), ("outcome", "x"), ("from", "x")])).unwrap_err();
        assert_eq!(
            refused.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(),
            ["from", "outcome", "limit"]
        );
        let same = "2026-11-01T00:00:00Z";
        let refused = check_query(&query(&[("from", same), ("to", same)])).unwrap_err();
        assert_eq!(refused[0].field, "to");
    }
}
