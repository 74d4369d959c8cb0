//! Accounts: what may be entered, and who may do what (behaviour 2 and 30).

mod password;
mod permissions;

pub use password::check_password;
pub use permissions::{Action, can, can_manage_user};

use crate::{
    limits::{
        EMAIL_CHARS, EMAIL_LOCAL_CHARS, PERSON_NAME_CHARS, TOKEN_LIFETIME_MAX_SECONDS,
        TOKEN_LIFETIME_SECONDS, TOKEN_NAME_CHARS, USERNAME_CHARS,
    },
    text::quote,
    validation::{Problems, at_most, listed, optional_line, required_line},
};
use api::{
    Validation,
    users::{FirstUserCreate, Role, TokenCreate, User, UserCreate, UserStatus, UserUpdate},
};
use std::fmt;

/// A valid new account. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    pub email: String,
    pub username: String,
    /// May be empty.
    pub name: String,
    pub password: String,
    /// Sorted, never empty.
    pub roles: Vec<Role>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// A valid edit of an account: every field as it shall be afterwards. `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct UserChange {
    pub email: String,
    pub username: String,
    pub name: String,
    pub roles: Vec<Role>,
    pub status: UserStatus,
    /// `None` keeps the stored one.
    pub password: Option<String>,
    /// Names of the changed fields, for the audit log.
    pub changed: Vec<&'static str>,
}

impl fmt::Debug for UserChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserChange").field("changed", &self.changed).finish_non_exhaustive()
    }
}

const FIELD_ORDER: &[&str] = &["email", "username", "name", "password", "roles", "status", "setup_token"];

/// Checks a new account; no roles means `member`.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_user_create(create: &UserCreate) -> Result<NewUser, Vec<Validation>> {
    let mut problems = Problems::default();
    let email = problems.take("email", check_email(&create.email));
    let username = problems.take("username", check_username(&create.username));
    let name = problems.take("name", optional_line(&create.name, PERSON_NAME_CHARS));
    problems.take("password", check_password(&create.password, &create.email, &create.username));
    let roles = if create.roles.is_empty() { Ok(vec![Role::Member]) } else { parse_roles(&create.roles) };
    let roles = problems.take("roles", roles);
    problems.finish(FIELD_ORDER)?;
    Ok(NewUser {
        email: email.unwrap_or_default(),
        username: username.unwrap_or_default(),
        name: name.unwrap_or_default(),
        password: create.password.clone(),
        roles: roles.unwrap_or_default(),
    })
}

/// Checks the first owner. The setup token is only looked at for presence; whether it is right is the caller's to compare, in
/// constant time.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_first_user(create: &FirstUserCreate) -> Result<NewUser, Vec<Validation>> {
    let user = UserCreate {
        email: create.email.clone(),
        username: create.username.clone(),
        name: create.name.clone(),
        password: create.password.clone(),
        roles: vec![Role::Owner.as_str().to_owned()],
    };
    let checked = validate_user_create(&user);
    if !create.setup_token.trim().is_empty() {
        return checked;
    }
    let mut problems = checked.err().unwrap_or_default();
    problems.push(Validation::new(
        "setup_token",
        "Enter the setup token. The server printed it when it first started.",
    ));
    Err(problems)
}

/// Checks an edit of an account: omitted keeps, present replaces.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_user_update(current: &User, update: &UserUpdate) -> Result<UserChange, Vec<Validation>> {
    let mut problems = Problems::default();
    let mut text =
        |field: &str, sent: &Option<String>, kept: &str, rule: &dyn Fn(&str) -> Result<String, String>| {
            sent.as_ref()
                .map_or_else(|| Some(kept.to_owned()), |text| problems.take(field, rule(text)))
                .unwrap_or_default()
        };
    let email = text("email", &update.email, &current.email, &check_email);
    let username = text("username", &update.username, &current.username, &check_username);
    let name = text("name", &update.name, &current.name, &|text| optional_line(text, PERSON_NAME_CHARS));
    if let Some(password) = &update.password {
        problems.take("password", check_password(password, &email, &username));
    }
    let roles = match &update.roles {
        Some(roles) => problems.take("roles", parse_roles(roles)).unwrap_or_default(),
        None => current.roles.clone(),
    };
    let status = match &update.status {
        Some(status) => problems.take("status", parse_status(status)).unwrap_or(current.status),
        None => current.status,
    };
    problems.finish(FIELD_ORDER)?;
    let mut before = current.roles.clone();
    before.sort_unstable();
    let mut after = roles.clone();
    after.sort_unstable();
    let changed = [
        ("email", email != current.email),
        ("username", username != current.username),
        ("name", name != current.name),
        ("password", update.password.is_some()),
        ("roles", after != before),
        ("status", status != current.status),
    ];
    let changed = changed.into_iter().filter_map(|(field, changed)| changed.then_some(field)).collect();
    Ok(UserChange { email, username, name, roles, status, password: update.password.clone(), changed })
}

/// A name for an API token and its lifetime in seconds; 0 asks for 30 days.
///
/// # Errors
/// Every problem of the request, one entry per field.
pub fn validate_token_create(create: &TokenCreate) -> Result<(String, i64), Vec<Validation>> {
    let mut problems = Problems::default();
    let name = problems
        .take("token_name", required_line(&create.token_name, "a name for the token", TOKEN_NAME_CHARS));
    let lifetime = match create.lifetime_seconds {
        0 => Ok(TOKEN_LIFETIME_SECONDS),
        seconds @ 1..=TOKEN_LIFETIME_MAX_SECONDS => Ok(seconds),
        _ => Err(format!("Enter 1 to {TOKEN_LIFETIME_MAX_SECONDS} seconds (one year), or 0 for 30 days.")),
    };
    let lifetime = problems.take("lifetime_seconds", lifetime);
    problems.finish(&["token_name", "lifetime_seconds"])?;
    Ok((name.unwrap_or_default(), lifetime.unwrap_or(TOKEN_LIFETIME_SECONDS)))
}

/// Known roles, sorted, without duplicates, at least one.
///
/// # Errors
/// A sentence that lists the roles.
pub fn parse_roles(texts: &[String]) -> Result<Vec<Role>, String> {
    let known = Role::ALL.map(Role::as_str);
    let mut roles = Vec::new();
    for text in texts {
        let role = Role::parse(text.trim());
        roles.push(
            role.ok_or_else(|| format!("`{}` is not a role. Use {}.", quote(text, 40), listed(&known)))?,
        );
    }
    if roles.is_empty() {
        return Err(format!("Choose at least one role: {}.", listed(&known)));
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

fn parse_status(text: &str) -> Result<UserStatus, String> {
    let known = [UserStatus::Active, UserStatus::Suspended];
    known.into_iter().find(|status| status.as_str() == text.trim()).ok_or_else(|| {
        format!("`{}` is not a status. Use {}.", quote(text, 40), listed(&known.map(UserStatus::as_str)))
    })
}

/// An address with one `@`, trimmed. Whether mail arrives there is not asked: Patchbay sends none.
fn check_email(text: &str) -> Result<String, String> {
    let email = text.trim();
    if email.is_empty() {
        return Err("Enter an email address.".into());
    }
    at_most(email, EMAIL_CHARS)?;
    let invalid = || "Enter an email address such as ada@example.com.".to_owned();
    let (local, domain) = email.split_once('@').ok_or_else(invalid)?;
    let strange = |c: char| c.is_whitespace() || c.is_control() || "@<>()[],;:\\\"".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    if local.is_empty()
        || local.chars().count() > EMAIL_LOCAL_CHARS
        || local.contains(strange)
        || !domain.split('.').all(label)
    {
        return Err(invalid());
    }
    Ok(email.to_owned())
}

/// 1–64 of letters, digits, `-`, `_`, `.`.
fn check_username(text: &str) -> Result<String, String> {
    let username = required_line(text, "a user name", USERNAME_CHARS)?;
    if !username.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        return Err("Use only letters (a–z), digits, `-`, `_` and `.`.".into());
    }
    Ok(username)
}

#[cfg(test)]
mod tests;
