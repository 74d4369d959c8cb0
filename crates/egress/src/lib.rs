//! The one outbound HTTP client (behaviour 11, threats B).
//!
//! Every byte Patchbay sends to somebody else's machine goes through [`Egress`]: discovery, registration, token
//! requests, MCP traffic, model providers. It
//!
//! - refuses addresses of the inside (loopback, private, link-local, cloud metadata, Patchbay itself …) whatever their
//!   spelling, and dials only an address that it has vetted itself;
//! - opens private destinations one by one through an [`AllowList`];
//! - follows a redirect only as the caller's [`Redirects`] says, each hop vetted like the first request;
//! - gives every phase a deadline and every buffer a cap ([`Limits`]);
//! - knows no proxy, no cookie, no automatic retry and no decompression.
//!
//! Errors say what the caller may do next: [`EgressError::surely_not_sent`] decides whether a call may be repeated
//! without the risk of a second effect, [`EgressError::public_message`] is text for people.

mod address;
mod allow;
mod client;
mod clients;
mod error;
mod failure;
mod latency;
pub mod limits;
mod policy;
mod redirect;
mod request;
mod resolve;
mod response;
mod target;

pub use address::BlockClass;
pub use allow::{AllowList, AllowListError};
pub use client::{Egress, EgressConfig};
pub use error::{EgressError, Phase};
pub use latency::Latency;
pub use limits::Limits;
pub use policy::Refusal;
pub use request::{HopHeaders, Redirects, Request, Reuse};
pub use resolve::{Lookup, SystemLookup};
pub use response::Response;
pub use target::Target;
