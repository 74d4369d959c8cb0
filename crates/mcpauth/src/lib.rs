//! The client side of OAuth 2.1 for MCP servers (protocol.md 14, behaviour 8 to 10, threats A).
//!
//! What a standard says is a pure function over documents and strings; the few functions that send something are thin drivers
//! around them, and everything they send goes through `egress`. The crate knows no database and no HTTP server: where a flow is
//! stored, who may start it and when a token is renewed is decided by its callers.
//!
//! - [`discovery`] finds who issues tokens for a server, on the addresses that [`urls`] builds, from documents that [`metadata`]
//!   reads and [`resource`] compares;
//! - [`registration`] makes a client there, or describes ours;
//! - [`authorization`] builds the address that a user is sent to, and judges who has answered;
//! - [`token`] exchanges a code and renews a token, with the login that [`auth_method`] chooses; [`revocation`] gives it back.
//!
//! Identifiers are compared byte by byte and sent as they were received: `url::Url` would change them. No secret is in a `Debug`
//! output, and no text of these errors has words of a provider in it but a checked error code.

pub mod auth_method;
pub mod authorization;
pub mod discovery;
mod form;
pub mod limits;
pub mod metadata;
pub mod registration;
pub mod resource;
pub mod revocation;
mod send;
pub mod token;
pub mod urls;
