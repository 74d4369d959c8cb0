//! The rules of single fields (behaviour 3).

use crate::{
    header,
    limits::{
        DESCRIPTION_CHARS, PATTERN_CHARS, PATTERN_LINES, PATTERNS, SERVER_GROUPS, SIGNING_SECRET_BYTES,
        SLUG_CHARS,
    },
    text::{has_control, quote},
    validation::{at_most, listed},
};
use api::{
    Uuid,
    servers::{AuthType, Availability, ToolChangePolicy, Transport},
};

/// 1–64 of letters, digits, `.`, `_`, `-`; the first a letter or digit; no `__` and no `_` at the end, because `slug__tool`
/// must be readable in one way only.
pub(super) fn slug(text: &str) -> Result<String, String> {
    let slug = text.trim();
    if slug.is_empty() {
        return Err("Enter a slug, such as `linear`.".into());
    }
    at_most(slug, SLUG_CHARS)?;
    if !slug.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        return Err("Use only letters (a–z), digits, `.`, `_` and `-`.".into());
    }
    if !slug.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("Begin with a letter or digit.".into());
    }
    if slug.contains("__") || slug.ends_with('_') {
        return Err("`__` and a `_` at the end are reserved for tool names. Remove them.".into());
    }
    Ok(slug.to_owned())
}

/// Empty, or a path that begins with exactly one `/`: icons are never loaded from elsewhere.
pub(super) fn icon_url(text: &str) -> Result<String, String> {
    let icon = text.trim();
    at_most(icon, DESCRIPTION_CHARS)?;
    if icon.is_empty() {
        return Ok(String::new());
    }
    // Browsers read `\` as `/` and skip tabs, so `/\t/host` would leave this deployment.
    if !icon.starts_with('/') || icon.starts_with("//") || icon.contains('\\') || has_control(icon) {
        return Err("Enter a path on this deployment, such as /icons/linear.svg, or leave it empty.".into());
    }
    Ok(icon.to_owned())
}

pub(super) fn transport(text: &str) -> Result<Transport, String> {
    let allowed: Vec<&str> = Transport::ALL.iter().map(|t| t.as_str()).collect();
    Transport::parse(text.trim()).ok_or_else(|| one_of("a transport", text, &allowed))
}

/// The authentication types of this build.
const AUTH_TYPES: [AuthType; 5] =
    [AuthType::None, AuthType::Oauth2, AuthType::ApiKey, AuthType::CustomHeaders, AuthType::UserHeader];

pub(super) fn auth_type(text: &str) -> Result<AuthType, String> {
    let allowed = AUTH_TYPES.map(AuthType::as_str);
    match AuthType::parse(text.trim()) {
        Some(known) if AUTH_TYPES.contains(&known) => Ok(known),
        Some(later) => Err(format!("`{}` is {NOT_AVAILABLE}. Use {}.", later.as_str(), listed(&allowed))),
        None => Err(one_of("an authentication type", text, &allowed)),
    }
}

/// Empty clears. Shorter ones can be guessed by whoever sees one signed request (behaviour 12).
pub(super) fn signing_secret(text: &str) -> Result<String, String> {
    let secret = header::check_value(text)?;
    if !secret.is_empty() && secret.len() < SIGNING_SECRET_BYTES {
        return Err(format!(
            "Has {} bytes; a signing secret needs at least {SIGNING_SECRET_BYTES}.",
            secret.len()
        ));
    }
    Ok(secret)
}

pub(super) fn availability(text: &str) -> Result<Availability, String> {
    let allowed: Vec<&str> = Availability::ALL.iter().map(|a| a.as_str()).collect();
    Availability::parse(text.trim()).ok_or_else(|| one_of("an availability", text, &allowed))
}

pub(super) fn tool_change_policy(text: &str) -> Result<ToolChangePolicy, String> {
    let allowed: Vec<&str> = ToolChangePolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    ToolChangePolicy::parse(text.trim()).ok_or_else(|| one_of("a change policy", text, &allowed))
}

/// Trimmed, blanks dropped, order kept.
pub(super) fn patterns(list: &[String]) -> Result<Vec<String>, String> {
    if list.len() > PATTERN_LINES {
        return Err(format!("Has {} entries; at most {PATTERNS} patterns are possible.", list.len()));
    }
    let kept: Vec<String> =
        list.iter().map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty()).collect();
    if kept.len() > PATTERNS {
        return Err(format!("Has {} patterns; at most {PATTERNS} are possible.", kept.len()));
    }
    for entry in &kept {
        if entry.chars().count() > PATTERN_CHARS {
            return Err(format!("`{}` is longer than {PATTERN_CHARS} characters.", quote(entry, 40)));
        }
        if has_control(entry) {
            return Err(format!(
                "`{}` contains a control character. Enter one pattern per line.",
                quote(entry, 40)
            ));
        }
    }
    Ok(kept)
}

/// Ascending, each once. Whether they exist is for the database to say.
pub(super) fn groups(list: &[Uuid]) -> Result<Vec<Uuid>, String> {
    if list.len() > SERVER_GROUPS {
        return Err(format!("Has {} groups; at most {SERVER_GROUPS} are possible.", list.len()));
    }
    let mut groups = list.to_vec();
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// The words for what the contract has and this build has not.
pub(super) const NOT_AVAILABLE: &str = "not available in this build";

fn one_of(what: &str, given: &str, allowed: &[&str]) -> String {
    let given = given.trim();
    if given.is_empty() {
        format!("Choose {what}: {}.", listed(allowed))
    } else {
        format!("`{}` is not {what}. Use {}.", quote(given, 40), listed(allowed))
    }
}
