//! The two documents of a discovery, read and judged (RFC 9728, 2; RFC 8414, 2; OpenID Connect Discovery, 3).
//!
//! Only what is used is read. Unknown members are ignored, and so is a member that may be absent and is of the wrong type, unless a
//! rule depends on it: then the document is refused.

mod members;
mod refusal;
mod resource;
mod server;

pub use refusal::Refusal;
pub use resource::ResourceMetadata;
pub use server::{ForeignOrigin, ServerMetadata};
