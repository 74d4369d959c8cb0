//! Which passwords are accepted (NIST SP 800-63B, 3.1.1: length and blocklist, no composition rules).

use crate::limits::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, USERNAME_IN_PASSWORD_MIN_CHARS};

/// The commonest passwords of at least twelve characters, in lower case. Shorter ones fail by their length.
const COMMON: [&str; 32] = [
    "000000000000",
    "111111111111",
    "112233445566",
    "123123123123",
    "123456123456",
    "1234567890123",
    "1234567890ab",
    "123456789012",
    "1234qwer1234",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "aaaaaaaaaaaa",
    "abc123abc123",
    "abcdefghijkl",
    "adminadminadmin",
    "administrator",
    "changemechangeme",
    "correcthorsebatterystaple",
    "iloveyouiloveyou",
    "letmeinletmein",
    "letmein123456",
    "passwordpassword",
    "password1234",
    "password12345",
    "password123456",
    "password123!",
    "qazwsxedcrfv",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "welcomewelcome",
];

/// 12 to 128 characters, neither common nor one character over and over, and without the account's own names. It is taken as typed:
/// blanks around it count.
///
/// # Errors
/// A sentence for people, which never quotes the password.
pub fn check_password(password: &str, email: &str, username: &str) -> Result<(), String> {
    let count = password.chars().count();
    if count == 0 {
        return Err("Enter a password.".into());
    }
    if count < PASSWORD_MIN_CHARS {
        return Err(format!(
            "Has {count} characters; at least {PASSWORD_MIN_CHARS} are needed. Several words make a good one."
        ));
    }
    if count > PASSWORD_MAX_CHARS {
        return Err(format!("Has {count} characters; at most {PASSWORD_MAX_CHARS} are possible."));
    }
    let lower = password.to_lowercase();
    let (email, username) = (email.trim().to_lowercase(), username.trim().to_lowercase());
    let holds = |part: &str, least: usize| part.chars().count() >= least && lower.contains(part);
    if holds(&email, 1) || holds(&username, USERNAME_IN_PASSWORD_MIN_CHARS) {
        return Err("Contains the email address or user name. Choose another one.".into());
    }
    let first = lower.chars().next();
    if COMMON.contains(&lower.as_str()) || lower.chars().all(|c| Some(c) == first) {
        return Err("This password is among the first that attackers try. Choose another one.".into());
    }
    Ok(())
}
