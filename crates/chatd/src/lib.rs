//! The chat daemon: runs the turns of chats and shows them live.
//!
//! A message makes a chat `running`; a **runner** takes the chat's lease and works in **steps**: it resolves the servers, lists their
//! tools, asks the model, streams the answer, sends the tool calls and commits what came back, until the model has nothing more to call.
//! The database is the truth. Every write is fenced on status, history and lease epoch; every call has an intent in the ledger
//! before it is sent, so whatever dies in the middle, no call is ever sent twice (behaviour 15 and 18).
//!
//! - [`ChatDaemon`]: wake, interrupt, drain; leases and places
//! - `runner`: one turn
//! - `builtins`: Patchbay's own tools
//! - [`Hub`] and [`follow`]: who watches, and how a stream resumes (behaviour 19)
//! - [`ModelSource`], [`ServerSource`]: what `service` provides

#![forbid(unsafe_code)]

mod builtins;
mod daemon;
mod error;
mod history;
mod hub;
pub mod limits;
mod ports;
mod runner;

pub use daemon::{ChatDaemon, ChatdConfig, Deps, RetryDelay};
pub use hub::{Awaited, EventId, Hub, Publisher, Resume, follow};
pub use ports::{
    ModelSource, PermissionAsk, ResolvedModel, ServerSource, SourceError, StepServer, TurnScope, Unusable,
};
