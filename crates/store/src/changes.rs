//! What was changed, for the caches of others: a short command beside the server, another replica.

use crate::{Micros, Result, Write};
use api::Timestamp;

/// What a change is about; the values of the table's CHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Servers,
    Users,
    Groups,
    Keys,
    Models,
    Settings,
}

impl ChangeKind {
    pub const ALL: [Self; 6] =
        [Self::Servers, Self::Users, Self::Groups, Self::Keys, Self::Models, Self::Settings];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Servers => "servers",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Keys => "keys",
            Self::Models => "models",
            Self::Settings => "settings",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub id: i64,
    pub kind: ChangeKind,
    /// The id or name of what changed.
    pub subject: String,
}

/// Notes a change in its transaction.
///
/// # Errors
/// [`crate::StoreError::Unavailable`].
pub async fn change_append(write: &mut Write, kind: ChangeKind, subject: &str, at: Timestamp) -> Result<()> {
    let sql = "INSERT INTO changes (kind, subject, at) VALUES ($1, $2, $3)";
    execute!(write, sql, kind.as_str(), subject, Micros::from(at)).map(|_| ())
}
