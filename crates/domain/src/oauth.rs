//! What OAuth says in headers and in lists of scopes (protocol.md 14.1, 14.7 and 14.10).

pub mod challenge;
pub mod scopes;
