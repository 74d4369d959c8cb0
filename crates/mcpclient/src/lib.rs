//! The MCP client: connections to MCP servers, their tool catalogues, and tool calls (behaviour 13-15, protocol.md 6-11).
//!
//! [`McpClients`] is the pool. It keeps one connection per user, server and credential version; nothing is shared between
//! users. A [`Catalogue`] lists what a server offers, already bounded and checked; a [`ToolCall`] ends in exactly one
//! [`CallOutcome`], and only [`CallOutcome::NotExecuted`] may be sent again.
//!
//! How it is cut:
//! - `wire` speaks HTTP through `egress`: it decodes every message by value, bounded, and never confuses what a server said
//!   with what became of the connection;
//! - `session` opens a connection in whichever era the server is of: stateless, initialize-based, or the two-endpoint
//!   transport of 2024-11-05; it finds out which by asking;
//! - `listing`, `call` and `result` use an open session; `pool` decides when there is one.
//!
//! The protocol is spoken by this crate itself, not by an SDK (docs/decisions/0009-own-mcp-client.md).

mod call;
mod catalogue;
mod connection;
mod elicit;
mod error;
mod exchange;
mod header_value;
mod identity;
pub mod limits;
mod listing;
mod observer;
mod param_header;
mod pool;
mod protocol;
mod redact;
mod refused;
mod result;
mod schema;
mod session;
mod target;
mod wire;

pub use call::{CallOutcome, Progress, ToolCall};
pub use catalogue::{Annotations, Catalogue, Tool, ToolProblem};
pub use elicit::Asked;
pub use error::{McpError, McpErrorKind};
pub use identity::{Forwarding, Identity};
pub use limits::Timeouts;
pub use observer::{Contact, Contacted, Found, Observer};
pub use pool::{CheckResult, ClientConfig, McpClients};
pub use protocol::Revision;
pub use refused::{Refused, RefusedKind};
pub use schema::Misfit;
pub use session::{Trail, Wire};
pub use target::{Target, Transport};
