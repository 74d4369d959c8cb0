//! The database: one file per aggregate, the only user of sqlx.
//!
//! One SQL text per query, in the common subset of SQLite and PostgreSQL. Functions take a [`Session`] (reads) or a [`Write`]
//! (a transaction); whoever opens the transaction decides what belongs together. How to add an aggregate: a migration in both
//! folders, a file here with a row type deriving `FromRow`, and a file of its own in `tests/it/`,
//! whose tests run on both engines.

#[macro_use]
mod macros;
pub mod actions;
pub mod audit;
pub mod backup;
pub mod changes;
pub mod chat_plans;
pub mod chats;
pub mod clock;
pub mod credentials;
mod db;
pub mod encryption_keys;
mod error;
pub mod files;
pub mod groups;
mod instant;
pub mod live_parts;
pub mod login_attempts;
pub mod mcp_servers;
pub mod messages;
pub mod models;
pub mod oauth;
pub mod providers;
pub mod replicas;
mod schema;
mod sealed;
mod search;
mod session;
pub mod settings;
pub mod tool_calls;
pub mod user_header_values;
pub mod users;
pub mod workspaces;
mod written_json;

pub use db::{Db, DbConfig};
pub use error::StoreError;
pub use instant::Micros;
pub use sealed::SealedColumn;
pub use session::{Session, Write};

/// Result of every store function.
pub type Result<T> = std::result::Result<T, StoreError>;
