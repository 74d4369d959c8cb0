//! The columns of the tables, and the ways a caller proves itself.

use crate::support::{COOKIE, Person};
use testkit::http::Proof;

/// Every kind of caller, in the order of the tables' columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Anonymous,
    /// An account that was suspended after it got its credential.
    Suspended,
    /// A member outside the group that a server is limited to.
    Outside,
    /// A member of that group.
    Inside,
    Auditor,
    Admin,
    Owner,
}

impl Who {
    pub(super) const ALL: [Who; 7] = [
        Self::Anonymous,
        Self::Suspended,
        Self::Outside,
        Self::Inside,
        Self::Auditor,
        Self::Admin,
        Self::Owner,
    ];
}

/// The three carriers of section 2: the same token, the same rights.
pub(super) fn carriers(person: &Person) -> [Proof; 3] {
    [
        Proof::Bearer(person.token.clone()),
        Proof::Header(person.token.clone()),
        Proof::Cookie { name: COOKIE.to_owned(), token: person.token.clone() },
    ]
}
