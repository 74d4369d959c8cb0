//! The MCP client: connections to MCP servers, their tool catalogues, and tool calls (behaviour 13-15, protocol.md 6-11).
//!
//! [`McpClients`] is the pool. It keeps one connection per user, server and credential version; nothing is shared between
//! users. A [`Catalogue`] lists what a server offers, already bounded and checked; a [`ToolCall`] ends in exactly one
//! [`CallOutcome`], and only [`CallOutcome::NotExecuted`] may be sent again.
//!
//! How it is cut:
//! - `wire` speaks streamable HTTP over `egress` underneath rmcp: it decodes every message itself, holds the session id and
//!   writes the raw answer of each request into an [`exchange`], so that what a server said and what a library made up are
//!   never confused;
//! - `initialize` opens a connection in the initialize-based revisions. Another era is another module beside it;
//! - `listing`, `call` and `result` use an open connection; `pool` decides when there is one.
//!
//! rmcp logs what servers write, at INFO and above, and reports each failed handshake as an ERROR of its own. This crate
//! logs what matters itself, so a subscriber should switch the target `rmcp` off.

mod call;
mod catalogue;
mod connection;
mod error;
mod exchange;
mod initialize;
pub mod limits;
mod listing;
mod pool;
mod redact;
mod result;
mod schema;
mod target;
mod wire;

pub use call::{CallOutcome, Progress, ToolCall};
pub use catalogue::{Annotations, Catalogue, Tool, ToolProblem};
pub use error::{McpError, McpErrorKind};
pub use limits::Timeouts;
pub use pool::{CheckResult, ClientConfig, McpClients};
pub use target::Target;
